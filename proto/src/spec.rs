//! What is known about a function: what the annotations of its deployment mean.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::annotation::Whose;
use crate::deployment::{Deployment, Packed};
use crate::fault::Faults;
use crate::limit::Throttle;
use crate::record::Keep;
use crate::trace::Across;
use crate::upstream::{TIMEOUT_DEFAULT, Template, Upstream};
use crate::{Function, LaneKey, Queue, annotation, retry};

/// A function, ready to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Its name.
    pub function: Function,
    /// The queue its calls wait in.
    pub queue: Queue,
    /// Where it answers; never empty.
    pub upstreams: Vec<Upstream>,
    /// How many of its calls may run at once in the whole cluster; unlimited if absent.
    pub concurrency: Option<NonZeroU32>,
    /// How many calls each upstream takes at once.
    pub slots: Option<NonZeroU32>,
    /// How many calls may start in a time in the whole cluster.
    pub rate: Option<Throttle>,
    /// How many calls all gateways together accept in a time.
    pub accept: Option<Throttle>,
    /// Whether no call starts for now.
    pub paused: bool,
    /// Its share among the functions of its namespace.
    pub weight: NonZeroU32,
    /// How long a call may run.
    pub timeout: Duration,
    /// How its calls are retried, as far as it differs from its queue.
    pub retry: retry::Overrides,
    /// What is kept of its calls.
    pub keep: Keep,
    /// How attempts are joined to their caller's trace.
    pub across: Across,
    /// The deployment it was read from; of a guest, nothing.
    pub deployment: Packed,
}

impl FunctionSpec {
    /// Reads a deployment that says itself where the function answers.
    ///
    /// # Errors
    /// [`Faults`] names every field that cannot be used.
    pub fn compile(deployment: Deployment) -> Result<Self, Faults> {
        Self::compile_with(deployment, None)
    }

    /// Reads a deployment; where the function answers is said by the template, if not by the deployment.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_with(deployment: Deployment, template: Option<&Template>) -> Result<Self, Faults> {
        let spec = Self::read(&deployment, template)?;
        Ok(Self { deployment: Packed::of(deployment), ..spec })
    }

    /// The same without the deployment, which is put away only where it is kept.
    fn read(deployment: &Deployment, template: Option<&Template>) -> Result<Self, Faults> {
        let mut read = annotation::Reader::new(&deployment.annotations, Whose::Function);
        let namespace = deployment.namespace();
        let function = Function::new(&deployment.service, namespace.clone().unwrap_or_default());
        let queue = read.queue();
        let upstreams = read.upstreams(function.as_ref().ok(), template);
        let concurrency = read.count(annotation::CONCURRENCY);
        let slots = read.count(annotation::SLOTS);
        let rate = read.throttle(annotation::RATE, annotation::BURST);
        let accept = read.throttle(annotation::ACCEPT_RATE, annotation::ACCEPT_BURST);
        let paused = read.flag(annotation::PAUSED);
        let weight = read.count(annotation::WEIGHT).unwrap_or(NonZeroU32::MIN);
        let by_template = template.filter(|_| !deployment.annotations.contains_key(annotation::UPSTREAM));
        let timeout = by_template.map_or(TIMEOUT_DEFAULT, Template::timeout);
        let timeout = read.duration(annotation::TIMEOUT).unwrap_or(timeout);
        let (retry, keep, across) = (read.retry(), read.keep(), read.across());
        let mut faults = read.faults;
        faults.take("/namespace", namespace);
        let Some(function) = faults.take("/service", function) else { return Err(faults) };
        faults.check()?;
        Ok(Self {
            function,
            queue,
            upstreams,
            concurrency,
            slots,
            rate,
            accept,
            paused,
            weight,
            timeout,
            retry,
            keep,
            across,
            deployment: Packed::default(),
        })
    }

    /// A function at one URL, everything else at its default.
    ///
    /// # Errors
    /// [`Faults`] if `upstream` is not a URL that can be called.
    pub fn at(function: &Function, upstream: &str) -> Result<Self, Faults> {
        Self::compile(Deployment {
            service: function.name().into(),
            namespace: Some(function.namespace().to_string()),
            annotations: BTreeMap::from([(annotation::UPSTREAM.into(), upstream.into())]),
            ..Deployment::default()
        })
    }

    /// Whether nobody registered it here: it was made of its name.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.deployment == Packed::default()
    }

    /// A function that nobody registered, as the template has it. Of what is said about it only how it is retried
    /// counts, and there what can be read: OpenFaaS takes its default for the rest.
    ///
    /// # Errors
    /// If its name makes no URL.
    pub fn guest(function: &Function, said: &BTreeMap<String, String>, template: &Template) -> Result<Self, Faults> {
        let bare = Deployment {
            service: function.name().into(),
            namespace: Some(function.namespace().to_string()),
            ..Deployment::default()
        };
        let spec = Self::read(&bare, Some(template))?;
        let retry = annotation::Reader::new(said, Whose::Function).retry();
        Ok(Self { retry, ..spec })
    }

    /// Where its calls wait.
    #[must_use]
    pub fn lane(&self) -> LaneKey {
        LaneKey::new(self.queue.clone(), self.function.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::retry::Jitter;

    fn deployment(annotations: &[(&str, &str)]) -> Deployment {
        let mut annotations: BTreeMap<_, _> =
            annotations.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        annotations.entry(annotation::UPSTREAM.into()).or_insert_with(|| "http://127.0.0.1:1".into());
        Deployment { service: "env".into(), annotations, ..Deployment::default() }
    }

    #[test]
    fn what_faas_cli_sends_is_understood() {
        let json = r#"{"service":"env","image":"ghcr.io/openfaas/alpine:latest","envProcess":"env","labels":{"x":"y"},
            "annotations":{"com.openfaas.queue":"q1","fabric.upstream":"http://env:8080"}}"#;
        let spec = FunctionSpec::compile(serde_json::from_str(json).unwrap()).unwrap();
        assert_eq!(spec.function.to_string(), "env.openfaas-fn");
        assert_eq!(spec.lane().to_string(), "q1/env.openfaas-fn");
        let back: Deployment = serde_json::from_value(serde_json::to_value(spec.deployment.open()).unwrap()).unwrap();
        assert_eq!(Packed::of(back), spec.deployment);
    }

    #[test]
    fn every_annotation_is_read() {
        let spec = FunctionSpec::compile(deployment(&[
            ("fabric.upstream", "http://a:1, dns+http://b:2/base"),
            ("fabric.slots", "5"),
            ("fabric.concurrency", "50"),
            ("fabric.rate", "100/s"),
            ("fabric.accept-rate", "600/m"),
            ("fabric.accept-burst", "50"),
            ("fabric.paused", "true"),
            ("fabric.timeout", "1h30m"),
            ("fabric.weight", "3"),
            ("com.openfaas.retry.attempts", "4"),
            ("com.openfaas.retry.codes", "429, 503"),
            ("com.openfaas.retry.min_wait", "10s"),
            ("com.openfaas.retry.max_wait", "1m"),
            ("fabric.retry.jitter", "equal"),
            ("fabric.retry.max-age", "2h"),
            ("fabric.retry.crashes", "3"),
            ("fabric.result", "1KiB"),
        ]))
        .unwrap();
        let upstreams: Vec<_> = spec.upstreams.iter().map(|it| (it.url.as_str(), it.resolved)).collect();
        assert_eq!(upstreams, [("http://a:1/", false), ("http://b:2/base", true)]);
        assert_eq!(spec.concurrency.map(NonZeroU32::get), Some(50));
        assert_eq!(spec.slots.map(NonZeroU32::get), Some(5));
        let text = |it: Throttle| format!("{} and {}", it.rate, it.burst);
        assert_eq!(spec.rate.map(text).as_deref(), Some("100/s and 10"));
        assert_eq!(spec.accept.map(text).as_deref(), Some("600/m and 50"));
        assert!(spec.paused);
        assert_eq!(spec.weight.get(), 3);
        assert_eq!(spec.timeout, Duration::from_secs(90 * 60));
        let retry = spec.retry.over(retry::Policy::default());
        assert_eq!((retry.attempts, retry.codes), (4, vec![429, 503]));
        assert_eq!((retry.base, retry.cap), (Duration::from_secs(10), Duration::from_secs(60)));
        assert_eq!((retry.jitter, retry.max_age, retry.crashes), (Jitter::Equal, Duration::from_secs(7200), 3));
        assert_eq!(spec.keep, Keep::Result(1024));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            ("fabric.upstream", "ftp://x"),
            ("fabric.upstream", "x"),
            ("fabric.upstream", ","),
            ("fabric.concurrency", "0"),
            ("fabric.concurrency", "many"),
            ("fabric.slots", "-1"),
            ("fabric.rate", "100"),
            ("fabric.rate", "0/s"),
            ("fabric.burst", "5"),
            ("fabric.accept-burst", "5"),
            ("fabric.paused", "yes"),
            ("fabric.upstream", "dns+https://x"),
            ("fabric.timeout", "60"),
            ("fabric.timeout", "0s"),
            ("com.openfaas.queue", "Not A Queue"),
            ("com.openfaas.queue", "callbacks"),
            ("com.openfaas.retry.codes", "42"),
            ("com.openfaas.retry.attempts", "0"),
            ("fabric.concurency", "5"),
            ("fabric.retry.jitter", "some"),
            ("fabric.retry.max-age", "1"),
            ("fabric.retry.crashes", "0"),
            ("fabric.result", "1MiB"),
            ("fabric.result", "all"),
            ("fabric.callback-hosts", "acme.example"),
        ] {
            let error = FunctionSpec::compile(deployment(&[(name, value)])).unwrap_err();
            assert!(error.to_string().contains(name), "{name}={value}: {error}");
        }
        let nowhere = Deployment { service: "env".into(), ..Deployment::default() };
        let faults = FunctionSpec::compile(nowhere).unwrap_err();
        assert_eq!(faults, Fault::from(annotation::Error::NoUpstream).into());
        assert!(faults.to_string().contains("such as http://{name}.{namespace}:8080"), "{faults}");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let mut bad = deployment(&[("fabric.rate", "fast"), ("fabric.burst", "0"), ("fabric.tiemout", "1s")]);
        (bad.service, bad.namespace) = ("No".into(), Some("also no".into()));
        let faults = FunctionSpec::compile(bad).unwrap_err();
        let fields: Vec<&str> = faults.all().iter().map(|fault| fault.field.as_str()).collect();
        let annotations = ["fabric.tiemout", "fabric.rate", "fabric.burst"].map(|name| format!("/annotations/{name}"));
        assert_eq!(fields[..3], annotations);
        assert_eq!(fields[3..], ["/namespace", "/service"]);
    }

    #[test]
    fn a_template_is_for_those_who_say_nothing() {
        let template = Template::parse("http://{name}.{namespace}:8080").unwrap();
        let compiled = |deployment| FunctionSpec::compile_with(deployment, Some(&template)).unwrap();
        let bare = Deployment { service: "env".into(), ..Deployment::default() };
        assert_eq!(compiled(bare.clone()).upstreams[0].url.as_str(), "http://env.openfaas-fn:8080/");
        assert_eq!(compiled(bare.clone()).deployment.open(), bare, "nothing of it is written into the record");
        assert_eq!(compiled(deployment(&[])).upstreams[0].url.as_str(), "http://127.0.0.1:1/");
        let numbered = Deployment { service: "env".into(), namespace: Some("1".into()), ..Deployment::default() };
        let error = FunctionSpec::compile_with(numbered, Some(&template)).unwrap_err();
        assert!(error.to_string().contains("env.1") && error.to_string().contains("fabric.upstream"), "{error}");
    }

    #[test]
    fn of_a_guest_only_its_retries_count() {
        let said = [
            ("com.openfaas.retry.attempts", "3"),
            ("com.openfaas.retry.codes", "many"),
            ("com.openfaas.retry.min_wait", "10s"),
            ("fabric.upstream", "http://elsewhere"),
            ("fabric.concurrency", "x"),
        ];
        let said = said.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let template = Template::parse("http://{name}:8080").unwrap();
        let spec = FunctionSpec::guest(&Function::parse("f.acme").unwrap(), &said, &template).unwrap();
        assert_eq!((spec.upstreams[0].url.as_str(), spec.concurrency), ("http://f:8080/", None));
        assert_eq!((spec.retry.attempts, spec.retry.base), (Some(3), Some(Duration::from_secs(10))));
        assert_eq!(spec.retry.codes, None);
    }
}
