//! Payloads that are larger than the server takes: kept aside in pieces, the message carrying only a claim on them
//! (Hohpe and Woolf, "Claim Check", Enterprise Integration Patterns).
//!
//! | order | a crash after it leaves |
//! |---|---|
//! | the pieces are stored | pieces nobody has a claim on, until the stream forgets them |
//! | the message with the claim is stored | both, as it should be |
//! | the message is settled | the pieces, as above |
//! | the pieces are removed | nothing |
//!
//! Every message has pieces of its own, so no count of claims is kept that could be wrong. NATS's own object store is
//! not used because its client forgets the pieces of an upload that failed: a store that was full once would stay so.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors::port::broker::{Error, Stored};
use actors::port::{Aside, BoxFuture};
use async_nats::header::HeaderName;
use async_nats::jetstream::Context;
use async_nats::{Client, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::LaneKey;
use proto::subject::Subjects;
use proto::when::DELAY_MAX;
use tokio::time::sleep;
use uuid::Uuid;

use super::publish::store;
use super::read::{At, Reader};

/// The header that holds a claim.
const CLAIM: HeaderName = HeaderName::from_static("Fabric-Claim");
/// How long pieces are kept: longer than any message, be it delayed for a year and then a dead letter for a month.
pub(super) const KEPT_FOR: Duration = DELAY_MAX.saturating_add(Duration::from_secs(90 * 24 * 60 * 60));
/// The longest payload there can be, in bytes: the longest body, and what stands around it.
const LEN_MAX: usize = 1024 * 1024 * 1024;
/// How many pieces are on their way at once.
const AT_ONCE: usize = 8;
/// How long pieces that are on their way may take to arrive.
const ARRIVED_WITHIN: Duration = Duration::from_secs(5);

/// Where pieces are kept.
#[derive(Clone)]
pub(super) struct Shelf {
    client: Client,
    context: Context,
    reader: Reader,
    subjects: Subjects,
}

impl Shelf {
    pub(super) fn new(client: Client, context: Context, reader: Reader, subjects: Subjects) -> Self {
        Self { client, context, reader, subjects }
    }

    /// Keeps `payload` aside, in pieces that are as large as a message may be; the claim on it. If that does not come
    /// to its end, for whatever reason, the pieces that were stored are removed.
    pub(super) async fn put(&self, payload: Bytes, piece: usize, lane: &LaneKey) -> Result<Claim, Error> {
        let name = Uuid::now_v7().simple().to_string();
        let pieces: Vec<Bytes> =
            (0..payload.len()).step_by(piece).map(|at| payload.slice(at..payload.len().min(at + piece))).collect();
        let claim = Claim { shelf: self.clone(), name, len: payload.len(), pieces: pieces.len() };
        let unfinished = Unfinished(Some(claim.clone()));
        let failure = OnceLock::new();
        let stored = pieces.into_iter().enumerate().map(|(index, piece)| {
            let (subject, failure) = (self.subjects.payload(&claim.name, index), &failure);
            async move {
                // After a failure no more are sent; those on their way are waited for, so that they can be removed.
                if failure.get().is_none()
                    && let Err(error) = store(&self.client, subject, HeaderMap::new(), piece, lane).await
                {
                    // Only the first is told.
                    drop(failure.set(error));
                }
            }
        });
        stream::iter(stored).buffer_unordered(AT_ONCE).collect::<()>().await;
        unfinished.finish();
        match failure.into_inner() {
            None => Ok(claim),
            Some(error) => {
                claim.remove().await;
                Err(error)
            }
        }
    }

    /// The claim that a message carries, if it carries one that [`put`](Self::put) can have written.
    pub(super) fn claim(&self, headers: Option<&HeaderMap>) -> Option<Claim> {
        let mut parts = headers?.get(CLAIM)?.as_str().split('/');
        let name = Uuid::try_parse(parts.next()?).ok()?.simple().to_string();
        let (len, pieces) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (len <= LEN_MAX && pieces <= len).then(|| Claim { shelf: self.clone(), name, len, pieces })
    }

    /// The piece that lies under `subject`.
    async fn piece(&self, subject: String) -> Result<Bytes, Error> {
        let found = self.reader.message(&self.subjects.payloads_stream(), At::Last(subject.clone())).await?;
        let gone = || Error::Refused(format!("the payload's piece {subject} is gone").into());
        found.map(|found| found.payload).ok_or_else(gone)
    }
}

/// A claim on a payload that is kept aside. It reads `<name>/<length>/<pieces>`.
#[derive(Clone)]
pub(super) struct Claim {
    shelf: Shelf,
    name: String,
    len: usize,
    pieces: usize,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name, self.len, self.pieces)
    }
}

impl Claim {
    /// Has a message carry it.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(CLAIM, self.to_string());
    }

    /// The message that was to carry it was stored, or not. Where that is not known the payload stays.
    pub(super) async fn settle(self, stored: &Result<Stored, Error>) {
        match stored {
            Ok(Stored::New(_)) | Err(Error::Away(_)) => {}
            Ok(Stored::Duplicate) | Err(_) => self.remove().await,
        }
    }

    /// Nobody needs it any more. What cannot be removed now is forgotten by the stream in time.
    pub(super) async fn remove(self) {
        let Shelf { context, subjects, .. } = &self.shelf;
        let removed = match context.get_stream_no_info(subjects.payloads_stream()).await {
            Ok(stream) => stream.purge().filter(subjects.payload_filter(&self.name)).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = removed {
            tracing::debug!(claim = %self, error, "a payload that was kept aside could not be removed");
        }
    }

    async fn read(self) -> Result<Bytes, Error> {
        let mut payload = BytesMut::with_capacity(self.len);
        let pieces = (0..self.pieces).map(|index| self.shelf.piece(self.shelf.subjects.payload(&self.name, index)));
        let mut pieces = stream::iter(pieces).buffered(AT_ONCE);
        while let Some(piece) = pieces.try_next().await? {
            payload.extend_from_slice(&piece);
        }
        Ok(payload.freeze())
    }
}

impl Aside for Claim {
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(self.clone().read())
    }
}

impl From<Claim> for Arc<dyn Aside> {
    fn from(claim: Claim) -> Self {
        Arc::new(claim)
    }
}

/// Removes what it has a claim on unless it is finished: whoever wanted it stored is gone.
struct Unfinished(Option<Claim>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let (Some(claim), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        #[expect(clippy::disallowed_methods, reason = "drop cannot await; the task ends with one request")]
        runtime.spawn(async move {
            // Pieces on their way are not waited for by anybody any more: they have arrived by then.
            sleep(ARRIVED_WITHIN).await;
            claim.remove().await;
        });
    }
}
