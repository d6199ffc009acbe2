//! The client's side of Hocuspocus: many documents on one connection, each of which the server lets in by itself.
//!
//! Nothing but the token is sent of a document before the server has let it in. The server's `SyncStatus` only counts, and
//! an update is acknowledged by it whether it came in the answer to a question or not, so what has been applied is seen by
//! what the server sends, as with y-websocket; a `SyncStatus` that refuses is heeded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncline_core::id::DocId;
use syncline_core::protocol::hocuspocus::{Auth, Body, Frame, is_ping, pong};
use syncline_core::time::Time;

use super::session::{Desk, Effect, Fault, Party, Session};
use super::yjs::Dialogue;

/// Most documents that wait to be let in; the server closes a connection with a hundred of them.
pub const MAX_ASKING: usize = 32;

/// How long after a document was not let in, or was closed by the server, it is tried again; in milliseconds.
pub const READMISSION_WAIT: u64 = 30_000;

/// How often something is sent, in milliseconds: the server closes connections on which nothing comes for a minute.
pub const SIGN_OF_LIFE: u64 = 20_000;

/// The provider's version whose protocol this is.
const PROVIDER: &str = "4.8.0";

/// A connection and its documents, each of which is in one of four places.
pub(super) struct Hocuspocus {
    party: Party,
    token: String,
    /// Not asked for yet.
    queued: VecDeque<DocId>,
    /// The server has not answered.
    asked: BTreeSet<DocId>,
    /// Let in.
    dialogues: BTreeMap<DocId, Dialogue>,
    /// Not let in, or closed by the server, until some time.
    outside: BTreeMap<DocId, Time>,
    greeted: bool,
    next_sign: Time,
}

impl Hocuspocus {
    pub fn new(party: Party, token: Option<String>) -> Self {
        Self {
            party,
            token: token.unwrap_or_default(),
            queued: VecDeque::new(),
            asked: BTreeSet::new(),
            dialogues: BTreeMap::new(),
            outside: BTreeMap::new(),
            greeted: false,
            next_sign: Time(0),
        }
    }

    fn ask_for_more(&mut self, desk: &mut Desk<'_>) {
        while self.asked.len() < MAX_ASKING
            && let Some(doc) = self.queued.pop_front()
        {
            self.show_token(desk, &doc);
            self.asked.insert(doc);
        }
    }

    fn show_token(&self, desk: &mut Desk<'_>, doc: &DocId) {
        desk.send(Frame::token(doc.as_str(), &self.token, PROVIDER));
    }

    /// Whatever the answer, the server is one.
    fn answered(&mut self, desk: &mut Desk<'_>) {
        if !std::mem::replace(&mut self.greeted, true) {
            desk.effects.push(Effect::Greeted);
        }
        self.ask_for_more(desk);
    }

    fn on_auth(&mut self, desk: &mut Desk<'_>, doc: DocId, said: Auth<'_>) -> Result<(), Fault> {
        match said {
            Auth::Authenticated { .. } if self.asked.remove(&doc) => {
                let address = Some(doc.as_str().to_owned());
                let mut dialogue = Dialogue::new(doc.clone(), self.party.clone(), address);
                dialogue.ask(desk)?;
                self.dialogues.insert(doc, dialogue);
                self.answered(desk);
            }
            Auth::Denied(reason) if self.forget(&doc) => {
                desk.not_taken(&doc, format!("the server does not let us in: {reason}"));
                self.outside.insert(doc, desk.now.after(READMISSION_WAIT));
                self.answered(desk);
            }
            Auth::Other if self.asked.contains(&doc) || self.dialogues.contains_key(&doc) => {
                self.show_token(desk, &doc);
            }
            Auth::Authenticated { .. } | Auth::Denied(_) | Auth::Other | Auth::Token { .. } => {}
        }
        Ok(())
    }

    /// The server has closed a document, and no more.
    fn on_close(&mut self, desk: &mut Desk<'_>, doc: DocId, reason: &str) {
        if self.forget(&doc) {
            desk.not_now(&doc, format!("the server has closed it: {reason}"));
            self.outside.insert(doc, desk.now.after(READMISSION_WAIT));
            self.ask_for_more(desk);
        }
    }

    /// Takes a document from wherever it is; false if the server need not know of it.
    fn forget(&mut self, doc: &DocId) -> bool {
        self.outside.remove(doc);
        self.queued.retain(|queued| queued != doc);
        self.asked.remove(doc) || self.dialogues.remove(doc).is_some()
    }

    fn is_queued_or_asked(&self, doc: &DocId) -> bool {
        self.asked.contains(doc) || self.outside.contains_key(doc) || self.queued.contains(doc)
    }

    /// Something that has no effect and every version of the server understands.
    fn give_sign_of_life(&mut self, desk: &mut Desk<'_>) {
        if let Some(doc) = self.dialogues.keys().next().filter(|_| self.next_sign <= desk.now) {
            desk.send(Frame::query_awareness(doc.as_str()));
            self.next_sign = desk.now.after(SIGN_OF_LIFE);
        }
    }
}

impl Session for Hocuspocus {
    fn begin(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        self.next_sign = desk.now.after(SIGN_OF_LIFE);
        Ok(())
    }

    fn on_frame(&mut self, desk: &mut Desk<'_>, frame: &[u8]) -> Result<(), Fault> {
        if is_ping(frame) {
            desk.send(pong());
            return Ok(());
        }
        let Frame { address, body } = Frame::read(frame)?;
        let Ok(doc) = DocId::new(address) else { return Ok(()) };
        match body {
            Body::Auth(said) => self.on_auth(desk, doc, said)?,
            Body::Close(reason) => self.on_close(desk, doc, reason),
            Body::Sync(said) => {
                if let Some(dialogue) = self.dialogues.get_mut(&doc) {
                    dialogue.hear(desk, &said)?;
                }
            }
            Body::Status(false) => {
                if let Some(dialogue) = self.dialogues.get_mut(&doc) {
                    dialogue.refuse(desk, "the server refuses what is written here; the token may only read");
                }
            }
            Body::Status(true)
            | Body::Awareness(_)
            | Body::QueryAwareness
            | Body::Stateless(_)
            | Body::BroadcastStateless
            | Body::Unknown => {}
        }
        Ok(())
    }

    fn attend(&mut self, desk: &mut Desk<'_>, doc: &DocId) -> Result<(), Fault> {
        if let Some(dialogue) = self.dialogues.get_mut(doc) {
            return dialogue.follow(desk);
        }
        if !self.is_queued_or_asked(doc) {
            self.queued.push_back(doc.clone());
            self.ask_for_more(desk);
        }
        Ok(())
    }

    fn leave(&mut self, desk: &mut Desk<'_>, doc: &DocId) {
        if self.forget(doc) {
            desk.send(Frame::closed(doc.as_str(), ""));
            self.ask_for_more(desk);
        }
    }

    fn on_tick(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        let due = self.outside.extract_if(.., |_, until| *until <= desk.now);
        self.queued.extend(due.map(|(doc, _)| doc));
        self.ask_for_more(desk);
        self.give_sign_of_life(desk);
        self.dialogues.values_mut().try_for_each(|dialogue| dialogue.on_tick(desk))
    }
}
