//! What the golden messages say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actors::membership::{Member, Serves};
use actors::port::cancels::Mark;
use actors::port::control::Record as Setting;
use actors::port::survey::Question;
use actors::view;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use proto::call::Guest;
use proto::dead::Reason;
use proto::history::What;
use proto::record::{Kept, State};
use proto::{
    Call, CallId, Counts, Dead, Function, History, KeyId, LaneKey, Namespace, Queue, Record, Request, Target,
    Timestamp, callback,
};
use serde_json::json;

/// How many shards the queues have.
pub(super) const SHARDS: u16 = 4;
/// How long records are kept.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(3600);
/// What is longer than this is kept aside by the server of these tests.
pub(super) const ASIDE_FROM: usize = 1024;

/// A moment in 2024, in Unix milliseconds; the ids of the calls were made in it.
const MOMENT: i64 = 0x0190_c1a2_7b3c;

/// Everything that is said.
pub(super) struct Saying {
    /// A call that has been through everything, under an id that its caller may have sent before.
    pub(super) call: Call,
    /// The simplest call there is, under an id that was made for it; in a queue whose lanes are in several streams.
    pub(super) fresh: Call,
    /// A call that is too long for a message.
    pub(super) long: Call,
    /// The result of one, on its way to its caller.
    pub(super) callback: Call,
    /// A call that waits for its retry, and until when.
    pub(super) retry: (Call, Timestamp),
    /// A call that nobody tries again.
    pub(super) dead: Dead,
    /// Bytes that are no call.
    pub(super) unreadable: Dead,
    /// How a call goes on: told by itself.
    pub(super) note: Record,
    /// How it ended: told by itself.
    pub(super) end: Record,
    /// That one was accepted, and how one ended: told on pages.
    pub(super) pages: [Record; 2],
    /// That a call is to be cancelled.
    pub(super) mark: Mark,
    /// A function, a namespace, a queue and an API key.
    pub(super) settings: [Setting; 4],
    /// That a process is alive.
    pub(super) member: (&'static str, Member),
    /// What processes are asked.
    pub(super) question: Question,
    /// How a process is.
    pub(super) process: view::Process,
}

impl Saying {
    /// What the messages of a version say. Something that was added later has its default in those of earlier ones.
    pub(super) fn of(version: u32) -> Self {
        match version {
            1 => Self::newest(),
            other => panic!("say what the messages of version {other} say"),
        }
    }

    /// Where the result waits.
    pub(super) fn callback_lane(&self) -> LaneKey {
        let Target::Url(url) = &self.callback.target else { panic!("{:?}", self.callback) };
        callback::lane(&self.callback.function, &url.parse().unwrap())
    }

    /// The same of the newest version.
    pub(super) fn newest() -> Self {
        let call = call();
        let mut end = Record { detail: Some("status 200 OK".into()), ..record("e", State::Succeeded) };
        end.counts = Counts { attempts: 2, throttles: 1, crashes: 1, deliveries: 4 };
        (end.status, end.millis, end.redriven) = (Some(200), Some(3), 1);
        end.result = Some(Kept { content_type: Some("text/plain".into()), body: "done".into(), omitted: None });
        end.history = history();
        let mut note = Record { due: Some(after(60)), expires_at: Some(after(90)), ..record("d", State::Waiting) };
        (note.returned, note.callback, note.place) = (1, Some("https://example.com/done".into()), None);
        let mut ended_at_once = record("c", State::Failed);
        ended_at_once.result = Some(Kept { content_type: None, body: Bytes::new(), omitted: Some(70_000) });
        Self {
            fresh: Call::new(id("1"), function("resize.acme"), at(), Request::default()),
            long: Call {
                request: Request { body: vec![b'x'; ASIDE_FROM].into(), ..Request::default() },
                ..Call::new(id("2"), function("resize.acme"), at(), Request::default())
            },
            callback: Call {
                target: Target::Url("https://example.com/done?x=1".into()),
                callback: None,
                ..call.clone()
            },
            retry: (
                Call {
                    due: Some(far()),
                    counts: Counts { attempts: 1, ..Counts::default() },
                    guest: None,
                    ..call.clone()
                },
                far(),
            ),
            dead: Dead {
                lane: lane("default", "resize.acme"),
                reason: Reason::Exhausted,
                detail: "status 503 Service Unavailable".into(),
                at: after(100),
                payload: proto::codec::encode(&call),
            },
            unreadable: Dead {
                lane: lane("default", "resize.acme"),
                reason: Reason::Undecodable,
                detail: "not a call envelope".into(),
                at: after(101),
                payload: Bytes::from_static(b"\x00\xffno call"),
            },
            note,
            end,
            pages: [record("b", State::Ready), ended_at_once],
            mark: Mark { call: id("3"), accepted_at: at(), redriven: 2, lane: lane("default", "resize.acme") },
            settings: settings(),
            member: (
                "0190c1a27b3c7def8abc0123456789ab",
                Member {
                    gateway: true,
                    serves: Serves::Queues(BTreeSet::from([Queue::default(), queue("slow")])),
                    ..Member::default()
                },
            ),
            question: Question { lane: Some(lane("default", "resize.acme")) },
            process: process(),
            call,
        }
    }
}

fn call() -> Call {
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("image/png"));
    headers.append("x-many", HeaderValue::from_static("one"));
    headers.append("x-many", HeaderValue::from_bytes(b"tw\xf6").unwrap());
    let request = Request {
        method: Method::PUT,
        path: "/a%2Fb/c".into(),
        query: Some("q=1&r".into()),
        headers,
        body: Bytes::from_static(b"\x00\xffbody"),
    };
    Call {
        age_from: after(1),
        due: Some(after(2)),
        expires_at: Some(after(3)),
        counts: Counts { attempts: 2, throttles: 3, crashes: 1, deliveries: 7 },
        redriven: 1,
        history: history(),
        callback: Some("https://example.com/done?x=1".into()),
        guest: Some(Box::new(Guest::from([("com.openfaas.retry.attempts".into(), "3".into())]))),
        ..Call::new(CallId::parse("order-17").unwrap(), function("resize.acme"), at(), request)
    }
}

fn history() -> History {
    let mut history = History::default();
    history.push(after(1), Duration::from_millis(12), What::Retried, Some(503), "status 503 Service Unavailable");
    history.push(after(2), Duration::ZERO, What::Busy, None, "connection refused");
    history.push(after(3), Duration::from_secs(9), What::Crashed, None, "whoever ran it is gone");
    history
}

/// The record of the call whose id ends so.
fn record(end: &str, state: State) -> Record {
    let call = Call::new(id(end), function("resize.acme"), at(), Request::default());
    Record::of(&call, &lane("default", "resize.acme"), state, after(4))
}

fn settings() -> [Setting; 4] {
    let deployment = json!({
        "service": "resize", "namespace": "acme", "image": "example.com/resize:1", "envProcess": "resize",
        "envVars": {"a": "b"}, "labels": {"team": "a"}, "constraints": ["c"], "secrets": ["s"],
        "annotations": {"fabric.upstream": "http://127.0.0.1:9000", "fabric.concurrency": "5"},
        "limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}, "readOnlyRootFilesystem": true, "deleting": "dead-letter",
    });
    let tenancy = json!({
        "name": "acme", "labels": {"team": "a"}, "annotations": {"fabric.weight": "3"},
        "signing": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    });
    let queue_settings = json!({"name": "slow", "annotations": {"fabric.paused": "true"}});
    let key = json!({
        "name": "ci", "hash": "ab".repeat(32), "scopes": ["invoke", "read"], "namespaces": ["acme"],
        "created_at": at(), "expires_at": after(3600), "revoked_at": after(7200),
    });
    [
        Setting::Function(function("resize.acme"), serde_json::from_value(deployment).unwrap()),
        Setting::Namespace(Namespace::parse("acme").unwrap(), serde_json::from_value(tenancy).unwrap()),
        Setting::Queue(queue("slow"), serde_json::from_value(queue_settings).unwrap()),
        Setting::ApiKey(KeyId::parse("1c9f0e6b8a7d4f21").unwrap(), serde_json::from_value(key).unwrap()),
    ]
}

fn process() -> view::Process {
    let waiting = view::Waiting { reason: actors::waiting::Reason::ClusterLimit, seconds: Some(1.5) };
    let child = |name: &str| view::Child {
        name: name.into(),
        state: "restarting".into(),
        cause: Some("it failed".into()),
        failures: 2,
    };
    let subscriber = view::Subscriber {
        function: "resize.acme".into(),
        phase: view::Phase::Running,
        in_flight: 3,
        inflow: view::Inflow {
            permits: 4,
            backlog: 5,
            turned_away: 0,
            concurrency: Some(6),
            adaptive: Some(7),
            typical_seconds: Some(0.5),
            per_second: actors::limit::throughput::PerSecond { answered: 8.5, failed: 0.5, turned_away: 0.25 },
            waiting: Some(waiting),
        },
    };
    let queue = view::Queue {
        name: "default".into(),
        permits: 4,
        permits_waiting: 1,
        permits_max: None,
        children: vec![child("resize.acme")],
        subscribers: vec![subscriber],
        rest: view::Rest { subscribers: 9, in_flight: 10, ..view::Rest::default() },
    };
    let fabric = view::Fabric {
        phase: "running".into(),
        children: vec![child("directory")],
        members: BTreeMap::from([("w".into(), Member { serves: Serves::Everything, ..Member::default() })]),
        permits: 256,
        permits_free: 252,
        queues: vec![queue],
    };
    view::Process { id: "w".into(), accepted_per_second: 2.5, fabric }
}

fn at() -> Timestamp {
    Timestamp::from_unix_nanos(MOMENT * 1_000_000 + 456_789)
}

fn after(seconds: u64) -> Timestamp {
    at().after(Duration::from_secs(seconds))
}

/// When nobody waits any more.
fn far() -> Timestamp {
    Timestamp::parse_rfc3339("2200-01-01T00:00:00Z").unwrap()
}

/// An id that was made at that moment.
fn id(end: &str) -> CallId {
    CallId::parse(&format!("0190c1a2-7b3c-7def-8abc-0123456789a{end}")).unwrap()
}

fn function(name: &str) -> Function {
    Function::parse(name).unwrap()
}

fn queue(name: &str) -> Queue {
    Queue::parse(name).unwrap()
}

pub(super) fn lane(queue: &str, function: &str) -> LaneKey {
    LaneKey::new(self::queue(queue), self::function(function))
}
