//! As many files and connections at once as the system lets a process have.
//!
//! A process begins with a soft limit, often 1,024, which is there for programs that use `select`; the hard one is what an
//! administrator allows. Programs in Go raise the one to the other when they start, so that people have come to expect it
//! ([golang/go#46279](https://github.com/golang/go/issues/46279)). The watchdog does not: its children would inherit it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as macOS lets a process have whose hard limit says that there is none (`OPEN_MAX`).
const WITHOUT_HARD_LIMIT: u64 = 10_240;

/// Raises the soft limit of this process to its hard one. Its children begin with what it has then.
pub fn raise() {
    let before = getrlimit(Resource::Nofile);
    let Some(wanted) = raised(before) else { return };
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..before }) {
        tracing::warn!(%error, wanted, "the number of open files stays as limited as it was");
    }
}

/// How many files this process may have open, if that is limited.
#[must_use]
pub fn most() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The soft limit that is wanted, if it is not the one that there is.
fn raised(Rlimit { current, maximum }: Rlimit) -> Option<u64> {
    let wanted = maximum.unwrap_or(WITHOUT_HARD_LIMIT);
    current.filter(|&current| current < wanted).map(|_| wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one_and_never_less() {
        for (current, maximum, wanted) in [
            (Some(1024), Some(65_536), Some(65_536)),
            (Some(256), None, Some(WITHOUT_HARD_LIMIT)),
            (Some(65_536), Some(65_536), None),
            (Some(20_000), None, None),
            (None, None, None),
        ] {
            assert_eq!(raised(Rlimit { current, maximum }), wanted, "{current:?} of {maximum:?}");
        }
    }
}
