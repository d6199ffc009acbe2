//! Clients of automerge-repo, at `/automerge`: many documents on one connection, in version 1 of its protocol.
//!
//! Client and relay say who they are, and then exchange Automerge's own sync messages about each document that the client
//! speaks of. The relay announces nothing; it answers. A document that somebody makes is made here too. One that nobody has
//! is said to be unavailable, and sent as soon as it is there.

mod dialogue;
mod peers;
mod remote_heads;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use syncline::transports::Close;
use syncline::{DocId, Family};
use syncline_core::crdt::ReceiveError;
use syncline_core::crdt::automerge::{DocumentId, check_message};
use syncline_core::event::DocumentError;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::line::{BAD_MESSAGE, Ear, End, FORBIDDEN, Line, RESTART};
use super::yjs::EXPIRY_TICK;
use super::{Guests, Visit};
use crate::rooms::{EnterError, Ephemeral, Inbox, OUTSIDE_PEERS};
use dialogue::Dialogue;
pub(super) use peers::Peers;
use remote_heads::RemoteHeads;
use syncline_core::protocol::automerge_repo::{Message, VERSION, Writer, addressed};

/// Most documents that one connection may speak of.
pub(crate) const MAX_DIALOGUES: usize = 10_000;

/// How long a client may take to say who it is.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take for a document that is asked for to come: whoever tells somebody its name has often just made it, and
/// may be slower than who was told.
pub(crate) const ARRIVAL_TIME: Duration = Duration::from_secs(1);

/// How long a client waits for the next message about a document where there are many: what it is to be told becomes fewer
/// messages by that, each of which takes a look at the whole document. A few follow each other at once, as where both find out what
/// the other lacks.
pub(crate) const SYNC_TICK: Duration = Duration::from_millis(25);
const PROMPT_MESSAGES: u32 = 4;

/// Largest ephemeral message.
pub(crate) const MAX_EPHEMERAL_BYTES: usize = 256 << 10;

/// A connection and its documents.
pub(super) struct Session<'a> {
    guests: &'a Guests,
    visit: Visit,
    token: Option<String>,
    line: &'a mut Line,
    inbox: Arc<Inbox>,
    /// The name of the client, once it has said it.
    peer: String,
    remote_heads: RemoteHeads,
    /// By number, under which the inbox tells of news; boxed, as most clients have one and a map makes room for many.
    dialogues: BTreeMap<usize, Box<Dialogue>>,
    numbers: BTreeMap<DocumentId, usize>,
    last_number: usize,
    /// Dialogues in which there may be something to say as soon as it is time.
    waiting: BTreeSet<usize>,
    /// Documents that the client has asked for and that are not there, and until when that is not said.
    awaited: BTreeMap<DocumentId, Option<Instant>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(guests: &'a Guests, visit: Visit, token: Option<String>, line: &'a mut Line) -> Self {
        Self {
            guests,
            visit,
            token,
            line,
            inbox: Arc::new(Inbox::default()),
            peer: String::new(),
            remote_heads: RemoteHeads::default(),
            dialogues: BTreeMap::new(),
            numbers: BTreeMap::new(),
            last_number: 0,
            waiting: BTreeSet::new(),
            awaited: BTreeMap::new(),
        }
    }

    /// Serves the client until one of both ends it.
    pub(super) async fn run(mut self, receiver: &mut Ear) -> End {
        let joined = Box::pin(tokio::time::timeout(JOIN_TIMEOUT, self.join(receiver))).await;
        let served = match joined {
            Ok(Ok(())) => {
                let replaced = self.guests.peers.join(&self.peer);
                let served = self.serve(receiver, &replaced).await;
                self.guests.peers.leave(&self.peer, &replaced);
                served
            }
            Ok(Err(end)) => Err(end),
            Err(_) => Err(End::closed(BAD_MESSAGE, "the client does not say who it is")),
        };
        match served {
            Ok(()) => End::Gone,
            Err(End::Closed(close)) => self.complain(close).await,
            Err(end @ (End::Gone | End::Misbehaved(_))) => end,
        }
    }

    /// Tells the client what went wrong, as its protocol does, before the connection is closed.
    async fn complain(&mut self, close: Close) -> End {
        let error = Writer::new(4, "error", &self.guests.peer_id)
            .text("targetId", &self.peer)
            .text("message", &close.reason)
            .done();
        match self.line.send(error).await {
            Ok(()) => End::Closed(close),
            Err(end) => end,
        }
    }

    async fn join(&mut self, receiver: &mut Ear) -> Result<(), End> {
        let frame = receiver.receive().await?.ok_or(End::Gone)?;
        let join = Message::read(frame.as_bytes())?;
        if join.kind != "join" || join.sender.is_empty() {
            return Err(End::closed(BAD_MESSAGE, "the first message of a client is \"join\""));
        }
        if join.sender.starts_with(OUTSIDE_PEERS) || join.sender == self.guests.peer_id {
            return Err(End::closed(BAD_MESSAGE, "a peer of this name would speak for the relay"));
        }
        self.peer = join.sender.to_owned();
        self.remote_heads = RemoteHeads::of(&join);
        if join.versions.is_some_and(|versions| !versions.contains(&VERSION)) {
            return Err(End::closed(
                BAD_MESSAGE,
                "unsupported protocol version: this relay speaks version 1",
            ));
        }
        self.guests.auth.check(self.token.as_deref())?;
        self.line.hears_somebody_known();
        let peer = Writer::new(5, "peer", &self.guests.peer_id)
            .text("targetId", &self.peer)
            .text("selectedProtocolVersion", VERSION)
            .metadata(&self.guests.storage_id)
            .done();
        self.line.send(peer).await
    }

    async fn serve(&mut self, receiver: &mut Ear, replaced: &Notify) -> Result<(), End> {
        let mut tick = tokio::time::interval(EXPIRY_TICK);
        let inbox = self.inbox.clone();
        loop {
            let patience = self.awaited.values().flatten().min().copied();
            let speaks =
                self.waiting.iter().filter_map(|number| Some(self.dialogues.get(number)?.pace.next())).min();
            tokio::select! {
                frame = receiver.receive() => match frame? {
                    Some(frame) => Box::pin(self.on_frame(frame.as_bytes())).await?,
                    None => return Ok(()),
                },
                news = inbox.news() => Box::pin(self.on_news(news)).await?,
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                    Box::pin(self.lose_patience()).await?;
                }
                () = sleep_until(speaks.unwrap_or_else(Instant::now)), if speaks.is_some() => {
                    for number in std::mem::take(&mut self.waiting) {
                        Box::pin(self.speak(number)).await?;
                    }
                }
                _ = tick.tick() => Box::pin(self.on_tick()).await?,
                () = replaced.notified() => {
                    return Err(End::closed(FORBIDDEN, "the same peer has connected again"));
                }
                () = self.visit.stopping() => return Err(End::closed(RESTART, "the relay restarts")),
            }
        }
    }

    async fn on_frame(&mut self, frame: &[u8]) -> Result<(), End> {
        let message = Message::read(frame)?;
        // What others have said is passed on under their names.
        if message.sender != self.peer && message.kind != "ephemeral" {
            return Err(End::closed(BAD_MESSAGE, "a client speaks for itself alone"));
        }
        let needs = |what| End::closed(BAD_MESSAGE, format!("a message lacks {what}"));
        match message.kind {
            "request" | "sync" => {
                let id = message.document.ok_or_else(|| needs("its document"))?;
                let data = message.data.filter(|data| !data.is_empty()).ok_or_else(|| needs("its data"))?;
                self.on_sync(id, data, message.kind == "request").await
            }
            "ephemeral" => self.on_ephemeral(&message),
            "doc-unavailable" => Ok(()),
            "leave" => Err(End::Gone),
            "remote-subscription-change" => self.on_subscription_change(&message).await,
            "remote-heads-changed" => self.on_remote_heads(&message),
            "join" => Err(End::closed(BAD_MESSAGE, "a second \"join\"")),
            other => Err(End::closed(BAD_MESSAGE, format!("an unknown type of message: {other:?}"))),
        }
    }

    /// A sync message about a document, which makes it if the client has it, and asks for it otherwise.
    async fn on_sync(&mut self, id: DocumentId, data: &[u8], asks: bool) -> Result<(), End> {
        let number = match self.numbers.get(&id) {
            Some(number) => *number,
            None => {
                // What means nothing makes no document.
                check_message(data).map_err(ReceiveError::from)?;
                match self.enter(id, !asks).await? {
                    Some(number) => number,
                    None => return Ok(()),
                }
            }
        };
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return Ok(()) };
        dialogue.asked |= asks;
        dialogue.hear(data).await?;
        self.remote_heads.note_own(&mut dialogue.told, &dialogue.conversation, dialogue.seat.room());
        self.speak(number).await?;
        self.tell_remote_heads(number).await
    }

    /// The client wants to hear of other stores, and hears at once what is known of them.
    async fn on_subscription_change(&mut self, change: &Message<'_>) -> Result<(), End> {
        if self.remote_heads.change(change) {
            self.dialogues.values_mut().for_each(|dialogue| dialogue.told.start_again());
        }
        for number in self.dialogues.keys().copied().collect::<Vec<_>>() {
            self.tell_remote_heads(number).await?;
        }
        Ok(())
    }

    /// The client passes on up to where others hold a document.
    fn on_remote_heads(&self, message: &Message<'_>) -> Result<(), End> {
        let lacks = || End::closed(BAD_MESSAGE, "a message lacks its document");
        let id = message.document.ok_or_else(lacks)?;
        if let Some(dialogue) = self.numbers.get(&id).and_then(|number| self.dialogues.get(number)) {
            self.remote_heads.note_others(message, dialogue.seat.room());
        }
        Ok(())
    }

    /// Tells the client up to where stores that it wants to hear of hold a document.
    async fn tell_remote_heads(&mut self, number: usize) -> Result<(), End> {
        let Some(dialogue) = self.dialogues.get_mut(&number) else { return Ok(()) };
        match self.remote_heads.news(&mut dialogue.told, dialogue.id, dialogue.seat.room()) {
            Some(message) => self.line.send(message(&self.guests.peer_id, &self.peer)).await,
            None => Ok(()),
        }
    }

    /// Takes a seat in the room of a document; `None` if there is none for this client, which is told so.
    async fn enter(&mut self, id: DocumentId, make: bool) -> Result<Option<usize>, End> {
        if self.dialogues.len() >= MAX_DIALOGUES {
            return Err(End::closed(
                FORBIDDEN,
                format!("more than {MAX_DIALOGUES} documents on one connection"),
            ));
        }
        let doc = self.guests.rooms.doc_of(id);
        let access = match self.guests.auth.access(self.token.as_deref(), &doc) {
            Ok(access) => access,
            Err(denied) => return self.keep_out(id, &doc, &denied).await,
        };
        self.last_number += 1;
        let number = self.last_number;
        let visitor = self.visit.visitor(access.principal, &self.inbox, number);
        let make = make && access.may_write;
        match self.guests.rooms.enter(&doc, Family::Automerge, make, visitor).await {
            Ok(seat) => {
                self.numbers.insert(id, number);
                self.awaited.remove(&id);
                let dialogue = Dialogue::new(id, seat, access.may_write);
                self.dialogues.insert(number, Box::new(dialogue));
                Ok(Some(number))
            }
            Err(EnterError::Document(DocumentError::NotFound { .. }))
                if self.awaited.len() < MAX_DIALOGUES =>
            {
                self.awaited.entry(id).or_insert_with(|| Some(Instant::now() + ARRIVAL_TIME));
                self.guests.rooms.await_document(&doc, &self.inbox, 0);
                Ok(None)
            }
            Err(error) => self.keep_out(id, &doc, &error).await,
        }
    }

    /// The protocol has no word for why.
    async fn keep_out(
        &mut self,
        id: DocumentId,
        doc: &DocId,
        reason: &(dyn Display + Sync),
    ) -> Result<Option<usize>, End> {
        tracing::info!(peer = &*self.visit.peer, %doc, %reason, "a client is not let in");
        self.line.connection().closes(FORBIDDEN);
        self.unavailable(id).await?;
        Ok(None)
    }

    async fn unavailable(&mut self, id: DocumentId) -> Result<(), End> {
        let message = Writer::new(4, "doc-unavailable", &self.guests.peer_id)
            .text("targetId", &self.peer)
            .text("documentId", &id.to_string())
            .done();
        self.line.send(message).await
    }

    /// What has been waited for long enough is said not to be there. It is sent all the same when it comes.
    async fn lose_patience(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let due = |(id, until): (&DocumentId, &mut Option<Instant>)| {
            until.take_if(|until| *until <= now).map(|_| *id)
        };
        let due: Vec<DocumentId> = self.awaited.iter_mut().filter_map(due).collect();
        for id in due {
            self.unavailable(id).await?;
        }
        Ok(())
    }

    /// Tells the client what there is to tell of a document, as soon as it is time for that.
    async fn speak(&mut self, number: usize) -> Result<(), End> {
        while let Some(dialogue) = self.dialogues.get_mut(&number) {
            if dialogue.pace.next() > Instant::now() {
                self.waiting.insert(number);
                return Ok(());
            }
            // Nothing is no answer to who asks for a document.
            if dialogue.asked && dialogue.is_empty().await? {
                self.awaited.entry(dialogue.id).or_insert_with(|| Some(Instant::now() + ARRIVAL_TIME));
                return Ok(());
            }
            let Some((data, durable)) = dialogue.speak().await? else { return Ok(()) };
            if std::mem::take(&mut dialogue.asked) {
                self.awaited.remove(&dialogue.id);
            }
            dialogue.seat.room().durable_at(durable).await?;
            let message = Writer::new(5, "sync", &self.guests.peer_id)
                .text("targetId", &self.peer)
                .text("documentId", &dialogue.id.to_string())
                .bytes("data", &data)
                .done();
            self.line.send(message).await?;
            dialogue.pace.note(Instant::now());
            dialogue.seat.told_up_to(durable);
        }
        Ok(())
    }

    async fn on_news(&mut self, news: BTreeSet<usize>) -> Result<(), End> {
        for number in news {
            // Something that was waited for may be there.
            if number == 0 {
                self.look_again().await?;
                continue;
            }
            let Some(dialogue) = self.dialogues.get_mut(&number) else { continue };
            for ephemeral in dialogue.seat.announcements() {
                self.line.send(addressed(&ephemeral, &self.peer)).await?;
            }
            self.speak(number).await?;
            self.tell_remote_heads(number).await?;
        }
        Ok(())
    }

    async fn look_again(&mut self) -> Result<(), End> {
        let awaited: Vec<DocumentId> = self.awaited.keys().copied().collect();
        for id in awaited.into_iter().filter(|id| !self.numbers.contains_key(id)).collect::<Vec<_>>() {
            if let Some(number) = self.enter(id, false).await? {
                self.speak(number).await?;
            }
        }
        Ok(())
    }

    /// What somebody says to all who have the document open. What comes twice, by another way, is said once.
    fn on_ephemeral(&mut self, message: &Message<'_>) -> Result<(), End> {
        let (Some(id), Some(session), Some(count), Some(data)) =
            (message.document, message.session, message.count, message.data)
        else {
            return Err(End::closed(BAD_MESSAGE, "an ephemeral message lacks something"));
        };
        if data.len() > MAX_EPHEMERAL_BYTES {
            let reason = format!("an ephemeral message may have {MAX_EPHEMERAL_BYTES} bytes");
            return Err(End::closed(Close::TOO_LARGE, reason));
        }
        let dialogue = self.numbers.get(&id).and_then(|number| self.dialogues.get_mut(number));
        let Some(dialogue) = dialogue else { return Ok(()) };
        let seat = &mut dialogue.seat;
        let ephemeral = Ephemeral { sender: message.sender, document: id, session, count, data };
        // Clients pass on what they hear, also to where it came from. Everybody is heard under his own name alone.
        if message.sender == self.peer {
            seat.say(&ephemeral);
        } else if !seat.room().has_heard(&ephemeral) {
            seat.note_passed_over("somebody who is not this connection's client");
        }
        Ok(())
    }

    /// Ends what cannot go on, and whose presence has not been renewed.
    async fn on_tick(&mut self) -> Result<(), End> {
        self.dialogues.values().for_each(|dialogue| dialogue.seat.expire());
        let failures = self.dialogues.iter().filter_map(|(number, dialogue)| {
            let error = dialogue.seat.room().failure()?;
            Some((*number, dialogue.id, error))
        });
        let failures: Vec<_> = failures.collect();
        for (number, id, error) in failures {
            tracing::warn!(peer = &*self.visit.peer, document = %id, %error, "a document is closed for a client");
            self.dialogues.remove(&number);
            self.numbers.remove(&id);
            if matches!(error, DocumentError::Store { .. }) {
                return Err(error.into());
            }
            self.unavailable(id).await?;
        }
        Ok(())
    }
}
