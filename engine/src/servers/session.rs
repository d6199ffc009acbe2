//! What the three protocols have in common: sessions take in what comes, and leave what is to be done in one queue.
//!
//! A session is one connection, as bytes in and bytes out. It knows the replica, and neither sockets nor clocks.

use bytes::Bytes;
use syncline_core::crdt::{Damaged, Exchange, GateError, ReceiveError};
use syncline_core::entry::{Entry, Seen};
use syncline_core::id::{DocId, Principal, ReplicaId};
use syncline_core::log::Log;
use syncline_core::protocol::Malformed;
use syncline_core::replica::{ContributeError, Guest, Replica, Server};
use syncline_core::time::Time;
use thiserror::Error;

/// One connection to a server.
pub(super) trait Session: Send {
    /// The connection is up.
    fn begin(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault>;

    /// The server has sent a frame.
    fn on_frame(&mut self, desk: &mut Desk<'_>, frame: &[u8]) -> Result<(), Fault>;

    /// A document is open here, and there may be more of its log.
    fn attend(&mut self, desk: &mut Desk<'_>, doc: &DocId) -> Result<(), Fault>;

    /// A document is not open here any more.
    fn leave(&mut self, desk: &mut Desk<'_>, doc: &DocId);

    /// Some time has passed.
    fn on_tick(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault>;
}

/// What a session works with.
pub(super) struct Desk<'a> {
    pub replica: &'a mut Replica,
    pub now: Time,
    pub effects: &'a mut Vec<Effect>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send a frame.
    Send(Bytes),
    /// The server has answered sensibly: from now on the connection counts.
    Greeted,
    /// The server does not take a document, for this reason.
    NotTaken(DocId, String),
    /// It does not take it for now.
    NotNow(DocId, String),
}

/// The connection cannot go on. Another one may.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server does not keep to its protocol.
    #[error("the server does not speak as it should: {0}")]
    Server(String),
    /// The server says that it cannot go on.
    #[error("the server says: {0}")]
    Told(String),
    /// What comes cannot be taken in here at the moment.
    #[error(transparent)]
    Unready(#[from] ContributeError),
    /// The library failed here.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Server(malformed.to_string())
    }
}

impl From<GateError> for Fault {
    fn from(refused: GateError) -> Self {
        Self::Server(refused.to_string())
    }
}

impl From<ReceiveError> for Fault {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Refused(refused) => refused.into(),
            ReceiveError::Damaged(damaged) => damaged.into(),
            other => Self::Server(other.to_string()),
        }
    }
}

/// Who the server is to the replica.
#[derive(Clone, Debug)]
pub(super) struct Party {
    /// What it has applied is remembered under this name.
    pub server: Server,
    /// What it sends is appended under this one.
    pub guest: Guest,
}

impl Party {
    pub fn new(server: Server, replica: ReplicaId, author: Principal) -> Self {
        Self { server, guest: Guest { replica, author, seen: Seen::default() } }
    }

    /// Whether an entry came from the server.
    pub fn wrote(&self, entry: &Entry) -> bool {
        entry.id.replica == self.guest.replica
    }
}

/// What became of something that a server sent.
pub(super) enum Taken<T> {
    /// It is in the log.
    Yes(T),
    /// It builds on something that is not here.
    Gap,
    /// It will never be taken, for this reason.
    Never(String),
    /// The document is not open any more.
    Closed,
}

impl Desk<'_> {
    pub fn send(&mut self, frame: impl Into<Bytes>) {
        self.effects.push(Effect::Send(frame.into()));
    }

    pub fn not_taken(&mut self, doc: &DocId, reason: impl Into<String>) {
        self.effects.push(Effect::NotTaken(doc.clone(), reason.into()));
    }

    pub fn not_now(&mut self, doc: &DocId, reason: impl Into<String>) {
        self.effects.push(Effect::NotNow(doc.clone(), reason.into()));
    }

    /// The document as its family knows it, and where its log ends. `None` if it is closed.
    pub fn document(&mut self, doc: &DocId) -> Option<(&mut dyn Exchange, u64)> {
        let head = self.replica.log(doc)?.head();
        self.replica.exchange(doc).map(|document| (document, head))
    }

    /// Up to where a log is on this disk.
    pub fn durable(&self, doc: &DocId) -> u64 {
        self.replica.log(doc).map_or(0, Log::durable)
    }

    /// Takes in what the server sends of a document. A server hands on what everybody writes, also what was once written
    /// here and is not here any more, so no replica is kept from being spoken for.
    pub fn take<T>(
        &mut self,
        party: &Party,
        doc: &DocId,
        receive: impl FnOnce(&mut dyn Exchange) -> Result<(Vec<Bytes>, T), ReceiveError>,
    ) -> Result<Taken<T>, Fault> {
        let received = self.replica.contribute(self.now, doc, &party.guest, |document, _| receive(document));
        match received {
            Ok(contributed) => Ok(Taken::Yes(contributed.value)),
            Err(ContributeError::Refused(GateError::Gap { .. })) => Ok(Taken::Gap),
            Err(error @ (ContributeError::Refused(_) | ContributeError::TooManyWriters)) => {
                Ok(Taken::Never(format!("what the server holds is not taken here: {error}")))
            }
            Err(ContributeError::NotBuilt(_)) => Ok(Taken::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// The next updates that others than the server wrote, at most so many, and up to where in the log that leads; `None` if
    /// the log does not reach back so far.
    pub fn updates(
        &self,
        party: &Party,
        doc: &DocId,
        after: u64,
        most: usize,
    ) -> Option<(Vec<(u64, Bytes)>, u64)> {
        let durable = self.durable(doc);
        let mut updates = Vec::new();
        let others = self.replica.for_guests(doc, after)?.filter(|(_, entry)| !party.wrote(entry));
        for (offset, entry) in others {
            if updates.len() == most {
                let end = updates.last().map_or(after, |(offset, _)| *offset);
                return Some((updates, end));
            }
            updates.extend(entry.body.update().map(|update| (offset, update.clone())));
        }
        let end = updates.last().map_or(after, |(offset, _)| *offset).max(durable);
        Some((updates, end))
    }
}
