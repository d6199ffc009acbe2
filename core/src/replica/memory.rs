//! What of documents is in memory: where peers have more of them open than a replica may keep, those used least recently
//! are unloaded. A connection has a cursor, not a queue, and that is all that stays; the log is read again when a peer says
//! something of the document, or takes what it has coming.
//!
//! Only what no application has open here can be unloaded, as applications read whenever they like. That is everything at a
//! relay. Of what clients of other protocols have, the log stays, and the document behind it goes.

use std::collections::{BTreeMap, VecDeque};

use super::Replica;
use super::connection::Connection;
use super::document::Document;
use super::live::Live;
use crate::id::DocId;

/// Memory of the documents that a relay keeps, in bytes, unless another bound is set.
pub const LOADED_BYTES: usize = 512 << 20;

/// Most documents that are read from the store at the same time, so that their number does not count towards memory
/// before they do. The store reads one at a time; it is to have the next one at hand.
pub const MAX_LOADS: usize = 16;

/// How much of documents is in memory, as far as they may be unloaded, and which of them was used when.
#[derive(Default)]
pub(super) struct Loaded {
    bytes: usize,
    last_use: u64,
    /// The documents, that used least recently first.
    uses: BTreeMap<u64, DocId>,
}

/// What a document adds to [`Loaded`].
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    used: u64,
    bytes: usize,
}

impl Loaded {
    /// Notes that a document was used, and what memory it takes now.
    fn put(&mut self, doc: &DocId, share: &mut Option<Share>, bytes: Option<usize>) {
        self.take(share.take());
        *share = bytes.map(|bytes| {
            self.last_use += 1;
            self.bytes += bytes;
            self.uses.insert(self.last_use, doc.clone());
            Share { used: self.last_use, bytes }
        });
    }

    fn take(&mut self, share: Option<Share>) {
        if let Some(Share { used, bytes }) = share {
            self.bytes -= bytes;
            self.uses.remove(&used);
        }
    }
}

/// What the store is asked for.
#[derive(Default)]
pub(super) struct Loads {
    asked: usize,
    waiting: VecDeque<DocId>,
}

impl Loads {
    /// Puts a document behind those that wait.
    pub fn push(&mut self, doc: DocId) {
        self.waiting.push_back(doc);
    }

    /// The next document to ask for, if one may be.
    pub fn next(&mut self) -> Option<DocId> {
        let doc = self.waiting.pop_front_if(|_| self.asked < MAX_LOADS)?;
        self.asked += 1;
        Some(doc)
    }

    /// The store has answered.
    pub fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Does not ask for a document after all; false if that was done.
    pub fn cancel(&mut self, doc: &DocId) -> bool {
        let waited = self.waiting.iter().position(|waiting| waiting == doc);
        waited.and_then(|index| self.waiting.remove(index)).is_some()
    }
}

impl Replica {
    /// Memory that documents take which no application has open here, in bytes, roughly.
    #[must_use]
    pub const fn loaded_bytes(&self) -> usize {
        self.loaded.bytes
    }

    /// How many documents are in memory.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.documents.values().filter(|document| document.live().is_some()).count()
    }

    /// Takes note that a document was used.
    pub(super) fn note_use(&mut self, doc: &DocId) {
        if let Some(document) = self.documents.get_mut(doc) {
            let bytes = document.unloadable_bytes();
            self.loaded.put(doc, &mut document.share, bytes);
        }
    }

    /// Drops a document from memory, whoever has it open.
    pub(super) fn drop_document(&mut self, doc: &DocId) -> Option<Document> {
        let document = self.documents.remove(doc)?;
        self.loaded.take(document.share);
        Some(document)
    }

    /// Unloads what is used least recently, if too much is in memory. The document used last stays, however large it is:
    /// otherwise it would be read again for every message. Called when all that may leave has left, so that
    /// nothing is unloaded that is about to be sent. Whether there was too much.
    pub(super) fn unload(&mut self) -> bool {
        let most = self.context.config.policy.loaded_bytes;
        if self.loaded.bytes <= most {
            return false;
        }
        let but_the_last = self.loaded.uses.len().saturating_sub(1);
        let oldest: Vec<DocId> = self.loaded.uses.values().take(but_the_last).cloned().collect();
        let takes = |id| self.connections.get(&id).is_some_and(Connection::is_writable);
        for doc in oldest {
            if self.loaded.bytes <= most {
                break;
            }
            let Some(document) = self.documents.get_mut(&doc) else { continue };
            let freed = document.live_mut().is_some_and(|live| live.snapshot_frames.clear());
            let rests = document.rest(&mut self.context, &takes);
            match (rests, document.live().is_some()) {
                (false, _) => {}
                (true, true) => self.context.counts.unbuilt += 1,
                (true, false) => self.context.counts.unloaded += 1,
            }
            if rests || freed {
                let left = document.unloadable_bytes();
                self.loaded.put(&doc, &mut document.share, left);
            }
        }
        true
    }

    /// Notes that a document that rested may have something for its peers. It has waited long enough: if it waited for
    /// others to share a frame with, it might have to rest again before it leaves.
    pub(super) fn note_awake(&mut self, doc: &DocId) {
        let links = self.documents.get(doc).and_then(Document::live).map(Live::connections);
        let now = self.context.now;
        for id in links.unwrap_or_default() {
            self.connections
                .get_mut(&id)
                .into_iter()
                .for_each(|connection| connection.mark(doc.clone(), now));
        }
    }

    /// Has a document loaded again that rests; what is to be told of it is told then.
    pub(super) fn wake_document(&mut self, doc: &DocId) {
        if let Some(document) = self.documents.get_mut(doc) {
            document.wake(&mut self.context);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn as_many_documents_are_asked_for_as_may_be() {
        let doc = |number: usize| DocId::new(&format!("d{number}")).unwrap();
        let mut loads = Loads::default();
        (0..MAX_LOADS + 2).for_each(|number| loads.push(doc(number)));
        let asked: Vec<DocId> = std::iter::from_fn(|| loads.next()).collect();
        assert_eq!(asked, (0..MAX_LOADS).map(doc).collect::<Vec<_>>());
        assert!(!loads.cancel(&doc(0)) && loads.cancel(&doc(MAX_LOADS)));
        loads.answered();
        assert_eq!((loads.next(), loads.next()), (Some(doc(MAX_LOADS + 1)), None));
    }
}
