//! One document of a connection, from the first word about it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use syncline_core::event::DocumentError;
use syncline_core::replica::ContributeError;
use tokio::time::Instant;

use crate::guests::line::{End, Line};
use crate::rooms::{Outlet, Seat, is_gap};
use syncline_core::protocol::hocuspocus::{Body, Frame};
use syncline_core::protocol::y_websocket::Sync;

/// How long a client may speak of a document without showing a token for it.
pub(crate) const TOKEN_TIME: Duration = Duration::from_secs(60);

/// Most frames of a connection that wait until tokens are shown, and most bytes of them.
pub(crate) const MAX_WAITING_FRAMES: usize = 1_000;
pub(crate) const MAX_WAITING_FRAME_BYTES: usize = 5 << 20;

/// Largest message to everybody that is not stored.
pub(crate) const MAX_STATELESS_BYTES: usize = 64 << 10;

/// A document of a connection.
pub(super) struct Attachment {
    address: String,
    phase: Phase,
}

enum Phase {
    /// No token has been shown: what the client has said meanwhile.
    Waiting { frames: Vec<Bytes>, bytes: usize, since: Instant },
    /// It is let in.
    Seated(Box<Seated>),
}

/// A client that was let in.
pub(super) struct Seated {
    seat: Seat,
    may_write: bool,
    /// For each update that is answered once it is on disk, where in the log it ends.
    unanswered: VecDeque<u64>,
    /// Whether the client has been asked what it holds that is not here, and has not answered. It begins to count anew when
    /// it connects, and takes the first answer to one of its updates for the end of all.
    awaits_answer: bool,
    /// Updates that could not be taken yet. The client sends again what they are made of, and counts them all.
    owed: usize,
}

impl Seated {
    pub(super) const fn new(seat: Seat, may_write: bool) -> Self {
        Self { seat, may_write, unanswered: VecDeque::new(), awaits_answer: false, owed: 0 }
    }
}

impl Attachment {
    pub(super) fn waiting(address: &str) -> Self {
        let phase = Phase::Waiting { frames: Vec::new(), bytes: 0, since: Instant::now() };
        Self { address: address.to_owned(), phase }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) const fn is_seated(&self) -> bool {
        matches!(self.phase, Phase::Seated(_))
    }

    /// Keeps a frame until the client is let in.
    pub(super) fn wait(&mut self, frame: &[u8]) {
        if let Phase::Waiting { frames, bytes, .. } = &mut self.phase {
            *bytes += frame.len();
            frames.push(Bytes::copy_from_slice(frame));
        }
    }

    /// How many frames wait until a token is shown, and how many bytes these have.
    pub(super) fn waits(&self) -> (usize, usize) {
        match &self.phase {
            Phase::Waiting { frames, bytes, .. } => (frames.len(), *bytes),
            Phase::Seated(_) => (0, 0),
        }
    }

    /// Whether a token should have been shown by now.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Waiting { since, .. } if now >= since + TOKEN_TIME)
    }

    /// The client is let in. Returns what it has said before.
    pub(super) fn seated(&mut self, seated: Seated) -> Vec<Bytes> {
        match std::mem::replace(&mut self.phase, Phase::Seated(Box::new(seated))) {
            Phase::Waiting { frames, .. } => frames,
            Phase::Seated(_) => Vec::new(),
        }
    }

    const fn parts(&mut self) -> Option<(&mut Seated, &String)> {
        match &mut self.phase {
            Phase::Seated(seated) => Some((seated, &self.address)),
            Phase::Waiting { .. } => None,
        }
    }

    /// Why the document cannot be used any more, if it cannot.
    pub(super) fn failure(&self) -> Option<DocumentError> {
        match &self.phase {
            Phase::Seated(seated) => seated.seat.room().failure(),
            Phase::Waiting { .. } => None,
        }
    }

    pub(super) fn expire(&self) {
        if let Phase::Seated(seated) = &self.phase {
            seated.seat.expire();
        }
    }

    /// The client shows a token once more, as it may have to now and then.
    pub(super) async fn renew(&mut self, line: &mut Line, may_write: bool) -> Result<(), End> {
        let Some((seated, address)) = self.parts() else { return Ok(()) };
        seated.may_write = may_write;
        line.send(Frame::authenticated(address, may_write)).await
    }

    /// Tells the client that it is let in, and who is present.
    pub(super) async fn welcome(&mut self, line: &mut Line) -> Result<(), End> {
        let Some((seated, address)) = self.parts() else { return Ok(()) };
        seated.seat.set_outlet(Outlet::new(line.outlet(), Frame::head(address).into()));
        line.send(Frame::authenticated(address, seated.may_write)).await?;
        seated.catch_up(line, address).await
    }

    /// The client says something.
    pub(super) async fn hear(&mut self, line: &mut Line, body: Body<'_>) -> Result<(), End> {
        let Some((seated, address)) = self.parts() else { return Ok(()) };
        match body {
            Body::Sync(Sync::Step1 { vector }) => seated.on_vector(line, address, vector).await,
            Body::Sync(Sync::Step2 { update }) => seated.on_update(line, address, update, true).await,
            Body::Sync(Sync::Update { update }) => seated.on_update(line, address, update, false).await,
            Body::Awareness(states) => match seated.seat.hear(states)?.nudge {
                Some(nudge) => line.send(Frame::awareness(address, &nudge)).await,
                None => Ok(()),
            },
            Body::QueryAwareness => {
                seated.seat.asks_who_is_present();
                seated.catch_up(line, address).await
            }
            Body::Stateless(payload) => {
                if payload.len() > MAX_STATELESS_BYTES {
                    let reason = format!("a stateless message may have {MAX_STATELESS_BYTES} bytes");
                    return Err(End::closed(super::BAD_MESSAGE, reason));
                }
                seated.seat.announce(Bytes::copy_from_slice(payload.as_bytes()));
                Ok(())
            }
            Body::Auth(_) | Body::BroadcastStateless | Body::Close(_) | Body::Status(_) | Body::Unknown => {
                Ok(())
            }
        }
    }

    /// Tells the client what has come to the document, and what of its own has arrived.
    pub(super) async fn tell(&mut self, line: &mut Line) -> Result<(), End> {
        let Some((seated, address)) = self.parts() else { return Ok(()) };
        seated.answer(line, address).await?;
        for payload in seated.seat.announcements() {
            line.send(Frame::stateless(address, &payload)).await?;
        }
        seated.catch_up(line, address).await
    }
}

impl Seated {
    /// The client says what it holds. It is asked first what is missing here, and then told what it lacks.
    async fn on_vector(&mut self, line: &mut Line, address: &str, vector: &[u8]) -> Result<(), End> {
        self.ask(line, address).await?;
        let missing = self.seat.join(vector).await??;
        self.seat.room().durable_at(missing.offset).await?;
        line.send_updates(&Frame::head(address), missing.answer()).await?;
        self.catch_up(line, address).await
    }

    async fn catch_up(&mut self, line: &mut Line, address: &str) -> Result<(), End> {
        line.catch_up(&mut self.seat, &Frame::head(address)).await
    }

    async fn ask(&mut self, line: &mut Line, address: &str) -> Result<(), End> {
        self.awaits_answer = true;
        let vector = self.seat.room().version()?;
        line.send(Frame::sync(address, &Sync::Step1 { vector: &vector })).await
    }

    /// The client sends an update, or answers what it holds beyond what is here, which may be nothing.
    async fn on_update(
        &mut self,
        line: &mut Line,
        address: &str,
        update: &[u8],
        answers: bool,
    ) -> Result<(), End> {
        self.awaits_answer &= !answers;
        if !self.may_write {
            let taken = self.seat.room().holds(update).await?;
            return line.send(Frame::status(address, taken)).await;
        }
        match self.seat.contribute(update).await? {
            Ok(contributed) => {
                let updates = 1 + std::mem::take(&mut self.owed);
                self.unanswered.extend(std::iter::repeat_n(contributed.offset, updates));
                if answers {
                    // The first of these tells the client that all have arrived.
                    self.unanswered.iter_mut().for_each(|offset| *offset = contributed.offset);
                }
                self.answer(line, address).await
            }
            // It lacks something itself, and would answer the same again.
            Err(error) if is_gap(&error) && answers => line.send(Frame::status(address, false)).await,
            Err(error) if is_gap(&error) => {
                self.owed += 1;
                match self.awaits_answer {
                    true => Ok(()),
                    false => self.ask(line, address).await,
                }
            }
            Err(error @ ContributeError::Refused(_)) => {
                line.send(Frame::status(address, false)).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn answer(&mut self, line: &mut Line, address: &str) -> Result<(), End> {
        if self.awaits_answer || self.unanswered.is_empty() {
            return Ok(());
        }
        let durable = self.seat.await_durable();
        let answered = self.unanswered.partition_point(|offset| *offset <= durable);
        self.unanswered.drain(..answered);
        match answered {
            0 => Ok(()),
            _ => line.send_all(vec![Frame::status(address, true).into(); answered]).await,
        }
    }
}
