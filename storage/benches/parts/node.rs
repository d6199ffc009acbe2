//! Replicas over stores in memory, without threads or clocks, and links between them that lose nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use syncline_core::crdt::Exchange;
use syncline_core::entry::{Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{Input, Output, Side};
use syncline_core::id::{ConnectionId, DocId, Have, Principal};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::random::Random;
use syncline_core::replica::{Compaction, Config, Guest, Merge, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::wire::{Encoding, Frame};
use syncline_storage::{MemoryStorage, Storage};

/// The one time at which everything happens.
const NOW: Time = Time(1_795_000_000_000);

/// The link of whoever has only one.
const LINK: ConnectionId = ConnectionId(1);

/// How often the writer goes to another place, and how often he deletes what is before him.
const JUMPS: f64 = 0.02;
const DELETIONS: f64 = 0.1;

/// The one document.
pub fn doc() -> DocId {
    DocId::new("text").expect("a valid name")
}

/// What it is.
pub const fn spec(family: Family) -> Spec {
    Spec { family, kind: Kind::Text }
}

/// A text being written.
pub fn script(count: usize) -> Vec<Operation> {
    let (mut random, mut len, mut cursor) = (Random::new(7), 0, 0);
    let mut edit = || {
        if random.chance(JUMPS) {
            cursor = random.index(len + 1);
        }
        let delete = usize::from(random.chance(DELETIONS)).min(len - cursor);
        let at = cursor;
        len = len - delete + 1;
        cursor += 1;
        let letter = char::from(b'a' + random.index(26) as u8);
        Operation::Splice { path: Path::root().child(Kind::TEXT_KEY), at, delete, insert: letter.to_string() }
    };
    (0..count).map(|_| edit()).collect()
}

/// A replica with its store.
pub struct Node {
    replica: Replica,
    storage: MemoryStorage,
    /// What it has sent, and on which link.
    frames: VecDeque<(ConnectionId, Frame)>,
    merges: Vec<Merge>,
}

impl Node {
    /// One under a policy. It compacts nothing unless it is told to.
    pub fn new(seed: u64, policy: Policy) -> Self {
        let compaction = Compaction { least_bytes: usize::MAX, ..policy.compaction };
        let policy = Policy { compaction, ..policy };
        let config = Config {
            agent: "parts".to_owned(),
            principal: Principal::new("ada").expect("a valid name"),
            encoding: Encoding::Binary,
            compression: Vec::new(),
            seed,
            policy,
        };
        let (storage, frames) = (MemoryStorage::new(), VecDeque::new());
        Self { replica: Replica::new(config), storage, frames, merges: Vec::new() }
    }

    /// Somebody without a relay who has the document open.
    pub fn writer(family: Family) -> Self {
        let mut node = Self::new(1, Policy { awaits_relay: false, ..Policy::client() });
        node.open(Some(spec(family)));
        node
    }

    /// The same, with so many edits made.
    pub fn written(family: Family, edits: usize) -> Self {
        let mut node = Self::writer(family);
        node.edit(script(edits));
        node
    }

    /// Opens the document.
    pub fn open(&mut self, spec: Option<Spec>) {
        self.replica.open(NOW, &doc(), spec);
        self.settle();
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.replica.close(&doc());
        self.settle();
    }

    /// Makes edits, each an entry of its own.
    pub fn edit(&mut self, operations: Vec<Operation>) {
        for operation in operations {
            self.replica.edit(NOW, &doc(), |editor| editor.perform(operation)).expect("an edit");
            self.settle();
        }
    }

    /// What is to be merged for the log to be compacted.
    pub fn merge(&mut self) -> Merge {
        self.replica.compact(&doc());
        self.settle();
        self.merges.pop().expect("something to compact")
    }

    /// Has the log compacted.
    pub fn compact(&mut self) {
        let merged = self.merge().run();
        self.replica.handle(NOW, Input::Merged(merged));
        self.settle();
    }

    /// The entries of its log.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let log = self.replica.log(&doc()).expect("an open document");
        log.after(0).map(|stored| stored.entry.clone()).collect()
    }

    /// Their updates.
    pub fn updates(&self) -> Vec<(Arc<Entry>, Bytes)> {
        let update = |entry: Arc<Entry>| {
            let bytes = entry.body.update().expect("an entry with an update").clone();
            (entry, bytes)
        };
        self.entries().into_iter().map(update).collect()
    }

    /// Dials another one. Both say all they have to say.
    pub fn meet(&mut self, other: &mut Self) {
        self.meet_on(LINK, other);
    }

    /// The same on a link of this number.
    pub fn meet_as(&mut self, number: usize, other: &mut Self) {
        self.meet_on(ConnectionId(number as u64), other);
    }

    fn meet_on(&mut self, connection: ConnectionId, other: &mut Self) {
        for (node, side) in [(&mut *self, Side::Dialed), (&mut *other, Side::Accepted)] {
            node.take(Input::Connected { connection, side, visitor: None });
        }
        loop {
            let (here, there) = (self.said(), other.said());
            if here.is_empty() && there.is_empty() {
                return;
            }
            other.receive(here);
            self.receive(there);
        }
    }

    /// What it has sent since this was asked before, and on which links.
    pub fn said(&mut self) -> VecDeque<(ConnectionId, Frame)> {
        std::mem::take(&mut self.frames)
    }

    /// The link is gone.
    pub fn leave(&mut self) {
        self.take(Input::Disconnected { connection: LINK });
    }

    /// Hears what was sent.
    pub fn receive(&mut self, frames: VecDeque<(ConnectionId, Frame)>) {
        for (connection, frame) in frames {
            self.take(Input::Received { connection, frame });
        }
    }

    /// Has the document held for a guest, and returns him.
    pub fn host(&mut self, spec: Spec) -> Guest {
        self.replica.host(NOW, &doc(), Some(spec));
        self.settle();
        self.replica.build(NOW, &doc());
        self.settle();
        for built in std::mem::take(&mut self.merges) {
            self.take(Input::Merged(built.run()));
        }
        let author = Principal::new("eve").expect("a valid name");
        Guest { replica: self.replica.new_guest(), author, seen: Seen::default() }
    }

    /// Takes in an update of a guest.
    pub fn contribute(&mut self, guest: &Guest, update: &[u8]) {
        let receive = |exchange: &mut dyn Exchange, replicas: &Have| {
            exchange.receive(replicas, update).map(|updates| (updates, ()))
        };
        self.replica.contribute(NOW, &doc(), guest, receive).expect("an update of a guest");
        self.settle();
    }

    fn take(&mut self, input: Input) {
        self.replica.handle(NOW, input);
        self.settle();
    }

    /// Does what the replica wants done.
    fn settle(&mut self) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Write { id, write } => {
                    self.storage.commit(&[write]).expect("a store in memory takes everything");
                    self.replica.handle(NOW, Input::Written { write: id });
                }
                Output::Load { doc } => {
                    let found = self.storage.load(&doc).expect("a store in memory has everything");
                    self.replica.handle(NOW, Input::Loaded { doc, result: Ok(found) });
                }
                Output::Send { connection, frame, .. } => {
                    self.frames.push_back((connection, frame));
                    self.replica.handle(NOW, Input::Writable { connection });
                }
                Output::Merge(merge) => self.merges.push(merge),
                Output::Close { reason, .. } => panic!("a link was closed: {reason}"),
                Output::Event(_) => {}
            }
        }
        // Frames that others might share wait for a moment; here nobody else comes.
        if self.replica.next_timeout().is_some_and(|time| time <= NOW) {
            self.take(Input::Tick);
        }
    }
}
