//! The NATS server: its version, JetStream, its limits and clock, and whether a stream would lose messages.

use std::time::Duration;

use actors::port::Clock;
use actors::port::broker::Quotas;
use proto::Timestamp;
use proto::subject::Subjects;

use super::{Finding, clock};
use crate::clock::SystemClock;
use crate::jetstream::inspect::{Inspection, inspect};
use crate::jetstream::{Access, Error, Settings};

/// What records with their results need.
const PAYLOAD_MIN: usize = 1024 * 1024;
/// How full the storage may be, in percent.
const FULL: u64 = 90;

/// How long before their end credentials are called a fault.
const RENEWED_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at the server at `url`, as `access` says.
pub async fn check(url: &str, access: Access, subjects: &Subjects) -> Vec<Finding> {
    let settings = Settings {
        url: url.to_owned(),
        access,
        subjects: subjects.clone(),
        replicas: 1,
        shards: None,
        quotas: Quotas::default(),
        payload_len_max: 0,
    };
    let before = SystemClock.now();
    match Box::pin(inspect(settings)).await {
        Ok(inspection) => {
            let mut findings = of(&inspection, subjects);
            let theirs = inspection.now.map(|now| clock::compare("the broker", now, before, SystemClock.now()));
            findings.extend(theirs);
            findings.extend(inspection.expires.map(|at| credentials(at, SystemClock.now())));
            findings
        }
        Err(error) => vec![unusable(&error)],
    }
}

/// Why no fabric can run there.
fn unusable(error: &Error) -> Finding {
    let mend = match error {
        Error::Access(why) => why.mend(),
        Error::Connect { why, .. } => why.mend(),
        Error::Denied { denied, .. } | Error::NotMade { denied, .. } => denied.mend(),
        Error::Version { .. } => "run nats-server 2.12 or newer: what is stored stays readable",
        Error::NoJetStream { .. } => "start nats-server with -js, or enable JetStream for the account",
        Error::Stream { .. } | Error::Shards { .. } | Error::Unsafe { .. } => {
            "see to it that the account may list and make streams"
        }
    };
    // On the command line, the same sentence ends with it.
    let found = error.to_string();
    let found = found.strip_suffix(mend).map_or(found.as_str(), |found| found.trim_end_matches("; "));
    Finding::fault("broker", found, mend)
}

/// Whether credentials last.
fn credentials(expire: Timestamp, now: Timestamp) -> Finding {
    let what = "broker's credentials";
    match expire.since(now) {
        left if left < RENEWED_BEFORE => Finding::fault(
            what,
            format!("they expire at {expire}"),
            "put new ones into the file of --broker-creds: processes read it when they connect again",
        ),
        _ => Finding::good(what, format!("they last until {expire}")),
    }
}

fn of(seen: &Inspection, subjects: &Subjects) -> Vec<Finding> {
    let mut findings = vec![Finding::good("broker", format!("{} has version {} and JetStream", seen.at, seen.version))];
    findings.push(match seen.payload_max {
        bytes if bytes >= PAYLOAD_MIN => Finding::good("broker's max_payload", format!("{bytes} bytes")),
        bytes => Finding::fault(
            "broker's max_payload",
            format!("{bytes} bytes: the record of a call with its result may not fit"),
            format!("set max_payload: {PAYLOAD_MIN} in the server's configuration"),
        ),
    });
    let (used, most) = (seen.account.storage, seen.account.limits.max_storage.and_then(|it| u64::try_from(it).ok()));
    findings.push(match most {
        Some(most) if used.saturating_mul(100) >= most.saturating_mul(FULL) => Finding::fault(
            "broker's storage",
            format!("{used} of {most} bytes are used; calls are refused when it is full"),
            "raise max_file_store, or the account's limit, or drain what waits (fabric top)",
        ),
        Some(most) => Finding::good("broker's storage", format!("{used} of {most} bytes are used")),
        None => Finding::good("broker's storage", format!("{used} bytes are used, without a limit of the account")),
    });
    if seen.streams.is_empty() {
        findings
            .push(Finding::good("streams", format!("none with prefix {subjects} yet: the first process makes them")));
    }
    findings.extend(seen.streams.iter().map(|(stream, faults)| match faults.as_slice() {
        [] => Finding::good(format!("stream {stream}"), "keeps what it takes"),
        faults => {
            let all = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Finding::fault(
                format!("stream {stream}"),
                format!("it would lose messages: {all}"),
                format!("nats stream edit {stream}, or remove it if nothing in it is wanted, or use another --prefix"),
            )
        }
    }));
    findings
}
