//! Whether the watchdog wants to be sent requests: for orchestrators.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it does; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    accepts: AtomicBool,
    /// A file that is there as long as it does: whoever removes it has it said that it does not.
    lock: Option<PathBuf>,
}

impl Health {
    /// Not yet.
    pub(super) fn new(lock: Option<PathBuf>) -> Self {
        Self(Arc::new(State { accepts: AtomicBool::new(false), lock }))
    }

    /// From now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn begin(&self) -> Result<(), (PathBuf, io::Error)> {
        if let Some(path) = &self.0.lock {
            let written = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            written.map_err(|error| (path.clone(), error))?;
        }
        self.0.accepts.store(true, Ordering::Release);
        Ok(())
    }

    /// No longer.
    pub(super) fn end(&self) {
        self.0.accepts.store(false, Ordering::Release);
        if let Some(path) = &self.0.lock {
            match std::fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(%error, path = %path.display(), "the lock file cannot be removed"),
            }
        }
    }

    /// Whether it does.
    pub(super) fn is_good(&self) -> bool {
        self.0.accepts.load(Ordering::Acquire) && self.0.lock.as_deref().is_none_or(Path::exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_between_its_beginning_and_its_end() {
        let health = Health::new(None);
        assert!(!health.is_good());
        health.begin().unwrap();
        assert!(health.is_good());
        health.end();
        assert!(!health.is_good());
    }

    #[test]
    fn the_lock_file_is_there_for_as_long_and_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let health = Health::new(Some(path.clone()));
        health.begin().unwrap();
        assert!(path.exists() && health.is_good());
        std::fs::remove_file(&path).unwrap();
        assert!(!health.is_good());
        health.begin().unwrap();
        health.end();
        assert!(!path.exists());

        let (named, error) = Health::new(Some(dir.path().join("no/.lock"))).begin().unwrap_err();
        assert_eq!((named, error.kind()), (dir.path().join("no/.lock"), io::ErrorKind::NotFound));
    }
}
