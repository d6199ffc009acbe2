//! Who waits for what: the events of the replica, handed to the handles they concern.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use syncline_core::entry::Spec;
use syncline_core::event::{DocumentError, Event, Progress};
use syncline_core::id::{ConnectionId, DocId};
use syncline_core::operation::Operation;
use syncline_core::time::Time;
use syncline_core::wire::ErrorCode;
use tokio::sync::{oneshot, watch};

use crate::dial::{LinkState, Links};
use crate::node::Node;
use crate::servers::Registered;
use crate::status::{Connection, Status};

/// How much later a peer must have been heard of, in milliseconds, for those who follow the status to be told.
pub const CONTACT_GRAIN: u64 = 1_000;

/// Whose complaint it is that no server takes a document, on whatever connection.
const NOBODY: ConnectionId = ConnectionId(0);

/// What is told about one document.
pub(crate) struct Channels {
    /// Handles, and openings under way.
    pub users: AtomicUsize,
    /// Counts changes of the content, and tells of its end.
    pub changes: watch::Sender<u64>,
    pub progress: watch::Sender<Progress>,
    /// Counts changes of who is present.
    pub present: watch::Sender<u64>,
    /// Own edits that were refused and lost, until the application has taken note.
    pub loss: watch::Sender<Option<Loss>>,
    /// A link on which the document came in sync last.
    pub in_sync: watch::Sender<Option<ConnectionId>>,
    /// Why the document is open no longer.
    pub ended: watch::Sender<Option<Ended>>,
    /// Counts compactions that were asked for and are done.
    pub compactions: watch::Sender<u64>,
    /// Why a relay does not take the document.
    pub complaint: watch::Sender<Option<Complaint>>,
    /// Why it does not take it for now.
    pub obstacle: watch::Sender<Option<Complaint>>,
}

/// Most operations of a document that are kept after they were refused and lost.
pub const MAX_LOST_OPERATIONS: usize = 10_000;

/// Own edits that were refused and could not be made again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// What was to be done and is not; the last [`MAX_LOST_OPERATIONS`] of it.
    pub operations: Vec<Operation>,
    /// How many operations these were.
    pub count: usize,
    /// The relay's last reason.
    pub reason: String,
    /// The ticket of the first edit that they were part of.
    pub(crate) first: u64,
}

/// Why a document is open no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It could not be opened or stay open.
    Failed(DocumentError),
    /// It was deleted here.
    Deleted,
}

/// Why a relay does not take a document, for as long as the link lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    connection: ConnectionId,
    pub code: ErrorCode,
    pub message: String,
}

impl Complaint {
    pub fn new(connection: ConnectionId, code: ErrorCode, message: &str) -> Self {
        Self { connection, code, message: printable(message) }
    }
}

impl Channels {
    fn new() -> Self {
        Self {
            users: AtomicUsize::new(0),
            changes: watch::Sender::new(0),
            progress: watch::Sender::new(Progress::default()),
            present: watch::Sender::new(0),
            loss: watch::Sender::new(None),
            in_sync: watch::Sender::new(None),
            ended: watch::Sender::new(None),
            compactions: watch::Sender::new(0),
            complaint: watch::Sender::new(None),
            obstacle: watch::Sender::new(None),
        }
    }

    fn end(&self, ended: Ended) {
        self.ended.send_replace(Some(ended));
        self.changes.send_modify(|count| *count += 1);
        self.present.send_modify(|count| *count += 1);
    }

    /// Before the progress is told: whoever waits for that looks here first.
    fn lose(&self, lost: Vec<Operation>, reason: String, first: u64) {
        self.loss.send_modify(|loss| {
            let before = loss.take().unwrap_or(Loss { first, ..Loss::default() });
            let (first, count) = (before.first.min(first), before.count + lost.len());
            let mut operations = before.operations;
            operations.extend(lost);
            operations.drain(..operations.len().saturating_sub(MAX_LOST_OPERATIONS));
            *loss = Some(Loss { operations, count, reason, first });
        });
    }

    fn on_link_ended(&self, connection: ConnectionId) {
        self.in_sync.send_if_modified(|in_sync| in_sync.take_if(|id| *id == connection).is_some());
        let theirs = |complaint: &mut Complaint| complaint.connection == connection;
        for said in [&self.complaint, &self.obstacle] {
            said.send_if_modified(|complaint| complaint.take_if(theirs).is_some());
        }
    }

    /// A relay that complains while the document is in sync with somebody else keeps nobody from waiting for that.
    fn complain(&self, complaint: Complaint) {
        if self.in_sync.borrow().is_none_or(|id| id == complaint.connection) {
            self.complaint.send_replace(Some(complaint));
        }
    }
}

/// Everybody who waits.
pub(crate) struct Observers {
    state: Mutex<State>,
    /// Whether there is a relay that edits are to reach.
    awaits_relay: bool,
    /// Servers of others that documents are kept at.
    servers: Vec<Arc<Registered>>,
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
    /// Of the documents that are in use here, and of no others, whatever peers talk about.
    channels: HashMap<DocId, Arc<Channels>>,
    opening: HashMap<DocId, Vec<oneshot::Sender<Result<(), DocumentError>>>>,
    describing: HashMap<DocId, Vec<oneshot::Sender<Option<Spec>>>>,
    /// Links to relays.
    relays: HashSet<ConnectionId>,
}

impl Observers {
    pub fn new(awaits_relay: bool, servers: Vec<Arc<Registered>>) -> Self {
        Self {
            state: Mutex::new(State::default()),
            awaits_relay,
            servers,
            links: watch::Sender::new(Links::new()),
            status: watch::Sender::new(Status::default()),
        }
    }

    /// A place in the status for one more connection.
    pub fn connection_slot(self: &Arc<Self>, begins: Connection) -> Slot {
        let mut index = 0;
        self.status.send_modify(|status| {
            index = status.connections.len();
            status.connections.push(begins);
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
            Event::Failed { doc, error } => self.on_failed(node, &doc, error),
            Event::Changed { doc, .. } => {
                self.tell(&doc, |channels| channels.changes.send_modify(|count| *count += 1))
            }
            Event::Present { doc } => {
                self.tell(&doc, |channels| channels.present.send_modify(|count| *count += 1))
            }
            Event::Saved { doc, progress } => self.on_progress(node, &doc, progress),
            Event::Refused { doc, reason, lost, progress, .. } => {
                let reason = printable(&reason);
                tracing::warn!(%doc, reason, lost = lost.len(), "the relay refused edits");
                if !lost.is_empty() {
                    self.tell(&doc, |channels| channels.lose(lost, reason, progress.lost_from));
                }
                self.on_progress(node, &doc, progress);
            }
            Event::Quarantined { doc, id, reason } => {
                tracing::warn!(%doc, %id, reason, "an entry cannot be applied and is skipped");
            }
            Event::Waiting { doc, id } => tracing::debug!(%doc, %id, "an entry waits for what it builds on"),
            Event::WaitedEnough { doc, id } => tracing::debug!(%doc, %id, "an entry that waited is applied"),
            Event::Peer { connection, peer: Some(peer) } => {
                self.link(connection, |link| link.greeted = true);
                if peer.relay {
                    self.lock().relays.insert(connection);
                }
            }
            Event::Peer { connection, peer: None } => self.on_link_ended(connection),
            Event::InSync { connection, doc } => self.on_in_sync(connection, &doc),
            Event::Compacted { doc } => {
                self.tell(&doc, |channels| channels.compactions.send_modify(|count| *count += 1))
            }
            Event::Described { doc, spec } => {
                let waiting = self.lock().describing.remove(&doc).unwrap_or_default();
                waiting.into_iter().for_each(|waiting| _ = waiting.send(spec));
            }
            Event::PeerError { connection, doc, code, message } => {
                let complaint = Complaint::new(connection, code, &message);
                let message = complaint.message.clone();
                tracing::warn!(connection = connection.0, ?doc, ?code, message, "the peer reports an error");
                match doc {
                    Some(doc) => self.on_complaint(&doc, complaint),
                    None => self.link(connection, |link| link.complaint = Some((code, message))),
                }
            }
            Event::GaveUp { connection, code, reason } => {
                // What the peer said of it comes first.
                self.link(connection, |link| _ = link.complaint.get_or_insert((code, printable(&reason))));
            }
            Event::Goodbye { connection, retry_after } => {
                self.link(connection, |link| link.retry_after = Some(retry_after));
            }
            // Only documents that a server of others is to have are hosted here.
            Event::Durable { doc, .. } => {
                self.servers.iter().for_each(|registered| registered.docket.on_durable(&doc));
            }
            // Who opens a document hears of that, and those that are open here are hosted at once.
            Event::Created { .. } | Event::Hosted { .. } | Event::Built { .. } => {}
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

    /// There is a connection to a server of others, whose word counts as that of a relay.
    pub fn on_server(&self, connection: ConnectionId) {
        self.lock().relays.insert(connection);
    }

    /// A link that had been greeted ended.
    pub fn on_link_ended(&self, connection: ConnectionId) {
        let mut state = self.lock();
        state.relays.remove(&connection);
        state.channels.values().for_each(|channels| channels.on_link_ended(connection));
    }

    fn on_in_sync(&self, connection: ConnectionId, doc: &DocId) {
        let relay = self.lock().relays.contains(&connection);
        self.tell(doc, |channels| {
            channels.in_sync.send_replace(Some(connection));
            if relay {
                channels.complaint.send_replace(None);
                channels.obstacle.send_replace(None);
            }
        });
    }

    /// A relay's word counts while its link lasts, or, if it will be asked again anyway, until then; others are not who
    /// edits are saved at.
    pub fn on_complaint(&self, doc: &DocId, complaint: Complaint) {
        if !self.lock().relays.contains(&complaint.connection) {
            return;
        }
        let asked_again =
            matches!(complaint.code, ErrorCode::Unavailable | ErrorCode::Gap | ErrorCode::Unexpected);
        self.tell(doc, |channels| match asked_again {
            true => _ = channels.obstacle.send_replace(Some(complaint)),
            false => channels.complain(complaint),
        });
    }

    /// Tells those who use a document, if anybody does.
    fn tell(&self, doc: &DocId, tell: impl FnOnce(&Channels)) {
        let channels = self.lock().channels.get(doc).cloned();
        if let Some(channels) = channels {
            tell(&channels);
        }
    }

    /// The channels of a document with one more user, who says [`Observers::release`] after the last has gone.
    pub fn enter(&self, doc: &DocId) -> Arc<Channels> {
        let mut state = self.lock();
        let channels = state.channels.entry(doc.clone()).or_insert_with(|| Arc::new(Channels::new()));
        channels.users.fetch_add(1, Ordering::Relaxed);
        channels.clone()
    }

    /// Lets go of a document that nobody uses any more, once its edits have reached the relay, if there is one. For the
    /// driver's task alone: it takes the lock of the replica inside that of the observers, so that an opening
    /// comes either before or after.
    pub fn release(&self, node: &Node, doc: &DocId) {
        let mut state = self.lock();
        let Some(channels) = state.channels.get(doc) else { return };
        let under_way = self.awaits_relay
            && channels.ended.borrow().is_none()
            && node.look(|replica| replica.progress(doc)).is_some_and(|progress| progress.pending > 0);
        if channels.users.load(Ordering::Relaxed) > 0 || under_way {
            return;
        }
        self.count_pending(channels, Progress::default());
        state.channels.remove(doc);
        self.withdraw(doc);
        node.with(|replica, _| {
            replica.unhost(doc);
            replica.close(doc);
        });
    }

    /// Servers of others are not to have a document any more.
    fn withdraw(&self, doc: &DocId) {
        self.servers.iter().for_each(|registered| registered.docket.close(doc));
    }

    /// Servers of others are to have a document that is open, if it is of their family.
    fn serve(&self, node: &Node, doc: &DocId) {
        let Some(spec) = node.look(|replica| replica.spec(doc)).filter(|_| !self.servers.is_empty()) else {
            return;
        };
        let takers: Vec<_> = self.servers.iter().filter(|registered| registered.takes(spec.family)).collect();
        if takers.is_empty() {
            let message = format!("the server takes no documents of {}", spec.family);
            let complaint = Complaint::new(NOBODY, ErrorCode::NotFound, &message);
            return self.tell(doc, |channels| channels.complain(complaint));
        }
        node.with(|replica, now| replica.host(now, doc, None));
        for taker in takers {
            self.expect_connection(&taker.server.endpoint());
            taker.docket.open(doc);
        }
    }

    /// From now on there will be a connection to a server, whether or not anybody has begun to dial.
    fn expect_connection(&self, server: &str) {
        self.status.send_if_modified(|status| {
            let idle = |connection: &&mut Connection| matches!(connection, Connection::Idle { endpoint } if endpoint == server);
            let found = status.connections.iter_mut().find(idle);
            found.map(|idle| *idle = Connection::Connecting { endpoint: server.to_owned() }).is_some()
        });
    }

    /// Waits for a document to be opened; ask before opening it.
    pub fn opening(&self, doc: &DocId) -> oneshot::Receiver<Result<(), DocumentError>> {
        wait(&mut self.lock().opening, doc)
    }

    /// Waits for a peer's description of a document; ask before asking the peer.
    pub fn describing(&self, doc: &DocId) -> oneshot::Receiver<Option<Spec>> {
        wait(&mut self.lock().describing, doc)
    }

    /// Forgets a document that was deleted.
    pub fn forget(&self, doc: &DocId) {
        self.withdraw(doc);
        if let Some(channels) = self.lock().channels.remove(doc) {
            self.count_pending(&channels, Progress::default());
            channels.end(Ended::Deleted);
        }
    }

    fn on_opened(&self, node: &Node, doc: &DocId) {
        if let Some(progress) = node.look(|replica| replica.progress(doc)) {
            self.on_progress(node, doc, progress);
        }
        self.tell(doc, |channels| drop(channels.ended.send_replace(None)));
        self.serve(node, doc);
        self.answer(doc, &Ok(()));
    }

    /// A document that is open as something else than was asked for stays open.
    fn on_failed(&self, node: &Node, doc: &DocId, error: DocumentError) {
        tracing::debug!(%doc, %error, "the document cannot be opened, or stay open");
        if node.look(|replica| replica.log(doc).is_none()) {
            self.withdraw(doc);
            self.tell(doc, |channels| channels.end(Ended::Failed(error.clone())));
        }
        self.answer(doc, &Err(error));
    }

    fn answer(&self, doc: &DocId, answer: &Result<(), DocumentError>) {
        let waiting = self.lock().opening.remove(doc).unwrap_or_default();
        // Somebody who no longer waits needs no answer.
        waiting.into_iter().for_each(|waiting| _ = waiting.send(answer.clone()));
    }

    fn on_progress(&self, node: &Node, doc: &DocId, progress: Progress) {
        let Some(channels) = self.lock().channels.get(doc).cloned() else { return };
        self.count_pending(&channels, progress);
        if channels.users.load(Ordering::Relaxed) == 0 {
            self.release(node, doc);
        }
    }

    fn count_pending(&self, channels: &Channels, progress: Progress) {
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

/// A peer's words without anything that a terminal or a log would act upon.
fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// One more who waits for word of a document; those who no longer do are forgotten.
fn wait<T>(waiting: &mut HashMap<DocId, Vec<oneshot::Sender<T>>>, doc: &DocId) -> oneshot::Receiver<T> {
    let (told, answer) = oneshot::channel();
    let waiting = waiting.entry(doc.clone()).or_default();
    waiting.retain(|told| !told.is_closed());
    waiting.push(told);
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline_core::event::PeerInfo;
    use syncline_core::replica::{Config, Policy};
    use syncline_storage::MemoryStorage;

    use super::*;

    const RELAY: ConnectionId = ConnectionId(1);
    const OTHER_RELAY: ConnectionId = ConnectionId(2);
    const NEIGHBOUR: ConnectionId = ConnectionId(3);

    fn node() -> Node {
        let config = Config {
            agent: "test".to_owned(),
            principal: syncline_core::id::Principal::new("test").unwrap(),
            encoding: syncline_core::wire::Encoding::Binary,
            compression: Vec::new(),
            seed: 1,
            policy: Policy::client(),
        };
        Node::start(Box::new(MemoryStorage::new()), config, Box::new(|_, _| {})).unwrap()
    }

    fn error(connection: ConnectionId, doc: &DocId, code: ErrorCode) -> Event {
        Event::PeerError { connection, doc: Some(doc.clone()), code, message: "no".to_owned() }
    }

    fn greet(connection: ConnectionId) -> Event {
        let peer = PeerInfo { agent: "test".to_owned(), relay: connection != NEIGHBOUR, version: 1 };
        Event::Peer { connection, peer: Some(peer) }
    }

    #[tokio::test]
    async fn what_peers_say_of_documents_that_are_not_open_here_is_not_kept() {
        let (node, observers) = (node(), Observers::new(true, Vec::new()));
        observers.on_event(&node, greet(RELAY));
        for number in 0..100 {
            let doc = DocId::new(&format!("invented/{number}")).unwrap();
            observers.on_event(&node, error(RELAY, &doc, ErrorCode::SpecMismatch));
            observers.on_event(&node, Event::InSync { connection: RELAY, doc: doc.clone() });
            observers.on_event(&node, Event::Saved { doc, progress: Progress::default() });
        }
        assert!(observers.lock().channels.is_empty());
        node.close().await;
    }

    #[tokio::test]
    async fn a_peers_words_command_no_terminal() {
        let (node, observers) = (node(), Observers::new(true, Vec::new()));
        let message = "\u{1b}[2Jgone\nstore ok".to_owned();
        let event = Event::PeerError { connection: RELAY, doc: None, code: ErrorCode::Unavailable, message };
        observers.on_event(&node, event);
        let said = observers.links.borrow()[&RELAY].complaint.clone();
        assert_eq!(said, Some((ErrorCode::Unavailable, " [2Jgone store ok".to_owned())));
        node.close().await;
    }

    #[test]
    fn whoever_follows_the_status_is_told_of_contacts_now_and_then() {
        let observers = Observers::new(true, Vec::new());
        let shown = |heard| {
            observers.show_contact(Some(Time(heard)));
            observers.status.borrow().last_contact
        };
        let next = 1 + CONTACT_GRAIN;
        assert_eq!(shown(next), Some(Time(next)));
        assert_eq!(shown(next + CONTACT_GRAIN), Some(Time(next)));
        assert_eq!(shown(next + CONTACT_GRAIN + 1), Some(Time(next + CONTACT_GRAIN + 1)));
    }

    #[tokio::test]
    async fn a_complaint_counts_if_it_is_a_relays_and_until_that_goes_or_another_is_in_sync() {
        let (node, observers) = (node(), Observers::new(true, Vec::new()));
        let doc = DocId::new("board").unwrap();
        let channels = observers.enter(&doc);
        let complains = || channels.complaint.borrow().as_ref().map(|complaint| complaint.code);
        let on = |event| observers.on_event(&node, event);
        [RELAY, OTHER_RELAY, NEIGHBOUR].into_iter().for_each(|link| on(greet(link)));
        on(error(NEIGHBOUR, &doc, ErrorCode::SpecMismatch));
        on(error(RELAY, &doc, ErrorCode::Unavailable));
        assert_eq!(complains(), None);
        assert_eq!(channels.obstacle.borrow().as_ref().map(|said| said.code), Some(ErrorCode::Unavailable));
        for code in [ErrorCode::SpecMismatch, ErrorCode::TooMany, ErrorCode::TooLarge] {
            on(error(RELAY, &doc, code));
            assert_eq!(complains(), Some(code));
            on(Event::Peer { connection: OTHER_RELAY, peer: None });
            assert_eq!(complains(), Some(code));
            on(Event::Peer { connection: RELAY, peer: None });
            assert_eq!(complains(), None);
            [RELAY, OTHER_RELAY].into_iter().for_each(|link| on(greet(link)));
        }
        on(error(RELAY, &doc, ErrorCode::SpecMismatch));
        on(Event::InSync { connection: OTHER_RELAY, doc: doc.clone() });
        assert_eq!(complains(), None);
        on(error(RELAY, &doc, ErrorCode::SpecMismatch));
        assert_eq!(complains(), None, "it is in sync with another one");
        node.close().await;
    }
}
