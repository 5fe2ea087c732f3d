//! Those who wait for the record of a call to change: to each one hint at most until it has looked.

use std::collections::HashMap;

use proto::CallId;
use tokio::sync::mpsc;

/// Those who wait for a call's record to change.
#[derive(Debug, Default)]
pub(super) struct Listeners(HashMap<CallId, Vec<mpsc::Sender<()>>>);

impl Listeners {
    /// A new listener.
    pub(super) fn listen(&mut self, call: CallId) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel(1);
        self.0.retain(|_, listeners| listeners.iter().any(|listener| !listener.is_closed()));
        self.0.entry(call).or_default().push(tell);
        told
    }

    /// A record has changed.
    pub(super) fn tell(&mut self, call: &CallId) {
        let Some(listeners) = self.0.get_mut(call) else { return };
        // One hint that was not looked at yet is enough.
        listeners.retain(|listener| !matches!(listener.try_send(()), Err(mpsc::error::TrySendError::Closed(()))));
        if listeners.is_empty() {
            self.0.remove(call);
        }
    }
}
