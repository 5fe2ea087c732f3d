//! How many messages a subscriber pulls next, and how many permits it wishes for or lets go (pure).

/// What a subscriber knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Permits in hand.
    pub hand: u32,
    /// How many calls the function's limits let start.
    pub room: u32,
    /// Messages known to wait; 1 if all that is known is that there are some.
    pub backlog: u64,
    /// Permits that are out with a pull, if one is out.
    pub pulling: Option<u32>,
    /// Whether the last pull found nothing although messages wait: elsewhere run as many as may.
    pub dry: bool,
}

/// What it does about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Permits to let go of: what cannot be used is not kept.
    pub release: u32,
    /// Messages to pull, a permit for each.
    pub pull: u32,
    /// Permits to wish for.
    pub wish: u32,
    /// Whether one to wait for the next message with would be welcome.
    pub idle: bool,
}

impl Demand {
    /// Decides.
    #[must_use]
    pub fn step(self) -> Step {
        let waits = u32::try_from(self.backlog).unwrap_or(u32::MAX);
        let most = match (waits, self.dry) {
            // To wait for work that may come, a permit is held only by leave.
            (0, _) => 0,
            // All that may run do elsewhere: one permit is enough to wait with.
            (_, true) => self.room.min(1),
            (_, false) => self.room,
        };
        let out = self.pulling.unwrap_or_default();
        let keep = self.hand.min(most.saturating_sub(out));
        let pull = if self.pulling.is_none() { keep } else { 0 };
        Step {
            release: self.hand - keep,
            pull,
            wish: waits.min(most).saturating_sub(out + keep),
            idle: waits == 0 && self.room > 0 && self.pulling.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Demand = Demand { hand: 0, room: 100, backlog: 0, pulling: None, dry: false };

    #[test]
    fn pulls_what_it_may_and_wishes_for_the_rest() {
        let step = Demand { hand: 3, backlog: 10, ..NOTHING }.step();
        assert_eq!(step, Step { pull: 3, wish: 7, ..Step::default() });
        let step = Demand { hand: 1, backlog: 10, pulling: Some(3), ..NOTHING }.step();
        assert_eq!(step, Step { wish: 6, ..Step::default() }, "what is in hand is for the next pull");
    }

    #[test]
    fn holds_nothing_when_nothing_is_there_and_asks_leave_to_wait() {
        assert_eq!(NOTHING.step(), Step { idle: true, ..Step::default() });
        assert_eq!(Demand { hand: 5, ..NOTHING }.step(), Step { release: 5, idle: true, ..Step::default() });
        assert_eq!(Demand { room: 0, ..NOTHING }.step(), Step::default());
        assert_eq!(Demand { hand: 5, pulling: Some(1), ..NOTHING }.step(), Step { release: 5, ..Step::default() });
    }

    #[test]
    fn waits_with_one_permit_while_all_that_may_run_elsewhere() {
        let dry = Demand { hand: 5, backlog: 1000, dry: true, ..NOTHING };
        assert_eq!(dry.step(), Step { release: 4, pull: 1, ..Step::default() });
        assert_eq!(Demand { hand: 0, ..dry }.step(), Step { wish: 1, ..Step::default() });
    }

    #[test]
    fn a_function_at_its_limit_holds_nothing_and_wishes_for_nothing() {
        let step = Demand { hand: 2, room: 0, backlog: 100, ..NOTHING }.step();
        assert_eq!(step, Step { release: 2, ..Step::default() });
        let step = Demand { hand: 0, room: 2, backlog: 100, ..NOTHING }.step();
        assert_eq!(step, Step { wish: 2, ..Step::default() });
    }

    proptest! {
        #[test]
        fn never_over_the_limit_and_never_more_than_in_hand(
            hand in 0u32..100, room in 0u32..100, backlog in 0u64..1000, pulling in prop::option::of(1u32..50), dry: bool,
        ) {
            let step = Demand { hand, room, backlog, pulling, dry }.step();
            let out = pulling.unwrap_or_default();
            prop_assert!(step.release + step.pull <= hand);
            prop_assert!(step.pull == 0 || (pulling.is_none() && step.pull <= room));
            let kept = hand - step.release;
            prop_assert!(kept == 0 || kept + out <= room);
            prop_assert!(step.wish == 0 || step.wish + kept + out <= room);
        }
    }
}
