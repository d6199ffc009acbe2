//! The client's side of automerge-repo: many documents on one connection, in version 1 of its protocol.

use std::collections::BTreeMap;

use syncline_core::crdt::automerge::DocumentId;
use syncline_core::id::DocId;
use syncline_core::protocol::automerge_repo::{Message, Writer};

use super::automerge::{Dialogue, Said};
use super::session::{Desk, Effect, Fault, Party, Session};

/// A connection and its documents.
pub(super) struct AutomergeRepo {
    party: Party,
    /// Under which name this side speaks, another one on each connection.
    peer: String,
    /// What the server calls itself, once it has said so.
    server: Option<String>,
    dialogues: BTreeMap<DocumentId, Dialogue>,
}

impl AutomergeRepo {
    pub fn new(party: Party, peer: String) -> Self {
        Self { party, peer, server: None, dialogues: BTreeMap::new() }
    }

    fn on_peer(&mut self, desk: &mut Desk<'_>, server: &str) -> Result<(), Fault> {
        if self.server.is_some() {
            return Ok(());
        }
        self.server = Some(server.to_owned());
        desk.effects.push(Effect::Greeted);
        let ids: Vec<DocumentId> = self.dialogues.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.speak(desk, id))
    }

    /// Says what there is to say of a document, once it is known to whom.
    fn speak(&mut self, desk: &mut Desk<'_>, id: DocumentId) -> Result<(), Fault> {
        let (Some(server), Some(dialogue)) = (&self.server, self.dialogues.get_mut(&id)) else {
            return Ok(());
        };
        while let Some(Said { message, asks }) = dialogue.next(desk)? {
            let frame = Writer::new(5, if asks { "request" } else { "sync" }, &self.peer)
                .text("targetId", server)
                .text("documentId", &id.to_string())
                .bytes("data", &message);
            desk.send(frame.done());
        }
        Ok(())
    }
}

impl Session for AutomergeRepo {
    fn begin(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        desk.send(Writer::join(&self.peer));
        Ok(())
    }

    fn on_frame(&mut self, desk: &mut Desk<'_>, frame: &[u8]) -> Result<(), Fault> {
        let message = Message::read(frame)?;
        match (message.kind, message.document) {
            ("peer", _) => self.on_peer(desk, message.sender),
            ("error", _) => {
                Err(Fault::Told(message.error.unwrap_or("it does not say what is wrong").to_owned()))
            }
            ("sync" | "request", Some(id)) => {
                // Servers may offer documents that nobody has opened here.
                let Some(dialogue) = self.dialogues.get_mut(&id) else { return Ok(()) };
                dialogue.hear(desk, message.data.unwrap_or_default())?;
                self.speak(desk, id)
            }
            ("doc-unavailable", Some(id)) => match self.dialogues.get_mut(&id) {
                Some(dialogue) => dialogue.on_unavailable(desk),
                None => Ok(()),
            },
            // Who is present, and what other stores hold, is of no interest here.
            _ => Ok(()),
        }
    }

    fn attend(&mut self, desk: &mut Desk<'_>, doc: &DocId) -> Result<(), Fault> {
        let id = DocumentId::of(doc);
        self.dialogues.entry(id).or_insert_with(|| Dialogue::new(doc.clone(), self.party.clone()));
        self.speak(desk, id)
    }

    fn leave(&mut self, _: &mut Desk<'_>, doc: &DocId) {
        self.dialogues.remove(&DocumentId::of(doc));
    }

    fn on_tick(&mut self, _: &mut Desk<'_>) -> Result<(), Fault> {
        Ok(())
    }
}
