//! Somebody else's queue, in memory.

use std::sync::Arc;

use bytes::Bytes;
use proto::{Function, LaneKey, Queue};

use super::Memory;
use crate::port::broker::{Error, Message, Terms};
use crate::port::{BoxFuture, Broker, Intake, Lane};

/// A queue that others fill, which lives as long as its broker; that is to be one of its own. Clones share everything.
#[derive(Clone)]
pub struct Foreign {
    broker: Memory,
    subject: String,
}

impl Foreign {
    /// The queue of this subject.
    #[must_use]
    pub fn new(broker: Memory, subject: &str) -> Self {
        Self { broker, subject: subject.into() }
    }

    fn key(&self) -> LaneKey {
        LaneKey::new(Queue::default(), Function::for_subject(&self.subject))
    }

    /// Leaves a message, as its `number`th.
    ///
    /// # Errors
    /// As [`Broker::publish`].
    pub async fn leave(&self, number: usize, payload: Bytes) -> Result<(), Error> {
        let id = format!("{}/{number}", self.subject);
        self.broker.publish(Message { lane: self.key(), id, payload }).await.map(drop)
    }

    /// How many messages are left in it, those that are being moved included.
    ///
    /// # Errors
    /// As [`Broker::backlog`].
    pub async fn left(&self) -> Result<u64, Error> {
        Ok(self.broker.backlog(&Queue::default()).await?.iter().map(|it| it.messages).sum())
    }
}

impl Intake for Foreign {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn open(&self, terms: Terms) -> BoxFuture<'_, Result<Arc<dyn Lane>, Error>> {
        let key = self.key();
        Box::pin(async move { self.broker.lane(&key, terms).await })
    }
}
