//! What fuzzing does to whole replicas: a relay and a client with a link between them, applications, stores and
//! clocks that do as they like, and at each of the two a peer that says anything.
//!
//! Whatever comes in, a replica does not panic, queues no more than a little, keeps to the contract of its outputs,
//! says only what can be understood, and changes only the documents that were named.

mod forger;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forger::Forger;
pub use forger::some_entries;
pub use store::commit;
use store::{Request, Store};

use super::Choices;
use crate::entry::{Cursor, Family, Kind, Spec};
use crate::event::{Input, Output, Side};
use crate::id::{ConnectionId, DocId, Have, Principal};
use crate::path::Path;
use crate::replica::{Compaction, Config, Policy, Replica};
use crate::scripts::{Scripts, Shape};
use crate::time::Time;
use crate::wire::{Codec, Compression, Encoding, Frame, MAX_FRAME_BYTES, Message};

/// Most steps of one run.
const STEPS: u32 = 400;

/// How often both stores and both ends of the link take turns before the first step.
const ROUNDS: usize = 8;

/// Most things that a store does at once.
const MOST_WORK: usize = 16;

/// Most outputs that one input leads to. No frame here brings more than 20 entries or asks more than 4 questions.
const MAX_OUTPUTS: usize = 600;

/// Longest frame of any bytes.
const RAW_BYTES: usize = 60;

/// Compacts early, so that snapshots are sent.
const COMPACTION: Compaction = Compaction { least_bytes: 300, ratio: 1, keep_entries: 2 };

const FAMILIES: [Family; 4] = [Family::Yjs, Family::Automerge, Family::Yjs, Family::Toy];

/// How many documents there are to talk about.
const fn documents() -> usize {
    FAMILIES.len()
}

fn name(at: usize) -> DocId {
    DocId::new(["a", "b", "c", "d"][at]).expect("a name")
}

/// The last one is a toy.
const fn spec(at: usize) -> Spec {
    Spec { family: FAMILIES[at], kind: Kind::Tree }
}

/// The bytes decide what happens, step by step.
pub fn replica_inputs(data: &[u8]) {
    let mut choices = Choices::of_bytes(data);
    let mut world = World::new(&mut choices);
    world.begin();
    for _ in 0..STEPS {
        if choices.is_done() {
            break;
        }
        world.step(&mut choices);
    }
}

/// The one that everybody dials.
const RELAY: usize = 0;
/// The one that is edited.
const CLIENT: usize = 1;

struct World {
    now: Time,
    nodes: [Node; 2],
    forgers: [Forger; 2],
    /// Frames on their way to each node, on the link between the two.
    between: [VecDeque<Frame>; 2],
    links: u64,
}

/// One replica and what belongs to it.
struct Node {
    replica: Replica,
    store: Store,
    /// The link to the other node.
    honest: Option<ConnectionId>,
    /// The link to the forger.
    hostile: Option<ConnectionId>,
    /// Links that have not taken their last frame.
    busy: BTreeSet<ConnectionId>,
    /// A link that was given one more all the same, which is right only if it is closed behind that.
    closing: Option<ConnectionId>,
}

impl World {
    fn new(choices: &mut Choices<'_>) -> Self {
        let relay = Policy { compaction: COMPACTION, built: choices.once_in(2), ..Policy::relay() };
        let client = Policy { compaction: COMPACTION, ..Policy::client() };
        Self {
            now: Time(1_000_000),
            nodes: [Node::new(1, relay), Node::new(2, client)],
            forgers: [Forger::new(), Forger::new()],
            between: Default::default(),
            links: 0,
        }
    }

    /// Everything is open, and both are in sync.
    fn begin(&mut self) {
        for at in 0..documents() {
            self.nodes[CLIENT].replica.open(self.now, &name(at), Some(spec(at)));
        }
        self.settle(CLIENT, None);
        self.connect();
        for _ in 0..ROUNDS {
            for at in [RELAY, CLIENT] {
                self.work(at, MOST_WORK);
                self.deliver(at);
            }
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let at = choices.index(2);
        match choices.below(32) {
            0 => self.connect(),
            1 => self.disconnect(),
            2..9 => (0..=choices.below(3)).for_each(|_| self.deliver(at)),
            9..14 => self.edit(choices),
            14..20 => self.work(at, 1 + choices.index(MOST_WORK)),
            20 => self.wait(choices, at),
            21 => self.command(choices, at),
            22 => self.connect_forger(choices, at),
            _ => self.forge(choices, at),
        }
    }

    /// The store does up to so many things, as long as they are alike.
    fn work(&mut self, at: usize, most: usize) {
        for _ in 0..most {
            let Some(input) = self.nodes[at].store.work(most) else { break };
            self.handle(at, input);
        }
    }

    /// Time passes, or the store fails.
    fn wait(&mut self, choices: &mut Choices<'_>, at: usize) {
        self.now = self.now.after(choices.below(20_000));
        let input = if choices.once_in(4) { self.nodes[at].store.fail() } else { Some(Input::Tick) };
        if let Some(input) = input {
            self.handle(at, input);
        }
    }

    fn new_link(&mut self) -> ConnectionId {
        self.links += 1;
        ConnectionId(self.links)
    }

    fn connect(&mut self) {
        self.disconnect();
        let link = self.new_link();
        for (at, side) in [(RELAY, Side::Accepted), (CLIENT, Side::Dialed)] {
            self.nodes[at].honest = Some(link);
            self.handle(at, Input::Connected { connection: link, side, visitor: None });
        }
    }

    fn disconnect(&mut self) {
        self.between = Default::default();
        for at in [RELAY, CLIENT] {
            if let Some(connection) = self.nodes[at].honest.take() {
                self.nodes[at].busy.remove(&connection);
                self.handle(at, Input::Disconnected { connection });
            }
        }
    }

    /// The link takes the frame from one side and gives it to the other.
    fn deliver(&mut self, at: usize) {
        let Some(frame) = self.between[at].pop_front() else { return };
        let Some(connection) = self.nodes[at].honest else { return };
        self.handle(at, Input::Received { connection, frame });
        let from = &mut self.nodes[1 - at];
        if from.honest == Some(connection) && from.busy.remove(&connection) {
            self.handle(1 - at, Input::Writable { connection });
        }
    }

    fn edit(&mut self, choices: &mut Choices<'_>) {
        let (at, mut random) = (choices.index(documents()), choices.random());
        let shape = if spec(at).family == Family::Toy { Shape::Flat } else { Shape::Tree };
        let edited = self.nodes[CLIENT].replica.edit(self.now, &name(at), |editor| {
            let root = editor.document().value(&Path::root()).expect("a document can be read");
            editor.perform(Scripts::new(shape).operation(&mut random, &root))
        });
        drop(edited);
        self.settle(CLIENT, None);
    }

    fn command(&mut self, choices: &mut Choices<'_>, at: usize) {
        let (doc, honest) = (name(choices.index(documents())), self.nodes[at].honest);
        let replica = &mut self.nodes[at].replica;
        match (choices.below(8), honest) {
            (0, _) => replica.close(&doc),
            (1, _) if at == CLIENT => replica.delete(&doc),
            (2, Some(link)) => replica.describe(link, &doc),
            (3, _) => replica.goodbye(5),
            (4..6, _) => replica.compact(&doc),
            _ if at == CLIENT => replica.open(self.now, &doc, None),
            _ => {}
        }
        self.settle(at, None);
    }

    fn connect_forger(&mut self, choices: &mut Choices<'_>, at: usize) {
        if let Some(connection) = self.nodes[at].hostile.take() {
            self.nodes[at].busy.remove(&connection);
            self.handle(at, Input::Disconnected { connection });
        }
        let connection = self.new_link();
        self.nodes[at].hostile = Some(connection);
        let side = if at == RELAY { Side::Accepted } else { Side::Dialed };
        self.handle(at, Input::Connected { connection, side, visitor: None });
        self.receive(at, connection, choices, Forger::greet);
    }

    fn forge(&mut self, choices: &mut Choices<'_>, at: usize) {
        let Some(connection) = self.nodes[at].hostile else { return self.connect_forger(choices, at) };
        if choices.once_in(3) && self.nodes[at].busy.remove(&connection) {
            return self.handle(at, Input::Writable { connection });
        }
        if choices.once_in(16) {
            let frame = Frame { bytes: choices.bytes(RAW_BYTES).into(), text: choices.once_in(2) };
            return self.handle(at, Input::Received { connection, frame });
        }
        self.receive(at, connection, choices, Forger::messages);
    }

    fn receive(
        &mut self,
        at: usize,
        connection: ConnectionId,
        choices: &mut Choices<'_>,
        say: impl Fn(&mut Forger, &mut Choices<'_>, &Replica) -> Vec<Message>,
    ) {
        let messages = say(&mut self.forgers[at], choices, &self.nodes[at].replica);
        let encoding = if choices.once_in(4) { Encoding::Json } else { Encoding::Binary };
        let codec = Codec { encoding, compression: Compression::None };
        let encoded: Vec<_> = messages.iter().map(|message| codec.encode(message)).collect();
        self.handle(at, Input::Received { connection, frame: codec.frame(&encoded) });
    }

    /// Only what a frame names may be changed by it.
    fn handle(&mut self, at: usize, input: Input) {
        let named = match &input {
            Input::Received { frame, .. } => Some(named(frame)),
            _ => None,
        };
        let before = self.nodes[at].heads();
        self.nodes[at].replica.handle(self.now, input);
        self.settle(at, named.as_ref());
        if let Some(named) = named {
            let after = self.nodes[at].heads();
            let same = |doc: &DocId| after.get(doc).is_none_or(|head| before.get(doc) == Some(head));
            let changed = after.keys().find(|doc| !named.contains(doc) && !same(doc));
            assert_eq!(changed, None, "a document that was not named has changed");
        }
    }

    /// Performs what the replica asks for.
    fn settle(&mut self, at: usize, named: Option<&BTreeSet<DocId>>) {
        for count in 0.. {
            assert!(count < MAX_OUTPUTS, "an input leads to no end of outputs");
            let Some(output) = self.nodes[at].replica.poll() else { break };
            if let (Output::Write { write, .. }, Some(named)) = (&output, named) {
                assert!(named.contains(write.doc()), "{write:?} was not asked for");
            }
            self.perform(at, output);
        }
        assert_eq!(self.nodes[at].closing, None, "a link was given a frame before it took the last one");
    }

    fn perform(&mut self, at: usize, output: Output) {
        let node = &mut self.nodes[at];
        match output {
            Output::Write { id, write } => node.store.ask(Request::Write(id, write)),
            Output::Load { doc } => node.store.ask(Request::Load(doc)),
            Output::Send { connection, frame, .. } => {
                assert!(frame.bytes.len() <= MAX_FRAME_BYTES, "a frame is too long");
                assert!(Codec::decode(&frame).is_ok(), "a frame cannot be understood: {frame:?}");
                if !node.busy.insert(connection) {
                    node.closing = Some(connection);
                } else if node.honest == Some(connection) {
                    self.between[1 - at].push_back(frame);
                }
            }
            Output::Close { connection, .. } => {
                node.busy.remove(&connection);
                node.closing.take_if(|closing| *closing == connection);
                node.hostile.take_if(|hostile| *hostile == connection);
                if node.honest == Some(connection) {
                    self.disconnect();
                }
            }
            Output::Merge(merge) => node.store.ask(Request::Merge(merge)),
            Output::Event(_) => {}
        }
    }
}

/// The documents that a frame is about.
fn named(frame: &Frame) -> BTreeSet<DocId> {
    let messages = Codec::decode(frame).unwrap_or_default();
    messages.iter().filter_map(doc_of).cloned().collect()
}

const fn doc_of(message: &Message) -> Option<&DocId> {
    match message {
        Message::Describe { doc }
        | Message::Described { doc, .. }
        | Message::Open { doc, .. }
        | Message::Resume { doc }
        | Message::NeedHave { doc }
        | Message::Have { doc, .. }
        | Message::Entries { doc, .. }
        | Message::Durable { doc, .. }
        | Message::Ack { doc, .. }
        | Message::SnapshotPart { doc, .. }
        | Message::Refused { doc, .. }
        | Message::Presence { doc, .. }
        | Message::Shut { doc } => Some(doc),
        Message::Failure { doc, .. } => doc.as_ref(),
        Message::Hello(_) | Message::Goodbye { .. } | Message::Ping { .. } | Message::Pong { .. } => None,
    }
}

impl Node {
    fn new(seed: u64, policy: Policy) -> Self {
        let config = Config {
            agent: "fuzzed".to_owned(),
            principal: Principal::new("ada").expect("a name"),
            encoding: Encoding::Binary,
            compression: Vec::new(),
            seed,
            policy,
        };
        Self {
            replica: Replica::new(config),
            store: Store::default(),
            honest: None,
            hostile: None,
            busy: BTreeSet::new(),
            closing: None,
        }
    }

    /// What the documents in memory hold.
    fn heads(&self) -> BTreeMap<DocId, (Option<Cursor>, Have)> {
        let logs = self.replica.documents().filter_map(|doc| Some((doc, self.replica.log(doc)?)));
        logs.map(|(doc, log)| (doc.clone(), (log.cursor(log.head()), log.have().clone()))).collect()
    }
}
