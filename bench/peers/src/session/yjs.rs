//! Clients of Yjs, in any of the dialects of its protocol.

use syncline_core::protocol::hocuspocus::{Auth, Body, Frame};
use syncline_core::protocol::lib0::{write_buffer, write_number};
use syncline_core::protocol::y_websocket::{HOLDS_NOTHING, Message, NOTHING, Sync, write_awareness};

use super::{Content, Heard, Session};
use crate::BoxError;
use crate::awareness;
use crate::socket::Outbox;
use crate::update::Typist;

/// What the provider of Hocuspocus says of itself.
const VERSION: &str = "4.8.0";

/// The message by which clients of y-sweet ask whether all of theirs has been taken.
const SYNC_STATUS: u64 = 102;

/// How it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As by y-websocket.
    YWebsocket,
    /// As by y-sweet, whose clients ask after each edit whether it was taken.
    YSweet,
    /// As by Hocuspocus.
    Hocuspocus,
    /// To a server that answers nothing, and broadcasts what it hears.
    Plain,
}

/// A client.
pub struct Yjs {
    dialect: Dialect,
    doc: String,
    number: usize,
    typist: Typist,
    shown: u64,
}

impl Yjs {
    /// Somebody of a number at a document, who leaves so many characters standing.
    pub fn new(dialect: Dialect, doc: &str, number: usize, leaves: u64) -> Self {
        Self { dialect, doc: doc.to_owned(), number, typist: Typist::new(number, leaves), shown: 0 }
    }

    fn sync(&self, sync: &Sync<'_>, out: &mut Outbox) {
        let frame = match self.dialect {
            Dialect::Hocuspocus => Frame::sync(&self.doc, sync),
            Dialect::YWebsocket | Dialect::YSweet | Dialect::Plain => {
                let mut frame = Vec::new();
                sync.write(&mut frame);
                frame
            }
        };
        out.say(&frame);
    }

    /// Asks whether all that was typed was taken.
    fn asks(&self, out: &mut Outbox) {
        let (mut version, mut frame) = (Vec::new(), Vec::new());
        write_number(self.typist.typed(), &mut version);
        write_number(SYNC_STATUS, &mut frame);
        write_buffer(&version, &mut frame);
        out.say(&frame);
    }

    fn hear_sync(&self, sync: &Sync<'_>, out: &mut Outbox, tell: &mut dyn FnMut(Heard<'_>)) {
        match sync {
            Sync::Update { update } => tell(Heard::Content(Content::Yjs(update))),
            Sync::Step2 { update } => {
                tell(Heard::Content(Content::Yjs(update)));
                tell(Heard::Joined);
            }
            // Nothing of what is typed later is asked for: it is sent anyway.
            Sync::Step1 { .. } => self.sync(&Sync::Step2 { update: NOTHING }, out),
        }
    }
}

impl Session for Yjs {
    fn greet(&mut self, out: &mut Outbox, tell: &mut dyn FnMut(Heard<'_>)) {
        if self.dialect == Dialect::Hocuspocus {
            out.say(&Frame::token(&self.doc, "any", VERSION));
        }
        match self.dialect {
            Dialect::Plain => tell(Heard::Joined),
            Dialect::YWebsocket | Dialect::YSweet | Dialect::Hocuspocus => {
                self.sync(&Sync::Step1 { vector: HOLDS_NOTHING }, out);
            }
        }
    }

    fn hear(
        &mut self,
        message: &[u8],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        if self.dialect == Dialect::Hocuspocus {
            match Frame::read(message)?.body {
                Body::Sync(sync) => self.hear_sync(&sync, out, tell),
                Body::Awareness(states) => shown(states, tell)?,
                Body::Auth(Auth::Denied(reason)) | Body::Close(reason) => return Err(reason.into()),
                Body::Status(false) => return Err("an update was not taken".into()),
                _ => {}
            }
            return Ok(());
        }
        match Message::read(message)? {
            Message::Sync(sync) => self.hear_sync(&sync, out, tell),
            Message::Awareness(states) => shown(states, tell)?,
            Message::Denied(reason) => return Err(reason.into()),
            Message::QueryAwareness | Message::Other(..) => {}
        }
        Ok(())
    }

    fn writes(&mut self, update: &[u8], out: &mut Outbox) -> Result<(), BoxError> {
        self.sync(&Sync::Update { update }, out);
        Ok(())
    }

    fn types(&mut self, out: &mut Outbox) {
        let update = self.typist.types();
        self.sync(&Sync::Update { update: &update }, out);
        if self.dialect == Dialect::YSweet {
            self.asks(out);
        }
    }

    fn shows(&mut self, out: &mut Outbox) {
        let states = awareness::write(self.number, self.shown);
        self.shown += 1;
        let frame = match self.dialect {
            Dialect::Hocuspocus => Frame::awareness(&self.doc, &states),
            Dialect::YWebsocket | Dialect::YSweet | Dialect::Plain => {
                let mut frame = Vec::new();
                write_awareness(&states, &mut frame);
                frame
            }
        };
        out.say(&frame);
    }
}

fn shown(states: &[u8], tell: &mut dyn FnMut(Heard<'_>)) -> Result<(), BoxError> {
    Ok(awareness::read(states, &mut |brought| tell(Heard::Shown(brought)))?)
}
