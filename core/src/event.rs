//! The whole contract of a replica: what goes in, what comes out, what is stored.
//!
//! A driver owns the sockets, the store and the clock. It feeds [`Input`]s to
//! [`Replica::handle`](crate::replica::Replica::handle) and performs the [`Output`]s in their order. A replica
//! never queues a `Send` that relies on a write which has not been reported as [`Input::Written`], so
//! a driver may perform every `Send` at once and commit writes in groups as large as it likes.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::crdt::GateError;
use crate::entry::{Blame, Cursor, Digest, Entry, Spec};
use crate::id::{ConnectionId, DocId, EntryId, Epoch, Have, ReplicaId, WriteId};
use crate::operation::Operation;
use crate::replica::{Merge, Merged};
use crate::visitor::Visitor;
use crate::wire::{ErrorCode, Frame, MAX_REASON_BYTES};

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A link to a peer is up and takes one frame.
    Connected {
        /// Its number, new for every link.
        connection: ConnectionId,
        /// Which side dialled.
        side: Side,
        /// Who dialled, where that was asked; everybody else may do everything.
        visitor: Option<Visitor>,
    },
    /// A frame arrived.
    Received {
        /// From where.
        connection: ConnectionId,
        /// What.
        frame: Frame,
    },
    /// The link took the last frame it was given and takes another one.
    Writable {
        /// Which link.
        connection: ConnectionId,
    },
    /// The link is gone.
    Disconnected {
        /// Which link.
        connection: ConnectionId,
    },
    /// The answer to [`Output::Load`].
    Loaded {
        /// Which document.
        doc: DocId,
        /// What the store holds of it; `None` if it never heard of it.
        result: Result<Option<StoredDocument>, StoreFault>,
    },
    /// Every write up to this one is on disk.
    Written {
        /// The last of them.
        write: WriteId,
    },
    /// A commit failed: nothing is written until [`Input::StoreReady`]. The driver keeps the writes.
    WriteFailed {
        /// What the disk said.
        fault: StoreFault,
    },
    /// The store was reopened; the driver commits the writes it kept.
    StoreReady,
    /// The answer to [`Output::Merge`].
    Merged(Merged),
    /// The time given by [`Replica::next_timeout`](crate::replica::Replica::next_timeout) has come.
    Tick,
}

/// Which side of a link a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This replica dialled and speaks first.
    Dialed,
    /// The peer dialled.
    Accepted,
}

/// What the driver must do, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Make this durable. Writes are committed in order; several may share a transaction.
    Write {
        /// Its number, for [`Input::Written`].
        id: WriteId,
        /// What.
        write: Write,
    },
    /// Read a document from the store, after every write queued so far.
    Load {
        /// Which.
        doc: DocId,
    },
    /// Give a frame to a link. The next one follows only after [`Input::Writable`].
    Send {
        /// Which link.
        connection: ConnectionId,
        /// What; cheap to clone, as many links may be given the same one.
        frame: Frame,
        /// How many entries of documents it carries.
        entries: usize,
        /// How long the first of them has waited for the link to take the frame before, in milliseconds, if it has.
        waited: Option<u64>,
    },
    /// Close a link, once it has taken what it was given.
    Close {
        /// Which link.
        connection: ConnectionId,
        /// Why, for the peer and the log.
        reason: String,
    },
    /// Run this, for however long it takes, where nothing waits for it.
    Merge(Merge),
    /// Tell the application.
    Event(Event),
}

/// What an application may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A document is in memory and can be read and edited.
    Opened {
        /// Which.
        doc: DocId,
    },
    /// A document was made here: its log begins.
    Created {
        /// Which.
        doc: DocId,
    },
    /// The answer to [`Replica::host`](crate::replica::Replica::host): the log of a document can be shown to clients of
    /// other protocols.
    Hosted {
        /// Which.
        doc: DocId,
    },
    /// The answer to [`Replica::build`](crate::replica::Replica::build): clients of other protocols can contribute to it.
    Built {
        /// Which document.
        doc: DocId,
    },
    /// More of the log of a hosted document is on disk.
    Durable {
        /// Which document.
        doc: DocId,
        /// Up to where.
        offset: u64,
    },
    /// A document could not be opened, or had to be closed.
    Failed {
        /// Which.
        doc: DocId,
        /// Why.
        error: DocumentError,
    },
    /// A document's content changed.
    Changed {
        /// Which.
        doc: DocId,
        /// Whether the change was made here.
        local: bool,
        /// How many entries it came in; none if the document was rebuilt.
        entries: usize,
    },
    /// More of this replica's own edits are saved, or fewer are pending.
    Saved {
        /// Which document.
        doc: DocId,
        /// How far.
        progress: Progress,
    },
    /// The relay refused edits; the document was rebuilt without them.
    Refused {
        /// Which document.
        doc: DocId,
        /// The first refused entry.
        id: EntryId,
        /// The relay's reason.
        reason: String,
        /// The operations that were lost with it: those refused, and those that made no sense without them.
        lost: Vec<Operation>,
        /// How far own edits are saved now, and which were lost.
        progress: Progress,
    },
    /// An entry cannot be applied, whatever comes; it is kept in the log and skipped.
    Quarantined {
        /// Which document.
        doc: DocId,
        /// Which entry.
        id: EntryId,
        /// What was wrong with it.
        reason: String,
    },
    /// An entry cannot be applied yet, as what it builds on is not here; it is kept in the log.
    Waiting {
        /// Which document.
        doc: DocId,
        /// Which entry.
        id: EntryId,
    },
    /// An entry that had been waiting is applied; [`Event::Changed`] follows.
    WaitedEnough {
        /// Which document.
        doc: DocId,
        /// Which entry.
        id: EntryId,
    },
    /// Somebody has come to a document, has moved there, or is gone; see
    /// [`Replica::present`](crate::replica::Replica::present).
    Present {
        /// Which document.
        doc: DocId,
    },
    /// A peer has been greeted, or has gone.
    Peer {
        /// Which link.
        connection: ConnectionId,
        /// What is known of the peer; `None` once the link is gone.
        peer: Option<PeerInfo>,
    },
    /// This replica and a peer hold the same entries of a document, as far as both know.
    InSync {
        /// Which link.
        connection: ConnectionId,
        /// Which document.
        doc: DocId,
    },
    /// The answer to [`Replica::compact`](crate::replica::Replica::compact): what could be merged is.
    Compacted {
        /// Which document.
        doc: DocId,
    },
    /// The answer to [`Replica::describe`](crate::replica::Replica::describe).
    Described {
        /// Which document.
        doc: DocId,
        /// What the peer holds under that name.
        spec: Option<Spec>,
    },
    /// A peer answered with an error.
    PeerError {
        /// Which link.
        connection: ConnectionId,
        /// Which document, if it was about one.
        doc: Option<DocId>,
        /// The code.
        code: ErrorCode,
        /// The peer's words.
        message: String,
    },
    /// A peer goes away in good order and wants to be dialled again after a while.
    Goodbye {
        /// Which link.
        connection: ConnectionId,
        /// Milliseconds to wait.
        retry_after: u64,
    },
    /// A link is cut from this side.
    GaveUp {
        /// Which link.
        connection: ConnectionId,
        /// What kind of reason it is.
        code: ErrorCode,
        /// Why, in words for a person.
        reason: String,
    },
    /// The store failed or works again; while it has failed, edits are refused.
    Store {
        /// What is wrong; `None` once it works again.
        fault: Option<StoreFault>,
    },
}

/// How far this replica's own edits of one document are saved. Tickets number the edits from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last edit made here.
    pub made: u64,
    /// Every edit up to this one is on this replica's disk.
    pub local: u64,
    /// Every edit up to this one is durable at a relay, or applied by a server that is no replica, as far as it is not lost.
    pub relay: u64,
    /// How many edits no relay has acknowledged.
    pub pending: u64,
    /// Their size in bytes.
    pub pending_bytes: u64,
    /// How many edits were lost, in whole or in part, as they or what they build on was refused.
    pub lost: u64,
    /// The first edit that the last such refusal took; 0 if a relay had acknowledged that before.
    pub lost_from: u64,
}

/// What a peer said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The program and its version.
    pub agent: String,
    /// Whether it is a relay, whose acknowledgements count as saved.
    pub relay: bool,
    /// The protocol version both speak.
    pub version: u16,
}

/// Why a document is not open.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// Nobody here has such a document, and its family and kind were not named.
    #[error("there is no document {doc:?}")]
    NotFound {
        /// Which.
        doc: DocId,
    },
    /// The document exists as something else.
    #[error("document {doc:?} {place} is of kind {found}, not {wanted}; open it as {found}")]
    SpecMismatch {
        /// Which.
        doc: DocId,
        /// What was asked for.
        wanted: Spec,
        /// What there is.
        found: Spec,
        /// Where: here or at the peer.
        place: &'static str,
    },
    /// The store could not be read, or written.
    #[error("document {doc:?} cannot be used: {fault}")]
    Store {
        /// Which.
        doc: DocId,
        /// What the store said.
        fault: StoreFault,
    },
    /// What was read makes no sense.
    #[error("document {doc:?} is damaged: {reason}; restore the store from a backup or sync into a new one")]
    Damaged {
        /// Which.
        doc: DocId,
        /// What is wrong.
        reason: String,
    },
}

/// The disk's fault, in words for a person.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct StoreFault(pub String);

/// One change of the store. Writes are idempotent: committing one again, after a commit whose outcome is
/// unknown, changes nothing.
#[derive(Clone, Debug)]
pub enum Write {
    /// Begin the log of a document.
    Create {
        /// Its name.
        doc: DocId,
        /// What it is.
        spec: Spec,
        /// The log's name.
        epoch: Epoch,
    },
    /// Append to a log.
    Append {
        /// Which document.
        doc: DocId,
        /// What.
        entry: StoredEntry,
    },
    /// Remember how far a peer and this replica hold each other's log.
    Peer {
        /// Which document.
        doc: DocId,
        /// How far.
        cursor: PeerCursor,
    },
    /// Forget what was remembered of a peer's log.
    ForgetPeer {
        /// Which document.
        doc: DocId,
        /// The peer's log.
        epoch: Epoch,
    },
    /// Remember that nothing of `fence.replica` from `fence.counter` on is accepted; an earlier fence of the replica is
    /// forgotten.
    Fence {
        /// Which document.
        doc: DocId,
        /// What is refused.
        fence: Fence,
    },
    /// Remember that an entry is not to be applied, whatever comes.
    Quarantine {
        /// Which document.
        doc: DocId,
        /// Which entry.
        id: EntryId,
    },
    /// Forget that about an entry which leaves the log: another one may come under its name.
    Release {
        /// Which document.
        doc: DocId,
        /// Which entry.
        id: EntryId,
    },
    /// Replace the log up to `snapshot.offset` by a snapshot of it; later entries stay as they are.
    Compact {
        /// Which document.
        doc: DocId,
        /// The snapshot.
        snapshot: Arc<Snapshot>,
    },
    /// Replace the whole log by a snapshot and the entries that follow it.
    Replace {
        /// Which document.
        doc: DocId,
        /// The snapshot; its offset lies behind every offset of the old log.
        snapshot: Arc<Snapshot>,
        /// The entries behind it.
        entries: Vec<StoredEntry>,
    },
    /// Forget a document and everything about it.
    Delete {
        /// Which.
        doc: DocId,
    },
}

impl Write {
    /// The document it is about.
    #[must_use]
    pub const fn doc(&self) -> &DocId {
        match self {
            Self::Create { doc, .. }
            | Self::Append { doc, .. }
            | Self::Peer { doc, .. }
            | Self::ForgetPeer { doc, .. }
            | Self::Fence { doc, .. }
            | Self::Quarantine { doc, .. }
            | Self::Release { doc, .. }
            | Self::Compact { doc, .. }
            | Self::Replace { doc, .. }
            | Self::Delete { doc } => doc,
        }
    }
}

/// Everything a store holds of one document.
#[derive(Clone, Debug)]
pub struct StoredDocument {
    /// What it is.
    pub spec: Spec,
    /// The log's name.
    pub epoch: Epoch,
    /// What the beginning of the log was merged into, if it was.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The entries behind the snapshot, in order, without holes.
    pub entries: Vec<StoredEntry>,
    /// What is known of peers' logs.
    pub peers: Vec<PeerCursor>,
    /// What is refused.
    pub fences: Vec<Fence>,
    /// What cannot be applied.
    pub quarantined: Vec<EntryId>,
}

/// An entry at its place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position: the first entry of a log is 1.
    pub offset: u64,
    /// The log's digest with this entry.
    pub digest: Digest,
    /// The entry.
    pub entry: Arc<Entry>,
    /// For an entry made on this store, the operations it was made of, encoded, so that it can be made again.
    pub operations: Option<Bytes>,
}

/// The merged state of the first entries of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many offsets of the log it stands for.
    pub offset: u64,
    /// The log's digest there.
    pub digest: Digest,
    /// Which entries it holds.
    pub covers: Have,
    /// The state, in the form of the document's family.
    pub state: Bytes,
}

/// What a replica knows of one peer's log, and that peer of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCursor {
    /// How far this replica durably holds the peer's log.
    pub theirs: Cursor,
    /// Whether the peer is a relay.
    pub relay: bool,
    /// How far in our log the peer has acknowledged it.
    pub acked: u64,
    /// How far in our log every entry is durable at the peer, whether acknowledged or learned from it.
    pub covered: u64,
}

/// A point from which on one replica's entries are not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Whose entries.
    pub replica: ReplicaId,
    /// From which counter on.
    pub counter: u64,
    /// What is at fault.
    pub blame: Blame,
    /// Why, in words for a person.
    pub reason: String,
}

/// Why a replica does not accept an entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The gate did not admit it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// An earlier entry of the same replica was refused.
    #[error("an earlier entry of this replica was refused: {0}")]
    Fenced(String),
    /// Somebody else was first to use its name; what its author meant by it is to be made again under another one.
    #[error("another entry was taken before under the name {0}")]
    Taken(EntryId),
    /// The policy of this replica forbids it.
    #[error("{0}")]
    Policy(String),
}

impl Fence {
    /// Refuses an entry and all later ones of its replica. Of a long reason the end is left out.
    #[must_use]
    pub fn from(first: EntryId, blame: Blame, mut reason: String) -> Self {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { replica: first.replica, counter: first.counter, blame, reason }
    }

    /// Whether it refuses an entry.
    #[must_use]
    pub fn refuses(&self, id: &EntryId) -> bool {
        self.replica == id.replica && self.counter <= id.counter
    }

    /// The first entry that is refused.
    #[must_use]
    pub const fn first(&self) -> EntryId {
        EntryId { replica: self.replica, counter: self.counter }
    }
}

impl Refusal {
    /// What is at fault.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Gate(GateError::Gap { .. }) | Self::Fenced(_) | Self::Taken(_) => Blame::Context,
            Self::Gate(_) | Self::Policy(_) => Blame::Entry,
        }
    }
}

impl PeerCursor {
    /// The peer's log, by which the store finds it again.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.theirs.epoch
    }
}
