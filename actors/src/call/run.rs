//! A call from delivery to report, in one piece.

use bytes::Bytes;
use proto::dead::Reason;
use rand::RngExt;
use tokio::time::Instant;

use super::Desk;
use super::attempt::Choice;
use super::plan::{Next, plan};
use super::report::{Ended, Report};
use super::settle::persist;
use crate::port::{Delivery, broker};

/// Runs a delivered call and reports what became of it. Dropping the future at any point leaves the message leased
/// and reports [`Ended::Unsettled`].
pub async fn run(desk: &Desk, endpoints: Choice<'_>, delivery: Delivery, mut report: Report) {
    match handle(desk, endpoints, &delivery, &mut report).await {
        Ok(()) => report.finish(Ended::Settled),
        Err(error) => {
            tracing::error!(lane = %delivery.lane, message = %delivery.id, %error, "a call could not be settled");
            report.finish(Ended::Unsettled);
        }
    }
}

async fn handle(
    desk: &Desk,
    endpoints: Choice<'_>,
    delivery: &Delivery,
    report: &mut Report,
) -> Result<(), broker::Error> {
    let payload = match persist(|| Box::pin(delivery.payload.read())).await {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(lane = %delivery.lane, message = %delivery.id, %error, "a call whose bytes are lost is dead");
            return desk.settle_unrunnable(delivery, Bytes::new(), Reason::Lost, error.to_string()).await;
        }
    };
    let call = match proto::codec::decode(&payload) {
        Ok(call) => call,
        Err(error) => {
            tracing::warn!(lane = %delivery.lane, message = %delivery.id, %error, "a message that is no call is dead");
            return desk.settle_unrunnable(delivery, payload, Reason::Undecodable, error.to_string()).await;
        }
    };
    let attempt = desk.attempt(&call, endpoints).await;
    report.heard(attempt.feedback);
    tracing::debug!(
        call = %call.id,
        lane = %delivery.lane,
        attempt = call.next_attempt(),
        outcome = ?attempt.outcome,
        detail = attempt.detail,
        seconds = attempt.result.duration.as_secs_f64(),
        "attempted"
    );
    let policy = desk.retry_policy(&call);
    let luck = rand::rng().random();
    let now = desk.clock.now();
    let next = plan(&delivery.lane, call, attempt, &policy, now, luck);
    if let Next::Again { due, .. } = &next {
        report.again(Instant::now() + due.since(now));
    }
    desk.settle(delivery, next).await
}
