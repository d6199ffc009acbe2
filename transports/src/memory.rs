//! Links within one process: two replicas side by side, and the network of every test.
//!
//! A memory link behaves like a connection: frames arrive in order and once while it lasts, each direction
//! holds [`LINK_FRAMES`] frames and then makes the sender wait, and a cut loses what is under way. Misfortune
//! is ordered through [`Faults`], one handle for all links of a listener. Nothing here knows time or chance.

mod faults;
mod pipe;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::{self, error::TrySendError};

pub use self::faults::Faults;
use self::pipe::{MemoryWire, Pipe};
use crate::{DEFAULT_MAX_FRAME_BYTES, Link, Transport, TransportError, frame::bounded_frame_limit};

/// Frames one direction of a memory link holds before its sender waits.
pub const LINK_FRAMES: usize = 4;

/// Connects that may wait for [`MemoryListener::accept`]; further ones fail until it catches up.
pub const BACKLOG: usize = 128;

const ENDPOINT: &str = "memory";

/// Both sides of one link.
pub fn pair() -> (Link, Link) {
    link(&Arc::default(), ENDPOINT.into(), DEFAULT_MAX_FRAME_BYTES)
}

/// An address within this process, and the side that answers there.
pub fn listen() -> (MemoryTransport, MemoryListener) {
    let (connects, incoming) = mpsc::channel(BACKLOG);
    let transport = MemoryTransport {
        connects,
        faults: Faults::default(),
        name: ENDPOINT.into(),
        max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
    };
    (transport, MemoryListener { incoming })
}

/// The connecting side. Clones lead to the same listener.
#[derive(Clone)]
pub struct MemoryTransport {
    connects: mpsc::Sender<Link>,
    faults: Faults,
    name: Arc<str>,
    max_frame_bytes: usize,
}

/// The answering side. Dropping it makes further connects fail; links go on.
pub struct MemoryListener {
    incoming: mpsc::Receiver<Link>,
}

impl MemoryTransport {
    /// Another name for people, where several memory transports are in use.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The frame limit of links made from now on, within [`crate::MAX_FRAME_BYTES_CEILING`].
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bounded_frame_limit(bytes);
        self
    }

    /// What goes wrong on the links of this listener, whichever clone of the transport made them.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn unreachable(&self, cause: &str) -> TransportError {
        TransportError::Unreachable { endpoint: self.endpoint(), cause: cause.to_owned() }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn connect(&self) -> Result<Link, TransportError> {
        let room = self.connects.try_reserve().map_err(|error| match error {
            TrySendError::Full(()) => self.unreachable("too many wait to be accepted"),
            TrySendError::Closed(()) => self.unreachable("nobody listens there any more"),
        })?;
        let pipe = self.faults.connect().ok_or_else(|| self.unreachable("it refuses connects"))?;
        let (here, there) = link(&pipe, self.name.clone(), self.max_frame_bytes);
        room.send(there);
        Ok(here)
    }

    fn endpoint(&self) -> String {
        self.name.to_string()
    }
}

impl MemoryListener {
    /// The other side of the next connect; `None` once no transport is left that could connect.
    pub async fn accept(&mut self) -> Option<Link> {
        self.incoming.recv().await
    }
}

type SharedPipe = Arc<Mutex<Pipe>>;

fn link(pipe: &SharedPipe, name: Arc<str>, max_frame_bytes: usize) -> (Link, Link) {
    let [here, there] = MemoryWire::ends(pipe);
    (Link::new(name.clone(), max_frame_bytes, here), Link::new(name, max_frame_bytes, there))
}

/// A pipe is whole after every statement, so a panic elsewhere leaves nothing to repair.
fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
