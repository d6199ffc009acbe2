//! A store that is asked in order and answers when it is told to.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{Input, StoreFault, StoredDocument, Write};
use crate::id::{DocId, WriteId};
use crate::replica::Merge;

/// What was asked of a store.
pub enum Request {
    /// Make this durable.
    Write(WriteId, Write),
    /// Read a document.
    Load(DocId),
    /// Merge the beginning of a log, which no store does but takes its time as well.
    Merge(Merge),
}

/// What was committed, and what waits.
#[derive(Default)]
pub struct Store {
    documents: BTreeMap<DocId, StoredDocument>,
    requests: VecDeque<Request>,
    failed: bool,
}

impl Store {
    /// Takes a request.
    pub fn ask(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    /// Commits up to so many writes, or reads one document.
    pub fn work(&mut self, most: usize) -> Option<Input> {
        if self.failed {
            self.failed = false;
            return Some(Input::StoreReady);
        }
        let mut written = None;
        for _ in 0..most {
            match self.requests.pop_front() {
                Some(Request::Write(id, write)) => {
                    commit(&mut self.documents, write);
                    written = Some(id);
                }
                Some(Request::Load(doc)) if written.is_none() => {
                    let result = Ok(self.documents.get(&doc).cloned());
                    return Some(Input::Loaded { doc, result });
                }
                Some(Request::Merge(merge)) if written.is_none() => return Some(Input::Merged(merge.run())),
                Some(other @ (Request::Load(_) | Request::Merge(_))) => {
                    self.requests.push_front(other);
                    break;
                }
                None => break,
            }
        }
        written.map(|write| Input::Written { write })
    }

    /// Fails with what is next.
    pub fn fail(&mut self) -> Option<Input> {
        let fault = StoreFault("the disk is full".to_owned());
        match self.requests.pop_front()? {
            Request::Load(doc) => Some(Input::Loaded { doc, result: Err(fault) }),
            Request::Merge(merge) => Some(Input::Merged(merge.run())),
            write @ Request::Write(..) => {
                self.requests.push_front(write);
                (!std::mem::replace(&mut self.failed, true)).then_some(Input::WriteFailed { fault })
            }
        }
    }
}

/// Does to documents what a replica asks its store for.
///
/// # Panics
/// If that makes no sense.
pub fn commit(documents: &mut BTreeMap<DocId, StoredDocument>, write: Write) {
    match write {
        Write::Create { doc, spec, epoch } => {
            let (entries, peers, fences, quarantined) = Default::default();
            let empty = StoredDocument { spec, epoch, snapshot: None, entries, peers, fences, quarantined };
            documents.entry(doc).or_insert(empty);
        }
        Write::Delete { doc } => drop(documents.remove(&doc)),
        write => {
            let document = documents.get_mut(write.doc());
            change(document.expect("what is changed was created"), write);
        }
    }
}

fn change(stored: &mut StoredDocument, write: Write) {
    match write {
        Write::Append { entry, .. } => {
            let base = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.offset);
            let head = stored.entries.last().map_or(base, |last| last.offset);
            assert_eq!(entry.offset, head + 1, "a log has no holes");
            stored.entries.push(entry);
        }
        Write::Peer { cursor, .. } => {
            stored.peers.retain(|known| known.epoch() != cursor.epoch());
            stored.peers.push(cursor);
        }
        Write::ForgetPeer { epoch, .. } => stored.peers.retain(|known| known.epoch() != epoch),
        Write::Fence { fence, .. } => {
            stored.fences.retain(|known| known.replica != fence.replica);
            stored.fences.push(fence);
        }
        Write::Quarantine { id, .. } => stored.quarantined.push(id),
        Write::Release { id, .. } => stored.quarantined.retain(|known| *known != id),
        Write::Compact { snapshot, .. } => {
            stored.entries.retain(|entry| entry.offset > snapshot.offset);
            stored.snapshot = Some(snapshot);
        }
        Write::Replace { snapshot, entries, .. } => {
            (stored.snapshot, stored.entries) = (Some(snapshot), entries);
        }
        Write::Create { .. } | Write::Delete { .. } => {}
    }
}
