//! Somebody at a document, in the protocol of his server, as far as measuring needs it: he joins, types, shows where he is, and
//! hears what others do. He holds no document.

mod automerge;
mod syncline;
mod yjs;

use crate::BoxError;
use crate::socket::{Event, Outbox};
use crate::update::{self, Brought};

pub use automerge::Automerge;
pub use syncline::Syncline;
pub use yjs::{Dialect, Yjs};

/// What a frame means.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Part of what the document holds, or is new in it.
    Content(Content<'a>),
    /// All that the document held has been told.
    Joined,
    /// Somebody shows something, for the how-manieth time.
    Shown(Brought),
    /// So much of what was typed here is durable there.
    Saved(u64),
}

/// Something that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// As an update of Yjs.
    Yjs(&'a [u8]),
    /// As a change of Automerge, which brings this.
    Automerge { change: &'a [u8], brought: Brought },
}

impl Content<'_> {
    /// Its bytes.
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::Yjs(update) => update,
            Self::Automerge { change, .. } => change,
        }
    }

    /// What it brings of typists.
    pub fn read(&self, bring: &mut dyn FnMut(Brought)) -> Result<(), BoxError> {
        match self {
            Self::Yjs(update) => Ok(update::read(update, bring)?),
            Self::Automerge { brought, .. } => {
                bring(*brought);
                Ok(())
            }
        }
    }
}

/// How somebody talks to a server.
pub trait Session {
    /// What happens on his connection.
    fn on_event(
        &mut self,
        event: Event<'_>,
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        match event {
            Event::Opened => {
                self.greet(out, tell);
                Ok(())
            }
            Event::Heard(message) => self.hear(message, out, tell),
        }
    }

    /// What he says as soon as he is connected. Where nobody answers, he has joined.
    fn greet(&mut self, out: &mut Outbox, tell: &mut dyn FnMut(Heard<'_>));

    /// He takes a message, answers it, and tells what it means. An error is the server's fault.
    fn hear(
        &mut self,
        message: &[u8],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError>;

    /// He writes an update of Yjs that was made elsewhere; an error if that is not what his documents are made of.
    fn writes(&mut self, update: &[u8], out: &mut Outbox) -> Result<(), BoxError>;

    /// He types one character.
    fn types(&mut self, out: &mut Outbox);

    /// He shows where he is.
    fn shows(&mut self, out: &mut Outbox);
}
