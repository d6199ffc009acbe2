//! One link to one peer: the greeting, what both sides speak, and where messages go.

use std::collections::{BTreeSet, VecDeque};

use super::context::Context;
use super::document::Document;
use super::intake::Intake;
use super::marks::Marks;
use super::{MAX_DOCUMENTS_PER_CONNECTION, Replica};
use crate::event::{DocumentError, Event, Output, PeerInfo, Side, StoreFault};
use crate::id::{ConnectionId, DocId};
use crate::time::Time;
use crate::visitor::{Access, Visitor};
use crate::wire::{
    Codec, Compression, Encoded, Encoding, ErrorCode, Frame, Hello, MAX_FRAME_BYTES, Message, OLDEST_VERSION,
    VERSION, WireError,
};

/// How long a peer may take to greet, in milliseconds.
pub const GREETING_TIMEOUT: u64 = 10_000;

/// How long it may take until a peer first says anything about a document, once one was opened or asked for, in
/// milliseconds; it may have to load a long one. Later silence is for the heartbeat of the link, and for users, to notice.
pub const ANSWER_TIMEOUT: u64 = 30_000;

/// How long a peer may stay that said goodbye, or that it cannot go on, in milliseconds.
pub const GOODBYE_TIMEOUT: u64 = 10_000;

/// How long after a document was given up on a link it is opened there again, in milliseconds.
pub const RETRY_WAIT: u64 = 5_000;

/// Most control messages that wait for one link; a peer that asks for more without reading is cut off.
pub const MAX_WAITING_MESSAGES: usize = 65_536;

/// Most bytes of them, at which the link is cut as well: a few of the largest answers there are.
pub const MAX_WAITING_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// A link and what has been said on it.
pub(super) struct Connection {
    phase: Phase,
    /// What the peer must do, and until when, for the link to last.
    awaited: Option<(Awaited, Time)>,
    /// Whether the peer has said anything about a document.
    heard: bool,
    codec: Codec,
    /// Encoded messages that go in front of entries.
    waiting: VecDeque<Encoded>,
    /// Their size.
    waiting_bytes: usize,
    /// Whether the link takes a frame.
    writable: bool,
    /// Documents that may have entries for the peer.
    dirty: Marks,
    /// Until when they wait for more; nothing while there are none.
    due: Option<Time>,
    /// Since when some of them wait because the link has no room, if they do.
    held: Option<Time>,
    /// Documents of which the peer is to be told who is present, from when on, and when it may be told next.
    presence: BTreeSet<DocId>,
    presence_due: Option<Time>,
    presence_after: Time,
    /// Documents that are open on the link.
    pub(super) open: BTreeSet<DocId>,
    /// What comes in of snapshots on it.
    pub(super) intake: Intake,
    /// Documents that were shut from this side. Until the peer has shut them too, what it says of them belongs
    /// to the past, and they cannot be opened again.
    closing: BTreeSet<DocId>,
}

/// What a peer must do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Greeting,
    /// Anything about a document.
    Answer,
    Departure,
}

impl Awaited {
    const fn reason(self) -> &'static str {
        match self {
            Self::Greeting => "no greeting in time",
            Self::Answer => "no answer in time",
            Self::Departure => "it said that it goes, and stayed",
        }
    }
}

enum Phase {
    /// The peer has not said hello.
    Greeting { side: Side, visitor: Option<Visitor> },
    /// Both have.
    Greeted(Greeted),
}

/// What is known once both sides have said hello.
#[derive(Clone, Debug)]
pub(super) struct Greeted {
    pub info: PeerInfo,
    /// Whether the peer wants to be told how far its log is held.
    pub wants_acks: bool,
    /// Whether this replica dialled.
    pub side: Side,
    /// Who it is, where that was asked.
    pub visitor: Option<Visitor>,
}

impl Greeted {
    /// What the peer may do with a document.
    pub fn access(&self, doc: &DocId) -> Access {
        self.visitor.as_ref().map_or(Access::Write, |visitor| visitor.access(doc))
    }
}

impl Connection {
    pub(super) fn new(now: Time, side: Side, visitor: Option<Visitor>, encoding: Encoding) -> Self {
        Self {
            phase: Phase::Greeting { side, visitor },
            awaited: Some((Awaited::Greeting, now.after(GREETING_TIMEOUT))),
            heard: false,
            codec: Codec { encoding, compression: Compression::None },
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            writable: true,
            dirty: Marks::default(),
            due: None,
            held: None,
            presence: BTreeSet::new(),
            presence_due: None,
            presence_after: now,
            open: BTreeSet::new(),
            intake: Intake::default(),
            closing: BTreeSet::new(),
        }
    }

    /// Why the link is cut at this time, if it is.
    fn overdue(&self, now: Time) -> Option<&'static str> {
        self.awaited.filter(|(_, until)| *until <= now).map(|(what, _)| what.reason())
    }

    /// Waits for the peer to say something about a document, unless it has.
    fn await_answer(&mut self, now: Time) {
        if !self.heard && self.awaited.is_none() {
            self.awaited = Some((Awaited::Answer, now.after(ANSWER_TIMEOUT)));
        }
    }

    /// The peer says something about a document.
    fn hear(&mut self) {
        self.heard = true;
        self.awaited.take_if(|(what, _)| *what == Awaited::Answer);
    }

    /// The peer says that it goes.
    fn await_departure(&mut self, now: Time) {
        if self.awaited.is_none_or(|(what, _)| what != Awaited::Departure) {
            self.awaited = Some((Awaited::Departure, now.after(GOODBYE_TIMEOUT)));
        }
    }

    /// What the peer said of itself, once it did.
    pub const fn info(&self) -> Option<&Greeted> {
        match &self.phase {
            Phase::Greeting { .. } => None,
            Phase::Greeted(greeted) => Some(greeted),
        }
    }

    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// From when on a frame can be made and taken; long ago, where something waits that is in no frame yet.
    pub fn frame_due(&self) -> Option<Time> {
        let due = match self.waiting.is_empty() {
            true => [self.due, self.presence_due].into_iter().flatten().min(),
            false => Some(Time(0)),
        };
        due.filter(|_| self.writable)
    }

    /// When there is something to do: a frame can be made, or the link is cut, unless the peer does what is awaited.
    pub fn next_due(&self) -> Option<Time> {
        let deadline = self.awaited.map(|(_, until)| until);
        self.frame_due().into_iter().chain(deadline).min()
    }

    /// Whether the link has taken everything that was said.
    pub fn is_drained(&self) -> bool {
        self.writable && self.waiting.is_empty()
    }

    /// Whether something waits until the link has taken what it was given.
    pub fn is_behind(&self) -> bool {
        !self.writable && (!self.waiting.is_empty() || self.due.is_some())
    }

    /// How long the first entries that wait have waited for the link to take what it was given before, in milliseconds.
    pub fn waited(&self, now: Time) -> Option<u64> {
        self.held.map(|since| now.since(since))
    }

    pub fn say(&mut self, message: &Message) {
        let message = self.codec.encode(message);
        self.waiting_bytes += message.len();
        self.waiting.push_back(message);
    }

    /// Whether the peer asks for more than it reads.
    fn is_flooded(&self) -> bool {
        self.waiting.len() > MAX_WAITING_MESSAGES || self.waiting_bytes > MAX_WAITING_BYTES
    }

    /// Notes that a document may have entries for the peer, which may wait for more until `due`.
    pub fn mark(&mut self, doc: DocId, due: Time) {
        self.dirty.insert(doc);
        if !self.writable {
            self.held = Some(self.held.map_or(due, |earlier| earlier.min(due)));
        }
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// The next of the messages that wait, if there is room for it.
    pub fn next_waiting(&mut self, has_room: impl Fn(&Encoded) -> bool) -> Option<Encoded> {
        let message = self.waiting.pop_front_if(|message| has_room(message))?;
        self.waiting_bytes -= message.len();
        Some(message)
    }

    pub fn take_dirty(&mut self) -> Marks {
        (self.due, self.held) = (None, None);
        std::mem::take(&mut self.dirty)
    }

    /// Notes that the peer is to be told who is present in a document, as soon as it may be told anything of that.
    pub fn mark_presence(&mut self, doc: &DocId, now: Time) {
        if !self.presence.contains(doc) {
            self.presence.insert(doc.clone());
        }
        self.presence_due = Some(now.max(self.presence_after));
    }

    /// The documents whose presence is told now, if it is time.
    pub fn take_presence(&mut self, now: Time) -> BTreeSet<DocId> {
        if self.presence_due.take_if(|due| *due <= now).is_none() {
            return BTreeSet::new();
        }
        std::mem::take(&mut self.presence)
    }

    /// The peer has been told who is present, and is told nothing more of that before a time.
    pub fn rest_presence(&mut self, until: Time) {
        self.presence_after = until;
    }

    pub fn is_closing(&self, doc: &DocId) -> bool {
        self.closing.contains(doc)
    }

    /// The link has taken what it was given.
    pub const fn takes_more(&mut self) {
        self.writable = true;
    }

    /// Whether the link takes a frame.
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// The link has been given a frame, and takes the next one when it has taken that: until then it holds up what is left.
    pub fn sent(&mut self, now: Time) {
        self.writable = false;
        self.held = self.due.map(|due| due.max(now));
    }
}

/// The error as a message about a document.
pub(super) fn failure(doc: &DocId, error: &DocumentError) -> Message {
    let code = match error {
        DocumentError::NotFound { .. } => ErrorCode::NotFound,
        DocumentError::SpecMismatch { .. } => ErrorCode::SpecMismatch,
        DocumentError::Store { .. } | DocumentError::Damaged { .. } => ErrorCode::Unavailable,
    };
    Message::Failure { doc: Some(doc.clone()), code, message: error.to_string() }
}

fn hello(context: &Context) -> Message {
    let config = &context.config;
    Message::Hello(Hello {
        oldest: OLDEST_VERSION,
        newest: VERSION,
        agent: config.agent.clone(),
        relay: config.policy.relay,
        acks: !config.policy.relay,
        compression: config.compression.clone(),
    })
}

impl Replica {
    pub(super) fn on_connected(&mut self, id: ConnectionId, side: Side, visitor: Option<Visitor>) {
        let encoding = self.context.config.encoding;
        let mut connection = Connection::new(self.context.now, side, visitor, encoding);
        if side == Side::Dialed {
            connection.say(&hello(&self.context));
        }
        self.connections.insert(id, connection);
        if self.fault.is_some() && side == Side::Dialed {
            self.shut_connection(id, ErrorCode::Unavailable, "the store cannot be written");
        }
    }

    pub(super) fn on_writable(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.takes_more();
        }
    }

    pub(super) fn on_disconnected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.retries.retain(|(link, _), _| *link != id);
        for doc in connection.open {
            self.forget_presence(id, &doc);
            if let Some(document) = self.documents.get_mut(&doc) {
                document.shut(id);
            }
            self.drop_done(&doc);
        }
        if connection.phase.is_greeted() {
            self.context.tell(Event::Peer { connection: id, peer: None });
        }
    }

    pub(super) fn on_tick(&mut self) {
        let now = self.context.now;
        let due = self.connections.due(now).into_iter();
        let overdue = due.filter_map(|id| Some((id, self.connections.get(&id)?.overdue(now)?)));
        let overdue: Vec<(ConnectionId, &str)> = overdue.collect();
        overdue.into_iter().for_each(|(id, reason)| self.shut_connection(id, ErrorCode::Unavailable, reason));
        self.retry();
        self.check_presence();
    }

    /// Opens again what could not be opened a while ago.
    fn retry(&mut self) {
        let due = self.retries.extract_if(.., |_, time| *time <= self.context.now);
        let due: BTreeSet<DocId> = due.map(|((_, doc), _)| doc).collect();
        due.iter().for_each(|doc| self.open_on_every_link(doc));
    }

    /// Plans to open a document again that was given up on a link, by either side.
    pub(super) fn retry_later(&mut self, id: ConnectionId, doc: &DocId) {
        if !self.context.config.policy.relay && self.documents.contains_key(doc) {
            self.retries.insert((id, doc.clone()), self.context.now.after(RETRY_WAIT));
        }
    }

    /// Cuts a link from this side.
    fn shut_connection(&mut self, id: ConnectionId, code: ErrorCode, reason: &str) {
        self.flush();
        self.context.tell(Event::GaveUp { connection: id, code, reason: reason.to_owned() });
        self.on_disconnected(id);
        self.context.emit(Output::Close { connection: id, reason: reason.to_owned() });
    }

    /// Tells the peer what it did wrong and cuts the link.
    pub(super) fn refuse_connection(&mut self, id: ConnectionId, code: ErrorCode, message: &str) {
        self.end_connection(id, code, message.to_owned(), message);
    }

    /// Nothing can be stored here: tells the peer and cuts the link.
    pub(super) fn suspend_connection(&mut self, id: ConnectionId, fault: &StoreFault) {
        let told = format!(
            "the store at the other side cannot be written: {fault}; nothing is lost, it is tried again"
        );
        self.end_connection(id, ErrorCode::Unavailable, told, "the store here cannot be written");
    }

    fn end_connection(&mut self, id: ConnectionId, code: ErrorCode, told: String, reason: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.say(&Message::Failure { doc: None, code, message: told });
            connection.takes_more();
        }
        self.shut_connection(id, code, reason);
    }

    pub(super) fn on_received(&mut self, id: ConnectionId, frame: &Frame) {
        let messages = match Codec::decode(frame) {
            Ok(messages) => messages,
            Err(error) => return self.on_undecodable(id, frame, &error),
        };
        for message in messages {
            if !self.connections.contains_key(&id) {
                return;
            }
            self.on_message(id, frame, message);
            // A small question may have a large answer; this is where it is noticed that there are too many.
            self.deliver();
        }
    }

    fn on_undecodable(&mut self, id: ConnectionId, frame: &Frame, error: &WireError) {
        if let Some(connection) =
            self.connections.get_mut(&id).filter(|connection| connection.info().is_none())
        {
            connection.codec.encoding = Codec::detect(frame);
        }
        self.refuse_connection(id, error.code(), &error.to_string());
    }

    fn on_message(&mut self, id: ConnectionId, frame: &Frame, message: Message) {
        let greeted = self.connections.get(&id).is_some_and(|connection| connection.phase.is_greeted());
        match message {
            Message::Hello(hello) if !greeted => self.on_hello(id, frame, &hello),
            Message::Hello(_) => self.unexpected(id, "a second hello"),
            Message::Failure { doc: None, code, message } => {
                self.await_departure(id);
                self.context.tell(Event::PeerError { connection: id, doc: None, code, message });
            }
            _ if !greeted => self.unexpected(id, "a message before hello"),
            Message::Goodbye { retry_after } => {
                self.await_departure(id);
                self.context.tell(Event::Goodbye { connection: id, retry_after });
            }
            Message::Ping { token } => self.context.post(id, Message::Pong { token }),
            Message::Pong { .. } => {}
            Message::Describe { ref doc }
            | Message::Described { ref doc, .. }
            | Message::Open { ref doc, .. }
            | Message::Resume { ref doc }
            | Message::NeedHave { ref doc }
            | Message::Have { ref doc, .. }
            | Message::Entries { ref doc, .. }
            | Message::Durable { ref doc, .. }
            | Message::Ack { ref doc, .. }
            | Message::SnapshotPart { ref doc, .. }
            | Message::Refused { ref doc, .. }
            | Message::Presence { ref doc, .. }
            | Message::Shut { ref doc }
            | Message::Failure { doc: Some(ref doc), .. } => {
                let doc = doc.clone();
                self.connections.get_mut(&id).into_iter().for_each(Connection::hear);
                if matches!(message, Message::Open { .. }) {
                    self.count_opening(&doc);
                }
                self.on_document_message(id, doc, message);
            }
        }
    }

    fn await_departure(&mut self, id: ConnectionId) {
        let now = self.context.now;
        self.connections.get_mut(&id).into_iter().for_each(|connection| connection.await_departure(now));
    }

    fn unexpected(&mut self, id: ConnectionId, what: &str) {
        self.refuse_connection(id, ErrorCode::Unexpected, &format!("{what} was not expected here"));
    }

    fn on_hello(&mut self, id: ConnectionId, frame: &Frame, hello: &Hello) {
        let version = hello.newest.min(VERSION);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Phase::Greeting { side, visitor } = &mut connection.phase else { return };
        let (side, visitor) = (*side, visitor.take());
        connection.awaited = None;
        if side == Side::Accepted {
            connection.codec.encoding = Codec::detect(frame);
            if let Some(fault) = self.fault.clone() {
                return self.suspend_connection(id, &fault);
            }
            connection.say(&self::hello(&self.context));
        }
        if version < hello.oldest.max(OLDEST_VERSION) {
            let message = format!(
                "this side speaks versions {OLDEST_VERSION} to {VERSION} of the protocol, the peer {} to {}; \
                 update the older one",
                hello.oldest, hello.newest
            );
            return self.refuse_connection(id, ErrorCode::Version, &message);
        }
        connection.codec.compression = hello.compression.first().copied().unwrap_or_default();
        // A relay's word is the last one about what is saved and what is refused. Who is dialled was chosen; whoever
        // dials may call himself what he likes.
        let relay = hello.relay && side == Side::Dialed;
        let info = PeerInfo { agent: hello.agent.clone(), relay, version };
        connection.phase =
            Phase::Greeted(Greeted { info: info.clone(), wants_acks: hello.acks, side, visitor });
        self.context.tell(Event::Peer { connection: id, peer: Some(info) });
        if side == Side::Dialed {
            self.open_everything(id);
        }
    }

    fn open_everything(&mut self, id: ConnectionId) {
        let Some(info) = self.connections.get(&id).and_then(Connection::info) else { return };
        for document in self.documents.values_mut() {
            document.open_at(&mut self.context, id, info);
        }
    }

    /// Notes that the peer has a document open; false if it has too many.
    pub(super) fn note_open(&mut self, id: ConnectionId, doc: &DocId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if connection.open.len() >= MAX_DOCUMENTS_PER_CONNECTION && !connection.open.contains(doc) {
            let message = format!("more than {MAX_DOCUMENTS_PER_CONNECTION} documents on one link");
            connection.say(&Message::Failure { doc: Some(doc.clone()), code: ErrorCode::TooMany, message });
            return false;
        }
        connection.open.insert(doc.clone());
        true
    }

    /// Gives up a document on a link, of which the peer has been told why, until it is tried again.
    pub(super) fn give_up(&mut self, id: ConnectionId, doc: &DocId) {
        self.end_conversation(id, doc);
        self.retry_later(id, doc);
    }

    /// Ends the conversation about a document on a link, without another word to the peer.
    pub(super) fn end_conversation(&mut self, id: ConnectionId, doc: &DocId) {
        self.forget_presence(id, doc);
        if let Some(document) = self.documents.get_mut(doc) {
            document.shut(id);
        }
        self.no_longer_open(id, doc);
    }

    /// Notes that a document did not open on a link, or was given up there.
    pub(super) fn no_longer_open(&mut self, id: ConnectionId, doc: &DocId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.open.remove(doc);
        }
    }

    /// Shuts a document on links from this side.
    pub(super) fn shut_on(&mut self, links: BTreeSet<ConnectionId>, doc: &DocId) {
        for id in links {
            self.forget_presence(id, doc);
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.open.remove(doc);
            connection.closing.insert(doc.clone());
            self.context.post(id, Message::Shut { doc: doc.clone() });
        }
    }

    /// The peer shut a document: of its own accord, which is answered in kind, or in answer.
    pub(super) fn on_shut(&mut self, id: ConnectionId, doc: &DocId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.open.remove(doc);
        if connection.closing.remove(doc) {
            return self.open_on_every_link(doc);
        }
        self.forget_presence(id, doc);
        if let Some(document) = self.documents.get_mut(doc) {
            document.shut(id);
        }
        self.context.post(id, Message::Shut { doc: doc.clone() });
        self.drop_done(doc);
    }

    /// Hands the mail of the machines to the links it is for.
    pub(super) fn deliver(&mut self) {
        while let Some((id, message)) = self.context.next_mail() {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if let Message::Open { doc, .. } = &message {
                connection.open.insert(doc.clone());
            }
            if matches!(message, Message::Open { .. } | Message::Describe { .. }) {
                connection.await_answer(self.context.now);
            }
            connection.say(&message);
            if connection.is_flooded() {
                self.shut_connection(id, ErrorCode::TooMany, "the peer asks without reading the answers");
            }
        }
        let (now, Some(wakes)) = (self.context.now, self.context.take_wakes()) else { return };
        for (doc, delay) in wakes.all {
            for id in self.documents.get(&doc).into_iter().flat_map(Document::connections) {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.mark(doc.clone(), now.after(delay));
                }
            }
        }
        for ((id, doc), delay) in wakes.single {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.mark(doc, now.after(delay));
            }
        }
    }
}

impl Phase {
    const fn is_greeted(&self) -> bool {
        matches!(self, Self::Greeted(_))
    }
}
