//! A client of automerge-repo that keeps to its protocol, with one document.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, AutoSerde, ROOT, ReadDoc};
use bytes::Bytes;
use serde_json::Value as Json;
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::protocol::automerge_repo::{self, Message, Writer, addressed};

use super::{Behaved, Guest};

/// A document, and its connection to a relay.
pub struct Peer {
    guest: Guest,
    name: String,
    id: DocumentId,
    document: AutoCommit,
    state: State,
}

impl Peer {
    /// Connects under a name, and makes a document.
    pub async fn make(relay: SocketAddr, target: &str, name: &str, id: DocumentId) -> Self {
        let mut peer = Self::join(relay, target, name, id).await;
        peer.put("n", 0).await;
        peer.kept().await;
        peer
    }

    /// Connects under a name, and asks for a document.
    pub async fn open(relay: SocketAddr, target: &str, name: &str, id: DocumentId) -> Self {
        let mut peer = Self::join(relay, target, name, id).await;
        peer.ask().await;
        peer
    }

    async fn join(relay: SocketAddr, target: &str, name: &str, id: DocumentId) -> Self {
        let (guest, name) = (joined(relay, target, name).await, name.to_owned());
        Self { guest, name, id, document: AutoCommit::new(), state: State::new() }
    }

    /// The document's name.
    #[must_use]
    pub const fn id(&self) -> DocumentId {
        self.id
    }

    /// The connection.
    pub const fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// The document.
    pub const fn document(&mut self) -> &mut AutoCommit {
        &mut self.document
    }

    /// Whether the relay has said that it takes no changes.
    #[must_use]
    pub const fn is_told_to_read_only(&self) -> bool {
        self.state.peer_read_only
    }

    /// Who has written something of the document.
    pub fn writers(&mut self) -> BTreeSet<ActorId> {
        self.document.get_changes(&[]).iter().map(|change| change.actor_id().clone()).collect()
    }

    /// Asks for the document.
    pub async fn ask(&mut self) {
        self.talk("request").await;
    }

    /// Sets a key of the document.
    ///
    /// # Panics
    /// Never: a map takes every key.
    pub async fn put(&mut self, key: &str, value: i64) {
        self.document.put(ROOT, key, value).expect("a map takes every key");
        self.document.commit();
        self.talk("sync").await;
    }

    /// Waits until the relay has said that it holds what is here.
    pub async fn kept(&mut self) {
        while self.state.their_heads != Some(self.document.get_heads()) {
            self.hear().await;
        }
    }

    /// Says what there is to say of the document.
    async fn talk(&mut self, kind: &str) {
        if let Some(message) = self.document.sync().generate_sync_message(&mut self.state) {
            self.guest.say(sync(kind, &self.name, self.id, &message.encode())).await;
        }
    }
}

impl Behaved for Peer {
    fn json(&self) -> Json {
        serde_json::to_value(AutoSerde::from(&self.document)).expect("a document is JSON")
    }

    async fn hear(&mut self) -> Bytes {
        let message = self.guest.is_served().await;
        let read = Message::read(&message).expect("the relay keeps to the protocol");
        if read.kind == "sync" && read.document == Some(self.id) {
            let data = SyncMessage::decode(read.data.expect("it has data")).expect("a sync message");
            self.document.sync().receive_sync_message(&mut self.state, data).expect("its changes fit");
            let lacking = self.document.get_missing_deps(&[]);
            assert!(lacking.is_empty(), "the relay sends changes without those that they build on");
            self.talk("sync").await;
        }
        message
    }
}

/// A connection on which a client has said its name, and the relay its own.
pub async fn joined(relay: SocketAddr, target: &str, name: &str) -> Guest {
    let mut guest = Guest::connect(relay, target).await;
    guest.say(Writer::join(name)).await;
    guest.wait_for("its name", |message| is(message, "peer").then_some(())).await;
    guest
}

/// What a client says to all who have a document open, as the how-manieth of its life.
#[must_use]
pub fn ephemeral(sender: &str, id: DocumentId, count: u64, data: &[u8]) -> Vec<u8> {
    addressed(&automerge_repo::ephemeral(sender, id, "session", count, data), "relay")
}

/// A sync message of Automerge about a document.
#[must_use]
pub fn sync(kind: &str, sender: &str, id: DocumentId, data: &[u8]) -> Vec<u8> {
    Writer::new(5, kind, sender)
        .text("targetId", "relay")
        .text("documentId", &id.to_string())
        .bytes("data", data)
        .done()
}

/// The first sync message of somebody who holds nothing.
///
/// # Panics
/// Never: there is something to say.
#[must_use]
pub fn question() -> Vec<u8> {
    let message = AutoCommit::new().sync().generate_sync_message(&mut State::new());
    message.expect("who holds nothing asks").encode()
}

/// Whether a message is of a type.
#[must_use]
pub fn is(message: &[u8], kind: &str) -> bool {
    Message::read(message).is_ok_and(|message| message.kind == kind)
}

/// Whether a message says that the relay does not have a document.
#[must_use]
pub fn unavailable(message: &[u8], id: DocumentId) -> Option<()> {
    let message = Message::read(message).ok()?;
    (message.kind == "doc-unavailable" && message.document == Some(id)).then_some(())
}

/// Waits until the relay says that it does not have a document.
pub async fn is_unavailable(guest: &mut Guest, id: DocumentId) {
    guest.wait_for("that the document is unavailable", |message| unavailable(message, id)).await;
}
