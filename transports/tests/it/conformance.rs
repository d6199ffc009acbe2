//! Every transport of this crate, held to the published rules; and the rules, shown to bite.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use crate::support::{Server, WebSocketHarness};
use async_trait::async_trait;
use syncline_transports::{
    Close, Frame, Hybrid, Link, LinkError, Transport, TransportError, WebSocket, Wire,
    conformance::{self, Harness},
    memory::{self, MemoryListener, MemoryTransport},
};
use tokio::sync::Mutex;

struct InMemory<T> {
    transport: T,
    listener: Mutex<MemoryListener>,
}

#[async_trait]
impl<T: Transport> Harness for InMemory<T> {
    fn transport(&self) -> &dyn Transport {
        &self.transport
    }

    async fn accept(&self) -> Link {
        self.listener.lock().await.accept().await.unwrap()
    }
}

fn in_memory<T>(wrap: impl FnOnce(MemoryTransport) -> T) -> InMemory<T> {
    let (transport, listener) = memory::listen();
    InMemory { transport: wrap(transport), listener: Mutex::new(listener) }
}

#[tokio::test]
async fn memory_conforms() {
    conformance::suite(&in_memory(|memory| memory)).await.unwrap();
}

#[tokio::test]
async fn memory_conforms_with_a_small_limit() {
    conformance::suite(&in_memory(|memory| memory.max_frame_bytes(1000))).await.unwrap();
}

#[tokio::test]
async fn websocket_conforms() {
    let server = Server::plain().await;
    let client = server.client();
    conformance::suite(&WebSocketHarness { server, client }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_conforms_on_several_threads() {
    let server = Server::plain().await;
    let client = server.client();
    conformance::suite(&WebSocketHarness { server, client }).await.unwrap();
}

#[tokio::test]
async fn websocket_conforms_with_a_large_limit() {
    let mut server = Server::plain().await;
    server.settings = server.settings.max_frame_bytes(4 << 20);
    let client = server.client().max_frame_bytes(4 << 20);
    conformance::suite(&WebSocketHarness { server, client }).await.unwrap();
}

#[tokio::test]
async fn websocket_with_tls_conforms() {
    let (server, certificate) = Server::secure().await;
    let client = server.client().tls_roots(certificate);
    conformance::suite(&WebSocketHarness { server, client }).await.unwrap();
}

#[tokio::test]
async fn hybrid_conforms_over_its_best_transport() {
    let harness = in_memory(|memory| Hybrid::new(vec![Box::new(memory)]));
    conformance::suite(&harness).await.unwrap();
}

#[tokio::test]
async fn hybrid_conforms_over_its_fallback() {
    let nobody = WebSocket::new("ws://127.0.0.1:1/");
    let harness = in_memory(|memory| Hybrid::new(vec![Box::new(nobody), Box::new(memory)]));
    conformance::suite(&harness).await.unwrap();
}

/// A transport that does one thing wrong to every frame it sends.
struct Broken {
    inner: MemoryTransport,
    defect: Defect,
}

#[derive(Clone, Copy, Debug)]
enum Defect {
    Reorders,
    Duplicates,
    ForgetsKind,
    Truncates,
    TakesEverything,
    LeaksTasks,
    HidesTheReason,
}

#[async_trait]
impl Transport for Broken {
    async fn connect(&self) -> Result<Link, TransportError> {
        let link = self.inner.connect().await?;
        if let Defect::LeaksTasks = self.defect {
            tokio::spawn(std::future::pending::<()>());
        }
        let (endpoint, limit) = (link.endpoint().to_owned(), link.max_frame_bytes());
        Ok(Link::new(endpoint, limit, BrokenWire::over(link, self.defect)))
    }

    fn endpoint(&self) -> String {
        format!("{:?}", self.defect)
    }
}

/// Queues without a bound, which `TakesEverything` shows and the others do not reach.
struct BrokenWire {
    link: Link,
    defect: Defect,
    queue: VecDeque<Frame>,
}

impl BrokenWire {
    fn over(link: Link, defect: Defect) -> Self {
        Self { link, defect, queue: VecDeque::new() }
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        while let Some(frame) = self.queue.pop_front() {
            let mut send = Box::pin(self.link.send(frame.clone()));
            let sent = Future::poll(send.as_mut(), cx);
            drop(send);
            match sent {
                Poll::Pending => self.queue.push_front(frame),
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(_)) => {}
            }
            return sent;
        }
        Poll::Ready(Ok(()))
    }
}

impl Wire for BrokenWire {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let driven = self.poll_queue(cx);
        match (self.defect, driven) {
            (Defect::TakesEverything, Poll::Pending) => Poll::Ready(Ok(())),
            (_, driven) => driven,
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), LinkError> {
        match (self.defect, &frame) {
            (Defect::Reorders, Frame::Text(text)) if text.len() == 2 => self.queue.push_front(frame),
            (Defect::Duplicates, _) => self.queue.extend([frame.clone(), frame]),
            (Defect::ForgetsKind, _) => self.queue.push_back(Frame::Binary(frame.into_bytes())),
            (Defect::Truncates, _) if frame.len() > 60_000 => {
                self.queue.push_back(Frame::Binary(frame.into_bytes().slice(..60_000)));
            }
            _ => self.queue.push_back(frame),
        }
        if let (Defect::Reorders, 2..) = (self.defect, self.queue.len()) {
            self.queue.swap(0, 1);
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        if let (Defect::Reorders, 1) = (self.defect, self.queue.len()) {
            return Poll::Ready(Ok(()));
        }
        self.poll_queue(cx)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        let mut receive = Box::pin(self.link.receive());
        let received = Future::poll(receive.as_mut(), cx);
        drop(receive);
        received.map(|received| match received {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) if matches!(self.defect, Defect::HidesTheReason) => {
                Err(LinkError::Closed(Close::from("because")))
            }
            Ok(None) => Err(self.link.end().unwrap()),
            Err(end) => Err(end),
        })
    }

    fn close(&mut self, close: Close) {
        let link = std::mem::replace(&mut self.link, memory::pair().0);
        let _closed = futures_util::FutureExt::now_or_never(link.close(close));
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_finds_what_is_broken() {
    for (defect, rule) in [
        (Defect::Reorders, "in order"),
        (Defect::Duplicates, "in order"),
        (Defect::ForgetsKind, "in order"),
        (Defect::Truncates, "every size"),
        (Defect::TakesEverything, "makes send wait"),
        (Defect::HidesTheReason, "with its reason"),
        (Defect::LeaksTasks, "no task behind"),
    ] {
        let harness = in_memory(|inner| Broken { inner, defect });
        let violation = conformance::suite(&harness).await.unwrap_err();
        assert!(violation.rule.contains(rule), "{defect:?}: {violation}");
    }
}
