//! What applies to a lane now, read from what is set and from who is alive (pure).

use core::net::SocketAddr;
use std::collections::HashMap;

use proto::{FunctionSpec, LaneKey, Upstream};

use super::Limits;
use super::endpoint::Endpoint;
use super::rate::Pace;
use super::rates::{Paces, Whose};
use crate::directory::Directory;
use crate::membership::Part;
use crate::permit::share::{Standing, Standings};

/// Everything that is set for a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The function's own limits.
    pub limits: Limits,
    /// The rates at which calls may start here.
    pub paces: Paces,
    /// Its weights and caps.
    pub standings: Standings,
}

impl Applied {
    /// Read for `lane` by the worker that has `part` of those who serve its queue. A lane whose function is not known
    /// has no limits but `limits`.
    #[must_use]
    pub fn read(lane: &LaneKey, directory: &Directory, part: Part, queue: Standing, limits: Limits) -> Self {
        let mut applied = Self { limits, paces: Paces::new(), standings: Standings { queue, ..Standings::default() } };
        if let Some(namespace) = directory.namespace(lane.function.namespace()) {
            applied.standings.namespace.weight = namespace.weight.get();
        }
        applied.limits.paused |= directory.is_paused(&lane.queue);
        // Callbacks go to hosts: what is set for functions is not for them.
        if lane.queue.is_callbacks() {
            return applied;
        }
        let namespace = lane.function.namespace();
        if let Some(most) = directory.namespace(namespace).and_then(|it| it.concurrency) {
            // Who has one more where the parts cannot be equal is another one for each namespace.
            let turn = namespace.as_str().bytes().map(u32::from).sum();
            applied.standings.namespace.cap = Some(part.share(most.get(), turn));
        }
        if let Some(spec) = directory.get(&lane.function) {
            applied.limits.concurrency = spec.concurrency;
            // What is buried goes nowhere, and waits for nothing.
            if directory.buries(&lane.function) {
                return applied;
            }
            applied.limits.paused |= spec.paused;
            applied.standings.function.weight = spec.weight.get();
            applied.paces = paces(spec, directory, part);
        }
        applied
    }
}

/// This worker's part of the rates of a function and of its namespace.
fn paces(spec: &FunctionSpec, directory: &Directory, part: Part) -> Paces {
    let pace = |it: proto::limit::Throttle| Pace::of(it.rate, it.burst.get(), part.of);
    let own = spec.rate.map(|rate| (Whose::Function(spec.function.clone()), pace(rate)));
    let namespace = spec.function.namespace();
    let shared = directory.namespace(namespace).and_then(|it| it.rate);
    own.into_iter().chain(shared.map(|rate| (Whose::Namespace(namespace.clone()), pace(rate)))).collect()
}

/// The addresses that names were resolved to.
pub type Addresses = HashMap<Upstream, Vec<SocketAddr>>;

/// The endpoints of a function as one worker has them: each address of a resolved name is one, and of the slots of
/// each this worker has its part. Who has one more where they cannot be equal moves on from endpoint to endpoint.
#[must_use]
pub fn endpoints(spec: &FunctionSpec, addresses: &Addresses, part: Part) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for upstream in &spec.upstreams {
        let Upstream { url, resolved } = upstream;
        if *resolved {
            let host = host(upstream);
            for address in addresses.get(upstream).into_iter().flatten() {
                let mut url = url.clone();
                // Both fail only for URLs that have no host, and these have one.
                if url.set_ip_host(address.ip()).is_ok() && url.set_port(Some(address.port())).is_ok() {
                    endpoints.push(Endpoint { url, host: host.clone(), slots: None });
                }
            }
        } else {
            endpoints.push(Endpoint { url: url.clone(), host: None, slots: None });
        }
    }
    if let Some(slots) = spec.slots {
        for (turn, endpoint) in (0..).zip(&mut endpoints) {
            endpoint.slots = Some(part.share(slots.get(), turn));
        }
    }
    endpoints
}

/// What requests to an address of a resolved name call their host.
fn host(upstream: &Upstream) -> Option<String> {
    let name = upstream.url.host_str()?;
    Some(upstream.url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::tenant::{NamespaceSpec, Tenancy};
    use proto::{Function, Queue};

    use super::*;

    const LIMITS: Limits = Limits { concurrency: None, paused: false, ceiling: 64 };

    fn spec(annotations: &[(&str, &str)]) -> FunctionSpec {
        let mut deployment =
            FunctionSpec::at(&Function::parse("f.acme").unwrap(), "http://a:1").unwrap().deployment.open();
        deployment.annotations.extend(annotations.iter().map(|&(name, value)| (name.into(), value.into())));
        FunctionSpec::compile(deployment).unwrap()
    }

    #[test]
    fn rates_of_function_and_namespace_are_divided_by_the_workers() {
        let mut directory = Directory::default();
        let spec = spec(&[("fabric.rate", "100/s"), ("fabric.weight", "3"), ("fabric.concurrency", "5")]);
        let annotations = [("fabric.rate", "40/s"), ("fabric.weight", "2")];
        let annotations = annotations.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let tenancy = Tenancy { name: "acme".into(), annotations, ..Tenancy::default() };
        directory.insert_namespace(Arc::new(NamespaceSpec::compile(tenancy).unwrap()));
        let lane = spec.lane();
        directory.insert(Arc::new(spec));
        let part = Part { index: 1, of: 4 };
        let applied = Applied::read(&lane, &directory, part, Standing::default(), LIMITS);
        let rates: Vec<f64> = applied.paces.iter().map(|(_, pace)| pace.per_second).collect();
        assert_eq!(rates, [25.0, 10.0]);
        assert_eq!((applied.standings.namespace.weight, applied.standings.function.weight), (2, 3));
        assert_eq!(applied.limits.concurrency.map(std::num::NonZeroU32::get), Some(5));

        let callbacks = LaneKey::new(Queue::callbacks(), lane.function);
        let applied = Applied::read(&callbacks, &directory, part, Standing::default(), LIMITS);
        assert_eq!((applied.limits, applied.paces), (LIMITS, Paces::new()));
    }

    #[test]
    fn all_workers_together_have_all_that_a_namespace_may_run() {
        let mut directory = Directory::default();
        let annotations = [("fabric.concurrency".to_owned(), "5".to_owned())].into();
        let tenancy = Tenancy { name: "acme".into(), annotations, ..Tenancy::default() };
        directory.insert_namespace(Arc::new(NamespaceSpec::compile(tenancy).unwrap()));
        let lane = spec(&[]).lane();
        for of in [1, 2, 3, 7] {
            let cap = |index| Applied::read(&lane, &directory, Part { index, of }, Standing::default(), LIMITS);
            let caps = (0..of).map(|index| cap(index).standings.namespace.cap.unwrap());
            assert_eq!(caps.sum::<u32>(), 5, "{of} workers");
        }
    }

    #[test]
    fn all_workers_together_have_all_slots_of_each_endpoint() {
        let spec = spec(&[("fabric.upstream", "http://a:1,http://b:2,http://c:3"), ("fabric.slots", "5")]);
        let mut sums = [0; 3];
        let mut totals = Vec::new();
        for index in 0..3 {
            let endpoints = endpoints(&spec, &Addresses::new(), Part { index, of: 3 });
            let slots: Vec<u32> = endpoints.iter().filter_map(|it| it.slots).collect();
            totals.push(slots.iter().sum::<u32>());
            sums.iter_mut().zip(slots).for_each(|(sum, slots)| *sum += slots);
        }
        assert_eq!((sums, totals), ([5; 3], vec![5; 3]));
    }

    #[test]
    fn each_address_of_a_resolved_name_is_an_endpoint_that_is_called_by_the_name() {
        let spec = spec(&[("fabric.upstream", "dns+http://f.local:8080/base")]);
        let addresses = vec!["10.0.0.1:8080".parse().unwrap(), "[fd00::1]:8080".parse().unwrap()];
        let addresses = Addresses::from([(spec.upstreams[0].clone(), addresses)]);
        let endpoints = endpoints(&spec, &addresses, Part::WHOLE);
        let urls: Vec<&str> = endpoints.iter().map(|it| it.url.as_str()).collect();
        assert_eq!(urls, ["http://10.0.0.1:8080/base", "http://[fd00::1]:8080/base"]);
        assert_eq!(endpoints[0].host.as_deref(), Some("f.local:8080"));
    }
}
