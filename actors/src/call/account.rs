//! The four numbers of a call: what a delivery says of how often it was left behind.

use proto::record::State;
use proto::{Call, Counts, Record, Target};

use super::Desk;
use super::note::returned;
use super::settle::persist;
use crate::port::Delivery;

/// What a call's record means for a message of it.
#[derive(Debug, PartialEq)]
pub enum Standing {
    /// Nothing: it may run.
    Open,
    /// The call has ended like this; what follows from that may be missing.
    Ended(Box<Record>),
    /// The same, and its caller is to have the whole result, with its headers: for that it runs again.
    Repeat(Box<Record>),
    /// This turn of the call is past, and what followed from it is stored.
    Past,
}

impl Desk {
    /// Counts a delivery. Whoever had the message before, and neither settled it nor said that he gave it back, is
    /// gone: that is a crash. He may have come some way, and told of it.
    pub async fn account(&self, call: &mut Call, delivery: &Delivery) -> Standing {
        call.counts.deliveries = call.counts.deliveries.saturating_add(delivery.deliveries);
        let is_first = delivery.deliveries <= 1 && turn(call.counts) == 0;
        if is_first || call.target != Target::Function {
            call.counts.crashes = call.counts.crashes.saturating_add(crashes(delivery.deliveries, 0));
            return Standing::Open;
        }
        // For as long as it takes: to run it without knowing how it stands could be to run what has ended.
        let told = persist(|| self.broker.record(&call.id)).await;
        let told = told.inspect_err(|error| tracing::warn!(call = %call.id, %error, "a call's record is of no use"));
        let told = told.ok().flatten().map(|it| it.record);
        let crashes = crashes(delivery.deliveries, returned(told.as_ref(), call));
        if crashes > 0 {
            tracing::warn!(call = %call.id, lane = %delivery.lane, crashes, "whoever ran this call before is gone");
        }
        call.counts.crashes = call.counts.crashes.saturating_add(crashes);
        told.map_or(Standing::Open, |told| standing(told, call))
    }
}

/// How far in its life a call is.
fn turn(counts: Counts) -> u32 {
    counts.attempts.saturating_add(counts.throttles)
}

/// A message may be one of a turn that is past: whoever had it was gone before he could acknowledge it, or another one
/// was too slow to be stopped.
fn standing(told: Record, call: &Call) -> Standing {
    if !told.is_of(call) || told.redriven < call.redriven {
        return Standing::Open;
    }
    if told.redriven > call.redriven {
        return Standing::Past;
    }
    let (told_turn, own_turn) = (turn(told.counts), turn(call.counts));
    match told.state {
        State::Cancelled | State::Expired => Standing::Ended(told.into()),
        State::Succeeded | State::Failed if told_turn <= own_turn => Standing::Past,
        // What followed from this turn was another turn. It is the last one's message that leads to a letter or callback.
        State::Succeeded | State::Failed | State::Dead if told_turn > own_turn.saturating_add(1) => Standing::Past,
        State::Succeeded | State::Failed | State::Dead if call.callback.is_none() => Standing::Ended(told.into()),
        State::Succeeded | State::Failed | State::Dead => Standing::Repeat(told.into()),
        State::Ready | State::Running | State::Waiting if told_turn > own_turn => Standing::Past,
        _ => Standing::Open,
    }
}

/// How many of the deliveries before this one ended in a crash.
fn crashes(deliveries: u32, returned: u32) -> u32 {
    deliveries.saturating_sub(1).saturating_sub(returned)
}

#[cfg(test)]
mod tests {
    use proto::{CallId, Function, LaneKey, Queue, Request, Timestamp};

    use super::*;

    fn call(attempts: u32) -> Call {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function, Timestamp::default(), Request::default());
        call.counts.attempts = attempts;
        call
    }

    fn told(state: State, attempts: u32) -> Record {
        Record::of(&call(attempts), &LaneKey::new(Queue::default(), call(0).function), state, Timestamp::default())
    }

    #[test]
    fn a_message_of_a_turn_that_is_past_is_not_run() {
        let past = |told, call: &Call| standing(told, call) == Standing::Past;
        assert!(past(told(State::Waiting, 1), &call(0)), "its retry is stored");
        assert!(!past(told(State::Waiting, 1), &call(1)), "and this is that retry");
        assert!(past(told(State::Succeeded, 1), &call(1)), "a retry of what succeeded after all");
        assert!(!past(told(State::Succeeded, 2), &call(1)), "whoever ended it may not have called back");
        assert!(past(told(State::Dead, 3), &call(1)), "nor buried it, which is for the message of its last turn");
        assert!(!past(told(State::Dead, 2), &call(1)));
        assert!(past(Record { redriven: 1, ..told(State::Ready, 0) }, &call(9)), "it has begun anew");
        let other = Record { accepted_at: Timestamp::from_unix_nanos(1), ..told(State::Succeeded, 1) };
        assert!(!past(other, &call(1)), "another call with the same id");
    }

    #[test]
    fn an_end_is_followed_where_it_says_everything() {
        let ended = |state, call: &Call| matches!(standing(told(state, 1), call), Standing::Ended(_));
        let with_callback = Call { callback: Some("http://caller.example".into()), ..call(0) };
        for state in [State::Cancelled, State::Expired, State::Succeeded, State::Dead] {
            assert!(ended(state, &call(0)), "{state:?}");
        }
        assert!(ended(State::Cancelled, &with_callback) && !ended(State::Succeeded, &with_callback));
        assert!(matches!(standing(told(State::Succeeded, 1), &with_callback), Standing::Repeat(_)));
    }

    #[test]
    fn what_was_given_back_is_no_crash() {
        assert_eq!([(1, 0), (2, 0), (2, 1), (5, 1), (1, 1)].map(|(n, back)| crashes(n, back)), [0, 1, 0, 3, 0]);
    }
}
