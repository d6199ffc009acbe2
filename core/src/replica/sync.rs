//! The conversation about one document: opening it, finding where to go on, entries and acknowledgements.
//!
//! The two directions are independent. Whoever owns a log decides where to send from: the peer names its
//! cursor; if that fits, `Resume` and entries follow from there; if not, `NeedHave` asks which entries the
//! peer holds, and whatever is missing follows, by snapshot where it was compacted. A cursor is the peer's own
//! durable truth, so sending from it is right whatever else was lost or restored.

use super::connection::{Greeted, failure};
use super::context::Context;
use super::live::{Accepted, Live, MAX_WRITERS};
use super::peer::{Peer, Receiving, Sending};
use super::{Document, Replica};
use crate::entry::{Blame, Cursor, Spec};
use crate::event::{DocumentError, Event, Fence, PeerCursor, Refusal, Side, Write};
use crate::id::{ConnectionId, DocId, EntryId, Have};
use crate::visitor::Access;
use crate::wire::{ErrorCode, MAX_OPEN_CURSORS, Message, Numbered};

/// How often a peer may send entries without those in front of them before the document is shut on its link.
pub const MAX_GAPS: u32 = 8;

/// What a peer did wrong with a document.
pub(super) struct Misbehaviour {
    code: ErrorCode,
    message: String,
}

impl Misbehaviour {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn unexpected(what: &str) -> Self {
        Self::new(ErrorCode::Unexpected, format!("{what} was not expected here"))
    }
}

impl Replica {
    pub(super) fn on_document_message(&mut self, id: ConnectionId, doc: DocId, message: Message) {
        let closing = self.connections.get(&id).is_some_and(|connection| connection.is_closing(&doc));
        let ignored = closing
            && !matches!(
                message,
                Message::Shut { .. } | Message::Describe { .. } | Message::Described { .. }
            );
        if ignored {
            return;
        }
        if let Message::Open { spec, .. } = &message
            && !self.may_open(id, &doc, *spec)
        {
            return;
        }
        if matches!(message, Message::Describe { .. }) && !self.may_read(id, &doc) {
            return self.context.post(id, Message::Described { doc, spec: None });
        }
        if let Message::SnapshotPart { bytes, .. } = &message
            && !self.has_room_for(id, &doc, bytes.len())
        {
            return self.drop_done(&doc);
        }
        let makes = self.makes(id, &doc);
        let opens = matches!(message, Message::Open { .. });
        let opened = doc.clone();
        match (self.documents.get_mut(&doc), message) {
            (_, Message::Shut { doc }) => self.on_shut(id, &doc),
            (_, Message::Presence { doc, sightings }) => self.on_presence(id, &doc, sightings),
            (_, Message::Described { doc, spec }) => self.context.tell(Event::Described { doc, spec }),
            (_, Message::Failure { doc, code, message }) => self.on_failure(id, doc, code, message),
            (Some(document), message) if document.live().is_none() => {
                document.wake(&mut self.context);
                if !document.wait(id, message, makes) {
                    let message = "too many requests for a document that is being loaded";
                    self.refuse_connection(id, ErrorCode::TooMany, message);
                }
            }
            (Some(document), message) => {
                let live = document.live_mut();
                if live.is_some_and(|live| {
                    Self::converse(&mut self.context, &self.connections, live, id, message)
                }) {
                    self.give_up(id, &doc);
                }
                self.drop_done(&doc);
            }
            (None, message) => self.on_unknown_document(id, &doc, message),
        }
        if opens {
            self.greet_with_presence(id, &opened);
        }
    }

    /// Notes that a peer opens a document, unless it must not or has too many, which it is told.
    fn may_open(&mut self, id: ConnectionId, doc: &DocId, spec: Spec) -> bool {
        if !self.may_read(id, doc) {
            self.forbid(id, doc);
            return false;
        }
        match (self.context.config.policy.serves)(doc, spec) {
            Ok(()) => self.note_open(id, doc),
            Err(message) => {
                let code = ErrorCode::NotFound;
                self.context.post(id, Message::Failure { doc: Some(doc.clone()), code, message });
                false
            }
        }
    }

    /// Whether a peer may know anything of a document.
    fn may_read(&self, id: ConnectionId, doc: &DocId) -> bool {
        self.access(id, doc) >= Access::Read
    }

    fn access(&self, id: ConnectionId, doc: &DocId) -> Access {
        let greeted = self.connections.get(&id).and_then(super::Connection::info);
        greeted.map_or(Access::Nothing, |greeted| greeted.access(doc))
    }

    /// Whether a document that a peer asks for is made for it.
    pub(super) fn makes(&self, id: ConnectionId, doc: &DocId) -> bool {
        self.access(id, doc) == Access::Write
    }

    /// Whether there is such a document is not said.
    fn forbid(&mut self, id: ConnectionId, doc: &DocId) {
        let (code, message) = (ErrorCode::Forbidden, "you may not read this document here".to_owned());
        self.context.post(id, Message::Failure { doc: Some(doc.clone()), code, message });
    }

    /// A message about a document that is not in memory: a relay looks for it, or makes it.
    fn on_unknown_document(&mut self, id: ConnectionId, doc: &DocId, message: Message) {
        let makes = self.makes(id, doc);
        let spec = match &message {
            Message::Open { spec, .. } if makes && self.context.config.policy.relay => Some(*spec),
            Message::Open { .. } if self.context.config.policy.relay => None,
            Message::Describe { .. } => None,
            Message::Open { .. } => {
                self.no_longer_open(id, doc);
                let error = DocumentError::NotFound { doc: doc.clone() };
                return self.context.post(id, failure(doc, &error));
            }
            _ => return,
        };
        let mut document = Document::load(&mut self.context, doc, spec, false);
        document.wait(id, message, makes);
        self.documents.insert(doc.clone(), document);
    }

    fn on_failure(&mut self, id: ConnectionId, doc: Option<DocId>, code: ErrorCode, message: String) {
        if let Some(doc) = &doc {
            self.end_conversation(id, doc);
        }
        match (code, &doc) {
            (ErrorCode::Unavailable | ErrorCode::Gap | ErrorCode::Unexpected, Some(doc)) => {
                self.retry_later(id, doc)
            }
            // Not to be mended by asking again.
            (
                ErrorCode::Malformed
                | ErrorCode::TooLarge
                | ErrorCode::Version
                | ErrorCode::SpecMismatch
                | ErrorCode::NotFound
                | ErrorCode::Forbidden
                | ErrorCode::TooMany,
                _,
            )
            | (_, None) => {}
        }
        self.context.tell(Event::PeerError { connection: id, doc, code, message });
    }

    /// Lets the document hear the message; true if that ended the conversation.
    fn converse(
        context: &mut Context,
        connections: &super::Connections,
        live: &mut Live,
        id: ConnectionId,
        message: Message,
    ) -> bool {
        let Some(greeted) = connections.get(&id).and_then(super::Connection::info) else { return false };
        let heard = live.on_message(context, id, greeted, message);
        live.announce_sync(context, id);
        let Err(Misbehaviour { code, message }) = heard else { return false };
        context.post(id, Message::Failure { doc: Some(live.doc.clone()), code, message });
        true
    }
}

/// The fence as a message about a document.
pub(super) fn refused(doc: &DocId, fence: Fence) -> Message {
    let id = fence.first();
    Message::Refused { doc: doc.clone(), id, blame: fence.blame, reason: fence.reason }
}

impl Live {
    fn on_message(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        greeted: &Greeted,
        message: Message,
    ) -> Result<(), Misbehaviour> {
        match message {
            Message::Describe { doc } => {
                context.post(id, Message::Described { doc, spec: Some(self.spec) });
                Ok(())
            }
            Message::Open { spec, log, cursors, .. } => {
                self.on_open(context, id, greeted, spec, log, &cursors)
            }
            // What the peer says of a document before it opens it belongs to an earlier time that it was open.
            _ if self.peers.get(&id).is_none_or(|peer| matches!(peer.sending, Sending::Closed)) => Ok(()),
            Message::Resume { .. } => self.on_resume(context, id),
            Message::NeedHave { .. } => self.on_need_have(context, id),
            Message::Have { have, .. } => self.on_have(context, id, &have),
            Message::Entries { entries, .. } => {
                let taken = self.on_entries(context, id, &entries);
                self.merge_taken(context);
                taken
            }
            Message::Durable { cursor, .. } => self.on_durable_there(context, id, cursor),
            Message::Ack { offset, .. } => self.on_ack(context, id, offset),
            Message::SnapshotPart { cursor, covers, total, bytes, .. } => {
                self.on_snapshot_part(context, id, cursor, covers, total, &bytes)
            }
            Message::Refused { id: entry, blame, reason, .. } => {
                self.on_refused(context, id, Fence::from(entry, blame, reason))
            }
            Message::Hello(_)
            | Message::Described { .. }
            | Message::Presence { .. }
            | Message::Shut { .. }
            | Message::Failure { .. }
            | Message::Goodbye { .. }
            | Message::Ping { .. }
            | Message::Pong { .. } => Ok(()),
        }
    }

    /// Opens the document on a link, unless it is open there.
    pub fn open_at(&mut self, context: &mut Context, id: ConnectionId, greeted: &Greeted) {
        if self.peers.contains_key(&id) {
            return;
        }
        self.peers.insert(id, Peer::new(greeted.clone(), context.config.policy.relay));
        self.post_open(context, id, self.known_cursors());
    }

    fn post_open(&mut self, context: &mut Context, id: ConnectionId, named: Vec<PeerCursor>) {
        let Some(log) = self.log.cursor(self.log.durable().max(self.log.base_offset())) else { return };
        let cursors = named.iter().map(|cursor| cursor.theirs).collect();
        if let Some(peer) = self.peers.get_mut(&id) {
            (peer.our_log, peer.named) = (log.offset, named);
        }
        context.post(id, Message::Open { doc: self.doc.clone(), spec: self.spec, log, cursors });
    }

    /// The cursors in relays' logs first, as one of them is the likely peer.
    fn known_cursors(&self) -> Vec<PeerCursor> {
        let relays = self.known.values().filter(|cursor| cursor.relay);
        let others = self.known.values().filter(|cursor| !cursor.relay);
        relays.chain(others).take(MAX_OPEN_CURSORS).copied().collect()
    }

    fn on_open(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        greeted: &Greeted,
        spec: Spec,
        log: Cursor,
        cursors: &[Cursor],
    ) -> Result<(), Misbehaviour> {
        if spec != self.spec {
            let doc = self.doc.clone();
            let error = DocumentError::SpecMismatch {
                doc,
                wanted: spec,
                found: self.spec,
                place: "at the other side",
            };
            return Err(Misbehaviour::new(ErrorCode::SpecMismatch, error.to_string()));
        }
        match self.peers.get(&id).map(|peer| &peer.sending) {
            Some(Sending::Closed) => {}
            Some(_) => return Err(Misbehaviour::unexpected("a second open")),
            None => {
                self.peers.insert(id, Peer::new(greeted.clone(), context.config.policy.relay));
                let known = self.known.get(&log.epoch).copied();
                self.post_open(context, id, known.into_iter().collect());
            }
        }
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        peer.cursor.theirs.epoch = log.epoch;
        if let Some(named) = peer.named.iter().find(|cursor| cursor.epoch() == log.epoch) {
            peer.cursor = *named;
            peer.cursor.relay = greeted.info.relay;
        }
        peer.their_log = log.offset;
        // What was refused while the peer had not opened yet may be in its log: it says what it holds.
        let refused = peer.refused;
        let cursor = cursors.iter().find(|cursor| cursor.epoch == self.log.epoch() && !refused);
        self.answer_cursor(context, id, cursor);
        if refused && greeted.info.relay {
            self.tell_have(context, id);
        }
        Ok(())
    }

    /// Decides whether the peer's cursor in our log, or its having none, fits.
    fn answer_cursor(&mut self, context: &mut Context, id: ConnectionId, cursor: Option<&Cursor>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let from = match cursor {
            Some(cursor) => self.log.fits(cursor).then_some(cursor.offset),
            None => (self.log.head() == 0).then_some(0),
        };
        let doc = self.doc.clone();
        match from {
            Some(from) => {
                if from < peer.cursor.acked {
                    peer.uncover(from);
                }
                peer.sending = Sending::Awaiting { from };
                context.post(id, Message::Resume { doc });
            }
            None => {
                peer.uncover(0);
                peer.sending = Sending::AskedHave;
                context.post(id, Message::NeedHave { doc });
            }
        }
    }

    /// Entries follow, from our cursor or from what we told we hold.
    fn on_resume(&mut self, context: &mut Context, id: ConnectionId) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let told_have = match peer.receiving {
            Receiving::Waiting { told_have } | Receiving::Live { told_have } => told_have,
            Receiving::Snapshot { .. } => true,
        };
        peer.receiving = Receiving::Live { told_have };
        if told_have {
            // The peer may have begun once before, when it was told twice.
            peer.start_again();
        }
        if let Sending::Awaiting { from } = peer.sending {
            let covered = if told_have { 0 } else { peer.cursor.covered };
            peer.resume_from(from, covered);
        }
        context.wake(id, &self.doc);
        Ok(())
    }

    /// Our cursor does not fit the peer's log, so what we learned from it about that log is void.
    fn on_need_have(&mut self, context: &mut Context, id: ConnectionId) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if let Sending::Awaiting { from } = peer.sending {
            peer.uncover(from);
            peer.resume_from(from, from);
        }
        self.tell_have(context, id);
        context.wake(id, &self.doc);
        Ok(())
    }

    /// Says what we hold, and takes nothing in until the peer starts from there.
    pub(super) fn tell_have(&mut self, context: &mut Context, id: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.receiving = Receiving::Waiting { told_have: true };
        peer.start_again();
        context.wake(id, &self.doc);
        context.post(id, Message::Have { doc: self.doc.clone(), have: self.log.have().clone() });
    }

    fn on_have(&mut self, context: &mut Context, id: ConnectionId, have: &Have) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        // What is here all the same came in a snapshot: a relay took it.
        let fenced = |id: EntryId| have.covers(&id) && !self.log.have().covers(&id);
        let clean = peer.refused && !self.fences.values().any(|fence| fenced(fence.first()));
        peer.send_missing(&self.log, have);
        context.post(id, Message::Resume { doc: self.doc.clone() });
        context.wake(id, &self.doc);
        if clean {
            self.tell_have(context, id);
        }
        Ok(())
    }

    fn on_entries(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        entries: &[Numbered],
    ) -> Result<(), Misbehaviour> {
        for numbered in entries {
            match self.peers.get(&id).map(|peer| &peer.receiving) {
                Some(Receiving::Live { .. }) => self.on_entry(context, id, numbered)?,
                // What was on its way before the peer heard what we hold comes again.
                Some(Receiving::Waiting { told_have: true }) | None => {}
                Some(Receiving::Waiting { told_have: false } | Receiving::Snapshot { .. }) => {
                    return Err(Misbehaviour::unexpected("an entry"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn on_entry(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        numbered: &Numbered,
    ) -> Result<(), Misbehaviour> {
        let Numbered { offset: theirs, entry } = numbered;
        match self.accept(context, id, entry) {
            Accepted::Appended(ours) => {
                context.counts.entries_in += 1;
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.held.insert(entry.id);
                    peer.unsettled.push_back((*theirs, ours, entry.id));
                }
            }
            Accepted::Known => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.held.insert(entry.id);
                    peer.owe();
                    context.wake(id, &self.doc);
                }
            }
            Accepted::Full => {
                let message =
                    format!("{MAX_WRITERS} replicas have written to the document, which is the most");
                return Err(Misbehaviour::new(ErrorCode::TooMany, message));
            }
            Accepted::Contradicts => self.on_contradiction(context, id, numbered)?,
            Accepted::Refused(refusal) => self.refuse(context, id, entry.id, &refusal),
            Accepted::Forbidden => self.decline(context, id, entry.id),
            Accepted::Gap => self.on_gap(context, id, entry.id)?,
        }
        Ok(())
    }

    /// Fences the replica and tells the sender once that is on disk.
    fn refuse(&mut self, context: &mut Context, id: ConnectionId, entry: EntryId, refusal: &Refusal) {
        context.counts.refused += 1;
        let standing = self.fences.get(&entry.replica).filter(|standing| standing.refuses(&entry)).cloned();
        let judged = || Fence::from(entry, refusal.blame(), refusal.to_string());
        // Whoever sends what a fence keeps out need not be whose entry it was put up for: somebody may have written under
        // this name before. Made again under another name, the entry is judged by itself.
        let blame = if standing.is_some() { Blame::Context } else { refusal.blame() };
        let fence = standing.unwrap_or_else(judged);
        let told = refused(&self.doc, Fence { blame, ..fence.clone() });
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.refused = true;
        }
        if self.is_one_fence_too_many(entry.replica) {
            return context.post(id, told);
        }
        let write = self.set_fence(context, fence);
        self.tell_after(write, id, told);
    }

    /// The peer may only read. Nothing is held against the entry itself: somebody else may bring it.
    fn decline(&mut self, context: &mut Context, id: ConnectionId, entry: EntryId) {
        context.counts.refused += 1;
        let reason = "you may read this document and not write to it".to_owned();
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.refused = true;
        }
        context.post(id, refused(&self.doc, Fence::from(entry, Blame::Entry, reason)));
    }

    fn on_gap(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        entry: EntryId,
    ) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        peer.gaps += 1;
        if peer.gaps > MAX_GAPS {
            let message = format!("entry {entry} came without the ones before it, {MAX_GAPS} times");
            return Err(Misbehaviour::new(ErrorCode::Gap, message));
        }
        self.tell_have(context, id);
        Ok(())
    }

    fn announce_sync(&mut self, context: &mut Context, id: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let in_sync = peer.in_sync(self.log.head());
        if in_sync && !peer.announced {
            context.tell(Event::InSync { connection: id, doc: self.doc.clone() });
        }
        peer.announced = in_sync;
    }

    /// Whether a peer's word about refusals counts here: a relay's does, and that of whoever we dialled.
    pub(super) fn obeys(&self, id: ConnectionId) -> bool {
        let obeyed = |peer: &Peer| peer.greeted.info.relay || peer.greeted.side == Side::Dialed;
        self.peers.get(&id).is_some_and(obeyed)
    }

    /// The log was renumbered: every peer is asked anew what it holds.
    pub(super) fn renumbered(&mut self, context: &mut Context) {
        for cursor in self.known.values_mut() {
            (cursor.acked, cursor.covered) = (0, 0);
            context.write(Write::Peer { doc: self.doc.clone(), cursor: *cursor });
        }
        for (id, peer) in &mut self.peers {
            peer.uncover(0);
            if !matches!(peer.sending, Sending::Closed) {
                peer.sending = Sending::AskedHave;
                context.post(*id, Message::NeedHave { doc: self.doc.clone() });
            }
        }
    }
}
