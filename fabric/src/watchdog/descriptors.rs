//! How many files may be open: each request takes a handful, and shells allow a thousand.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough, and not so many that a program which closes all that it may have open takes long to.
const ENOUGH: u64 = 64 * 1024;

/// Allows as many as are enough, as far as we may.
pub(super) fn allow() {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if now.current.is_none_or(|current| current >= most) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }) {
        tracing::warn!(%error, "no more files may be open than before");
    }
}
