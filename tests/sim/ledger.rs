//! Everything that happens, in order: told to the checkers as it does, and summed up in a hash.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::record::State;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::checkers::{self, Checker};
use crate::plan::Plan;

/// Which line a message was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Line {
    /// A function's lane.
    Function(usize),
    /// One of those for callbacks.
    Callbacks,
    /// What is due.
    Due,
}

/// How a run of a function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It answered so.
    Answered(u16),
    /// It was not there, or had no room: nothing ran.
    Busy,
    /// Something ran, and nobody heard what came of it.
    Broken,
    /// The worker broke it off.
    Cut,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A caller was told that his call is stored; one of the quiet function, or of another.
    Accepted { call: u32, quiet: bool },
    /// A caller asks for his call to be cancelled.
    Cancelling { call: u32 },
    /// A caller was told that his call is cancelled, or how it ended instead; nothing if it is not known.
    Cancelled { call: u32, state: Option<State> },
    /// A worker is up.
    Up { worker: usize },
    /// A worker is gone without a word.
    Killed { worker: usize },
    /// A worker was told to go by then.
    Draining { worker: usize, by: Duration },
    /// A worker has gone in good order, or has failed.
    Gone { worker: usize, failed: Option<String> },
    /// Something is wrong between a worker and the broker, for so long.
    Wrong { worker: usize, lasts: Duration },
    /// A worker asks for messages.
    Pulling { worker: usize, pull: u64, line: Line, max: u32 },
    /// It does no more.
    Pulled { worker: usize, pull: u64 },
    /// A worker was handed a message.
    Delivered { worker: usize, pull: u64, line: Line, lease: u64, call: u32, message: Arc<str>, deliveries: u32 },
    /// It has nothing more to do with it.
    LetGo { worker: usize, lease: u64 },
    /// The broker has forgotten a message, as it was told.
    Acked { worker: usize, lease: u64 },
    /// It was told to, by somebody who has it no more; whether the message is still there.
    AckedLate { worker: usize, lease: u64 },
    /// A message was given back, to be taken after `delay`.
    GivenBack { worker: usize, lease: u64, delay: Duration },
    /// The broker forgot that somebody has it.
    Forgotten { worker: usize, lease: u64 },
    /// A function was asked; the receiver of callbacks, with the state it was told.
    Began { worker: usize, run: u64, call: u32, function: usize, attempt: u32, state: Option<String> },
    /// That came to this.
    Finished { run: u64, outcome: Outcome },
    /// A retry is stored, just now or since before.
    Scheduled { worker: usize, call: u32, message: Arc<str>, new: bool },
    /// The end of a call was stored; how it stands on record then.
    Ended { worker: usize, call: u32, state: State },
    /// Something was noted of a call; how it stands on record then.
    Noted { worker: usize, call: u32, state: State },
    /// At the end of the world: how a call stands on record.
    OnRecord { call: u32, state: State },
    /// At the end of the world: a call lies among the dead letters.
    Buried { call: u32 },
}

/// An invariant that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) invariant: &'static str,
    /// By what.
    pub(crate) what: String,
    /// When, by the virtual clock.
    pub(crate) at: Duration,
}

/// Where everything is told.
pub(crate) struct Ledger {
    began: Instant,
    loud: bool,
    state: Mutex<Book>,
    /// Woken when an invariant is broken.
    pub(crate) alarm: Notify,
}

struct Book {
    hash: DefaultHasher,
    count: u64,
    checkers: Vec<Box<dyn Checker>>,
    broken: Option<Broken>,
}

impl Ledger {
    /// An empty one; `loud` if what happens is to be printed.
    pub(crate) fn new(plan: &Arc<Plan>, loud: bool) -> Self {
        let book = Book { hash: DefaultHasher::new(), count: 0, checkers: checkers::all(plan), broken: None };
        Self { began: Instant::now(), loud, state: Mutex::new(book), alarm: Notify::new() }
    }

    /// A checker that panicked is reported by its panic.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the world began.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Something happened.
    pub(crate) fn tell(&self, event: &Event) {
        let at = self.now();
        if self.loud {
            eprintln!("{at:>12.3?} {event:?}");
        }
        let mut book = self.book();
        (at, event).hash(&mut book.hash);
        book.count += 1;
        let found = book.checkers.iter_mut().find_map(|checker| Some((checker.name(), checker.saw(at, event).err()?)));
        drop(book);
        if let Some((invariant, what)) = found {
            self.accuse(invariant, what);
        }
    }

    /// An invariant is broken; the first counts.
    pub(crate) fn accuse(&self, invariant: &'static str, what: String) {
        let at = self.now();
        self.book().broken.get_or_insert(Broken { invariant, what, at });
        self.alarm.notify_one();
    }

    /// All is over: what the checkers say to that.
    pub(crate) fn close(&self) {
        let mut book = self.book();
        let found = book.checkers.iter_mut().find_map(|checker| Some((checker.name(), checker.closed().err()?)));
        drop(book);
        if let Some((invariant, what)) = found {
            self.accuse(invariant, what);
        }
    }

    /// The invariant that was broken first, if one was.
    pub(crate) fn broken(&self) -> Option<Broken> {
        self.book().broken.clone()
    }

    /// How many events there were, and their hash.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let book = self.book();
        (book.count, book.hash.finish())
    }
}
