//! The transports over real sockets, from the outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod footprint;
mod halves;
mod hybrid;
mod outlet;
mod support;
mod websocket;
