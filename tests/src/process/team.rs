//! Stores of several people at one document, each with a line to the relay of its own that can be cut.

mod judged;
mod play;

use futures_util::StreamExt;
use syncline::transports::WebSocket;
use syncline::{Engine, Family, Saved, Schema, SqliteStorage, Typed, json, storage};
use syncline_core::path::Path;
use tempfile::TempDir;

use super::PATIENCE;
use super::proxy::Proxy;
use super::relay::Relay;

pub use judged::Judged;
pub use play::{Play, play};

/// Longest wait between attempts to reach the relay, in milliseconds.
const LONGEST_WAIT: u64 = 200;

/// How long a team may take until everybody has everything.
const TOGETHER: std::time::Duration = PATIENCE.saturating_mul(4);

/// Somebody with a store of his own.
pub struct Member {
    folder: TempDir,
    proxy: Proxy,
    engine: Engine,
}

impl Member {
    async fn new(relay: &Relay, number: usize) -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        let proxy = Proxy::start(relay.address()).await;
        let engine = open(&folder, &proxy, number);
        Self { folder, proxy, engine }
    }

    /// Ends the process, as far as its store can tell, and starts another one.
    pub async fn restart(&mut self, number: usize) {
        self.engine.close().await;
        self.engine = open(&self.folder, &self.proxy, number);
    }

    /// Cuts the line to the relay.
    pub fn leave(&self) {
        self.proxy.cut();
    }

    /// Mends it.
    pub fn come_back(&self) {
        self.proxy.mend();
    }

    /// Opens a document, making it here if need be.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn open<S: Schema>(&self, name: &str, family: Family) -> Typed<S> {
        self.engine.typed(name, family).await.expect("a document that can be opened")
    }
}

fn open(folder: &TempDir, proxy: &Proxy, number: usize) -> Engine {
    let store = folder.path().join("store.db");
    let storage =
        SqliteStorage::open(store, storage::Options::default()).expect("a store that can be opened");
    let relay = WebSocket::new(proxy.url());
    let builder = Engine::builder(storage).user(format!("member-{number}")).relay(relay);
    builder.longest_wait(LONGEST_WAIT).open().expect("an engine that opens")
}

/// Several members and their relay.
pub struct Team {
    /// The relay, to be killed and restarted.
    pub relay: Relay,
    /// The members.
    pub members: Vec<Member>,
}

impl Team {
    /// Starts a relay and so many members.
    pub async fn start(count: usize) -> Self {
        let relay = Relay::start();
        let mut team = Self { relay, members: Vec::new() };
        for _ in 0..count {
            team.join().await;
        }
        team
    }

    /// Starts one more member, with an empty store.
    pub async fn join(&mut self) -> &Member {
        self.members.push(Member::new(&self.relay, self.members.len()).await);
        self.members.last().expect("it was just added")
    }
}

/// Waits until everybody's edits are at the relay, and everybody has everybody's; returns what all of them read then, as
/// canonical JSON.
///
/// # Panics
/// If that takes too long, or they do not read the same.
pub async fn together<S: Schema>(documents: &[Typed<S>]) -> String {
    let all = async {
        for document in documents {
            document.saved(Saved::Relay).await.expect("edits that the relay takes");
        }
        // Now the relay has all there is, and what it passes on may be on its way.
        for document in documents {
            let mut changes = document.changes();
            while !documents.iter().all(|other| document.have().includes(&other.have())) {
                changes.next().await.expect("a document that stays open");
            }
        }
    };
    tokio::time::timeout(TOGETHER, all).await.expect("everybody has everything in time");
    let mut read: Vec<String> = documents.iter().map(bytes).collect();
    assert!(read.windows(2).all(|pair| pair[0] == pair[1]), "not everybody reads the same");
    read.pop().unwrap_or_default()
}

fn bytes<S: Schema>(document: &Typed<S>) -> String {
    json::to_canonical_json(&document.value(&Path::root()).expect("an open document"))
}
