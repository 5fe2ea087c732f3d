//! The bodies of requests.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use super::fault::Fault;
use super::limits::Limits;

/// The body of a request.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// The most that is kept of a body that is not streamed, in bytes.
pub(super) const KEPT_MAX: usize = 512 * 1024 * 1024;

/// The body, once all of it is there.
///
/// # Errors
/// When it is not there in time, breaks off, or is more than is kept.
pub(super) async fn kept(body: Body, limits: Limits) -> Result<Body, Fault> {
    let collected = tokio::select! {
        collected = Limited::new(body, KEPT_MAX).collect() => collected,
        after = limits.read.passed() => return Err(Fault::SlowRequest(after)),
        after = limits.whole.passed() => return Err(Fault::TimedOut(after)),
    };
    match collected {
        Ok(collected) => Ok(Full::new(collected.to_bytes()).map_err(|never| match never {}).boxed_unsync()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::LargeRequest(KEPT_MAX)),
        Err(_) => Err(Fault::CallerGone),
    }
}
