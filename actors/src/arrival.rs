//! A message that an OpenFaaS gateway stored becomes a call here.
//!
//! The order is: the call is stored in its lane (or the message among the dead letters), then the message is forgotten
//! where it lay. Killed in between, it comes again, and finds the call by its id or by its record.

mod trace;

use std::time::Duration;

use bytes::Bytes;
use proto::dead::Reason;
use proto::openfaas::{Arrival, Error as Unreadable, QueueRequest};
use proto::record::State;
use proto::{Call, CallId, LaneKey, Queue, Record};

use self::trace::Trace;
use crate::call::Desk;
use crate::call::plan::{letter, message};
use crate::moving::{WHEN_AWAY, patience};
use crate::port::broker::Error;
use crate::port::{BoxFuture, Delivery};

/// How long a message is left alone that is too large.
const WHEN_TOO_LARGE: Duration = Duration::from_secs(60);

impl Desk {
    /// Makes a call of what was delivered, or a dead letter. Boxed: its caller holds many of these.
    pub fn take_in(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let place = &delivery.id;
            let settled = match self.store_arrival(&delivery).await {
                Ok(()) => delivery.lease.ack().await,
                Err(Error::Full { scope }) => {
                    tracing::debug!(%place, scope, "a message of OpenFaaS waits: there is no room in its lane");
                    delivery.lease.give_back(Some(patience(delivery.deliveries))).await
                }
                // A letter would be larger still: where it lies it is safe, and whoever takes more later takes it.
                Err(error @ Error::TooLarge { .. }) => {
                    tracing::error!(%place, %error, "a message of OpenFaaS is too large; it stays where it is");
                    delivery.lease.give_back(Some(WHEN_TOO_LARGE)).await
                }
                Err(error) => {
                    tracing::warn!(%place, %error, "a message of OpenFaaS could not be taken in; trying again");
                    delivery.lease.give_back(Some(WHEN_AWAY)).await
                }
            };
            if let Err(error) = settled {
                tracing::warn!(%place, %error, "a message of OpenFaaS may come again; it is taken in once");
            }
        })
    }

    async fn store_arrival(&self, delivery: &Delivery) -> Result<(), Error> {
        let payload = match delivery.payload.read().await {
            Ok(payload) => payload,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => return self.refuse(delivery, Bytes::new(), Reason::Lost, &error).await,
        };
        let arrival = match self.read_arrival(delivery, &payload) {
            Ok(arrival) => arrival,
            Err(error) => return self.refuse(delivery, payload, Reason::Undecodable, &error).await,
        };
        let unreachable = self.directory.borrow().unreachable(&arrival.call.function);
        match unreachable {
            Some(faults) => self.refuse(delivery, payload, Reason::Undecodable, &faults).await,
            None => self.accept(delivery, arrival).await,
        }
    }

    fn read_arrival(&self, delivery: &Delivery, payload: &[u8]) -> Result<Arrival, Unreadable> {
        QueueRequest::decode(payload)?.arrive(&delivery.id, delivery.stored_at.unwrap_or_else(|| self.clock.now()))
    }

    async fn accept(&self, delivery: &Delivery, Arrival { mut call, queue }: Arrival) -> Result<(), Error> {
        let lane = LaneKey::new(self.queue_of(&call, queue), call.function.clone());
        let mut before = self.recorder.known(&call.id).await;
        // Callers choose ids there; what is told of another tenant's call is his.
        if before.as_ref().is_some_and(|it| it.record.function.namespace() != call.function.namespace()) {
            call.id = CallId::for_turn(&delivery.id);
            tracing::info!(call = %call.id, place = %delivery.id, "a call of OpenFaaS has an id of another namespace's; it is run as this");
            before = self.recorder.known(&call.id).await;
        }
        // The broker remembers an id for two minutes; whoever had this message may have been gone for longer.
        if before.as_ref().is_some_and(|it| is_of(&call, &it.record)) {
            tracing::info!(call = %call.id, place = %delivery.id, "this message of OpenFaaS was taken in before");
            return Ok(());
        }
        let trace = Trace::begin(&self.tracing, self.clock.as_ref(), &mut call.request.headers);
        let stored = self.broker.publish(message(lane.clone(), &call)).await?;
        if !stored.is_new() {
            return self.accept_again(delivery, &lane, call, trace).await;
        }
        if let Some(trace) = trace {
            trace.stored(&call, &lane);
        }
        if self.recorder.keeps(self.keep(&call)) {
            let ready = Record::of(&call, &lane, State::Ready, self.clock.now());
            // An id may have been another call's: of one that called this function, with the result of its own.
            let over = before.filter(|it| it.record.state.is_final()).map_or(0, |it| it.revision);
            self.recorder.note(&Record { place: stored.place(), ..ready }, over).await;
        }
        Ok(())
    }

    /// Another call of the function has the id: callers may choose ids, and OpenFaaS runs all calls that have one. Or it is
    /// this very call, stored by somebody who could not say so any more; then its record tells.
    async fn accept_again(
        &self,
        delivery: &Delivery,
        lane: &LaneKey,
        call: Call,
        trace: Option<Trace<'_>>,
    ) -> Result<(), Error> {
        if self.recorder.known(&call.id).await.is_some_and(|it| is_of(&call, &it.record)) {
            return Ok(());
        }
        let call = Call { id: CallId::for_turn(&delivery.id), ..call };
        tracing::info!(call = %call.id, place = %delivery.id, "a call of OpenFaaS has the id of another; it is run as this");
        self.broker.publish(message(lane.clone(), &call)).await?;
        if let Some(trace) = trace {
            trace.stored(&call, lane);
        }
        Ok(())
    }

    /// The queue of its function; if that is nobody's here, the one that the message names, if somebody serves that: in
    /// another it would lie for ever.
    fn queue_of(&self, call: &Call, named: Option<Queue>) -> Queue {
        let directory = self.directory.borrow();
        if let Some(spec) = directory.get(&call.function) {
            return spec.queue.clone();
        }
        let is_served = |queue: &Queue| directory.names(queue) || self.membership.borrow().is_chosen(queue);
        named.filter(is_served).unwrap_or_default()
    }

    /// Nobody can run it: it is kept as it is, with the reason.
    async fn refuse(
        &self,
        delivery: &Delivery,
        payload: Bytes,
        reason: Reason,
        why: &(dyn std::error::Error + Sync),
    ) -> Result<(), Error> {
        tracing::warn!(place = %delivery.id, %why, "a message of OpenFaaS that is no call is dead");
        let letter = letter(&delivery.lane, reason, format!("{}: {why}", delivery.id), self.clock.now(), payload);
        self.broker.bury(letter, format!("intake/{}", delivery.id), None).await.map(drop)
    }
}

/// Whether a record is of this very call, and not of another that has its id.
fn is_of(call: &Call, told: &Record) -> bool {
    told.function == call.function && told.accepted_at == call.accepted_at
}
