//! What clients of other protocols need of a document besides what replicas need.
//!
//! A replica knows by entries what somebody lacks. Clients of other protocols know no entries: they say what they hold in
//! the terms of their family, and send updates that may repeat what is held already.

use bytes::Bytes;
use thiserror::Error;

use super::automerge::Automerge;
use super::{Crdt, Damaged, GateError};
use crate::id::Have;

/// Largest update that a client of another protocol may send at once. It is cut into entries of the usual size.
pub const MAX_FOREIGN_UPDATE_BYTES: usize = 32 << 20;

/// A document of a family that is spoken outside of Syncline.
pub trait Exchange: Crdt {
    /// Checks an update and merges it. Returns what of it was not held before, as updates of which each is small enough
    /// for an entry, in the order in which they are to be applied; none if all of it was. What is new must not be written
    /// as one of `replicas`. A refused update leaves the document as it was.
    fn receive(&mut self, replicas: &Have, update: &[u8]) -> Result<Vec<Bytes>, ReceiveError>;

    /// What somebody lacks who holds such a version ([`Gate::version`](super::Gate::version)), as one update; no bytes stand
    /// for nothing. Deletions are always part of it, as versions of Yjs tell nothing of them.
    fn missing(&self, version: &[u8]) -> Result<Bytes, ReceiveError>;

    /// Whether all of an update is held already, deletions included. What is malformed is refused.
    fn holds(&mut self, update: &[u8]) -> Result<bool, ReceiveError>;

    /// The document as one of Automerge, whose sync protocol needs more of it.
    fn automerge(&mut self) -> Option<&mut Automerge> {
        None
    }
}

/// Something that a client of another protocol sent is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// It is the client's fault; the document is as it was.
    #[error(transparent)]
    Refused(#[from] GateError),
    /// The library failed; the document must be dropped and rebuilt from the log.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}
