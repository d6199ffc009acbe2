//! What can go wrong with a store, whose fault it is, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use syncline_core::event::StoreFault;
use syncline_core::id::DocId;
use thiserror::Error;

/// Why a store cannot be opened, read or written. None of these ever looks like an empty store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The file is something else. It was not touched.
    #[error("{} is not a Syncline store: {what}; name another file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        what: String,
    },
    /// A later release wrote it. It was not touched.
    #[error("the store {} has format {found}, this release reads up to {supported}; use a newer release", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The format of the store.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Another process has it open.
    #[error("the store {} is in use by {}; close that first, or use another store", path.display(), said(holder))]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who, as far as it can be told.
        holder: Option<Holder>,
    },
    /// What is on disk contradicts itself.
    #[error("the store {} is damaged: {what}; keep the file, restore a backup or sync into a new store", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was seen.
        what: String,
    },
    /// No space is left. Nothing that was reported durable is lost.
    #[error("no space is left for the store {}; free some, and writing goes on", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("the store {} may not be written: {what}; change the permissions, or use another store", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
    /// The disk or the system failed.
    #[error("the store {} cannot be used: {what}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
    /// An earlier commit failed, and its outcome is unknown until [`Storage::reopen`](crate::Storage::reopen).
    #[error("an earlier commit to the store {} failed; reopen it", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// The writes make no sense: a mistake of the program that made them. Nothing was changed.
    #[error("wrong use of the store, document {doc:?}: {what}")]
    Misuse {
        /// Which document.
        doc: DocId,
        /// What is wrong.
        what: String,
    },
}

impl StorageError {
    /// What the system said about a file.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, what: error.to_string() }
            }
            _ => Self::Io { path, what: error.to_string() },
        }
    }
}

impl From<StorageError> for StoreFault {
    fn from(error: StorageError) -> Self {
        Self(error.to_string())
    }
}

/// The process that has a store open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// When it opened the store, in seconds since the Unix epoch.
    pub since: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}, since {})", self.program, self.pid, Moment(self.since))
    }
}

fn said(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(|| "another process".into(), Holder::to_string)
}

/// Seconds since the Unix epoch, shown as a date and time in UTC.
struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_date(self.0 / 86_400);
        let (hour, minute, second) = (self.0 / 3_600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is
/// the last of its year and months have a regular pattern of 153 days in five.
fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + DAYS_BEFORE_1970;
    let day = days % DAYS_IN_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (days / DAYS_IN_400_YEARS * 400 + year + next, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_219_200, "2026-11-21 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(Moment(seconds).to_string(), shown);
        }
    }

    #[test]
    fn errors_of_the_system_are_told_apart() {
        let of = |kind: io::ErrorKind| StorageError::io(Path::new("app.db"), &io::Error::from(kind));
        assert!(matches!(of(io::ErrorKind::StorageFull), StorageError::Full { .. }));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), StorageError::ReadOnly { .. }));
        assert!(matches!(of(io::ErrorKind::InvalidInput), StorageError::Io { .. }));
    }

    #[test]
    fn a_locked_store_names_its_holder() {
        let holder = Holder { pid: 42, program: "syncline".into(), since: 0 };
        let error = StorageError::Locked { path: "app.db".into(), holder: Some(holder) };
        let shown = StoreFault::from(error).to_string();
        assert!(shown.contains("in use by syncline (process 42, since 1970-01-01 00:00:00 UTC)"), "{shown}");
    }
}
