//! What clients of each server say and hear, as far as typing needs it.

use bytes::Bytes;
use syncline_core::protocol::hocuspocus::{Auth, Body, Frame};
use syncline_core::protocol::y_websocket::{HOLDS_NOTHING, Message, Sync};

/// What the providers of Hocuspocus say of themselves.
const VERSION: &str = "4.8.0";

/// The language of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// y-websocket, and y-sweet behind its token.
    Yjs,
    /// Hocuspocus.
    Hocuspocus,
    /// None: what is sent is broadcast.
    Plain,
}

/// What a frame means to somebody who types.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The token is good.
    LetIn,
    /// This is new.
    Update(&'a [u8]),
    /// This, too, and that is all there was.
    Whole(&'a [u8]),
    /// Anything else.
    Else,
}

impl Protocol {
    /// What shows a token, where that is part of the protocol.
    pub fn token(self, doc: &str) -> Option<Vec<u8>> {
        (self == Self::Hocuspocus).then(|| Frame::token(doc, "any", VERSION))
    }

    /// What asks for everything, if there is an answer to that.
    pub fn question(self, doc: &str) -> Option<Vec<u8>> {
        (self != Self::Plain).then(|| self.sync(doc, &Sync::Step1 { vector: HOLDS_NOTHING }))
    }

    /// An update.
    pub fn update(self, doc: &str, update: &[u8]) -> Bytes {
        self.sync(doc, &Sync::Update { update }).into()
    }

    fn sync(self, doc: &str, sync: &Sync<'_>) -> Vec<u8> {
        match self {
            Self::Hocuspocus => Frame::sync(doc, sync),
            Self::Yjs | Self::Plain => {
                let mut frame = Vec::new();
                sync.write(&mut frame);
                frame
            }
        }
    }

    /// What a frame means.
    pub fn hear(self, frame: &[u8]) -> Heard<'_> {
        let sync = match self {
            Self::Hocuspocus => match Frame::read(frame).map(|frame| frame.body) {
                Ok(Body::Sync(sync)) => sync,
                Ok(Body::Auth(Auth::Authenticated { .. })) => return Heard::LetIn,
                Ok(_) | Err(_) => return Heard::Else,
            },
            Self::Yjs | Self::Plain => match Message::read(frame) {
                Ok(Message::Sync(sync)) => sync,
                Ok(_) | Err(_) => return Heard::Else,
            },
        };
        match sync {
            Sync::Update { update } => Heard::Update(update),
            Sync::Step2 { update } => Heard::Whole(update),
            Sync::Step1 { .. } => Heard::Else,
        }
    }
}
