//! The four numbers of a call: what a delivery says of how often it was left behind.

use proto::record::State;
use proto::{Call, Record, Target};

use super::Desk;
use super::note::returned;
use crate::port::Delivery;

impl Desk {
    /// Counts a delivery. Whoever had the message before, and neither settled it nor said that he gave it back, is
    /// gone: that is a crash. If he had told of the call's end by then, and nothing is missing but what follows from
    /// that, his record is answered.
    pub async fn account(&self, call: &mut Call, delivery: &Delivery) -> Option<Record> {
        call.counts.deliveries = call.counts.deliveries.saturating_add(delivery.deliveries);
        if delivery.deliveries <= 1 {
            return None;
        }
        let told = self.recorder.known(&call.id).await.map(|it| it.record);
        let crashes = crashes(delivery.deliveries, returned(told.as_ref(), call));
        if crashes > 0 {
            tracing::warn!(call = %call.id, lane = %delivery.lane, crashes, "whoever ran this call before is gone");
        }
        call.counts.crashes = call.counts.crashes.saturating_add(crashes);
        told.filter(|told| call.target == Target::Function && is_enough(told, call))
    }
}

/// Whether a record says all that follows from the end of a call. The result of a function goes to a callback whole, with
/// its headers: for that it runs again.
fn is_enough(told: &Record, call: &Call) -> bool {
    let has_no_result = matches!(told.state, State::Cancelled | State::Expired);
    told.redriven == call.redriven && told.state.is_final() && (call.callback.is_none() || has_no_result)
}

/// How many of the deliveries before this one ended in a crash.
fn crashes(deliveries: u32, returned: u32) -> u32 {
    deliveries.saturating_sub(1).saturating_sub(returned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_no_crash() {
        assert_eq!([(1, 0), (2, 0), (2, 1), (5, 1), (1, 1)].map(|(n, back)| crashes(n, back)), [0, 1, 0, 3, 0]);
    }
}
