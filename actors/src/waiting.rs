//! What the head of a lane waits for (pure). Set where the decision is made, shown wherever a lane is shown.

pub mod spells;

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Why no call of a function starts although there are some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// As many run in the cluster as the function's concurrency allows.
    ClusterLimit,
    /// As many run here as the function was found to bear.
    AdaptiveLimit,
    /// Calls of the function, or of its namespace, start no faster.
    Rate,
    /// The function asked to be left alone for a while (`Retry-After`), or an operator paused it.
    Paused,
    /// All its calls were held back until a moment ago; more and more start at once.
    RampingUp,
    /// It failed everything lately; one call at a time probes whether that has passed.
    CircuitOpen,
    /// Every endpoint has all the calls it takes at once, or is ejected.
    EndpointsBusy,
    /// Its queue runs as many calls in this worker as it may.
    QueueShare,
    /// The worker runs as many calls as it may; this function's turn comes.
    WorkerCapacity,
    /// Its namespace runs as many calls in this worker as it may.
    NamespaceLimit,
    /// Nothing is ready; the next retry known here is due later.
    DueLater,
}

/// A reason, and how long it lasts if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Why.
    pub reason: Reason,
    /// Until when at most.
    pub until: Option<Instant>,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ClusterLimit,
        Self::AdaptiveLimit,
        Self::Rate,
        Self::Paused,
        Self::RampingUp,
        Self::CircuitOpen,
        Self::EndpointsBusy,
        Self::QueueShare,
        Self::WorkerCapacity,
        Self::NamespaceLimit,
        Self::DueLater,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterLimit => "cluster_limit",
            Self::AdaptiveLimit => "adaptive_limit",
            Self::Rate => "rate",
            Self::Paused => "paused",
            Self::RampingUp => "ramping_up",
            Self::CircuitOpen => "circuit_open",
            Self::EndpointsBusy => "endpoints_busy",
            Self::QueueShare => "queue_share",
            Self::WorkerCapacity => "worker_capacity",
            Self::NamespaceLimit => "namespace_limit",
            Self::DueLater => "due_later",
        }
    }

    /// For as long as it takes.
    #[must_use]
    pub fn open_ended(self) -> Waiting {
        Waiting { reason: self, until: None }
    }

    /// Until then.
    #[must_use]
    pub fn until(self, until: Instant) -> Waiting {
        Waiting { reason: self, until: Some(until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_word_wherever_it_is_shown() {
        for (n, reason) in Reason::ALL.into_iter().enumerate() {
            // Behind the byte that says how long it is.
            assert_eq!(rmp_serde::to_vec(&reason).unwrap()[1..], *reason.as_str().as_bytes());
            assert_eq!(reason as usize, n);
        }
    }
}
