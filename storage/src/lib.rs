//! Where replicas keep their logs.
//!
//! A [`Storage`] holds, for every document, what `syncline-core` asks for in its [`Write`]s and wants back as a
//! [`StoredDocument`]: the log, the snapshot its beginning was merged into, and what is known of peers. There
//! are two: [`MemoryStorage`], for tests and for replicas that may forget, and [`SqliteStorage`], a file.
//!
//! The trait is synchronous, so that a simulator can crash it at any call. An application that must not wait
//! for the disk gives its storage to a [`Writer`]: a thread that owns it, commits whatever has queued up in one
//! transaction and reports what is durable.
//!
//! What every storage owes is in [`conformance`], as a suite that others can run on theirs. What the file looks
//! like is in `docs/storage-format.md`.
//!
//! ```
//! use syncline_core::entry::{Family, Kind, Spec};
//! use syncline_core::event::Write;
//! use syncline_core::id::{DocId, Epoch};
//! use syncline_storage::{MemoryStorage, Storage};
//!
//! let doc = DocId::new("team/board").expect("a valid name");
//! let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
//! let mut storage = MemoryStorage::new();
//! storage.commit(&[Write::Create { doc: doc.clone(), spec, epoch: Epoch::new([7; 16]) }])?;
//! assert_eq!(storage.load(&doc)?.map(|stored| stored.spec), Some(spec));
//! # Ok::<(), syncline_storage::StorageError>(())
//! ```

pub mod conformance;
mod error;
mod memory;
mod rules;
mod sqlite;
mod writer;

use std::fmt;

use syncline_core::entry::Spec;
use syncline_core::event::{StoredDocument, Write};
use syncline_core::id::DocId;

pub use error::{Holder, StorageError};
pub use memory::MemoryStorage;
pub use sqlite::{Options, SCHEMA_VERSION, SqliteStorage};
pub use writer::{Closed, Commit, StoreEvent, Writer};

/// A durable home for documents. One value owns one store; nobody else writes to it meanwhile.
pub trait Storage: Send {
    /// Makes the writes durable, in order and all or none. When it returns `Ok`, they survive what
    /// [`Storage::durability`] promises.
    ///
    /// Committing the same batch again changes nothing, so a batch whose outcome is unknown is simply committed
    /// again after [`Storage::reopen`], alone or with more behind it. After any error other than
    /// [`StorageError::Misuse`] nothing can be committed before a reopen.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError>;

    /// Everything held of a document, checked; `None` only if there surely is no such document.
    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError>;

    /// What documents there are, by name. Does not read their logs.
    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError>;

    /// Reads the whole store and says what is wrong with it. Damage is in the report; an `Err` means that the
    /// check itself could not be made.
    fn check(&mut self) -> Result<CheckReport, StorageError>;

    /// What a commit survives.
    fn durability(&self) -> Durability;

    /// Starts afresh from what is on disk, after a failed commit. What it finds there is durable when it returns.
    fn reopen(&mut self) -> Result<(), StorageError>;
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it is gone with the process.
    Volatile,
    /// The death of the process. A power failure may take the most recent commits, but no more than that.
    Normal,
    /// The death of the process and a power failure, if the disk keeps what it says it has written.
    #[default]
    Full,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volatile => "volatile",
            Self::Normal => "normal",
            Self::Full => "full",
        })
    }
}

/// A document as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Its name.
    pub doc: DocId,
    /// What it is.
    pub spec: Spec,
    /// The offset of the last entry of its log, whether that is still there or merged into a snapshot.
    pub head: u64,
    /// Size of its entries and snapshot, in bytes.
    pub bytes: u64,
}

/// What [`Storage::check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many documents were read.
    pub documents: u64,
    /// How many entries.
    pub entries: u64,
    /// How many snapshots.
    pub snapshots: u64,
    /// Size of entries and snapshots, in bytes.
    pub bytes: u64,
    /// What is wrong, in words for a person; at most [`CheckReport::MAX_PROBLEMS`].
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Most problems that a report names; one is enough to distrust a store.
    pub const MAX_PROBLEMS: usize = 100;

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn count(&mut self, document: &StoredDocument, bytes: u64) {
        self.documents += 1;
        self.entries += document.entries.len() as u64;
        self.snapshots += u64::from(document.snapshot.is_some());
        self.bytes += bytes;
    }

    fn complain(&mut self, problem: impl Into<String>) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(problem.into());
        }
    }
}
