//! What is said with a server about one document of Automerge.
//!
//! Both sides exchange Automerge's own sync messages, which name heads and bring changes. An edit has been applied when it
//! is among what the server's heads stand for.

use std::collections::VecDeque;

use bytes::Bytes;
use syncline_core::crdt::automerge::{Automerge, Conversation};
use syncline_core::crdt::{Gate, GateError, ReceiveError};
use syncline_core::id::{DocId, Have};

use super::session::{Desk, Fault, Party, Taken};

/// How often a server may send what builds on something that it has not sent, before the document is given up.
pub const MAX_AUTOMERGE_GAPS: u32 = 8;

/// One document on one connection.
pub(super) struct Dialogue {
    doc: DocId,
    party: Party,
    conversation: Conversation,
    /// A message that must not leave before the log is on this disk.
    waiting: Option<Waiting>,
    /// What was held here when something was said, and where the log ended.
    said: VecDeque<(u64, Bytes)>,
    /// Up to where in the log the server holds everything.
    applied: u64,
    /// Whether the server has said anything of the document.
    heard: bool,
    /// Whether what it says is of no use.
    unusable: bool,
    gaps: u32,
}

struct Waiting {
    message: Bytes,
    /// What was held here.
    heads: Bytes,
    /// Where the log ended.
    offset: u64,
}

/// A message for the server.
pub(super) struct Said {
    pub message: Bytes,
    /// Whether it asks for a document of which nothing is here.
    pub asks: bool,
}

impl Dialogue {
    pub fn new(doc: DocId, party: Party) -> Self {
        Self {
            doc,
            party,
            conversation: Conversation::default(),
            waiting: None,
            said: VecDeque::new(),
            applied: 0,
            heard: false,
            unusable: false,
            gaps: 0,
        }
    }

    /// The server says something. What there is to say then is for [`Dialogue::next`].
    pub fn hear(&mut self, desk: &mut Desk<'_>, message: &[u8]) -> Result<(), Fault> {
        if self.unusable {
            return Ok(());
        }
        let conversation = &mut self.conversation;
        let taken = desk.take(&self.party, &self.doc, |document| {
            let document = document.automerge().ok_or_else(not_automerge)?;
            document.hear(conversation, Have::NONE, message).map(|heard| (heard.updates, ()))
        })?;
        match taken {
            Taken::Yes(()) => self.heard = true,
            Taken::Gap if self.gaps < MAX_AUTOMERGE_GAPS => {
                self.gaps += 1;
                self.conversation.start_again();
            }
            Taken::Gap => self.give_up(desk, "the server sends changes that build on what it does not send"),
            Taken::Never(reason) => self.give_up(desk, &reason),
            Taken::Closed => {}
        }
        self.settle(desk)
    }

    /// The server says that it does not have the document, or not for us.
    pub fn on_unavailable(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        let Some(heads) = desk.replica.version(&self.doc) else { return Ok(()) };
        let reason = match heads.is_empty() {
            true => "the server does not have it, and there is nothing in it here",
            false => "the server does not give or take it",
        };
        desk.not_taken(&self.doc, reason);
        Ok(())
    }

    fn give_up(&mut self, desk: &mut Desk<'_>, reason: &str) {
        self.unusable = true;
        desk.not_taken(&self.doc, reason);
    }

    /// The next message, if there is one and it may leave.
    pub fn next(&mut self, desk: &mut Desk<'_>) -> Result<Option<Said>, Fault> {
        if self.waiting.is_none() && !self.unusable {
            self.waiting = self.speak(desk)?;
        }
        let durable = desk.durable(&self.doc);
        let Some(Waiting { message, heads, offset }) =
            self.waiting.take_if(|waiting| waiting.offset <= durable)
        else {
            self.settle(desk)?;
            return Ok(None);
        };
        let asks = heads.is_empty() && !self.heard;
        self.said.push_back((offset, heads));
        Ok(Some(Said { message, asks }))
    }

    fn speak(&mut self, desk: &mut Desk<'_>) -> Result<Option<Waiting>, Fault> {
        let conversation = &mut self.conversation;
        with_document(desk, &self.doc, |document, offset| {
            let Some(message) = document.speak(conversation)? else { return Ok(None) };
            let Some(heads) = document.version() else { return Ok(None) };
            Ok(Some(Waiting { message, heads, offset }))
        })
    }

    /// Notes what the server's heads stand for.
    fn settle(&mut self, desk: &mut Desk<'_>) -> Result<(), Fault> {
        let (durable, before) = (desk.durable(&self.doc), self.applied);
        let Self { doc, conversation, said, heard, .. } = self;
        let applied = with_document(desk, doc, |document, head| {
            let Some(ours) = document.version() else { return Ok(None) };
            // That nobody holds anything is only the beginning of the server's search.
            if !*heard || ours.is_empty() && holds_nothing(conversation) {
                return Ok(None);
            }
            if document.peer_holds(conversation, &ours)? {
                said.clear();
                return Ok(Some(head.min(durable)));
            }
            let mut applied = before;
            while let Some((offset, heads)) = said.front() {
                if !document.peer_holds(conversation, heads)? {
                    break;
                }
                applied = *offset;
                said.pop_front();
            }
            Ok(Some(applied))
        })?;
        if let Some(applied) = applied {
            self.applied = applied;
            desk.replica.applied(desk.now, &self.doc, self.party.server, applied);
            desk.replica.heard_out(desk.now, &self.doc, self.party.server);
        }
        Ok(())
    }
}

/// Whether the server has named no heads.
fn holds_nothing(conversation: &Conversation) -> bool {
    conversation.their_heads().is_none_or(|mut heads| heads.next().is_none())
}

/// Works on a document, if it is open.
fn with_document<T>(
    desk: &mut Desk<'_>,
    doc: &DocId,
    work: impl FnOnce(&mut Automerge, u64) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    match desk.document(doc).and_then(|(document, head)| Some((document.automerge()?, head))) {
        Some((document, head)) => work(document, head),
        None => Ok(None),
    }
}

fn not_automerge() -> ReceiveError {
    GateError::Malformed { reason: "the document is none of Automerge".to_owned() }.into()
}
