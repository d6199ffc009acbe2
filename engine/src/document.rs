//! A document handle: what an application edits, reads and watches.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::Stream;
use syncline_core::crdt::Crdt;
use syncline_core::entry::Spec;
use syncline_core::event::{DocumentError, Progress};
use syncline_core::id::{DocId, EntryId, Have, Principal, ReplicaId};
use syncline_core::operation::{EditError as OperationError, Operation};
use syncline_core::path::Path;
use syncline_core::presence::{Presence, SessionId};
use syncline_core::replica::{EditFailure, Editor, Replica};
use syncline_core::schema::Schema;
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::ErrorCode;
use tokio::sync::watch;

use crate::error::{EditError, OpenError, SaveError};
use crate::history::History;
use crate::node::Node;
use crate::observers::{Channels, Complaint, Ended, Loss, Observers};
use crate::typed::Typed;

/// An open document. Cheap to clone. When the last handle is dropped the document is closed: it leaves memory once it is
/// written and, if the engine has a relay, once that has acknowledged every edit.
#[derive(Clone)]
pub struct Document {
    handle: Arc<Handle>,
}

/// One use of a document, open or about to be.
pub(crate) struct Handle {
    node: Node,
    observers: Arc<Observers>,
    channels: Arc<Channels>,
    doc: DocId,
}

impl Handle {
    pub fn new(node: Node, observers: Arc<Observers>, doc: DocId) -> Self {
        let channels = observers.enter(&doc);
        Self { node, observers, channels, doc }
    }
}

impl Drop for Handle {
    /// Takes no lock: an edit, which holds that of the replica, may drop what it likes.
    fn drop(&mut self) {
        if self.channels.users.fetch_sub(1, Ordering::Relaxed) == 1 {
            let (observers, doc) = (self.observers.clone(), self.doc.clone());
            self.node.later(move |node| observers.release(node, &doc));
        }
    }
}

/// Where an edit is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// In this replica's store, as durable as that is.
    Local,
    /// At a relay, which acknowledges only what its own store holds durably. A server of others promises less: it has applied
    /// the edit. [`Engine::promise`](crate::Engine::promise) says which of both it is.
    Relay,
}

thread_local! {
    /// Whether this thread is inside an edit or read; another one would wait for itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread as being inside an edit or read, for as long as it lives.
struct Inside;

impl Inside {
    fn enter() -> Option<Self> {
        (!INSIDE.replace(true)).then_some(Self)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

impl Document {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle: Arc::new(handle) }
    }

    /// The document's name.
    #[must_use]
    pub fn id(&self) -> &DocId {
        &self.handle.doc
    }

    /// Makes one edit of everything the closure performs. It is visible at once, and saved when
    /// [`Document::saved`] says so. If the closure fails or panics, nothing of it remains.
    ///
    /// The closure runs under the engine's lock: it must be short, and must not use this engine.
    pub fn edit<T, E>(&self, edit: impl FnOnce(&mut Editor<'_>) -> Result<T, E>) -> Result<T, EditError<E>> {
        let edited = self.with_replica(|replica, now, doc| replica.edit(now, doc, edit))?;
        Ok(edited.value)
    }

    /// Makes edits, one after the other as long as there is a next one, that are committed together: a store has all of
    /// them or none, unless one fails. Those before it stay.
    pub(crate) fn edit_again<E, F>(&self, mut next: impl FnMut() -> Option<F>) -> Result<(), EditError<E>>
    where
        F: FnOnce(&mut Editor<'_>) -> Result<(), E>,
    {
        // What is done under one lock is written by one commit.
        self.with_replica(|replica, now, doc| {
            std::iter::from_fn(&mut next).try_for_each(|edit| replica.edit(now, doc, edit).map(drop))
        })
    }

    /// Edits under the lock of the replica.
    fn with_replica<T, E>(
        &self,
        edit: impl FnOnce(&mut Replica, Time, &DocId) -> Result<T, EditFailure<E>>,
    ) -> Result<T, EditError<E>> {
        let _inside = Inside::enter().ok_or(EditError::Reentrant)?;
        let Handle { node, channels, doc, .. } = &*self.handle;
        if *channels.ended.borrow() == Some(Ended::Deleted) {
            return Err(EditError::Failed(EditFailure::NotOpen(doc.clone())));
        }
        let edited = node.edit(|replica, now| edit(replica, now, doc)).ok_or(EditError::Closed)?;
        edited.map_err(EditError::Failed)
    }

    /// What the document is; `None` if it has been closed.
    #[must_use]
    pub fn spec(&self) -> Option<Spec> {
        self.handle.node.look(|replica| replica.spec(&self.handle.doc))
    }

    /// The document in the terms of its schema; an error if it is of another kind.
    pub fn typed<S: Schema>(&self) -> Result<Typed<S>, OpenError> {
        match self.spec() {
            Some(found) if found.kind != S::KIND => {
                let (doc, wanted) = (self.id().clone(), Spec { kind: S::KIND, ..found });
                Err(DocumentError::SpecMismatch { doc, wanted, found, place: "here" }.into())
            }
            Some(_) | None => Ok(Typed::new(self.clone())),
        }
    }

    /// Makes an edit of one operation.
    pub fn perform(&self, operation: Operation) -> Result<(), EditError<OperationError>> {
        self.edit(|editor| editor.perform(operation))
    }

    /// Reads the document as it is now; `None` if it has been closed, or from inside an edit.
    pub fn read<T>(&self, read: impl FnOnce(&dyn Crdt) -> T) -> Option<T> {
        let _inside = Inside::enter()?;
        self.handle.node.look(|replica| replica.document(&self.handle.doc).map(read))
    }

    /// The value at a path and everything below it.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<Value> {
        self.read(|document| document.value(path))?
    }

    /// Waits until every edit made here so far is saved. Edits go on meanwhile.
    ///
    /// A relay may refuse edits. Those that could be made again are saved as they are then. If any were lost, waiting
    /// for the relay is an error, at once and each time, until [`Document::take_loss`]; those made after
    /// the wait began do not concern it.
    pub async fn saved(&self, place: Saved) -> Result<(), SaveError> {
        let made = self.progress().made;
        self.handle.node.hurry();
        let mut progress = self.handle.channels.progress.subscribe();
        let saved = move |progress: &Progress| match place {
            Saved::Local => progress.local >= made,
            Saved::Relay => progress.relay >= made,
        };
        tokio::select! {
            biased;
            error = self.lost(made), if place == Saved::Relay => Err(error),
            error = self.gone() => Err(error),
            done = progress.wait_for(saved) => done.map(|_| ()).map_err(|_| SaveError::Closed),
            error = self.not_taken(), if place == Saved::Relay => Err(error),
            () = self.handle.node.closed() => Err(SaveError::Closed),
        }
    }

    /// Waits until an edit up to this one is lost.
    async fn lost(&self, made: u64) -> SaveError {
        let mut loss = self.handle.channels.loss.subscribe();
        let concerns = |loss: &Option<Loss>| loss.as_ref().is_some_and(|loss| loss.first <= made);
        match loss.wait_for(concerns).await.as_deref() {
            Ok(Some(loss)) => SaveError::refused(self.id(), loss),
            Ok(None) | Err(_) => SaveError::Closed,
        }
    }

    /// What was lost of the edits made here, since the document was opened or this was last taken: a relay refused it,
    /// and it could not be made again. [`Document::saved`] no longer fails for it then.
    pub fn take_loss(&self) -> Option<Loss> {
        self.handle.channels.loss.send_replace(None)
    }

    /// What [`Document::take_loss`] would take.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        self.handle.channels.loss.borrow().clone()
    }

    /// Why a relay does not take the document for now, in its words. It is asked again after a while.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        self.handle.channels.obstacle.borrow().as_ref().map(|said| said.message.clone())
    }

    /// How far the edits made here are saved.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let now = self.handle.node.look(|replica| replica.progress(&self.handle.doc));
        now.unwrap_or_else(|| *self.handle.channels.progress.borrow())
    }

    /// Follows how far the edits made here are saved.
    #[must_use]
    pub fn watch_progress(&self) -> watch::Receiver<Progress> {
        self.handle.channels.progress.subscribe()
    }

    /// Waits until this store and a connected relay hold the same entries of the document.
    pub async fn in_sync(&self) -> Result<(), SaveError> {
        let mut in_sync = self.handle.channels.in_sync.subscribe();
        let holds = |id: &syncline_core::id::ConnectionId| {
            self.handle.node.look(|replica| replica.in_sync(*id, &self.handle.doc))
        };
        loop {
            let told = *in_sync.borrow_and_update();
            if told.is_some_and(|id| holds(&id)) {
                return Ok(());
            }
            tokio::select! {
                changed = in_sync.changed() => changed.map_err(|_| SaveError::Closed)?,
                error = self.gone() => return Err(error),
                error = self.not_taken() => return Err(error),
                () = self.handle.node.closed() => return Err(SaveError::Closed),
            }
        }
    }

    /// Waits until a relay says that it does not take the document.
    async fn not_taken(&self) -> SaveError {
        let mut complaint = self.handle.channels.complaint.subscribe();
        let doc = self.id().clone();
        match complaint.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Complaint { code: ErrorCode::SpecMismatch, message, .. })) => {
                SaveError::Mismatch { doc, reason: message.clone() }
            }
            Ok(Some(Complaint { message, .. })) => SaveError::NotTaken { doc, reason: message.clone() },
            Ok(None) | Err(_) => SaveError::Closed,
        }
    }

    /// Waits until the document is open no longer, and says why.
    pub async fn ended(&self) -> SaveError {
        tokio::select! {
            biased;
            why = self.gone() => why,
            () = self.handle.node.closed() => SaveError::Closed,
        }
    }

    /// As [`Document::ended`], if that comes before the engine's end.
    async fn gone(&self) -> SaveError {
        let mut ended = self.handle.channels.ended.subscribe();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ended::Failed(error))) => SaveError::Failed(error.clone()),
            Ok(Some(Ended::Deleted)) => SaveError::Deleted(self.id().clone()),
            Ok(None) | Err(_) => SaveError::Closed,
        }
    }

    /// Yields whenever the content has changed, here or elsewhere, or can be read no longer; changes that come faster
    /// than they are taken are one.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + Unpin + 'static {
        let changes = self.handle.channels.changes.subscribe();
        Box::pin(futures_util::stream::unfold(changes, |mut changes| async {
            changes.changed().await.ok()?;
            Some(((), changes))
        }))
    }

    /// Under which id edits are made here, from the next one on; another one each time that the document is opened.
    /// `None` if it has been closed.
    #[must_use]
    pub fn writer(&self) -> Option<ReplicaId> {
        self.handle.node.with(|replica, _| replica.writer(&self.handle.doc))
    }

    /// The last entry of the document's log here; right after an edit, that edit's.
    #[must_use]
    pub fn last_entry(&self) -> Option<EntryId> {
        self.handle.node.look(|replica| {
            let log = replica.log(&self.handle.doc)?;
            log.after(log.head().saturating_sub(1)).next_back().map(|stored| stored.entry.id)
        })
    }

    /// Which entries this replica holds of the document.
    #[must_use]
    pub fn have(&self) -> Have {
        self.handle
            .node
            .look(|replica| replica.log(&self.handle.doc).map(|log| log.have().clone()))
            .unwrap_or_default()
    }

    /// What was done to the document, as far as its log still tells; `None` if it has been closed.
    #[must_use]
    pub fn history(&self) -> Option<History> {
        self.handle.node.look(|replica| replica.log(&self.handle.doc).map(History::of))
    }

    /// Looks at the replica that holds it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Replica, &DocId) -> T) -> T {
        self.handle.node.look(|replica| look(replica, &self.handle.doc))
    }

    /// What is told about it.
    pub(crate) fn channels(&self) -> &Channels {
        &self.handle.channels
    }

    pub(crate) fn announce(&self, session: SessionId, presence: Option<Presence>) {
        self.handle.node.with(|replica, now| replica.announce(now, &self.handle.doc, session, presence));
    }

    pub(crate) fn new_session(&self) -> SessionId {
        self.handle.node.with(|replica, _| replica.new_session())
    }

    /// The engine's time.
    pub(crate) fn now(&self) -> Time {
        self.handle.node.now()
    }

    /// Under whose name edits are made.
    pub(crate) fn user(&self) -> Principal {
        self.look(|replica, _| replica.principal().clone())
    }

    /// Why the document had to be closed, if it had to.
    #[must_use]
    pub fn failure(&self) -> Option<DocumentError> {
        match &*self.handle.channels.ended.borrow() {
            Some(Ended::Failed(error)) => Some(error.clone()),
            Some(Ended::Deleted) | None => None,
        }
    }

    /// Has the log merged into a snapshot, as far as it may be, and waits for it, or for the document's end. Edits go on meanwhile.
    pub async fn compact(&self) {
        let mut compactions = self.handle.channels.compactions.subscribe();
        let open = self.handle.node.with(|replica, _| {
            replica.compact(&self.handle.doc);
            replica.log(&self.handle.doc).is_some()
        });
        if open {
            tokio::select! {
                _told = compactions.changed() => {}
                _why = self.ended() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline_core::entry::{Family, Kind};
    use syncline_core::event::Event;
    use syncline_storage::MemoryStorage;
    use syncline_transports::memory;

    use super::*;
    use crate::Engine;

    const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

    fn put() -> Operation {
        Operation::Put { path: "/a".parse().unwrap(), value: true.into() }
    }

    /// Waits until so many documents are in memory.
    async fn in_memory(node: &Node, count: usize) {
        let mut turns = node.shared.turns.subscribe();
        let reached = turns.wait_for(|()| node.look(|replica| replica.documents().count() == count));
        tokio::time::timeout(std::time::Duration::from_secs(20), reached).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_document_leaves_memory_with_its_last_handle_and_comes_back() {
        let engine = Engine::builder(MemoryStorage::new()).open().unwrap();
        let document = engine.document("board", SPEC).await.unwrap();
        let (node, other) = (document.handle.node.clone(), document.clone());
        document.perform(put()).unwrap();
        drop(document);
        assert!(other.value(&"/a".parse().unwrap()).is_some());
        let inside = other.clone();
        other.edit(move |editor| editor.perform(put()).inspect(|()| drop(inside))).unwrap();
        drop(other);
        in_memory(&node, 0).await;
        assert_eq!(engine.status().pending, 0, "of open documents");

        for _ in 0..3 {
            let again = engine.existing("board").await.unwrap();
            assert_eq!(again.progress().made, 2, "no edit is lost");
        }
        let refused = engine.document("board", Spec { family: Family::Automerge, ..SPEC }).await;
        assert!(refused.is_err());
        in_memory(&node, 0).await;
        engine.close().await;
    }

    #[tokio::test]
    async fn edits_that_nobody_waits_for_reach_the_store_too() {
        let engine = Engine::builder(MemoryStorage::new()).open().unwrap();
        let document = engine.document("board", SPEC).await.unwrap();
        let mut progress = document.watch_progress();
        for made in 1..=3 {
            // The first comes after a quiet time, the others within a tick of it.
            document.perform(put()).unwrap();
            let saved = progress.wait_for(|progress| progress.local >= made);
            tokio::time::timeout(std::time::Duration::from_secs(20), saved).await.unwrap().unwrap();
        }
        engine.close().await;
    }

    #[tokio::test]
    async fn what_is_pending_keeps_a_document_in_memory_until_a_relay_has_it() {
        let (transport, mut listener) = memory::listen();
        let config = syncline_core::replica::Config {
            agent: "test relay".to_owned(),
            principal: syncline_core::id::Principal::new("relay").unwrap(),
            encoding: syncline_core::wire::Encoding::Binary,
            compression: Vec::new(),
            seed: 7,
            policy: syncline_core::replica::Policy::relay(),
        };
        let relay = Node::start(Box::new(MemoryStorage::new()), config, Box::new(|_, _| {})).unwrap();
        transport.faults().refuse(true);
        let engine =
            Engine::builder(MemoryStorage::new()).relay(transport.clone()).longest_wait(100).open().unwrap();
        let document = engine.document("board", SPEC).await.unwrap();
        document.perform(put()).unwrap();
        document.saved(Saved::Local).await.unwrap();
        let node = document.handle.node.clone();
        drop(document);
        engine.list().await.unwrap();
        assert_eq!(node.look(|replica| replica.documents().count()), 1);
        transport.faults().refuse(false);
        let _up = relay.attach(listener.accept().await.unwrap(), syncline_core::event::Side::Accepted);
        in_memory(&node, 0).await;
        let document = engine.existing("board").await.unwrap();
        assert_eq!(document.progress().pending, 0);
        engine.close().await;
        relay.close().await;
    }

    #[tokio::test]
    async fn whoever_waits_for_a_document_that_cannot_stay_open_hears_of_it() {
        let (unreachable, _) = memory::listen();
        let engine = Engine::builder(MemoryStorage::new()).relay(unreachable).open().unwrap();
        let document = engine.document("board", SPEC).await.unwrap();
        document.perform(put()).unwrap();
        document.saved(Saved::Local).await.unwrap();
        let Handle { node, observers, doc, .. } = &*document.handle;
        let fail = |error: DocumentError| observers.on_event(node, Event::Failed { doc: doc.clone(), error });
        let damaged = DocumentError::Damaged { doc: doc.clone(), reason: "by a test".to_owned() };
        fail(damaged.clone());
        assert_eq!(document.failure(), None, "somebody else could not open it");
        let mut changes = document.changes();
        node.with(|replica, _| replica.close(doc));
        in_memory(node, 0).await;
        fail(damaged.clone());
        assert_eq!(document.saved(Saved::Relay).await, Err(SaveError::Failed(damaged.clone())));
        assert_eq!(document.in_sync().await, Err(SaveError::Failed(damaged.clone())));
        assert_eq!(document.ended().await, SaveError::Failed(damaged.clone()));
        assert_eq!(document.failure(), Some(damaged));
        futures_util::StreamExt::next(&mut changes).await.unwrap();
        engine.close().await;
    }
}
