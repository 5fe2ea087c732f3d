//! The functions, namespaces, queues and API keys there are, as one immutable snapshot (pure).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proto::call::Guest;
use proto::deployment::{CreatedAt, Deployment, Removal};
use proto::fault::Faults;
use proto::key::Reach;
use proto::retry::Policy;
use proto::upstream::Template;
use proto::{ApiKey, Function, FunctionSpec, KeyId, Namespace, NamespaceSpec, Queue, QueueSpec, Timestamp};
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
    keys: HashTrieMapSync<KeyId, Arc<ApiKey>>,
    /// Functions that are being deleted.
    leaving: BTreeMap<Function, Removal>,
    /// Where functions answer that do not say so: this process's own.
    template: Option<Arc<Template>>,
    /// Whether the control plane has been read to its end: before that, a missing function may merely be unread.
    pub current: bool,
}

impl Directory {
    /// One that knows of nothing but where functions answer that do not say so.
    #[must_use]
    pub fn with_template(template: Option<Template>) -> Self {
        Self { template: template.map(Arc::new), ..Self::default() }
    }

    /// One that knows as little as this one did when it was made.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { template: self.template.clone(), ..Self::default() }
    }

    /// Reads a deployment as it is to be read in this process.
    ///
    /// # Errors
    /// [`Faults`] names every field that cannot be used.
    pub fn compile(&self, deployment: Deployment) -> Result<FunctionSpec, Faults> {
        FunctionSpec::compile_with(deployment, self.template.as_deref())
    }

    /// The same of one that is deployed now, and so wanted: it keeps the time at which it was first deployed.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn deploy(&self, deployment: Deployment, now: Timestamp) -> Result<FunctionSpec, Faults> {
        let mut spec = self.compile(Deployment { deleting: None, ..deployment })?;
        let before = self.functions.get(&spec.function).and_then(|it| it.deployment.created_at.0);
        let first = before.or(spec.deployment.created_at.0);
        spec.deployment.created_at = CreatedAt(Some(first.unwrap_or(now)));
        Ok(spec)
    }

    /// The specification of a function that may be registered elsewhere only: as the template has it, if it is nobody's
    /// here. Of what was said about it, `said`, only that counts which is about a call: how it is retried.
    #[must_use]
    pub fn guest(&self, function: &Function, said: &Guest) -> Option<Arc<FunctionSpec>> {
        match self.functions.get(function) {
            Some(spec) => Some(spec.clone()),
            None => FunctionSpec::guest(function, said, self.template.as_deref()?).ok().map(Arc::new),
        }
    }

    /// Why nobody can ever call a function that is nobody's here: the template makes nothing of its name.
    #[must_use]
    pub fn unreachable(&self, function: &Function) -> Option<Faults> {
        let template = self.template.as_deref().filter(|_| self.get(function).is_none())?;
        FunctionSpec::guest(function, &Guest::new(), template).err()
    }

    /// A function's specification.
    #[must_use]
    pub fn get(&self, function: &Function) -> Option<&Arc<FunctionSpec>> {
        self.functions.get(function)
    }

    /// How calls of a function are retried: as is set for it, else for its queue, else by default.
    #[must_use]
    pub fn retry_policy(&self, function: &Function) -> Policy {
        self.functions.get(function).map_or_else(Policy::default, |spec| self.retry_policy_by(spec))
    }

    /// How calls are retried by this specification, and by its queue.
    #[must_use]
    pub fn retry_policy_by(&self, spec: &FunctionSpec) -> Policy {
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

    /// How many functions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.functions.size()
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

    /// Every queue that a function within `reach` names.
    #[must_use]
    pub fn queues_of(&self, reach: &Reach) -> BTreeSet<Queue> {
        match reach {
            Reach::Everything => self.queues(),
            Reach::Namespaces(_) => {
                let own = self.functions.values().filter(|spec| reach.covers(spec.function.namespace()));
                own.map(|spec| spec.queue.clone()).collect()
            }
        }
    }

    /// Whether somebody who is limited to a function's namespace may have it name this queue: each queue is one more share
    /// of every worker and takes streams of the broker, so that is not his to decide. What it names already, it may name.
    #[must_use]
    pub fn lets_into(&self, function: &Function, queue: &Queue) -> bool {
        let is_there = self.get(function).is_some_and(|spec| spec.queue == *queue);
        let listed = self.namespace(function.namespace()).and_then(|it| it.queues.as_ref());
        *queue == Queue::default()
            || is_there
            || listed.map_or_else(|| self.queue(queue).is_some(), |listed| listed.contains(queue))
    }

    /// Whether a function names this queue.
    #[must_use]
    pub fn names(&self, queue: &Queue) -> bool {
        self.named.contains_key(queue)
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

    /// A function whose record cannot be used is being deleted, or is not.
    pub fn leaves(&mut self, function: Function, removal: Option<Removal>) {
        match removal {
            Some(removal) => drop(self.leaving.insert(function, removal)),
            None => drop(self.leaving.remove(&function)),
        }
    }

    /// Removes a function; whether it was there.
    pub fn remove(&mut self, function: &Function) -> bool {
        self.leaving.remove(function);
        let Some(spec) = self.functions.get(function) else { return false };
        if let Some(count) = self.named.get_mut(&spec.queue) {
            *count -= 1;
            if *count == 0 {
                self.named.remove(&spec.queue);
            }
        }
        self.functions.remove_mut(function)
    }

    /// Sets or replaces what is set for a namespace.
    pub fn insert_namespace(&mut self, spec: Arc<NamespaceSpec>) {
        self.namespaces.insert(spec.namespace.clone(), spec);
    }

    /// What is known of an API key.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&Arc<ApiKey>> {
        self.keys.get(id)
    }

    /// Every API key, in no order; revoked ones as well.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &Arc<ApiKey>)> {
        self.keys.iter()
    }

    /// Adds or replaces an API key.
    pub fn insert_key(&mut self, id: KeyId, key: Arc<ApiKey>) {
        self.keys.insert_mut(id, key);
    }

    /// There is no such API key any more; whether there was.
    pub fn remove_key(&mut self, id: &KeyId) -> bool {
        self.keys.remove_mut(id)
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
        let mut deployment = FunctionSpec::at(&Function::parse(name).unwrap(), "http://f").unwrap().deployment.open();
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
    fn who_is_limited_to_a_namespace_takes_no_queue_that_nobody_gave_him() {
        let (function, [slow, fast]) =
            (Function::parse("f.acme").unwrap(), ["slow", "fast"].map(|it| Queue::parse(it).unwrap()));
        let mut directory = Directory::default();
        let lets =
            |directory: &Directory| [&Queue::default(), &slow, &fast].map(|it| directory.lets_into(&function, it));
        assert_eq!(lets(&directory), [true, false, false]);
        directory.insert_queue(Arc::new(
            QueueSpec::compile(Settings { name: "slow".into(), ..Settings::default() }).unwrap(),
        ));
        assert_eq!(lets(&directory), [true, true, false], "somebody has set it up");
        let annotations = [("fabric.queues".to_owned(), "fast".to_owned())].into();
        let tenancy = proto::tenant::Tenancy { name: "acme".into(), annotations, ..Default::default() };
        directory.insert_namespace(Arc::new(NamespaceSpec::compile(tenancy).unwrap()));
        assert_eq!(lets(&directory), [true, false, true], "not for him");
        directory.insert(spec("f.acme", "slow"));
        assert_eq!(lets(&directory), [true, true, true], "it is there already");
    }

    #[test]
    fn a_guest_is_as_the_template_has_it_until_it_is_registered() {
        let function = Function::parse("f.acme").unwrap();
        let said: Guest = [("com.openfaas.retry.attempts".to_owned(), "3".to_owned())].into();
        assert!(Directory::default().guest(&function, &said).is_none(), "nobody says where it is");
        let mut directory = Directory::with_template(Some(Template::parse("http://{name}.{namespace}").unwrap()));
        let guest = directory.guest(&function, &said).unwrap();
        assert_eq!((guest.upstreams[0].url.as_str(), guest.is_guest()), ("http://f.acme/", true));
        assert_eq!(directory.retry_policy_by(&guest).attempts, 3);
        assert!(directory.get(&function).is_none(), "and nobody registered it");
        directory.insert(Arc::new(FunctionSpec::at(&function, "http://own").unwrap()));
        let own = directory.emptied().guest(&function, &said).zip(directory.guest(&function, &said));
        let own = own.map(|(bare, own)| (bare.is_guest(), own.is_guest(), own.upstreams[0].url.to_string()));
        assert_eq!(own, Some((true, false, "http://own/".into())));
    }

    #[test]
    fn a_function_is_retried_by_its_own_policy_then_by_its_queues() {
        let mut directory = Directory::default();
        let annotations = |pairs: &[(&str, &str)]| pairs.iter().map(|&(k, v)| (k.into(), v.into())).collect::<Vec<_>>();
        let function = Function::parse("f").unwrap();
        let mut deployment = FunctionSpec::at(&function, "http://f").unwrap().deployment.open();
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
