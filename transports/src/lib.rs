//! How bytes travel between two replicas, and nothing else.
//!
//! A [`Transport`] is an address one can connect to. Connecting gives a [`Link`]: an ordered, reliable,
//! bounded exchange of [`Frame`]s that lasts until one side closes it or the network loses it. A link never
//! comes back to life; the owner connects again. This crate knows frames, not documents: that nothing is
//! lost between two links is the business of the cursors in the layer above.
//!
//! | transport | what it is for |
//! |---|---|
//! | [`WebSocket`] | a relay on the network, plain or with TLS; [`websocket::accept`] is its other side |
//! | [`memory`] | two replicas in one process, and every test: its [`memory::Faults`] cut, stall and refuse |
//! | [`Hybrid`] | several transports in order of preference, with fallback and return |
//!
//! A transport of your own implements [`Transport`] over a [`Wire`] and proves itself with
//! [`conformance::suite`].
//!
//! ```
//! use syncline_transports::{Frame, Transport, memory};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let (transport, mut listener) = memory::listen();
//! let mut here = transport.connect().await?;
//! let mut there = listener.accept().await.expect("the transport is still there");
//!
//! here.send(Frame::text("hello")).await?;
//! assert_eq!(there.receive().await?, Some(Frame::text("hello")));
//!
//! here.close("done").await;
//! assert_eq!(there.receive().await?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod batch;
pub mod conformance;
mod error;
mod frame;
pub mod hybrid;
mod link;
pub mod memory;
pub mod websocket;

pub use batch::Batch;
pub use error::{Close, LinkError, TransportError};
pub use frame::{DEFAULT_MAX_FRAME_BYTES, Frame, MAX_FRAME_BYTES_CEILING, Utf8Bytes};
pub use hybrid::Hybrid;

pub use link::{Link, LinkReceiver, LinkSender, Outlet, Permit, Wire};
pub use websocket::WebSocket;

use async_trait::async_trait;

/// An address that can be connected to, any number of times and concurrently.
///
/// A transport makes links and keeps none: when to connect, and when to try again, is its user's decision.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Opens one new link, or says why not and whether trying again makes sense
    /// ([`TransportError::is_permanent`]). Gives up by itself after a bounded time. Dropping the future
    /// abandons the attempt and frees what it held.
    async fn connect(&self) -> Result<Link, TransportError>;

    /// Where this transport leads, for people: never contains a secret.
    fn endpoint(&self) -> String;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Box<T> {
    async fn connect(&self) -> Result<Link, TransportError> {
        (**self).connect().await
    }

    fn endpoint(&self) -> String {
        (**self).endpoint()
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    async fn connect(&self) -> Result<Link, TransportError> {
        (**self).connect().await
    }

    fn endpoint(&self) -> String {
        (**self).endpoint()
    }
}
