//! A Yjs document in memory.
//!
//! yrs is used in one way only: one transaction for every operation and every update from elsewhere, nothing
//! left open, no observers. What it says when it panics is caught; the transaction is then forgotten instead
//! of dropped, because dropping commits it, and committing what is half done is what must not happen.
//!
//! When a container is deleted with a document in it, yrs first frees what was in the container and then looks at
//! the place where the inner document was. So where there are documents inside of the document, what was deleted is
//! freed by a second transaction.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use yrs::branch::{Branch, BranchPtr};
use yrs::merge_updates_v1;
use yrs::updates::decoder::Decode;
use yrs::{
    Assoc, ClientID, Doc, IndexedSequence, OffsetKind, Options, ReadTxn, StateVector, StickyIndex, Text,
    Transact, Transaction, TransactionMut, Update,
};

use super::YjsGate;
use super::brought::Brought;
use super::edit::Edit;
use super::node::{Context, Node};
use super::shape::Shapes;
use super::squash::{self, AT_ONCE_BYTES};
use crate::crdt::{Crdt, Damaged, Exchange, Gate, GateError, Writer};
use crate::entry::{Family, Kind};
use crate::id::{Have, ReplicaId};
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::presence::Anchor;
use crate::value::{NodeKind, Value};

/// What yrs calls the transactions that merge something from elsewhere.
const REMOTE: &str = "remote";

/// The client id of documents that nobody has edited here. Nothing is ever written under it.
const NOBODY: u64 = 0;

/// After so many local edits the document of yrs is made again, if so many bytes of its encoding are fewer than
/// [`BYTES_AN_EDIT`] for each of them.
const EDITS_APART: usize = 4096;

/// What making a document again may cost for each edit, in bytes of its encoding.
const BYTES_AN_EDIT: usize = 32;

/// A Yjs document, with its gate.
pub struct Yjs {
    kind: Kind,
    pub(super) doc: Doc,
    /// The client id that `doc` writes under.
    client: u64,
    /// Whether what is deleted is freed by a second transaction.
    frees_later: bool,
    writer: Option<ReplicaId>,
    pub(super) gate: YjsGate,
    /// What the update that was admitted last will bring; `None` if nothing waits to be applied.
    coming: Option<Brought>,
    shapes: RefCell<Shapes>,
    /// Local edits since the document of yrs was made.
    apart: usize,
    /// How long its encoding was then.
    encoded: usize,
    /// Updates of the edits since the last [`Crdt::take_local`].
    local: Vec<Vec<u8>>,
    damaged: Option<Damaged>,
}

impl Yjs {
    /// An empty document. Every kind of Yjs document starts empty: top-level types need not be made.
    #[must_use]
    pub fn create(kind: Kind) -> Self {
        Self {
            kind,
            doc: new_doc(NOBODY, false),
            client: NOBODY,
            frees_later: false,
            writer: None,
            gate: YjsGate::new(),
            coming: None,
            shapes: RefCell::default(),
            apart: 0,
            encoded: 0,
            local: Vec::new(),
            damaged: None,
        }
    }

    /// The document that [`Crdt::snapshot`] saved.
    pub fn load(kind: Kind, snapshot: &[u8]) -> Result<Self, Damaged> {
        let mut loaded = Self::create(kind);
        loaded.admit_snapshot(snapshot).map_err(|error| damaged(error.to_string()))?;
        loaded.merge(snapshot)?;
        Ok(loaded)
    }

    /// Merges admitted updates, in as many transactions as keep [what yrs copies](super::squash) in bounds.
    pub(super) fn integrate(&mut self, updates: &[&[u8]]) -> Result<(), Damaged> {
        self.expect()?;
        for together in squash::together(updates) {
            match *together {
                [costly] if squash::is_costly(costly) => {
                    let parts = self.gate.cut(Have::NONE, costly, AT_ONCE_BYTES);
                    let parts = parts.map_err(|error| damaged(error.to_string()))?;
                    parts.iter().try_for_each(|part| self.transact(&[part], |_| ()))?;
                }
                _ => self.transact(together, |_| ())?,
            }
        }
        Ok(())
    }

    /// Merges an admitted update that is not costly, and looks at the transaction that did so.
    pub(super) fn integrate_and<T>(
        &mut self,
        update: &[u8],
        look: impl FnOnce(&TransactionMut<'_>) -> T,
    ) -> Result<T, Damaged> {
        self.expect()?;
        self.transact(&[update], look)
    }

    /// Gets ready for what was admitted.
    fn expect(&mut self) -> Result<(), Damaged> {
        self.check_alive()?;
        if self.gate.holds_documents() && !self.frees_later {
            self.frees_later = true;
            let coming = self.coming.take();
            self.make_again(self.client)?;
            self.coming = coming;
        }
        match self.coming.take() {
            Some(brought) => self.shapes.get_mut().keep(brought),
            None => *self.shapes.get_mut() = Shapes::default(),
        }
        Ok(())
    }

    fn transact<T>(
        &mut self,
        updates: &[&[u8]],
        look: impl FnOnce(&TransactionMut<'_>) -> T,
    ) -> Result<T, Damaged> {
        let mut seen = None;
        self.change(REMOTE, |txn| {
            for update in updates {
                let update = Update::decode_v1(update).map_err(|error| damaged(error.to_string()))?;
                txn.apply_update(update).map_err(|error| damaged(error.to_string()))?;
            }
            if txn.has_missing_updates() {
                return Err(damaged("an update depends on something that is missing".to_owned()));
            }
            seen = Some(look(txn));
            Ok(())
        })?;
        seen.ok_or_else(|| damaged("a transaction ended before it was looked at".to_owned()))
    }

    /// Runs one transaction. If anything goes wrong in it, the document is lost.
    fn change(
        &mut self,
        origin: &'static str,
        body: impl FnOnce(&mut TransactionMut<'_>) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        self.check_alive()?;
        let mut txn = self.doc.transact_mut_with(origin);
        let done = caught(|| body(&mut txn)).and_then(|done| done);
        let deletes = !txn.delete_set().is_empty();
        let committed = done.and_then(|()| caught(|| txn.commit()));
        if let Err(error) = committed {
            std::mem::forget(txn);
            return Err(self.give_up(error));
        }
        drop(txn);
        if deletes && self.frees_later { self.free_deleted() } else { Ok(()) }
    }

    fn free_deleted(&mut self) -> Result<(), Damaged> {
        let mut txn = self.doc.transact_mut_with("free");
        if let Err(error) = caught(|| (txn.gc(None), txn.commit())) {
            std::mem::forget(txn);
            return Err(self.give_up(error));
        }
        Ok(())
    }

    /// Replaces a document that may be inconsistent by an empty one, which nothing uses.
    fn give_up(&mut self, error: Damaged) -> Damaged {
        self.doc = new_doc(NOBODY, false);
        self.damaged = Some(error.clone());
        error
    }

    pub(super) fn check_alive(&self) -> Result<(), Damaged> {
        self.damaged.clone().map_or(Ok(()), Err)
    }

    /// Gives the document the client id of its writer. yrs cannot change that of a document, so it is made
    /// again from its snapshot; once after a load, and only if it is edited.
    fn become_writer(&mut self) -> Result<(), Damaged> {
        self.check_alive()?;
        let Some(writer) = self.writer else {
            return Err(damaged("it is edited before its writer is named".to_owned()));
        };
        let client = writer.yjs_client();
        if client == self.client {
            return Ok(());
        }
        self.make_again(client)
    }

    /// Makes the document of yrs again, from its snapshot, under a client id.
    fn make_again(&mut self, client: u64) -> Result<(), Damaged> {
        let snapshot = self.encode()?;
        // Freed before, its memory would be where the new one comes to lie, in as many places.
        let before = std::mem::replace(&mut self.doc, new_doc(client, self.frees_later));
        self.client = client;
        (self.apart, self.encoded) = (0, snapshot.len());
        self.coming = Some(Brought::default());
        if snapshot != Update::EMPTY_V1 {
            self.integrate(&[&snapshot])?;
        }
        drop(before);
        Ok(())
    }

    /// Makes the document again when its blocks lie far apart. yrs walks along a text for every edit; it allocates a block when
    /// it comes, and much else is allocated between two of them, so that after a while each lies on a page of its own.
    /// Made from a snapshot, they lie side by side.
    fn gather(&mut self) -> Result<(), Damaged> {
        self.apart += 1;
        if self.apart < EDITS_APART || self.apart * BYTES_AN_EDIT < self.encoded {
            return Ok(());
        }
        self.make_again(self.client)
    }

    fn edit(&mut self, operation: &Operation) -> Result<(), EditError> {
        self.become_writer()?;
        let (kind, client) = (self.kind, self.client);
        let mut shapes = self.shapes.take();
        let mut outcome = Ok(());
        let mut update = None;
        self.change("local", |txn| {
            let context = Context { kind, shapes: &mut shapes };
            outcome = Edit { txn, context, client }.perform(operation);
            update = txn.has_changes().then(|| txn.encode_update_v1());
            Ok(())
        })?;
        self.shapes.replace(shapes);
        self.local.extend(update);
        outcome
    }

    fn read<T>(&self, read: impl FnOnce(&mut Context<'_>, &Transaction<'_>) -> Option<T>) -> Option<T> {
        self.check_alive().ok()?;
        let mut shapes = self.shapes.borrow_mut();
        let mut context = Context { kind: self.kind, shapes: &mut shapes };
        caught(|| read(&mut context, &self.doc.transact())).ok()?
    }

    fn find<T>(
        &self,
        path: &Path,
        read: impl FnOnce(Node, &mut Context<'_>, &Transaction<'_>) -> Option<T>,
    ) -> Option<T> {
        self.read(|context, txn| {
            let node = context.find(path, txn)?;
            read(node, context, txn)
        })
    }

    fn encode(&self) -> Result<Vec<u8>, Damaged> {
        self.check_alive()?;
        caught(|| self.doc.transact().encode_diff_v1(&StateVector::default()))
    }

    fn take_merged(&mut self) -> Result<Option<Vec<u8>>, Damaged> {
        if self.local.len() <= 1 {
            return Ok(self.local.pop());
        }
        let local = std::mem::take(&mut self.local);
        let merged = caught(|| merge_updates_v1(local))?;
        merged.map(Some).map_err(|error| damaged(error.to_string()))
    }
}

impl Gate for Yjs {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        self.gate.admit(writer, update)?;
        self.coming.get_or_insert_default().join(self.gate.brought());
        Ok(())
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        self.gate.admit_snapshot(snapshot)?;
        self.coming.get_or_insert_default().join(self.gate.brought());
        Ok(())
    }

    fn version(&self) -> Option<Bytes> {
        self.gate.version()
    }

    fn bytes(&self) -> usize {
        self.gate.bytes()
    }
}

impl Crdt for Yjs {
    fn write_as(&mut self, replica: ReplicaId) {
        self.writer = Some(replica);
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), Damaged> {
        self.integrate(updates)
    }

    fn merge(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.integrate(&[snapshot])
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        operation.check()?;
        self.edit(operation)
    }

    fn take_local(&mut self) -> Result<Option<Bytes>, Damaged> {
        self.check_alive()?;
        let Some(update) = self.take_merged()? else { return Ok(None) };
        let writer = self.writer.map_or(Writer::STRANGER, Writer::Replica);
        self.gate.admit(&writer, &update).map_err(|error| self.give_up(damaged(error.to_string())))?;
        self.gather()?;
        // The library's buffer has room for a kilobyte, and a log would keep it.
        Ok(Some(Bytes::copy_from_slice(&update)))
    }

    fn snapshot(&self) -> Result<Bytes, Damaged> {
        self.encode().map(Bytes::from)
    }

    fn value(&self, path: &Path) -> Option<Value> {
        if path.is_root() {
            return self.read(|context, txn| Some(context.root(txn)));
        }
        self.find(path, |node, _, txn| Some(node.value(txn)))
    }

    fn kind(&self, path: &Path) -> Option<NodeKind> {
        if path.is_root() {
            return Some(NodeKind::Map);
        }
        self.find(path, |node, _, _| Some(node.kind()))
    }

    fn len(&self, path: &Path) -> Option<usize> {
        if path.is_root() {
            return self.read(|context, txn| Some(context.root_keys(txn).len()));
        }
        self.find(path, |node, context, txn| context.len(&node, txn))
    }

    fn keys(&self, path: &Path) -> Option<Vec<String>> {
        let keys = if path.is_root() {
            self.read(|context, txn| Some(context.root_keys(txn)))
        } else {
            self.find(path, |node, _, txn| node.keys(txn))
        };
        keys.map(|keys| keys.into_iter().collect())
    }

    fn anchor(&self, path: &Path, at: usize) -> Option<Anchor> {
        self.find(path, |node, context, txn| {
            let Node::Text(text) = node else { return None };
            let unit = context.unit(&text, at, txn)?;
            let place = match unit < Text::len(&text, txn) {
                true => text.sticky_index(txn, unit, Assoc::After)?,
                false => StickyIndex::from_type(txn, &text, Assoc::After),
            };
            serde_json::to_string(&place).ok().map(Anchor)
        })
    }

    fn locate(&self, path: &Path, anchor: &Anchor) -> Option<usize> {
        let place: StickyIndex = serde_json::from_str(&anchor.0).ok()?;
        self.find(path, |node, context, txn| {
            let Node::Text(text) = node else { return None };
            let offset = place.get_offset(txn)?;
            let branch: &Branch = text.as_ref();
            if offset.branch != BranchPtr::from(branch) {
                return None;
            }
            context.code_point(&text, offset.index, txn)
        })
    }

    fn exchange(&mut self) -> Option<&mut dyn Exchange> {
        Some(self)
    }
}

fn new_doc(client: u64, skip_gc: bool) -> Doc {
    Doc::with_options(Options {
        client_id: ClientID::new(client),
        guid: "".into(),
        collection_id: None,
        offset_kind: OffsetKind::Utf16,
        skip_gc,
        auto_load: false,
        should_load: true,
        cleanup_formatting: false,
    })
}

pub(super) fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Damaged> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        damaged(format!("yrs panicked: {}", text.unwrap_or("without a word")))
    })
}

pub(super) const fn damaged(reason: String) -> Damaged {
    Damaged { family: Family::Yjs, reason }
}
