//! How many calls a gateway accepts, each acknowledged by the broker, and how many answers a server gives that does
//! nothing.

use super::{CONNECTIONS, Fabric, path};
use crate::bench::caller;
use crate::bench::child::Child;
use crate::bench::figure::{Samples, Who};
use crate::bench::place::Place;

/// Of so many calls one is made before, to warm up.
const WARM_UP: usize = 10;
/// How many times as many calls the server is measured with that does nothing, and is over with them so much sooner.
const TIMES: usize = 5;

pub(super) async fn run(place: &Place, samples: &mut Samples) -> anyhow::Result<()> {
    samples.add("enqueue", Who::Bare, by_bare_server(place).await?);

    let prefix = place.name();
    let fabric = Fabric::start(place, &prefix, &[]).await?;
    fabric.gateway.register("f", &place.function.url(0), &[]).await?;
    samples.add("enqueue", Who::Fabric, accepted(&fabric.gateway.public, place.calls).await?);
    let (stored, posted) = (place.stored().await?, with_warm_up(place.calls));
    anyhow::ensure!(stored == posted as u64, "{posted} calls were accepted, and {stored} are stored");
    Ok(())
}

/// Answers a second of the server that does nothing.
pub(super) async fn by_bare_server(place: &Place) -> anyhow::Result<f64> {
    let mut server = Child::of_this_program(&["bench-server"], None)?;
    let address = server.line_after("listening: public http://").await?;
    let rate = accepted(&address, TIMES * place.calls).await?;
    server.kill().await?;
    Ok(rate)
}

/// Calls a second that are accepted at an address, after as many as it takes to warm up.
pub(super) async fn accepted(address: &str, calls: usize) -> anyhow::Result<f64> {
    let warm_up = calls / WARM_UP;
    caller::post_all(address, &[path("f")], 0..warm_up, CONNECTIONS).await?;
    caller::post_all(address, &[path("f")], warm_up..warm_up + calls, CONNECTIONS).await
}

/// How many calls [`accepted`] makes for so many that count.
pub(super) fn with_warm_up(calls: usize) -> usize {
    calls / WARM_UP + calls
}
