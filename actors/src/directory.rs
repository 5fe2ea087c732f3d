//! The functions there are, as one immutable snapshot (pure).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use proto::{Function, FunctionSpec, Queue};

/// Every registered function; replaced as a whole when one changes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    functions: HashMap<Function, Arc<FunctionSpec>>,
    /// Whether the control plane has been read to its end: before that, a missing function may merely be unread.
    pub current: bool,
}

impl Directory {
    /// A function's specification.
    #[must_use]
    pub fn get(&self, function: &Function) -> Option<&Arc<FunctionSpec>> {
        self.functions.get(function)
    }

    /// Every function, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<FunctionSpec>> {
        self.functions.values()
    }

    /// Every queue that a function names.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<Queue> {
        self.functions.values().map(|spec| spec.queue.clone()).collect()
    }

    /// Adds or replaces a function.
    pub fn insert(&mut self, spec: Arc<FunctionSpec>) {
        self.functions.insert(spec.function.clone(), spec);
    }

    /// Removes a function; whether it was there.
    pub fn remove(&mut self, function: &Function) -> bool {
        self.functions.remove(function).is_some()
    }
}
