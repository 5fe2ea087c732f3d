//! Who sends a request, and what he may do: the one place where that is decided.
//!
//! | what is sent | who it is |
//! |---|---|
//! | `Authorization: Bearer fab_<id>_<secret>` | whoever has that [API key](proto::key) |
//! | `Authorization: Basic …` with a key as the password | the same: it is what `faas-cli login` sends |
//! | `Authorization: Bearer <JWT>` | whoever the [issuer](oidc) says |
//! | `X-Fabric-Key: …` | the same, where `Authorization` is the function's own |
//!
//! What a request needs is declared where its route is ([`need`]). Whatever said who it is goes no further: it is in no
//! stored call, and no function sees it.

pub mod credential;
pub mod need;
pub mod oidc;
mod page;
pub mod secret;
pub mod settings;

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::directory::Directory;
use actors::port::Clock;
use http::{HeaderMap, Request};
use proto::key::{Hash, Reach, Scope, Scopes};
use proto::{ApiKey, KeyId, Namespace, Refusal, Timestamp};
use tokio::sync::watch;
use tokio::time::sleep;

use self::need::Need;
use self::oidc::Issuer;
use crate::listener::Peer;

/// How often it is looked at the least whether somebody may still hear what he asked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Identity {
    holder: Holder,
    from: Option<IpAddr>,
}

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What people call him.
    pub who: String,
    /// What he may do.
    pub scopes: Scopes,
    /// Where.
    pub namespaces: Reach,
    /// Until when, if that is known.
    pub ends_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Holder {
    /// Of a key on record.
    Key(KeyId, Arc<ApiKey>),
    /// Of anything else.
    Rights(Arc<Rights>),
}

impl Identity {
    /// Who it is, as logs name him.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.holder {
            Holder::Key(id, key) => format!("key {id} ({})", key.name),
            Holder::Rights(rights) => rights.who.clone(),
        }
    }

    /// Where the request came from.
    #[must_use]
    pub fn from(&self) -> Option<IpAddr> {
        self.from
    }

    /// What he may do.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        match &self.holder {
            Holder::Key(_, key) => &key.scopes,
            Holder::Rights(rights) => &rights.scopes,
        }
    }

    /// Where.
    #[must_use]
    pub fn namespaces(&self) -> &Reach {
        match &self.holder {
            Holder::Key(_, key) => &key.namespaces,
            Holder::Rights(rights) => &rights.namespaces,
        }
    }

    /// Whether he may know of what is in a namespace. What he may not know of is not there for him.
    #[must_use]
    pub fn sees(&self, namespace: &Namespace) -> bool {
        self.namespaces().covers(namespace)
    }

    /// Says that something new would be in a namespace that is not his: which one that is, he said himself.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn must_see(&self, namespace: &Namespace) -> Result<(), Refusal> {
        if self.sees(namespace) {
            return Ok(());
        }
        Err(Refusal::Forbidden(format!("{} is not for namespace {namespace}", self.who())))
    }
}

/// What says who is who.
#[derive(Clone)]
pub struct Authenticator {
    /// Nothing, if everybody may do everything.
    means: Option<Arc<Means>>,
    everybody: Arc<Rights>,
    /// Whether only who is on this machine is to reach it, and a name that is not this machine's is somebody's trick.
    is_private: bool,
}

/// How somebody can say who he is.
struct Means {
    directory: watch::Receiver<Arc<Directory>>,
    clock: Arc<dyn Clock>,
    /// Hashes of the keys that the process was started with.
    admins: Vec<Hash>,
    admin: Arc<Rights>,
    issuer: Option<Issuer>,
}

impl Authenticator {
    /// One for which everybody may do everything who is on this machine.
    #[must_use]
    pub fn off() -> Self {
        Self { means: None, everybody: Arc::new(with_all_rights("anybody")), is_private: true }
    }

    /// One for which everybody may do everything, wherever he is and by whatever name he asks.
    #[must_use]
    pub fn open() -> Self {
        Self { is_private: false, ..Self::off() }
    }

    /// One that goes by the keys on record, these keys of administrators, and an issuer's tokens.
    #[must_use]
    pub fn on(
        directory: watch::Receiver<Arc<Directory>>,
        clock: Arc<dyn Clock>,
        admins: Vec<Hash>,
        issuer: Option<Issuer>,
    ) -> Self {
        let admin = Arc::new(with_all_rights("the admin key"));
        Self { means: Some(Arc::new(Means { directory, clock, admins, admin, issuer })), ..Self::open() }
    }

    /// Refuses what a web page has had a browser send to those who change what is set here.
    ///
    /// # Errors
    /// [`Refusal::Foreign`], [`Refusal::StrangeHost`].
    pub fn check_page<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        const WHY: &str = "a page of another site asked for this, and only the dashboard may; open it at /ui/";
        if page::is_foreign(request) {
            return Err(Refusal::Foreign(WHY));
        }
        // Where keys are needed, a page has none to send.
        let strange = page::strange_name(request).filter(|_| self.is_private);
        strange.map_or(Ok(()), |name| Err(Refusal::StrangeHost(name)))
    }

    /// Refuses what a web page has had a browser send to a function, where only who is on this machine may call it.
    /// Elsewhere pages may: it takes a key, or it was said that everybody may.
    ///
    /// # Errors
    /// [`Refusal::Foreign`].
    pub fn check_page_that_calls<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        const WHY: &str = "a page of another site asked for this, and only who is on this machine may: start this with \
            --insecure-no-auth if such pages are to call functions";
        match self.is_private && page::is_of_another_site(request.method(), request.headers()) {
            true => Err(Refusal::Foreign(WHY)),
            false => Ok(()),
        }
    }

    /// Who sent a request, if he may have what it needs. What he said it by is taken out of it.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`], [`Refusal::Forbidden`]; [`Refusal::BrokerAway`] while the keys are not known yet.
    pub async fn admit<B>(&self, request: &mut Request<B>, need: Need) -> Result<Identity, Refusal> {
        let from = request.extensions().get::<Peer>().map(|Peer(address)| *address);
        let everybody = || Identity { holder: Holder::Rights(self.everybody.clone()), from };
        if need == Need::Nothing {
            // It goes no further than to here, or to where it is asked again what is needed: the key stays for that.
            return Ok(everybody());
        }
        let Some(means) = &self.means else {
            // Whoever sends a key where none is needed wants it to go no further either.
            request.headers_mut().remove(credential::X_FABRIC_KEY);
            return Ok(everybody());
        };
        let holder = means.holder(request.headers_mut()).await?;
        let identity = Identity { holder, from };
        need.check(&identity)?;
        Ok(identity)
    }

    /// Waits until somebody who was admitted would not be any more: his key is revoked, removed, has other rights or has
    /// expired, as his token does. For answers that go on and on.
    pub async fn lapse(&self, by: &Identity) {
        let Some(means) = &self.means else { return pending().await };
        let mut directory = means.directory.clone();
        loop {
            let now = means.clock.now();
            let ends_at = match &by.holder {
                Holder::Key(id, key) => {
                    let known = directory.borrow_and_update().clone();
                    // While the keys are read anew, that one is missing says nothing.
                    let is_other = known.key(id).map_or(known.current, |it| it != key);
                    if is_other || !key.holds(now) {
                        return;
                    }
                    key.expires_at
                }
                Holder::Rights(rights) => rights.ends_at,
            };
            let left = ends_at.map_or(LOOK_EVERY, |at| at.since(now));
            if left.is_zero() {
                return;
            }
            tokio::select! {
                // By the clock of the day, which may be set.
                () = sleep(left.min(LOOK_EVERY)) => {}
                changed = directory.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Means {
    async fn holder(&self, headers: &mut HeaderMap) -> Result<Holder, Refusal> {
        let text = credential::take(headers)?;
        // Before the first snapshot nobody knows which keys there are.
        let mut is_known = true;
        if let Ok((id, secret)) = proto::key::read(&text) {
            let hash = secret::hash(&secret.0);
            let directory = self.directory.borrow();
            is_known = directory.current;
            if let Some(key) = directory.key(&id).filter(|key| secret::is_same(key.hash, hash)) {
                return match key.holds(self.clock.now()) {
                    true => Ok(Holder::Key(id, key.clone())),
                    false => Err(Refusal::Unauthenticated("the key has expired or was revoked".into())),
                };
            }
        }
        // All of them, so that how long it takes tells nothing of which it is.
        let hash = secret::hash(text.as_bytes());
        if self.admins.iter().fold(false, |found, admin| found | secret::is_same(*admin, hash)) {
            return Ok(Holder::Rights(self.admin.clone()));
        }
        if !is_known {
            return Err(Refusal::BrokerAway);
        }
        match &self.issuer {
            Some(issuer) if oidc::is_token(&text) => Box::pin(issuer.rights(&text)).await.map(Holder::Rights),
            _ => Err(Refusal::Unauthenticated("the key is not known".into())),
        }
    }
}

fn with_all_rights(who: &str) -> Rights {
    Rights { who: who.into(), scopes: Scopes::all(), namespaces: Reach::Everything, ends_at: None }
}

/// What is missing to somebody who lacks all of `scopes`.
fn lacks(identity: &Identity, scopes: &[Scope]) -> Refusal {
    let scopes = scopes.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" or ");
    Refusal::Forbidden(format!("{} lacks scope {scopes}", identity.who()))
}

#[cfg(test)]
mod tests {
    use actors::memory::SteadyClock;
    use proto::Timestamp;
    use proto::key::{SECRET_LEN, Secret};

    use super::*;

    const ID: &str = "k1";
    const ADMIN: &str = "an administrator's key, long enough to be one";

    fn secret() -> Secret {
        Secret([7; SECRET_LEN])
    }

    fn text() -> String {
        proto::key::write(&KeyId::parse(ID).unwrap(), &secret())
    }

    fn key(scopes: &[Scope], namespaces: &[&str]) -> ApiKey {
        ApiKey {
            name: "ci".into(),
            hash: secret::hash(&secret().0),
            scopes: Scopes::of(scopes.iter().copied()).unwrap(),
            namespaces: Reach::of(namespaces.iter().copied()).unwrap(),
            created_at: Timestamp::default(),
            expires_at: None,
            revoked_at: None,
        }
    }

    fn empty() -> Directory {
        let mut directory = Directory::with_template(None);
        directory.current = true;
        directory
    }

    fn directory(key: ApiKey) -> Arc<Directory> {
        let mut directory = empty();
        directory.insert_key(KeyId::parse(ID).unwrap(), Arc::new(key));
        Arc::new(directory)
    }

    fn authenticator(known: Arc<Directory>) -> (Authenticator, watch::Sender<Arc<Directory>>) {
        let directory = watch::Sender::new(known);
        let admins = vec![secret::hash(ADMIN.as_bytes())];
        let clock = Arc::new(SteadyClock::default());
        (Authenticator::on(directory.subscribe(), clock, admins, None), directory)
    }

    async fn admit(by: &Authenticator, headers: &[(&'static str, &str)], need: Need) -> Result<Identity, Refusal> {
        by.admit(&mut request(headers), need).await
    }

    fn request(headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    const READ: Need = Need::Scope(&[Scope::Read]);

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_however_it_is_sent_and_goes_no_further() {
        let (by, _directory) = authenticator(directory(key(&[Scope::Read], &["acme"])));
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin:{}", text()));
        let (bearer, basic) = (format!("Bearer {}", text()), format!("Basic {basic}"));
        for headers in [
            vec![("authorization", bearer.as_str())],
            vec![("authorization", basic.as_str())],
            vec![("authorization", &*bearer.to_ascii_lowercase())],
            vec![("x-fabric-key", &*text()), ("other", "x")],
        ] {
            let mut request = request(&headers);
            let identity = by.admit(&mut request, READ).await.unwrap();
            assert_eq!(identity.who(), "key k1 (ci)");
            assert!(!format!("{:?}", request.headers()).contains("0707"), "{headers:?}");
        }
        let mut own = request(&[("x-fabric-key", &text()), ("authorization", "Bearer of the function")]);
        by.admit(&mut own, READ).await.unwrap();
        assert_eq!(own.headers()["authorization"], "Bearer of the function");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_nobody_is_told_so() {
        let (by, _directory) = authenticator(directory(key(&[Scope::Read], &["acme"])));
        let wrong = text().replace("07", "08");
        for bad in [
            vec![],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Bearer x")],
            vec![("authorization", "Basic !!")],
            vec![("authorization", "Digest x")],
            vec![("x-fabric-key", wrong.as_str())],
            vec![("x-fabric-key", &*text().replace("k1", "k2"))],
            vec![("authorization", &*format!("Bearer {}", text())), ("authorization", "Bearer x")],
        ] {
            assert!(matches!(admit(&by, &bad, READ).await, Err(Refusal::Unauthenticated(_))), "{bad:?}");
        }
        let mut twice = request(&[("x-fabric-key", &text())]);
        assert!(by.admit(&mut twice, Need::Nothing).await.is_ok(), "what tells nothing is open");
        assert!(by.admit(&mut twice, READ).await.is_ok(), "and who asks on still says who he is");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_revoked_or_gone_is_of_no_use_from_then_on() {
        let (by, known) = authenticator(directory(key(&[Scope::Read], &["acme"])));
        let bearer = format!("Bearer {}", text());
        let headers = [("authorization", bearer.as_str())];
        assert!(admit(&by, &headers, READ).await.is_ok());
        for over in [
            ApiKey { revoked_at: Some(Timestamp::default()), ..key(&[Scope::Read], &["acme"]) },
            ApiKey { expires_at: Some(Timestamp::default()), ..key(&[Scope::Read], &["acme"]) },
        ] {
            known.send_replace(directory(over));
            assert!(matches!(admit(&by, &headers, READ).await, Err(Refusal::Unauthenticated(_))));
        }
        known.send_replace(Arc::new(empty()));
        assert!(matches!(admit(&by, &headers, READ).await, Err(Refusal::Unauthenticated(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_admin_key_may_do_everything_before_anything_is_known() {
        let (by, _directory) = authenticator(Arc::default());
        let identity = admit(&by, &[("x-fabric-key", ADMIN)], Need::Fabric(Scope::Admin)).await.unwrap();
        assert_eq!((identity.who(), identity.namespaces()), ("the admin key".into(), &Reach::Everything));
        assert!(admit(&by, &[("x-fabric-key", &ADMIN[1..])], READ).await.is_err());
        let early = admit(&by, &[("x-fabric-key", &text())], READ).await;
        assert!(matches!(early, Err(Refusal::BrokerAway)), "whose key that is will be known");
    }

    #[tokio::test(start_paused = true)]
    async fn without_means_everybody_may_do_everything() {
        let by = Authenticator::off();
        let mut request = request(&[("authorization", "Bearer of the function"), ("x-fabric-key", "a key")]);
        let identity = by.admit(&mut request, Need::Fabric(Scope::Admin)).await.unwrap();
        assert_eq!(identity.who(), "anybody");
        assert_eq!(request.headers().len(), 1, "what is the function's stays, a key does not");
    }
}
