//! A relay and engines in one process, over in-memory links.

#![allow(dead_code, reason = "every test file uses its part of it")]

use std::time::Duration;

use syncline::node::{Node, OnEvent};
use syncline::transports::memory::{self, MemoryTransport};
use syncline::{Compression, Encoding, Engine, MemoryStorage, Principal, Storage};
use syncline_core::event::Side;
use syncline_core::replica::{Config, Policy};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay over a store, and how to reach it.
pub fn relay(storage: impl Storage + 'static, policy: Policy, on_event: OnEvent) -> (MemoryTransport, Node) {
    let config = Config {
        agent: "test relay".to_owned(),
        principal: Principal::new("relay").unwrap(),
        encoding: Encoding::Binary,
        compression: vec![Compression::Gzip],
        seed: 7,
        policy,
    };
    let node = Node::start(Box::new(storage), config, on_event).unwrap();
    let (transport, mut listener) = memory::listen();
    let accepting = node.clone();
    tokio::spawn(async move {
        while let Some(link) = listener.accept().await {
            accepting.attach(link, Side::Accepted);
        }
    });
    (transport, node)
}

/// An engine with an empty store, connected there.
pub fn engine(transport: &MemoryTransport) -> Engine {
    Engine::builder(MemoryStorage::new()).relay(transport.clone()).longest_wait(200).open().unwrap()
}

/// Waits for what must happen soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
