//! What is told of a call that goes on. It may be lost, and holds nobody up.

use proto::record::State;
use proto::{Call, Record, Timestamp};

use super::Desk;
use crate::port::Delivery;

impl Desk {
    /// It runs. Whoever ran this turn before, and is gone, has said so already.
    pub(super) async fn note_running(&self, call: &Call, delivery: &Delivery) {
        let running = Record::of(call, &delivery.lane, State::Running, self.clock.now());
        let is_news = |seen: &Record| !seen.is_of_turn(call) || seen.state != State::Running;
        self.note(running, is_news, |seen| returned(seen, call)).await;
    }

    /// It is given back. Without this, whoever takes it next would think that this worker had crashed.
    pub(super) async fn note_returned(&self, call: &Call, delivery: &Delivery) {
        if self.recorder.keeps(self.keep(call)) {
            let ready = Record::of(call, &delivery.lane, State::Ready, self.clock.now());
            self.note(ready, |_| true, |seen| returned(seen, call).saturating_add(1)).await;
        }
    }

    /// It waits for its next attempt.
    pub(super) async fn note_waiting(&self, call: &Call, delivery: &Delivery, due: Timestamp) {
        if self.recorder.keeps(self.keep(call)) {
            let waiting = Record::of(call, &delivery.lane, State::Waiting, self.clock.now());
            self.note(Record { due: Some(due), ..waiting }, |_| true, |_| 0).await;
        }
    }

    /// Notes it over what is on record, unless that is further than the note by now, or this is no news.
    async fn note(
        &self,
        note: Record,
        is_news: impl FnOnce(&Record) -> bool,
        returned: impl FnOnce(Option<&Record>) -> u32,
    ) {
        let seen = self.recorder.noted(&note.id).await;
        if seen.as_ref().is_none_or(|seen| is_behind(&seen.record, &note) && is_news(&seen.record)) {
            let returned = returned(seen.as_ref().map(|it| &it.record));
            self.recorder.note(&Record { returned, ..note }, seen.map_or(0, |it| it.revision)).await;
        }
    }
}

/// Whether a note may take a record's place: a note can be late, and the call at its end or in another turn meanwhile.
/// The record of another call that had the same id may go once that has ended.
fn is_behind(seen: &Record, note: &Record) -> bool {
    if (seen.accepted_at, &seen.function) != (note.accepted_at, &note.function) {
        return seen.state.is_final() && seen.accepted_at < note.accepted_at;
    }
    let turn = |record: &Record| (record.redriven, record.counts.attempts, record.counts.throttles);
    seen.redriven < note.redriven || (!seen.state.is_final() && turn(seen) <= turn(note))
}

/// How often the turn that `call` is in was given back, as far as its record knows.
pub(super) fn returned(record: Option<&Record>, call: &Call) -> u32 {
    record.filter(|record| record.is_of_turn(call)).map_or(0, |record| record.returned)
}

#[cfg(test)]
mod tests {
    use proto::{CallId, Counts, Function, LaneKey, Queue, Request};

    use super::*;

    fn record(state: State, redriven: u32, attempts: u32) -> Record {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function.clone(), Timestamp::default(), Request::default());
        (call.redriven, call.counts) = (redriven, Counts { attempts, ..Counts::default() });
        Record::of(&call, &LaneKey::new(Queue::default(), function), state, Timestamp::default())
    }

    #[test]
    fn a_note_never_takes_a_call_back() {
        let waiting = record(State::Waiting, 0, 2);
        assert!(is_behind(&record(State::Running, 0, 1), &waiting));
        assert!(!is_behind(&record(State::Running, 0, 3), &waiting), "its next turn has begun");
        assert!(!is_behind(&record(State::Succeeded, 0, 3), &waiting));
        assert!(!is_behind(&record(State::Cancelled, 0, 1), &waiting));
        assert!(is_behind(&record(State::Dead, 0, 9), &record(State::Running, 1, 0)), "it has begun anew");
        assert!(!is_behind(&record(State::Running, 1, 0), &waiting));
        let later = |state| Record { accepted_at: Timestamp::from_unix_nanos(1), ..record(state, 0, 0) };
        assert!(is_behind(&record(State::Succeeded, 0, 1), &later(State::Running)), "the id is used again");
        assert!(!is_behind(&record(State::Running, 0, 1), &later(State::Running)));
        assert!(!is_behind(&later(State::Succeeded), &waiting));
    }
}
