//! The connection of a guest: frames out, how it ends, and what every session waits for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use syncline::transports::{Batch, Close, Frame, Link, LinkError, LinkReceiver, LinkSender, Outlet};
use syncline_core::crdt::{Damaged, GateError, ReceiveError};
use syncline_core::event::DocumentError;
use syncline_core::replica::ContributeError;
use tokio::time::Instant;

use crate::auth::Denied;
use crate::intake::Meter;
use crate::metrics::Connection;
use crate::rooms::{BATCH_BYTES, EnterError, Seat, Sent, framed};
use syncline_core::protocol::lib0::Malformed;
use syncline_core::protocol::y_websocket::Sync;

/// How long a client may take to answer a goodbye.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// Larger updates are not copied together with others.
pub(crate) const SMALL_UPDATE_BYTES: usize = 16 << 10;

/// What messages are counted in.
const A_SECOND: Duration = Duration::from_secs(1);

/// Most messages of one connection in a second. Of more, the rest waits where it comes from.
pub(crate) const MAX_MESSAGES_A_SECOND: u32 = 2_000;

/// What a client is told that does not keep to its protocol, or may not do what it does. y-websocket clients do not come
/// back after codes from 4400 to 4499.
pub(crate) const BAD_MESSAGE: u16 = 4400;
pub(crate) const UNAUTHORIZED: u16 = 4401;
pub(crate) const FORBIDDEN: u16 = 4403;

/// The relay stops, and will be there again (RFC 6455 registry: "service restart").
pub(crate) const RESTART: u16 = 1012;

/// Why a session ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client has gone, or the network has.
    Gone,
    /// The relay ends it, and tells the client why.
    Closed(Close),
    /// The client has broken the rules of the transport, which has told it so.
    Misbehaved(String),
}

impl End {
    pub(crate) fn closed(code: u16, reason: impl Into<String>) -> Self {
        Self::Closed(Close::new(code, reason))
    }
}

impl From<Denied> for End {
    fn from(denied: Denied) -> Self {
        let code = if matches!(denied, Denied::NoToken) { UNAUTHORIZED } else { FORBIDDEN };
        Self::closed(code, denied.to_string())
    }
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::TooLarge { bytes, limit } => {
                let reason = format!("the document takes {bytes} bytes, and a message {limit} at most");
                Self::closed(Close::TOO_LARGE, reason)
            }
            LinkError::Misbehaved { what } => Self::Misbehaved(what),
            _ => Self::Gone,
        }
    }
}

impl From<Malformed> for End {
    fn from(malformed: Malformed) -> Self {
        Self::closed(BAD_MESSAGE, malformed.to_string())
    }
}

impl From<EnterError> for End {
    fn from(error: EnterError) -> Self {
        let code = match &error {
            EnterError::OtherFamily { .. } => FORBIDDEN,
            EnterError::Document(DocumentError::SpecMismatch { .. }) => FORBIDDEN,
            EnterError::Document(_) => Close::FAILED,
        };
        Self::closed(code, error.to_string())
    }
}

impl From<DocumentError> for End {
    fn from(error: DocumentError) -> Self {
        Self::closed(Close::FAILED, error.to_string())
    }
}

impl From<Damaged> for End {
    fn from(damaged: Damaged) -> Self {
        Self::closed(Close::FAILED, damaged.to_string())
    }
}

impl From<ReceiveError> for End {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Refused(refused) => Self::closed(code_of(&refused), refused.to_string()),
            ReceiveError::Damaged(damaged) => damaged.into(),
            _ => Self::closed(Close::FAILED, error.to_string()),
        }
    }
}

impl From<ContributeError> for End {
    fn from(error: ContributeError) -> Self {
        let code = match &error {
            ContributeError::Refused(refused) => code_of(refused),
            ContributeError::TooManyWriters => FORBIDDEN,
            ContributeError::Stopped(_) | ContributeError::Busy => Close::TRY_LATER,
            _ => Close::FAILED,
        };
        Self::closed(code, error.to_string())
    }
}

/// What brings something of a store of ours may be right, where the relay has lost it: the store has to bring it, and what the
/// client does is no longer wrong then.
const fn code_of(refused: &GateError) -> u16 {
    match refused {
        GateError::Impostor { .. } => Close::TRY_LATER,
        _ => BAD_MESSAGE,
    }
}

/// The receiving half of a guest's connection.
pub(crate) struct Ear {
    peer: Arc<str>,
    receiver: LinkReceiver,
    connection: Arc<Connection>,
    meter: Meter,
    /// Whether the last message that was received is being dealt with.
    heard: bool,
    pace: Pace,
}

/// How many messages have come in since when.
struct Pace {
    since: Instant,
    messages: u32,
    /// Whether it has been noted that there are too many.
    noted: bool,
}

impl Pace {
    /// Waits until another message may come in. Dropping this future loses nothing.
    async fn next(&mut self, peer: &str) {
        if self.messages >= MAX_MESSAGES_A_SECOND {
            if !std::mem::replace(&mut self.noted, true) {
                tracing::info!(
                    peer,
                    limit = MAX_MESSAGES_A_SECOND,
                    "a client sends too much: the rest waits"
                );
            }
            tokio::time::sleep_until(self.since + A_SECOND).await;
        }
        if self.since.elapsed() >= A_SECOND {
            (self.since, self.messages) = (Instant::now(), 0);
        }
    }
}

impl Ear {
    /// The next message; `None` if there are no more. The one before has been dealt with. Dropping this future loses nothing.
    pub(crate) async fn receive(&mut self) -> Result<Option<Frame>, LinkError> {
        if std::mem::take(&mut self.heard) {
            self.meter.reset();
        }
        self.pace.next(&self.peer).await;
        let received = self.receiver.receive().await;
        self.pace.messages += 1;
        self.heard = true;
        received.iter().flatten().for_each(|frame| self.connection.received(frame.as_bytes().len()));
        received
    }
}

/// The sending half of a guest's connection.
pub(crate) struct Line {
    sender: LinkSender,
    connection: Arc<Connection>,
    meter: Meter,
    /// When something was sent last.
    last: Instant,
}

impl Line {
    /// Takes a link apart, of whose messages the meter knows how much has come in.
    pub(crate) fn new(link: Link, peer: Arc<str>, meter: Meter, connection: Arc<Connection>) -> (Self, Ear) {
        let ((sender, receiver), now) = (link.split(), Instant::now());
        let pace = Pace { since: now, messages: 0, noted: false };
        let line = Self { sender, connection: connection.clone(), meter: meter.clone(), last: now };
        (line, Ear { peer, receiver, connection, meter, heard: false, pace })
    }

    /// Sends a message, when the client has taken what it was sent before.
    pub(crate) async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), End> {
        self.last = Instant::now();
        let message = message.into();
        self.connection.sent(1, message.len());
        Ok(self.sender.send(Frame::Binary(message)).await?)
    }

    /// The same for a message in two parts, of which the second one is shared with others.
    pub(crate) async fn send_parts(&mut self, head: Vec<u8>, body: Bytes) -> Result<(), End> {
        self.last = Instant::now();
        self.connection.sent(1, head.len() + body.len());
        Ok(self.sender.send_parts(head.into(), body).await?)
    }

    /// Sends frames, all of them by one write if they are small, when the client has taken what it was sent before.
    pub(crate) async fn send_all(&mut self, frames: Vec<Bytes>) -> Result<(), End> {
        if frames.is_empty() {
            return Ok(());
        }
        self.last = Instant::now();
        let batch = Batch::new(frames);
        self.connection.sent(batch.frames().len(), batch.bytes());
        if self.outlet().try_send(&batch)? {
            return Ok(());
        }
        for frame in batch.frames() {
            self.sender.send(Frame::Binary(frame.clone())).await?;
        }
        Ok(())
    }

    /// Sends updates behind a head that names their document where there are several: the large ones, which are shared with others, by
    /// themselves, and small ones in batches.
    pub(crate) async fn send_updates<'a>(
        &mut self,
        head: &[u8],
        updates: impl Iterator<Item = (Sync<'a>, Bytes)>,
    ) -> Result<(), End> {
        let (mut small, mut bytes) = (Vec::new(), 0);
        for (sync, update) in updates {
            let head = [head, &sync.head()].concat();
            if update.len() > SMALL_UPDATE_BYTES || bytes > BATCH_BYTES {
                self.send_all(std::mem::take(&mut small)).await?;
                bytes = 0;
            }
            match update.len() > SMALL_UPDATE_BYTES {
                true => self.send_parts(head, update).await?,
                false => {
                    bytes += head.len() + update.len();
                    small.push(framed(&head, &update));
                }
            }
        }
        self.send_all(small).await
    }

    /// Sends the client what it lacks of a document, until its seat is level. Messages are as y-websocket has them, behind a head
    /// that names the document where there are several.
    pub(crate) async fn catch_up(&mut self, seat: &mut Seat, head: &[u8]) -> Result<(), End> {
        while let Some(sent) = seat.next().await?? {
            match sent {
                Sent::Pieces(pieces) => {
                    let frames = pieces.iter().map(|piece| framed(head, &piece.message())).collect();
                    self.send_all(frames).await?;
                    self.connection.passed_on(&pieces);
                }
                Sent::Earlier(updates) => {
                    let messages = updates.iter().map(|update| (Sync::Update { update }, update.clone()));
                    self.send_updates(head, messages).await?;
                    self.connection.passed_on_late(updates.len());
                }
                Sent::Whole(missing) => {
                    seat.room().durable_at(missing.offset).await?;
                    self.send_updates(head, missing.updates()).await?;
                }
                Sent::Present(message) => self.send(framed(head, &message)).await?,
            }
        }
        Ok(())
    }

    /// Another way to the client, for what many are sent alike.
    pub(crate) fn outlet(&self) -> Outlet {
        self.sender.outlet()
    }

    /// As what it is counted.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The client has shown a token that is good for something: it is no stranger.
    pub(crate) fn hears_somebody_known(&self) {
        self.meter.is_known();
    }

    /// As if something had just been sent.
    pub(crate) fn was_heard(&mut self) {
        self.last = Instant::now();
    }

    /// When the client has heard nothing for so long.
    pub(crate) fn silent_for(&self, time: Duration) -> Instant {
        self.last + time
    }

    /// Ends the connection, and waits until the client has heard why.
    pub(crate) async fn close(mut self, mut receiver: Ear, end: End) {
        if let End::Closed(close) = end {
            let goodbye = async {
                self.sender.close(close).await;
                while let Ok(Some(_)) = receiver.receive().await {}
            };
            let _late = tokio::time::timeout(GOODBYE_TIME, goodbye).await;
        }
    }
}
