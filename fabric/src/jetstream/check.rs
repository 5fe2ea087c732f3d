//! Whether a stream that was there before would lose messages (pure).
//!
//! Replicas, quotas and descriptions are the operator's business. What is refused is what breaks a promise: a stream
//! that drops old messages for new ones, keeps them in memory only, lets them grow too old, or does not hear all of
//! its subjects, or keeps records for ever.

use std::fmt;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

/// One setting that would lose messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting.
    pub setting: &'static str,
    /// What it is.
    pub found: String,
    /// What it must be.
    pub wanted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, must be {}", self.setting, self.found, self.wanted)
    }
}

/// What is wrong with `found`, given what Fabric would have made.
#[must_use]
pub fn faults(found: &Config, wanted: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut expect = |ok: bool, setting, found: String, wanted: String| {
        if !ok {
            faults.push(Fault { setting, found, wanted });
        }
    };
    let retention = |it: &Config| match it.retention {
        RetentionPolicy::Limits => "limits",
        RetentionPolicy::Interest => "interest",
        RetentionPolicy::WorkQueue => "workqueue",
    };
    expect(retention(found) == retention(wanted), "retention", retention(found).into(), retention(wanted).into());
    let storage = |it: &Config| if it.storage == StorageType::File { "file" } else { "memory" };
    expect(storage(found) == storage(wanted), "storage", storage(found).into(), storage(wanted).into());
    if wanted.discard == DiscardPolicy::New {
        expect(found.discard == DiscardPolicy::New, "discard", "old".into(), "new".into());
        let limited_per_subject = found.max_messages_per_subject > 0;
        expect(
            !limited_per_subject || found.discard_new_per_subject,
            "discard_new_per_subject",
            "false".into(),
            "true".into(),
        );
    } else if wanted.retention == RetentionPolicy::WorkQueue {
        // Schedules exclude discard new; then nothing may be limited.
        expect(found.max_messages <= 0, "max_msgs", found.max_messages.to_string(), "-1".into());
        expect(found.max_bytes <= 0, "max_bytes", found.max_bytes.to_string(), "-1".into());
    }
    if wanted.retention == RetentionPolicy::WorkQueue {
        expect(found.max_age.is_zero(), "max_age", format!("{:?}", found.max_age), "0".into());
    }
    if wanted.allow_message_schedules {
        expect(found.allow_message_schedules, "allow_msg_schedules", "false".into(), "true".into());
    }
    if wanted.allow_message_ttl {
        expect(found.allow_message_ttl, "allow_msg_ttl", "false".into(), "true".into());
        let as_many = found.max_messages_per_subject == wanted.max_messages_per_subject;
        let wanted = wanted.max_messages_per_subject.to_string();
        expect(as_many, "max_msgs_per_subject", found.max_messages_per_subject.to_string(), wanted);
    }
    expect(!found.no_ack, "no_ack", "true".into(), "false".into());
    expect(!found.sealed, "sealed", "true".into(), "false".into());
    let misses = wanted.subjects.iter().any(|subject| !found.subjects.contains(subject));
    expect(!misses, "subjects", found.subjects.join(","), wanted.subjects.join(","));
    faults
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ready() -> Config {
        Config {
            name: "READY".into(),
            subjects: vec!["fabric.ready.default.0.>".into()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            max_messages: 10,
            max_messages_per_subject: 5,
            storage: StorageType::File,
            ..Config::default()
        }
    }

    fn later() -> Config {
        Config {
            retention: RetentionPolicy::WorkQueue,
            allow_message_schedules: true,
            storage: StorageType::File,
            max_messages: -1,
            max_bytes: -1,
            ..Config::default()
        }
    }

    fn calls() -> Config {
        let storage = StorageType::File;
        Config { allow_message_ttl: true, max_messages_per_subject: 1, storage, ..Config::default() }
    }

    fn names(found: &Config, wanted: &Config) -> Vec<&'static str> {
        faults(found, wanted).into_iter().map(|fault| fault.setting).collect()
    }

    #[test]
    fn what_fabric_makes_passes_and_harmless_differences_do_too() {
        assert_eq!(faults(&ready(), &ready()), []);
        assert_eq!(faults(&later(), &later()), []);
        let theirs = Config { num_replicas: 3, max_messages: 99, description: Some("ours".into()), ..ready() };
        assert_eq!(faults(&theirs, &ready()), []);
    }

    #[test]
    fn every_way_to_lose_messages_is_named() {
        let cases = [
            ("retention", Config { retention: RetentionPolicy::Limits, ..ready() }),
            ("retention", Config { retention: RetentionPolicy::Interest, ..ready() }),
            ("storage", Config { storage: StorageType::Memory, ..ready() }),
            ("discard", Config { discard: DiscardPolicy::Old, ..ready() }),
            ("discard_new_per_subject", Config { discard_new_per_subject: false, ..ready() }),
            ("max_age", Config { max_age: Duration::from_secs(60), ..ready() }),
            ("no_ack", Config { no_ack: true, ..ready() }),
            ("sealed", Config { sealed: true, ..ready() }),
            ("subjects", Config { subjects: vec!["fabric.ready.other.>".into()], ..ready() }),
        ];
        for (setting, found) in cases {
            assert_eq!(names(&found, &ready()), [setting]);
        }
        assert_eq!(names(&Config { allow_message_schedules: false, ..later() }, &later()), ["allow_msg_schedules"]);
        assert_eq!(names(&Config { max_messages: 5, ..later() }, &later()), ["max_msgs"]);
        assert_eq!(names(&Config { allow_message_ttl: false, ..calls() }, &calls()), ["allow_msg_ttl"]);
        let all = Config { max_messages_per_subject: -1, ..calls() };
        assert_eq!(names(&all, &calls()), ["max_msgs_per_subject"]);
    }
}
