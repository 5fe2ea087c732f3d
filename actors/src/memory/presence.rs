//! The machine as a [`Presence`] port: everybody who shares it hears everybody.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Memory;
use crate::membership::Member;
use crate::port::broker::Error;
use crate::port::presence::{ALIVE_FOR, Sign};
use crate::port::{BoxFuture, BoxStream, Presence};

/// The last sign of everybody, and those who listen.
#[derive(Default)]
pub(super) struct Signs {
    last: BTreeMap<String, (Member, Instant)>,
    listeners: Vec<mpsc::UnboundedSender<Sign>>,
}

impl Signs {
    fn tell(&mut self, sign: &Sign) {
        self.listeners.retain(|listener| listener.send(sign.clone()).is_ok());
    }
}

impl Presence for Memory {
    fn announce(&self, id: &str, member: &Member) -> BoxFuture<'_, Result<(), Error>> {
        let signs = &mut self.machine.state().signs;
        signs.last.insert(id.into(), (member.clone(), Instant::now()));
        signs.tell(&Sign::Alive(id.into(), member.clone()));
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, id: &str) -> BoxFuture<'_, Result<(), Error>> {
        let signs = &mut self.machine.state().signs;
        signs.last.remove(id);
        signs.tell(&Sign::Left(id.into()));
        Box::pin(std::future::ready(Ok(())))
    }

    fn signs(&self) -> BoxFuture<'_, Result<BoxStream<'static, Sign>, Error>> {
        // Unbounded, because signs are as rare as heartbeats.
        let (tell, told) = mpsc::unbounded_channel();
        let signs = &mut self.machine.state().signs;
        let alive = |(_, (_, at)): &(&String, &(Member, Instant))| at.elapsed() <= ALIVE_FOR;
        let last = signs.last.iter().filter(alive).map(|(id, (member, _))| Sign::Alive(id.clone(), member.clone()));
        let last: Vec<Sign> = last.collect();
        signs.listeners.push(tell);
        let next = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        Box::pin(std::future::ready(Ok(futures_util::stream::iter(last).chain(next).boxed())))
    }
}
