//! How a child ended: the only reader of ractor's supervision events and of its reason strings.

use std::fmt;

use ractor::{ActorId, SupervisionEvent};

use crate::port::broker::Error;

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It stopped because it was done or was told to.
    Stopped,
    /// It was killed in the middle of what it did. ractor reports this as a termination like any other.
    Killed,
    /// Its task was cancelled from outside.
    Aborted,
    /// A handler returned an error or panicked, or it could not be started.
    Failed(String),
    /// The broker did not answer: nobody's failure here, and for as long as it takes.
    Away(String),
}

impl Exit {
    /// Whether it was meant to end.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Killed => f.write_str("was killed"),
            Self::Aborted => f.write_str("was aborted"),
            Self::Failed(cause) | Self::Away(cause) => write!(f, "failed: {cause}"),
        }
    }
}

/// Who ended and how, if the event says that somebody did.
///
/// The event is taken by value and dropped here: a stopped child's state, and every task it owns, lives inside it.
#[must_use]
pub fn read(event: SupervisionEvent) -> Option<(ActorId, Exit)> {
    match event {
        SupervisionEvent::ActorTerminated(cell, _state, reason) => {
            let exit = match reason.as_deref() {
                Some("killed") => Exit::Killed,
                Some("actor_task_cancelled") => Exit::Aborted,
                _ => Exit::Stopped,
            };
            Some((cell.get_id(), exit))
        }
        SupervisionEvent::ActorFailed(cell, cause) => {
            let away = cause.downcast_ref::<Error>().is_some_and(Error::is_transient);
            let exit = if away { Exit::Away(cause.to_string()) } else { Exit::Failed(cause.to_string()) };
            Some((cell.get_id(), exit))
        }
        SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
    }
}
