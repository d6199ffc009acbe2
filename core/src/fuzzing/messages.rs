//! What fuzzing does to the readers of other people's messages: any bytes are an error, or a message that is the same when it
//! is written and read again.

use super::Choices;
use crate::crdt::Gate;
use crate::crdt::automerge::{Automerge, Conversation};
use crate::entry::Kind;
use crate::id::Have;
use crate::protocol::automerge_repo::{self, Presence, StorageHeads, Writer};
use crate::protocol::hocuspocus::{Auth, Body, Frame};
use crate::protocol::lib0::Reader;
use crate::protocol::y_websocket::{Message, Sync, write_awareness, write_denied};

/// How many messages of each sort there are to start from, and how long what they carry is at most.
const MESSAGES: usize = 6;
const CARRIED_BYTES: usize = 40;

/// The bytes as a message of every protocol.
pub fn guest_messages(data: &[u8]) {
    lib0(data);
    y_websocket(data);
    hocuspocus(data);
    ephemeral(data);
    cbor(data);
    sync_message(data);
}

/// A reader takes what it says from the front, and leaves the rest.
fn lib0(data: &[u8]) {
    let mut reader = Reader::new(data);
    while let Ok(buffer) = reader.buffer() {
        assert!(data.ends_with(reader.rest()) && buffer.len() < data.len());
    }
    assert!(Reader::new(data).text().is_err() || Reader::new(data).buffer().is_ok());
}

fn y_websocket(data: &[u8]) {
    let Ok(message) = Message::read(data) else { return };
    let mut written = Vec::new();
    match message {
        Message::Sync(sync) => sync.write(&mut written),
        Message::Awareness(states) => write_awareness(states, &mut written),
        Message::Denied(reason) => write_denied(reason, &mut written),
        Message::QueryAwareness | Message::Other(..) => return,
    }
    assert_eq!(Message::read(&written), Ok(message));
    assert!(written.len() <= data.len(), "it is written no longer than it was");
}

fn hocuspocus(data: &[u8]) {
    let Ok(Frame { address, body }) = Frame::read(data) else { return };
    let written = match body {
        Body::Sync(sync) => Frame::sync(address, &sync),
        Body::Awareness(states) => Frame::awareness(address, states),
        Body::Auth(Auth::Token { token, says_version: true }) => Frame::token(address, token, "4"),
        Body::Auth(Auth::Denied(reason)) => Frame::denied(address, reason),
        Body::Auth(Auth::Authenticated { may_write }) => Frame::authenticated(address, may_write),
        Body::QueryAwareness => Frame::query_awareness(address),
        Body::Stateless(payload) => Frame::stateless(address, payload.as_bytes()),
        Body::Close(reason) => Frame::closed(address, reason),
        Body::Status(taken) => Frame::status(address, taken),
        Body::Auth(_) | Body::BroadcastStateless | Body::Unknown => return,
    };
    assert_eq!(Frame::read(&written), Ok(Frame { address, body }));
}

/// Names are short, and what is carried is part of the frame.
fn cbor(data: &[u8]) {
    let Ok(message) = automerge_repo::Message::read(data) else { return };
    assert!(message.kind.len().max(message.sender.len()) <= automerge_repo::MAX_PEER_NAME_BYTES);
    assert!(message.add.len().max(message.heads.len()) <= automerge_repo::MAX_NAMES);
    assert!(message.data.is_none_or(|carried| carried.len() < data.len()));
}

/// What is shown is read back, unless it is nested deeper than is read.
fn ephemeral(data: &[u8]) {
    let Some(presence) = Presence::read(data) else { return };
    assert_eq!(Presence::read(&presence.write()), Some(presence));
}

/// A sync message that is refused changes nothing.
fn sync_message(data: &[u8]) {
    let mut document = Automerge::create(Kind::Tree);
    let (before, mut conversation) = (document.version(), Conversation::default());
    if document.hear(&mut conversation, Have::NONE, data).is_err() {
        assert_eq!(document.version(), before);
    }
    document.speak(&mut conversation).expect("whatever was heard, there is an answer or none");
}

/// Messages of every sort, to start from.
pub fn some_messages() -> Vec<Vec<u8>> {
    let mut choices = Choices::of_seed(3);
    let mut messages = Vec::new();
    for count in 0..MESSAGES as u64 {
        let carried = choices.bytes(CARRIED_BYTES);
        for sync in [
            Sync::Step1 { vector: &carried },
            Sync::Step2 { update: &carried },
            Sync::Update { update: &carried },
        ] {
            let mut written = Vec::new();
            sync.write(&mut written);
            messages.extend([written, Frame::sync("doc", &sync)]);
        }
        let heads = StorageHeads { storage: "store", heads: vec!["head"], timestamp: count };
        let mut conversation = Conversation::default();
        let sync = Automerge::create(Kind::Tree).speak(&mut conversation).expect("a new document speaks");
        messages.extend([
            Frame::token("doc", "token", "4"),
            Frame::stateless("doc", &carried),
            Writer::join("peer"),
            Writer::new(3, "remote-heads-changed", "peer").heads(&[heads]).done(),
            Writer::new(3, "sync", "peer").bytes("data", &carried).done(),
            Presence::Snapshot(serde_json::json!({"at": [count, null, 0.5]})).write(),
            sync.unwrap_or_default().to_vec(),
        ]);
    }
    messages
}
