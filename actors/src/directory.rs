//! The functions, namespaces and queues there are, as one immutable snapshot (pure).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proto::retry::Policy;
use proto::spec::Removal;
use proto::{Function, FunctionSpec, Namespace, NamespaceSpec, Queue, QueueSpec};
use rpds::HashTrieMapSync;

/// Every registered function; replaced as a whole when one changes.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Shares what has not changed with the snapshots before and after it: there may be a hundred thousand.
    functions: HashTrieMapSync<Function, Arc<FunctionSpec>>,
    /// How many functions name each queue.
    named: BTreeMap<Queue, usize>,
    namespaces: HashMap<Namespace, Arc<NamespaceSpec>>,
    queues: HashMap<Queue, Arc<QueueSpec>>,
    /// Functions that are being deleted.
    leaving: BTreeMap<Function, Removal>,
    /// Whether the control plane has been read to its end: before that, a missing function may merely be unread.
    pub current: bool,
}

impl Directory {
    /// A function's specification.
    #[must_use]
    pub fn get(&self, function: &Function) -> Option<&Arc<FunctionSpec>> {
        self.functions.get(function)
    }

    /// How calls of a function are retried: as is set for it, else for its queue, else by default.
    #[must_use]
    pub fn retry_policy(&self, function: &Function) -> Policy {
        let Some(spec) = self.functions.get(function) else { return Policy::default() };
        spec.retry.over(self.retry_policy_of(&spec.queue, Policy::default()))
    }

    /// How calls of a queue are retried: as is set for it, else by `default`.
    #[must_use]
    pub fn retry_policy_of(&self, queue: &Queue, default: Policy) -> Policy {
        match self.queues.get(queue) {
            Some(spec) => spec.retry.over(default),
            None => default,
        }
    }

    /// What is set for a queue, if anything is.
    #[must_use]
    pub fn queue(&self, queue: &Queue) -> Option<&Arc<QueueSpec>> {
        self.queues.get(queue)
    }

    /// Every queue that something is set for, in no order.
    pub fn set_queues(&self) -> impl Iterator<Item = &Arc<QueueSpec>> {
        self.queues.values()
    }

    /// Sets or replaces what is set for a queue.
    pub fn insert_queue(&mut self, spec: Arc<QueueSpec>) {
        self.queues.insert(spec.queue.clone(), spec);
    }

    /// Nothing is set for the queue any more; whether something was.
    pub fn remove_queue(&mut self, queue: &Queue) -> bool {
        self.queues.remove(queue).is_some()
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

    /// The functions that are being deleted, and what becomes of their calls.
    #[must_use]
    pub fn leaving(&self) -> &BTreeMap<Function, Removal> {
        &self.leaving
    }

    /// Whether the calls of a function go to the dead letters, because it is being deleted so.
    #[must_use]
    pub fn buries(&self, function: &Function) -> bool {
        self.leaving.get(function) == Some(&Removal::DeadLetter)
    }

    /// Whether calls of a queue are held back because an operator paused it.
    #[must_use]
    pub fn is_paused(&self, queue: &Queue) -> bool {
        self.queues.get(queue).is_some_and(|spec| spec.paused)
    }

    /// Every queue that a function names.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<Queue> {
        self.named.keys().cloned().collect()
    }

    /// Adds or replaces a function.
    pub fn insert(&mut self, spec: Arc<FunctionSpec>) {
        self.remove(&spec.function);
        if let Some(removal) = spec.deployment.deleting {
            self.leaving.insert(spec.function.clone(), removal);
        }
        *self.named.entry(spec.queue.clone()).or_default() += 1;
        self.functions.insert_mut(spec.function.clone(), spec);
    }

    /// Removes a function; whether it was there.
    pub fn remove(&mut self, function: &Function) -> bool {
        let Some(spec) = self.functions.get(function) else { return false };
        if let Some(count) = self.named.get_mut(&spec.queue) {
            *count -= 1;
            if *count == 0 {
                self.named.remove(&spec.queue);
            }
        }
        self.leaving.remove(function);
        self.functions.remove_mut(function)
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

#[cfg(test)]
mod tests {
    use proto::queue::Settings;

    use super::*;

    fn spec(name: &str, queue: &str) -> Arc<FunctionSpec> {
        let mut deployment = FunctionSpec::at(&Function::parse(name).unwrap(), "http://f").unwrap().deployment;
        deployment.annotations.insert("com.openfaas.queue".into(), queue.into());
        Arc::new(FunctionSpec::compile(deployment).unwrap())
    }

    #[test]
    fn a_queue_is_named_for_as_long_as_a_function_names_it() {
        let mut directory = Directory::default();
        let named = |directory: &Directory| directory.queues().iter().map(ToString::to_string).collect::<Vec<_>>();
        directory.insert(spec("a", "x"));
        directory.insert(spec("b", "x"));
        directory.insert(spec("c", "y"));
        let before = directory.clone();
        directory.insert(spec("a", "z"));
        assert_eq!(named(&directory), ["x", "y", "z"]);
        directory.insert(spec("b", "z"));
        assert!(directory.remove(&Function::parse("c").unwrap()));
        assert!(!directory.remove(&Function::parse("c").unwrap()), "it is gone");
        assert_eq!((named(&directory), directory.iter().count()), (vec!["z".into()], 2));
        assert_eq!(
            (named(&before), before.iter().count()),
            (vec!["x".into(), "y".into()], 3),
            "a copy stays as it was"
        );
    }

    #[test]
    fn a_function_is_retried_by_its_own_policy_then_by_its_queues() {
        let mut directory = Directory::default();
        let annotations = |pairs: &[(&str, &str)]| pairs.iter().map(|&(k, v)| (k.into(), v.into())).collect::<Vec<_>>();
        let function = Function::parse("f").unwrap();
        let mut deployment = FunctionSpec::at(&function, "http://f").unwrap().deployment;
        deployment.annotations.extend(annotations(&[("com.openfaas.retry.attempts", "3")]));
        directory.insert(Arc::new(FunctionSpec::compile(deployment).unwrap()));
        let of_queue = [("com.openfaas.retry.attempts", "5"), ("com.openfaas.retry.min_wait", "7s")];
        let settings = Settings { name: "default".into(), annotations: annotations(&of_queue).into_iter().collect() };
        directory.insert_queue(Arc::new(QueueSpec::compile(settings).unwrap()));
        let policy = directory.retry_policy(&function);
        assert_eq!((policy.attempts, policy.base.as_secs(), policy.cap), (3, 7, Policy::default().cap));
        assert!(directory.remove_queue(&Queue::default()));
        assert_eq!(directory.retry_policy(&function).base, Policy::default().base);
    }
}
