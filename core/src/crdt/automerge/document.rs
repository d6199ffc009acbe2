//! An Automerge document.
//!
//! Edits go into one open transaction of the library, which becomes one change when they are taken: committing
//! each of them would cost a hundred bytes and several microseconds more. Whatever needs the document itself
//! (merging, judging, saving) closes the transaction first.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{OwnedTransaction, Transactable};
use automerge::{ActorId, Automerge as Library, Change as LibraryChange, ChangeHash, ReadDoc};
use bytes::Bytes;

use super::chunk::{self, ChunkKind, Chunks, Hash};
use super::contain::{contained, damaged, new_document, read_document};
use super::inflate::Budget;
use super::known::{Knowledge, Known, Layered, ObjectKind, OpId, Progress};
use super::{edit, gate, read, roots, snapshot};
use crate::crdt::{Crdt, Damaged, Exchange, Gate, GateError, Writer};
use crate::entry::Kind;
use crate::id::ReplicaId;
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::presence::Anchor;
use crate::value::{NodeKind, Value};

/// Changes from this size on are sent deflated; whoever sends many small ones deflates them together.
const DEFLATED_FROM_BYTES: usize = 64 << 10;

/// An Automerge document with its gate. It judges updates by what it holds, and keeps beside that only how far
/// each actor has come and what was admitted but not applied yet.
pub struct Automerge {
    state: State,
    /// Local changes that were committed and not taken.
    local: Vec<u8>,
    /// How many operations those have.
    local_ops: usize,
    /// The text that was edited last, if nothing else was since.
    edited: Option<edit::Edited>,
    /// How far each actor has come; made when it is first asked for.
    actors: Option<Actors>,
    pub(super) admitted: Known,
    /// The snapshot admitted last, and the hash of its bytes: it is about to be merged.
    snapshot: Option<(Hash, Library)>,
}

/// Moving one is moving kilobytes, so it goes from one phase into the other where it is.
#[expect(clippy::large_enum_variant, reason = "there is one per document")]
enum State {
    Committed(Library),
    Editing(OwnedTransaction),
    /// The library failed; the document must be dropped.
    Lost,
}

#[derive(Default)]
struct Actors {
    progress: BTreeMap<Vec<u8>, Progress>,
    highest_op: u32,
}

/// Runs a generic reader on the document in whichever state it is; `None` if it is lost or the library panics.
macro_rules! reading {
    ($self:ident, $document:ident => $read:expr) => {
        match &$self.state {
            State::Committed($document) => contained(|| Ok($read)).ok().flatten(),
            State::Editing($document) => contained(|| Ok($read)).ok().flatten(),
            State::Lost => None,
        }
    };
}

impl Automerge {
    /// A document with the genesis of its kind.
    #[must_use]
    pub fn create(kind: Kind) -> Self {
        Self::with_genesis(new_document(), kind).expect("an empty document takes its genesis")
    }

    /// The document that a snapshot holds.
    pub fn load(kind: Kind, snapshot: &[u8]) -> Result<Self, Damaged> {
        Self::with_genesis(read_document(snapshot)?, kind)
    }

    fn with_genesis(mut document: Library, kind: Kind) -> Result<Self, Damaged> {
        if let Some(genesis) = gate::genesis(kind) {
            contained(|| document.apply_changes([LibraryChange::from_bytes(genesis)?]))?;
        }
        Ok(Self {
            state: State::Committed(document),
            local: Vec::new(),
            local_ops: 0,
            edited: None,
            actors: None,
            admitted: Known::default(),
            snapshot: None,
        })
    }

    /// The document, all edits committed.
    pub(super) fn committed(&mut self) -> Result<&mut Library, Damaged> {
        if matches!(self.state, State::Editing(_)) {
            self.commit()?;
        }
        match &mut self.state {
            State::Committed(document) => Ok(document),
            State::Editing(_) | State::Lost => Err(lost()),
        }
    }

    /// Reads the document, all edits committed.
    pub(super) fn read_committed<T>(&self, read: impl FnOnce(&Library) -> T) -> Result<T, Damaged> {
        match &self.state {
            State::Committed(document) => contained(|| Ok(read(document))),
            State::Editing(_) => Err(damaged("local edits were not taken before it was read by others")),
            State::Lost => Err(lost()),
        }
    }

    /// The document, open for edits.
    fn editing(&mut self) -> Result<&mut OwnedTransaction, Damaged> {
        if matches!(self.state, State::Committed(_)) {
            self.begin()?;
        }
        match &mut self.state {
            State::Editing(transaction) => Ok(transaction),
            State::Committed(_) | State::Lost => Err(lost()),
        }
    }

    /// Opens a transaction, unless one is open.
    fn begin(&mut self) -> Result<(), Damaged> {
        let state = &mut self.state;
        contained(|| {
            *state = match std::mem::replace(state, State::Lost) {
                State::Committed(document) => State::Editing(document.into_transaction(None, None)?),
                other => other,
            };
            Ok(())
        })
    }

    /// Drops a document that the library failed on.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
    }

    /// Closes the transaction, if one is open; what it changed can be taken.
    fn commit(&mut self) -> Result<(), Damaged> {
        let state = &mut self.state;
        let change = contained(|| {
            let (next, change) = match std::mem::replace(state, State::Lost) {
                State::Editing(transaction) => {
                    let (document, hash, _) = transaction.commit();
                    let change = hash.and_then(|hash| document.get_change_by_hash(&hash));
                    (State::Committed(document), change)
                }
                other => (other, None),
            };
            *state = next;
            Ok(change)
        })?;
        if let Some(mut change) = change {
            self.note(&change);
            self.local_ops += change.len();
            self.local.extend(&*as_sent(&mut change));
        }
        Ok(())
    }

    /// Makes a top-level container by the change that is the same for everybody.
    fn create_root(&mut self, root: roots::Root, key: &str) -> Result<(), Damaged> {
        let chunk = roots::creation(root, key);
        let document = self.committed()?;
        let change = contained(|| {
            let change = LibraryChange::from_bytes(chunk)?;
            document.apply_changes([change.clone()])?;
            Ok(change)
        });
        let change = change.inspect_err(|_| self.state = State::Lost)?;
        self.note(&change);
        self.local_ops += 1;
        self.local.extend(change.raw_bytes());
        Ok(())
    }

    fn note(&mut self, change: &LibraryChange) {
        if let Some(actors) = &mut self.actors {
            actors.insert(change.actor_id(), change.seq(), change.max_op());
        }
    }

    fn try_perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        let done = self.local_ops;
        let transaction = self.editing()?;
        let root = contained(|| Ok(edit::missing_root(transaction, operation)))??;
        if let Some((root, key)) = root {
            self.create_root(root, key)?;
        }
        let before = self.edited.take();
        let transaction = self.editing()?;
        let budget = edit::MAX_OPS.saturating_sub(done + transaction.pending_ops());
        self.edited = contained(|| Ok(edit::perform(transaction, operation, budget, before)))??;
        Ok(())
    }

    fn merge_changes(&mut self, changes: &[LibraryChange]) -> Result<(), Damaged> {
        let document = self.committed()?;
        let result = contained(|| {
            let before = document.get_heads();
            let hashes: Vec<_> = changes.iter().map(LibraryChange::hash).collect();
            document.apply_changes(changes.iter().cloned())?;
            Ok(is_kept(document, &before, &hashes))
        });
        let result = result.and_then(|kept| match kept {
            true => Ok(()),
            false => Err(damaged("a change was not kept as it came")),
        });
        result.inspect_err(|_| self.state = State::Lost)?;
        changes.iter().for_each(|change| self.note(change));
        self.edited = None;
        self.forget_applied();
        Ok(())
    }

    /// Merges another document; one that holds everything this one does takes its place.
    fn merge_document(&mut self, mut other: Library) -> Result<(), Damaged> {
        let document = self.committed()?;
        if document.get_heads().iter().all(|head| has(&other, &head.0)) {
            other.set_actor(document.get_actor().clone());
            *document = other;
        } else if let Err(error) = contained(|| document.merge(&mut other)) {
            self.state = State::Lost;
            return Err(error);
        }
        self.actors = None;
        self.edited = None;
        self.forget_applied();
        Ok(())
    }

    fn forget_applied(&mut self) {
        if let State::Committed(document) = &self.state
            && self.admitted.hashes().all(|hash| has(document, hash))
        {
            self.admitted = Known::default();
        }
    }

    /// What gates ask of the document.
    fn knowledge(&mut self) -> Result<Held<'_>, Damaged> {
        self.committed()?;
        let State::Committed(document) = &self.state else { return Err(lost()) };
        let actors = self.actors.get_or_insert_with(|| Actors::of(document));
        Ok(Held { document, actors })
    }
}

/// Whether the document gives back exactly the changes it was given, which it would also have to do after it
/// was saved and loaded.
fn is_kept(document: &Library, before: &[ChangeHash], changes: &[ChangeHash]) -> bool {
    let rebuilt = match changes {
        [change] => document.get_change_by_hash(change).into_iter().collect(),
        _ => document.get_changes(before),
    };
    let rebuilt: BTreeSet<_> = rebuilt.iter().map(LibraryChange::hash).collect();
    let kept = changes.iter().all(|change| rebuilt.contains(change));
    kept && document.get_missing_deps(&[]).is_empty()
}

/// A change as it is sent: deflated if it is large.
pub(super) fn as_sent(change: &mut LibraryChange) -> Cow<'_, [u8]> {
    match change.raw_bytes().len() {
        ..DEFLATED_FROM_BYTES => Cow::Borrowed(change.raw_bytes()),
        _ => change.bytes(),
    }
}

pub(super) fn has(document: &Library, hash: &Hash) -> bool {
    document.get_change_meta_by_hash(&ChangeHash(*hash)).is_some()
}

fn lost() -> Damaged {
    damaged("the library failed before")
}

impl Actors {
    fn of(document: &Library) -> Self {
        let mut actors = Self::default();
        for change in document.get_changes_meta(&[]) {
            actors.insert(&change.actor, change.seq, change.max_op);
        }
        actors
    }

    /// Takes note of a change. It may have come before: guests bring what others have brought already.
    fn insert(&mut self, actor: &ActorId, seq: u64, last_op: u64) {
        let last_op = u32::try_from(last_op).unwrap_or(u32::MAX);
        let known = self.progress.entry(actor.to_bytes().to_vec()).or_default();
        if seq > known.seq {
            *known = Progress { seq, last_op };
        }
        self.highest_op = self.highest_op.max(last_op);
    }
}

/// What a document and the progress of its actors tell a judge.
struct Held<'a> {
    document: &'a Library,
    actors: &'a Actors,
}

impl Knowledge for Held<'_> {
    fn change(&self, hash: &Hash) -> Option<u32> {
        let change = self.document.get_change_meta_by_hash(&ChangeHash(*hash))?;
        Some(u32::try_from(change.max_op).unwrap_or(u32::MAX))
    }

    fn highest_op(&self) -> u32 {
        self.actors.highest_op
    }

    fn progress(&self, actor: &[u8]) -> Progress {
        self.actors.progress.get(actor).copied().unwrap_or_default()
    }

    fn has_op(&self, id: OpId<&[u8]>) -> bool {
        self.document.hash_for_opid(&read::object_id(id)).is_some()
    }

    fn object(&self, id: OpId<&[u8]>) -> Option<ObjectKind> {
        self.document.object_type(read::object_id(id)).ok().map(read::object_kind)
    }
}

impl Gate for Automerge {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        let above = std::mem::take(&mut self.admitted);
        let held = self.knowledge().map_err(|error| super::reader::malformed(error.to_string()))?;
        let layers = Layered { below: &held, above };
        let result = gate::admit(&layers, writer, update);
        self.admitted = layers.above;
        self.admitted.merge(result?);
        Ok(())
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        let loaded = snapshot::load(snapshot)?;
        self.snapshot = Some((chunk::hash(ChunkKind::Document, snapshot), loaded));
        Ok(())
    }

    fn version(&self) -> Option<Bytes> {
        let heads = self.read_committed(|document| document.get_heads()).ok()?;
        Some(heads.iter().flat_map(|head| head.0).collect())
    }

    /// What was admitted and is not applied yet; the rest the document knows by itself.
    fn bytes(&self) -> usize {
        self.admitted.bytes()
    }
}

impl Crdt for Automerge {
    fn write_as(&mut self, replica: ReplicaId) {
        if let Ok(document) = self.committed() {
            document.set_actor(ActorId::from(*replica.as_bytes()));
        }
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), Damaged> {
        let document = self.committed()?;
        let mut changes = Vec::new();
        for update in updates {
            for chunk in Chunks::new(update, &mut Budget::new(update.len())) {
                let chunk = chunk.map_err(damaged)?;
                if chunk.kind != ChunkKind::Change {
                    return Err(damaged("a whole document is no update"));
                }
                if !has(document, &chunk.hash) {
                    changes.push(contained(|| Ok(LibraryChange::from_bytes(chunk.bytes.to_vec())?))?);
                }
            }
        }
        if changes.is_empty() { Ok(()) } else { self.merge_changes(&changes) }
    }

    fn merge(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        let hash = chunk::hash(ChunkKind::Document, snapshot);
        let other = match self.snapshot.take().filter(|(admitted, _)| *admitted == hash) {
            Some((_, loaded)) => loaded,
            None => read_document(snapshot)?,
        };
        self.merge_document(other)
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        operation.check()?;
        let result = self.try_perform(operation);
        if let Err(EditError::Damaged(_)) = result {
            self.state = State::Lost;
        }
        result
    }

    fn take_local(&mut self) -> Result<Option<Bytes>, Damaged> {
        self.committed()?;
        self.local_ops = 0;
        let local = std::mem::take(&mut self.local);
        Ok((!local.is_empty()).then(|| local.into()))
    }

    fn snapshot(&self) -> Result<Bytes, Damaged> {
        match &self.state {
            State::Committed(document) => contained(|| Ok(document.save().into())),
            State::Editing(_) => Err(damaged("local edits were not taken before it was saved")),
            State::Lost => Err(lost()),
        }
    }

    fn value(&self, path: &Path) -> Option<Value> {
        reading!(self, document => read::value(document, path))
    }

    fn kind(&self, path: &Path) -> Option<NodeKind> {
        reading!(self, document => read::kind(document, path))
    }

    fn len(&self, path: &Path) -> Option<usize> {
        reading!(self, document => read::len(document, path))
    }

    fn keys(&self, path: &Path) -> Option<Vec<String>> {
        reading!(self, document => read::keys(document, path))
    }

    fn anchor(&self, path: &Path, at: usize) -> Option<Anchor> {
        reading!(self, document => read::anchor(document, path, at))
    }

    fn locate(&self, path: &Path, anchor: &Anchor) -> Option<usize> {
        reading!(self, document => read::locate(document, path, anchor))
    }

    fn exchange(&mut self) -> Option<&mut dyn Exchange> {
        Some(self)
    }
}
