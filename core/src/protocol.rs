//! What other people's programs say to each other about documents: the messages of y-websocket, Hocuspocus and
//! automerge-repo, read and written from either side. Syncline's own are in [`crate::wire`].
//!
//! Reading is bounded by the bytes there are and by named limits, allocates nothing in proportion to what a message claims,
//! and never panics.

pub mod automerge_repo;
pub mod hocuspocus;
pub mod lib0;
pub mod y_websocket;

pub use lib0::Malformed;
