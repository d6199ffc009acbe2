//! Somebody writes under another one's name, first: nothing is lost, and all end equal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replicas;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use replicas::{config, doc, frame, hello, written};
use syncline_core::crdt::{self, Writer};
use syncline_core::entry::{Body, Cursor, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{Input, Output, Side};
use syncline_core::id::{ConnectionId, EntryId, Epoch, Principal, ReplicaId, WriteId};
use syncline_core::path::Path;
use syncline_core::replica::{Policy, Replica};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::{Message, Numbered};

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];
const MALLORYS_LOG: Epoch = Epoch::new([66; 16]);
const MALLORYS_LINK: ConnectionId = ConnectionId(666);

/// Replicas whose disks are done at once, and links that lose nothing until they are cut.
#[derive(Default)]
struct World {
    replicas: Vec<Replica>,
    /// Who is at the ends of a link. Mallory's has nobody at its other end, and is not among them.
    links: BTreeMap<ConnectionId, [usize; 2]>,
    /// Whose disk is not done at once, and what it has not finished.
    slow: Option<(usize, Vec<WriteId>)>,
}

impl World {
    /// A replica under its index.
    fn add(&mut self, policy: Policy) -> usize {
        let seed = self.replicas.len() as u64 + 1;
        self.replicas.push(Replica::new(config(seed, policy)));
        self.replicas.len() - 1
    }

    /// Somebody who has the document open.
    fn client(&mut self, spec: Spec) -> usize {
        let client = self.add(Policy::client());
        self.replicas[client].open(Time(1), &doc(), Some(spec));
        self.settle();
        client
    }

    fn connect(&mut self, from: usize, to: usize) -> ConnectionId {
        let connection = ConnectionId(self.links.len() as u64 + 1);
        self.links.insert(connection, [from, to]);
        self.replicas[to].handle(Time(1), Input::Connected { connection, side: Side::Accepted });
        self.replicas[from].handle(Time(1), Input::Connected { connection, side: Side::Dialed });
        self.settle();
        connection
    }

    fn cut(&mut self, connection: ConnectionId) {
        for end in self.links[&connection] {
            self.replicas[end].handle(Time(1), Input::Disconnected { connection });
        }
        self.settle();
    }

    /// Lets everybody do what there is to do, until there is nothing.
    fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for index in 0..self.replicas.len() {
                while let Some(output) = self.replicas[index].poll() {
                    busy = true;
                    self.perform(index, output);
                }
            }
        }
    }

    fn perform(&mut self, index: usize, output: Output) {
        let replica = &mut self.replicas[index];
        match output {
            Output::Write { id, .. } if self.slow.as_ref().is_some_and(|(slow, _)| *slow == index) => {
                self.slow.iter_mut().for_each(|(_, writes)| writes.push(id));
            }
            Output::Write { id, .. } => replica.handle(Time(1), Input::Written { write: id }),
            Output::Load { doc } => replica.handle(Time(1), Input::Loaded { doc, result: Ok(None) }),
            Output::Merge(merge) => replica.handle(Time(1), Input::Merged(merge.run())),
            Output::Send { connection, frame } => {
                replica.handle(Time(1), Input::Writable { connection });
                if let Some(ends) = self.links.get(&connection) {
                    let other = ends[usize::from(ends[0] == index)];
                    self.replicas[other].handle(Time(1), Input::Received { connection, frame });
                }
            }
            Output::Close { reason, .. } => panic!("a link was closed: {reason}"),
            Output::Event(_) => {}
        }
    }

    fn finish_writes(&mut self) {
        if let Some((slow, writes)) = self.slow.take() {
            writes
                .into_iter()
                .for_each(|write| self.replicas[slow].handle(Time(1), Input::Written { write }));
        }
        self.settle();
    }

    fn write(&mut self, index: usize, text: &str) {
        let append = |editor: &mut syncline_core::replica::Editor<'_>| editor.perform(written(text));
        self.replicas[index].edit(Time(2), &doc(), append).map(drop).unwrap();
        self.settle();
    }

    fn text(&self, index: usize) -> String {
        match self.replicas[index].document(&doc()).unwrap().value(&Path::root().child(Kind::TEXT_KEY)) {
            Some(Value::Text(text)) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// Everything in a replica's log.
    fn log(&self, index: usize) -> Vec<Arc<Entry>> {
        let log = self.replicas[index].log(&doc()).unwrap();
        log.after(log.base_offset()).map(|stored| stored.entry.clone()).collect()
    }

    /// Gives a relay an entry from somebody without an engine.
    fn forge(&mut self, relay: usize, spec: Spec, entry: Entry) {
        let connection = MALLORYS_LINK;
        self.replicas[relay].handle(Time(1), Input::Connected { connection, side: Side::Accepted });
        let log = Cursor { epoch: MALLORYS_LOG, offset: 1, digest: Digest(7) };
        let entries = vec![Numbered { offset: 1, entry: Arc::new(entry) }];
        let frame = frame(&[
            hello(false),
            Message::Open { doc: doc(), spec, log, cursors: Vec::new() },
            Message::Resume { doc: doc() },
            Message::Entries { doc: doc(), entries },
        ]);
        self.replicas[relay].handle(Time(1), Input::Received { connection, frame });
        self.settle();
        self.replicas[relay].handle(Time(1), Input::Disconnected { connection });
    }
}

/// The next entry of a replica, as somebody else writes it who has read what it wrote before.
fn forgery(spec: Spec, replica: ReplicaId, before: &[Arc<Entry>]) -> Entry {
    let mut document = crdt::create(spec);
    for entry in before {
        let Body::Update(update) = &entry.body else { continue };
        document.admit(&Writer::Replica(entry.id.replica), update).unwrap();
        document.apply(&[update]).unwrap();
    }
    document.write_as(replica);
    document.perform(&written("mallory ")).unwrap();
    Entry {
        id: EntryId { replica, counter: before.len() as u64 + 1 },
        author: Principal::new("ada").unwrap(),
        time: Time(1),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(document.take_local().unwrap().unwrap()),
    }
}

/// A relay, Ada whose first edit is there, and somebody who keeps the document in the relay's memory, as nothing is
/// on disk in this world.
fn shared(family: Family) -> (World, Spec, [usize; 3], ConnectionId) {
    let spec = Spec { family, kind: Kind::Text };
    let mut world = World::default();
    let relay = world.add(Policy::relay());
    let (ada, cyd) = (world.client(spec), world.client(spec));
    world.connect(cyd, relay);
    let link = world.connect(ada, relay);
    world.write(ada, "one ");
    (world, spec, [relay, ada, cyd], link)
}

/// Mallory writes the entry that is to be Ada's second one.
fn rob(world: &mut World, spec: Spec, relay: usize, ada: usize) {
    let before = world.log(relay);
    let name = before[0].id.replica;
    assert_eq!(world.replicas[ada].writer(&doc()), Some(name));
    world.forge(relay, spec, forgery(spec, name, &before));
    assert_eq!(world.log(relay).len(), 2, "the gate admits the forgery");
}

/// Mallory writes while Ada is away.
fn robbed(family: Family) -> (World, Spec, [usize; 3]) {
    let (mut world, spec, [relay, ada, cyd], link) = shared(family);
    world.cut(link);
    rob(&mut world, spec, relay, ada);
    (world, spec, [relay, ada, cyd])
}

/// All hold the same, every edit once, and what Ada wrote is saved.
fn assert_nothing_lost(world: &World, ada: usize, others: &[usize]) {
    let text = world.text(ada);
    for word in ["one", "two", "three", "mallory"] {
        assert_eq!(text.matches(word).count(), 1, "{word} in {text:?}");
    }
    for other in others {
        assert_eq!(world.text(*other), text);
    }
    let progress = world.replicas[ada].progress(&doc()).unwrap();
    assert_eq!((progress.pending, progress.relay), (0, progress.local), "{progress:?}");
}

#[test]
fn what_was_written_under_a_stolen_name_is_made_again() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        world.write(ada, "two ");
        world.write(ada, "three ");
        world.connect(ada, relay);
        let ben = world.client(spec);
        world.connect(ben, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn a_stolen_name_is_noticed_from_either_side() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        let ben = world.client(spec);
        world.connect(ben, relay);
        world.write(ada, "two ");
        // Ben holds what the relay holds, and is dialled: Ada hears of the other entry before the relay hears of hers.
        world.connect(ben, ada);
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn whoever_took_the_right_entry_first_ends_as_all_others() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd]) = robbed(family);
        world.write(ada, "two ");
        let ben = world.client(spec);
        world.connect(ben, ada);
        assert_eq!(world.text(ben), world.text(ada));
        world.connect(ben, relay);
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[ben, cyd]);
    }
}

#[test]
fn a_stolen_name_is_noticed_before_the_own_entry_is_sent() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd], _) = shared(family);
        world.slow = Some((ada, Vec::new()));
        world.write(ada, "two ");
        rob(&mut world, spec, relay, ada);
        world.finish_writes();
        world.write(ada, "three ");
        assert_nothing_lost(&world, ada, &[cyd]);
    }
}

#[test]
fn what_others_send_under_a_name_costs_its_owner_no_edit() {
    for family in FAMILIES {
        let (mut world, spec, [relay, ada, cyd], link) = shared(family);
        world.write(ada, "mallory ");
        world.cut(link);
        let before = world.log(relay);
        let replica = before[0].id.replica;
        let id = EntryId { replica, counter: before.len() as u64 + 1 };
        let body = Body::Update(Bytes::from_static(b"rubbish"));
        world.forge(relay, spec, Entry { id, body, ..(*before[0]).clone() });
        assert_eq!(world.log(relay).len(), before.len(), "the gate refuses it");
        world.write(ada, "two ");
        world.write(ada, "three ");
        world.connect(ada, relay);
        assert_nothing_lost(&world, ada, &[cyd]);
    }
}
