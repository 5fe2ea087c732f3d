//! Moves what is due back to its lane.
//!
//! # Owns
//! The lane of due messages, one task that empties it, and one that counts what waits.
//!
//! # Takes
//! [`Msg`]: at most one of each is queued.
//!
//! # Children
//! None.
//!
//! # Stops
//! When drained: what is being moved is moved, nothing more is taken. With an error when the lane breaks, which the
//! root answers with a restart.

use std::sync::Arc;

use bytes::Bytes;
use proto::dead::Reason;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::call::Desk;
use crate::meter::lines;
use crate::moving::{LEASE, WHEN_AWAY, keep_moving, patience};
use crate::port::Delivery;
use crate::port::broker::{Error, Message, Terms};

/// What it is told.
pub(crate) enum Msg {
    /// From itself: the mover ended; with an error if the lane broke.
    Ended(Option<Error>),
    /// From the root: take nothing more, and stop.
    Drain,
}

pub(crate) struct Later;

pub(crate) struct State {
    me: ActorRef<Msg>,
    desk: Arc<Desk>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Actor for Later {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Desk>;

    async fn pre_start(&self, me: ActorRef<Msg>, desk: Arc<Desk>) -> Result<State, ActorProcessingErr> {
        Ok(State { me, desk, stop: CancellationToken::new(), tasks: JoinSet::new() })
    }

    async fn post_start(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let terms = Terms { lease: LEASE, limit: None, ..Terms::default() };
        let lane = state.desk.broker.due(terms).await?;
        let desk = state.desk.clone();
        state.tasks.spawn(async move { lines::follow(&desk).await });
        let (me, desk, stop) = (state.me.clone(), state.desk.clone(), state.stop.clone());
        state.tasks.spawn(async move {
            let relocate = |delivery| {
                let desk = desk.clone();
                async move { relocate(&desk, delivery).await }
            };
            let error = keep_moving(lane, stop, relocate).await;
            drop(me.cast(Msg::Ended(error)));
        });
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Ended(Some(error)) if !state.stop.is_cancelled() => return Err(error.into()),
            Msg::Ended(_) => me.stop(Some("drained".into())),
            Msg::Drain => state.stop.cancel(),
        }
        Ok(())
    }
}

/// Stores the message in its lane, then forgets it here: killed in between, it is stored once, by its id.
async fn relocate(desk: &Desk, delivery: Delivery) {
    let lane = &delivery.lane;
    let moved = match delivery.payload.read().await {
        Ok(payload) => {
            let message = Message { lane: lane.clone(), id: delivery.id.to_string(), payload };
            desk.broker.publish(message).await.map(drop)
        }
        Err(error) if !error.is_transient() => {
            tracing::error!(%lane, message = %delivery.id, %error, "a due message whose bytes are lost is dead");
            let buried = desk.settle_unrunnable(&delivery, Bytes::new(), Reason::Lost, error.to_string()).await;
            if let Err(error) = buried {
                tracing::warn!(%lane, %error, "a due message could not be settled; it comes again");
            }
            return;
        }
        Err(error) => Err(error),
    };
    let settled = match moved {
        Ok(()) => delivery.lease.ack().await,
        Err(Error::Full { scope }) => {
            tracing::debug!(%lane, scope, "a due message waits: there is no room in its lane");
            delivery.lease.give_back(Some(patience(delivery.deliveries))).await
        }
        Err(error) => {
            tracing::warn!(%lane, %error, "a due message could not be moved; trying again");
            delivery.lease.give_back(Some(WHEN_AWAY)).await
        }
    };
    if let Err(error) = settled {
        tracing::warn!(%lane, %error, "a due message may be moved twice; it is stored once");
    }
}
