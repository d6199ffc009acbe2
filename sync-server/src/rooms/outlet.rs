//! How a seat is sent what all in a room are sent alike.

use bytes::Bytes;
use syncline::transports::{self, Batch, LinkError};

/// A message behind what its frame begins with, which may be nothing.
pub(crate) fn framed(head: &[u8], message: &Bytes) -> Bytes {
    match head.is_empty() {
        true => message.clone(),
        false => [head, message].concat().into(),
    }
}

/// The way to one client of one document, for messages as y-websocket has them.
#[derive(Clone)]
pub(crate) struct Outlet {
    link: transports::Outlet,
    /// What each frame begins with, as a connection with several documents needs.
    head: Bytes,
}

impl Outlet {
    pub(crate) const fn new(link: transports::Outlet, head: Bytes) -> Self {
        Self { link, head }
    }

    pub(super) const fn head(&self) -> &Bytes {
        &self.head
    }

    /// A message as a frame.
    pub(super) fn frame(&self, message: &Bytes) -> Bytes {
        framed(&self.head, message)
    }

    /// Sends frames if all of them have room at once.
    pub(super) fn try_send(&self, batch: &Batch) -> Offered {
        match self.link.try_send(batch) {
            Ok(true) => Offered::Taken,
            // The session says what is too large.
            Ok(false) | Err(LinkError::TooLarge { .. }) => Offered::Full,
            Err(_) => Offered::Gone,
        }
    }
}

/// What became of frames that were to leave at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    /// There was no room for all of them, and none has left.
    Full,
    /// The link has ended.
    Gone,
}
