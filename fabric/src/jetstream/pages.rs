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
use super::publish::{store, ttl};
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
/// How long a page of notes may take to be stored: then they are lost.
const NOTED_WITHIN: Duration = Duration::from_secs(1);

/// A record on its way into a page.
#[derive(Clone)]
pub(super) struct Entry {
    window: Window,
    lane: LaneKey,
    keep_for: Duration,
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

    /// Whether there is somebody who stores ends.
    pub(super) fn is_open(&self) -> bool {
        !self.ends.is_closed()
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

    /// Waits until what was noted is stored.
    pub(super) async fn flush(&self) {
        while !self.noted.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            sleep(NOTED_EVERY / 5).await;
        }
    }

    /// All that is told of a call in pages, in order.
    pub(super) async fn told(&self, call: &CallId) -> Result<Vec<Record>, Error> {
        let Some(window) = Window::of(call) else { return Ok(Vec::new()) };
        // Before the pages: what is no longer here by the time they are read is in them.
        let own = {
            let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.iter().filter(|(id, _)| id == call).map(|(_, entry)| entry.bytes.clone()).collect::<Vec<_>>()
        };
        let pages = self.reader.all(&self.subjects.pages_stream(), &self.subjects.page(window)).await?;
        let mut told = Vec::new();
        for bytes in own.into_iter().chain(pages.into_iter().map(|found| found.payload)) {
            told.extend(page::read(&bytes).into_iter().filter(|record| record.id == *call));
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
                let pages = pages(next.drain(..), page_len_max(&client));
                rounds.push(join_all(pages.into_iter().map(|page| store_page(&client, &subjects, page))).map(drop));
            }
        }
    }
}

/// Stores a page. Where it cannot be stored for another reason than that the broker is away, each of its entries is
/// tried by itself, so that each hears what is wrong with it.
async fn store_page(client: &Client, subjects: &Subjects, page: Page<Told>) {
    let bytes = page.bytes();
    let Page { window, lane, keep_for, entries } = page;
    let put = async |bytes| {
        let headers = headers([(NATS_MESSAGE_TTL, ttl(keep_for))]);
        store(client, subjects.page(window), headers, bytes, &lane).await
    };
    match put(bytes).await {
        Err(error @ (Error::TooLarge { .. } | Error::StorageFull(_) | Error::Refused(_) | Error::Full { .. })) => {
            tracing::debug!(%window, %error, "a page was not stored; trying its entries one by one");
            for (bytes, told) in entries {
                tell(told, put(bytes).await);
            }
        }
        stored => {
            for (_, told) in entries {
                let away = |error: &Error| Error::Away(error.to_string().into());
                tell(told, stored.as_ref().copied().map_err(away));
            }
        }
    }
}

fn tell(told: Told, answer: Result<Stored, Error>) {
    // Whoever is gone has given the call up.
    drop(told.send(answer));
}

async fn store_notes(client: Client, subjects: Subjects, noted: Arc<Mutex<Vec<(CallId, Entry)>>>) {
    loop {
        sleep(NOTED_EVERY).await;
        let entries: Vec<_> = {
            let noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.iter().map(|(_, entry)| (entry.clone(), ())).collect()
        };
        let stored = entries.len();
        for page in pages(entries, page_len_max(&client)) {
            let (headers, bytes) = (headers([(NATS_MESSAGE_TTL, ttl(page.keep_for))]), page.bytes());
            let stored = store(&client, subjects.page(page.window), headers, bytes, &page.lane);
            if !matches!(timeout(NOTED_WITHIN, stored).await, Ok(Ok(_))) {
                tracing::debug!(window = %page.window, "that calls were accepted could not be noted");
            }
        }
        // Only now: until they are stored, whoever asks here is told from these.
        noted.lock().unwrap_or_else(PoisonError::into_inner).drain(..stored);
    }
}

/// Entries that are stored as one message.
struct Page<T> {
    window: Window,
    /// Of one of them: a refusal names it.
    lane: LaneKey,
    keep_for: Duration,
    entries: Vec<(Bytes, T)>,
}

impl<T> Page<T> {
    /// Its entries, one after the other.
    fn bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.entries.iter().map(|(bytes, _)| bytes.len()).sum());
        for (entry, _) in &self.entries {
            bytes.extend_from_slice(entry);
        }
        bytes.into()
    }
}

impl Entry {
    /// A record that is to be kept for so long, if the time is in its call's id and it is not too long.
    pub(super) fn of(record: &Record, keep_for: Duration) -> Option<Self> {
        let (window, bytes) = (Window::of_record(record)?, record.encode());
        (bytes.len() <= RECORD_LEN_MAX).then(|| Self { window, lane: record.lane(), keep_for, bytes })
    }
}

/// How long a page may be, in bytes: what a server takes may be less than usual.
fn page_len_max(client: &Client) -> usize {
    PAGE_LEN_MAX.min(client.max_payload() / 2)
}

/// Puts entries together that belong together, as many as fit.
fn pages<T>(entries: impl IntoIterator<Item = (Entry, T)>, len_max: usize) -> Vec<Page<T>> {
    let (mut open, mut full) = (BTreeMap::<(Window, Duration), (usize, Page<T>)>::new(), Vec::new());
    for (Entry { window, lane, keep_for, bytes }, waiting) in entries {
        let new = || Page { window, lane: lane.clone(), keep_for, entries: Vec::new() };
        let (length, page) = open.entry((window, keep_for)).or_insert_with(|| (0, new()));
        if *length + bytes.len() > len_max {
            *length = 0;
            full.push(std::mem::replace(page, new()));
        }
        *length += bytes.len();
        page.entries.push((bytes, waiting));
    }
    full.extend(open.into_values().map(|(_, page)| page));
    full.retain(|page| !page.entries.is_empty());
    full
}

#[cfg(test)]
mod tests {
    use proto::{Function, Queue};

    use super::*;

    fn entry(window: &str, seconds: u64, length: usize) -> (Entry, usize) {
        let id = CallId::parse(&format!("01a1fb8a-{window}-72c9-9b96-ce5ec40c3cf3")).unwrap();
        let lane = LaneKey::new(Queue::default(), Function::parse("f").unwrap());
        let (window, keep_for) = (Window::of(&id).unwrap(), Duration::from_secs(seconds));
        (Entry { window, lane, keep_for, bytes: vec![0; length].into() }, length)
    }

    #[test]
    fn what_belongs_together_is_put_together_as_far_as_it_fits() {
        let entries = [entry("0000", 1, 10), entry("0100", 1, 20), entry("0000", 1, 30), entry("0000", 2, 40)];
        let waiting = |page: Page<usize>| page.entries.into_iter().map(|(_, waiting)| waiting).collect::<Vec<_>>();
        let mut found: Vec<_> = pages(entries, 40).into_iter().map(waiting).collect();
        found.sort();
        assert_eq!(found, [vec![10, 30], vec![20], vec![40]]);
        let found: Vec<_> = pages([entry("0000", 1, 50), entry("0000", 1, 21), entry("0000", 1, 20)], 40)
            .into_iter()
            .map(waiting)
            .collect();
        assert_eq!(found, [vec![50], vec![21], vec![20]], "also what is too long alone");
    }

    #[test]
    fn a_page_mentions_the_calls_in_it() {
        let call = CallId::parse("01a1fb8a-0000-72c9-9b96-ce5ec40c3cf3").unwrap();
        let other = CallId::parse("01a1fb8a-0000-72c9-9b96-ce5ec40c3cf4").unwrap();
        let page = format!("..{call}..");
        assert!(mentions(page.as_bytes(), &call) && !mentions(page.as_bytes(), &other) && !mentions(b"", &call));
    }
}
