//! A history replayed into a model, to find out how far a store has come in it.

#![allow(dead_code, reason = "every test file is a crate of its own and needs only some of this")]

use std::sync::Arc;

use syncline_core::entry::{Body, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, Principal, ReplicaId};
use syncline_core::time::Time;
use syncline_storage::conformance::{History, difference};
use syncline_storage::{MemoryStorage, Storage, StorageError};

/// A document that comes and goes beside the history.
const BALLAST: &str = "ballast";

/// Size of its one entry: a store that has deleted so much is made smaller when it is closed.
const BALLAST_BYTES: usize = 600 << 10;

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
        let is_of_history = |doc: &DocId| doc.as_str() != BALLAST;
        let found = storage.documents()?.iter().filter(|summary| is_of_history(&summary.doc)).count();
        let wanted = self.model.documents()?.len();
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

/// Commits that fill a store and free it again.
pub fn ballast() -> [Vec<Write>; 2] {
    let doc = DocId::new(BALLAST).unwrap();
    let entry = Entry {
        id: EntryId { replica: ReplicaId::new([1; 16]), counter: 1 },
        author: Principal::new("ada").unwrap(),
        time: Time(0),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(vec![7; BALLAST_BYTES].into()),
    };
    let digest = Digest::default().chain(&entry.id);
    let entry = StoredEntry { offset: 1, digest, entry: Arc::new(entry), operations: None };
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    let create = Write::Create { doc: doc.clone(), spec, epoch: Epoch::new([9; 16]) };
    [vec![create, Write::Append { doc: doc.clone(), entry }], vec![Write::Delete { doc }]]
}
