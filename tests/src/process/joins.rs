//! Many Yjs clients that hold nothing join one document at once: what that takes a relay, and what it takes the server of
//! somebody else.
//!
//! The clients speak their protocol and hold no document, so that what is measured is the server. All of them must be
//! given the same bytes, and what one of them was given must be the document.

pub mod document;
mod guest;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use self::document::Written;
use self::guest::{Guest, Joined};
use super::clients::Kind;
use super::relay::Relay;
use super::servers::{Server, Settings};
use super::{cpu, memory};

/// The document that everybody joins.
const DOC: &str = "joins";

/// Who writes it.
const AUTHOR: u64 = 1;

/// One without content.
const SMALL_DOC: &str = "small";

/// Who is joined, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The relay, as y-websocket clients do it.
    RelayYjs,
    /// The relay, as Hocuspocus clients do it.
    RelayHocuspocus,
    /// The Hocuspocus server.
    Hocuspocus,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many join.
    pub joins: usize,
    /// How large the document is, in bytes, about.
    pub bytes: usize,
}

/// What was seen in a run in which all were given the document.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// How large the document is as one update, in bytes.
    pub document: u64,
    /// Resident memory of the server before, with the document on disk alone, in bytes. It has served somebody else, so that
    /// its code is in memory as it is in one that has run for a while.
    pub idle: u64,
    /// The most of it during the joins.
    pub peak: u64,
    /// From the first connection until all had the document.
    pub all: Duration,
    /// From its connection until a client had it: half of them, and all of them, took no longer.
    pub each: (Duration, Duration),
    /// Processor time that the server took for all.
    pub cpu: Duration,
}

impl Run {
    /// Plays the run; an error says what was not as it must be.
    ///
    /// # Panics
    /// If a server or a client fails.
    pub async fn play(self, host: Host) -> Result<Figures, String> {
        let written = Written::new(AUTHOR, self.bytes);
        let mut running = Running::prepared(host, &written).await;
        let (pid, address) = (running.pid(), running.address());
        Guest::connect(host, address, SMALL_DOC).await.join(false).await;
        let (idle, cpu) = (memory::resident(pid), cpu::taken(pid));
        let begun = Instant::now();
        let joined = self.join(host, address).await;
        let (all, peak) = (begun.elapsed(), memory::peak(pid));
        let cpu = cpu::taken(pid) - cpu;
        let each = verified(&joined, &written)?;
        Ok(Figures { document: written.size(), idle, peak, all, each, cpu })
    }

    async fn join(self, host: Host, address: SocketAddr) -> Vec<Joined> {
        let barrier = Arc::new(Barrier::new(self.joins));
        let mut tasks = JoinSet::new();
        for number in 0..self.joins {
            let barrier = barrier.clone();
            tasks.spawn(async move {
                barrier.wait().await;
                let keeps = number == 0;
                Guest::connect(host, address, DOC).await.join(keeps).await
            });
        }
        tasks.join_all().await
    }
}

/// Whether all have been given the same, and that is the document.
fn verified(joined: &[Joined], written: &Written) -> Result<(Duration, Duration), String> {
    let first = joined.iter().find(|joined| !joined.updates.is_empty()).ok_or("nobody was given anything")?;
    if !written.is_told_by(&first.updates) {
        return Err("what was given is not the document".to_owned());
    }
    if let Some(other) = joined.iter().find(|joined| joined.digest != first.digest) {
        return Err(format!("two were given different bytes: {:x} and {:x}", first.digest, other.digest));
    }
    let mut times: Vec<Duration> = joined.iter().map(|joined| joined.took).collect();
    times.sort_unstable();
    Ok((times[times.len() / 2], times[times.len() - 1]))
}

/// A server that has the document on disk, and has not read it since it was started.
enum Running {
    Relay(Relay),
    Server(Server),
}

impl Running {
    async fn prepared(host: Host, written: &Written) -> Self {
        match host {
            Host::RelayYjs | Host::RelayHocuspocus => {
                let mut relay = Relay::start();
                write(Host::RelayHocuspocus, relay.address(), written).await;
                relay.stop();
                relay.restart();
                Self::Relay(relay)
            }
            Host::Hocuspocus => {
                let mut server =
                    Server::start(Kind::Hocuspocus, Settings::default()).expect("it is installed");
                write(host, server.address(), written).await;
                server.restart();
                Self::Server(server)
            }
        }
    }

    fn pid(&mut self) -> u32 {
        match self {
            Self::Relay(relay) => relay.process().pid(),
            Self::Server(server) => server.pid(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Relay(relay) => relay.address(),
            Self::Server(server) => server.address(),
        }
    }
}

/// Writes the document by the hand of one client, as its author would have.
async fn write(host: Host, address: SocketAddr, written: &Written) {
    let mut author = Guest::connect(host, address, DOC).await;
    author.write(&written.updates).await;
}
