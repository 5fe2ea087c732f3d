//! What a turn of a call came to: one line of the log, and the numbers.
//!
//! A success is told at `debug`, so that it costs nothing where nobody reads it; anything else at `info` or above. A
//! line names the call and what came of it, never what is in it.

use std::time::Duration;

use http::HeaderMap;
use proto::dead::Reason;
use proto::record::State;
use proto::trace::{Context, TraceId};
use proto::{Call, LaneKey};
use tracing::field::{DisplayValue, display};

use super::plan::{End, Next};
use crate::meter::Series;

/// What is counted of a turn, once what follows from it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is tried again.
    PutOff,
    /// It ended.
    Ended(State, Option<Reason>),
    /// It was no call.
    Buried(Reason),
}

impl Turned {
    /// Writes the line of a turn that is about to be settled.
    #[must_use]
    pub fn tell(lane: &LaneKey, next: &Next) -> Self {
        match next {
            Next::Again { call, due } => {
                let turn = Turn::last(call);
                tracing::info!(
                    call = %call.id,
                    function = %lane.function,
                    queue = %lane.queue,
                    attempt = turn.attempt,
                    status = turn.status,
                    seconds = turn.seconds,
                    again = %due,
                    trace_id = trace_id(&call.request.headers),
                    detail = turn.detail,
                    "a call is put off"
                );
                Self::PutOff
            }
            Next::Ended(end) => {
                end.tell(lane);
                Self::Ended(end.record.state, end.letter.as_ref().map(|letter| letter.reason))
            }
            Next::Buried(letter) => Self::Buried(letter.reason),
        }
    }

    /// Counts it.
    pub fn count(self, series: &Series) {
        match self {
            Self::PutOff => series.retries.add(1),
            Self::Ended(end, letter) => {
                series.ended(end);
                if let Some(reason) = letter {
                    series.died(reason);
                }
            }
            Self::Buried(reason) => series.died(reason),
        }
    }
}

impl End {
    fn tell(&self, lane: &LaneKey) {
        let (call, turn) = (&self.call, Turn::last(&self.call));
        macro_rules! line {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    call = %call.id,
                    function = %lane.function,
                    queue = %lane.queue,
                    attempt = turn.attempt,
                    status = turn.status,
                    seconds = turn.seconds,
                    reason = self.letter.as_ref().map(|letter| letter.reason.as_str()),
                    trace_id = trace_id(&call.request.headers),
                    detail = self.record.detail,
                    $message
                )
            };
        }
        match self.record.state {
            State::Succeeded => line!(debug, "a call succeeded"),
            State::Failed => line!(info, "a call failed"),
            State::Dead => line!(warn, "a call is dead"),
            State::Cancelled => line!(info, "a call was cancelled"),
            State::Expired => line!(info, "a call expired"),
            State::Ready | State::Running | State::Waiting => line!(debug, "a call goes on"),
        }
    }
}

/// What a line says of the last attempt.
#[derive(Debug, Default, PartialEq)]
struct Turn<'a> {
    attempt: u32,
    status: Option<u16>,
    seconds: f64,
    detail: &'a str,
}

impl<'a> Turn<'a> {
    /// That of a call; of one that has not been tried, there is only which attempt it would have been.
    fn last(call: &'a Call) -> Self {
        match call.history.turns().last() {
            Some(turn) => Self {
                // Busy is no attempt: it is still the one that it was to be.
                attempt: call.counts.attempts.max(1),
                status: turn.status,
                seconds: Duration::from_millis(turn.millis).as_secs_f64(),
                detail: &turn.detail,
            },
            None => Self { attempt: call.next_attempt(), ..Self::default() },
        }
    }
}

/// The trace that a call belongs to, as a line tells it.
#[must_use]
pub fn trace_id(headers: &HeaderMap) -> Option<DisplayValue<TraceId>> {
    Context::of(headers).map(|context| display(context.trace))
}

#[cfg(test)]
mod tests {
    use proto::history::What;
    use proto::{CallId, Function, Request, Timestamp, header};

    use super::*;

    fn call() -> Call {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        Call::new(id, function, Timestamp::default(), Request::default())
    }

    #[test]
    fn a_trace_is_told_of_as_it_is_read() {
        let of = |value: &'static str| {
            let headers = [(header::TRACEPARENT, http::HeaderValue::from_static(value))].into_iter().collect();
            trace_id(&headers).map(|id| format!("{id:?}"))
        };
        let known = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(known.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for bad in ["", "00-short-b7ad6b7169203331-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_line_tells_of_the_last_attempt() {
        let mut call = call();
        assert_eq!(Turn::last(&call), Turn { attempt: 1, ..Turn::default() });
        call.counts.attempts = 2;
        call.history.push(Timestamp::default(), Duration::from_millis(1500), What::Retried, Some(503), "status 503");
        let expected = Turn { attempt: 2, status: Some(503), seconds: 1.5, detail: "status 503" };
        assert_eq!(Turn::last(&call), expected);
    }

    #[test]
    fn what_a_turn_came_to_is_counted_once() {
        let series = Series::default();
        for turned in [
            Turned::PutOff,
            Turned::Ended(State::Succeeded, None),
            Turned::Ended(State::Dead, Some(Reason::Exhausted)),
            Turned::Buried(Reason::Undecodable),
        ] {
            turned.count(&series);
        }
        assert_eq!((series.retries.get(), series.ends(State::Succeeded), series.ends(State::Dead)), (1, 1, 1));
        assert_eq!((series.deaths(Reason::Exhausted), series.deaths(Reason::Undecodable)), (1, 1));
    }
}
