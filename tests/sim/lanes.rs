//! Lanes and leases at the end of a wire.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actors::port::broker::Error;
use actors::port::{BoxFuture, BoxStream, Delivery, Lane, Lease};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ledger::{Event, Line};
use crate::ports::number_in;
use crate::wire::{Wire, away};

/// A lane as a worker sees it.
pub(crate) struct WiredLane {
    pub(crate) lane: Arc<dyn Lane>,
    pub(crate) line: Line,
    pub(crate) wire: Arc<Wire>,
}

impl Lane for WiredLane {
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        enough: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, Error>> {
        let (lane, wire, line) = (self.lane.clone(), self.wire.clone(), self.line);
        let (worker, number) = (wire.worker, wire.number());
        wire.tell(&Event::Pulling { worker, pull: number, line, max: max.get() });
        let pull = Pull { wire, line, number, asked: false, ended: false, came_at: None, inner: None };
        let state = (pull, lane, enough);
        stream::unfold(state, move |(mut pull, lane, enough)| async move {
            if !std::mem::replace(&mut pull.asked, true) {
                if pull.wire.heard().await {
                    pull.inner = Some(lane.pull(max, wait, enough.clone()));
                } else {
                    // Nobody knows of it: it is over when its time is.
                    sleep(wait).await;
                }
            }
            let item = pull.next().await?;
            Some((item, (pull, lane, enough)))
        })
        .boxed()
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(self.wire.ask(|| self.lane.waiting()))
    }

    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.wire.ask(move || self.lane.set_limit(limit)))
    }
}

/// A pull under way.
struct Pull {
    wire: Arc<Wire>,
    line: Line,
    number: u64,
    asked: bool,
    ended: bool,
    /// When a message came last.
    came_at: Option<Instant>,
    inner: Option<BoxStream<'static, Result<Delivery, Error>>>,
}

impl Pull {
    async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if self.ended {
                return None;
            }
            let Some(item) = (match &mut self.inner {
                Some(inner) => inner.next().await,
                None => None,
            }) else {
                // A worker that hears nothing finds out, and says so once.
                self.ended = true;
                return if self.inner.is_some() && self.wire.is_open() { None } else { Some(Err(away())) };
            };
            // What is lost on the way is leased to nobody until its lease ends.
            let together = self.came_at == Some(Instant::now());
            let arrives = self.wire.answered(together).await;
            self.came_at = Some(Instant::now());
            if arrives {
                return Some(item.map(|delivery| self.delivered(delivery)));
            }
        }
    }

    fn delivered(&self, delivery: Delivery) -> Delivery {
        let (number, wire) = (self.wire.number(), self.wire.clone());
        wire.leased(number, delivery.lease.clone());
        wire.tell(&Event::Delivered {
            worker: wire.worker,
            pull: self.number,
            line: self.line,
            lease: number,
            call: number_in(&delivery.id),
            message: delivery.id.clone(),
            deliveries: delivery.deliveries,
        });
        let lease = WiredLease { lease: delivery.lease.clone(), number, wire };
        Delivery { lease: Arc::new(lease), ..delivery }
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.wire.tell(&Event::Pulled { worker: self.wire.worker, pull: self.number });
        if let Some(inner) = self.inner.take() {
            self.wire.abandon(inner);
        }
    }
}

/// A lease as a worker holds it.
struct WiredLease {
    lease: Arc<dyn Lease>,
    number: u64,
    wire: Arc<Wire>,
}

impl Drop for WiredLease {
    fn drop(&mut self) {
        self.wire.let_go(self.number);
    }
}

impl Lease for WiredLease {
    fn ack(&self) -> BoxFuture<'_, Result<(), Error>> {
        let (worker, lease) = (self.wire.worker, self.number);
        let ack = async move {
            let answer = self.lease.ack().await;
            self.wire.tell(&match answer {
                Ok(()) => Event::Acked { worker, lease },
                Err(_) => Event::AckedLate { worker, lease },
            });
            answer
        };
        Box::pin(self.wire.ask(move || Box::pin(ack)))
    }

    fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            // Whether it was heard nobody is told.
            if self.wire.heard().await {
                let (worker, lease) = (self.wire.worker, self.number);
                self.wire.tell(&match self.lease.ack_unconfirmed().await {
                    Ok(()) => Event::Acked { worker, lease },
                    Err(_) => Event::AckedLate { worker, lease },
                });
            }
            Ok(())
        })
    }

    fn extend(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.wire.ask(|| self.lease.extend()))
    }

    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        let (worker, lease) = (self.wire.worker, self.number);
        let give_back = async move {
            let answer = self.lease.give_back(delay).await;
            if answer.is_ok() {
                self.wire.tell(&Event::GivenBack { worker, lease, delay: delay.unwrap_or_default() });
            }
            answer
        };
        Box::pin(self.wire.ask(move || Box::pin(give_back)))
    }
}
