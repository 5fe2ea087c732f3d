//! Why a call does not start, and when it may (pure): what is on record of it, where it lies, and how those see it who
//! serve its queue, put together.

use std::fmt;
use std::time::Duration;

use proto::record::State;
use proto::{FunctionSpec, LaneKey, Record, Timestamp};
use serde::Serialize;

use crate::view;
use crate::waiting::Reason;

/// What is known.
pub struct Facts<'a> {
    /// The lane.
    pub lane: &'a LaneKey,
    /// What is registered under its name.
    pub spec: Option<&'a FunctionSpec>,
    /// What is on record of the call, if one is asked about.
    pub record: Option<&'a Record>,
    /// How many messages lie before it.
    pub ahead: Option<u64>,
    /// How many that are alive serve the queue.
    pub serving: usize,
    /// How those see it who have answered.
    pub seen: &'a [view::Process],
    /// The time of day.
    pub now: Timestamp,
}

/// What a call, or the first call of a function, waits for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// All of it, as a sentence for people.
    pub summary: String,
    /// Why nothing has started.
    pub cause: Cause,
    /// Since when the call has been where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Calls of the function that lie before this one, those that run included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// In how many seconds it may start, as far as that is known or can be reckoned from how long calls take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_in_seconds: Option<f64>,
    /// Calls of the function that run, in all workers.
    pub in_flight: usize,
    /// Calls of it that wait, as far as a worker knows.
    pub backlog: u64,
    /// The workers that serve the queue.
    pub serving: usize,
    /// What each that has to do with the function says.
    pub workers: Vec<Worker>,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worker {
    /// Who it is.
    pub id: String,
    /// Calls of the function that run there.
    pub in_flight: usize,
    /// What the next one waits for there; nothing if it is just being taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<view::Waiting>,
}

/// Why nothing has started, or that something has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The call is at its end.
    Ended,
    /// The call runs.
    Running,
    /// Its time has not come: a retry, or one that was delayed.
    NotDue,
    /// No function of this name is registered.
    NotRegistered,
    /// Nobody who is alive serves its queue.
    NoWorker,
    /// Workers serve the queue, and none of them answered.
    NoAnswer,
    /// No worker has noticed yet that there is work; each looks every few seconds.
    NotNoticed,
    /// Nothing waits.
    NothingWaits,
    /// It is just being taken, or those before it are.
    Starting,
    /// Workers hold it back, all of them for a reason of their own; this is of the one that may go on first.
    Held(Reason),
}

/// Puts it together.
#[must_use]
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let workers: Vec<Worker> = facts.seen.iter().filter_map(|process| worker(process, facts.lane)).collect();
    let views = || facts.seen.iter().filter_map(|process| subscriber(process, facts.lane));
    let in_flight = workers.iter().map(|worker| worker.in_flight).sum();
    let backlog = views().map(|seen| seen.inflow.backlog).max().unwrap_or_default();
    let state = facts.record.map(|record| record.state_at(facts.now));
    let cause = match (state, facts.record) {
        (Some(state), _) if state.is_final() => Cause::Ended,
        (Some(State::Running), _) => Cause::Running,
        (Some(State::Waiting), _) => Cause::NotDue,
        _ => held(facts, &workers, backlog),
    };
    let due = facts.record.and_then(|record| record.due).map(|due| due.since(facts.now).as_secs_f64());
    let starts_in_seconds = match cause {
        Cause::NotDue => due,
        Cause::Held(_) | Cause::Starting => {
            let typical: Vec<f64> = views().filter_map(|seen| seen.inflow.typical_seconds).collect();
            let turn = facts.ahead.and_then(|ahead| turn(ahead, in_flight, &typical));
            let freed = workers.iter().map(|it| it.waiting.and_then(|it| it.seconds)).collect::<Option<Vec<_>>>();
            let freed = freed.and_then(|all| all.into_iter().reduce(f64::min));
            // Those before it that do not run yet use up the rate first.
            let before = facts.ahead.unwrap_or_default().saturating_sub(in_flight as u64);
            let pace = facts.spec.filter(|_| cause == Cause::Held(Reason::Rate)).and_then(|spec| spec.rate);
            let freed = freed.map(|freed| freed + pace.map_or(0.0, |it| before as f64 / it.rate.per_second()));
            [turn, freed].into_iter().flatten().reduce(f64::max)
        }
        _ => None,
    };
    let mut explanation = Explanation {
        summary: String::new(),
        cause,
        since: facts.record.map(|record| record.at.to_string()),
        ahead: facts.ahead.filter(|_| matches!(cause, Cause::Held(_) | Cause::Starting | Cause::NotNoticed)),
        starts_in_seconds,
        in_flight,
        backlog,
        serving: facts.serving,
        workers,
    };
    explanation.summary = summary(facts, &explanation);
    explanation
}

fn subscriber<'a>(process: &'a view::Process, lane: &LaneKey) -> Option<&'a view::Subscriber> {
    let (queue, function) = (lane.queue.to_string(), lane.function.to_string());
    let queue = process.fabric.queues.iter().find(|it| it.name == queue)?;
    queue.subscribers.iter().find(|it| it.function == function)
}

fn worker(process: &view::Process, lane: &LaneKey) -> Option<Worker> {
    let seen = subscriber(process, lane)?;
    Some(Worker { id: process.id.clone(), in_flight: seen.in_flight, waiting: seen.inflow.waiting })
}

/// Why a call that may start has not.
fn held(facts: &Facts<'_>, workers: &[Worker], backlog: u64) -> Cause {
    if facts.spec.is_none() {
        return Cause::NotRegistered;
    }
    if facts.serving == 0 {
        return Cause::NoWorker;
    }
    let queue = facts.lane.queue.to_string();
    let serves = |process: &view::Process| process.fabric.queues.iter().any(|it| it.name == queue);
    if !facts.seen.iter().any(serves) {
        return Cause::NoAnswer;
    }
    if workers.is_empty() || (facts.ahead.is_some() && backlog == 0 && workers.iter().all(|it| it.in_flight == 0)) {
        return if facts.record.is_some() { Cause::NotNoticed } else { Cause::NothingWaits };
    }
    if backlog == 0 && facts.record.is_none() {
        return Cause::NothingWaits;
    }
    let first = |it: &&view::Waiting| it.seconds.unwrap_or(f64::INFINITY);
    let waiting: Option<Vec<&view::Waiting>> = workers.iter().map(|it| it.waiting.as_ref()).collect();
    match waiting.and_then(|all| all.into_iter().min_by(|a, b| first(a).total_cmp(&first(b)))) {
        Some(waiting) => Cause::Held(waiting.reason),
        None => Cause::Starting,
    }
}

/// In how many seconds it is the turn of one with so many before it, if as many run at once as do now.
fn turn(ahead: u64, in_flight: usize, typical: &[f64]) -> Option<f64> {
    if typical.is_empty() || in_flight == 0 {
        return None;
    }
    let typical = typical.iter().sum::<f64>() / typical.len() as f64;
    // Those that run are among those before it.
    let before = ahead.saturating_sub(in_flight as u64) + 1;
    Some(before as f64 * typical / in_flight as f64)
}

fn summary(facts: &Facts<'_>, explanation: &Explanation) -> String {
    let (function, queue) = (&facts.lane.function, &facts.lane.queue);
    let mut text = match explanation.cause {
        Cause::Ended => "it is over".to_owned(),
        Cause::Running => "it runs".to_owned(),
        Cause::NotDue => "its time has not come".to_owned(),
        Cause::NotRegistered => format!("no function {function} is registered: deploy it, or cancel the call"),
        Cause::NoWorker => format!("no worker that is alive serves queue {queue}: start one"),
        Cause::NoAnswer => format!("{} workers serve queue {queue}, and none answered in time", facts.serving),
        Cause::NotNoticed => "no worker has noticed it yet; each looks every few seconds".to_owned(),
        Cause::NothingWaits => "nothing waits".to_owned(),
        Cause::Starting => "it is being taken as fast as calls end".to_owned(),
        Cause::Held(reason) => reason.to_string(),
    };
    if let Some(ahead) = explanation.ahead.filter(|ahead| *ahead > 0) {
        text += &format!("; {ahead} before it");
    }
    if let Some(seconds) = explanation.starts_in_seconds {
        let start = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        text += &format!("; may start in about {:.1} s", start.as_secs_f64());
    }
    text
}

impl fmt::Display for Reason {
    /// A clause for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterLimit => "as many of its calls run as the function's concurrency allows",
            Self::AdaptiveLimit => "as many of its calls run as the function was found to bear",
            Self::Rate => "calls of the function, or of its namespace, may start no faster",
            Self::Paused => "the function asked to be left alone for a while, or was paused",
            Self::RampingUp => "its calls were held back until a moment ago; more and more start at once",
            Self::CircuitOpen => "the function failed everything lately; one call at a time probes it",
            Self::EndpointsBusy => "every endpoint of the function has all the calls it takes, or is ejected",
            Self::NamespaceLimit => "its namespace runs as many calls in each worker as it may",
            Self::QueueShare => "its queue runs as many calls in each worker as it may",
            Self::WorkerCapacity => "the workers run as many calls as they may, and others have their turn",
            Self::DueLater => "nothing is ready; the next retry is due later",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use proto::{Call, CallId, Function, Queue, Request};

    use super::*;
    use crate::limit::throughput::PerSecond;

    const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);

    fn lane() -> LaneKey {
        LaneKey::new(Queue::default(), Function::parse("f").unwrap())
    }

    fn spec() -> FunctionSpec {
        FunctionSpec::at(&lane().function, "http://f").unwrap()
    }

    fn record(state: State) -> Record {
        let call = Call::new(CallId::parse("c").unwrap(), lane().function, NOW, Request::default());
        Record::of(&call, &lane(), state, NOW)
    }

    fn process(id: &str, in_flight: usize, backlog: u64, waiting: Option<(Reason, Option<f64>)>) -> view::Process {
        let waiting = waiting.map(|(reason, seconds)| view::Waiting { reason, seconds });
        let inflow = view::Inflow {
            permits: 0,
            backlog,
            turned_away: 0,
            concurrency: None,
            adaptive: None,
            typical_seconds: Some(2.0),
            per_second: PerSecond::default(),
            waiting,
        };
        let function = lane().function.to_string();
        let subscriber = view::Subscriber { function, phase: view::Phase::Running, in_flight, inflow };
        let name = lane().queue.to_string();
        let rest = view::Rest::default();
        let queue = view::Queue {
            name,
            permits: 0,
            permits_waiting: 0,
            permits_max: None,
            children: Vec::new(),
            subscribers: vec![subscriber],
            rest,
        };
        let fabric = view::Fabric {
            phase: Cow::Borrowed("running"),
            children: Vec::new(),
            members: BTreeMap::new(),
            permits: 4,
            permits_free: 0,
            queues: vec![queue],
        };
        view::Process { id: id.into(), accepted_per_second: 0.0, fabric }
    }

    fn ask(record: Option<&Record>, ahead: Option<u64>, serving: usize, seen: &[view::Process]) -> Explanation {
        let (lane, spec) = (lane(), spec());
        explain(&Facts { lane: &lane, spec: Some(&spec), record, ahead, serving, seen, now: NOW })
    }

    #[test]
    fn what_is_on_record_comes_first() {
        let busy = [process("w", 1, 5, None)];
        assert_eq!(ask(Some(&record(State::Succeeded)), None, 1, &busy).cause, Cause::Ended);
        assert_eq!(ask(Some(&record(State::Running)), None, 1, &busy).cause, Cause::Running);
        let waiting = Record { due: Some(NOW.after(Duration::from_secs(7))), ..record(State::Waiting) };
        let told = ask(Some(&waiting), None, 1, &busy);
        assert_eq!((told.cause, told.starts_in_seconds), (Cause::NotDue, Some(7.0)));
        assert_eq!(told.summary, "its time has not come; may start in about 7.0 s");
    }

    #[test]
    fn somebody_must_be_there_and_know() {
        let ready = record(State::Ready);
        let told = ask(Some(&ready), Some(0), 0, &[]);
        assert_eq!(told.cause, Cause::NoWorker);
        assert!(told.summary.contains("start one"), "{}", told.summary);
        assert_eq!(ask(Some(&ready), Some(0), 2, &[]).cause, Cause::NoAnswer);
        let elsewhere = view::Process {
            accepted_per_second: 0.0,
            fabric: view::Fabric { queues: Vec::new(), ..process("w", 0, 0, None).fabric },
            id: "g".into(),
        };
        assert_eq!(ask(Some(&ready), Some(0), 1, std::slice::from_ref(&elsewhere)).cause, Cause::NoAnswer);
        let mut unaware = process("w", 0, 0, None);
        unaware.fabric.queues[0].subscribers.clear();
        let elsewhere = [elsewhere, unaware];
        assert_eq!(ask(Some(&ready), Some(0), 1, &elsewhere).cause, Cause::NotNoticed);
        assert_eq!(ask(None, None, 1, &elsewhere).cause, Cause::NothingWaits);
        assert_eq!(ask(Some(&ready), Some(3), 1, &[process("w", 0, 0, None)]).cause, Cause::NotNoticed);
    }

    #[test]
    fn the_reason_is_of_the_worker_that_may_go_on_first() {
        let ready = record(State::Ready);
        let seen = [
            process("a", 2, 9, Some((Reason::ClusterLimit, None))),
            process("b", 2, 9, Some((Reason::Rate, Some(0.5)))),
        ];
        let told = ask(Some(&ready), Some(9), 2, &seen);
        assert_eq!((told.cause, told.in_flight, told.ahead), (Cause::Held(Reason::Rate), 4, Some(9)));
        // Five of those before it wait, and it itself: six turns of 2 s on four places.
        assert_eq!(told.starts_in_seconds, Some(3.0));
        let taking = [seen[0].clone(), process("b", 2, 9, None)];
        assert_eq!(ask(Some(&ready), Some(9), 2, &taking).cause, Cause::Starting, "one of them is taking it");
    }

    #[test]
    fn a_known_end_of_holding_back_is_waited_for() {
        let seen = [process("w", 1, 1, Some((Reason::Paused, Some(30.0))))];
        assert_eq!(ask(Some(&record(State::Ready)), Some(1), 1, &seen).starts_in_seconds, Some(30.0));
        let open_ended = [process("w", 0, 1, Some((Reason::Paused, None)))];
        assert_eq!(ask(Some(&record(State::Ready)), Some(0), 1, &open_ended).starts_in_seconds, None);
    }

    #[test]
    fn a_rate_is_used_up_by_those_before_it() {
        let (lane, ready) = (lane(), record(State::Ready));
        let mut deployment = spec().deployment.open();
        deployment.annotations.insert("fabric.rate".into(), "6/m".into());
        let spec = FunctionSpec::compile(deployment).unwrap();
        let seen = [process("w", 1, 4, Some((Reason::Rate, Some(8.0))))];
        let facts = Facts {
            lane: &lane,
            spec: Some(&spec),
            record: Some(&ready),
            ahead: Some(3),
            serving: 1,
            seen: &seen,
            now: NOW,
        };
        assert_eq!(explain(&facts).starts_in_seconds, Some(28.0));
    }

    #[test]
    fn a_function_that_nobody_registered_says_so() {
        let (lane, ready) = (lane(), record(State::Ready));
        let facts =
            Facts { lane: &lane, spec: None, record: Some(&ready), ahead: Some(0), serving: 1, seen: &[], now: NOW };
        assert_eq!(explain(&facts).cause, Cause::NotRegistered);
    }
}
