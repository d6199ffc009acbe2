//! Servers of other people as the relays of an engine: Hocuspocus, y-websocket and automerge-repo.
//!
//! To the replica such a server is a *guest* of its documents, who happens to be a server. What it sends is appended in the
//! name of the guest; what others have written it is sent from the log once it is on disk, so the offline queue is the log
//! here as everywhere. It keeps no log that could be acknowledged, so it is found out, in the terms of its protocol, what it
//! has *applied*. That is what `saved` means with it: see [`Promise`](crate::Promise).
//!
//! Sessions ([`session`]) are bytes in and bytes out, one for each protocol; what is said of one document is in [`yjs`] and
//! [`automerge`]. [`line`] runs a session over a connection, [`keeper`] keeps connections up.

mod address;
mod automerge;
mod automerge_repo;
mod docket;
mod hocuspocus;
mod keeper;
mod line;
mod session;
mod shown;
mod y_websocket;
mod yjs;

#[cfg(test)]
mod tests;

use syncline_core::entry::Family;

pub use address::{AddressError, OtherServer};
pub(crate) use docket::Docket;
pub(crate) use keeper::keep_connected;

/// Largest update that is sent at once, and taken.
pub const MAX_MESSAGE_BYTES: usize = 31 << 20;

/// A server, and the documents that it is to have.
pub(crate) struct Registered {
    pub server: OtherServer,
    pub docket: Docket,
}

impl Registered {
    pub fn new(server: OtherServer) -> Self {
        Self { server, docket: Docket::default() }
    }

    /// Whether it takes documents of a family.
    pub fn takes(&self, family: Family) -> bool {
        self.server.family() == family
    }
}
