//! Clients of y-websocket, at `/yjs/{room}`.
//!
//! One document a connection, one message a frame. Both sides say what they hold and answer with what the other lacks;
//! from then on each update is passed on as it comes. The client believes a connection dead on which it hears nothing for
//! half a minute, so it hears something in between.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use syncline::transports::Frame;
use syncline_core::replica::ContributeError;
use tokio::time::sleep_until;

use super::Visit;
use super::line::{Ear, End, Line};
use crate::rooms::{Inbox, Outlet, Seat, is_gap};
use syncline_core::protocol::y_websocket::{Message, Sync, write_awareness, write_denied};

/// After this long without a message the client hears one: it gives up after 30 s.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(25);

/// How often it is seen to it that the client is still present.
pub(crate) const EXPIRY_TICK: Duration = Duration::from_secs(1);

/// How long a client stays that was told that it is not let in.
const DENIED_TIME: Duration = Duration::from_secs(2);

/// Most questions of a client that wait for the disk.
const MAX_QUESTIONS: usize = 64;

/// An awareness message that tells of nobody.
const NOBODY: &[u8] = &[1, 1, 0];

/// What y-sweet adds: its clients ask whether what they have sent has arrived.
const SYNC_STATUS: u64 = 102;

/// Tells a client why it is not let in, and sends it away a little later: some try again at once.
pub(super) async fn deny(line: &mut Line, receiver: &mut Ear, end: End) -> End {
    line.connection().ends(&end);
    let End::Closed(close) = &end else { return end };
    let mut frame = Vec::new();
    write_denied(&close.reason, &mut frame);
    if line.send(frame).await.is_err() {
        return End::Gone;
    }
    let leaves = async { while let Ok(Some(_)) = receiver.receive().await {} };
    match tokio::time::timeout(DENIED_TIME, leaves).await {
        Ok(()) => End::Gone,
        Err(_) => end,
    }
}

/// One client and its document.
pub(crate) struct Session<'a> {
    visit: &'a Visit,
    line: &'a mut Line,
    seat: Seat,
    /// Up to where in the log what the client has sent goes.
    sent: u64,
    /// Questions whether all has arrived, which are answered by themselves.
    questions: Vec<(u64, Bytes)>,
    /// Whether the client has been asked what it holds that is not here, and has not answered.
    awaits_answer: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(visit: &'a Visit, line: &'a mut Line, seat: Seat) -> Self {
        Self { visit, line, seat, sent: 0, questions: Vec::new(), awaits_answer: false }
    }

    /// Serves the client until one of both ends it.
    pub(crate) async fn run(mut self, inbox: &Inbox, receiver: &mut Ear) -> End {
        match self.serve(inbox, receiver).await {
            Ok(()) => End::Gone,
            Err(end) => end,
        }
    }

    async fn serve(&mut self, inbox: &Inbox, receiver: &mut Ear) -> Result<(), End> {
        // What is done for a while is in memory of its own for as long: most clients are silent most of the time.
        Box::pin(self.greet()).await?;
        let mut expiry = tokio::time::interval(EXPIRY_TICK);
        let (room, visit) = (self.seat.room().clone(), self.visit);
        let (mut failed, mut stopping) = (pin!(room.failed()), pin!(visit.stopping()));
        loop {
            let silence = self.line.silent_for(KEEPALIVE);
            tokio::select! {
                frame = receiver.receive() => match frame? {
                    Some(frame) => Box::pin(self.on_frame(&frame)).await?,
                    None => return Ok(()),
                },
                _ = inbox.news() => Box::pin(self.on_news()).await?,
                () = sleep_until(silence) => self.line.send(NOBODY).await?,
                _ = expiry.tick() => self.seat.expire(),
                error = &mut failed => return Err(error.into()),
                () = &mut stopping => return Err(End::closed(super::line::RESTART, "the relay restarts")),
            }
        }
    }

    /// Asks what the client holds that is not here, and tells who is present, as far as it takes that.
    async fn greet(&mut self) -> Result<(), End> {
        self.seat.set_outlet(Outlet::new(self.line.outlet(), Bytes::new()));
        self.ask().await?;
        self.catch_up().await
    }

    async fn ask(&mut self) -> Result<(), End> {
        self.awaits_answer = true;
        let vector = self.seat.room().version()?;
        self.send(&Sync::Step1 { vector: &vector }).await
    }

    async fn on_frame(&mut self, frame: &Frame) -> Result<(), End> {
        match Message::read(frame.as_bytes())? {
            Message::Sync(Sync::Step1 { vector }) => self.on_vector(vector).await,
            Message::Sync(Sync::Step2 { update }) => {
                self.awaits_answer = false;
                self.on_update(update, true).await?;
                // What was asked before was asked about this, too.
                self.questions.iter_mut().for_each(|(sent, _)| *sent = self.sent);
                self.answer().await
            }
            Message::Sync(Sync::Update { update }) => self.on_update(update, false).await,
            Message::Awareness(states) => {
                let heard = self.seat.hear(states)?;
                match heard.nudge {
                    Some(nudge) => self.nudge(&nudge).await,
                    None => Ok(()),
                }
            }
            Message::QueryAwareness => {
                self.seat.asks_who_is_present();
                self.catch_up().await
            }
            Message::Other(SYNC_STATUS, _) if self.visit.answers_status => {
                self.questions.push((self.sent, frame.as_bytes().to_vec().into()));
                // The answer to a later one tells as much.
                if self.questions.len() > MAX_QUESTIONS {
                    self.questions.remove(0);
                }
                self.answer().await
            }
            // A message of a later version of the protocol, or of some client's own; and clients deny nothing.
            Message::Denied(_) | Message::Other(..) => Ok(()),
        }
    }

    /// The client says what it holds. Others hear of an update before it is on disk; what the client is told here it is told
    /// for good, so that it takes nothing for arrived that is lost if the relay falls over.
    async fn on_vector(&mut self, vector: &[u8]) -> Result<(), End> {
        let missing = self.seat.join(vector).await??;
        self.seat.room().durable_at(missing.offset).await?;
        self.line.send_updates(&[], missing.answer()).await?;
        self.catch_up().await
    }

    /// The client sends an update, or answers what it holds beyond what is here.
    async fn on_update(&mut self, update: &[u8], answers: bool) -> Result<(), End> {
        if !self.visit.may_write {
            return self.deny(update).await;
        }
        match self.seat.contribute(update).await? {
            Ok(contributed) => {
                self.sent = contributed.offset;
                Ok(())
            }
            // The client has not been told what is here, or the relay lost what it was once sent.
            Err(error) if is_gap(&error) && !answers => self.ask().await,
            // It lacks something itself, and would answer the same again.
            Err(error) if is_gap(&error) => {
                self.awaits_answer = true;
                self.visit.note_refusal(self.seat.room().doc(), &error);
                Ok(())
            }
            Err(error @ ContributeError::Refused(_)) => {
                self.visit.note_refusal(self.seat.room().doc(), &error);
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells a client that it may only read, unless it has written nothing: it answers the question what it holds.
    async fn deny(&mut self, update: &[u8]) -> Result<(), End> {
        if self.seat.room().holds(update).await? {
            return Ok(());
        }
        if self.sent != u64::MAX {
            tracing::info!(peer = &*self.visit.peer, doc = %self.seat.room().doc(), "a client writes that may only read");
        }
        // It is not told that this has arrived, nor anything that it says later.
        self.sent = u64::MAX;
        let mut frame = Vec::new();
        write_denied("this token may read the document and not write to it", &mut frame);
        self.line.send(frame).await
    }

    async fn on_news(&mut self) -> Result<(), End> {
        self.answer().await?;
        self.catch_up().await
    }

    async fn catch_up(&mut self) -> Result<(), End> {
        self.line.catch_up(&mut self.seat, &[]).await
    }

    /// Answers the questions whether something has arrived that has.
    async fn answer(&mut self) -> Result<(), End> {
        if self.awaits_answer || self.questions.is_empty() {
            return Ok(());
        }
        let durable = self.seat.await_durable();
        let answered = self.questions.partition_point(|(sent, _)| *sent <= durable);
        for (_, frame) in self.questions.drain(..answered) {
            self.line.send(frame).await?;
        }
        Ok(())
    }

    /// Has the client raise its clocks.
    async fn nudge(&mut self, states: &[u8]) -> Result<(), End> {
        let mut frame = Vec::new();
        write_awareness(states, &mut frame);
        self.line.send(frame).await
    }

    async fn send(&mut self, message: &Sync<'_>) -> Result<(), End> {
        let mut frame = Vec::new();
        message.write(&mut frame);
        self.line.send(frame).await
    }
}
