//! A history replayed into a model, to find out how far a store has come in it.

#![allow(dead_code, reason = "every test file is a crate of its own and needs only some of this")]

use syncline_core::event::Write;
use syncline_storage::conformance::{History, difference};
use syncline_storage::{MemoryStorage, Storage, StorageError};

/// Most writes in one batch.
const BATCH: u64 = 8;

/// A history and what it has led to so far.
#[derive(Clone)]
pub struct Replay {
    history: History,
    model: MemoryStorage,
    batches: u64,
}

impl Replay {
    pub fn new(seed: u64) -> Self {
        Self { history: History::new(seed), model: MemoryStorage::new(), batches: 0 }
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> Self {
        Self { model: self.model.backup(), ..self.clone() }
    }

    /// How many batches the model has seen.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// The next batch; the model has committed it.
    pub fn next(&mut self) -> Vec<Write> {
        let batch = self.history.batch(BATCH);
        self.model.commit(&batch).unwrap();
        self.batches += 1;
        batch
    }

    /// In what the store differs from the model, if it does.
    pub fn difference(&mut self, storage: &mut dyn Storage) -> Result<Option<String>, StorageError> {
        for doc in self.history.names() {
            let (found, wanted) = (storage.load(doc)?, self.model.load(doc)?);
            if let Some(difference) = difference(found.as_ref(), wanted.as_ref()) {
                return Ok(Some(format!("document {doc:?}: {difference}")));
            }
        }
        let (found, wanted) = (storage.documents()?.len(), self.model.documents()?.len());
        Ok((found != wanted).then(|| format!("{found} documents instead of {wanted}")))
    }

    /// Goes on until the model is as the store, at most `further` batches; false if it never is.
    pub fn catch_up(&mut self, storage: &mut dyn Storage, further: u64) -> Result<bool, StorageError> {
        for _ in 0..further {
            if self.difference(storage)?.is_none() {
                return Ok(true);
            }
            self.next();
        }
        Ok(self.difference(storage)?.is_none())
    }
}
