//! The two halves of a link in different tasks: what one finds out must wake the other.
//!
//! A socket tells about each change once. Here it does not tell at all, so that the half which looks first
//! is the only one that knows.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use syncline_transports::{Frame, LinkReceiver, LinkSender, websocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that wakes nobody.
#[derive(Clone, Default)]
struct Mute(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    readable: Vec<u8>,
    hung_up: bool,
    writable: bool,
}

impl Mute {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl AsyncRead for Mute {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.readable.is_empty() && !state.hung_up {
            return Poll::Pending;
        }
        buffer.put_slice(&std::mem::take(&mut state.readable));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Mute {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.lock().unwrap().writable {
            true => Poll::Ready(Ok(bytes.len())),
            false => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    /// Whether there was a wake since the last look.
    fn seen(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One poll of something that a task with these `wakes` waits for.
fn poll<T>(wakes: &Arc<Wakes>, future: impl Future<Output = T>) -> Poll<T> {
    let waker = Waker::from(wakes.clone());
    pin!(future).poll(&mut Context::from_waker(&waker))
}

async fn halves() -> (Mute, LinkSender, LinkReceiver, Arc<Wakes>, Arc<Wakes>) {
    let socket = Mute::default();
    let link = websocket::accept(socket.clone(), Vec::new(), "mute", Default::default()).await;
    let (sender, receiver) = link.split();
    (socket, sender, receiver, Arc::default(), Arc::default())
}

#[tokio::test]
async fn a_frame_found_by_the_sender_wakes_the_receiver() {
    let (socket, mut sender, mut receiver, sends, receives) = halves().await;
    assert!(poll(&receives, receiver.receive()).is_pending());
    socket.set(|state| state.readable = vec![0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    assert!(poll(&sends, sender.flush()).is_ready());
    assert!(receives.seen());
    let received = poll(&receives, receiver.receive());
    assert_eq!(received, Poll::Ready(Ok(Some(Frame::text("hi")))));
}

#[tokio::test]
async fn an_end_found_by_the_sender_wakes_the_receiver() {
    let (socket, mut sender, mut receiver, sends, receives) = halves().await;
    assert!(poll(&receives, receiver.receive()).is_pending());
    socket.set(|state| state.hung_up = true);
    let Poll::Ready(Err(end)) = poll(&sends, sender.flush()) else { panic!("no end") };
    assert!(receives.seen());
    assert_eq!(poll(&receives, receiver.receive()), Poll::Ready(Err(end)));
}

#[tokio::test]
async fn room_found_by_the_receiver_wakes_the_sender() {
    let (socket, mut sender, mut receiver, sends, receives) = halves().await;
    assert!(poll(&sends, sender.send(Frame::text("waits"))).is_pending());
    assert!(poll(&sends, sender.flush()).is_pending());
    socket.set(|state| state.writable = true);
    assert!(poll(&receives, receiver.receive()).is_pending());
    assert!(sends.seen());
    assert_eq!(poll(&sends, sender.flush()), Poll::Ready(Ok(())));
}

#[tokio::test]
async fn an_end_found_by_the_receiver_wakes_the_sender() {
    let (socket, mut sender, mut receiver, sends, receives) = halves().await;
    assert!(poll(&sends, sender.send(Frame::text("waits"))).is_pending());
    socket.set(|state| state.hung_up = true);
    let Poll::Ready(Err(end)) = poll(&receives, receiver.receive()) else { panic!("no end") };
    assert!(sends.seen());
    assert_eq!(poll(&sends, sender.flush()), Poll::Ready(Err(end)));
}

#[tokio::test]
async fn a_close_by_the_sender_wakes_the_receiver_to_time_the_goodbye() {
    let (socket, mut sender, mut receiver, sends, receives) = halves().await;
    socket.set(|state| state.writable = true);
    assert!(poll(&receives, receiver.receive()).is_pending());
    assert!(poll(&sends, sender.close("bye")).is_ready());
    assert!(receives.seen());
}
