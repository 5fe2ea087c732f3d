//! The machine as a [`DeadLetters`] port.

use proto::dead::Filter;
use proto::{CallId, Dead};

use super::Memory;
use super::machine::{Draft, Machine};
use super::store::{Change, Failure, Place, Seq};
use super::window::Space;
use crate::port::broker::{Error, Stored};
use crate::port::dead::Letter;
use crate::port::{BoxFuture, DeadLetters};

impl Memory {
    fn read(&self, number: Seq) -> Result<Letter, Error> {
        let (_, payload) = self.machine.store.load(number)?;
        let dead = Dead::decode(&payload).map_err(|error| Error::Refused(error.into()))?;
        Ok(Letter { number, dead })
    }

    fn matching(&self, filter: &Filter, after: Seq, max: usize) -> Result<Vec<Letter>, Error> {
        let state = self.machine.state();
        let after = state.dead.range(after.saturating_add(1)..);
        let admitted = after.filter(|(_, (lane, call))| filter.admits(lane, call.as_ref()));
        let numbers: Vec<Seq> = admitted.map(|(number, _)| *number).collect();
        drop(state);
        let mut letters = Vec::new();
        for number in numbers {
            if letters.len() == max {
                break;
            }
            // One that was removed in the meantime is none.
            let letter = match self.read(number) {
                Err(_) if !self.machine.state().dead.contains_key(&number) => continue,
                letter => letter?,
            };
            if filter.matches(&letter.dead) {
                letters.push(letter);
            }
        }
        Ok(letters)
    }
}

impl DeadLetters for Memory {
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, Error>> {
        let place = Place::Dead { lane: dead.lane.clone(), call: call.cloned() };
        let draft = Draft { space: Some(Space::Dead), place, id, payload: dead.encode() };
        Box::pin(self.machine.put(draft))
    }

    fn letters(&self, filter: &Filter, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Letter>, Error>> {
        Box::pin(std::future::ready(self.matching(filter, after, max)))
    }

    fn letter(&self, number: u64) -> BoxFuture<'_, Result<Option<Letter>, Error>> {
        let there = self.machine.state().dead.contains_key(&number);
        Box::pin(std::future::ready(there.then(|| self.read(number)).transpose()))
    }

    fn remove_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>> {
        let removed = self.machine.state().dead.remove(&number);
        Box::pin(async move {
            let Some((lane, call)) = removed else { return Ok(false) };
            let apply = move |machine: &Machine, result: &Result<(), Failure>| {
                if result.is_err() {
                    machine.state().place(number, Place::Dead { lane, call });
                }
            };
            self.machine.commit(vec![Change::Remove(number)], apply).await.map(|()| true)
        })
    }

    fn dead_count(&self) -> BoxFuture<'_, Result<u64, Error>> {
        let dead = self.machine.state().dead.len() as u64;
        Box::pin(std::future::ready(Ok(dead)))
    }
}
