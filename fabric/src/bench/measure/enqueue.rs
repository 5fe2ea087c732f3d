//! How many calls a gateway accepts, each acknowledged by the broker, and how many answers a server gives that does
//! nothing.

use super::{CONNECTIONS, Fabric, path};
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    let mut server = Child::of_this_program(&["bench-server"], None)?;
    let address = server.line_after("listening: public http://").await?;
    samples.add("enqueue", Who::Bare, caller::post_all(&address, &[path("f")], place.calls, CONNECTIONS).await?);
    server.kill().await?;

    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    fabric.gateway.register("f", &place.function.url(0), &[]).await?;
    let rate = caller::post_all(&fabric.gateway.public, &[path("f")], place.calls, CONNECTIONS).await?;
    samples.add("enqueue", Who::Fabric, rate);
    Ok(())
}
