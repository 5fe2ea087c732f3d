//! What a subscriber is to keep to: read again from what is set and from who is alive on every beat, and before a call
//! starts if something else is set since.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proto::call::Guest;
use proto::{FunctionSpec, LaneKey, Upstream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::call::Desk;
use crate::directory::Directory;
use crate::limit::Limits;
use crate::limit::applied::{Addresses, Applied, endpoints};
use crate::limit::endpoints::Endpoints;
use crate::membership::Part;
use crate::permit::share::Standing;

/// How long the addresses of a name are relied on.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);
/// How long finding them out may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(4);

/// How long other workers may still run calls of a function that is being deleted: they have not heard of it.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// The orders of one lane.
pub struct Orders {
    lane: LaneKey,
    desk: Arc<Desk>,
    /// Tells whether something else is set since it was read.
    directory: watch::Receiver<Arc<Directory>>,
    standing: Standing,
    ceiling: u32,
    endpoints: Endpoints,
    addresses: Addresses,
    resolved_at: Option<Instant>,
    /// Since when calls are known to go to the dead letters.
    burying_since: Option<Instant>,
    /// What the endpoints were last set by.
    set: Option<(Arc<FunctionSpec>, Part)>,
}

impl Orders {
    /// For `lane`, whose queue has `standing` in a worker that runs `ceiling` calls at most.
    #[must_use]
    pub fn new(lane: LaneKey, desk: Arc<Desk>, standing: Standing, ceiling: u32) -> Self {
        let (endpoints, addresses) = (Endpoints::default(), Addresses::new());
        let directory = desk.directory.clone();
        let (resolved_at, burying_since, set) = (None, None, None);
        Self { lane, desk, directory, standing, ceiling, endpoints, addresses, resolved_at, burying_since, set }
    }

    /// The endpoints, for those who take slots of them.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints.clone()
    }

    /// Whether calls go to endpoints that are chosen from: those of a function that is registered.
    #[must_use]
    pub fn chooses(&self) -> bool {
        self.spec().is_some() && !self.buries()
    }

    /// Whether calls go to the dead letters instead, whatever their function is like.
    #[must_use]
    pub fn buries(&self) -> bool {
        !self.lane.queue.is_callbacks() && self.desk.directory.borrow().buries(&self.lane.function)
    }

    /// Whether something else may be set than was read.
    #[must_use]
    pub fn are_old(&self) -> bool {
        // That nobody sets anything any more is no change.
        self.directory.has_changed().unwrap_or(false)
    }

    /// What applies now; the endpoints are brought up to date by the way.
    pub fn read(&mut self) -> Applied {
        // First: what is set meanwhile is read again.
        self.directory.mark_unchanged();
        let part = self.part();
        if let Some(spec) = self.spec() {
            let same = |(before, was): &(Arc<FunctionSpec>, Part)| Arc::ptr_eq(before, &spec) && *was == part;
            if !self.set.as_ref().is_some_and(same) {
                self.endpoints.set(endpoints(&spec, &self.addresses, part));
                self.set = Some((spec, part));
            }
        }
        let concurrency = self.lane.queue.is_callbacks().then_some(self.desk.callbacks.per_host);
        let limits = Limits { concurrency, paused: false, ceiling: self.ceiling };
        let mut applied = Applied::read(&self.lane, &self.desk.directory.borrow(), part, self.standing, limits);
        self.burying_since = self.buries().then(|| self.burying_since.unwrap_or_else(Instant::now));
        // The limit is everybody's: were it lifted at once, somebody who has not heard yet would run more than it allows.
        if self.burying_since.is_some_and(|since| since.elapsed() >= HEARD_WITHIN) {
            applied.limits.concurrency = None;
        }
        applied
    }

    /// Finds out the addresses of names that stand for several, if that is due; the answer is for [`found`](Self::found).
    pub fn resolve(&mut self, now: Instant) -> Option<impl Future<Output = Addresses> + Send + 'static> {
        let spec = self.spec()?;
        let names: Vec<Upstream> = spec.upstreams.iter().filter(|upstream| upstream.resolved).cloned().collect();
        let fresh = self.resolved_at.is_some_and(|at| now.duration_since(at) < RESOLVE_EVERY);
        let known = names.iter().all(|name| self.addresses.contains_key(name));
        if names.is_empty() || (fresh && known) {
            return None;
        }
        self.resolved_at = Some(now);
        let desk = self.desk.clone();
        Some(async move {
            let found = join_all(names.into_iter().map(async |name| {
                let (host, port) = (name.url.host_str()?.to_owned(), name.url.port_or_known_default()?);
                match timeout(RESOLVE_WITHIN, desk.invoker.resolve(&host, port)).await {
                    Ok(Ok(addresses)) => return Some((name, addresses)),
                    Ok(Err(error)) => tracing::warn!(host, %error, "an upstream's name cannot be resolved"),
                    Err(_) => tracing::warn!(host, "an upstream's name cannot be resolved in time"),
                }
                None
            }));
            found.await.into_iter().flatten().collect()
        })
    }

    /// These addresses were found; names for which none were keep those they had.
    pub fn found(&mut self, addresses: Addresses) {
        self.addresses.extend(addresses);
        if let Some((spec, part)) = &self.set {
            self.endpoints.set(endpoints(spec, &self.addresses, *part));
        }
    }

    fn part(&self) -> Part {
        self.desk.membership.borrow().part_of_queue(&self.lane.queue)
    }

    /// The function's specification, by the template if it is not registered; nothing for callbacks, whose lanes are
    /// hosts. Whether a call may go there is the call's own to know.
    fn spec(&self) -> Option<Arc<FunctionSpec>> {
        if self.lane.queue.is_callbacks() {
            return None;
        }
        let directory = self.desk.directory.borrow();
        if let Some(spec) = directory.get(&self.lane.function) {
            return Some(spec.clone());
        }
        // Made once, and then as good as registered: what reads it compares by identity.
        let made = self.set.as_ref().map(|(spec, _)| spec).filter(|spec| spec.is_guest());
        made.cloned().or_else(|| directory.guest(&self.lane.function, &Guest::new()))
    }
}
