//! What the server does not let this user do.
//!
//! It says so beside the request, which nobody answers: whoever waits for an answer listens for this as well.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

/// How many different denials are told before all of them are told anew.
const TOLD_MAX: usize = 100;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verb {
    Publish,
    Subscribe,
}

/// One thing that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denied {
    verb: Verb,
    subject: String,
    /// Who is not allowed.
    who: String,
}

impl Denied {
    /// Reads what the server says.
    fn read(text: &str, who: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("Permissions Violation for ")?;
        let (verb, rest) = match (rest.strip_prefix("Publish to "), rest.strip_prefix("Subscription to ")) {
            (Some(rest), _) => (Verb::Publish, rest),
            (_, Some(rest)) => (Verb::Subscribe, rest),
            (None, None) => return None,
        };
        let subject = rest.split('"').find(|part| !part.is_empty())?;
        Some(Self { verb, subject: subject.into(), who: who.into() })
    }

    /// How to mend it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self.verb {
            Verb::Publish if self.subject.contains("API.STREAM.CREATE.") => {
                "let one who may make it: fabric setup with the credentials of an admin, and --queue for a queue"
            }
            Verb::Subscribe if self.subject.starts_with("_INBOX") => {
                "say with --broker-inbox where this user may listen to answers, such as _INBOX_worker"
            }
            Verb::Publish | Verb::Subscribe => {
                "allow this in the permissions of that user (deploy/nats/secure.conf has all that is needed)"
            }
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Publish => "publish",
            Verb::Subscribe => "subscribe",
        };
        write!(f, "{} may not {verb} to {}", self.who, self.subject)
    }
}

impl std::error::Error for Denied {}

/// Hears of denials; clones hear of the same.
#[derive(Clone)]
pub(super) struct Denials {
    heard: broadcast::Sender<Denied>,
    told: Arc<Mutex<HashSet<Denied>>>,
}

impl Default for Denials {
    fn default() -> Self {
        Self { heard: broadcast::Sender::new(TOLD_MAX), told: Arc::default() }
    }
}

impl Denials {
    /// The server says something; whether it was a denial. Each is logged once, until the next connection.
    pub(super) fn hear(&self, text: &str, who: &str) -> bool {
        let Some(denied) = Denied::read(text, who) else { return false };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        match told.insert(denied.clone()) {
            true => tracing::error!("{denied}; {}", denied.mend()),
            false => tracing::debug!("{denied}"),
        }
        // Perhaps nobody waits.
        drop(self.heard.send(denied));
        true
    }

    /// Permissions may be others now.
    pub(super) fn forget(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Does something that publishes to `subject`, or to any if absent, unless the server does not let it.
    pub(super) async fn unless_denied<T>(
        &self,
        subject: Option<&str>,
        action: impl Future<Output = T>,
    ) -> Result<T, Denied> {
        let mut heard = self.heard.subscribe();
        let denied = async {
            loop {
                match heard.recv().await {
                    Ok(denied) if subject.is_none_or(|subject| subject == denied.subject) => return denied,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    // This holds the sender.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            done = action => Ok(done),
            denied = denied => Err(denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_understood() {
        for (text, told) in [
            (r#"Permissions Violation for Publish to "fabric.x""#, Some("me may not publish to fabric.x")),
            (r#"Permissions Violation for Subscription to "_INBOX.a.*""#, Some("me may not subscribe to _INBOX.a.*")),
            (r#"Permissions Violation for Subscription to "a" using queue "q""#, Some("me may not subscribe to a")),
            ("Stale Connection", None),
        ] {
            assert_eq!(Denied::read(text, "me").map(|denied| denied.to_string()).as_deref(), told, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_an_answer_hears_that_there_is_none() {
        let denials = Denials::default();
        let other = denials.unless_denied(Some("b"), async { 1 });
        assert_eq!(other.await, Ok(1));
        let waiting = denials.unless_denied(Some("a"), std::future::pending::<()>());
        let said = async {
            tokio::task::yield_now().await;
            assert!(denials.hear(r#"Permissions Violation for Publish to "b""#, "me"));
            assert!(denials.hear(r#"Permissions Violation for Publish to "a""#, "me"));
        };
        let (denied, ()) = tokio::join!(waiting, said);
        assert_eq!(denied.unwrap_err().subject, "a");
    }
}
