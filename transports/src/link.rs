//! A link: one connection to one peer, while it lasts.
//!
//! A [`Link`] is a bounded sink and a stream of frames. It owns no task: everything a connection has to do,
//! answering a ping or noticing that the peer is dead, happens while its owner waits for something on it.
//! That makes an idle link cheap and means that dropping it frees all of it. It also asks one thing of the
//! owner: **keep a [`LinkReceiver::receive`] pending**, as every owner that cares about its peer does anyway.
//!
//! What a transport provides is a [`Wire`]. This module puts around it what every link has: two halves that
//! may live in different tasks, the frame limit, and an end that is remembered.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker, ready},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use crate::{Batch, Close, Frame, LinkError};

/// The two directions of one connection, as a transport provides them to [`Link::new`].
///
/// All functions are called under one lock, with one waker that wakes both halves of the link, so a wire
/// needs to remember one waker only. It must call it when either direction may have moved, also when one
/// direction's call has moved the other. An error of `poll_receive` is the end of the link; the wire is
/// then dropped, which must free its socket.
pub trait Wire: Send {
    /// Ready when one more frame may be taken. This is the back-pressure: a wire holds a small, fixed
    /// number of frames that the peer has not taken.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>>;

    /// Takes one frame within the limit, after `poll_ready` was ready.
    fn push(&mut self, frame: Frame) -> Result<(), LinkError>;

    /// The same for a binary frame in two parts, of which the second one may be shared by many links. A wire that need not
    /// copy it does not.
    fn push_parts(&mut self, head: Bytes, body: Bytes) -> Result<(), LinkError> {
        self.push(Frame::binary([head, body].concat()))
    }

    /// Takes the frames of a batch, which are within the limit, and begins to send them, if there is room for all of them now;
    /// false if there is not, or if this wire takes frames one by one only.
    fn try_push(&mut self, _batch: &Batch, _cx: &mut Context<'_>) -> Result<bool, LinkError> {
        Ok(false)
    }

    /// Ready when everything taken has left for the peer.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>>;

    /// The next frame of the peer, or the end, always the same one.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>>;

    /// Begins the end in good order: what was taken before still goes out, then `close`. Within a bounded
    /// time after that `poll_receive` must report the end.
    fn close(&mut self, close: Close);
}

/// One connection to one peer. Dropping it (both halves, after [`Link::split`]) frees everything it holds;
/// the peer then sees [`LinkError::Lost`], unless the link was closed before.
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

/// The half that sends.
pub struct LinkSender {
    shared: Arc<Shared>,
}

/// The half that receives, and that keeps the link alive.
pub struct LinkReceiver {
    shared: Arc<Shared>,
}

/// Another way into the sending direction, for whoever sends the same to many links. It does not keep the link alive.
#[derive(Clone)]
pub struct Outlet {
    shared: Weak<Shared>,
}

/// Room for one frame, got from [`LinkSender::reserve`].
#[must_use = "nothing is sent without a frame"]
pub struct Permit<'a> {
    shared: &'a Shared,
}

impl Link {
    /// For transports: a link over `wire`, whose frames are at most `max_frame_bytes` long. The wire itself
    /// must enforce the limit on what comes in, before it allocates.
    pub fn new(endpoint: impl Into<Arc<str>>, max_frame_bytes: usize, wire: impl Wire + 'static) -> Self {
        let wakers = Arc::new(Wakers::default());
        let shared = Arc::new(Shared {
            endpoint: endpoint.into(),
            max_frame_bytes,
            waker: Waker::from(wakers.clone()),
            wakers,
            state: Mutex::new(State::Open(Box::new(wire))),
        });
        Self { sender: LinkSender { shared: shared.clone() }, receiver: LinkReceiver { shared } }
    }

    /// Where this link leads, for people. A hybrid's links name the transport that is in use.
    pub fn endpoint(&self) -> &str {
        &self.sender.shared.endpoint
    }

    /// The largest frame this link takes.
    pub fn max_frame_bytes(&self) -> usize {
        self.sender.shared.max_frame_bytes
    }

    /// See [`LinkSender::send`].
    pub async fn send(&mut self, frame: Frame) -> Result<(), LinkError> {
        self.sender.send(frame).await
    }

    /// See [`LinkReceiver::receive`].
    pub async fn receive(&mut self) -> Result<Option<Frame>, LinkError> {
        self.receiver.receive().await
    }

    /// See [`LinkReceiver::end`].
    pub fn end(&self) -> Option<LinkError> {
        self.receiver.end()
    }

    /// See [`LinkSender::outlet`].
    pub fn outlet(&self) -> Outlet {
        self.sender.outlet()
    }

    /// Two halves for two tasks, or for two branches of one `select!`.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }

    /// Ends the link in good order and waits, for a bounded time, until the peer has heard it. Frames that
    /// still come in are dropped.
    pub async fn close(mut self, close: impl Into<Close>) {
        self.sender.close(close).await;
        while let Ok(Some(_)) = self.receive().await {}
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.sender.shared.poll_ready(cx)
    }

    pub(crate) fn push(&self, frame: Frame) -> Result<(), LinkError> {
        self.sender.shared.push(frame)
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.sender.shared.poll_flush(cx)
    }

    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        self.receiver.shared.poll_receive(cx)
    }

    pub(crate) fn start_close(&self, close: Close) {
        self.sender.shared.close(close);
    }
}

impl LinkSender {
    /// Hands one frame over and waits until it has left for the peer; a full link makes this wait.
    /// Dropped before it is done, the frame may or may not be sent, whole; where that matters, as in a
    /// `select!`, use [`LinkSender::reserve`].
    pub async fn send(&mut self, frame: Frame) -> Result<(), LinkError> {
        self.reserve().await?.send(frame)?;
        self.flush().await
    }

    /// As [`LinkSender::send`], for a binary frame in two parts; the peer sees one frame. Sent to many links, the second part
    /// is not copied for each.
    pub async fn send_parts(&mut self, head: Bytes, body: Bytes) -> Result<(), LinkError> {
        poll_fn(|cx| self.shared.poll_ready(cx)).await?;
        self.shared.push_parts(head, body)?;
        self.flush().await
    }

    /// Waits until the link takes a frame. Dropping this future loses nothing.
    pub async fn reserve(&mut self) -> Result<Permit<'_>, LinkError> {
        poll_fn(|cx| self.shared.poll_ready(cx)).await?;
        Ok(Permit { shared: &self.shared })
    }

    /// Waits until everything handed over has left for the peer. Not needed while a receive is pending,
    /// which flushes too.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| self.shared.poll_flush(cx)).await
    }

    /// Another way into the link; what leaves by it comes between frames that are sent here, whole.
    pub fn outlet(&self) -> Outlet {
        Outlet { shared: Arc::downgrade(&self.shared) }
    }

    /// Ends the link in good order: frames handed over before still go out. The receiving half then ends
    /// within a bounded time, when the peer has answered or has failed to.
    pub async fn close(&mut self, close: impl Into<Close>) {
        self.shared.close(close.into());
        // A link that is already gone needs no goodbye.
        let _gone = self.flush().await;
    }

    /// See [`Link::endpoint`].
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// See [`Link::max_frame_bytes`].
    pub fn max_frame_bytes(&self) -> usize {
        self.shared.max_frame_bytes
    }
}

impl Permit<'_> {
    /// Hands the frame over at once. It leaves while the owner waits for anything on this link.
    pub fn send(self, frame: Frame) -> Result<(), LinkError> {
        self.shared.push(frame)
    }
}

impl Outlet {
    /// Sends a batch, all of it or nothing, without waiting: false if the peer has not taken what it was sent before, or if the
    /// link takes frames one by one only. Then they are for [`LinkSender::send`], which waits. Whoever holds the link has
    /// a receive pending, by which what has no room in the socket leaves later.
    pub fn try_send(&self, batch: &Batch) -> Result<bool, LinkError> {
        match self.shared.upgrade() {
            Some(shared) => shared.try_push(batch),
            None => Err(LinkError::lost("the link was dropped")),
        }
    }
}

impl LinkReceiver {
    /// The next frame; `None` once the link is closed in good order; an error once it ended otherwise, the
    /// same one from then on. Dropping this future loses nothing.
    pub async fn receive(&mut self) -> Result<Option<Frame>, LinkError> {
        match poll_fn(|cx| self.shared.poll_receive(cx)).await {
            Ok(frame) => Ok(Some(frame)),
            Err(LinkError::Closed(_)) => Ok(None),
            Err(end) => Err(end),
        }
    }

    /// How the link ended, once `receive` has said that it did: here a close in good order tells its reason.
    pub fn end(&self) -> Option<LinkError> {
        match &*self.shared.lock() {
            State::Open(_) => None,
            State::Ended(end) => Some(end.clone()),
        }
    }

    /// See [`Link::endpoint`].
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("endpoint", &self.endpoint()).field("end", &self.end()).finish()
    }
}

struct Shared {
    endpoint: Arc<str>,
    max_frame_bytes: usize,
    wakers: Arc<Wakers>,
    /// Wakes both halves. Whatever stirs on the wire may concern either, and a wire has room for one waker.
    waker: Waker,
    state: Mutex<State>,
}

enum State {
    Open(Box<dyn Wire>),
    Ended(LinkError),
}

#[derive(Default)]
struct Wakers {
    sender: AtomicWaker,
    receiver: AtomicWaker,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.sender.wake();
        self.receiver.wake();
    }
}

impl Shared {
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.wakers.sender.register(cx.waker());
        self.on_wire(|wire, cx| wire.poll_ready(cx))
    }

    fn push(&self, frame: Frame) -> Result<(), LinkError> {
        let (bytes, limit) = (frame.len(), self.max_frame_bytes);
        if bytes > limit {
            return Err(LinkError::TooLarge { bytes, limit });
        }
        match &mut *self.lock() {
            State::Open(wire) => wire.push(frame),
            State::Ended(end) => Err(end.clone()),
        }
    }

    fn push_parts(&self, head: Bytes, body: Bytes) -> Result<(), LinkError> {
        let (bytes, limit) = (head.len() + body.len(), self.max_frame_bytes);
        if bytes > limit {
            return Err(LinkError::TooLarge { bytes, limit });
        }
        match &mut *self.lock() {
            State::Open(wire) => wire.push_parts(head, body),
            State::Ended(end) => Err(end.clone()),
        }
    }

    fn try_push(&self, batch: &Batch) -> Result<bool, LinkError> {
        let (bytes, limit) = (batch.largest(), self.max_frame_bytes);
        if bytes > limit {
            return Err(LinkError::TooLarge { bytes, limit });
        }
        match &mut *self.lock() {
            State::Open(wire) => wire.try_push(batch, &mut Context::from_waker(&self.waker)),
            State::Ended(end) => Err(end.clone()),
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.wakers.sender.register(cx.waker());
        self.on_wire(|wire, cx| wire.poll_flush(cx))
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        self.wakers.receiver.register(cx.waker());
        let received = ready!(self.on_wire(|wire, cx| wire.poll_receive(cx)));
        if let Err(end) = &received {
            let wire = std::mem::replace(&mut *self.lock(), State::Ended(end.clone()));
            drop(wire);
            self.wakers.sender.wake();
        }
        Poll::Ready(received)
    }

    fn close(&self, close: Close) {
        if let State::Open(wire) = &mut *self.lock() {
            wire.close(close);
        }
        self.waker.wake_by_ref();
    }

    fn on_wire<T>(
        &self,
        poll: impl FnOnce(&mut dyn Wire, &mut Context<'_>) -> Poll<Result<T, LinkError>>,
    ) -> Poll<Result<T, LinkError>> {
        match &mut *self.lock() {
            State::Open(wire) => poll(wire.as_mut(), &mut Context::from_waker(&self.waker)),
            State::Ended(end) => Poll::Ready(Err(end.clone())),
        }
    }

    /// A wire that panicked poisons nothing that a later call could misread.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
