//! How everybody is: a question to all processes at once, and the answers of those who are there.

use std::time::Duration;

use proto::LaneKey;
use serde::{Deserialize, Serialize};

use super::broker::Error;
use super::{BoxFuture, BoxStream};
use crate::view;

/// Carries questions and answers between processes. Nothing of it is durable, and every one may be lost.
pub trait Survey: Send + Sync + 'static {
    /// Asks everybody, and hears those who answer `within`, or as many as are `expected` if they are there sooner.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn ask(
        &self,
        question: &Question,
        expected: usize,
        within: Duration,
    ) -> BoxFuture<'_, Result<Vec<view::Process>, Error>>;

    /// Every question as it is asked. The stream ends when it cannot go on.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    fn asked(&self) -> BoxFuture<'_, Result<BoxStream<'static, Asked>, Error>>;
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Of the subscribers, only this one is wanted.
    pub lane: Option<LaneKey>,
}

/// A question, and where its answer goes.
pub struct Asked {
    /// The question.
    pub question: Question,
    /// Sends the answer; called once, and lost if nobody waits any more.
    pub answer: Answer,
}

/// Sends an answer.
pub type Answer = Box<dyn FnOnce(view::Process) -> BoxFuture<'static, ()> + Send>;
