//! What a relay refuses, as its peers hear it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use std::sync::Arc;

use bytes::Bytes;
use replicas::{config, doc, frame, hello, settle, written};
use syncline_core::crdt;
use syncline_core::entry::{Blame, Body, Cursor, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{Input, Side};
use syncline_core::id::{ConnectionId, EntryId, Epoch, Principal, ReplicaId};
use syncline_core::replica::{Policy, Replica};
use syncline_core::time::Time;
use syncline_core::wire::{Codec, Message, Numbered};

const LINK: ConnectionId = ConnectionId(1);
const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };
const EPOCH: Epoch = Epoch::new([5; 16]);

/// A relay with a disk that is done at once, and one peer.
struct Relay(Replica);

impl Relay {
    /// A relay to which a peer has opened the document, with a log of so many entries.
    fn opened(entries: u64) -> (Self, Vec<Message>) {
        let mut relay = Self(Replica::new(config(1, Policy::relay())));
        relay.0.handle(Time(1), Input::Connected { connection: LINK, side: Side::Accepted, visitor: None });
        relay.hears(&[hello(false)]);
        let log = Cursor { epoch: EPOCH, offset: entries, digest: Digest(7) };
        let said = relay.hears(&[
            Message::Open { doc: doc(), spec: SPEC, log, cursors: Vec::new() },
            Message::Resume { doc: doc() },
        ]);
        (relay, said)
    }

    /// Gives the relay messages and returns what it says.
    fn hears(&mut self, messages: &[Message]) -> Vec<Message> {
        self.0.handle(Time(1), Input::Received { connection: LINK, frame: frame(messages) });
        let said = settle(&mut self.0, Time(1));
        said.iter().flat_map(|(_, frame)| Codec::decode(frame).unwrap()).collect()
    }
}

/// A first entry of a replica.
fn entry(replica: ReplicaId) -> Entry {
    let mut document = crdt::create(SPEC);
    document.write_as(replica);
    document.perform(&written("hello")).unwrap();
    Entry {
        id: EntryId { replica, counter: 1 },
        author: Principal::new("ada").unwrap(),
        time: Time(1),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(document.take_local().unwrap().unwrap()),
    }
}

fn entries(offset: u64, entry: Entry) -> Message {
    Message::Entries { doc: doc(), entries: vec![Numbered { offset, entry: Arc::new(entry) }] }
}

fn durable(offset: u64) -> Message {
    Message::Durable { doc: doc(), cursor: Cursor { epoch: EPOCH, offset, digest: Digest(7) } }
}

fn refusals(said: &[Message]) -> Vec<(EntryId, Blame)> {
    let refused = |message: &Message| match message {
        Message::Refused { id, blame, .. } => Some((*id, *blame)),
        _ => None,
    };
    said.iter().filter_map(refused).collect()
}

#[test]
fn nobody_takes_the_yjs_client_of_another_replica() {
    let (ada, mut mallory) = ([1; 16], [1; 16]);
    mallory[15] = 2;
    let (ada, mallory) = (entry(ReplicaId::new(ada)), entry(ReplicaId::new(mallory)));
    assert_eq!(ada.id.replica.yjs_client(), mallory.id.replica.yjs_client());
    let (mut relay, _) = Relay::opened(2);
    assert_eq!(refusals(&relay.hears(&[entries(1, ada)])), []);
    let refused = (mallory.id, Blame::Entry);
    assert_eq!(refusals(&relay.hears(&[entries(2, mallory)])), [refused]);
}

#[test]
fn a_log_with_a_refused_entry_is_not_acknowledged_any_further() {
    let (mut relay, _) = Relay::opened(2);
    let good = entry(ReplicaId::new([1; 16]));
    let bad = Entry { body: Body::Update(Bytes::from_static(b"rubbish")), ..entry(ReplicaId::new([2; 16])) };
    let said = relay.hears(&[entries(1, good), durable(1)]);
    assert!(said.contains(&Message::Ack { doc: doc(), offset: 1 }), "{said:?}");
    let refused = (bad.id, Blame::Entry);
    let said = relay.hears(&[entries(2, bad), durable(2)]);
    assert_eq!(refusals(&said), [refused]);
    assert!(!said.iter().any(|message| matches!(message, Message::Ack { .. })), "{said:?}");
}
