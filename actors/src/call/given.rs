//! What is set for a call: read once for each delivery of it, so that all of it is handled by the same.

use std::sync::Arc;

use proto::record::Keep;
use proto::{Call, FunctionSpec, Queue, Target, retry};

use super::Desk;

/// What is set for a call.
#[derive(Debug)]
pub struct Given {
    /// Its function's specification; a callback has none, nor has a function that is not registered.
    pub spec: Option<Arc<FunctionSpec>>,
    /// How it is retried.
    pub policy: retry::Policy,
    /// What is kept on record of it.
    pub keep: Keep,
    /// Whether it goes to the dead letters, because its function is being deleted so.
    pub is_buried: bool,
}

impl Desk {
    /// What is set for this call now.
    #[must_use]
    pub fn given(&self, call: &Call) -> Given {
        let directory = self.directory.borrow();
        if let Target::Url(_) = &call.target {
            let policy = directory.retry_policy_of(&Queue::callbacks(), self.callbacks.retry.clone());
            // It is no call of anybody's: it has its call's id, not its record.
            return Given { spec: None, policy, keep: Keep::Nothing, is_buried: false };
        }
        let spec = match &call.guest {
            None => directory.get(&call.function).cloned(),
            Some(said) => directory.guest(&call.function, said),
        };
        let policy = spec.as_ref().map_or_else(retry::Policy::default, |spec| directory.retry_policy_by(spec));
        let keep = spec.as_ref().map(|spec| spec.keep).unwrap_or_default();
        Given { spec, policy, keep, is_buried: directory.buries(&call.function) }
    }

    /// What is kept on record of this call.
    #[must_use]
    pub fn keep(&self, call: &Call) -> Keep {
        self.given(call).keep
    }
}
