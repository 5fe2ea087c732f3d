//! Names in the broker: streams, buckets and subjects, built here and parsed back here.
//!
//! ```text
//! fabric.ready.<queue>.<shard>.<namespace>.<function>           FABRIC_READY_<queue>_<shard>
//! fabric.later.<queue>.<namespace>.<function>.<call>        ┐   FABRIC_LATER
//! fabric.due.<queue>.<shard>.<namespace>.<function>         ┘
//! fabric.dead.<queue>.<namespace>.<function>.<call>             FABRIC_DEAD
//! fabric.call.<call>                                            FABRIC_CALLS
//! fabric.page.<window>                                          FABRIC_PAGES
//! fabric.wake.<queue>                                           (core NATS, no stream)
//! ```

use std::fmt;

use crate::dead::Filter;
use crate::page::Window;
use crate::{CallId, Function, LaneKey, Namespace, Queue};

/// Why a prefix was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix {0:?} must be 1 to 32 of a-z, 0-9 and '-'")]
pub struct BadPrefix(String);

/// All names of one fabric: several fabrics share a NATS account by having different prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    prefix: String,
    stream_prefix: String,
}

impl Default for Subjects {
    fn default() -> Self {
        Self { prefix: "fabric".into(), stream_prefix: "FABRIC".into() }
    }
}

impl Subjects {
    /// Whether a subject is one of these names, or one of the server's own.
    #[must_use]
    pub fn owns(&self, subject: &str) -> bool {
        let first = subject.split('.').next().unwrap_or_default();
        first == self.prefix || first.starts_with('$')
    }

    /// The names that begin with `prefix`.
    ///
    /// # Errors
    /// [`BadPrefix`] if it would not fit a subject token and a stream name.
    pub fn new(prefix: &str) -> Result<Self, BadPrefix> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&prefix.len()) && prefix.bytes().all(allowed) {
            Ok(Self { prefix: prefix.into(), stream_prefix: prefix.to_ascii_uppercase() })
        } else {
            Err(BadPrefix(prefix.chars().take(80).collect()))
        }
    }

    /// The stream of ready calls of one shard of a queue.
    #[must_use]
    pub fn ready_stream(&self, queue: &Queue, shard: u16) -> String {
        format!("{}_READY_{queue}_{shard}", self.stream_prefix)
    }

    /// Every subject of [`ready_stream`](Self::ready_stream).
    #[must_use]
    pub fn ready_filter(&self, queue: &Queue, shard: u16) -> String {
        format!("{}.ready.{queue}.{shard}.>", self.prefix)
    }

    /// Where a lane's ready calls wait.
    #[must_use]
    pub fn ready(&self, lane: &LaneKey, shard: u16) -> String {
        self.in_shard("ready", lane, shard)
    }

    /// The lane and shard of a [`ready`](Self::ready) subject.
    #[must_use]
    pub fn parse_ready(&self, subject: &str) -> Option<(LaneKey, u16)> {
        self.parse_in_shard("ready", subject)
    }

    /// The stream of delayed calls and waiting retries.
    #[must_use]
    pub fn later_stream(&self) -> String {
        format!("{}_LATER", self.stream_prefix)
    }

    /// Every subject a schedule may have.
    #[must_use]
    pub fn later_filter(&self) -> String {
        format!("{}.later.>", self.prefix)
    }

    /// The schedule of one call: one at a time, a new one replaces it, a purge cancels it.
    #[must_use]
    pub fn later(&self, lane: &LaneKey, call: &CallId) -> String {
        self.of_call("later", lane, call)
    }

    /// The lane and call of a [`later`](Self::later) subject.
    #[must_use]
    pub fn parse_later(&self, subject: &str) -> Option<(LaneKey, CallId)> {
        self.parse_of_call("later", subject)
    }

    /// Every schedule of a queue, or of one function in it.
    #[must_use]
    pub fn later_matching(&self, queue: &Queue, function: Option<&Function>) -> String {
        match function {
            Some(function) => format!("{}.later.{queue}.{}.{}.*", self.prefix, function.namespace(), function.name()),
            None => format!("{}.later.{queue}.>", self.prefix),
        }
    }

    /// Where those deliver to when due.
    #[must_use]
    pub fn due_matching(&self, queue: &Queue, function: Option<&Function>) -> String {
        match function {
            Some(function) => format!("{}.due.{queue}.*.{}.{}", self.prefix, function.namespace(), function.name()),
            None => format!("{}.due.{queue}.>", self.prefix),
        }
    }

    /// Every schedule of a namespace's functions.
    #[must_use]
    pub fn later_in(&self, namespace: &Namespace) -> String {
        format!("{}.later.*.{namespace}.>", self.prefix)
    }

    /// Where those deliver to when due.
    #[must_use]
    pub fn due_in(&self, namespace: &Namespace) -> String {
        format!("{}.due.*.*.{namespace}.*", self.prefix)
    }

    /// Every subject that a schedule delivers to.
    #[must_use]
    pub fn due_filter(&self) -> String {
        format!("{}.due.>", self.prefix)
    }

    /// Where a lane's schedules deliver to when due.
    #[must_use]
    pub fn due(&self, lane: &LaneKey, shard: u16) -> String {
        self.in_shard("due", lane, shard)
    }

    /// The lane and shard of a [`due`](Self::due) subject.
    #[must_use]
    pub fn parse_due(&self, subject: &str) -> Option<(LaneKey, u16)> {
        self.parse_in_shard("due", subject)
    }

    /// The stream of dead letters.
    #[must_use]
    pub fn dead_stream(&self) -> String {
        format!("{}_DEAD", self.stream_prefix)
    }

    /// Every subject of [`dead_stream`](Self::dead_stream).
    #[must_use]
    pub fn dead_filter(&self) -> String {
        format!("{}.dead.>", self.prefix)
    }

    /// Where one dead letter lies.
    #[must_use]
    pub fn dead(&self, lane: &LaneKey, call: &CallId) -> String {
        self.of_call("dead", lane, call)
    }

    /// The lane and call of a [`dead`](Self::dead) subject.
    #[must_use]
    pub fn parse_dead(&self, subject: &str) -> Option<(LaneKey, CallId)> {
        self.parse_of_call("dead", subject)
    }

    /// The subjects of the dead letters that a filter admits: as narrow as subjects can say.
    #[must_use]
    pub fn dead_matching(&self, filter: &Filter) -> String {
        let any = || "*".to_owned();
        let function = filter.function.as_ref();
        let namespace = function.map(Function::namespace).or(filter.namespace.as_ref());
        format!(
            "{}.dead.{}.{}.{}.{}",
            self.prefix,
            filter.queue.as_ref().map_or_else(any, ToString::to_string),
            namespace.map_or_else(any, ToString::to_string),
            function.map_or_else(any, |function| function.name().to_owned()),
            filter.call.as_ref().map_or_else(any, ToString::to_string),
        )
    }

    /// The stream of call records.
    #[must_use]
    pub fn calls_stream(&self) -> String {
        format!("{}_CALLS", self.stream_prefix)
    }

    /// Where the record of a call lies.
    #[must_use]
    pub fn call(&self, call: &CallId) -> String {
        format!("{}.call.{call}", self.prefix)
    }

    /// Every record.
    #[must_use]
    pub fn calls_filter(&self) -> String {
        format!("{}.call.*", self.prefix)
    }

    /// The stream of pages: records of many calls each.
    #[must_use]
    pub fn pages_stream(&self) -> String {
        format!("{}_PAGES", self.stream_prefix)
    }

    /// Where the pages of a window lie.
    #[must_use]
    pub fn page(&self, window: Window) -> String {
        format!("{}.page.{window}", self.prefix)
    }

    /// Every page.
    #[must_use]
    pub fn pages_filter(&self) -> String {
        format!("{}.page.*", self.prefix)
    }

    /// The key-value bucket of calls that are to be cancelled.
    #[must_use]
    pub fn cancels_bucket(&self) -> String {
        format!("{}_CANCELS", self.stream_prefix)
    }

    /// Hints that a queue's lane got work; the payload is the function.
    #[must_use]
    pub fn wake(&self, queue: &Queue) -> String {
        format!("{}.wake.{queue}", self.prefix)
    }

    /// Asks every process how it is.
    #[must_use]
    pub fn survey(&self) -> String {
        format!("{}.survey", self.prefix)
    }

    /// The key-value bucket of function specifications.
    #[must_use]
    pub fn functions_bucket(&self) -> String {
        format!("{}_FUNCTIONS", self.stream_prefix)
    }

    /// Where changes are told.
    #[must_use]
    pub fn audit(&self) -> String {
        format!("{}.audit", self.prefix)
    }

    /// The key-value bucket of API keys.
    #[must_use]
    pub fn keys_bucket(&self) -> String {
        format!("{}_KEYS", self.stream_prefix)
    }

    /// The key-value bucket of the processes that are alive.
    #[must_use]
    pub fn workers_bucket(&self) -> String {
        format!("{}_WORKERS", self.stream_prefix)
    }

    /// The key-value bucket of queues.
    #[must_use]
    pub fn queues_bucket(&self) -> String {
        format!("{}_QUEUES", self.stream_prefix)
    }

    /// The stream of payloads that are too large for a message, in pieces.
    #[must_use]
    pub fn payloads_stream(&self) -> String {
        format!("{}_PAYLOADS", self.stream_prefix)
    }

    /// One piece of such a payload.
    #[must_use]
    pub fn payload(&self, name: &str, piece: usize) -> String {
        format!("{}.payload.{name}.{piece}", self.prefix)
    }

    /// All pieces of one.
    #[must_use]
    pub fn payload_filter(&self, name: &str) -> String {
        format!("{}.payload.{name}.*", self.prefix)
    }

    /// The pieces of all.
    #[must_use]
    pub fn payloads_filter(&self) -> String {
        format!("{}.payload.>", self.prefix)
    }

    /// The durable consumer of a lane. A function's two labels are joined by `_`, which no label contains.
    #[must_use]
    pub fn lane_consumer(&self, lane: &LaneKey) -> String {
        format!("{}_{}", lane.function.name(), lane.function.namespace())
    }

    /// The durable consumer on a stream of somebody else's, by what stands for its subject.
    #[must_use]
    pub fn intake_consumer(&self, subject: &Function) -> String {
        format!("{}-intake-{}", self.prefix, subject.name())
    }

    fn in_shard(&self, kind: &str, LaneKey { queue, function }: &LaneKey, shard: u16) -> String {
        format!("{}.{kind}.{queue}.{shard}.{}.{}", self.prefix, function.namespace(), function.name())
    }

    fn parse_in_shard(&self, kind: &str, subject: &str) -> Option<(LaneKey, u16)> {
        let [queue, shard, namespace, function] = self.tokens(kind, subject)?;
        Some((lane(queue, namespace, function)?, shard.parse().ok()?))
    }

    fn of_call(&self, kind: &str, LaneKey { queue, function }: &LaneKey, call: &CallId) -> String {
        format!("{}.{kind}.{queue}.{}.{}.{call}", self.prefix, function.namespace(), function.name())
    }

    fn parse_of_call(&self, kind: &str, subject: &str) -> Option<(LaneKey, CallId)> {
        let [queue, namespace, function, call] = self.tokens(kind, subject)?;
        Some((lane(queue, namespace, function)?, CallId::parse(call).ok()?))
    }

    fn tokens<'a>(&self, kind: &str, subject: &'a str) -> Option<[&'a str; 4]> {
        let rest = subject.strip_prefix(&self.prefix)?.strip_prefix('.')?.strip_prefix(kind)?.strip_prefix('.')?;
        rest.split('.').collect::<Vec<_>>().try_into().ok()
    }
}

impl fmt::Display for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

fn lane(queue: &str, namespace: &str, function: &str) -> Option<LaneKey> {
    let function = Function::new(function, Namespace::parse(namespace).ok()?).ok()?;
    Some(LaneKey::new(Queue::parse(queue).ok()?, function))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_lane()(queue in "[a-z0-9]{1,63}", function in "[a-z0-9](-?[a-z0-9]){0,30}", namespace in "[a-z0-9]{1,63}") -> LaneKey {
            lane(&queue, &namespace, &function).unwrap()
        }
    }

    #[test]
    fn the_names_that_operators_see() {
        let names = Subjects::default();
        let lane = lane("default", "acme", "resize").unwrap();
        assert_eq!(names.ready(&lane, 3), "fabric.ready.default.3.acme.resize");
        assert_eq!(names.ready_stream(&lane.queue, 3), "FABRIC_READY_default_3");
        assert_eq!(names.later(&lane, &CallId::parse("c1").unwrap()), "fabric.later.default.acme.resize.c1");
        assert_eq!(names.lane_consumer(&lane), "resize_acme");
    }

    #[test]
    fn a_filter_of_dead_letters_is_as_narrow_as_a_subject_can_be() {
        let names = Subjects::default();
        assert_eq!(names.dead_matching(&Filter::default()), "fabric.dead.*.*.*.*");
        let function = Function::parse("resize.acme").unwrap();
        let filter = Filter { function: Some(function), call: CallId::parse("c").ok(), ..Filter::default() };
        assert_eq!(names.dead_matching(&filter), "fabric.dead.*.acme.resize.c");
        let filter =
            Filter { queue: Some(Queue::default()), namespace: Namespace::parse("acme").ok(), ..Filter::default() };
        assert_eq!(names.dead_matching(&filter), "fabric.dead.default.acme.*.*");
    }

    #[test]
    fn a_prefix_is_one_token() {
        assert!(Subjects::new("team-1").is_ok());
        for bad in ["", "a.b", "A", "a b", "a>", "a_b"] {
            assert!(Subjects::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_ours_does_not_parse() {
        let names = Subjects::default();
        for foreign in [
            "",
            "fabric",
            "fabric.ready",
            "fabric.ready.q.0.ns",
            "fabric.ready.q.x.ns.f",
            "fabric.ready.q.0.ns.f.g",
            "other.ready.q.0.ns.f",
        ] {
            assert_eq!(names.parse_ready(foreign), None, "{foreign:?}");
        }
    }

    proptest! {
        #[test]
        fn every_subject_parses_back(lane in any_lane(), shard in any::<u16>(), call in "[A-Za-z0-9_-]{1,64}", prefix in "[a-z0-9-]{1,32}") {
            let names = Subjects::new(&prefix).unwrap();
            let call = CallId::parse(&call).unwrap();
            prop_assert_eq!(names.parse_ready(&names.ready(&lane, shard)), Some((lane.clone(), shard)));
            prop_assert_eq!(names.parse_due(&names.due(&lane, shard)), Some((lane.clone(), shard)));
            prop_assert_eq!(names.parse_later(&names.later(&lane, &call)), Some((lane.clone(), call.clone())));
            prop_assert_eq!(names.parse_dead(&names.dead(&lane, &call)), Some((lane, call)));
        }

        #[test]
        fn no_name_escapes_its_token(lane in any_lane(), call in "[A-Za-z0-9_-]{1,64}") {
            let names = Subjects::default();
            prop_assert_eq!(names.ready(&lane, 0).split('.').count(), 6);
            prop_assert_eq!(names.later(&lane, &CallId::parse(&call).unwrap()).split('.').count(), 6);
            prop_assert!(!names.ready(&lane, 0).contains(['*', '>', ' ']));
        }

        #[test]
        fn two_lanes_never_share_a_consumer(a in any_lane(), b in any_lane()) {
            let names = Subjects::default();
            prop_assert_eq!(a.function == b.function, names.lane_consumer(&a) == names.lane_consumer(&b));
        }
    }
}
