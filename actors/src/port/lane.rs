//! One function's line of ready messages, and the lease on a message taken from it.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::{LaneKey, Timestamp};
use tokio_util::sync::CancellationToken;

use super::broker::Error;
use super::{BoxFuture, BoxStream};

/// The line of one function, as one worker sees it.
pub trait Lane: Send + Sync {
    /// Takes up to `max` messages, oldest first; each is leased to the caller from the moment it is yielded.
    ///
    /// If messages are waiting, yields those that are, up to `max`, and ends. If none is (or the lane's limit of
    /// leases is reached), waits up to `wait` for the first, and ends soon after it. An error ends the stream.
    ///
    /// `enough` ends it as soon as that cannot lose what is on its way: at once, or when `wait` is over. What comes until
    /// then is still yielded.
    ///
    /// Dropping the stream gives back at once whatever was sent for it and not yielded, as far as that is possible;
    /// the rest comes back when its lease ends. Either way it has been delivered once more, to nobody.
    fn pull(
        &self,
        max: NonZeroU32,
        wait: Duration,
        enough: CancellationToken,
    ) -> BoxStream<'static, Result<Delivery, Error>>;

    /// How many messages wait in the lane that are not leased; those that were leased before, and given back, may or
    /// may not be counted.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn waiting(&self) -> BoxFuture<'_, Result<u64, Error>>;

    /// Changes how many messages may be leased at once, all holders together; holds for what is taken from now on.
    ///
    /// # Errors
    /// [`Error::Away`], [`Error::Refused`].
    fn set_limit(&self, limit: Option<NonZeroU32>) -> BoxFuture<'_, Result<(), Error>>;
}

/// A leased message.
#[derive(Clone)]
pub struct Delivery {
    /// The lane it belongs to.
    pub lane: LaneKey,
    /// The id it was stored with.
    pub id: Arc<str>,
    /// Its bytes.
    pub payload: Payload,
    /// When it was stored, where the broker says so.
    pub stored_at: Option<Timestamp>,
    /// How often it has been delivered, this time included.
    pub deliveries: u32,
    /// How many messages waited in the lane behind it when it was taken; of those that come again a broker need not know.
    pub behind: u64,
    /// The lease on it.
    pub lease: Arc<dyn Lease>,
}

/// The bytes of a message.
#[derive(Clone)]
pub enum Payload {
    /// At hand.
    Here(Bytes),
    /// Kept aside by the broker, because they are large: fetched when the call runs, not when it is pulled.
    Aside(Arc<dyn Aside>),
}

/// A payload that the broker keeps aside.
pub trait Aside: Send + Sync {
    /// Fetches it.
    ///
    /// # Errors
    /// [`Error::Away`]; [`Error::Refused`] if it is lost.
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, Error>>;
}

impl Payload {
    /// The bytes, fetched if they are kept aside.
    ///
    /// # Errors
    /// [`Error::Away`]; [`Error::Refused`] if they are lost.
    pub async fn read(&self) -> Result<Bytes, Error> {
        match self {
            Self::Here(bytes) => Ok(bytes.clone()),
            Self::Aside(aside) => aside.fetch().await,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Here(bytes)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("lane", &format_args!("{}", self.lane))
            .field("id", &self.id)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}

/// The right to work on a message for a while.
///
/// A broker need not fence: after a lease has run out, an `ack` may settle somebody else's delivery of the same
/// message. Whoever holds a lease must therefore stop, and settle nothing, once it could not extend it in time.
pub trait Lease: Send + Sync {
    /// Forgets the message for good; answers when that is durable. Everything that follows from the message must be
    /// stored before.
    ///
    /// # Errors
    /// [`Error::Away`]: it may come again. [`Error::Refused`]: the lease is known to have run out.
    fn ack(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Forgets the message like [`ack`](Self::ack), and does not wait until that is durable. For a message that would
    /// do nothing if it came again, because the end of its call is on record: it does if this is lost on the way.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    fn ack_unconfirmed(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Begins the lease anew; answers when the broker has confirmed it. A lane of which any lease is extended is in
    /// use, even if nobody pulls from it.
    ///
    /// # Errors
    /// [`Error::Away`]: the old end still holds. [`Error::Refused`]: the lease is known to have run out.
    fn extend(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Puts the message back, for anybody to take after `delay`; without one, at once and before younger messages.
    /// While it waits out a delay it counts against the lane's limit, so long waits belong into a schedule.
    ///
    /// # Errors
    /// [`Error::Away`]: it comes again when the lease ends. [`Error::Refused`]: it has already.
    fn give_back(&self, delay: Option<Duration>) -> BoxFuture<'_, Result<(), Error>>;
}
