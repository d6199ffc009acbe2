//! The client's side of y-websocket: one document a connection, one message a frame.

use syncline_core::id::DocId;
use syncline_core::protocol::y_websocket::Message;

use super::session::{Desk, Effect, Fault, Party, Session};
use super::yjs::Dialogue;

/// A connection for one document.
pub(super) struct YWebsocket {
    dialogue: Dialogue,
    greeted: bool,
}

impl YWebsocket {
    pub fn new(doc: DocId, party: Party) -> Self {
        Self { dialogue: Dialogue::new(doc, party, None), greeted: false }
    }
}

impl Session for YWebsocket {
    fn begin(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        self.dialogue.ask(desk)
    }

    fn on_frame(&mut self, desk: &mut Desk<'_>, frame: &[u8]) -> Result<(), Fault> {
        match Message::read(frame)? {
            Message::Sync(said) => self.dialogue.hear(desk, &said)?,
            Message::Denied(reason) => self.dialogue.refuse(desk, reason),
            // Who is present is told elsewhere, and what else there is belongs to somebody's own version of the protocol.
            Message::Awareness(_) | Message::QueryAwareness | Message::Other(..) => {}
        }
        if self.dialogue.is_answered() && !std::mem::replace(&mut self.greeted, true) {
            desk.effects.push(Effect::Greeted);
        }
        Ok(())
    }

    fn attend(&mut self, desk: &mut Desk<'_>, _: &DocId) -> Result<(), Fault> {
        self.dialogue.follow(desk)
    }

    /// The connection ends with its document.
    fn leave(&mut self, _: &mut Desk<'_>, _: &DocId) {}

    fn on_tick(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        self.dialogue.on_tick(desk)
    }
}
