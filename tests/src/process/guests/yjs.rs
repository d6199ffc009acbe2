//! A client of y-websocket that keeps to its protocol. It edits the map `map` of a Yjs document.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::Value as Json;
use syncline_core::protocol::lib0::{Reader, write_number, write_text};
use syncline_core::protocol::y_websocket::{Message, Sync, write_awareness};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Doc, Map, ReadTxn, StateVector, Transact, Update};

use super::{Behaved, Guest};

/// The map that is edited.
const MAP: &str = "map";

/// A document, and its connection to a relay.
pub struct Editor {
    guest: Guest,
    doc: Doc,
}

impl Editor {
    /// Connects, and waits until all that is at the relay is here.
    pub async fn join(relay: SocketAddr, target: &str) -> Self {
        let mut editor = Self { guest: Guest::connect(relay, target).await, doc: Doc::new() };
        editor.sync().await;
        editor
    }

    /// Says what is held, and waits for what is lacking. The relay has then dealt with all that was said before.
    pub async fn sync(&mut self) {
        let vector = self.doc.transact().state_vector().encode_v1();
        self.guest.say(sync(&Sync::Step1 { vector: &vector })).await;
        self.wait_for(|message| matches!(read(message), Message::Sync(Sync::Step2 { .. })).then_some(()))
            .await;
    }

    /// Sets a key of the map.
    pub async fn put(&mut self, key: &str, value: i64) {
        let update = put(&self.doc, key, value);
        self.guest.say(sync(&Sync::Update { update: &update })).await;
    }

    /// Sets a key of the map to so many letters.
    pub async fn put_letters(&mut self, key: &str, letters: usize) {
        let update = put_any(&self.doc, key, "x".repeat(letters).into());
        self.guest.say(sync(&Sync::Update { update: &update })).await;
    }

    /// The connection.
    pub const fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// The whole document as one update.
    #[must_use]
    pub fn whole(&self) -> Vec<u8> {
        whole(&self.doc)
    }

    /// The clients that have written something of the document.
    #[must_use]
    pub fn writers(&self) -> Vec<u64> {
        self.doc.transact().state_vector().iter().map(|(client, _)| client.get()).collect()
    }

    /// How many operations it holds, of whomever.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.doc.transact().state_vector().iter().map(|(_, clock)| u64::from(*clock)).sum()
    }

    /// A copy of the document whose edits are made as a client.
    ///
    /// # Panics
    /// Never: a document can be copied.
    #[must_use]
    pub fn copy_as(&self, client: u64) -> Doc {
        let copy = Doc::with_client_id(client);
        let update = Update::decode_v1(&self.whole()).expect("it was just encoded");
        copy.transact_mut().apply_update(update).expect("it lacks nothing");
        copy
    }

    /// Merges an update, which must not lack anything: clients keep such ones back, some for ever.
    fn apply(&self, update: &[u8]) {
        let mut txn = self.doc.transact_mut();
        txn.apply_update(Update::decode_v1(update).expect("the relay sends updates")).expect("they fit");
        assert!(!txn.has_missing_updates(), "the relay sends what builds on something that it has not sent");
    }
}

impl Behaved for Editor {
    /// The map.
    fn json(&self) -> Json {
        let map = self.doc.get_or_insert_map(MAP);
        serde_json::to_value(map.to_json(&self.doc.transact())).expect("a map is JSON")
    }

    async fn hear(&mut self) -> Bytes {
        let message = self.guest.is_served().await;
        match read(&message) {
            Message::Sync(Sync::Step1 { vector }) => {
                let vector = StateVector::decode_v1(vector).expect("the relay says what it holds");
                let update = self.doc.transact().encode_state_as_update_v1(&vector);
                self.guest.say(sync(&Sync::Step2 { update: &update })).await;
            }
            Message::Sync(Sync::Step2 { update } | Sync::Update { update }) => self.apply(update),
            Message::Awareness(_) | Message::QueryAwareness | Message::Denied(_) | Message::Other(..) => {}
        }
        message
    }
}

/// In how many updates somebody is told of a document who holds nothing of it.
///
/// # Panics
/// If the relay does not keep to the protocol.
pub async fn updates_of_a_join(relay: SocketAddr, target: &str) -> usize {
    let mut guest = Guest::connect(relay, target).await;
    guest.say(sync(&Sync::Step1 { vector: &StateVector::default().encode_v1() })).await;
    let mut updates = 0;
    loop {
        match read(&guest.is_served().await) {
            Message::Sync(Sync::Update { .. }) => updates += 1,
            Message::Sync(Sync::Step2 { .. }) => return updates + 1,
            _ => {}
        }
    }
}

fn read(message: &[u8]) -> Message<'_> {
    Message::read(message).expect("the relay keeps to the protocol")
}

/// Sets a key of a document's map; returns the update.
#[must_use]
pub fn put(doc: &Doc, key: &str, value: i64) -> Vec<u8> {
    put_any(doc, key, value.into())
}

fn put_any(doc: &Doc, key: &str, value: Any) -> Vec<u8> {
    let map = doc.get_or_insert_map(MAP);
    let mut txn = doc.transact_mut();
    map.insert(&mut txn, key, value);
    txn.encode_update_v1()
}

/// An update that takes a key out of the map, and brings nothing.
#[must_use]
pub fn erase(doc: &Doc, key: &str) -> Vec<u8> {
    let map = doc.get_or_insert_map(MAP);
    let mut txn = doc.transact_mut();
    map.remove(&mut txn, key);
    txn.encode_update_v1()
}

/// A whole document as one update.
#[must_use]
pub fn whole(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

/// A sync message of y-websocket.
#[must_use]
pub fn sync(message: &Sync<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.write(&mut out);
    out
}

/// A message with an update.
#[must_use]
pub fn update(update: &[u8]) -> Vec<u8> {
    sync(&Sync::Update { update })
}

/// Whether a message asks what is held here.
#[must_use]
pub fn asks(message: &[u8]) -> Option<()> {
    matches!(Message::read(message), Ok(Message::Sync(Sync::Step1 { .. }))).then_some(())
}

/// What a message says of why something is not allowed.
#[must_use]
pub fn denied(message: &[u8]) -> Option<String> {
    match Message::read(message) {
        Ok(Message::Denied(reason)) => Some(reason.to_owned()),
        _ => None,
    }
}

/// What clients show, each under its id and its clock, as Yjs protocols write it.
#[must_use]
pub fn states(shown: &[(u64, u64, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_number(shown.len() as u64, &mut out);
    for (client, clock, state) in shown {
        write_number(*client, &mut out);
        write_number(*clock, &mut out);
        write_text(state, &mut out);
    }
    out
}

/// The same as a message of y-websocket.
#[must_use]
pub fn awareness(shown: &[(u64, u64, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_awareness(&states(shown), &mut out);
    out
}

/// The ids and states that are read of that.
///
/// # Panics
/// If it is something else.
#[must_use]
pub fn shown(states: &[u8]) -> Vec<(u64, String)> {
    let mut reader = Reader::new(states);
    let count = reader.number().expect("how many there are");
    let mut state = || {
        let (client, _clock) = (reader.number().ok()?, reader.number().ok()?);
        Some((client, reader.text().ok()?.to_owned()))
    };
    (0..count).map(|_| state().expect("the state of a client")).collect()
}
