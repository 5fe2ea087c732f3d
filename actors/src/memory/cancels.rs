//! The machine as a [`Cancels`] port.

use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::Memory;
use super::machine::Draft;
use super::store::{Kind, Place};
use crate::port::broker::Error;
use crate::port::cancels::{Mark, REMEMBERED_FOR};
use crate::port::{BoxFuture, BoxStream, Cancels};

impl Memory {
    fn marks(&self) -> Result<Vec<Mark>, Error> {
        let marks = self.machine.state().shelf.all(Kind::Mark, self.machine.clock.now());
        let read = |seq| {
            let (_, payload) = self.machine.store.load(seq)?;
            rmp_serde::from_slice(&payload).map_err(|error| Error::Refused(error.into()))
        };
        marks.into_iter().map(read).collect()
    }
}

impl Cancels for Memory {
    fn cancel(&self, mark: &Mark) -> BoxFuture<'_, Result<(), Error>> {
        let (mark, until) = (mark.clone(), self.machine.clock.now().after(REMEMBERED_FOR));
        Box::pin(async move {
            let payload = rmp_serde::to_vec_named(&mark).map_err(|error| Error::Refused(error.into()))?;
            let place = Place::Kept { kind: Kind::Mark, call: mark.call.clone(), until };
            let draft = Draft { space: None, place, id: mark.call.to_string(), payload: payload.into() };
            self.machine.put(draft).await?;
            self.machine.state().cancels.retain(|listener| listener.send(mark.clone()).is_ok());
            Ok(())
        })
    }

    fn cancelled(&self) -> BoxFuture<'_, Result<BoxStream<'static, Mark>, Error>> {
        // Unbounded, because somebody asked for each of them over HTTP.
        let (tell, told) = mpsc::unbounded_channel();
        self.machine.state().cancels.push(tell);
        let next = futures_util::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        let all = self.marks().map(|marks| futures_util::stream::iter(marks).chain(next).boxed());
        Box::pin(std::future::ready(all))
    }
}
