//! What a replica needs of a CRDT, and the gate in front of it.
//!
//! Two traits, because a relay needs only the first one: [`Gate`] decides, from a small state, whether an
//! entry may come anywhere near a document; [`Crdt`] is a gate that also holds the document and merges into
//! it. yrs is not memory-safe on inconsistent updates and Automerge inflates without a bound, so nothing from
//! outside is applied that its gate has not admitted.

pub mod automerge;
mod exchange;
pub mod toy;
pub mod yjs;

pub use exchange::{Exchange, ReceiveError};

use bytes::Bytes;
use thiserror::Error;

use crate::entry::{Family, Spec};
use crate::id::{Have, ReplicaId};
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::presence::Anchor;
use crate::value::{NodeKind, Value};

/// A document in memory. Every method leaves it unchanged when it fails, except [`Crdt::apply`], after whose
/// failure the document must be dropped and rebuilt from the log.
///
/// Updates arrive in causal order, admitted by the family's [`Gate`]. A panic of the library inside any method
/// is caught by the implementation and returned as [`Damaged`]; the document must then be dropped.
pub trait Crdt: Gate {
    /// Names the writer of the edits that follow. Called before the first edit after every load.
    fn write_as(&mut self, replica: ReplicaId);

    /// Merges updates that [`Gate::admit`] has admitted since the last call, all of them and in that order. Applying an
    /// update a second time changes nothing. One call for many is much cheaper than many calls: Automerge
    /// walks a whole text in each.
    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), Damaged>;

    /// Merges the snapshot of another replica, which [`Gate::admit_snapshot`] has just admitted.
    fn merge(&mut self, snapshot: &[u8]) -> Result<(), Damaged>;

    /// Performs one operation as the named writer; it is seen by reads at once.
    fn perform(&mut self, operation: &Operation) -> Result<(), EditError>;

    /// One update for everything performed since the last call; `None` if that changed nothing.
    fn take_local(&mut self) -> Result<Option<Bytes>, Damaged>;

    /// The whole state, for [`load`]. Local edits must have been taken.
    fn snapshot(&self) -> Result<Bytes, Damaged>;

    /// The value at a path and everything below it. The root is a map; top-level containers without content
    /// are left out of it.
    fn value(&self, path: &Path) -> Option<Value>;

    /// What is at a path, without reading what is below it.
    fn kind(&self, path: &Path) -> Option<NodeKind>;

    /// How many keys, elements or code points are at a path.
    fn len(&self, path: &Path) -> Option<usize>;

    /// The keys of the map at a path, in order.
    fn keys(&self, path: &Path) -> Option<Vec<String>>;

    /// A place in the text at a path that stays where it is while others write: in front of the character that is behind
    /// it now. `None` if there is no text, or it ends before.
    fn anchor(&self, path: &Path, at: usize) -> Option<Anchor> {
        _ = (path, at);
        None
    }

    /// Where such a place is now, in code points; `None` if it is not in this text.
    fn locate(&self, path: &Path, anchor: &Anchor) -> Option<usize> {
        _ = (path, anchor);
        None
    }

    /// The document as clients of other protocols know it; `None` if its family has none.
    fn exchange(&mut self) -> Option<&mut dyn Exchange> {
        None
    }
}

/// Admits or refuses updates before a CRDT sees them, and remembers what it admitted. On its own (see
/// [`gate`]) it holds what it must know of the document (a state vector, change hashes), not the document.
pub trait Gate: Send {
    /// Checks an update of `writer` against what was admitted before; if it may be applied, takes note of it.
    /// A refused update leaves the gate as it was.
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError>;

    /// Checks a snapshot made by somebody else and, if it may be merged, takes note of what it holds.
    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError>;

    /// Memory that what was admitted takes here, in bytes, roughly, without the document itself.
    fn bytes(&self) -> usize;
}

/// On whose behalf an update comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer<'a> {
    /// A Syncline replica, which writes only under the client or actor id derived from its id.
    Replica(ReplicaId),
    /// An unmodified Yjs or Automerge client behind a relay: anything new is under ids that are not those of these replicas;
    /// merged updates of others are included.
    Foreign(&'a Have),
}

impl Writer<'static> {
    /// A client of another protocol where no replica has written.
    pub const STRANGER: Self = Self::Foreign(Have::NONE);
}

/// The update must not be applied. Always the fault of whoever made it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateError {
    /// The bytes are not an update of this family.
    #[error("malformed update: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// The update needs something that was not admitted before it.
    #[error("the update depends on something that is missing: {reason}")]
    Gap {
        /// What is missing.
        reason: String,
    },
    /// The update writes under an identity that is not its author's.
    #[error("the update writes as somebody else: {reason}")]
    Impostor {
        /// Who was impersonated.
        reason: String,
    },
    /// A limit was reached.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// The library panicked or contradicted itself; the document in memory must be dropped.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the {family} document is damaged: {reason}")]
pub struct Damaged {
    /// Which library.
    pub family: Family,
    /// What it said.
    pub reason: String,
}

/// A document with its genesis and nothing else; equal on every replica.
#[must_use]
pub fn create(spec: Spec) -> Box<dyn Crdt> {
    match spec.family {
        Family::Yjs => Box::new(yjs::Yjs::create(spec.kind)),
        Family::Automerge => Box::new(automerge::Automerge::create(spec.kind)),
        Family::Toy => Box::new(toy::Toy::create()),
    }
}

/// The document that [`Crdt::snapshot`] saved. The bytes are our own: they come from this replica's store, or
/// were admitted by a gate. Bytes that do not load are [`Damaged`].
pub fn load(spec: Spec, snapshot: &[u8]) -> Result<Box<dyn Crdt>, Damaged> {
    Ok(match spec.family {
        Family::Yjs => Box::new(yjs::Yjs::load(spec.kind, snapshot)?),
        Family::Automerge => Box::new(automerge::Automerge::load(spec.kind, snapshot)?),
        Family::Toy => Box::new(toy::Toy::load(snapshot)?),
    })
}

/// A gate that knows the genesis of such a document and nothing else.
#[must_use]
pub fn gate(spec: Spec) -> Box<dyn Gate> {
    match spec.family {
        Family::Yjs => Box::new(yjs::YjsGate::new()),
        Family::Automerge => Box::new(automerge::AutomergeGate::new(spec.kind)),
        Family::Toy => Box::new(toy::ToyGate::new()),
    }
}
