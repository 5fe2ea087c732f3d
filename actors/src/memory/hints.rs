//! Wake hints: to each listener a function at most once until it has looked.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use proto::{Function, Queue};
use tokio::sync::mpsc;

use crate::port::BoxStream;

/// Everybody who listens for hints.
#[derive(Debug, Default)]
pub(super) struct Hints {
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    queue: Queue,
    /// Told and not looked at yet: this bounds the channel by the number of functions.
    untold: Arc<Mutex<HashSet<Function>>>,
    tell: mpsc::UnboundedSender<Function>,
}

impl Hints {
    /// A new listener.
    pub(super) fn listen(&mut self, queue: Queue) -> BoxStream<'static, Function> {
        let (tell, told) = mpsc::unbounded_channel();
        let untold = Arc::<Mutex<HashSet<Function>>>::default();
        self.listeners.push(Listener { queue, untold: untold.clone(), tell });
        let hints = futures_util::stream::unfold((told, untold), |(mut told, untold)| async move {
            let function = told.recv().await?;
            untold.lock().unwrap_or_else(PoisonError::into_inner).remove(&function);
            Some((function, (told, untold)))
        });
        hints.boxed()
    }

    /// `function` got work.
    pub(super) fn hint(&mut self, queue: &Queue, function: &Function) {
        self.listeners.retain(|listener| {
            if listener.tell.is_closed() || listener.queue != *queue {
                return !listener.tell.is_closed();
            }
            let new = listener.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(function.clone());
            !new || listener.tell.send(function.clone()).is_ok()
        });
    }
}
