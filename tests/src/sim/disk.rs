//! A simulated disk: what was committed, and nothing else.

use std::collections::BTreeMap;

use syncline_core::event::{StoredDocument, StoredEntry, Write};
use syncline_core::id::{DocId, Have};

/// Committed documents. A clone is a backup.
#[derive(Clone, Default)]
pub(super) struct Disk(BTreeMap<DocId, OnDisk>);

/// A document and which entries it holds.
#[derive(Clone)]
pub(super) struct OnDisk {
    pub stored: StoredDocument,
    pub have: Have,
}

impl OnDisk {
    pub fn head(&self) -> u64 {
        let base = self.stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.offset);
        self.stored.entries.last().map_or(base, |entry| entry.offset)
    }

    fn count(&mut self) {
        let base = self.stored.snapshot.as_ref().map(|snapshot| snapshot.covers.clone());
        self.have = base.unwrap_or_default();
        self.stored.entries.iter().for_each(|entry| self.have.insert(entry.entry.id));
    }

    /// Appending what is there changes nothing; anything else must come next.
    fn append(&mut self, entry: &StoredEntry) -> Result<(), String> {
        if entry.offset <= self.head() {
            return Ok(());
        }
        if entry.offset != self.head() + 1 {
            return Err(format!("entry {} is appended behind {}", entry.offset, self.head()));
        }
        if entry.entry.id.counter != self.have.counter(&entry.entry.id.replica) + 1 {
            return Err(format!("entry {} of the log is {}, out of line", entry.offset, entry.entry.id));
        }
        self.have.insert(entry.entry.id);
        self.stored.entries.push(entry.clone());
        Ok(())
    }
}

impl Disk {
    pub fn get(&self, doc: &DocId) -> Option<&OnDisk> {
        self.0.get(doc)
    }

    pub fn documents(&self) -> impl Iterator<Item = (&DocId, &OnDisk)> {
        self.0.iter()
    }

    /// Commits a write. Writes come `again` after a commit whose outcome was unknown.
    pub fn apply(&mut self, write: &Write, again: bool) -> Result<(), String> {
        if let Write::Create { doc, spec, epoch } = write {
            let nothing = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let (entries, peers, fences, quarantined) = nothing;
            let (spec, epoch) = (*spec, *epoch);
            let stored = StoredDocument { spec, epoch, snapshot: None, entries, peers, fences, quarantined };
            self.0.entry(doc.clone()).or_insert(OnDisk { stored, have: Have::default() });
            return Ok(());
        }
        if let Write::Delete { doc } = write {
            self.0.remove(doc);
            return Ok(());
        }
        match self.0.get_mut(write.doc()) {
            Some(document) => document.change(write),
            // Written before the document was deleted, and committed again behind that.
            None if again => Ok(()),
            None => Err(format!("a write for {}, which is not on the disk", write.doc())),
        }
    }
}

impl OnDisk {
    fn change(&mut self, write: &Write) -> Result<(), String> {
        let stored = &mut self.stored;
        match write {
            Write::Create { .. } | Write::Delete { .. } => {}
            Write::Append { entry, .. } => return self.append(entry),
            Write::Peer { cursor, .. } => {
                stored.peers.retain(|known| known.epoch() != cursor.epoch());
                stored.peers.push(*cursor);
            }
            Write::ForgetPeer { epoch, .. } => stored.peers.retain(|known| known.epoch() != *epoch),
            Write::Fence { fence, .. } => {
                stored.fences.retain(|known| known.replica != fence.replica);
                stored.fences.push(fence.clone());
            }
            Write::Quarantine { id, .. } => {
                if !stored.quarantined.contains(id) {
                    stored.quarantined.push(*id);
                }
            }
            Write::Release { id, .. } => stored.quarantined.retain(|known| known != id),
            Write::Compact { snapshot, .. } => {
                if stored.snapshot.as_ref().is_none_or(|held| held.offset < snapshot.offset) {
                    stored.entries.retain(|entry| entry.offset > snapshot.offset);
                    stored.snapshot = Some(snapshot.clone());
                }
            }
            Write::Replace { snapshot, entries, .. } => {
                stored.snapshot = Some(snapshot.clone());
                stored.entries.clone_from(entries);
                self.count();
            }
        }
        Ok(())
    }
}
