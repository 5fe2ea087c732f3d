//! What is kept for a while under the id of a call: its record, and the mark that it is to be cancelled (pure).
//!
//! There is one entry for each, the latest. It may be on its way to the store: then the one before it is still what is
//! read, but no longer what may be written over.

use std::collections::{BTreeMap, HashMap};

use proto::{CallId, Timestamp};

use super::store::{Kind, Seq};

/// How many entries that have had their time are removed with one commit, at the most.
const SWEEP: usize = 64;

/// Everything that is kept.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    slots: HashMap<(Kind, CallId), Slot>,
    by_time: BTreeMap<(Timestamp, Seq), (Kind, CallId)>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    latest: Seq,
    stored: Option<(Seq, Timestamp)>,
}

impl Shelf {
    /// The latest entry, stored or on its way; 0 if there is none.
    #[must_use]
    pub(super) fn latest(&self, kind: Kind, call: &CallId) -> Seq {
        self.slots.get(&(kind, call.clone())).map_or(0, |slot| slot.latest)
    }

    /// Whether a later entry than the one that can be read is on its way.
    #[must_use]
    pub(super) fn is_changing(&self, kind: Kind, call: &CallId) -> bool {
        let slot = self.slots.get(&(kind, call.clone()));
        slot.is_some_and(|slot| slot.stored.is_none_or(|(stored, _)| stored < slot.latest))
    }

    /// The entry that can be read `now`.
    #[must_use]
    pub(super) fn stored(&self, kind: Kind, call: &CallId, now: Timestamp) -> Option<Seq> {
        let (seq, until) = self.slots.get(&(kind, call.clone()))?.stored?;
        (until > now).then_some(seq)
    }

    /// Every entry of a kind that can be read `now`, oldest first.
    #[must_use]
    pub(super) fn all(&self, wanted: Kind, now: Timestamp) -> Vec<Seq> {
        let all = self.slots.iter().filter(|((kind, _), _)| *kind == wanted);
        let readable = all.filter_map(|(_, slot)| slot.stored).filter(|(_, until)| *until > now);
        let mut seqs: Vec<Seq> = readable.map(|(seq, _)| seq).collect();
        seqs.sort_unstable();
        seqs
    }

    /// An entry is on its way. The entries it replaces.
    pub(super) fn begin(&mut self, kind: Kind, call: &CallId, seq: Seq) -> Vec<Seq> {
        let slot = self.slots.entry((kind, call.clone())).or_insert(Slot { latest: 0, stored: None });
        let latest = std::mem::replace(&mut slot.latest, seq);
        let stored = slot.stored.map(|(stored, _)| stored);
        stored.into_iter().chain((latest != 0 && Some(latest) != stored).then_some(latest)).collect()
    }

    /// An entry is stored. It can be read, unless a later one already is: then it is of no use, and answered so.
    pub(super) fn stored_at(&mut self, kind: Kind, call: CallId, seq: Seq, until: Timestamp) -> bool {
        let slot = self.slots.entry((kind, call.clone())).or_insert(Slot { latest: seq, stored: None });
        if slot.stored.is_some_and(|(stored, _)| stored > seq) {
            return false;
        }
        slot.latest = slot.latest.max(seq);
        if let Some((before, when)) = slot.stored.replace((seq, until)) {
            self.by_time.remove(&(when, before));
        }
        self.by_time.insert((until, seq), (kind, call));
        true
    }

    /// An entry was not stored after all.
    pub(super) fn failed(&mut self, kind: Kind, call: &CallId, seq: Seq) {
        let key = (kind, call.clone());
        let Some(slot) = self.slots.get_mut(&key).filter(|slot| slot.latest == seq) else { return };
        match slot.stored {
            Some((stored, _)) => slot.latest = stored,
            None => drop(self.slots.remove(&key)),
        }
    }

    /// Takes some of the entries that have had their time off the shelf.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Seq> {
        let mut expired = Vec::new();
        while expired.len() < SWEEP
            && let Some((&(until, seq), _)) = self.by_time.first_key_value()
            && until <= now
        {
            let Some((_, key)) = self.by_time.pop_first() else { break };
            expired.push(seq);
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.stored = None;
                if slot.latest == seq {
                    self.slots.remove(&key);
                }
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::Record;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_nanos(second * 1_000_000_000)
    }

    fn call() -> CallId {
        CallId::parse("c").unwrap()
    }

    #[test]
    fn the_latest_is_read_once_it_is_stored() {
        let mut shelf = Shelf::default();
        assert_eq!((shelf.latest(KIND, &call()), shelf.begin(KIND, &call(), 1)), (0, vec![]));
        assert_eq!((shelf.latest(KIND, &call()), shelf.stored(KIND, &call(), at(0))), (1, None));
        assert!(shelf.is_changing(KIND, &call()));
        shelf.stored_at(KIND, call(), 1, at(9));
        assert!(!shelf.is_changing(KIND, &call()) && !shelf.is_changing(Kind::Mark, &call()));
        assert_eq!(shelf.begin(KIND, &call(), 2), [1]);
        assert_eq!(shelf.stored(KIND, &call(), at(0)), Some(1), "as long as the other is on its way");
        assert_eq!(shelf.stored(Kind::Mark, &call(), at(0)), None);
        shelf.stored_at(KIND, call(), 2, at(9));
        assert_eq!((shelf.stored(KIND, &call(), at(0)), shelf.all(KIND, at(0))), (Some(2), vec![2]));
    }

    #[test]
    fn what_fails_leaves_what_was_there() {
        let mut shelf = Shelf::default();
        shelf.stored_at(KIND, call(), 1, at(9));
        shelf.begin(KIND, &call(), 2);
        assert_eq!(shelf.begin(KIND, &call(), 3), [1, 2], "whichever of them is there by then");
        shelf.failed(KIND, &call(), 2);
        assert_eq!(shelf.latest(KIND, &call()), 3);
        shelf.failed(KIND, &call(), 3);
        assert_eq!((shelf.latest(KIND, &call()), shelf.stored(KIND, &call(), at(0))), (1, Some(1)));
        shelf.begin(KIND, &CallId::parse("d").unwrap(), 4);
        shelf.failed(KIND, &CallId::parse("d").unwrap(), 4);
        assert_eq!(shelf.slots.len(), 1);
    }

    #[test]
    fn one_that_comes_too_late_is_of_no_use() {
        let mut shelf = Shelf::default();
        shelf.begin(KIND, &call(), 1);
        shelf.begin(KIND, &call(), 2);
        assert!(shelf.stored_at(KIND, call(), 2, at(9)));
        assert!(!shelf.stored_at(KIND, call(), 1, at(90)));
        assert_eq!((shelf.stored(KIND, &call(), at(0)), shelf.latest(KIND, &call())), (Some(2), 2));
    }

    #[test]
    fn everything_has_its_time() {
        let mut shelf = Shelf::default();
        shelf.stored_at(KIND, call(), 1, at(5));
        shelf.stored_at(Kind::Mark, call(), 2, at(9));
        assert_eq!(shelf.stored(KIND, &call(), at(5)), None, "whether or not it was swept");
        assert_eq!((shelf.expire(at(4)), shelf.expire(at(5))), (vec![], vec![1]));
        shelf.begin(Kind::Mark, &call(), 3);
        assert_eq!(shelf.expire(at(9)), [2]);
        assert_eq!(shelf.latest(Kind::Mark, &call()), 3);
        shelf.stored_at(Kind::Mark, call(), 3, at(20));
        assert_eq!((shelf.expire(at(20)), shelf.slots.len()), (vec![3], 0));
    }
}
