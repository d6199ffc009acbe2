//! Updates share frames: those of one tick always, those of a while where that is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use replicas::{config, doc, frame, hello, written};
use syncline_core::entry::{Cursor, Digest, Family, Kind, Spec};
use syncline_core::event::{Input, Side};
use syncline_core::id::{ConnectionId, Epoch};
use syncline_core::operation::EditError;
use syncline_core::replica::{Batching, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::wire::{Codec, Message};

const LINK: ConnectionId = ConnectionId(1);
const NOTHING: [usize; 0] = [];
const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };

/// A client with a disk that is done at once, which has a document open at a relay.
struct Client(Replica);

impl Client {
    fn connected(batching: Batching) -> Self {
        let mut client = Self(Replica::new(config(1, Policy { batching, ..Policy::client() })));
        client.0.open(Time(0), &doc(), Some(SPEC));
        client.settle(0);
        client.0.handle(Time(0), Input::Connected { connection: LINK, side: Side::Dialed, visitor: None });
        let log = Cursor { epoch: Epoch::new([5; 16]), offset: 0, digest: Digest::default() };
        let open = Message::Open { doc: doc(), spec: SPEC, log, cursors: Vec::new() };
        client.hears(&[hello(true), open, Message::Resume { doc: doc() }]);
        client
    }

    fn hears(&mut self, messages: &[Message]) -> Vec<usize> {
        self.0.handle(Time(0), Input::Received { connection: LINK, frame: frame(messages) });
        self.settle(0)
    }

    /// Does what is to be done at a time; returns how many entries each frame held that was sent.
    fn settle(&mut self, now: u64) -> Vec<usize> {
        let sent = replicas::settle(&mut self.0, Time(now));
        sent.iter().map(|(_, frame)| Codec::decode(frame).unwrap().iter().map(entries_in).sum()).collect()
    }

    fn writes(&mut self, now: u64, text: &str) {
        let edit = |editor: &mut syncline_core::replica::Editor<'_>| editor.perform(written(text));
        self.0.edit::<(), EditError>(Time(now), &doc(), edit).unwrap();
    }
}

fn entries_in(message: &Message) -> usize {
    match message {
        Message::Entries { entries, .. } => entries.len(),
        _ => 0,
    }
}

#[test]
fn updates_of_one_tick_share_a_frame() {
    let mut client = Client::connected(Batching::default());
    client.writes(1, "a");
    client.writes(1, "b");
    assert_eq!(client.settle(1), [2]);
    assert_eq!(client.0.next_timeout(), None);
}

#[test]
fn updates_wait_for_others_as_long_as_is_set() {
    let mut client = Client::connected(Batching { delay: 50, ..Batching::default() });
    for now in [10, 20, 40] {
        client.writes(now, "a");
        assert_eq!(client.settle(now), NOTHING);
        assert_eq!(client.0.next_timeout(), Some(Time(60)));
    }
    client.0.handle(Time(59), Input::Tick);
    assert_eq!(client.settle(59), NOTHING);
    client.0.handle(Time(60), Input::Tick);
    assert_eq!(client.settle(60), [3]);
    assert_eq!(client.0.next_timeout(), None);
    client.writes(61, "b");
    assert_eq!(client.settle(61), NOTHING);
    // An answer does not wait, and takes along what does.
    assert_eq!(client.hears(&[Message::Ping { token: 1 }]), [1]);
    assert_eq!(client.0.next_timeout(), None);
}

#[test]
fn a_frame_is_full_at_the_size_that_is_set() {
    let mut client = Client::connected(Batching { bytes: 1_000, delay: 50 });
    for now in 1..=20 {
        client.writes(now, &"x".repeat(200));
        assert_eq!(client.settle(now), NOTHING);
    }
    client.0.handle(Time(60), Input::Tick);
    let sent = client.settle(60);
    assert_eq!(sent.iter().sum::<usize>(), 20);
    assert!(sent.len() > 4 && sent.iter().all(|entries| *entries < 6), "{sent:?}");
}
