//! Clients of Hocuspocus, at `/hocuspocus`: many documents on one connection.
//!
//! Every frame begins with an address: the name of a document and, if the client says so, of a session behind it. A document
//! is *attached* by showing a token for it. What the client says of it before that waits; the rest is as in y-websocket,
//! but for one thing: each update is answered by a `SyncStatus`. Hocuspocus sends that once it has the update in memory;
//! here it is sent when the update is on disk, so a client that calls itself synced is.

mod attachment;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline::DocId;
use syncline::Family;
use syncline_core::event::DocumentError;
use tokio::time::{Instant, sleep_until};

use super::line::{BAD_MESSAGE, Ear, End, FORBIDDEN, Line, RESTART, UNAUTHORIZED};
use super::yjs::{EXPIRY_TICK, KEEPALIVE};
use super::{Guests, Visit};
use crate::auth::Access;
use crate::rooms::Inbox;
use attachment::{Attachment, MAX_WAITING_FRAME_BYTES, MAX_WAITING_FRAMES, Seated};
use syncline_core::protocol::hocuspocus::{Auth, Body, Frame, is_ping, pong};

/// Most documents that one connection may have attached, or wants to.
pub(crate) const MAX_ATTACHMENTS: usize = 1_000;

/// How often a connection whose document has failed is noticed.
const FAILURE_TICK: Duration = EXPIRY_TICK;

/// A connection and its documents.
pub(super) struct Session<'a> {
    guests: &'a Guests,
    visit: Visit,
    line: &'a mut Line,
    inbox: Arc<Inbox>,
    /// By number, under which the inbox tells of news.
    attachments: BTreeMap<usize, Attachment>,
    numbers: BTreeMap<String, usize>,
    last_number: usize,
    /// Whether the client understands that one document is closed. Those before the fourth version fail on that.
    hears_closes: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(guests: &'a Guests, visit: Visit, line: &'a mut Line) -> Self {
        Self {
            guests,
            visit,
            line,
            inbox: Arc::new(Inbox::default()),
            attachments: BTreeMap::new(),
            numbers: BTreeMap::new(),
            last_number: 0,
            hears_closes: false,
        }
    }

    /// Serves the client until one of both ends it.
    pub(super) async fn run(mut self, receiver: &mut Ear) -> End {
        match self.serve(receiver).await {
            Ok(()) => End::Gone,
            Err(end) => end,
        }
    }

    async fn serve(&mut self, receiver: &mut Ear) -> Result<(), End> {
        let mut tick = tokio::time::interval(FAILURE_TICK);
        let inbox = self.inbox.clone();
        loop {
            let silence = self.line.silent_for(KEEPALIVE);
            tokio::select! {
                frame = receiver.receive() => match frame? {
                    Some(frame) => Box::pin(self.on_frame(frame.as_bytes())).await?,
                    None => return Ok(()),
                },
                news = inbox.news() => Box::pin(self.on_news(news)).await?,
                () = sleep_until(silence) => self.keep_alive().await?,
                _ = tick.tick() => Box::pin(self.on_tick()).await?,
                () = self.visit.stopping() => return Err(End::closed(RESTART, "the relay restarts")),
            }
        }
    }

    async fn on_frame(&mut self, bytes: &[u8]) -> Result<(), End> {
        if is_ping(bytes) {
            return self.line.send(pong()).await;
        }
        let frame = Frame::read(bytes)?;
        match (self.numbers.get(frame.address).copied(), frame.body) {
            (number, Body::Auth(Auth::Token { token, says_version })) => {
                self.hears_closes = says_version;
                self.on_token(number, frame.address, token).await
            }
            (_, Body::Auth(_) | Body::BroadcastStateless | Body::Status(_) | Body::Unknown) => {
                Err(End::closed(BAD_MESSAGE, "malformed message: it is not for a client to send"))
            }
            (Some(number), Body::Close(_)) => {
                self.detach(number);
                Ok(())
            }
            (None, Body::Close(_)) => Ok(()),
            (Some(number), _) => self.on_attached(number, bytes, frame.body).await,
            // Before version 3, clients without a token do not say that they have none.
            (None, _) if self.guests.auth.is_open() => {
                self.on_token(None, frame.address, "").await?;
                match self.numbers.get(frame.address).copied() {
                    Some(number) => self.on_attached(number, bytes, frame.body).await,
                    None => Ok(()),
                }
            }
            (None, _) => {
                let number = self.attach(frame.address)?;
                self.on_attached(number, bytes, frame.body).await
            }
        }
    }

    /// A new number for an address.
    fn attach(&mut self, address: &str) -> Result<usize, End> {
        if self.attachments.len() >= MAX_ATTACHMENTS {
            let reason = format!("more than {MAX_ATTACHMENTS} documents on one connection");
            return Err(End::closed(FORBIDDEN, reason));
        }
        self.last_number += 1;
        self.numbers.insert(address.to_owned(), self.last_number);
        self.attachments.insert(self.last_number, Attachment::waiting(address));
        Ok(self.last_number)
    }

    fn detach(&mut self, number: usize) {
        if let Some(attachment) = self.attachments.remove(&number) {
            self.numbers.remove(attachment.address());
        }
    }

    /// The client shows a token for a document: lets it in, or tells it why not. It may show another one then.
    async fn on_token(&mut self, number: Option<usize>, address: &str, token: &str) -> Result<(), End> {
        let number = match number {
            Some(number) if self.attachments.get(&number).is_some_and(Attachment::is_seated) => {
                return self.on_renewal(number, address, token).await;
            }
            Some(number) => number,
            None => self.attach(address)?,
        };
        let seated = match self.seat(number, address, token).await {
            Ok(seated) => seated,
            Err(reason) => {
                tracing::info!(peer = &*self.visit.peer, address, reason, "a client is not let in");
                self.line.connection().closes(FORBIDDEN);
                self.detach(number);
                return self.line.send(Frame::denied(address, &reason)).await;
            }
        };
        self.line.hears_somebody_known();
        let Some(attachment) = self.attachments.get_mut(&number) else { return Ok(()) };
        let waiting = attachment.seated(seated);
        attachment.welcome(self.line).await?;
        for bytes in waiting {
            let body = Frame::read(&bytes)?.body;
            self.on_attached(number, &bytes, body).await?;
        }
        Ok(())
    }

    /// The client shows a token for a document that it is let in to, and stays there if it is good.
    async fn on_renewal(&mut self, number: usize, address: &str, token: &str) -> Result<(), End> {
        match (self.access(address, token), self.attachments.get_mut(&number)) {
            (Ok((_, access)), Some(attachment)) => attachment.renew(self.line, access.may_write).await,
            (Ok(_), None) => Ok(()),
            (Err(reason), _) => {
                tracing::info!(peer = &*self.visit.peer, address, reason, "a client is no longer let in");
                self.line.connection().closes(FORBIDDEN);
                self.detach(number);
                self.line.send(Frame::denied(address, &reason)).await
            }
        }
    }

    /// The document of an address, and what somebody may do there who shows this token.
    fn access(&self, address: &str, token: &str) -> Result<(DocId, Access), String> {
        let name = address.split('\0').next().unwrap_or_default();
        let doc = DocId::new(name).map_err(|error| format!("the document: {error}"))?;
        let token = (!token.is_empty()).then_some(token);
        let access = self.guests.auth.access(token, &doc).map_err(|denied| denied.to_string())?;
        Ok((doc, access))
    }

    async fn seat(&self, number: usize, address: &str, token: &str) -> Result<Seated, String> {
        let (doc, access) = self.access(address, token)?;
        let visitor = self.visit.visitor(access.principal, &self.inbox, number);
        let entered = self.guests.rooms.enter(&doc, Family::Yjs, access.may_write, visitor).await;
        let seat = entered.map_err(|error| error.to_string())?;
        Ok(Seated::new(seat, access.may_write))
    }

    /// The client says something of a document. What is wrong there ends that document alone.
    async fn on_attached(&mut self, number: usize, bytes: &[u8], body: Body<'_>) -> Result<(), End> {
        let Some(attachment) = self.attachments.get_mut(&number) else { return Ok(()) };
        if !attachment.is_seated() {
            attachment.wait(bytes);
            return self.bound_waiting();
        }
        let heard = attachment.hear(self.line, body).await;
        self.or_close(number, heard).await
    }

    /// What waits for tokens is bounded for all documents together.
    fn bound_waiting(&self) -> Result<(), End> {
        let waits = self.attachments.values().map(Attachment::waits);
        let (frames, bytes) = waits.fold((0, 0), |(frames, bytes), one| (frames + one.0, bytes + one.1));
        match frames <= MAX_WAITING_FRAMES && bytes <= MAX_WAITING_FRAME_BYTES {
            true => Ok(()),
            false => Err(End::closed(FORBIDDEN, "too much was sent before a token was shown")),
        }
    }

    async fn on_news(&mut self, news: BTreeSet<usize>) -> Result<(), End> {
        for number in news {
            let Some(attachment) = self.attachments.get_mut(&number) else { continue };
            let told = attachment.tell(self.line).await;
            self.or_close(number, told).await?;
        }
        Ok(())
    }

    /// Something for a client that believes in silence.
    async fn keep_alive(&mut self) -> Result<(), End> {
        match self.attachments.values().find(|attachment| attachment.is_seated()) {
            Some(attachment) => self.line.send(Frame::nobody(attachment.address())).await,
            // The next one is due after as long again.
            None => {
                self.line.was_heard();
                Ok(())
            }
        }
    }

    async fn on_tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.attachments.values().any(|attachment| attachment.is_late(now)) {
            return Err(End::closed(UNAUTHORIZED, "no token was shown in time"));
        }
        let failed = |(number, attachment): (&usize, &Attachment)| Some((*number, attachment.failure()?));
        let failures: Vec<(usize, DocumentError)> = self.attachments.iter().filter_map(failed).collect();
        for (number, error) in failures {
            self.or_close(number, Err(error.into())).await?;
        }
        self.attachments.values().for_each(Attachment::expire);
        Ok(())
    }

    /// Closes a document for the client if something went wrong there, and tells it why.
    async fn or_close(&mut self, number: usize, outcome: Result<(), End>) -> Result<(), End> {
        let close = match outcome {
            Ok(()) => return Ok(()),
            Err(End::Closed(close)) => close,
            Err(end @ (End::Gone | End::Misbehaved(_))) => return Err(end),
        };
        let Some(attachment) = self.attachments.get(&number) else { return Ok(()) };
        let address = attachment.address().to_owned();
        self.line.connection().closes(close.code);
        tracing::warn!(
            peer = &*self.visit.peer,
            address,
            reason = close.reason.as_str(),
            "a document is closed for a client"
        );
        self.detach(number);
        self.line
            .send(match self.hears_closes {
                true => Frame::closed(&address, &close.reason),
                false => Frame::denied(&address, &close.reason),
            })
            .await
    }
}
