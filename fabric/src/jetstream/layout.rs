//! The streams, made when missing, checked when not.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actors::port::broker;
use actors::port::cancels::REMEMBERED_FOR;
use actors::port::presence::ALIVE_FOR;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamError};
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, Subject};
use proto::{LaneKey, Queue};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::aside::{KEPT_FOR, Shelf};
use super::check::faults;
use super::denied::Denials;
use super::publish::{away, is_missing};
use super::read::Reader;
use super::shards::Shards;
use super::{Error, Settings};

/// How long a message id is remembered.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// How long dead letters are kept.
const DEAD_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many lanes are remembered; callers choose the hosts of callbacks, and so those lanes.
const PLACES_MAX: usize = 10_000;

/// Where the ready messages of a lane lie.
pub(super) struct Place {
    pub(super) stream: String,
    pub(super) subject: Subject,
}

/// Names, settings, and which streams are known to be there.
pub(super) struct Layout {
    pub(super) context: Context,
    pub(super) settings: Settings,
    shards: Shards,
    pub(super) shelf: Shelf,
    pub(super) reader: Reader,
    /// Messages that are being given back by nobody who could wait for it.
    pub(super) returning: TaskTracker,
    pub(super) denials: Denials,
    present: RwLock<HashSet<String>>,
    /// Where lanes are known to lie.
    places: RwLock<HashMap<LaneKey, Arc<Place>>>,
    /// Held by whoever makes one.
    making: Mutex<()>,
}

impl Layout {
    pub(super) fn new(client: Client, context: Context, settings: Settings) -> Self {
        let shards = Shards::new(context.clone(), settings.subjects.clone(), settings.shards);
        let reader = Reader::new(client.clone(), context.clone(), settings.replicas);
        let shelf = Shelf::new(client, context.clone(), reader.clone(), settings.subjects.clone());
        Self {
            context,
            settings,
            shards,
            shelf,
            reader,
            returning: TaskTracker::new(),
            denials: Denials::default(),
            present: RwLock::default(),
            places: RwLock::default(),
            making: Mutex::default(),
        }
    }

    /// The same, hearing of what the server does not allow.
    pub(super) fn heeding(self, denials: Denials) -> Self {
        Self { denials, ..self }
    }

    /// Makes what every fabric has: schedules, dead letters, records, functions.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        for wanted in self.fixed() {
            self.ensure(wanted).await?;
        }
        let subjects = &self.settings.subjects;
        let common = kv::Config {
            history: 1,
            storage: StorageType::File,
            num_replicas: self.settings.replicas,
            ..kv::Config::default()
        };
        self.ensure_bucket(kv::Config { bucket: subjects.functions_bucket(), ..common.clone() }).await?;
        self.ensure_bucket(kv::Config { bucket: subjects.keys_bucket(), ..common.clone() }).await?;
        let workers = kv::Config { bucket: subjects.workers_bucket(), max_age: ALIVE_FOR, ..common.clone() };
        self.ensure_bucket(workers).await?;
        let cancels = kv::Config { bucket: subjects.cancels_bucket(), max_age: REMEMBERED_FOR, ..common.clone() };
        self.ensure_bucket(cancels).await?;
        self.ensure_bucket(kv::Config { bucket: subjects.queues_bucket(), ..common }).await?;
        self.shards.settle().await
    }

    /// The streams that every fabric has.
    pub(super) fn fixed(&self) -> [Config; 5] {
        [self.later(), self.dead(), self.payloads(), self.calls(), self.pages()]
    }

    async fn ensure_bucket(&self, wanted: kv::Config) -> Result<(), Error> {
        let bucket = wanted.bucket.clone();
        if self.context.get_key_value(&bucket).await.is_err() {
            let made = self.context.create_key_value(wanted).await;
            // Another process that starts now may have been quicker.
            if let Err(error) = made
                && self.context.get_key_value(&bucket).await.is_err()
            {
                return Err(Error::Stream { stream: bucket, why: error.to_string() });
            }
        }
        Ok(())
    }

    /// A key-value bucket that was made at the start. One that is gone by now was removed by somebody.
    pub(super) async fn bucket(&self, name: String) -> Result<kv::Store, broker::Error> {
        self.context.get_key_value(name).await.map_err(|error| {
            let missing = |cause: &GetStreamError| is_missing(&cause.kind());
            match error.source().and_then(|cause| cause.downcast_ref()).is_some_and(missing) {
                true => broker::Error::Refused(error.into()),
                false => away(error),
            }
        })
    }

    /// The shard that a lane lies in.
    pub(super) async fn shard(&self, lane: &LaneKey) -> Result<u16, Error> {
        Ok(lane.function.shard(self.shards.of(&lane.queue).await?))
    }

    /// Every queue that has had any use.
    pub(super) async fn queues(&self) -> Result<BTreeSet<Queue>, Error> {
        self.shards.all().await
    }

    /// How many shards a queue has, if it has had any use: to look at one makes nothing.
    pub(super) async fn known_shards(&self, queue: &Queue) -> Result<Option<u16>, Error> {
        self.shards.known(queue).await
    }

    /// The stream of one shard of a queue, made if it is missing. Its name.
    pub(super) async fn ready_stream(&self, queue: &Queue, shard: u16) -> Result<String, Error> {
        let name = self.settings.subjects.ready_stream(queue, shard);
        if self.is_present(&name) {
            return Ok(name);
        }
        // The first calls of a queue come at once, and one of them makes it.
        let _making = self.making.lock().await;
        if !self.is_present(&name) {
            Box::pin(self.ensure(self.ready(queue, shard))).await?;
            self.present.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        }
        Ok(name)
    }

    /// The streams of all shards of a queue, made if they are missing. Their names.
    pub(super) async fn make_queue(&self, queue: &Queue) -> Result<Vec<String>, Error> {
        let mut streams = Vec::new();
        for shard in 0..self.shards.of(queue).await? {
            streams.push(self.ready_stream(queue, shard).await?);
        }
        Ok(streams)
    }

    /// Where a lane's ready messages lie, in a stream that is made if it is missing. It is looked for once: a gateway asks
    /// for every call.
    pub(super) async fn ready_place(&self, lane: &LaneKey) -> Result<Arc<Place>, Error> {
        let known = self.places.read().unwrap_or_else(PoisonError::into_inner).get(lane).cloned();
        if let Some(place) = known {
            return Ok(place);
        }
        let shard = self.shard(lane).await?;
        let stream = self.ready_stream(&lane.queue, shard).await?;
        let place = Arc::new(Place { stream, subject: self.settings.subjects.ready(lane, shard).into() });
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert(lane.clone(), place.clone());
        Ok(place)
    }

    fn is_present(&self, name: &str) -> bool {
        self.present.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Somebody may have removed a stream: the next use looks again.
    pub(super) fn forget(&self, stream: &str) {
        self.present.write().unwrap_or_else(PoisonError::into_inner).remove(stream);
        self.places.write().unwrap_or_else(PoisonError::into_inner).retain(|_, place| place.stream != stream);
    }

    pub(super) fn ready(&self, queue: &Queue, shard: u16) -> Config {
        let Settings { subjects, quotas, replicas, .. } = &self.settings;
        Config {
            name: subjects.ready_stream(queue, shard),
            subjects: vec![subjects.ready_filter(queue, shard)],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            max_messages: limit(quotas.queue),
            max_messages_per_subject: limit(quotas.function),
            ..common(*replicas)
        }
    }

    fn later(&self) -> Config {
        let Settings { subjects, replicas, .. } = &self.settings;
        Config {
            name: subjects.later_stream(),
            subjects: vec![subjects.later_filter(), subjects.due_filter()],
            retention: RetentionPolicy::WorkQueue,
            allow_message_schedules: true,
            ..common(*replicas)
        }
    }

    fn dead(&self) -> Config {
        let Settings { subjects, replicas, .. } = &self.settings;
        Config {
            name: subjects.dead_stream(),
            subjects: vec![subjects.dead_filter()],
            retention: RetentionPolicy::Limits,
            max_age: DEAD_FOR,
            ..common(*replicas)
        }
    }

    /// One record for each call, each kept for as long as it says itself.
    fn calls(&self) -> Config {
        let Settings { subjects, replicas, .. } = &self.settings;
        Config {
            name: subjects.calls_stream(),
            subjects: vec![subjects.calls_filter()],
            retention: RetentionPolicy::Limits,
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            ..common(*replicas)
        }
    }

    /// Records of many calls each; those of one window together, each kept for as long as it says itself.
    fn pages(&self) -> Config {
        let Settings { subjects, replicas, .. } = &self.settings;
        Config {
            name: subjects.pages_stream(),
            subjects: vec![subjects.pages_filter()],
            retention: RetentionPolicy::Limits,
            allow_message_ttl: true,
            ..common(*replicas)
        }
    }

    fn payloads(&self) -> Config {
        let Settings { subjects, replicas, .. } = &self.settings;
        Config {
            name: subjects.payloads_stream(),
            subjects: vec![subjects.payloads_filter()],
            retention: RetentionPolicy::Limits,
            // A piece that there is no room for is refused; none that is there goes for it.
            discard: DiscardPolicy::New,
            max_age: KEPT_FOR,
            ..common(*replicas)
        }
    }

    /// Asks for a stream; that it may not be made is told by nobody but the connection.
    async fn create(&self, wanted: &Config) -> Result<Result<Stream, CreateStreamError>, Error> {
        let subject = format!("$JS.API.STREAM.CREATE.{}", wanted.name);
        let asked = self.context.create_stream(wanted.clone());
        let made = self.denials.unless_denied(Some(&subject), asked).await;
        made.map_err(|denied| Error::NotMade { stream: wanted.name.clone(), denied })
    }

    async fn ensure(&self, wanted: Config) -> Result<(), Error> {
        let stream = wanted.name.clone();
        let failed = |why: String| Error::Stream { stream: stream.clone(), why };
        let found = match self.context.get_stream(&stream).await {
            Ok(found) => found.cached_info().config.clone(),
            Err(error) if is_missing(&error.kind()) => match self.create(&wanted).await? {
                Ok(made) => {
                    tracing::info!(stream, "made");
                    made.cached_info().config.clone()
                }
                // Another process made it just now, with other settings perhaps.
                Err(error) if exists(&error.kind()) => {
                    let found = self.context.get_stream(&stream).await.map_err(|error| failed(error.to_string()))?;
                    found.cached_info().config.clone()
                }
                Err(error) => return Err(failed(error.to_string())),
            },
            Err(error) => return Err(failed(error.to_string())),
        };
        let quotas = |config: &Config| (config.max_messages, config.max_messages_per_subject);
        if quotas(&found) != quotas(&wanted) {
            let (queue, function) = quotas(&found);
            tracing::warn!(stream, queue, function, "the quotas of a stream that is there hold, not those asked for");
        }
        let faults = faults(&found, &wanted);
        if faults.is_empty() { Ok(()) } else { Err(Error::Unsafe { stream, faults }) }
    }
}

fn exists(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

fn limit(quota: u64) -> i64 {
    i64::try_from(quota).unwrap_or(i64::MAX)
}

fn common(replicas: usize) -> Config {
    Config {
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
        max_consumers: -1,
        ..Config::default()
    }
}
