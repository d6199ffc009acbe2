//! A store that is gone with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_core::entry::{Digest, Spec};
use syncline_core::event::{Fence, PeerCursor, Snapshot, StoredDocument, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, ReplicaId};

use crate::rules::{self, Head, Mistake, Verdict};
use crate::{CheckReport, DocumentSummary, Durability, Storage, StorageError};

/// A store in memory. Clones share it, as processes that open a file one after the other share the file, so
/// a test can drop whatever owned one and open it again.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    documents: Arc<Mutex<Documents>>,
}

type Documents = BTreeMap<DocId, Document>;

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of its own with the same content: what copying or restoring a file does.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self { documents: Arc::new(Mutex::new(self.lock().clone())) }
    }

    fn lock(&self) -> MutexGuard<'_, Documents> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        let mut documents = self.lock();
        let mut undo = Undo::default();
        for write in rules::lasting(writes) {
            undo.remember(&documents, write);
            if let Err(what) = apply(&mut documents, &mut undo, write) {
                undo.roll_back(&mut documents);
                return Err(StorageError::Misuse { doc: write.doc().clone(), what });
            }
        }
        Ok(())
    }

    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError> {
        Ok(self.lock().get(doc).map(Document::stored))
    }

    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError> {
        Ok(self.lock().iter().map(|(doc, document)| document.summary(doc)).collect())
    }

    fn check(&mut self) -> Result<CheckReport, StorageError> {
        let mut report = CheckReport::default();
        for (doc, document) in self.lock().iter() {
            let stored = document.stored();
            report.count(&stored, document.bytes());
            if let Err(mistake) = rules::whole(document.log.head, &stored) {
                report.complain(format!("document {doc:?}: {mistake}"));
            }
        }
        Ok(report)
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A document: its entries, and everything else, which is small and so can be kept aside to undo a batch.
#[derive(Clone, Debug)]
struct Document {
    log: Log,
    entries: Vec<StoredEntry>,
}

#[derive(Clone, Debug)]
struct Log {
    spec: Spec,
    epoch: Epoch,
    head: Head,
    snapshot: Option<Arc<Snapshot>>,
    peers: BTreeMap<Epoch, PeerCursor>,
    fences: BTreeMap<ReplicaId, Fence>,
    quarantined: BTreeSet<EntryId>,
}

impl Document {
    fn new(spec: Spec, epoch: Epoch) -> Self {
        let log = Log {
            spec,
            epoch,
            head: Head::default(),
            snapshot: None,
            peers: BTreeMap::new(),
            fences: BTreeMap::new(),
            quarantined: BTreeSet::new(),
        };
        Self { log, entries: Vec::new() }
    }

    fn base(&self) -> u64 {
        self.log.snapshot.as_ref().map_or(0, |snapshot| snapshot.offset)
    }

    fn digest(&self, offset: u64) -> Option<Digest> {
        let index = usize::try_from(offset.checked_sub(self.base() + 1)?).ok()?;
        self.entries.get(index).map(|entry| entry.digest)
    }

    fn push(&mut self, entry: &StoredEntry) {
        self.log.head = Head { offset: entry.offset, digest: entry.digest };
        self.entries.push(entry.clone());
    }

    fn stored(&self) -> StoredDocument {
        StoredDocument {
            spec: self.log.spec,
            epoch: self.log.epoch,
            snapshot: self.log.snapshot.clone(),
            entries: self.entries.clone(),
            peers: self.log.peers.values().copied().collect(),
            fences: self.log.fences.values().cloned().collect(),
            quarantined: self.log.quarantined.iter().copied().collect(),
        }
    }

    fn summary(&self, doc: &DocId) -> DocumentSummary {
        DocumentSummary {
            doc: doc.clone(),
            spec: self.log.spec,
            head: self.log.head.offset,
            bytes: self.bytes(),
        }
    }

    fn bytes(&self) -> u64 {
        let snapshot = self.log.snapshot.as_ref().map_or(0, |snapshot| snapshot.state.len());
        (snapshot + self.entries.iter().map(|stored| stored.entry.cost()).sum::<usize>()) as u64
    }
}

fn apply(documents: &mut Documents, undo: &mut Undo, write: &Write) -> Result<(), Mistake> {
    match write {
        Write::Create { doc, spec, epoch } => create(documents, doc, *spec, *epoch),
        Write::Delete { doc } => {
            if let Some(document) = documents.remove(doc) {
                undo.keep(doc, document.entries);
            }
            Ok(())
        }
        Write::Append { doc, entry } => {
            let document = known(documents, doc)?;
            if rules::append(document.log.head, document.digest(entry.offset), entry)? == Verdict::Apply {
                document.push(entry);
            }
            Ok(())
        }
        Write::Peer { doc, cursor } => {
            known(documents, doc)?.log.peers.insert(cursor.epoch(), *cursor);
            Ok(())
        }
        Write::ForgetPeer { doc, epoch } => {
            known(documents, doc)?.log.peers.remove(epoch);
            Ok(())
        }
        Write::Fence { doc, fence } => {
            known(documents, doc)?.log.fences.insert(fence.replica, fence.clone());
            Ok(())
        }
        Write::Quarantine { doc, id } => {
            known(documents, doc)?.log.quarantined.insert(*id);
            Ok(())
        }
        Write::Release { doc, id } => {
            known(documents, doc)?.log.quarantined.remove(id);
            Ok(())
        }
        Write::Compact { doc, snapshot } => compact(known(documents, doc)?, undo, doc, snapshot),
        Write::Replace { doc, snapshot, entries } => {
            replace(known(documents, doc)?, undo, doc, snapshot, entries)
        }
    }
}

fn known<'a>(documents: &'a mut Documents, doc: &DocId) -> Result<&'a mut Document, Mistake> {
    documents.get_mut(doc).ok_or_else(|| rules::NO_SUCH_DOCUMENT.into())
}

fn create(documents: &mut Documents, doc: &DocId, spec: Spec, epoch: Epoch) -> Result<(), Mistake> {
    let existing = documents.get(doc).map(|document| (document.log.spec, document.log.epoch));
    if rules::create(existing, (spec, epoch))? == Verdict::Apply {
        documents.insert(doc.clone(), Document::new(spec, epoch));
    }
    Ok(())
}

fn compact(
    document: &mut Document,
    undo: &mut Undo,
    doc: &DocId,
    snapshot: &Arc<Snapshot>,
) -> Result<(), Mistake> {
    let stored = document.log.snapshot.as_ref().map(|stored| stored.offset);
    let there = document.digest(snapshot.offset);
    if rules::compact(stored, there, snapshot)? == Verdict::Apply {
        let merged = document.entries.partition_point(|entry| entry.offset <= snapshot.offset);
        undo.keep(doc, document.entries.drain(..merged));
        document.log.snapshot = Some(snapshot.clone());
    }
    Ok(())
}

fn replace(
    document: &mut Document,
    undo: &mut Undo,
    doc: &DocId,
    snapshot: &Arc<Snapshot>,
    entries: &[StoredEntry],
) -> Result<(), Mistake> {
    let stored = document.log.snapshot.as_ref().map(|stored| stored.offset);
    if rules::replace(stored, document.log.head, snapshot, entries)? == Verdict::Apply {
        undo.keep(doc, document.entries.drain(..));
        document.log.head = Head { offset: snapshot.offset, digest: snapshot.digest };
        document.log.snapshot = Some(snapshot.clone());
        entries.iter().for_each(|entry| document.push(entry));
    }
    Ok(())
}

/// What a batch that fails half way puts back. Entries only ever leave a log at its front and join it at its
/// end, so the old ones are the first of: those that left, then those that are there.
#[derive(Debug, Default)]
struct Undo(BTreeMap<DocId, Before>);

#[derive(Debug)]
struct Before {
    log: Option<Log>,
    len: usize,
    left: Vec<StoredEntry>,
}

impl Undo {
    /// To be called before a document is touched.
    fn remember(&mut self, documents: &Documents, write: &Write) {
        let doc = write.doc();
        if !self.0.contains_key(doc) {
            let document = documents.get(doc);
            let len = document.map_or(0, |document| document.entries.len());
            let log = document.map(|document| document.log.clone());
            self.0.insert(doc.clone(), Before { log, len, left: Vec::new() });
        }
    }

    /// To be called with every entry that leaves a log.
    fn keep(&mut self, doc: &DocId, entries: impl IntoIterator<Item = StoredEntry>) {
        if let Some(before) = self.0.get_mut(doc) {
            before.left.extend(entries);
        }
    }

    fn roll_back(self, documents: &mut Documents) {
        for (doc, Before { log, len, left: mut entries }) in self.0 {
            entries.extend(documents.remove(&doc).into_iter().flat_map(|document| document.entries));
            entries.truncate(len);
            if let Some(log) = log {
                documents.insert(doc, Document { log, entries });
            }
        }
    }
}
