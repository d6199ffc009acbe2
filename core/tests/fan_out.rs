//! Fan-out encodes once: what a relay passes on to many is one frame, of which each link gets a reference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use std::collections::BTreeMap;

use serde_json::json;

use replicas::world::World;
use replicas::{config, doc, written};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{Input, Side};
use syncline_core::id::{ConnectionId, Principal};
use syncline_core::path::Path;
use syncline_core::presence::{Metadata, PRESENCE_TICK, Presence, SessionId};
use syncline_core::replica::{Config, DURABLE_DELAY, Editor, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::{Codec, Compression, Encoding, Frame, Message};

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Text };
const READERS: usize = 5;
/// Who writes, among the clients.
const WRITER: usize = READERS;

/// A relay and clients, over links and disks that are done at once.
struct Hub {
    relay: Replica,
    clients: Vec<Replica>,
    now: Time,
    /// What the relay sent since somebody looked.
    sent: Vec<(usize, Frame)>,
}

impl Hub {
    fn new(dialects: &[(Encoding, Vec<Compression>)]) -> Self {
        let relay = Replica::new(config(0, Policy::relay()));
        let mut hub = Self { relay, clients: Vec::new(), now: Time(1), sent: Vec::new() };
        for dialect in dialects {
            hub.join(std::slice::from_ref(dialect));
            hub.settle();
        }
        hub
    }

    fn write(&mut self, text: &str) {
        self.edit(text);
        self.sent.clear();
        self.settle();
    }

    fn edit(&mut self, text: &str) {
        let append = |editor: &mut Editor<'_>| editor.perform(written(text));
        self.clients[WRITER].edit(self.now, &doc(), append).map(drop).unwrap();
    }

    fn settle(&mut self) {
        while self.round() {}
    }

    /// Time passes for everybody.
    fn pass(&mut self, millis: u64) {
        self.now = self.now.after(millis);
        let all = self.clients.iter_mut().chain([&mut self.relay]);
        all.for_each(|replica| replica.handle(self.now, Input::Tick));
        self.sent.clear();
        self.settle();
    }

    /// The writer shows itself.
    fn show(&mut self, session: SessionId, moment: u64) {
        self.announce(session, moment);
        self.settle();
    }

    fn announce(&mut self, session: SessionId, moment: u64) {
        let metadata = Metadata::new(json!({"moment": moment, "long": "x".repeat(1_000)})).unwrap();
        let presence = Presence { metadata, ..Presence::of(Principal::new("ada").unwrap()) };
        self.clients[WRITER].announce(self.now, &doc(), session, Some(presence));
    }

    /// Writes what is a snapshot of several parts.
    fn write_snapshot(&mut self) {
        self.write(&"far more than one part of a snapshot holds; ".repeat(20_000));
        self.relay.compact(&doc());
        self.settle();
    }

    /// Connects clients all at once.
    fn join(&mut self, dialects: &[(Encoding, Vec<Compression>)]) {
        let first = self.clients.len();
        for (index, (encoding, compression)) in (first..).zip(dialects) {
            let (connection, compression) = (link(index), compression.clone());
            let config = config(index as u64 + 1, Policy::client());
            let mut client = Replica::new(Config { encoding: *encoding, compression, ..config });
            client.open(self.now, &doc(), Some(SPEC));
            replicas::settle(&mut client, self.now);
            client.handle(self.now, Input::Connected { connection, side: Side::Dialed, visitor: None });
            self.relay.handle(self.now, Input::Connected { connection, side: Side::Accepted, visitor: None });
            self.clients.push(client);
        }
        self.sent.clear();
    }

    /// Has everybody say what he has to say, and the relay send a frame to each; false if there is nothing.
    fn round(&mut self) -> bool {
        (0..self.clients.len()).for_each(|index| self.hear(index));
        let frames = replicas::perform(&mut self.relay, self.now);
        self.deliver(frames)
    }

    /// The relay hears what a client has to say.
    fn hear(&mut self, index: usize) {
        for (connection, frame) in replicas::settle(&mut self.clients[index], self.now) {
            self.relay.handle(self.now, Input::Received { connection, frame });
        }
    }

    /// Clients take what the relay has sent; false if it is nothing.
    fn deliver(&mut self, frames: Vec<(ConnectionId, Frame)>) -> bool {
        let before = self.sent.len();
        self.sent.extend(frames.into_iter().map(|(connection, frame)| (connection.0 as usize, frame)));
        for (index, frame) in &self.sent[before..] {
            let (connection, frame) = (link(*index), frame.clone());
            self.clients[*index].handle(self.now, Input::Received { connection, frame });
            self.relay.handle(self.now, Input::Writable { connection });
        }
        self.sent.len() > before
    }

    /// The frames in which somebody got a snapshot.
    fn parts(&self, index: usize) -> Vec<Frame> {
        let is_part = |message: &Message| matches!(message, Message::SnapshotPart { .. });
        let with_parts = |frame: &Frame| Codec::decode(frame).unwrap().iter().any(is_part);
        let to = self.sent.iter().filter(|(to, _)| *to == index).map(|(_, frame)| frame);
        to.filter(|frame| with_parts(frame)).cloned().collect()
    }

    /// The frames in which readers got entries.
    fn entries(&self) -> BTreeMap<usize, Frame> {
        self.frames_with(|message| matches!(message, Message::Entries { .. }))
    }

    fn frames_with(&self, is_wanted: impl Fn(&Message) -> bool) -> BTreeMap<usize, Frame> {
        let is_wanted = |frame: &Frame| Codec::decode(frame).unwrap().iter().any(&is_wanted);
        self.sent.iter().filter(|(_, frame)| is_wanted(frame)).cloned().collect()
    }
}

const fn link(index: usize) -> ConnectionId {
    ConnectionId(index as u64)
}

fn value(client: &Replica) -> Option<Value> {
    client.document(&doc())?.value(&Path::root())
}

/// How many different buffers the frames are in.
fn buffers(frames: &BTreeMap<usize, Frame>) -> usize {
    frames.values().map(|frame| frame.bytes.as_ptr()).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn readers_get_the_same_bytes() {
    let mut hub = Hub::new(&vec![(Encoding::Binary, Vec::new()); READERS + 1]);
    for text in ["one", "two", "three"] {
        hub.write(text);
        let frames = hub.entries();
        assert_eq!(frames.keys().copied().collect::<Vec<_>>(), (0..READERS).collect::<Vec<_>>());
        assert_eq!(buffers(&frames), 1, "{text} was encoded more than once");
    }
}

#[test]
fn readers_of_one_dialect_get_the_same_bytes() {
    let binary = (Encoding::Binary, Vec::new());
    let json = (Encoding::Json, Vec::new());
    let gzip = (Encoding::Binary, vec![Compression::Gzip]);
    let mut hub = Hub::new(&[binary.clone(), json.clone(), gzip.clone(), json, gzip, binary]);
    hub.write(&"long enough to be worth compressing; ".repeat(20));
    let frames = hub.entries();
    assert_eq!((frames.len(), buffers(&frames)), (READERS, 3));
    let same = |a: usize, b: usize| frames[&a].bytes.as_ptr() == frames[&b].bytes.as_ptr();
    assert!(same(1, 3) && same(2, 4) && !same(0, 1) && !same(0, 2) && !same(1, 2));
}

#[test]
fn readers_of_one_dialect_are_told_who_is_present_by_the_same_bytes() {
    let binary = (Encoding::Binary, Vec::new());
    let gzip = (Encoding::Binary, vec![Compression::Gzip]);
    let mut hub = Hub::new(&[gzip.clone(), binary.clone(), gzip.clone(), gzip, binary.clone(), binary]);
    let session = hub.clients[WRITER].new_session();
    let is_presence = |message: &Message| matches!(message, Message::Presence { .. });
    hub.show(session, 0);
    for moment in 1..4 {
        hub.show(session, moment);
        hub.pass(PRESENCE_TICK);
        let frames = hub.frames_with(is_presence);
        assert_eq!((frames.len(), buffers(&frames)), (READERS, 2), "moment {moment}");
    }
}

#[test]
fn what_is_new_goes_along_with_who_is_present_by_the_same_bytes() {
    let mut hub = Hub::new(&vec![(Encoding::Binary, Vec::new()); READERS + 1]);
    let session = hub.clients[WRITER].new_session();
    hub.show(session, 0);
    hub.pass(PRESENCE_TICK);
    // The links take what is written first, and the rest waits.
    hub.edit("one");
    hub.hear(WRITER);
    let first = replicas::perform(&mut hub.relay, hub.now);
    hub.announce(session, 1);
    hub.edit("two");
    hub.hear(WRITER);
    assert!(replicas::perform(&mut hub.relay, hub.now).is_empty(), "no link takes more");
    hub.deliver(first);
    hub.settle();
    let frames = hub.frames_with(|message| matches!(message, Message::Presence { .. }));
    assert_eq!((frames.len(), buffers(&frames)), (READERS, 1));
    let messages = Codec::decode(&frames[&0]).unwrap();
    assert!(matches!(messages[..], [Message::Presence { .. }, Message::Entries { .. }, ..]), "{messages:?}");
}

#[test]
fn who_is_to_be_told_something_else_gets_a_frame_of_his_own() {
    const MOVER: usize = 0;
    const ASKER: usize = 1;
    let binary = (Encoding::Binary, Vec::new());
    let mut hub = Hub::new(&vec![binary.clone(); READERS + 1]);
    let sessions = [MOVER, WRITER].map(|index| (index, hub.clients[index].new_session()));
    for moment in 0..2 {
        for (index, session) in sessions {
            let presence = Presence { active: Time(moment), ..Presence::of(Principal::new("ada").unwrap()) };
            hub.clients[index].announce(hub.now, &doc(), session, Some(presence));
        }
        if moment == 1 {
            hub.join(std::slice::from_ref(&binary));
            let frame = replicas::frame(&[Message::Ping { token: 7 }]);
            hub.relay.handle(hub.now, Input::Received { connection: link(ASKER), frame });
        }
        hub.settle();
        hub.pass(PRESENCE_TICK);
    }
    hub.pass(PRESENCE_TICK);
    for (index, client) in hub.clients.iter().enumerate() {
        let seen: Vec<_> = client.present(&doc()).map(|(id, presence)| (id, presence.active)).collect();
        let mut all = sessions.map(|(_, session)| (session, Time(1)));
        all.sort_unstable_by_key(|(id, _)| *id);
        assert_eq!(seen, all, "client {index}");
    }
}

#[test]
fn who_come_at_the_same_time_are_sent_the_same_parts_of_a_snapshot() {
    let binary = (Encoding::Binary, Vec::new());
    let gzip = (Encoding::Binary, vec![Compression::Gzip]);
    let mut hub = Hub::new(&vec![binary.clone(); WRITER + 1]);
    hub.write_snapshot();
    let rested = hub.relay.loaded_bytes();
    hub.join(&[binary.clone(), gzip.clone(), gzip, binary]);
    hub.settle();
    let parts: Vec<_> = (WRITER + 1..hub.clients.len()).map(|index| hub.parts(index)).collect();
    assert!(parts[0].len() > 2, "{} parts", parts[0].len());
    let buffers = |index: usize| parts[index].iter().map(|frame| frame.bytes.as_ptr()).collect::<Vec<_>>();
    assert_eq!((buffers(0), buffers(1)), (buffers(3), buffers(2)));
    assert!(parts[1].iter().zip(&parts[0]).all(|(gzip, binary)| gzip.bytes.len() < binary.bytes.len() / 10));
    assert!(hub.clients.iter().all(|client| value(client) == value(&hub.clients[WRITER])));
    let kept = hub.relay.loaded_bytes() - rested;
    assert!(kept < 1_024, "{kept} bytes of what was made for them are kept");
}

#[test]
fn a_snapshot_arrives_beside_whatever_else_is_said() {
    const ROUNDS: usize = 20;
    let binary = (Encoding::Binary, Vec::new());
    let mut hub = Hub::new(&vec![binary.clone(); WRITER + 1]);
    hub.write_snapshot();
    hub.join(&[binary]);
    let guest = WRITER + 1;
    for token in 0..ROUNDS as u64 {
        let frame = replicas::frame(&[Message::Ping { token }]);
        hub.round();
        hub.relay.handle(Time(1), Input::Received { connection: link(guest), frame });
    }
    assert_eq!(value(&hub.clients[guest]), value(&hub.clients[WRITER]));
    let is_pong = |message: &Message| matches!(message, Message::Pong { .. });
    let answered = hub.sent.iter().flat_map(|(_, frame)| Codec::decode(frame).unwrap()).filter(is_pong);
    assert!(answered.count() > ROUNDS - 3, "and that is said meanwhile");
}

#[test]
fn who_wrote_nothing_hears_a_little_later_that_it_is_on_disk() {
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let (writer, reader) = (world.client(SPEC), world.client(SPEC));
    for client in [writer, reader] {
        world.connect(client, relay);
    }
    world.slow = Some((relay, Vec::new()));
    world.write(writer, "one");
    assert_eq!(world.text(reader), "one", "others hear of it before that");
    let before = world.sent;
    world.finish_writes();
    assert_eq!(world.sent - before, 1, "the writer hears");
    let due = world.replicas[relay].next_timeout().unwrap();
    assert_eq!(due, world.now.after(DURABLE_DELAY));
    world.now = due;
    world.replicas[relay].handle(due, Input::Tick);
    world.settle();
    assert_eq!(world.sent - before, 2, "the reader hears");
}
