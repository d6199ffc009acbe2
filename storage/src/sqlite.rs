//! A store in one SQLite file.
//!
//! One value owns the only connection, and a lock file beside the store keeps other processes out. A commit is
//! one transaction in the write-ahead log, which is synced before `commit` returns. The connection that writes
//! is also the one that checkpoints: SQLite does it passively every thousand pages; where somebody else's
//! long read held that up and the log has grown, it is cut back here.
//!
//! Nothing read is believed unchecked. Every row carries a checksum over its place and content, a document's row says
//! how long its log is and how many rows belong to it, and "no such document" is believed only after the index
//! of names was compared with the table. So a damaged file is an error, never an older or an empty document.
//!
//! After a commit that failed, what is on disk is unknown: a sync that reported an error may have dropped the
//! pages it was asked to write, and a later one would not say so. Therefore nothing is committed until
//! [`reopen`](Storage::reopen) has written the log over itself, so that it is surely on disk, and merged it
//! into the file. The same is done when a store is opened that was not closed, with a `quick_check` in between.
//!
//! A store that is closed gives back to the disk what it no longer needs, unless that takes long ([`SqliteStorage::shrink`]).

mod apply;
mod check;
mod fault;
mod lock;
mod open;
mod pack;
mod read;
mod row;
mod schema;
mod shrink;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use syncline_core::event::{StoredDocument, Write};
use syncline_core::id::DocId;

use self::apply::Batch;
use self::fault::Fault;
use self::lock::Lock;
pub use self::schema::VERSION as SCHEMA_VERSION;
use crate::{CheckReport, DocumentSummary, Durability, Storage, StorageError, rules};

/// Size of the write-ahead log above which the storage cuts it back, waiting for nobody.
const WAL_LIMIT_BYTES: u64 = 16 << 20;

/// How a store is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What a commit survives. [`Durability::Volatile`] is taken as [`Durability::Normal`]: a file survives its
    /// process anyway.
    pub durability: Durability,
    /// The size the file may grow to; a commit that needs more fails with [`StorageError::Full`]. Rounded up
    /// to whole pages; `None` leaves it to the disk.
    pub limit_bytes: Option<u64>,
}

/// A store in one SQLite file, and the log and lock files that stand beside it.
pub struct SqliteStorage {
    path: PathBuf,
    options: Options,
    /// `None` only while a reopen is failing.
    connection: Option<Connection>,
    failed: bool,
    names_checked: bool,
    truncate_above: u64,
    // Declared last: the lock is given up after the connection is closed.
    _lock: Lock,
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.path)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl SqliteStorage {
    /// Opens the store at `path`, or makes a new one if there is no such file. The file is ours from then on: whoever
    /// opens it too is told so.
    ///
    /// A file that is empty, something else, damaged, or written by a later release is an error and stays as it is.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, StorageError> {
        let path = open::resolve(path.as_ref())?;
        open::refuse_foreign(&path)?;
        let lock = Lock::acquire(&path)?;
        open::ensure_exists(&path)?;
        let connection = open::connect(&path, options)?;
        Ok(Self {
            path,
            options,
            connection: Some(connection),
            failed: false,
            names_checked: false,
            truncate_above: WAL_LIMIT_BYTES,
            _lock: lock,
        })
    }

    /// Where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the store, as it is now, into a new file at `target`. This is the way to make a backup:
    /// the file alone, without its write-ahead log, is not a whole store.
    pub fn backup(&mut self, target: impl AsRef<Path>) -> Result<(), StorageError> {
        let target = target.as_ref();
        self.read(|connection| {
            connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
            Ok(())
        })
    }

    /// Gives back to the disk what the file no longer needs, if that is much of it, however long that takes; says whether it
    /// did. A store that keeps up to 64 MiB does so by itself when it is closed; while it is open, what was deleted
    /// makes room for what comes.
    pub fn shrink(&mut self) -> Result<bool, StorageError> {
        self.shrink_up_to(u64::MAX).map_err(|fault| fault.at(&self.path))
    }

    /// Shrinks the file if that keeps no more than so many bytes. After a failure nothing is committed before a reopen,
    /// as after any transaction that failed.
    fn shrink_up_to(&mut self, most: u64) -> Result<bool, Fault> {
        let Some(connection) = self.connection.as_ref().filter(|_| !self.failed) else {
            return Ok(false);
        };
        let shrunk = shrink::shrink(connection, most);
        self.failed = shrunk.is_err();
        shrunk
    }

    fn read<T>(&mut self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StorageError> {
        let connection =
            self.connection.as_ref().ok_or_else(|| StorageError::Failed { path: self.path.clone() })?;
        read(connection).map_err(|fault| fault.at(&self.path))
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), Fault> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction);
        rules::lasting(writes).try_for_each(|write| batch.apply(write))?;
        batch.finish()?;
        Ok(transaction.commit()?)
    }

    /// Cuts the write-ahead log back where passive checkpoints could not. It is housekeeping: what it fails to do
    /// is tried again once the log has grown as much again.
    fn limit_wal(&mut self) {
        let size = fs::metadata(open::beside(&self.path, "-wal")).map_or(0, |wal| wal.len());
        if size <= self.truncate_above {
            return;
        }
        let done = self.connection.as_ref().is_some_and(|connection| {
            let done =
                connection.busy_timeout(Duration::ZERO).is_ok() && open::checkpoint(connection).is_ok();
            connection.busy_timeout(open::BUSY_TIMEOUT).is_ok() && done
        });
        self.truncate_above = if done { WAL_LIMIT_BYTES } else { size + WAL_LIMIT_BYTES };
    }
}

impl Drop for SqliteStorage {
    /// Closing a store waits for nobody, and is no place to fail: a file that could not be made smaller is as good as before,
    /// and is made smaller another time. The log is not merged into it then, as what is on disk of either is unknown:
    /// the next to open it begins with that.
    fn drop(&mut self) {
        if std::thread::panicking()
            || self.connection.as_ref().is_none_or(|found| found.busy_timeout(Duration::ZERO).is_err())
        {
            return;
        }
        if self.shrink_up_to(shrink::MAX_REWRITTEN_BYTES).is_err()
            && let Some(connection) = &self.connection
        {
            drop(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        }
    }
}

impl Storage for SqliteStorage {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        if self.failed || self.connection.is_none() {
            return Err(StorageError::Failed { path: self.path.clone() });
        }
        self.write(writes).map_err(|fault| {
            self.failed = !matches!(fault, Fault::Misuse { .. });
            fault.at(&self.path)
        })?;
        self.limit_wal();
        Ok(())
    }

    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError> {
        let check_names = !self.names_checked;
        let found = self.read(|connection| match read::document(connection, doc)? {
            None if check_names => check::names(connection).map(|()| None),
            found => Ok(found),
        })?;
        self.names_checked |= found.is_none();
        Ok(found)
    }

    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError> {
        self.read(read::documents)
    }

    fn check(&mut self) -> Result<CheckReport, StorageError> {
        self.read(check::store)
    }

    fn durability(&self) -> Durability {
        match self.options.durability {
            Durability::Full => Durability::Full,
            Durability::Normal | Durability::Volatile => Durability::Normal,
        }
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        self.failed = true;
        self.names_checked = false;
        self.connection = None;
        open::rewrite_log(&self.path)?;
        let connection = self.connection.insert(open::attach(&self.path, self.options)?);
        open::settle(connection).map_err(|fault| fault.at(&self.path))?;
        self.failed = false;
        Ok(())
    }
}
