//! What comes in from the clients of other protocols, before it is a message: one memory budget for all of them.
//!
//! Yjs clients send whole documents in one message, and a message is in memory as a whole before it means anything. Small
//! ones come in as they like. When more than a little of a message has come in, the connection waits for one of a few places
//! for large messages, and keeps it until the message has been dealt with. So a thousand clients that send their documents at
//! once are served a few at a time, and one that begins a large message and leaves it at that is given up. Strangers, who have
//! shown no token yet, have places of their own, so that they can keep out nobody but each other.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes of a message that come in without a place.
pub(crate) const SMALL_MESSAGE_BYTES: usize = 64 << 10;

/// Large messages that come in at the same time.
pub(crate) const MAX_LARGE_MESSAGES: usize = 8;

/// Large messages of strangers that come in at the same time.
pub(crate) const MAX_LARGE_MESSAGES_OF_STRANGERS: usize = 2;

/// How long a large message may take to come in.
pub(crate) const LARGE_MESSAGE_TIME: Duration = Duration::from_secs(60);

/// The places for large messages.
#[derive(Clone)]
pub(crate) struct Intake {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Intake {
    fn default() -> Self {
        let places = |number| Arc::new(Semaphore::new(number));
        Self { known: places(MAX_LARGE_MESSAGES), strangers: places(MAX_LARGE_MESSAGES_OF_STRANGERS) }
    }
}

impl Intake {
    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        let free = self.known.available_permits() + self.strangers.available_permits();
        MAX_LARGE_MESSAGES + MAX_LARGE_MESSAGES_OF_STRANGERS - free
    }

    /// Waits for a place, for something large of somebody known that comes in by another way than [`Metered`]; `None` if the
    /// relay stops.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.known.clone().acquire_owned().await.ok()
    }
}

/// How much of a message has come in, and whether of somebody known. Both ends of a connection hold it: the stream counts, the
/// session begins anew.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Measured>);

#[derive(Default)]
struct Measured {
    bytes: AtomicUsize,
    is_known: AtomicBool,
}

impl Meter {
    /// A message has been dealt with.
    pub(crate) fn reset(&self) {
        self.0.bytes.store(0, Ordering::Relaxed);
    }

    /// The client has shown a token that is good for something.
    pub(crate) fn is_known(&self) {
        self.0.is_known.store(true, Ordering::Relaxed);
    }
}

/// A socket whose large messages wait for their turn.
pub(crate) struct Metered {
    stream: TcpStream,
    intake: Intake,
    meter: Meter,
    place: Place,
}

/// The place of a connection among those with a large message.
enum Place {
    None,
    Waiting(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
    Taken { _permit: OwnedSemaphorePermit, until: Pin<Box<Sleep>> },
}

impl Metered {
    pub(crate) const fn new(stream: TcpStream, intake: Intake, meter: Meter) -> Self {
        Self { stream, intake, meter, place: Place::None }
    }

    /// Ready when more may come in.
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.meter.0.bytes.load(Ordering::Relaxed) < SMALL_MESSAGE_BYTES {
            self.place = Place::None;
            return Poll::Ready(Ok(()));
        }
        loop {
            match &mut self.place {
                Place::None => {
                    let places = match self.meter.0.is_known.load(Ordering::Relaxed) {
                        true => self.intake.known.clone(),
                        false => self.intake.strangers.clone(),
                    };
                    self.place = Place::Waiting(Box::pin(async move { places.acquire_owned().await.ok() }));
                }
                Place::Waiting(turn) => {
                    let Some(permit) = ready!(turn.as_mut().poll(cx)) else {
                        return Poll::Ready(Err(io::Error::other("the relay stops")));
                    };
                    let until = Box::pin(sleep_until(Instant::now() + LARGE_MESSAGE_TIME));
                    self.place = Place::Taken { _permit: permit, until };
                }
                Place::Taken { until, .. } => {
                    return match until.as_mut().poll(cx) {
                        Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                        Poll::Pending => Poll::Ready(Ok(())),
                    };
                }
            }
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_place(cx))?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.meter.0.bytes.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(intake: &Intake) -> (TcpStream, Metered, Meter) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, meter) = (listener.accept().await.unwrap().0, Meter::default());
        meter.is_known();
        (client, Metered::new(server, intake.clone(), meter.clone()), meter)
    }

    async fn pair_with_stranger(intake: &Intake) -> (TcpStream, Metered) {
        let (client, mut server, _meter) = pair(intake).await;
        server.meter = Meter::default();
        (client, server)
    }

    #[tokio::test]
    async fn large_messages_wait_for_their_turn_and_small_ones_do_not() {
        let intake = Intake { known: Arc::new(Semaphore::new(1)), ..Intake::default() };
        let large = vec![0; SMALL_MESSAGE_BYTES + 1];
        let (mut one, mut to_one, first) = pair(&intake).await;
        let (mut other, mut to_other, _second) = pair(&intake).await;
        let (mut small, mut to_small, _third) = pair(&intake).await;
        one.write_all(&large).await.unwrap();
        other.write_all(&large).await.unwrap();
        small.write_all(b"hello").await.unwrap();
        let mut bytes = vec![0; SMALL_MESSAGE_BYTES];
        to_one.read_exact(&mut bytes).await.unwrap();
        to_one.read_exact(&mut bytes[..1]).await.unwrap();
        to_other.read_exact(&mut bytes).await.unwrap();
        let mut last = [0];
        let mut waits = Box::pin(to_other.read_exact(&mut last));
        assert!((&mut waits).now_or_never().is_none());
        to_small.read_exact(&mut bytes[..5]).await.unwrap();
        // The first has been dealt with, and its connection goes on.
        first.reset();
        one.write_all(b"x").await.unwrap();
        to_one.read_exact(&mut bytes[..1]).await.unwrap();
        waits.await.unwrap();
    }

    #[tokio::test]
    async fn strangers_keep_out_nobody_but_each_other() {
        let intake = Intake { strangers: Arc::new(Semaphore::new(1)), ..Intake::default() };
        let large = vec![0; SMALL_MESSAGE_BYTES + 1];
        let (mut one, mut to_one) = pair_with_stranger(&intake).await;
        let (mut other, mut to_other) = pair_with_stranger(&intake).await;
        let (mut known, mut to_known, _meter) = pair(&intake).await;
        let mut bytes = vec![0; SMALL_MESSAGE_BYTES];
        for (client, server) in [(&mut one, &mut to_one), (&mut other, &mut to_other)] {
            client.write_all(&large).await.unwrap();
            server.read_exact(&mut bytes).await.unwrap();
        }
        to_one.read_exact(&mut bytes[..1]).await.unwrap();
        assert!(to_other.read_exact(&mut bytes[..1]).now_or_never().is_none());
        known.write_all(&large).await.unwrap();
        to_known.read_exact(&mut bytes).await.unwrap();
        to_known.read_exact(&mut bytes[..1]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_that_does_not_end_is_given_up() {
        let (mut client, mut server, _meter) = pair(&Intake::default()).await;
        client.write_all(&vec![0; SMALL_MESSAGE_BYTES + 1]).await.unwrap();
        let mut bytes = vec![0; SMALL_MESSAGE_BYTES];
        server.read_exact(&mut bytes).await.unwrap();
        server.read_exact(&mut bytes[..1]).await.unwrap();
        let error = server.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
