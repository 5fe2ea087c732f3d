//! The thread that writes: everything that waits is one transaction, one `fsync`.
//!
//! After an I/O error, a full disk for instance, redb wants the database opened anew. That is done here, at the next
//! commit, so that a broker refuses calls while the disk is full and takes them again when there is room.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use actors::memory::{Change, Done, Failure, Recovered, Seq, Store};
use actors::port::control::Key;
use bytes::Bytes;
use proto::Timestamp;
use redb::{
    CommitError, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableError, TransactionError,
};

use super::Error;
use super::format::{self, Damaged, ENTRIES, FORMAT, IDS, META, RECORDS, REVISIONS};

/// Commits made together, at the most: bounds the memory of a transaction.
const TOGETHER_MAX: usize = 4096;
/// What redb may keep of the file in memory: enough for the upper levels of the trees and what was just written; the
/// operating system keeps the rest.
const CACHE: usize = 16 * 1024 * 1024;

/// Under which name the last revision is kept.
const LAST_REVISION: &str = "revision";

/// The database, and how to open it again.
#[derive(Clone)]
pub(super) struct File {
    path: PathBuf,
    /// Absent after an error, until it is opened again.
    database: Arc<RwLock<Option<Database>>>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let database = open(path)?;
        Ok(Self { path: path.into(), database: Arc::new(RwLock::new(Some(database))) })
    }

    /// Everything but the payloads.
    pub(super) fn recover(&self) -> Result<Recovered, Error> {
        self.read(|database| {
            let transaction = database.begin_read()?;
            let mut recovered = Recovered { next: 1, ..Recovered::default() };
            for row in transaction.open_table(ENTRIES)?.iter()? {
                let (seq, row) = row?;
                recovered.entries.push((seq.value(), format::place(seq.value(), row.value())?));
            }
            for row in transaction.open_table(IDS)?.iter()? {
                let (key, at) = row?;
                let (space, id) = format::parse_id_key(key.value())
                    .ok_or_else(|| Damaged::new(&format_args!("id {:?}", key.value()), &"it has no space"))?;
                recovered.remembered.push((space, id, Timestamp::from_unix_nanos(at.value())));
            }
            recovered.remembered.sort_by_key(|&(_, _, at)| at);
            let revisions = transaction.open_table(REVISIONS)?;
            for row in transaction.open_table(RECORDS)?.iter()? {
                let (name, record) = row?;
                let key = Key::parse(name.value())
                    .map_err(|error| Damaged::new(&format_args!("record {:?}", name.value()), &error))?;
                let revision = revisions.get(name.value())?.map(|revision| revision.value()).unwrap_or_default();
                recovered.records.push((key, (revision, Bytes::copy_from_slice(record.value()))));
            }
            let last = transaction.open_table(META)?.get(LAST_REVISION)?.map(|revision| revision.value());
            recovered.revision = last.unwrap_or_default();
            Ok(recovered)
        })
        .map_err(|source| Error::Unreadable { file: self.path.clone(), source })
    }

    fn read<T>(&self, read: impl FnOnce(&Database) -> Result<T, Cause>) -> Result<T, Cause> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        read(database.as_ref().ok_or("it is closed after an error")?)
    }

    fn commit(&self, changes: &[&Change]) -> Result<(), Cause> {
        self.read(|database| {
            let transaction = database.begin_write()?;
            {
                let mut entries = transaction.open_table(ENTRIES)?;
                let mut ids = transaction.open_table(IDS)?;
                let mut records = transaction.open_table(RECORDS)?;
                let mut revisions = transaction.open_table(REVISIONS)?;
                let mut meta = transaction.open_table(META)?;
                for change in changes {
                    match change {
                        Change::Put(space, entry) => {
                            entries.insert(entry.seq, &*format::row(entry)?)?;
                            if let Some(space) = space {
                                ids.insert(&*format::id_key(space, &entry.id), entry.at.unix_nanos())?;
                            }
                        }
                        Change::Remove(seq) => drop(entries.remove(seq)?),
                        Change::Forget(space, id) => drop(ids.remove(&*format::id_key(space, id))?),
                        Change::Record(key, Some((revision, record))) => {
                            records.insert(&*key.to_string(), &**record)?;
                            revisions.insert(&*key.to_string(), revision)?;
                            meta.insert(LAST_REVISION, revision)?;
                        }
                        Change::Record(key, None) => {
                            records.remove(&*key.to_string())?;
                            revisions.remove(&*key.to_string())?;
                        }
                    }
                }
            }
            Ok(transaction.commit()?)
        })
    }

    /// Whether the transaction that `changes` were in took effect although it failed.
    fn has(&self, changes: &[&Change]) -> bool {
        let first = changes.iter().find_map(|change| match change {
            Change::Put(_, entry) => Some(entry.seq),
            Change::Remove(_) | Change::Forget(..) | Change::Record(..) => None,
        });
        let has = |seq: Seq| self.read(|database| Ok(database.begin_read()?.open_table(ENTRIES)?.get(seq)?.is_some()));
        first.is_some_and(|seq| has(seq).unwrap_or(false))
    }

    fn reopen(&self) -> Result<(), Error> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: the file admits one at a time.
        *database = None;
        *database = Some(open(&self.path)?);
        Ok(())
    }

    fn close(&self) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn open(path: &Path) -> Result<Database, Error> {
    let unreadable = |source: Cause| match is_full(&*source) {
        true => Error::Full { file: path.into(), source },
        false => Error::Unreadable { file: path.into(), source },
    };
    let database = match Database::builder().set_cache_size(CACHE).create(path) {
        Ok(database) => database,
        Err(DatabaseError::DatabaseAlreadyOpen) => return Err(Error::InUse { file: path.into() }),
        Err(error) => return Err(unreadable(error.into())),
    };
    let found = prepare(&database).map_err(unreadable)?;
    if found != FORMAT {
        return Err(Error::Format { file: path.into(), found, known: FORMAT });
    }
    Ok(database)
}

/// Makes the tables of a new file; the format of the file.
fn prepare(database: &Database) -> Result<u64, Cause> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("format")?.map(|format| format.value());
        if found.is_none() {
            meta.insert("format", FORMAT)?;
        }
        found.unwrap_or(FORMAT)
    };
    if found == FORMAT {
        transaction.open_table(ENTRIES)?;
        transaction.open_table(IDS)?;
        let records = transaction.open_table(RECORDS)?;
        let (mut revisions, mut meta) = (transaction.open_table(REVISIONS)?, transaction.open_table(META)?);
        let mut last = meta.get(LAST_REVISION)?.map(|revision| revision.value()).unwrap_or_default();
        for row in records.iter()? {
            let (key, _) = row?;
            if revisions.get(key.value())?.is_none() {
                last += 1;
                revisions.insert(key.value(), last)?;
                meta.insert(LAST_REVISION, last)?;
            }
        }
    }
    transaction.commit()?;
    Ok(found)
}

enum Job {
    Commit(Vec<Change>, Done),
    Close,
}

/// The store: hands changes to the thread, reads payloads itself.
pub(super) struct Writer {
    file: File,
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(file: File) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let writing = file.clone();
        let thread =
            std::thread::Builder::new().name("fabric-writer".into()).spawn(move || write(&writing, &waiting))?;
        Ok(Self { file, jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Waits until everything handed over is written.
    pub(super) fn close(&self) {
        if self.jobs.send(Job::Close).is_ok()
            && let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes to disk panicked");
        }
    }
}

impl Store for Writer {
    fn commit(&self, changes: Vec<Change>, done: Done) {
        if let Err(unsent) = self.jobs.send(Job::Commit(changes, done))
            && let Job::Commit(_, done) = unsent.0
        {
            done(Err(Failure::Broken("the broker is closed".into())));
        }
    }

    /// A read of what was written moments ago comes from memory, a read of what is old from the page cache or the
    /// disk: short enough to be done where it is asked for.
    fn load(&self, seq: Seq) -> Result<(String, Bytes), Failure> {
        let read = self.file.read(|database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let row = entries.get(seq)?.ok_or_else(|| Damaged::new(&format_args!("entry {seq}"), &"it is missing"))?;
            Ok(format::message(seq, row.value())?)
        });
        read.map_err(|cause| Failure::Broken(cause.to_string()))
    }
}

fn write(file: &File, jobs: &Receiver<Job>) {
    let mut closing = false;
    while !closing && let Ok(first) = jobs.recv() {
        let mut together = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Commit(changes, done) => together.push((changes, done)),
                Job::Close => {
                    closing = true;
                    break;
                }
            }
            if together.len() < TOGETHER_MAX {
                next = jobs.try_recv().ok();
            }
        }
        let result = commit(file, &together.iter().flat_map(|(changes, _)| changes).collect::<Vec<_>>());
        for (_, done) in together {
            done(result.clone());
        }
    }
    file.close();
}

/// Commits; after an error once more, on the database opened anew.
fn commit(file: &File, changes: &[&Change]) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let Err(first) = file.commit(changes) else { return Ok(()) };
    tracing::warn!(error = %first, "writing to disk failed; opening the database anew");
    let again = file.reopen().map_err(Cause::from).and_then(|()| match file.has(changes) {
        true => Ok(()),
        false => file.commit(changes),
    });
    again.map_err(|error| {
        tracing::error!(%error, "writing to disk failed; nothing of it is stored");
        if is_full(&*first) || is_full(&*error) {
            Failure::Full(error.to_string())
        } else {
            Failure::Broken(error.to_string())
        }
    })
}

/// Whether an error of redb, whatever it is wrapped in, comes from a disk without room.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let storage = None
        .or_else(|| error.downcast_ref::<StorageError>())
        .or_else(|| match error.downcast_ref::<CommitError>()? {
            CommitError::Storage(storage) => Some(storage),
            _ => None,
        })
        .or_else(|| match error.downcast_ref::<TransactionError>()? {
            TransactionError::Storage(storage) => Some(storage),
            _ => None,
        })
        .or_else(|| match error.downcast_ref::<TableError>()? {
            TableError::Storage(storage) => Some(storage),
            _ => None,
        })
        .or_else(|| match error.downcast_ref::<DatabaseError>()? {
            DatabaseError::Storage(storage) => Some(storage),
            _ => None,
        });
    let no_room = |kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    if matches!(storage, Some(StorageError::Io(io)) if no_room(io.kind())) {
        return true;
    }
    // Opening it anew fails with an error of ours around one of redb's.
    error.source().is_some_and(is_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_version_without_revisions_are_given_some_that_stay() {
        let dir = std::env::temp_dir().join(format!("fabric-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("fabric.redb");
        let key = Key::parse("acme").unwrap();
        let file = File::open(&path).unwrap();
        file.commit(&[&Change::Record(key, Some((7, Bytes::from_static(b"x"))))]).unwrap();
        file.read(|database| {
            let transaction = database.begin_write()?;
            transaction.delete_table(REVISIONS)?;
            transaction.open_table(META)?.remove(LAST_REVISION)?;
            Ok(transaction.commit()?)
        })
        .unwrap();
        drop(file);
        for _ in 0..2 {
            let recovered = File::open(&path).unwrap().recover().unwrap();
            assert_eq!((recovered.revision, recovered.records[0].1.0), (1, 1));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_full_disk_is_known_through_every_wrapper() {
        let full = || StorageError::Io(ErrorKind::StorageFull.into());
        let wrapped: [Cause; 6] = [
            full().into(),
            CommitError::Storage(full()).into(),
            TransactionError::Storage(full()).into(),
            TableError::Storage(full()).into(),
            DatabaseError::Storage(full()).into(),
            Error::Unreadable { file: "x".into(), source: DatabaseError::Storage(full()).into() }.into(),
        ];
        for error in wrapped {
            assert!(is_full(&*error), "{error:?}");
        }
        assert!(!is_full(&StorageError::Io(ErrorKind::NotFound.into())));
        assert!(!is_full(&StorageError::PreviousIo));
    }
}
