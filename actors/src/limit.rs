//! A function's own limits in this worker: how many more of its calls may start, and what holds the others back.
//!
//! Only what is known before a message is taken counts here; the permits of the worker come after ([`permit`]).
//!
//! [`permit`]: crate::permit

pub mod adaptive;
pub mod applied;
pub mod circuit;
pub mod endpoint;
pub mod endpoints;
pub mod ramp;
pub mod rate;
pub mod rates;
pub mod retries;
pub mod throughput;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use self::adaptive::Adaptive;
use self::circuit::{Admits, Circuit};
use self::endpoints::Endpoints;
use self::ramp::Ramp;
use self::throughput::{PerSecond, Throughput};
use crate::waiting::{Reason, Waiting};

/// A function that asks to be left alone for longer is asked again after this.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// What is set for a function, as opposed to what is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many calls may run at once in the whole cluster.
    pub concurrency: Option<NonZeroU32>,
    /// Whether an operator paused it.
    pub paused: bool,
    /// How many calls this worker runs at most.
    pub ceiling: u32,
}

/// Calls of a function in this worker.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// Those whose messages are leased.
    pub leased: u32,
    /// Those of them that run: what follows from the others is being stored.
    pub running: u32,
}

/// How many more calls may start, and what would have to change for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many.
    pub count: u32,
    /// What limits it, if anything does.
    pub by: Option<Waiting>,
}

impl Room {
    /// The narrower of two.
    #[must_use]
    pub fn and(self, count: u32, by: Waiting) -> Self {
        if count < self.count { Self { count, by: Some(by) } } else { self }
    }
}

/// How a function was heard of when a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It answered, and did not fail.
    Well,
    /// It has no room.
    Busy,
    /// Nobody listens.
    Away,
    /// It took too long.
    TimedOut,
    /// It failed, or the exchange broke.
    Failed,
}

/// What a finished call says about its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// How it ended.
    pub heard: Heard,
    /// How long the function asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Feedback {
    /// Whether the call was not taken: for want of room, or of anybody.
    #[must_use]
    pub fn is_turned_away(&self) -> bool {
        matches!(self.heard, Heard::Busy | Heard::Away)
    }
}

/// The limits of one function: those that are set, and what its answers showed.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    adaptive: Adaptive,
    circuit: Circuit,
    /// Until when the function asked to be left alone.
    pause: Option<Instant>,
    ramp: Option<Ramp>,
    endpoints: Option<Endpoints>,
    throughput: Throughput,
}

impl Gate {
    /// Nothing found out yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (adaptive, circuit) = (Adaptive::default(), Circuit::default());
        let throughput = Throughput::default();
        Self { limits, adaptive, circuit, pause: None, ramp: None, endpoints: None, throughput }
    }

    /// What is set, from now on; `endpoints` if calls go to some that are chosen from.
    pub fn set(&mut self, limits: Limits, endpoints: Option<Endpoints>, now: Instant) {
        if self.limits.paused && !limits.paused {
            self.begin_gently(now);
        }
        (self.limits, self.endpoints) = (limits, endpoints);
    }

    /// Everything was held back until now.
    pub fn begin_gently(&mut self, now: Instant) {
        self.ramp = Some(Ramp::begin(now));
    }

    /// Forgets what was found out, where the function is not called any more.
    pub fn forget(&mut self, is_over: bool) {
        if is_over {
            *self = Self { endpoints: self.endpoints.take(), ..Self::new(self.limits) };
        }
    }

    /// What is set now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The limit that was found out, if there is one.
    #[must_use]
    pub fn adaptive(&self) -> Option<u32> {
        self.adaptive.limit()
    }

    /// What became of attempts lately, in a second.
    #[must_use]
    pub fn per_second(&self, now: Instant) -> PerSecond {
        self.throughput.per_second(now)
    }

    /// How many calls may start beside those in flight.
    #[must_use]
    pub fn room(&self, InFlight { leased, running }: InFlight, now: Instant) -> Room {
        let mut room = Room { count: u32::MAX, by: None };
        if self.limits.paused {
            room = room.and(0, Reason::Paused.open_ended());
        }
        room = match self.circuit.admits(now) {
            Admits::All => room,
            Admits::Probe => room.and(1, Reason::CircuitOpen.open_ended()),
            Admits::Nothing(until) => room.and(0, Waiting { reason: Reason::CircuitOpen, until }),
        };
        if let Some(until) = self.pause.filter(|until| now < *until) {
            room = room.and(0, Reason::Paused.until(until));
        }
        if let Some((limit, until)) = self.ramp.and_then(|ramp| ramp.limit(now)) {
            room = room.and(limit.saturating_sub(running), Reason::RampingUp.until(until));
        }
        if let Some(limit) = self.limits.concurrency {
            // The broker keeps to it, and counts leases: to ask for more would be in vain.
            room = room.and(limit.get().saturating_sub(leased), Reason::ClusterLimit.open_ended());
        }
        if let Some(limit) = self.adaptive.limit() {
            room = room.and(limit.saturating_sub(running), Reason::AdaptiveLimit.open_ended());
        }
        if let Some(endpoints) = &self.endpoints {
            let (count, until) = endpoints.room(now);
            room = room.and(count, Waiting { reason: Reason::EndpointsBusy, until });
        }
        room
    }

    /// A call starts.
    pub fn began(&mut self, now: Instant) {
        self.circuit.began(now);
    }

    /// A call that began at `began` ended, as one of `in_flight`; without feedback if it was given up or died here.
    /// `luck` in `0.0..1.0` is the draw of the circuit's jitter.
    pub fn ended(&mut self, feedback: Option<Feedback>, began: Instant, in_flight: u32, now: Instant, luck: f64) {
        let heard = feedback.map(|feedback| feedback.heard);
        if let Some(heard) = heard {
            self.throughput.ended(heard, now);
        }
        let others = in_flight.saturating_sub(1);
        match heard {
            Some(Heard::Well) => self.adaptive.succeeded(in_flight, self.limits.ceiling),
            Some(Heard::Busy | Heard::Away) => self.adaptive.refused(began, others, now),
            Some(Heard::TimedOut) => self.adaptive.timed_out(began, in_flight, now),
            Some(Heard::Failed) | None => {}
        }
        // One that is busy is there.
        let through = heard.map(|heard| matches!(heard, Heard::Well | Heard::Busy));
        if self.circuit.ended(began, through, now, luck) {
            self.adaptive.start_over();
        }
        if let Some(wish) = feedback.and_then(|feedback| feedback.retry_after) {
            let until = now + wish.min(PAUSE_MAX);
            if self.pause.is_none_or(|pause| pause < until) {
                self.pause = Some(until);
                self.adaptive.start_over();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(running: u32) -> InFlight {
        InFlight { leased: running, running }
    }

    const LIMITS: Limits = Limits { concurrency: None, paused: false, ceiling: 64 };

    fn gate(limits: Limits) -> (Gate, Instant) {
        (Gate::new(limits), tokio::time::Instant::now().into_std())
    }

    fn reason(room: Room) -> Option<Reason> {
        room.by.map(|by| by.reason)
    }

    fn feedback(heard: Heard) -> Option<Feedback> {
        Some(Feedback { heard, retry_after: None })
    }

    #[test]
    fn the_narrowest_limit_is_the_one_that_is_named() {
        let (mut gate, now) = gate(LIMITS);
        assert_eq!(gate.room(run(7), now), Room { count: u32::MAX, by: None });
        gate.set(Limits { concurrency: NonZeroU32::new(10), ..LIMITS }, None, now);
        assert_eq!((gate.room(run(7), now).count, reason(gate.room(run(7), now))), (3, Some(Reason::ClusterLimit)));
        gate.ended(feedback(Heard::Busy), now, 7, now, 0.0);
        assert_eq!((gate.room(run(5), now).count, reason(gate.room(run(5), now))), (0, Some(Reason::AdaptiveLimit)));
        gate.set(Limits { paused: true, ..LIMITS }, None, now);
        assert_eq!(reason(gate.room(run(5), now)), Some(Reason::Paused));
    }

    #[test]
    fn what_is_settled_counts_for_the_broker_and_not_for_the_function() {
        let (mut gate, now) = gate(LIMITS);
        let settling = InFlight { leased: 8, running: 2 };
        gate.set(Limits { concurrency: NonZeroU32::new(10), ..LIMITS }, None, now);
        assert_eq!((gate.room(settling, now).count, gate.room(run(2), now).count), (2, 8));
        gate.set(LIMITS, None, now);
        gate.ended(feedback(Heard::Busy), now, 8, now, 0.0);
        let limit = gate.adaptive().unwrap();
        assert!(limit > 2);
        assert_eq!(gate.room(settling, now).count, limit - 2);
    }

    #[test]
    fn what_piled_up_behind_a_pause_starts_step_by_step() {
        let (mut gate, now) = gate(Limits { paused: true, ..LIMITS });
        gate.set(LIMITS, None, now);
        let room = gate.room(run(3), now);
        assert_eq!((room.count, reason(room)), (5, Some(Reason::RampingUp)));
        assert_eq!(gate.room(run(8), room.by.unwrap().until.unwrap()).count, 8);
        assert_eq!(gate.room(run(0), now + Duration::from_secs(60)).count, u32::MAX);
    }

    #[test]
    fn a_function_that_asks_for_it_is_left_alone_and_then_begun_with_gently() {
        let (mut gate, now) = gate(LIMITS);
        let wish = |seconds| Some(Feedback { heard: Heard::Failed, retry_after: Some(Duration::from_secs(seconds)) });
        gate.ended(wish(30), now, 1, now, 0.0);
        gate.ended(wish(5), now, 1, now, 0.0);
        let until = now + Duration::from_secs(30);
        assert_eq!(gate.room(run(0), now).by, Some(Reason::Paused.until(until)));
        assert_eq!(gate.room(run(0), until).count, 1);
        gate.ended(wish(u64::MAX), until, 1, until, 0.0);
        assert_eq!(gate.room(run(0), until + PAUSE_MAX).count, 1, "but not for ever");
    }

    #[test]
    fn a_function_that_fails_everything_is_probed_and_begun_with_gently() {
        let (mut gate, mut now) = gate(LIMITS);
        for _ in 0..100 {
            gate.ended(feedback(Heard::Failed), now, 1, now, 0.0);
        }
        assert_eq!(reason(gate.room(run(0), now)), Some(Reason::CircuitOpen));
        now = gate.room(run(0), now).by.unwrap().until.unwrap();
        assert_eq!(gate.room(run(0), now).count, 1);
        gate.began(now);
        assert_eq!(gate.room(run(1), now).count, 0);
        gate.ended(feedback(Heard::Busy), now, 1, now, 0.0);
        assert_eq!((gate.room(run(0), now).count, gate.adaptive()), (1, Some(1)), "busy, but there");
    }
}
