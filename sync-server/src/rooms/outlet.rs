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

    /// Sends frames if all of them have room at once; whether they had.
    pub(super) fn try_send(&self, batch: &Batch) -> bool {
        match self.link.try_send(batch) {
            Ok(sent) => sent,
            Err(LinkError::TooLarge { .. }) => false,
            // The session hears of the end by itself.
            Err(_) => true,
        }
    }
}
