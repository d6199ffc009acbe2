//! The pure core of Syncline.
//!
//! Every replica - a phone, a browser tab, the relay - keeps, per document, an append-only log of
//! updates. Syncing is copying log entries past a cursor. This crate is that idea and nothing else:
//! no sockets, files, clocks, randomness, threads or locks. Time and seeds are arguments, effects are
//! values, so a simulator can run whole networks of replicas in one thread from one number.

pub mod board;
pub mod chart;
pub mod crdt;
pub mod diff;
pub mod entry;
pub mod event;
pub mod fractional_index;
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod import;
pub mod json;
pub mod log;
pub mod model;
pub mod operation;
pub mod path;
pub mod presence;
pub mod protocol;
pub mod random;
pub mod replica;
pub mod schema;
#[doc(hidden)]
pub mod scripts;
pub mod time;
pub mod value;
pub mod visitor;
pub mod wire;
