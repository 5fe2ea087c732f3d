//! The envelope: what was asked of which function, by whom, when, and how often it was tried.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::{CallId, Function, History, Timestamp};

/// One accepted call, as it travels through the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who it is: `X-Call-Id`.
    pub id: CallId,
    /// The function called; for a callback, the function whose result it carries.
    pub function: Function,
    /// When the gateway accepted it: `X-Start-Time`.
    pub accepted_at: Timestamp,
    /// From when its age counts: when it was accepted, was due for the first time, or was redriven.
    pub age_from: Timestamp,
    /// When this turn of it was due, if it is a retry.
    pub due: Option<Timestamp>,
    /// When it is no longer worth starting, if it has not been started by then.
    pub expires_at: Option<Timestamp>,
    /// How often it was handled so far.
    pub counts: Counts,
    /// How often it was taken back from the dead letters.
    pub redriven: u32,
    /// What it has been through.
    pub history: History,
    /// Where the request goes.
    pub target: Target,
    /// What is sent.
    pub request: Request,
    /// Where the result goes: `X-Callback-Url`, an absolute http or https URL.
    pub callback: Option<String>,
    /// What was said about its function where the call came from, if that is not a gateway of ours: then the function
    /// may be registered there only.
    pub guest: Option<Box<Guest>>,
}

/// The annotations of a function that may not be registered here.
pub type Guest = BTreeMap<String, String>;

impl Call {
    /// A fresh call of a function.
    #[must_use]
    pub fn new(id: CallId, function: Function, accepted_at: Timestamp, request: Request) -> Self {
        Self {
            id,
            function,
            accepted_at,
            age_from: accepted_at,
            due: None,
            expires_at: None,
            counts: Counts::default(),
            redriven: 0,
            history: History::default(),
            target: Target::Function,
            request,
            callback: None,
            guest: None,
        }
    }

    /// What makes storing it twice the same as storing it once: a turn of a call, not a call, because a retry is
    /// stored anew. A callback has its call's id and function, and lies beside its call's retries and dead letters: its
    /// turns are others.
    #[must_use]
    pub fn message_id(&self) -> String {
        let Counts { attempts, throttles, .. } = self.counts;
        let whose = if self.target == Target::Function { "" } else { ".callback" };
        format!("{}/{}/{}.{attempts}.{throttles}{whose}", self.function, self.id, self.redriven)
    }

    /// What its schedule is kept under: another for each turn. After a crash a call may have two turns at once, and one
    /// that waits must not take the other's place.
    #[must_use]
    pub fn schedule_id(&self) -> CallId {
        let Counts { attempts, throttles, .. } = self.counts;
        if attempts == 0 && throttles == 0 { self.id.clone() } else { CallId::for_turn(&self.message_id()) }
    }

    /// What makes ending it twice the same as ending it once: after a crash a call may have two turns at once.
    #[must_use]
    pub fn life_id(&self) -> String {
        let whose = if self.target == Target::Function { "" } else { ".callback" };
        format!("{}/{}/{}{whose}", self.function, self.id, self.redriven)
    }

    /// The number of the next attempt, 1 for the first: `X-Attempt`.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.counts.attempts.saturating_add(1)
    }

    /// From when this turn of it waits, and from when it may run.
    #[must_use]
    pub fn waits_from(&self) -> (Timestamp, Timestamp) {
        let from = self.history.turns().last().map_or(self.accepted_at, |turn| turn.at);
        (from, self.due.unwrap_or(self.age_from).max(from))
    }

    /// Whether nobody started it before it was no longer worth it.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let Counts { attempts, crashes, .. } = self.counts;
        attempts == 0 && crashes == 0 && self.expires_at.is_some_and(|end| end <= now)
    }

    /// The call that a [`message_id`](Self::message_id) belongs to, and how often it had been redriven by then.
    #[must_use]
    pub fn life_in(message_id: &str) -> Option<(&str, u32)> {
        let mut parts = message_id.split('/');
        let (id, turn) = (parts.nth(1)?, parts.next()?);
        Some((id, turn.split('.').next()?.parse().ok()?))
    }
}

/// Four numbers that are never mixed: each has its own meaning and its own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often the function ran *and answered*. A crash, a drain or a busy function leaves it alone.
    #[serde(default)]
    pub attempts: u32,
    /// How often it came back because the function was busy or away.
    #[serde(default)]
    pub throttles: u32,
    /// How often whoever ran it was gone before it could say how that ended.
    #[serde(default)]
    pub crashes: u32,
    /// How often it was handed out, for whatever came of it.
    #[serde(default)]
    pub deliveries: u32,
}

/// Where a call's request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the function, wherever its specification says it is by then.
    Function,
    /// To this absolute URL: a callback.
    Url(String),
}

/// The HTTP request of a call, hop-by-hop headers already dropped.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the function, percent-encoding untouched; empty or beginning with `/`.
    pub path: String,
    /// The raw query, without `?`.
    pub query: Option<String>,
    /// The headers, in order, repeated ones kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_call_and_the_life_it_is_in() {
        let (id, function) = (CallId::parse("c-1_x").unwrap(), Function::parse("f.acme").unwrap());
        let mut call = Call::new(id, function, Timestamp::default(), Request::default());
        (call.redriven, call.counts.attempts) = (3, 7);
        assert_eq!(Call::life_in(&call.message_id()), Some(("c-1_x", 3)));
        let callback = Call { target: Target::Url("http://caller.example".into()), ..call.clone() };
        assert_ne!(callback.message_id(), call.message_id(), "or the retry of one would be taken for the other's");
        assert_eq!(Call::life_in(&callback.message_id()), Some(("c-1_x", 3)));
        assert_eq!(Call::life_in(&callback.life_id()), Some(("c-1_x", 3)));
        assert_ne!(callback.life_id(), call.life_id());
        for foreign in ["", "noise", "FABRIC_READY_default_0/17", "a/b/c.d"] {
            assert_eq!(Call::life_in(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn every_turn_has_its_own_schedule() {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let first = Call::new(id.clone(), function, Timestamp::default(), Request::default());
        let turn =
            |attempts, throttles| Call { counts: Counts { attempts, throttles, ..first.counts }, ..first.clone() };
        assert_eq!(first.schedule_id(), id, "one that was delayed is found by its own");
        assert_eq!(turn(1, 0).schedule_id(), turn(1, 0).schedule_id());
        assert_ne!(turn(1, 1).schedule_id(), turn(0, 1).schedule_id());
    }

    #[test]
    fn a_turn_waits_from_where_the_one_before_it_ended() {
        let at = Timestamp::from_unix_nanos;
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function, at(10), Request::default());
        assert_eq!(call.waits_from(), (at(10), at(10)));
        call.age_from = at(50);
        assert_eq!(call.waits_from(), (at(10), at(50)), "it was delayed");
        call.history.push(at(60), std::time::Duration::ZERO, crate::history::What::Retried, None, "");
        call.due = Some(at(90));
        assert_eq!(call.waits_from(), (at(60), at(90)));
        (call.age_from, call.due) = (at(60), None);
        assert_eq!(call.waits_from(), (at(60), at(60)), "it was redriven");
    }

    #[test]
    fn only_what_was_never_started_expires() {
        let (id, function) = (CallId::parse("c").unwrap(), Function::parse("f").unwrap());
        let mut call = Call::new(id, function, Timestamp::default(), Request::default());
        let (end, before) = (Timestamp::from_unix_nanos(10), Timestamp::from_unix_nanos(9));
        assert!(!call.is_expired(end));
        call.expires_at = Some(end);
        assert!(call.is_expired(end) && !call.is_expired(before));
        call.counts.throttles = 1;
        assert!(call.is_expired(end), "a busy function did not start it");
        for counts in [Counts { attempts: 1, ..Counts::default() }, Counts { crashes: 1, ..Counts::default() }] {
            assert!(!Call { counts, ..call.clone() }.is_expired(end));
        }
    }
}
