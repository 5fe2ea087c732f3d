//! Who changed what: a line in the log for each change that somebody asked for, and a message where one is wanted.
//!
//! Every record is written through here, with what was there before. What is secret is left out.

mod shown;
mod written;

use std::sync::Arc;

use actors::port::control::{Error, Expected, Key, Record};
use actors::port::{BoxFuture, Control, broker};
use bytes::Bytes;
use serde_json::{Value, json};

use self::shown::{record, shown};
use self::written::{Change, plain};
use crate::identity::Identity;

/// Where audit messages are kept.
pub trait Trail: Send + Sync + 'static {
    /// Keeps one, durably.
    ///
    /// # Errors
    /// The broker's.
    fn keep(&self, message: Bytes) -> BoxFuture<'_, Result<(), broker::Error>>;

    /// How long a message may be, in bytes.
    fn len_max(&self) -> usize;
}

/// What tells of changes; clones share the trail.
#[derive(Clone, Default)]
pub struct Audit {
    trail: Option<Arc<dyn Trail>>,
}

/// The records of the control plane, as somebody changes them.
#[derive(Clone)]
pub struct Audited {
    control: Arc<dyn Control>,
    audit: Audit,
}

impl Audit {
    /// One that also keeps a trail.
    #[must_use]
    pub fn new(trail: Option<Arc<dyn Trail>>) -> Self {
        Self { trail }
    }

    /// Tells of a change that was made.
    pub async fn tell(&self, by: &Identity, what: &str, before: &Value, after: &Value) {
        let (who, from) = (by.who(), by.from().map(|it| it.to_string()).unwrap_or_default());
        let (before, after) = (shown(before), shown(after));
        let (told_before, told_after) = (plain(&before), plain(&after));
        tracing::info!(
            target: "fabric::audit", who, from, what, before = %told_before, after = %told_after, "changed"
        );
        let Some(trail) = &self.trail else { return };
        let change = Change { who: &who, from: &from, what, before: &before, after: &after };
        // The change is made: what is left is to say that nobody will find it there.
        if let Err(error) = trail.keep(change.message(trail.len_max()).into()).await {
            tracing::error!(target: "fabric::audit", %error, who, what, "a change is not in the audit stream");
        }
    }
}

impl Audited {
    /// These records.
    #[must_use]
    pub fn new(control: Arc<dyn Control>, audit: Audit) -> Self {
        Self { control, audit }
    }

    /// What tells of other changes.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The records.
    #[must_use]
    pub fn control(&self) -> &dyn Control {
        &*self.control
    }

    /// Writes a record as [`Control::put`] does, and tells of it. What is told to have been there before is what was
    /// overwritten, whoever else writes at the same time.
    ///
    /// # Errors
    /// As [`Control::put`].
    pub async fn put(&self, by: &Identity, new: Record, expected: Expected) -> Result<u64, Error> {
        let key = new.key();
        loop {
            let (before, exact) = self.before(&key, expected).await?;
            match self.control.put(new.clone(), exact).await {
                Err(Error::Conflict { .. }) if expected == Expected::Whatever => {}
                put => {
                    let revision = put?;
                    self.audit.tell(by, &format!("put {}", named(&key)), &before, &record(&new)).await;
                    return Ok(revision);
                }
            }
        }
    }

    /// Removes a record as [`Control::delete`] does, and tells of it if there was one.
    ///
    /// # Errors
    /// As [`Control::delete`].
    pub async fn delete(&self, by: &Identity, key: &Key, expected: Expected) -> Result<bool, Error> {
        loop {
            let (before, exact) = self.before(key, expected).await?;
            match self.control.delete(key, exact).await {
                Err(Error::Conflict { .. }) if expected == Expected::Whatever => {}
                deleted => {
                    let was_there = deleted?;
                    if was_there {
                        self.audit.tell(by, &format!("delete {}", named(key)), &before, &Value::Null).await;
                    }
                    return Ok(was_there);
                }
            }
        }
    }

    /// What is there, and what is to be expected so that nothing else is overwritten.
    async fn before(&self, key: &Key, expected: Expected) -> Result<(Value, Expected), Error> {
        let found = match self.control.get(key).await {
            // What nobody can read is replaced all the same.
            Err(Error::Unreadable { .. }) => return Ok((json!("unreadable"), expected)),
            found => found?,
        };
        let (before, here) = match found {
            Some((there, revision)) => (record(&there), Expected::Revision(revision)),
            None => (Value::Null, Expected::Absent),
        };
        Ok((before, if expected == Expected::Whatever { here } else { expected }))
    }
}

/// Whose record, in words: a key by itself does not tell a namespace.
fn named(key: &Key) -> String {
    match key {
        Key::Function(function) => format!("function {function}"),
        Key::Namespace(namespace) => format!("namespace {namespace}"),
        Key::Queue(queue) => format!("queue {queue}"),
        Key::ApiKey(id) => format!("key {id}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use actors::memory::{Memory, Settings, SteadyClock};
    use proto::{Function, FunctionSpec};

    use super::*;
    use crate::identity::Authenticator;
    use crate::identity::need::Need;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Value>>);

    impl Trail for Kept {
        fn keep(&self, message: Bytes) -> BoxFuture<'_, Result<(), broker::Error>> {
            self.0.lock().unwrap().push(serde_json::from_slice(&message).unwrap());
            Box::pin(std::future::ready(Ok(())))
        }

        fn len_max(&self) -> usize {
            1024 * 1024
        }
    }

    fn function(url: &str) -> Record {
        (&FunctionSpec::at(&Function::parse("f.acme").unwrap(), url).unwrap()).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_with_what_it_replaced() {
        let kept = Arc::new(Kept::default());
        let memory = Arc::new(Memory::new(Settings::default(), Arc::new(SteadyClock::default())));
        let records = Audited::new(memory, Audit::new(Some(kept.clone())));
        let by = Authenticator::off().admit(&mut http::Request::new(()), Need::Nothing).await.unwrap();
        let first = records.put(&by, function("http://a"), Expected::Absent).await.unwrap();
        records.put(&by, function("http://me:secret@b"), Expected::Whatever).await.unwrap();
        let late = records.put(&by, function("http://c"), Expected::Revision(first)).await;
        assert!(matches!(late, Err(Error::Conflict { .. })), "and nothing is told of it");
        let key = Key::parse("f.acme").unwrap();
        assert!(records.delete(&by, &key, Expected::Whatever).await.unwrap());
        assert!(!records.delete(&by, &key, Expected::Whatever).await.unwrap());
        let upstream = |value: &Value| value["annotations"]["fabric.upstream"].as_str().map(ToOwned::to_owned);
        let told = |it: &Value| (it["what"].clone(), upstream(&it["before"]), upstream(&it["after"]));
        let told: Vec<_> = kept.0.lock().unwrap().iter().map(told).collect();
        let (a, b) = (Some("http://a".to_owned()), Some("http://***@b".to_owned()));
        let (put, delete) = (json!("put function f.acme"), json!("delete function f.acme"));
        let expected = [(put.clone(), None, a.clone()), (put, a, b.clone()), (delete, b, None)];
        assert_eq!(told, expected);
        assert!(!format!("{told:?}").contains("secret"));
    }
}
