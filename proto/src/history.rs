//! What a call has been through: one line for each turn it took, as many as a message has room for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Outcome, Timestamp};

/// The first lines are kept, because they show how it began, and the last, because they show how it ended.
const FIRST: usize = 2;
const LAST: usize = 10;
/// What is kept of a detail, in bytes.
const DETAIL_LEN_MAX: usize = 120;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The function did it.
    Succeeded,
    /// The function said no, and will say no again.
    Failed,
    /// The function ran in vain: an attempt.
    Retried,
    /// The function had no room: a throttle.
    Busy,
    /// Nobody said how it ended: whoever ran it is gone.
    Crashed,
    /// It was taken back from the dead letters.
    Redriven,
}

impl From<Outcome> for What {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Retry => Self::Retried,
            Outcome::Busy => Self::Busy,
        }
    }
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// How it ended.
    pub what: What,
    /// What the function answered, if it did.
    pub status: Option<u16>,
    /// One line for people.
    pub detail: String,
}

/// The turns of a call, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Turn>);

impl History {
    /// Adds a turn; where there is no room the oldest of the later ones goes.
    pub fn push(&mut self, at: Timestamp, took: Duration, what: What, status: Option<u16>, detail: &str) {
        if self.0.len() >= FIRST + LAST {
            self.0.remove(FIRST);
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.0.push(Turn { at, millis, what, status, detail: shorten(detail) });
    }

    /// The turns.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.0
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn shorten(detail: &str) -> String {
    let end = (0..=detail.len().min(DETAIL_LEN_MAX)).rev().find(|&end| detail.is_char_boundary(end)).unwrap_or(0);
    detail.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let mut history = History::default();
        for n in 0..100 {
            history.push(Timestamp::from_unix_nanos(n), Duration::ZERO, What::Busy, Some(429), "busy");
        }
        let kept: Vec<i64> = history.turns().iter().map(|turn| turn.at.unix_nanos()).collect();
        assert_eq!(kept, [0, 1, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
    }

    #[test]
    fn it_fits_into_the_room_that_is_left_for_it() {
        let mut history = History::default();
        for n in 0..100 {
            let at = Timestamp::from_unix_nanos(i64::MAX - n);
            history.push(at, Duration::from_secs(86_400), What::Succeeded, Some(599), &"ä".repeat(1000));
        }
        assert!(history.turns().iter().all(|turn| turn.detail.len() <= DETAIL_LEN_MAX));
        let bytes = rmp_serde::to_vec(&history).unwrap();
        assert!(bytes.len() < 2300, "{}", bytes.len());
    }
}
