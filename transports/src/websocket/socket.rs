//! A WebSocket as a wire, the same for both sides.
//!
//! Whatever the owner waits for, [`SocketWire::drive`] does all there is to do: read ahead by one frame,
//! let the heart beat, flush. So a sender that is stuck still answers pings and notices the end.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, buf::Chain};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, Role},
    },
};

use super::{
    CLOSE_TIMEOUT, WHOLE_FRAME_BYTES, WebSocketSettings,
    heartbeat::{Beat, Heartbeat, Moved},
    outgoing::{self, Outgoing},
};
use crate::{Batch, Close, Frame, LinkError, Wire};

/// Bytes thrown away at once while a misbehaving peer is told goodbye.
const DISCARD_BYTES: usize = 1024;

/// One upgraded socket with its heartbeat.
pub(super) struct SocketWire<S> {
    socket: WebSocketStream<Traffic<S>>,
    heartbeat: Heartbeat,
    /// Clients mask what they send, each frame in another way.
    role: Role,
    phase: Phase,
    /// Read, but not yet received by the owner.
    ahead: Option<Frame>,
    /// What is left of a frame whose beginning was handed over, and the goodbye behind it.
    outgoing: Option<Outgoing>,
    goodbye: Option<CloseFrame>,
    /// Something that was handed over may not have left yet.
    unflushed: bool,
    /// The sending half waits for that to leave.
    sender_waits: bool,
    /// Writing failed. What the peer said before that is still read, it may be the reason.
    write_error: Option<LinkError>,
}

enum Phase {
    Open,
    /// We said goodbye and wait for the answer.
    Closing(Close),
    /// The peer misbehaved and was told so. What it still sends is thrown away for a while, because
    /// hanging up on unread bytes would destroy the goodbye on its way.
    Expelling(LinkError),
    Ended(LinkError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> SocketWire<S> {
    pub(super) fn new(socket: WebSocketStream<Traffic<S>>, settings: WebSocketSettings, role: Role) -> Self {
        Self {
            socket,
            heartbeat: Heartbeat::new(settings),
            role,
            phase: Phase::Open,
            ahead: None,
            outgoing: None,
            goodbye: None,
            unflushed: false,
            sender_waits: false,
            write_error: None,
        }
    }

    /// Everything that can be done without waiting; ready only with the end.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<LinkError> {
        match &self.phase {
            Phase::Ended(end) => return Poll::Ready(end.clone()),
            Phase::Expelling(_) => return self.expel(cx),
            Phase::Open | Phase::Closing(_) => {}
        }
        let ending = match self.read_ahead(cx) {
            Poll::Pending => self.keep_time(cx),
            ending @ Poll::Ready(_) => ending,
        };
        if let Poll::Ready(ending) = ending {
            return self.end(cx, ending);
        }
        self.flush(cx);
        match (&self.write_error, &self.ahead) {
            (Some(error), None) => {
                let end = Ending::Over(error.clone());
                self.end(cx, end)
            }
            (Some(_), Some(_)) | (None, _) => Poll::Pending,
        }
    }

    /// Reads until one frame is there or the socket is empty.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        while self.ahead.is_none() {
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.ahead = Some(Frame::Binary(bytes)),
                Some(Ok(Message::Text(text))) => self.ahead = Some(Frame::Text(text)),
                // The library has queued the answer to a ping; it must leave even if nobody reads on.
                Some(Ok(Message::Ping(_))) => self.unflushed = true,
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(close))) => return Poll::Ready(Ending::closed(close)),
                Some(Err(error)) => return Poll::Ready(Ending::of(error)),
                None => return Poll::Ready(Ending::Over(LinkError::lost("the peer hung up"))),
            }
        }
        Poll::Pending
    }

    fn keep_time(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Phase::Closing(close) = &self.phase {
            let end = LinkError::Closed(close.clone());
            return self.heartbeat.poll_expired(cx).map(|()| Ending::Over(end));
        }
        self.heartbeat.note(self.socket.get_ref().moved, self.unflushed);
        while let Poll::Ready(beat) = self.heartbeat.poll(cx, self.ahead.is_none()) {
            match beat {
                Beat::Ask => self.write(Message::Ping(Default::default())),
                Beat::Dead { silence } => {
                    return Poll::Ready(Ending::Over(LinkError::Silent { silence }));
                }
            }
        }
        Poll::Pending
    }

    fn write(&mut self, message: Message) {
        self.unflushed = true;
        if let Err(error) = self.socket.start_send_unpin(message) {
            self.write_error.get_or_insert(LinkError::lost(error));
        }
    }

    fn check_open(&self) -> Result<(), LinkError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closing(close) => Err(LinkError::Closed(close.clone())),
            Phase::Expelling(end) | Phase::Ended(end) => Err(end.clone()),
        }
    }

    /// Whether what is handed over may leave past the library, which would copy it: its buffer is empty where nothing waits to
    /// leave, and a server's frames are the same for every link.
    const fn may_pass(&self) -> bool {
        matches!(self.role, Role::Server) && !self.unflushed && self.write_error.is_none()
    }

    /// Has the next piece of a frame leave past the library, without a copy.
    fn pass(&mut self, outgoing: Outgoing) {
        let (header, piece, rest) = outgoing.next_passed();
        self.outgoing = rest;
        self.unflushed = true;
        self.socket.get_mut().put_ahead(header, piece);
    }

    fn begin(&mut self, (piece, rest): (Message, Option<Outgoing>)) -> Result<(), LinkError> {
        self.outgoing = rest;
        self.write(piece);
        self.write_error.clone().map_or(Ok(()), Err)
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        if !self.unflushed {
            return;
        }
        loop {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) if self.go_on() => {}
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    return self.heartbeat.note(self.socket.get_ref().moved, false);
                }
                Poll::Ready(Err(error)) => {
                    self.write_error.get_or_insert(LinkError::lost(error));
                    return;
                }
                Poll::Pending => return self.heartbeat.note(self.socket.get_ref().moved, true),
            }
        }
    }

    /// Hands over the next piece of a frame, or the goodbye behind it; false if nothing is left.
    fn go_on(&mut self) -> bool {
        if let Some(outgoing) = self.outgoing.take() {
            match self.role {
                // Everything has left, the library's buffer as well.
                Role::Server => self.pass(outgoing),
                Role::Client => {
                    let (piece, rest) = outgoing.next();
                    self.outgoing = rest;
                    self.write(piece);
                }
            }
        } else if let Some(goodbye) = self.goodbye.take() {
            self.write(Message::Close(Some(goodbye)));
        } else {
            return false;
        }
        self.write_error.is_none()
    }

    fn end(&mut self, cx: &mut Context<'_>, ending: Ending) -> Poll<LinkError> {
        match (&self.phase, ending) {
            (Phase::Closing(close), _) => self.ended(LinkError::Closed(close.clone())),
            (_, Ending::Over(end)) => {
                // Lets the answer to the peer's goodbye out, if there is one and there is room.
                let _answered = self.socket.poll_flush_unpin(cx);
                self.ended(end)
            }
            (_, Ending::Expel { end, close }) => {
                self.outgoing = None;
                self.write(Message::Close(Some(close_frame(close))));
                self.heartbeat.expire_at(Instant::now() + CLOSE_TIMEOUT);
                self.phase = Phase::Expelling(end);
                self.expel(cx)
            }
        }
    }

    fn expel(&mut self, cx: &mut Context<'_>) -> Poll<LinkError> {
        self.flush(cx);
        let expired = self.heartbeat.poll_expired(cx).is_ready();
        let gone = discard(self.socket.get_mut(), cx).is_ready();
        match &self.phase {
            Phase::Expelling(end) if expired || gone => {
                let end = end.clone();
                self.ended(end)
            }
            Phase::Expelling(_) | Phase::Open | Phase::Closing(_) | Phase::Ended(_) => Poll::Pending,
        }
    }

    fn ended(&mut self, end: LinkError) -> Poll<LinkError> {
        self.phase = Phase::Ended(end.clone());
        Poll::Ready(end)
    }

    /// Drives for the sending half, which must not keep to itself what concerns the receiving half.
    fn drive_for_sender(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let had_news = self.ahead.is_some();
        let driven = self.drive(cx);
        if driven.is_ready() || self.ahead.is_some() != had_news {
            cx.waker().wake_by_ref();
        }
        self.sender_waits = self.unflushed;
        match (driven, &self.write_error) {
            (Poll::Ready(end), _) => Poll::Ready(Err(end)),
            (Poll::Pending, Some(error)) => Poll::Ready(Err(error.clone())),
            (Poll::Pending, None) if self.unflushed => Poll::Pending,
            (Poll::Pending, None) => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for SocketWire<S> {
    /// One frame at a time: the kernel's buffers are the queue.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        match &self.phase {
            Phase::Closing(close) => Poll::Ready(Err(LinkError::Closed(close.clone()))),
            Phase::Open | Phase::Expelling(_) | Phase::Ended(_) => self.drive_for_sender(cx),
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), LinkError> {
        self.check_open()?;
        if frame.len() > WHOLE_FRAME_BYTES && self.may_pass() {
            self.pass(Outgoing::whole(frame));
            return Ok(());
        }
        self.begin(Outgoing::begin(frame))
    }

    fn push_parts(&mut self, head: Bytes, body: Bytes) -> Result<(), LinkError> {
        self.check_open()?;
        if self.may_pass() {
            self.pass(Outgoing::parts(head, body));
            return Ok(());
        }
        self.begin(Outgoing::begin_parts(head, body))
    }

    /// Past the library. What is large leaves frame by frame instead: few share a large batch, and slow peers keep it for long.
    fn try_push(&mut self, batch: &Batch, cx: &mut Context<'_>) -> Result<bool, LinkError> {
        self.check_open()?;
        if batch.bytes() > WHOLE_FRAME_BYTES || !self.may_pass() {
            return Ok(false);
        }
        let stream = self.socket.get_mut();
        stream.put_ahead(batch.encoded(outgoing::encoded), Bytes::new());
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.write_error = Some(LinkError::lost(error)),
            Poll::Pending => self.unflushed = true,
        }
        self.heartbeat.note(self.socket.get_ref().moved, self.unflushed);
        self.write_error.clone().map_or(Ok(true), Err)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.drive_for_sender(cx)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        let driven = self.drive(cx);
        if self.sender_waits && (!self.unflushed || self.write_error.is_some()) {
            self.sender_waits = false;
            cx.waker().wake_by_ref();
        }
        match (self.ahead.take(), driven) {
            (Some(frame), _) => Poll::Ready(Ok(frame)),
            (None, driven) => driven.map(Err),
        }
    }

    fn close(&mut self, close: Close) {
        if matches!(self.phase, Phase::Open) {
            self.goodbye = Some(close_frame(close.clone()));
            if self.outgoing.is_none() {
                self.go_on();
            }
            self.heartbeat.expire_at(Instant::now() + CLOSE_TIMEOUT);
            self.phase = Phase::Closing(close);
        }
    }
}

/// What reading came to.
enum Ending {
    Over(LinkError),
    Expel { end: LinkError, close: Close },
}

impl Ending {
    fn closed(close: Option<CloseFrame>) -> Self {
        let close = close.map_or(Close::new(Close::NO_REASON, ""), |close| {
            Close::new(close.code.into(), close.reason.as_str())
        });
        Self::Over(LinkError::Closed(close))
    }

    /// Sorts the library's errors by whose fault they are.
    fn of(error: Error) -> Self {
        let code = match &error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Close::TOO_LARGE,
            Error::Utf8(_) => Close::NOT_UTF8,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return Self::Over(LinkError::lost("the peer hung up without a goodbye"));
            }
            Error::Protocol(_) | Error::Capacity(_) => Close::PROTOCOL,
            _ => return Self::Over(LinkError::lost(error)),
        };
        let what = match error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                format!("a frame of {size} bytes is over the limit of {max_size}")
            }
            error => error.to_string(),
        };
        let close = Close::new(code, what.as_str());
        Self::Expel { end: LinkError::Misbehaved { what }, close }
    }
}

fn close_frame(close: Close) -> CloseFrame {
    CloseFrame { code: close.code.into(), reason: close.reason.into() }
}

/// Ready once the peer has hung up.
fn discard(stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
    let mut bytes = [0; DISCARD_BYTES];
    loop {
        let mut buffer = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
}

/// A stream that counts what moves over it, for the heartbeat.
pub(super) struct Traffic<S> {
    stream: S,
    moved: Moved,
    /// What leaves before anything else that is written.
    ahead: Chain<Bytes, Bytes>,
}

impl<S> Traffic<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, moved: Moved::default(), ahead: Bytes::new().chain(Bytes::new()) }
    }

    /// Has whole frames leave before anything else, without a copy. What was put ahead before must have left.
    fn put_ahead(&mut self, first: Bytes, second: Bytes) {
        debug_assert!(!self.ahead.has_remaining(), "what was put here before has left");
        self.ahead = first.chain(second);
    }
}

impl<S: AsyncWrite + Unpin> Traffic<S> {
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, moved, ahead } = self;
        if !ahead.has_remaining() {
            return Poll::Ready(Ok(()));
        }
        while ahead.has_remaining() {
            let mut parts = [IoSlice::new(&[]); 2];
            let filled = ahead.chunks_vectored(&mut parts);
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &parts[..filled]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            moved.sent += written as u64;
            ahead.advance(written);
        }
        // Nothing keeps the batch that everybody has taken.
        *ahead = Bytes::new().chain(Bytes::new());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Traffic<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.moved.received += (buffer.filled().len() - before) as u64;
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Traffic<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ahead(cx))?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.moved.sent += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ahead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ahead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
