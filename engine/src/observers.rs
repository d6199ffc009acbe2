//! Who waits for what: the events of the replica, handed to the handles they concern.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_core::entry::Spec;
use syncline_core::event::{DocumentError, Event, Progress};
use syncline_core::id::{ConnectionId, DocId};
use syncline_core::time::Time;
use syncline_core::wire::ErrorCode;
use tokio::sync::{oneshot, watch};

use crate::dial::{LinkState, Links};
use crate::node::Node;
use crate::status::{Connection, Status};

/// How much later a peer must have been heard of, in milliseconds, for those who follow the status to be told.
pub const CONTACT_GRAIN: u64 = 1_000;

/// What is told about one document.
pub(crate) struct Channels {
    /// Counts changes of the content.
    pub changes: watch::Sender<u64>,
    pub progress: watch::Sender<Progress>,
    /// How often the relay refused something, and its last words.
    pub refusals: watch::Sender<(u64, String)>,
    /// Links on which the document is in sync.
    pub in_sync: watch::Sender<Option<ConnectionId>>,
    /// Why the document had to be closed.
    pub failure: watch::Sender<Option<DocumentError>>,
    /// Counts compactions that were asked for and are done.
    pub compactions: watch::Sender<u64>,
    /// Why a peer will never take it, as it holds something else under that name.
    pub mismatch: watch::Sender<Option<String>>,
}

impl Channels {
    fn new() -> Self {
        Self {
            changes: watch::Sender::new(0),
            progress: watch::Sender::new(Progress::default()),
            refusals: watch::Sender::new((0, String::new())),
            in_sync: watch::Sender::new(None),
            failure: watch::Sender::new(None),
            compactions: watch::Sender::new(0),
            mismatch: watch::Sender::new(None),
        }
    }
}

/// Everybody who waits.
pub(crate) struct Observers {
    state: Mutex<State>,
    links: watch::Sender<Links>,
    pub status: watch::Sender<Status>,
}

/// Where one dialling loop tells how it goes, and hears of its links.
pub(crate) struct Slot {
    observers: Arc<Observers>,
    index: usize,
}

impl Slot {
    /// Shows the state of the connection.
    pub fn set(&self, connection: Connection) {
        self.observers.status.send_modify(|status| status.connections[self.index] = connection);
    }

    /// What is known of links.
    pub fn links(&self) -> watch::Receiver<Links> {
        self.observers.links.subscribe()
    }

    /// Forgets a link that has ended, and returns what was known of it.
    pub fn forget_link(&self, id: ConnectionId) -> Option<LinkState> {
        let mut last = None;
        self.observers.links.send_modify(|links| last = links.remove(&id));
        last
    }
}

#[derive(Default)]
struct State {
    channels: HashMap<DocId, Arc<Channels>>,
    opening: HashMap<DocId, Vec<oneshot::Sender<Result<(), DocumentError>>>>,
    describing: HashMap<DocId, Vec<oneshot::Sender<Option<Spec>>>>,
}

impl Observers {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            links: watch::Sender::new(Links::new()),
            status: watch::Sender::new(Status::default()),
        }
    }

    /// A place in the status for one more connection.
    pub fn connection_slot(self: &Arc<Self>, endpoint: String) -> Slot {
        let mut index = 0;
        self.status.send_modify(|status| {
            index = status.connections.len();
            status.connections.push(Connection::Connecting { endpoint });
        });
        Slot { observers: self.clone(), index }
    }

    /// The links whose peers have greeted us.
    pub fn greeted(&self) -> Vec<ConnectionId> {
        self.links.borrow().iter().filter(|(_, link)| link.greeted).map(|(id, _)| *id).collect()
    }

    /// Hands an event to whom it concerns.
    pub fn on_event(&self, node: &Node, event: Event) {
        self.show_contact(node.last_contact());
        match event {
            Event::Opened { doc } => self.on_opened(node, &doc),
            Event::Failed { doc, error } => self.on_failed(&doc, error),
            Event::Changed { doc, .. } => {
                self.channels(&doc).changes.send_modify(|count| *count += 1);
            }
            Event::Saved { doc, progress } => self.on_progress(&doc, progress),
            Event::Refused { doc, reason, lost, .. } => {
                tracing::warn!(%doc, reason, lost, "the relay refused edits");
                self.channels(&doc).refusals.send_modify(|(count, last)| {
                    *count += 1;
                    *last = reason;
                });
            }
            Event::Quarantined { doc, id, reason } => {
                tracing::warn!(%doc, %id, reason, "an entry cannot be applied and is skipped");
            }
            Event::Peer { connection, peer: Some(_) } => {
                self.link(connection, |link| link.greeted = true);
            }
            Event::Peer { connection, peer: None } => self.on_link_ended(connection),
            Event::InSync { connection, doc } => {
                self.channels(&doc).in_sync.send_replace(Some(connection));
            }
            Event::Compacted { doc } => {
                self.channels(&doc).compactions.send_modify(|count| *count += 1);
            }
            Event::Described { doc, spec } => {
                let waiting = self.lock().describing.remove(&doc).unwrap_or_default();
                waiting.into_iter().for_each(|waiting| _ = waiting.send(spec));
            }
            Event::PeerError { connection, doc, code, message } => {
                tracing::warn!(connection = connection.0, ?doc, ?code, message, "the peer reports an error");
                match (code, doc) {
                    (ErrorCode::SpecMismatch, Some(doc)) => {
                        self.channels(&doc).mismatch.send_replace(Some(message));
                    }
                    (_, Some(_)) => {}
                    (_, None) => self.link(connection, |link| link.complaint = Some(message)),
                }
            }
            Event::Goodbye { connection, retry_after } => {
                self.link(connection, |link| link.retry_after = Some(retry_after));
            }
            Event::Store { fault } => {
                self.status.send_modify(|status| status.store = fault);
            }
        }
    }

    fn link(&self, connection: ConnectionId, note: impl FnOnce(&mut LinkState)) {
        self.links.send_modify(|links| note(links.entry(connection).or_default()));
    }

    fn show_contact(&self, last: Option<Time>) {
        self.status.send_if_modified(|status| {
            let shown = status.last_contact.map_or(Time(0), |shown| shown.after(CONTACT_GRAIN));
            let moved = last.is_some_and(|last| last > shown);
            if moved {
                status.last_contact = last;
            }
            moved
        });
    }

    /// A link that had been greeted ended.
    fn on_link_ended(&self, connection: ConnectionId) {
        let channels: Vec<_> = self.lock().channels.values().cloned().collect();
        for channels in channels {
            channels.in_sync.send_if_modified(|in_sync| in_sync.take_if(|id| *id == connection).is_some());
        }
    }

    /// The channels of a document, made when first asked for.
    pub fn channels(&self, doc: &DocId) -> Arc<Channels> {
        self.lock().channels.entry(doc.clone()).or_insert_with(|| Arc::new(Channels::new())).clone()
    }

    /// Waits for a document to be opened; ask before opening it.
    pub fn opening(&self, doc: &DocId) -> oneshot::Receiver<Result<(), DocumentError>> {
        let (told, waiting) = oneshot::channel();
        self.lock().opening.entry(doc.clone()).or_default().push(told);
        waiting
    }

    /// Waits for a peer's description of a document; ask before asking the peer.
    pub fn describing(&self, doc: &DocId) -> oneshot::Receiver<Option<Spec>> {
        let (told, waiting) = oneshot::channel();
        self.lock().describing.entry(doc.clone()).or_default().push(told);
        waiting
    }

    /// Forgets a document that was deleted.
    pub fn forget(&self, doc: &DocId) {
        self.on_progress(doc, Progress::default());
        if let Some(channels) = self.lock().channels.remove(doc) {
            channels.compactions.send_modify(|count| *count += 1);
        }
    }

    fn on_opened(&self, node: &Node, doc: &DocId) {
        if let Some(progress) = node.look(|replica| replica.progress(doc)) {
            self.on_progress(doc, progress);
        }
        self.channels(doc).failure.send_replace(None);
        self.answer(doc, &Ok(()));
    }

    fn on_failed(&self, doc: &DocId, error: DocumentError) {
        tracing::debug!(%doc, %error, "the document cannot be opened");
        self.answer(doc, &Err(error.clone()));
        self.channels(doc).failure.send_replace(Some(error));
    }

    fn answer(&self, doc: &DocId, answer: &Result<(), DocumentError>) {
        let waiting = self.lock().opening.remove(doc).unwrap_or_default();
        // Somebody who no longer waits needs no answer.
        waiting.into_iter().for_each(|waiting| _ = waiting.send(answer.clone()));
    }

    pub fn on_progress(&self, doc: &DocId, progress: Progress) {
        let channels = self.channels(doc);
        self.status.send_modify(|status| {
            let before = channels.progress.send_replace(progress);
            status.pending = status.pending - before.pending + progress.pending;
            status.pending_bytes = status.pending_bytes - before.pending_bytes + progress.pending_bytes;
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
