//! A store with something in front of it, to bring about what disks and defects do.

use syncline::storage::{CheckReport, DocumentSummary, StorageError};
use syncline::{Durability, Storage};
use syncline_core::event::{StoredDocument, Write};
use syncline_core::id::DocId;

/// A store that does something first when it is to commit, which may fail, or to load a document.
pub struct Before<S, C, L> {
    pub store: S,
    pub commit: C,
    pub load: L,
}

impl<S, C, L> Storage for Before<S, C, L>
where
    S: Storage,
    C: FnMut() -> Result<(), StorageError> + Send,
    L: FnMut() + Send,
{
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        (self.commit)()?;
        self.store.commit(writes)
    }

    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError> {
        (self.load)();
        self.store.load(doc)
    }

    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError> {
        self.store.documents()
    }

    fn check(&mut self) -> Result<CheckReport, StorageError> {
        self.store.check()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        self.store.reopen()
    }
}
