//! An Automerge document as Automerge clients know it: by heads, and changes that may be held already.

use automerge::{Change as LibraryChange, ChangeHash};
use bytes::Bytes;

use super::chunk::{ChunkKind, Chunks};
use super::contain::contained;
use super::document::{as_sent, has};
use super::inflate::Budget;
use super::reader::malformed;
use super::{Automerge, snapshot};
use crate::crdt::exchange::MAX_FOREIGN_UPDATE_BYTES;
use crate::crdt::{Crdt, Exchange, Gate, GateError, ReceiveError, Writer};
use crate::id::Have;

/// From this size on the changes that came together are in an entry of their own, in bytes.
const FULL_ENTRY_BYTES: usize = 256 << 10;

/// From this many operations on they are, too.
const FULL_ENTRY_OPS: usize = 1 << 16;

const HASH_BYTES: usize = 32;

impl Exchange for Automerge {
    fn receive(&mut self, replicas: &Have, update: &[u8]) -> Result<Vec<Bytes>, ReceiveError> {
        if update.len() > MAX_FOREIGN_UPDATE_BYTES {
            let limit = MAX_FOREIGN_UPDATE_BYTES as u64;
            return Err(GateError::Limit { what: "an update", limit }.into());
        }
        let updates = self.unheld(update)?;
        let before = self.admitted.clone();
        let admitted = updates.iter().try_for_each(|update| self.admit(&Writer::Foreign(replicas), update));
        if let Err(refused) = admitted {
            self.admitted = before;
            return Err(refused.into());
        }
        self.apply(&updates.iter().map(|update| &**update).collect::<Vec<_>>())?;
        Ok(updates)
    }

    fn holds(&mut self, update: &[u8]) -> Result<bool, ReceiveError> {
        Ok(self.unheld(update)?.is_empty())
    }

    fn missing(&self, version: &[u8]) -> Result<Bytes, ReceiveError> {
        let (heads, rest) = version.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() {
            return Err(malformed("heads are hashes of 32 bytes").into());
        }
        let heads: Vec<ChangeHash> = heads.iter().map(|head| ChangeHash(*head)).collect();
        let changes = self.read_committed(|document| {
            let held: Vec<_> = heads.into_iter().filter(|head| has(document, &head.0)).collect();
            document.get_changes(&held)
        })?;
        Ok(changes.iter().flat_map(LibraryChange::raw_bytes).copied().collect())
    }

    fn automerge(&mut self) -> Option<&mut Automerge> {
        Some(self)
    }
}

impl Automerge {
    /// The changes of an update that are not held, those of a whole document one by one, together as entries hold them.
    fn unheld(&mut self, update: &[u8]) -> Result<Vec<Bytes>, ReceiveError> {
        let mut entries = Entries::default();
        for chunk in Chunks::new(update, &mut Budget::new(update.len())) {
            let chunk = chunk?;
            match chunk.kind {
                ChunkKind::Change => {
                    if !self.read_committed(|document| has(document, &chunk.hash))? {
                        entries.push(chunk.bytes, 0);
                    }
                }
                ChunkKind::Document => {
                    let other = snapshot::load(chunk.bytes)?;
                    for mut change in contained(|| Ok(other.get_changes(&[])))? {
                        if !self.read_committed(|document| has(document, &change.hash().0))? {
                            let ops = change.len();
                            entries.push(&as_sent(&mut change), ops);
                        }
                    }
                }
            }
        }
        Ok(entries.done())
    }
}

/// Changes on their way into entries.
#[derive(Default)]
struct Entries {
    full: Vec<Bytes>,
    last: Vec<u8>,
    ops: usize,
}

impl Entries {
    fn push(&mut self, change: &[u8], ops: usize) {
        let bytes = self.last.len() + change.len();
        if !self.last.is_empty() && (bytes > FULL_ENTRY_BYTES || self.ops + ops > FULL_ENTRY_OPS) {
            self.full.push(std::mem::take(&mut self.last).into());
            self.ops = 0;
        }
        self.last.extend(change);
        self.ops += ops;
    }

    fn done(mut self) -> Vec<Bytes> {
        if !self.last.is_empty() {
            self.full.push(self.last.into());
        }
        self.full
    }
}
