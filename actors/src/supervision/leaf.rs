//! A child that has no children and is only told to stop.

use ractor::{Actor, ActorCell, ActorId, SpawnErr};
use tokio::time::Instant;

use super::tell;

/// How its supervisor speaks to it.
pub(crate) struct Leaf(Box<dyn Fn(Instant) + Send + Sync>);

impl Leaf {
    /// Starts one; `stop` is the message by which it is told to, with the deadline.
    pub(crate) async fn start<A: Actor>(
        actor: A,
        args: A::Arguments,
        supervisor: ActorCell,
        stop: fn(Instant) -> A::Msg,
    ) -> Result<(ActorId, Self), SpawnErr> {
        let (actor, _) = Actor::spawn_linked(None, actor, args, supervisor).await?;
        Ok((actor.get_id(), Self(Box::new(move |deadline| tell(&actor, stop(deadline))))))
    }

    /// Tells it to stop.
    pub(crate) fn drain(&self, deadline: Instant) {
        (self.0)(deadline);
    }
}
