//! The functions and namespaces there are, as one immutable snapshot (pure).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use proto::{Function, FunctionSpec, Namespace, NamespaceSpec, Queue};

/// Every registered function; replaced as a whole when one changes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    functions: HashMap<Function, Arc<FunctionSpec>>,
    namespaces: HashMap<Namespace, Arc<NamespaceSpec>>,
    /// Whether the control plane has been read to its end: before that, a missing function may merely be unread.
    pub current: bool,
}

impl Directory {
    /// A function's specification.
    #[must_use]
    pub fn get(&self, function: &Function) -> Option<&Arc<FunctionSpec>> {
        self.functions.get(function)
    }

    /// What is set for a namespace, if anything is.
    #[must_use]
    pub fn namespace(&self, namespace: &Namespace) -> Option<&Arc<NamespaceSpec>> {
        self.namespaces.get(namespace)
    }

    /// Every namespace that something is set for, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<NamespaceSpec>> {
        self.namespaces.values()
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

    /// Sets or replaces what is set for a namespace.
    pub fn insert_namespace(&mut self, spec: Arc<NamespaceSpec>) {
        self.namespaces.insert(spec.namespace.clone(), spec);
    }

    /// Nothing is set for the namespace any more; whether something was.
    pub fn remove_namespace(&mut self, namespace: &Namespace) -> bool {
        self.namespaces.remove(namespace).is_some()
    }
}
