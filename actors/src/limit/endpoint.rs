//! Which of a function's endpoints takes the next call (pure).
//!
//! The one with most free slots; among equals, the one that was used longest ago. One that nobody answers at is
//! ejected for a while that doubles, and then probed with one call. One that says it is busy is left alone for a
//! moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

/// Broken exchanges in a row that eject an endpoint; a refused connection does so at once.
const BROKEN_MAX: u32 = 3;
/// How long an endpoint is ejected at first; it doubles with every probe that fails.
const EJECT_FIRST: Duration = Duration::from_secs(1);
const EJECT_MAX: Duration = Duration::from_secs(30);
/// How long an endpoint that said it was busy is passed over.
const BUSY_FOR: Duration = Duration::from_millis(50);

/// An endpoint as it is known from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where requests go.
    pub url: Url,
    /// The host that requests name, if it is not the one in the URL: the name that was resolved to it.
    pub host: Option<String>,
    /// How many calls it takes at once from this worker, if that is limited.
    pub slots: Option<u32>,
}

/// What an exchange said about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It answered, whatever it answered.
    Answered,
    /// It answered that it has no room.
    Busy,
    /// Nobody listens.
    Refused,
    /// The exchange broke.
    Broken,
    /// Nothing: the exchange was given up from this side.
    Nothing,
}

/// All endpoints of a function.
#[derive(Clone, Debug, Default)]
pub struct Table {
    seats: Vec<Seat>,
    picks: u64,
}

#[derive(Clone, Debug)]
struct Seat {
    endpoint: Arc<Endpoint>,
    busy: u32,
    health: Health,
    picked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Up { broken: u32 },
    Busy { until: Instant },
    Ejected { until: Instant, times: u32 },
    Probing { times: u32 },
}

impl Table {
    /// These endpoints from now on; those that stay keep what is known of them.
    pub fn set(&mut self, endpoints: Vec<Endpoint>) {
        let mut before = std::mem::take(&mut self.seats);
        self.seats = endpoints
            .into_iter()
            .map(Arc::new)
            .map(|endpoint| match before.iter().position(|seat| seat.endpoint.url == endpoint.url) {
                Some(at) => Seat { endpoint, ..before.swap_remove(at) },
                None => Seat { endpoint, busy: 0, health: Health::Up { broken: 0 }, picked: 0 },
            })
            .collect();
    }

    /// How many calls may start now; as many as one likes where slots are not limited.
    #[must_use]
    pub fn room(&self, now: Instant) -> u32 {
        self.seats.iter().map(|seat| seat.room(now)).fold(0, u32::saturating_add)
    }

    /// When an endpoint that is passed over now will not be any more.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        let until = |seat: &Seat| match seat.health {
            Health::Busy { until } | Health::Ejected { until, .. } => Some(until),
            Health::Up { .. } | Health::Probing { .. } => None,
        };
        self.seats.iter().filter_map(until).min()
    }

    /// Takes a slot at the best endpoint that is not among `tried`.
    pub fn take(&mut self, tried: &[Url], now: Instant) -> Option<Arc<Endpoint>> {
        let free = |seat: &&mut Seat| seat.room(now) > 0 && !tried.contains(&seat.endpoint.url);
        let order = |seat: &&mut Seat| (seat.free(), std::cmp::Reverse(seat.picked));
        let best = self.seats.iter_mut().filter(free).max_by_key(order)?;
        if let Health::Ejected { times, .. } = best.health {
            best.health = Health::Probing { times };
        }
        self.picks += 1;
        best.picked = self.picks;
        best.busy += 1;
        Some(best.endpoint.clone())
    }

    /// Gives the slot back, with what was learnt. `only`, whether there is no other to go to, is then the circuit's
    /// business rather than this table's.
    pub fn give_back(&mut self, url: &Url, said: Said, now: Instant) {
        let alone = self.seats.len() < 2;
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.endpoint.url == *url) else { return };
        seat.busy = seat.busy.saturating_sub(1);
        seat.health = if alone { Health::Up { broken: 0 } } else { seat.health.after(said, now) };
    }
}

impl Seat {
    /// Slots that no call occupies, healthy or not.
    fn free(&self) -> u32 {
        // Where slots are not limited the one with fewest calls has most room.
        self.endpoint.slots.unwrap_or(u32::MAX).saturating_sub(self.busy)
    }

    fn room(&self, now: Instant) -> u32 {
        match self.health {
            Health::Up { .. } => self.free(),
            Health::Busy { until } => {
                if now >= until {
                    self.free()
                } else {
                    0
                }
            }
            Health::Ejected { until, .. } if now >= until => self.free().min(1),
            Health::Ejected { .. } | Health::Probing { .. } => 0,
        }
    }
}

impl Health {
    fn after(self, said: Said, now: Instant) -> Self {
        match (self, said) {
            (_, Said::Answered) => Self::Up { broken: 0 },
            (_, Said::Busy) => Self::Busy { until: now + BUSY_FOR },
            (Self::Probing { times }, Said::Refused | Said::Broken | Said::Nothing) => Self::ejected(times + 1, now),
            // Known already: calls that were on their way do not make it longer.
            (Self::Ejected { .. }, _) | (_, Said::Nothing) => self,
            (Self::Up { broken }, Said::Broken) if broken + 1 < BROKEN_MAX => Self::Up { broken: broken + 1 },
            (_, Said::Refused) | (Self::Up { .. }, Said::Broken) => Self::ejected(0, now),
            (Self::Busy { .. }, Said::Broken) => Self::Up { broken: 1 },
        }
    }

    fn ejected(times: u32, now: Instant) -> Self {
        let pause = EJECT_FIRST.saturating_mul(2u32.saturating_pow(times)).min(EJECT_MAX);
        Self::Ejected { until: now + pause, times }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(slots: Option<u32>, hosts: &[&str]) -> Table {
        let endpoint = |host: &&str| Endpoint { url: url(host), host: None, slots };
        let mut table = Table::default();
        table.set(hosts.iter().map(endpoint).collect());
        table
    }

    fn url(host: &str) -> Url {
        Url::parse(&format!("http://{host}/")).unwrap()
    }

    fn taken(table: &mut Table, now: Instant) -> Option<String> {
        table.take(&[], now).map(|it| it.url.host_str().unwrap().to_owned())
    }

    #[test]
    fn the_one_with_most_free_slots_is_next() {
        let now = tokio::time::Instant::now().into_std();
        let mut table = table(Some(2), &["a", "b"]);
        assert_eq!(table.room(now), 4);
        let order: Vec<_> = (0..5).map(|_| taken(&mut table, now)).collect();
        let [Some(first), Some(second), Some(third), Some(fourth), None] = order.as_slice() else {
            panic!("{order:?}");
        };
        assert!(first != second && third != fourth, "in turns");
        table.give_back(&url("b"), Said::Answered, now);
        assert_eq!(taken(&mut table, now).as_deref(), Some("b"));
        assert_eq!(table.room(now), 0);
    }

    #[test]
    fn without_slots_the_least_used_is_next() {
        let now = tokio::time::Instant::now().into_std();
        let mut table = table(None, &["a", "b"]);
        let first = taken(&mut table, now).unwrap();
        let second = taken(&mut table, now).unwrap();
        assert_ne!(first, second);
        table.give_back(&url("a"), Said::Answered, now);
        assert_eq!(taken(&mut table, now).as_deref(), Some("a"));
        assert_eq!(table.room(now), u32::MAX);
    }

    #[test]
    fn a_dead_endpoint_is_ejected_probed_and_taken_back() {
        let mut now = tokio::time::Instant::now().into_std();
        let mut table = table(Some(5), &["a", "b"]);
        while table.take(&[url("b")], now).is_some() {}
        for _ in 0..5 {
            table.give_back(&url("a"), Said::Refused, now);
        }
        assert_eq!((table.room(now), table.next_at()), (5, Some(now + EJECT_FIRST)), "once for all five");
        now += EJECT_FIRST;
        assert_eq!(table.room(now), 6, "one call to see");
        assert!(table.take(&[url("b")], now).is_some() && table.take(&[url("b")], now).is_none());
        table.give_back(&url("a"), Said::Refused, now);
        assert_eq!(table.next_at(), Some(now + 2 * EJECT_FIRST));
        now += 2 * EJECT_FIRST;
        table.take(&[url("b")], now).unwrap();
        table.give_back(&url("a"), Said::Answered, now);
        assert_eq!(table.room(now), 10);
    }

    #[test]
    fn three_broken_exchanges_in_a_row_eject_and_an_answer_between_does_not() {
        let now = tokio::time::Instant::now().into_std();
        let mut table = table(Some(9), &["a", "b"]);
        for said in [Said::Broken, Said::Broken, Said::Answered, Said::Broken, Said::Broken] {
            table.take(&[url("b")], now).unwrap();
            table.give_back(&url("a"), said, now);
        }
        assert_eq!(table.room(now), 18);
        table.take(&[url("b")], now).unwrap();
        table.give_back(&url("a"), Said::Broken, now);
        assert_eq!(table.room(now), 9);
    }

    #[test]
    fn the_only_endpoint_is_never_ejected() {
        let now = tokio::time::Instant::now().into_std();
        let mut table = table(None, &["a"]);
        table.take(&[], now).unwrap();
        table.give_back(&url("a"), Said::Refused, now);
        assert_eq!(table.room(now), u32::MAX);
    }

    #[test]
    fn endpoints_that_stay_keep_their_calls() {
        let now = tokio::time::Instant::now().into_std();
        let mut table = table(Some(2), &["a", "b"]);
        table.take(&[url("b")], now).unwrap();
        let endpoint = |host| Endpoint { url: url(host), host: None, slots: Some(2) };
        table.set(vec![endpoint("c"), endpoint("a")]);
        assert_eq!(table.room(now), 3);
        table.give_back(&url("b"), Said::Answered, now);
        table.give_back(&url("a"), Said::Answered, now);
        assert_eq!(table.room(now), 4);
    }

    proptest! {
        /// However calls end, slots are neither lost nor made.
        #[test]
        fn slots_balance(ends in prop::collection::vec((0u8..5, 0u64..3000), 0..200)) {
            let said = [Said::Answered, Said::Busy, Said::Refused, Said::Broken, Said::Nothing];
            let mut now = tokio::time::Instant::now().into_std();
            let mut table = table(Some(3), &["a", "b", "c"]);
            let mut running = Vec::new();
            for (end, ms) in ends {
                now += Duration::from_millis(ms);
                let room = table.room(now);
                match table.take(&[], now) {
                    Some(endpoint) => running.push(endpoint.url.clone()),
                    None => prop_assert_eq!(room, 0),
                }
                prop_assert!(running.len() <= 9);
                if ms % 2 == 0 && let Some(url) = running.pop() {
                    table.give_back(&url, said[usize::from(end)], now);
                }
            }
            for url in running {
                table.give_back(&url, Said::Answered, now);
            }
            for seat in &table.seats {
                prop_assert_eq!(seat.busy, 0);
            }
        }
    }
}
