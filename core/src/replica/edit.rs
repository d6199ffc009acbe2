//! Edits by the application: performed at once, one entry for each edit.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use thiserror::Error;

use super::Replica;
use super::context::Context;
use super::live::Live;
use crate::crdt::{Crdt, Damaged};
use crate::entry::{Body, Digest, Entry, MAX_TOUCHED, MAX_TOUCHED_BYTES, MAX_UPDATE_BYTES, Touch, TouchKind};
use crate::event::{Event, StoreFault};
use crate::id::{DocId, EntryId, Principal, ReplicaId};
use crate::operation::{EditError, MAX_OPERATIONS, Operation};
use crate::time::Time;
use crate::value::NodeKind;
use crate::wire::encode_operations;

/// Most writes that may wait for the disk before edits are refused.
pub const MAX_UNWRITTEN: usize = 65_536;

/// Length of the names that are given to new things. They carry 60 bits.
pub const FRESH_NAME_CHARS: u32 = 12;

/// An edit that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edited<T> {
    /// What the closure returned.
    pub value: T,
    /// The edit's ticket, to be found in [`Progress`](crate::event::Progress); `None` if nothing changed.
    pub ticket: Option<u64>,
}

/// An edit that was not made; the document is as it was.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditFailure<E> {
    /// The document is not open, or is held without its content.
    #[error("document {0:?} is not open for editing")]
    NotOpen(DocId),
    /// The store cannot be written, so nothing could be saved.
    #[error("nothing can be saved at the moment: {0}; edits are accepted again once that is mended")]
    Stopped(StoreFault),
    /// Too many edits wait for the disk.
    #[error("{MAX_UNWRITTEN} edits wait for the disk; try again when some are saved")]
    Busy,
    /// The update made of the edit is too large for one entry.
    #[error(
        "the edit makes an update of {bytes} bytes, {MAX_UPDATE_BYTES} are allowed; make several smaller ones"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The library failed; the document was rebuilt from its log.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The closure returned an error.
    #[error("{0}")]
    Rejected(E),
}

/// A document during an edit.
pub struct Editor<'a> {
    document: &'a mut dyn Crdt,
    operations: Vec<Operation>,
    touched: Touched,
    /// The library failed, so the document must be made again, whatever the application makes of that.
    damaged: Option<Damaged>,
    authorship: &'a Authorship,
    named: u64,
}

/// Who edits, when, and as what.
struct Authorship {
    id: EntryId,
    author: Principal,
    time: Time,
}

/// What an edit touches, as far as an entry has room for that.
#[derive(Default)]
pub(super) struct Touched {
    named: Vec<Touch>,
    cost: usize,
}

impl Touched {
    pub fn note(&mut self, touch: Touch) {
        let cost = self.cost + touch.cost();
        if self.named.len() < MAX_TOUCHED && cost <= MAX_TOUCHED_BYTES {
            self.cost = cost;
            self.named.push(touch);
        }
    }
}

impl Editor<'_> {
    /// The document, with what was performed so far.
    #[must_use]
    pub fn document(&self) -> &dyn Crdt {
        self.document
    }

    /// Under whose name the edit is made.
    #[must_use]
    pub fn author(&self) -> &Principal {
        &self.authorship.author
    }

    /// When.
    #[must_use]
    pub fn time(&self) -> Time {
        self.authorship.time
    }

    /// A number that no other edit of any replica gives, nor this one again, but by a chance of one in billions: it is a
    /// hash of the entry that the edit will be.
    pub fn fresh_number(&mut self) -> u64 {
        self.named += 1;
        Digest(self.named).chain(&self.authorship.id).0
    }

    /// A name for something new, as unlike any other as [`Editor::fresh_number`]: [`FRESH_NAME_CHARS`] letters and
    /// digits, without those that are easily taken for each other.
    pub fn fresh_name(&mut self) -> String {
        const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let number = self.fresh_number();
        let symbol = |place: u32| SYMBOLS[(number >> (5 * place)) as usize % SYMBOLS.len()];
        (0..FRESH_NAME_CHARS).map(|place| char::from(symbol(place))).collect()
    }

    /// Performs one operation. An error leaves the document as it was before the operation; returning it from
    /// the closure takes back the whole edit.
    pub fn perform(&mut self, operation: Operation) -> Result<(), EditError> {
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(EditError::Limit {
                what: "the number of operations in one edit",
                limit: MAX_OPERATIONS,
            });
        }
        operation.check()?;
        let touch = touch(&operation, self.document);
        let performed = self.document.perform(&operation);
        if let Err(EditError::Damaged(damaged)) = &performed {
            self.damaged = Some(damaged.clone());
        }
        performed?;
        touch.into_iter().for_each(|touch| self.touched.note(touch));
        self.operations.push(operation);
        Ok(())
    }
}

/// What the operation does to a register or container; nothing for edits inside texts, lists and counters.
pub(super) fn touch(operation: &Operation, document: &dyn Crdt) -> Option<Touch> {
    let what = match operation {
        Operation::Put { value, .. } if value.kind() == NodeKind::Register => TouchKind::Wrote,
        Operation::Put { .. } => TouchKind::Created,
        Operation::Remove { .. } => TouchKind::Removed,
        // What is not at the beginning of a text is in one that is there.
        Operation::Splice { at, delete, .. } if *at > 0 || *delete > 0 => return None,
        Operation::Splice { path, .. } | Operation::Increment { path, .. } => {
            return document
                .kind(path)
                .is_none()
                .then(|| Touch { path: path.clone(), what: TouchKind::Created });
        }
        Operation::Insert { .. } => return None,
    };
    Some(Touch { path: operation.path().clone(), what })
}

impl Replica {
    /// Runs the closure on the document and makes one entry of what it performed. The edit is visible at once
    /// and on its way to the disk; [`Replica::progress`] tells when its ticket is saved.
    ///
    /// If the closure fails or panics, nothing of the edit remains.
    pub fn edit<T, E>(
        &mut self,
        now: Time,
        doc: &DocId,
        edit: impl FnOnce(&mut Editor<'_>) -> Result<T, E>,
    ) -> Result<Edited<T>, EditFailure<E>> {
        self.context.set_clock(now);
        if let Some(fault) = &self.fault {
            return Err(EditFailure::Stopped(fault.clone()));
        }
        if self.context.unwritten() >= MAX_UNWRITTEN {
            return Err(EditFailure::Busy);
        }
        let live = self.documents.get_mut(doc).and_then(super::Document::live_mut);
        let live =
            live.filter(|live| live.content.is_built()).ok_or_else(|| EditFailure::NotOpen(doc.clone()))?;
        let edited = live.edit(&mut self.context, edit);
        self.drop_done(doc);
        self.deliver();
        edited
    }

    /// Under which id edits of a document are made here, from the next one on; another one each time that the
    /// document is loaded. `None` unless it is open for editing.
    pub fn writer(&mut self, doc: &DocId) -> Option<ReplicaId> {
        let live = self.documents.get_mut(doc).and_then(super::Document::live_mut)?;
        live.content.is_built().then(|| live.writer(&mut self.context))
    }
}

impl Live {
    fn edit<T, E>(
        &mut self,
        context: &mut Context,
        edit: impl FnOnce(&mut Editor<'_>) -> Result<T, E>,
    ) -> Result<Edited<T>, EditFailure<E>> {
        let writer = self.writer(context);
        let authorship = Authorship {
            id: self.next_id(writer),
            author: context.config.principal.clone(),
            time: context.clock,
        };
        let Some(document) = self.content.document_mut() else {
            return Err(EditFailure::NotOpen(self.doc.clone()));
        };
        let mut editor = Editor {
            document: &mut **document,
            operations: Vec::new(),
            touched: Touched::default(),
            damaged: None,
            authorship: &authorship,
            named: 0,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| edit(&mut editor)));
        let Editor { operations, touched, damaged, .. } = editor;
        if let Some(damaged) = damaged {
            self.rebuild(context);
            return outcome.map_or_else(|panic| resume_unwind(panic), |_| Err(damaged.into()));
        }
        match outcome {
            Ok(Ok(value)) if operations.is_empty() => Ok(Edited { value, ticket: None }),
            Ok(Ok(value)) => {
                let ticket = self.conclude(context, writer, &operations, touched)?;
                Ok(Edited { value, ticket })
            }
            Ok(Err(error)) => {
                self.take_back(context, &operations);
                Err(EditFailure::Rejected(error))
            }
            Err(panic) => {
                self.take_back(context, &operations);
                resume_unwind(panic)
            }
        }
    }

    /// The id this replica writes under, named to the document the first time.
    pub(super) fn writer(&mut self, context: &mut Context) -> ReplicaId {
        *self.writer.get_or_insert_with(|| {
            let writer = ReplicaId::new(context.random.bytes());
            if let Some(document) = self.content.document_mut() {
                document.write_as(writer);
            }
            writer
        })
    }

    fn take_back(&mut self, context: &mut Context, performed: &[Operation]) {
        if !performed.is_empty() {
            self.rebuild(context);
        }
    }

    fn conclude<E>(
        &mut self,
        context: &mut Context,
        writer: ReplicaId,
        operations: &[Operation],
        touched: Touched,
    ) -> Result<Option<u64>, EditFailure<E>> {
        let Some(document) = self.content.document_mut() else { return Ok(None) };
        let update = match document.take_local() {
            Ok(None) => return Ok(None),
            Ok(Some(update)) if update.len() <= MAX_UPDATE_BYTES => update,
            Ok(Some(update)) => {
                self.rebuild(context);
                return Err(EditFailure::TooLarge { bytes: update.len() });
            }
            Err(damaged) => {
                self.rebuild(context);
                return Err(damaged.into());
            }
        };
        let entry = self.own_entry(context, writer, touched, Body::Update(update));
        let cost = entry.cost();
        let offset = self.append(context, Arc::new(entry), Some(encode_operations(operations)));
        context.tell(Event::Changed { doc: self.doc.clone(), local: true, entries: 1 });
        Ok(Some(self.pending.push(offset, cost)))
    }

    fn next_id(&self, writer: ReplicaId) -> EntryId {
        EntryId { replica: writer, counter: self.log.have().counter(&writer) + 1 }
    }

    /// The next entry of this replica.
    pub(super) fn own_entry(
        &self,
        context: &Context,
        writer: ReplicaId,
        touched: Touched,
        body: Body,
    ) -> Entry {
        Entry {
            id: self.next_id(writer),
            author: context.config.principal.clone(),
            time: context.clock,
            seen: self.seen(),
            touched: touched.named,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Family, Kind, Spec};
    use crate::id::{Epoch, Principal};
    use crate::log::Log;
    use crate::path::{MAX_KEY_BYTES, Path};
    use crate::replica::content::Content;
    use crate::replica::{Config, Policy};
    use crate::value::Value;
    use crate::wire::Encoding;

    fn fresh() -> (Context, Live) {
        let config = Config {
            agent: "test".to_owned(),
            principal: Principal::new("ada").unwrap(),
            encoding: Encoding::Binary,
            compression: Vec::new(),
            seed: 1,
            policy: Policy::client(),
        };
        let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
        let log = Log::new(Epoch::new([1; 16]));
        let content = Content::build(spec, true, &log, &mut Default::default()).unwrap();
        (Context::new(config), Live::new(DocId::new("d").unwrap(), spec, log, content))
    }

    fn put(key: &str) -> Operation {
        Operation::Put { path: Path::root().child(key), value: Value::from(1) }
    }

    #[test]
    fn what_is_damaged_by_the_first_operation_is_made_again() {
        for swallowed in [false, true] {
            let (mut context, mut live) = fresh();
            // The library fails at once where nobody has named the writer.
            live.writer = Some(ReplicaId::new([1; 16]));
            let edited = live.edit(&mut context, |editor| match editor.perform(put("a")) {
                Err(_) if swallowed => Ok(()),
                other => other,
            });
            assert!(matches!(edited, Err(EditFailure::Damaged(_))), "{edited:?}");
            let edited = live.edit(&mut context, |editor| editor.perform(put("a")));
            assert_eq!(edited.map(|edited| edited.ticket), Ok(Some(1)));
        }
    }

    #[test]
    fn an_entry_names_what_it_touches_as_far_as_there_is_room() {
        let (mut context, mut live) = fresh();
        let keys: Vec<String> = (0..32).map(|n| format!("{n:x>width$}", width = MAX_KEY_BYTES)).collect();
        live.edit(&mut context, |editor| keys.iter().try_for_each(|key| editor.perform(put(key)))).unwrap();
        let entry = &live.log.after(0).next().unwrap().entry;
        assert_eq!(entry.touched.len(), MAX_TOUCHED_BYTES / MAX_KEY_BYTES - 1);
        assert!(entry.touched.iter().map(Touch::cost).sum::<usize>() <= MAX_TOUCHED_BYTES);
    }
}
