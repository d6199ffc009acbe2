//! A document handle: what an application edits, reads and watches.

use std::cell::Cell;
use std::sync::Arc;

use futures_util::Stream;
use syncline_core::crdt::Crdt;
use syncline_core::event::{DocumentError, Progress};
use syncline_core::id::{DocId, EntryId, Have, ReplicaId};
use syncline_core::operation::{EditError as OperationError, Operation};
use syncline_core::path::Path;
use syncline_core::replica::Editor;
use syncline_core::value::Value;
use tokio::sync::watch;

use crate::error::{EditError, SaveError};
use crate::history::History;
use crate::node::Node;
use crate::observers::Channels;

/// An open document. Cheap to clone and to drop; the document goes on syncing until the engine is closed.
#[derive(Clone)]
pub struct Document {
    node: Node,
    channels: Arc<Channels>,
    doc: DocId,
}

/// Where an edit is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// In this replica's store, as durable as that is.
    Local,
    /// At a relay, which acknowledges only what its own store holds durably.
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
    pub(crate) fn new(node: Node, channels: Arc<Channels>, doc: DocId) -> Self {
        Self { node, channels, doc }
    }

    /// The document's name.
    #[must_use]
    pub const fn id(&self) -> &DocId {
        &self.doc
    }

    /// Makes one edit of everything the closure performs. It is visible at once, and saved when
    /// [`Document::saved`] says so. If the closure fails or panics, nothing of it remains.
    ///
    /// The closure runs under the engine's lock: it must be short, and must not use this engine.
    pub fn edit<T, E>(&self, edit: impl FnOnce(&mut Editor<'_>) -> Result<T, E>) -> Result<T, EditError<E>> {
        let inside = Inside::enter().ok_or(EditError::Reentrant)?;
        let edited = self.node.with(|replica, now| replica.edit(now, &self.doc, edit));
        drop(inside);
        edited.map(|edited| edited.value).map_err(EditError::Failed)
    }

    /// Makes an edit of one operation.
    pub fn perform(&self, operation: Operation) -> Result<(), EditError<OperationError>> {
        self.edit(|editor| editor.perform(operation))
    }

    /// Reads the document as it is now; `None` if it has been closed, or from inside an edit.
    pub fn read<T>(&self, read: impl FnOnce(&dyn Crdt) -> T) -> Option<T> {
        let _inside = Inside::enter()?;
        self.node.look(|replica| replica.document(&self.doc).map(read))
    }

    /// The value at a path and everything below it.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<Value> {
        self.read(|document| document.value(path))?
    }

    /// Waits until every edit made here so far is saved. Edits go on meanwhile.
    pub async fn saved(&self, place: Saved) -> Result<(), SaveError> {
        let mut refusals = self.channels.refusals.subscribe();
        let mut progress = self.channels.progress.subscribe();
        let made = self.progress().made;
        let saved = move |progress: &Progress| match place {
            Saved::Local => progress.local >= made,
            Saved::Relay => progress.relay >= made,
        };
        tokio::select! {
            biased;
            Ok(()) = refusals.changed() => {
                let (_, reason) = refusals.borrow().clone();
                Err(SaveError::Refused { doc: self.doc.clone(), reason })
            }
            done = progress.wait_for(saved) => done.map(|_| ()).map_err(|_| SaveError::Closed),
            error = self.mismatch(), if place == Saved::Relay => Err(error),
            () = self.node.closed() => Err(SaveError::Closed),
        }
    }

    /// How far the edits made here are saved.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let now = self.node.look(|replica| replica.progress(&self.doc));
        now.unwrap_or_else(|| *self.channels.progress.borrow())
    }

    /// Follows how far the edits made here are saved.
    #[must_use]
    pub fn watch_progress(&self) -> watch::Receiver<Progress> {
        self.channels.progress.subscribe()
    }

    /// Waits until this store and a connected relay hold the same entries of the document.
    pub async fn in_sync(&self) -> Result<(), SaveError> {
        let mut in_sync = self.channels.in_sync.subscribe();
        let holds =
            |id: &syncline_core::id::ConnectionId| self.node.look(|replica| replica.in_sync(*id, &self.doc));
        loop {
            let told = *in_sync.borrow_and_update();
            if told.is_some_and(|id| holds(&id)) {
                return Ok(());
            }
            tokio::select! {
                changed = in_sync.changed() => changed.map_err(|_| SaveError::Closed)?,
                error = self.mismatch() => return Err(error),
                () = self.node.closed() => return Err(SaveError::Closed),
            }
        }
    }

    /// Waits until a peer says that it holds another document under this name.
    async fn mismatch(&self) -> SaveError {
        let mut mismatch = self.channels.mismatch.subscribe();
        match mismatch.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(reason)) => SaveError::Mismatch { doc: self.doc.clone(), reason: reason.clone() },
            Ok(None) | Err(_) => SaveError::Closed,
        }
    }

    /// Yields whenever the content has changed, here or elsewhere; changes that come faster than they are
    /// taken are one.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + Unpin + 'static {
        let changes = self.channels.changes.subscribe();
        Box::pin(futures_util::stream::unfold(changes, |mut changes| async {
            changes.changed().await.ok()?;
            Some(((), changes))
        }))
    }

    /// Under which id edits are made here, from the next one on; another one each time that the document is opened.
    /// `None` if it has been closed.
    #[must_use]
    pub fn writer(&self) -> Option<ReplicaId> {
        self.node.with(|replica, _| replica.writer(&self.doc))
    }

    /// The last entry of the document's log here; right after an edit, that edit's.
    #[must_use]
    pub fn last_entry(&self) -> Option<EntryId> {
        self.node.look(|replica| {
            let log = replica.log(&self.doc)?;
            log.after(log.head().saturating_sub(1)).next_back().map(|stored| stored.entry.id)
        })
    }

    /// Which entries this replica holds of the document.
    #[must_use]
    pub fn have(&self) -> Have {
        self.node.look(|replica| replica.log(&self.doc).map(|log| log.have().clone())).unwrap_or_default()
    }

    /// What was done to the document, as far as its log still tells; `None` if it has been closed.
    #[must_use]
    pub fn history(&self) -> Option<History> {
        self.node.look(|replica| replica.log(&self.doc).map(History::of))
    }

    /// Why the document had to be closed, if it had to.
    #[must_use]
    pub fn failure(&self) -> Option<DocumentError> {
        self.channels.failure.borrow().clone()
    }

    /// Has the log merged into a snapshot, as far as it may be, and waits for it. Edits go on meanwhile.
    pub async fn compact(&self) {
        let mut compactions = self.channels.compactions.subscribe();
        let open = self.node.with(|replica, _| {
            replica.compact(&self.doc);
            replica.log(&self.doc).is_some()
        });
        if open {
            tokio::select! {
                _told = compactions.changed() => {}
                () = self.node.closed() => {}
            }
        }
    }
}
