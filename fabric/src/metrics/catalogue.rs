//! Every metric, once. `docs/metrics.md` is made of this, and dashboards and alerts are held against it.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that grows; how fast it does is what is looked at.
    Counter,
    /// A number that is what it is now.
    Gauge,
    /// How many took how long.
    Histogram,
}

/// What a metric is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process that tells it: those of all processes are added up.
    Process,
    /// The whole cluster, and the same wherever it is told: the largest counts, or the mean.
    Cluster,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, as it is shown.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is about.
    pub scope: Scope,
    /// What its series are told apart by.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $scope:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name, kind: Kind::$kind, scope: Scope::$scope, labels: &[$($label),*], help: $help,
            };
        )*
        /// All of them, in the order in which they are told.
        pub const ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    ACCEPTED = Counter Process "fabric_accepted_total" ["queue" "function"]
        "Calls that were stored and answered with 202.";
    REFUSED = Counter Process "fabric_refused_total" ["reason"]
        "Requests for asynchronous calls that were refused, by the word in the answer.";
    ENQUEUE = Histogram Process "fabric_enqueue_seconds" []
        "From a request for an asynchronous call, its body not yet read, to its 202.";
    FORWARD = Histogram Process "fabric_forward_seconds" ["queue" "function" "status"]
        "From a synchronous request to the head of the function's answer, by class of status.";
    FORWARDING = Gauge Process "fabric_forwards_in_flight" ["queue" "function"]
        "Synchronous requests whose function has not begun to answer.";

    BACKLOG = Gauge Cluster "fabric_backlog" ["queue" "function"]
        "Calls that wait and that no worker has taken, as the broker said in the last 7 s; absent while it does not tell. Of function other and of callbacks: with those that run.";
    OLDEST_AGE = Gauge Cluster "fabric_oldest_age_seconds" ["queue" "function"]
        "How long ago the first of the calls that wait was accepted, or its delay was over; 0 if none waits.";
    LATER = Gauge Cluster "fabric_later_depth" []
        "Calls that wait for their time: retries and delayed ones.";
    DEAD_LETTERS = Gauge Cluster "fabric_dead_letters" []
        "Dead letters that are kept.";

    WAIT = Histogram Process "fabric_wait_seconds" ["queue" "function"]
        "From when a call might have run (it was accepted, or its delay was over) to its first attempt.";
    INVOKE = Histogram Process "fabric_invoke_seconds" ["queue" "function" "status"]
        "How long attempts took, by class of status. Where there was no answer, 5xx: 502 and 504 stand for it.";
    ATTEMPTS = Counter Process "fabric_attempts_total" ["queue" "function" "outcome"]
        "Attempts, by what they came to: succeeded, failed (for good) or retry.";
    BUSY = Counter Process "fabric_busy_total" ["queue" "function"]
        "Throttles: how often the function had no room, or nobody was there. No attempts, and not counted as such.";
    RETRIES = Counter Process "fabric_retries_total" ["queue" "function"]
        "Calls that were put off to be tried again, after an attempt or a throttle.";
    ENDED = Counter Process "fabric_ended_total" ["queue" "function" "state"]
        "Calls that a worker brought to their end, by how.";
    DEAD = Counter Process "fabric_dead_total" ["queue" "function" "reason"]
        "Dead letters that a worker wrote, by why.";
    REDELIVERIES = Counter Process "fabric_redeliveries_total" ["queue" "function"]
        "Messages that were taken and had been handed out before, to whomever.";
    LEASES_LOST = Counter Process "fabric_leases_lost_total" ["queue" "function"]
        "Leases that could not be extended in time: the call was aborted, and runs again elsewhere.";
    IN_FLIGHT = Gauge Process "fabric_in_flight" ["queue" "function"]
        "Calls that this worker has taken: they run, or what follows from them is being stored.";
    HELD = Counter Process "fabric_held_seconds_total" ["queue" "function" "reason"]
        "For how long calls waited in this worker's view while the first of them was held back, by what it waited for.";

    CONCURRENCY = Gauge Cluster "fabric_limit_concurrency" ["queue" "function"]
        "How many calls may run at once in all workers; absent if that is not limited, or while none waits or runs here.";
    ADAPTIVE = Gauge Process "fabric_limit_adaptive" ["queue" "function"]
        "How many calls at once the function was found to bear from this worker; absent if it had enough so far, or while none waits or runs here.";
    RATE = Gauge Process "fabric_limit_rate_per_second" ["queue" "function"]
        "How many calls this worker may start in a second: its part of the function's rate. All parts make the whole; absent while none waits or runs here.";
    PAUSED = Gauge Cluster "fabric_paused" ["queue" "function"]
        "1 if an operator paused the function or its queue; absent while none of its calls waits or runs here.";
    PERMITS = Gauge Process "fabric_permits" []
        "How many calls this worker runs at once at the most.";
    PERMITS_FREE = Gauge Process "fabric_permits_free" []
        "How many more it could run now.";
    PERMITS_WAITING = Gauge Process "fabric_permits_waiting" ["queue"]
        "Functions that wait for permits of this worker.";

    CALLBACKS = Counter Process "fabric_callbacks_total" ["outcome"]
        "Callbacks: delivered, put_off to be tried again, or dead.";

    RESTARTS = Counter Process "fabric_actor_restarts_total" ["part"]
        "Parts of the supervision tree that were begun anew after they had failed: a child of the root, or a subscriber.";
    DRAINING = Gauge Process "fabric_draining" []
        "1 once the process was asked to end.";
    DRAIN_REMAINING = Gauge Process "fabric_drain_remaining" []
        "Calls that have not ended in a process that drains; 0 before.";
    READY = Gauge Process "fabric_ready" []
        "1 if the process wants to be sent requests.";
    CONNECTED = Gauge Process "fabric_broker_connected" []
        "1 if there is a connection to the broker.";
    RECONNECTS = Counter Process "fabric_broker_reconnects_total" []
        "How often the connection to the broker was made again.";
    FUNCTIONS = Gauge Cluster "fabric_functions" []
        "Functions that are registered.";
    PROCESSES = Gauge Cluster "fabric_processes" ["role"]
        "Processes that are alive, by what they do; one that does both counts in both.";
    OVERFLOWS = Counter Process "fabric_metrics_overflows_total" []
        "How often a function got no series of its own, because as many have some as may: it counts as function other.";
    SPANS = Counter Process "fabric_spans_total" ["outcome"]
        "Spans of traces: sent, dropped because more were told than could be sent, or lost because the collector did not take them.";
    BUILD = Gauge Process "fabric_build_info" ["version"]
        "1, and which version this is.";

    PENDING = Gauge Cluster "queue_worker_pending_messages" ["queue_name" "function_name"]
        "OpenFaaS's name for fabric_backlog.";
    PROCESSED = Counter Process "queue_worker_messages_processed_total" ["queue_name"]
        "OpenFaaS's name for the calls that ended in a worker.";
    SUBMITTED = Counter Process "queue_worker_messages_submitted_total" ["queue_name"]
        "OpenFaaS's name for fabric_accepted_total; told by gateways.";
    WORKER_IN_FLIGHT = Gauge Process "queue_worker_function_invocation_inflight" ["queue_name" "function_name"]
        "OpenFaaS's name for fabric_in_flight.";
    WORKER_RECONNECTS = Counter Process "queue_worker_nats_reconnect_total" []
        "OpenFaaS's name for fabric_broker_reconnects_total.";
    FUNCTION_INVOCATIONS = Counter Process "gateway_function_invocation_total" ["function_name" "code"]
        "Requests to functions that ended: synchronous ones in gateways, attempts of asynchronous ones in workers. Eight codes of a class are told apart; the others count as 499 and the like.";
    FUNCTION_SECONDS = Histogram Process "gateway_functions_seconds" ["function_name" "code"]
        "How long they took.";
    FUNCTION_STARTED = Gauge Process "gateway_function_invocation_started" ["function_name"]
        "Requests to functions that began. Only grows; no counter, because the names of those end in _total.";
    FUNCTION_IN_FLIGHT = Gauge Process "gateway_function_invocation_inflight" ["function_name"]
        "Requests to functions that have begun and not ended.";
    SERVICE_COUNT = Gauge Cluster "gateway_service_count" ["function_name"]
        "Replicas: 1, as /system/functions says. Fabric does not scale functions.";
    TARGET_LOAD = Gauge Cluster "gateway_service_target_load" ["function_name" "scaling_type"]
        "What the labels com.openfaas.scale.type and .target of a function say.";
    GATEWAY_RECONNECTS = Counter Process "gateway_nats_reconnect_total" []
        "OpenFaaS's name for fabric_broker_reconnects_total.";

    CPU = Counter Process "process_cpu_seconds_total" []
        "CPU time, of user and system.";
    RESIDENT = Gauge Process "process_resident_memory_bytes" []
        "Resident memory.";
    VIRTUAL = Gauge Process "process_virtual_memory_bytes" []
        "Virtual memory.";
    OPEN_FDS = Gauge Process "process_open_fds" []
        "File descriptors that are open.";
    MAX_FDS = Gauge Process "process_max_fds" []
        "How many may be.";
    THREADS = Gauge Process "process_threads" []
        "Threads.";
    STARTED = Gauge Process "process_start_time_seconds" []
        "When the process started, in seconds since the epoch.";
}

/// All of them as tables, as `docs/metrics.md` has them.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| metric | is a | about | labels | says |\n|---|---|---|---|---|\n");
    for Metric { name, kind, scope, labels, help } in ALL {
        let kind = format!("{kind:?}").to_lowercase();
        let scope = format!("{scope:?}").to_lowercase();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        text += &format!("| `{name}` | {kind} | {scope} | {} | {help} |\n", labels.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_say_what_they_are() {
        let names: BTreeSet<&str> = ALL.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), ALL.len(), "two of one name");
        for Metric { name, kind, help, .. } in ALL {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.') && !help.contains('|'), "{name}");
        }
    }

    /// To be written anew with `FABRIC_WRITE_DOCS=1`.
    #[test]
    fn the_document_has_them_all() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, _) = text.split_once("| metric |").unwrap();
        let expected = format!("{before}{}", table());
        if std::env::var_os("FABRIC_WRITE_DOCS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        assert_eq!(text, expected, "FABRIC_WRITE_DOCS=1 cargo test -p fabric catalogue writes it anew");
    }
}
