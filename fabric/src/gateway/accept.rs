//! Whether a call is accepted by the rates of its function and its namespace.
//!
//! A rate is for the whole cluster, and each gateway keeps to its part of it: how many gateways there are is known
//! from their signs of life.

use std::sync::Arc;

use actors::directory::Directory;
use actors::limit::rate::Pace;
use actors::limit::rates::{Paces, Rates, Whose};
use actors::membership::{Membership, Part};
use proto::limit::Throttle;
use proto::{FunctionSpec, Refusal};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a gateway accepts.
#[derive(Clone)]
pub struct Accept {
    rates: Arc<Rates>,
    membership: watch::Receiver<Arc<Membership>>,
}

impl Accept {
    pub(super) fn new(membership: watch::Receiver<Arc<Membership>>) -> Self {
        Self { rates: Arc::default(), membership }
    }

    /// Counts a call, or says when there is room for one.
    pub(super) fn call(&self, spec: &FunctionSpec, directory: &Directory) -> Result<(), Refusal> {
        let paces = paces(spec, directory, || self.membership.borrow().part_of_gateways());
        if paces.is_empty() {
            return Ok(());
        }
        let now = Instant::now().into_std();
        if self.rates.take(&paces, 1, now) == 1 {
            return Ok(());
        }
        let next = self.rates.next(&paces, now).map(|(whose, at)| (whose.to_string(), at));
        // Between the two questions somebody may have put one back; then it is worth asking again at once.
        let (scope, at) = next.unwrap_or_else(|| (format!("function {}", spec.function), now));
        Err(Refusal::RateExceeded { scope, after: at.saturating_duration_since(now) })
    }
}

fn paces(spec: &FunctionSpec, directory: &Directory, part: impl Fn() -> Part) -> Paces {
    let namespace = spec.function.namespace();
    let pace = |it: Throttle| Pace::of(it.rate, it.burst.get(), part().of);
    let own = spec.accept.map(|rate| (Whose::Function(spec.function.clone()), pace(rate)));
    let shared = directory.namespace(namespace).and_then(|it| it.accept);
    own.into_iter().chain(shared.map(|rate| (Whose::Namespace(namespace.clone()), pace(rate)))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actors::membership::Member;
    use proto::NamespaceSpec;
    use proto::tenant::Tenancy;

    use super::*;

    fn spec(name: &str, rate: Option<&str>) -> FunctionSpec {
        let mut deployment =
            FunctionSpec::at(&proto::Function::parse(name).unwrap(), "http://a").unwrap().deployment.open();
        deployment.annotations.extend(rate.map(|rate| ("fabric.accept-rate".into(), rate.into())));
        FunctionSpec::compile(deployment).unwrap()
    }

    fn gateways(count: usize) -> watch::Receiver<Arc<Membership>> {
        let gateway = Member { gateway: true, ..Member::default() };
        let mut members = Membership::alone("g0", gateway.clone());
        for n in 1..count {
            members.seen(&format!("g{n}"), gateway.clone());
        }
        watch::Sender::new(Arc::new(members)).subscribe()
    }

    fn accepted(accept: &Accept, spec: &FunctionSpec, directory: &Directory) -> usize {
        (0..1000).filter(|_| accept.call(spec, directory).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_burst_is_refused_and_told_when_to_come_again() {
        let (accept, directory) = (Accept::new(gateways(1)), Directory::default());
        let spec = spec("f", Some("60/m"));
        assert!(accept.call(&spec, &directory).is_ok());
        let refusal = accept.call(&spec, &directory).unwrap_err();
        assert_eq!(refusal.retry_after().map(|after| after.as_millis()), Some(1000));
        assert!(refusal.to_string().contains("function f.openfaas-fn"), "{refusal}");
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert!(accept.call(&spec, &directory).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn each_gateway_keeps_to_its_part() {
        let spec = spec("f", Some("1000/s"));
        let directory = Directory::default();
        assert_eq!(accepted(&Accept::new(gateways(1)), &spec, &directory), 100);
        assert_eq!(accepted(&Accept::new(gateways(4)), &spec, &directory), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn the_functions_of_a_namespace_share_its_rate() {
        let (accept, mut directory) = (Accept::new(gateways(1)), Directory::default());
        let annotations = [("fabric.accept-rate".to_owned(), "300/s".to_owned())].into();
        let tenancy = Tenancy { name: "acme".into(), annotations, ..Tenancy::default() };
        directory.insert_namespace(Arc::new(NamespaceSpec::compile(tenancy).unwrap()));
        let (a, b, other) = (spec("a.acme", Some("200/s")), spec("b.acme", None), spec("c.other", None));
        assert_eq!(accepted(&accept, &a, &directory), 20);
        assert_eq!(accepted(&accept, &b, &directory), 10);
        assert_eq!(accepted(&accept, &other, &directory), 1000);
    }
}
