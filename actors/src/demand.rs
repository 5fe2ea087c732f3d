//! How many messages a subscriber pulls next, and how many permits it asks for or lets go (pure).

use std::num::NonZeroU32;

/// What a subscriber knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Permits in hand.
    pub hand: u32,
    /// Calls in flight here.
    pub in_flight: u32,
    /// How many calls of the function may be in flight in the whole cluster.
    pub limit: Option<NonZeroU32>,
    /// Messages known to wait; 1 if all that is known is that there are some.
    pub backlog: u64,
    /// Whether a pull is out already.
    pub pulling: bool,
    /// Whether a wish for permits is still unanswered.
    pub asked: bool,
}

/// What it does about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Permits to let go of: with nothing waiting, one to wait with is enough.
    pub release: u32,
    /// Messages to pull, a permit for each.
    pub pull: u32,
    /// Permits to ask for.
    pub ask: Option<Ask>,
}

/// A wish for permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For so many calls that wait.
    Work(u32),
    /// For one to wait with.
    Idle,
}

impl Demand {
    /// Decides.
    #[must_use]
    pub fn step(self) -> Step {
        let keep = u32::from(!self.pulling);
        let release = if self.backlog == 0 { self.hand.saturating_sub(keep) } else { 0 };
        if self.pulling {
            return Step { release, ..Step::default() };
        }
        let room = self.limit.map_or(u32::MAX, |limit| limit.get().saturating_sub(self.in_flight));
        let pull = (self.hand - release).min(room);
        let waiting = u32::try_from(self.backlog).unwrap_or(u32::MAX).min(room).saturating_sub(pull);
        let ask = if waiting > 0 {
            (!self.asked).then_some(Ask::Work(waiting))
        } else {
            (pull == 0 && self.backlog == 0 && room > 0).then_some(Ask::Idle)
        };
        Step { release, pull, ask }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Demand = Demand { hand: 0, in_flight: 0, limit: None, backlog: 0, pulling: false, asked: false };

    #[test]
    fn pulls_what_it_may_and_asks_for_the_rest() {
        let step = Demand { hand: 3, backlog: 10, ..NOTHING }.step();
        assert_eq!(step, Step { release: 0, pull: 3, ask: Some(Ask::Work(7)) });
        let step = Demand { hand: 3, backlog: 10, asked: true, ..NOTHING }.step();
        assert_eq!(step, Step { release: 0, pull: 3, ask: None });
    }

    #[test]
    fn waits_with_one_permit_when_nothing_is_there() {
        assert_eq!(NOTHING.step(), Step { ask: Some(Ask::Idle), ..Step::default() });
        assert_eq!(Demand { hand: 5, ..NOTHING }.step(), Step { release: 4, pull: 1, ask: None });
        assert_eq!(Demand { hand: 5, pulling: true, ..NOTHING }.step(), Step { release: 5, pull: 0, ask: None });
    }

    #[test]
    fn a_function_at_its_limit_neither_pulls_nor_asks() {
        let limit = NonZeroU32::new(5);
        let step = Demand { hand: 2, in_flight: 5, limit, backlog: 100, ..NOTHING }.step();
        assert_eq!(step, Step::default());
        let step = Demand { hand: 0, in_flight: 3, limit, backlog: 100, ..NOTHING }.step();
        assert_eq!(step.ask, Some(Ask::Work(2)));
    }

    proptest! {
        #[test]
        fn never_over_the_limit_and_never_more_than_in_hand(
            hand in 0u32..100, in_flight in 0u32..100, limit in prop::option::of(1u32..100), backlog in 0u64..1000, pulling: bool, asked: bool,
        ) {
            let limit = limit.and_then(NonZeroU32::new);
            let step = Demand { hand, in_flight, limit, backlog, pulling, asked }.step();
            prop_assert!(step.release + step.pull <= hand);
            if let Some(limit) = limit {
                prop_assert!(step.pull == 0 || in_flight + step.pull <= limit.get());
            }
            prop_assert!(!pulling || step.pull == 0);
        }
    }
}
