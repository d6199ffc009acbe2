//! What SQLite says, turned into whose fault it is.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;
use syncline_core::id::DocId;

use crate::StorageError;
use crate::rules::Mistake;

/// A [`StorageError`] that does not know its file yet.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Damaged(String),
    Unusable(&'static str),
    TooNew(u32),
    Misuse { doc: DocId, what: Mistake },
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// What was read of a document makes no sense.
    pub(super) fn damaged(doc: &DocId, what: impl std::fmt::Display) -> Self {
        Self::Damaged(format!("document {doc:?}: {what}"))
    }

    /// A write makes no sense.
    pub(super) fn misuse(doc: &DocId, what: impl Into<Mistake>) -> Self {
        Self::Misuse { doc: doc.clone(), what: what.into() }
    }

    /// What is damaged; anything else is given back as it is.
    pub(super) fn damage(self) -> Result<String, Self> {
        match self {
            Self::Damaged(what) => Ok(what),
            Self::Sqlite(error) if is_damage(&error) => Ok(error.to_string()),
            Self::Sqlite(_) | Self::Unusable(_) | Self::TooNew(_) | Self::Misuse { .. } => Err(self),
        }
    }

    /// The error, naming the store it is about.
    pub(super) fn at(self, path: &Path) -> StorageError {
        let path = path.to_owned();
        match self {
            Self::Damaged(what) => StorageError::Damaged { path, what },
            Self::Unusable(what) => StorageError::Io { path, what: what.into() },
            Self::TooNew(found) => StorageError::TooNew { path, found, supported: super::SCHEMA_VERSION },
            Self::Misuse { doc, what } => StorageError::Misuse { doc, what },
            Self::Sqlite(error) => classify(path, &error),
        }
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(classify(PathBuf::new(), error), StorageError::Damaged { .. })
}

fn classify(path: PathBuf, error: &rusqlite::Error) -> StorageError {
    let what = error.to_string();
    let rusqlite::Error::SqliteFailure(code, _) = error else {
        // Every statement is ours and tested: an answer of the wrong shape comes from the file.
        return StorageError::Damaged { path, what };
    };
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA) => {
            StorageError::Damaged { path, what }
        }
        (ErrorCode::DiskFull, _) => StorageError::Full { path },
        (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => StorageError::ReadOnly { path, what },
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StorageError::Locked { path, holder: None }
        }
        (
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::TooBig,
            _,
        ) => StorageError::Io { path, what: format!("{what} (SQLite error {})", code.extended_code) },
        // What is left (corrupt, not a database, constraint, mismatch, no such table) a sound file cannot answer.
        _ => StorageError::Damaged { path, what },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extended: i32) -> StorageError {
        Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)).at(Path::new("app.db"))
    }

    #[test]
    fn answers_of_sqlite_are_told_apart() {
        assert!(matches!(of(ffi::SQLITE_FULL), StorageError::Full { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StorageError::Io { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_SHORT_READ), StorageError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_CORRUPT_INDEX), StorageError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_NOTADB), StorageError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_READONLY_DIRECTORY), StorageError::ReadOnly { .. }));
        assert!(matches!(of(ffi::SQLITE_BUSY_SNAPSHOT), StorageError::Locked { holder: None, .. }));
    }
}
