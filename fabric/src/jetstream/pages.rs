//! Pages: records of many calls in one message, where one each would cost the server as much as the calls themselves.
//!
//! Ends are stored as a group commit: what is told while a round is on its way waits for the next, and is acknowledged
//! with it. So a record costs a message of its own where there is one at a time, and next to nothing where there are
//! many. That a call was accepted is noted a moment later, by nobody who waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::port::broker::{Error, Stored};
use async_nats::Client;
use async_nats::header::NATS_MESSAGE_TTL;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use proto::page::Window;
use proto::subject::Subjects;
use proto::{CallId, LaneKey, Record, page};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::lane::headers;
use super::publish::store;
use super::read::Reader;

/// The longest record that shares a page, in bytes: a longer one is worth a message of its own.
const RECORD_LEN_MAX: usize = 16 * 1024;
/// The longest page, in bytes; well below what a server takes by default.
const PAGE_LEN_MAX: usize = 256 * 1024;
/// How many records go into one round.
const ROUND_MAX: usize = 1024;
/// How many rounds are on their way at once: with one alone, a record would wait for two.
const ROUNDS: usize = 2;
/// How long the notes of accepted calls wait for others.
const NOTED_EVERY: Duration = Duration::from_millis(50);
/// How long a client without a connection may take to take a page of notes: then they are lost.
const NOTED_WITHIN: Duration = Duration::from_millis(100);

/// A record on its way into a page.
#[derive(Clone)]
pub(super) struct Entry {
    window: Window,
    lane: LaneKey,
    /// How long it is kept, as the server reads it.
    ttl: String,
    bytes: Bytes,
}

/// One who waits until an entry is stored.
type Told = oneshot::Sender<Result<Stored, Error>>;

/// Writes and reads pages; clones share everything.
#[derive(Clone)]
pub(super) struct Pages {
    subjects: Subjects,
    reader: Reader,
    ends: mpsc::UnboundedSender<(Entry, Told)>,
    noted: Arc<Mutex<Vec<(CallId, Entry)>>>,
    /// Those who write; they end with the last clone.
    _writers: Arc<JoinSet<()>>,
}

impl Pages {
    pub(super) fn new(client: Client, reader: Reader, subjects: Subjects) -> Self {
        // Bounded by the permits of those who wait for each entry.
        let (ends, told) = mpsc::unbounded_channel();
        let noted = Arc::<Mutex<Vec<(CallId, Entry)>>>::default();
        let mut writers = JoinSet::new();
        writers.spawn(store_ends(client.clone(), subjects.clone(), told));
        writers.spawn(store_notes(client, subjects.clone(), noted.clone()));
        Self { subjects, reader, ends, noted, _writers: Arc::new(writers) }
    }

    /// Stores an end; answers when it is durable.
    pub(super) async fn end(&self, entry: Entry) -> Result<Stored, Error> {
        let (tell, told) = oneshot::channel();
        let gone = || Error::Away("the writer of records has ended".into());
        self.ends.send((entry, tell)).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Notes that a call was accepted.
    pub(super) fn note(&self, call: CallId, entry: Entry) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push((call, entry));
    }

    /// Waits until what was noted is sent.
    pub(super) async fn flush(&self) {
        while !self.noted.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            sleep(NOTED_EVERY / 5).await;
        }
    }

    /// All that is told of a call in pages, in order.
    pub(super) async fn told(&self, call: &CallId) -> Result<Vec<Record>, Error> {
        let Some(window) = Window::of(call) else { return Ok(Vec::new()) };
        let pages = self.reader.all(&self.subjects.pages_stream(), &self.subjects.page(window)).await?;
        let own = {
            let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.iter().filter(|(id, _)| id == call).map(|(_, entry)| entry.bytes.clone()).collect::<Vec<_>>()
        };
        let mut told = Vec::new();
        for bytes in own.into_iter().chain(pages.into_iter().map(|found| found.payload)) {
            let records = page::read(&bytes).map_err(|error| Error::Refused(error.into()))?;
            told.extend(records.into_iter().filter(|record| record.id == *call));
        }
        Ok(told)
    }
}

/// Whether a page may tell of a call: its id stands in it as text.
pub(super) fn mentions(page: &[u8], call: &CallId) -> bool {
    let id = call.as_str().as_bytes();
    page.windows(id.len()).any(|text| text == id)
}

async fn store_ends(client: Client, subjects: Subjects, mut told: mpsc::UnboundedReceiver<(Entry, Told)>) {
    let mut rounds = FuturesUnordered::new();
    let mut next = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = rounds.next() => {}
            count = told.recv_many(&mut next, ROUND_MAX), if rounds.len() < ROUNDS => {
                if count == 0 {
                    return;
                }
                let pages = pages(next.drain(..));
                rounds.push(join_all(pages.into_iter().map(|page| store_page(&client, &subjects, page))).map(drop));
            }
        }
    }
}

async fn store_page(client: &Client, subjects: &Subjects, page: Page<Told>) {
    let headers = headers([(NATS_MESSAGE_TTL.as_ref(), page.ttl)]);
    let stored = store(client, subjects.page(page.window), headers, page.bytes.into(), &page.lane).await;
    for one in page.waiting {
        let answer = match &stored {
            Ok(stored) => Ok(*stored),
            Err(error) => Err(Error::Away(error.to_string().into())),
        };
        // Whoever is gone has given the call up.
        drop(one.send(answer));
    }
}

async fn store_notes(client: Client, subjects: Subjects, noted: Arc<Mutex<Vec<(CallId, Entry)>>>) {
    loop {
        sleep(NOTED_EVERY).await;
        let entries = noted.lock().unwrap_or_else(PoisonError::into_inner).len();
        let copy = || {
            let noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.iter().map(|(_, entry)| (entry.clone(), ())).collect::<Vec<_>>()
        };
        for page in pages(copy()) {
            let headers = headers([(NATS_MESSAGE_TTL.as_ref(), page.ttl)]);
            let sent = client.publish_with_headers(subjects.page(page.window), headers, page.bytes.into());
            if !matches!(timeout(NOTED_WITHIN, sent).await, Ok(Ok(()))) {
                tracing::debug!(window = %page.window, "that calls were accepted could not be noted");
            }
        }
        // Only now: until they are sent, whoever asks here is told from these.
        noted.lock().unwrap_or_else(PoisonError::into_inner).drain(..entries);
    }
}

/// Entries that are stored as one message.
struct Page<T> {
    window: Window,
    /// Of one of them: a refusal names it.
    lane: LaneKey,
    ttl: String,
    bytes: Vec<u8>,
    waiting: Vec<T>,
}

impl Entry {
    /// A record that is kept for as long as `ttl` says, if the time is in its call's id and it is not too long.
    pub(super) fn of(record: &Record, ttl: String) -> Option<Self> {
        let (window, bytes) = (Window::of(&record.id)?, record.encode());
        (bytes.len() <= RECORD_LEN_MAX).then(|| Self { window, lane: record.lane(), ttl, bytes })
    }
}

/// Puts entries together that belong together, as many as fit.
fn pages<T>(entries: impl IntoIterator<Item = (Entry, T)>) -> Vec<Page<T>> {
    let (mut open, mut full) = (BTreeMap::<(Window, String), Page<T>>::new(), Vec::new());
    for (Entry { window, lane, ttl, bytes }, waiting) in entries {
        let key = (window, ttl);
        let new = || Page { window, lane: lane.clone(), ttl: key.1.clone(), bytes: Vec::new(), waiting: Vec::new() };
        let page = open.entry(key.clone()).or_insert_with(new);
        if page.bytes.len() + bytes.len() > PAGE_LEN_MAX {
            full.push(std::mem::replace(page, new()));
        }
        page.bytes.extend_from_slice(&bytes);
        page.waiting.push(waiting);
    }
    full.extend(open.into_values());
    full
}

#[cfg(test)]
mod tests {
    use proto::{Function, Queue};

    use super::*;

    fn entry(window: &str, ttl: &str, length: usize) -> (Entry, usize) {
        let id = CallId::parse(&format!("01a1fb8a-{window}-72c9-9b96-ce5ec40c3cf3")).unwrap();
        let lane = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        (Entry { window: Window::of(&id).unwrap(), lane, ttl: ttl.into(), bytes: vec![0; length].into() }, length)
    }

    #[test]
    fn what_belongs_together_is_put_together_as_far_as_it_fits() {
        let entries =
            [entry("0000", "1s", 10), entry("0100", "1s", 20), entry("0000", "1s", 30), entry("0000", "2s", 40)];
        let mut found: Vec<_> = pages(entries).into_iter().map(|page| (page.bytes.len(), page.waiting)).collect();
        found.sort();
        assert_eq!(found, [(20, vec![20]), (40, vec![10, 30]), (40, vec![40])]);
        let large = PAGE_LEN_MAX / 2 + 1;
        let lengths: Vec<_> = pages([entry("0000", "1s", large), entry("0000", "1s", large)])
            .into_iter()
            .map(|page| page.bytes.len())
            .collect();
        assert_eq!(lengths, [large, large]);
    }

    #[test]
    fn a_page_mentions_the_calls_in_it() {
        let call = CallId::parse("01a1fb8a-0000-72c9-9b96-ce5ec40c3cf3").unwrap();
        let other = CallId::parse("01a1fb8a-0000-72c9-9b96-ce5ec40c3cf4").unwrap();
        let page = format!("..{call}..");
        assert!(mentions(page.as_bytes(), &call) && !mentions(page.as_bytes(), &other) && !mentions(b"", &call));
    }
}
