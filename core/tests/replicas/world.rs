//! Several replicas and what is between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::crdt::{self, Writer};
use syncline_core::entry::{Body, Cursor, Digest, Entry, Kind, Seen, Spec};
use syncline_core::event::{Event, Input, Output, Side, StoredDocument, Write};
use syncline_core::fuzzing::commit;
use syncline_core::id::{ConnectionId, DocId, EntryId, Epoch, Principal, ReplicaId, WriteId};
use syncline_core::path::Path;
use syncline_core::replica::{Editor, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::{Frame, Message, Numbered};

use super::{config, doc, frame, hello, written};

pub const MALLORYS_LOG: Epoch = Epoch::new([66; 16]);
const MALLORYS_LINK: ConnectionId = ConnectionId(666);

/// Replicas whose disks are done at once, and links that lose nothing until they are cut.
#[derive(Default)]
pub struct World {
    pub replicas: Vec<Replica>,
    policies: Vec<Policy>,
    disks: Vec<BTreeMap<DocId, StoredDocument>>,
    /// What each has told its application.
    pub events: Vec<Vec<Event>>,
    /// How often a replica was started again.
    starts: u64,
    /// Who is at the ends of a link. Mallory's has nobody at its other end, and is not among them.
    pub links: BTreeMap<ConnectionId, [usize; 2]>,
    /// What everybody's clock shows.
    pub now: Time,
    /// How many writes there were, and how many frames.
    pub writes: usize,
    pub sent: usize,
    /// The largest frame, in bytes.
    pub largest: usize,
    /// Whose disk is not done at once, and what it has not finished.
    pub slow: Option<(usize, Vec<(WriteId, Write)>)>,
    /// A link that takes one frame more from the replica that accepted it, and what it takes then.
    pub stuck: Option<(ConnectionId, Vec<(usize, Frame)>)>,
}

impl World {
    /// A replica under its index.
    pub fn add(&mut self, policy: Policy) -> usize {
        let seed = self.replicas.len() as u64 + 1;
        self.replicas.push(Replica::new(config(seed, policy.clone())));
        self.policies.push(policy);
        self.disks.push(BTreeMap::new());
        self.events.push(Vec::new());
        self.replicas.len() - 1
    }

    /// Somebody who has the document open.
    pub fn client(&mut self, spec: Spec) -> usize {
        let client = self.add(Policy::client());
        self.replicas[client].open(self.now, &doc(), Some(spec));
        self.settle();
        client
    }

    /// The process ends, and another one opens what is on the disk.
    pub fn restart(&mut self, index: usize) {
        self.starts += 1;
        let seed = 1_000 + self.starts;
        self.replicas[index] = Replica::new(config(seed, self.policies[index].clone()));
        self.replicas[index].open(self.now, &doc(), None);
        self.settle();
    }

    /// A link that neither end has heard of yet.
    pub fn link(&mut self, from: usize, to: usize) -> ConnectionId {
        let connection = ConnectionId(self.links.len() as u64 + 1);
        self.links.insert(connection, [from, to]);
        connection
    }

    pub fn connect(&mut self, from: usize, to: usize) -> ConnectionId {
        let connection = self.link(from, to);
        self.replicas[to]
            .handle(self.now, Input::Connected { connection, side: Side::Accepted, visitor: None });
        self.replicas[from]
            .handle(self.now, Input::Connected { connection, side: Side::Dialed, visitor: None });
        self.settle();
        connection
    }

    pub fn cut(&mut self, connection: ConnectionId) {
        for end in self.links[&connection] {
            self.replicas[end].handle(self.now, Input::Disconnected { connection });
        }
        self.settle();
    }

    /// Lets everybody do what there is to do, until there is nothing.
    pub fn settle(&mut self) {
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
        self.writes += usize::from(matches!(output, Output::Write { .. }));
        self.sent += usize::from(matches!(output, Output::Send { .. }));
        let replica = &mut self.replicas[index];
        match output {
            Output::Write { id, write } => match &mut self.slow {
                Some((slow, writes)) if *slow == index => writes.push((id, write)),
                _ => {
                    commit(&mut self.disks[index], write);
                    replica.handle(self.now, Input::Written { write: id });
                }
            },
            Output::Load { doc } => {
                let result = Ok(self.disks[index].get(&doc).cloned());
                replica.handle(self.now, Input::Loaded { doc, result });
            }
            Output::Merge(merge) => replica.handle(self.now, Input::Merged(merge.run())),
            Output::Send { connection, frame, .. } => {
                self.largest = self.largest.max(frame.bytes.len());
                if let Some((stuck, frames)) = &mut self.stuck
                    && (*stuck, self.links[stuck][1]) == (connection, index)
                {
                    return frames.push((index, frame));
                }
                replica.handle(self.now, Input::Writable { connection });
                if let Some(ends) = self.links.get(&connection) {
                    let other = ends[usize::from(ends[0] == index)];
                    self.replicas[other].handle(self.now, Input::Received { connection, frame });
                }
            }
            Output::Close { reason, .. } => panic!("a link was closed: {reason}"),
            Output::Event(event) => self.events[index].push(event),
        }
    }

    /// How many writes something takes.
    pub fn count_writes(&mut self, of: impl FnOnce(&mut Self)) -> usize {
        let before = self.writes;
        of(self);
        self.writes - before
    }

    /// The link that was stuck takes everything.
    pub fn free(&mut self) {
        let (connection, frames) = self.stuck.take().unwrap();
        for (index, frame) in frames {
            self.perform(index, Output::Send { connection, frame, entries: 0, waited: None });
        }
        self.settle();
    }

    pub fn finish_writes(&mut self) {
        if let Some((slow, writes)) = self.slow.take() {
            for (id, write) in writes {
                commit(&mut self.disks[slow], write);
                self.replicas[slow].handle(self.now, Input::Written { write: id });
            }
        }
        self.settle();
    }

    pub fn write(&mut self, index: usize, text: &str) {
        let append = |editor: &mut Editor<'_>| editor.perform(written(text));
        self.replicas[index].edit(self.now, &doc(), append).map(drop).unwrap();
        self.settle();
    }

    pub fn text(&self, index: usize) -> String {
        match self.replicas[index].document(&doc()).unwrap().value(&Path::root().child(Kind::TEXT_KEY)) {
            Some(Value::Text(text)) => text,
            None => String::new(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Everything in a replica's log.
    pub fn log(&self, index: usize) -> Vec<Arc<Entry>> {
        let log = self.replicas[index].log(&doc()).unwrap();
        log.after(log.base_offset()).map(|stored| stored.entry.clone()).collect()
    }

    /// Mallory, who has no engine, is on a link for a moment and says what is on her mind about the document.
    pub fn hear_mallory(&mut self, index: usize, (relay, side): (bool, Side), spec: Spec, says: &[Message]) {
        let connection = MALLORYS_LINK;
        self.replicas[index].handle(self.now, Input::Connected { connection, side, visitor: None });
        let entries = says.iter().filter(|message| matches!(message, Message::Entries { .. })).count();
        let log = Cursor { epoch: MALLORYS_LOG, offset: entries as u64, digest: Digest(7) };
        let open = Message::Open { doc: doc(), spec, log, cursors: Vec::new() };
        let words = [&[hello(relay), open, Message::Resume { doc: doc() }], says].concat();
        self.replicas[index].handle(self.now, Input::Received { connection, frame: frame(&words) });
        self.settle();
        self.replicas[index].handle(self.now, Input::Disconnected { connection });
        self.settle();
    }
}

/// The next entry of a replica, as somebody else writes it who has read what it wrote before.
pub fn forgery(spec: Spec, replica: ReplicaId, before: &[Arc<Entry>]) -> Entry {
    let mut document = crdt::create(spec);
    for entry in before {
        let Body::Update(update) = &entry.body else { continue };
        document.admit(&Writer::Replica(entry.id.replica), update).unwrap();
        document.apply(&[update]).unwrap();
    }
    document.write_as(replica);
    document.perform(&written("mallory ")).unwrap();
    let counter = before.iter().filter(|entry| entry.id.replica == replica).count() as u64 + 1;
    entry(EntryId { replica, counter }, Body::Update(document.take_local().unwrap().unwrap()))
}

/// An entry that Mallory made.
pub fn entry(id: EntryId, body: Body) -> Entry {
    let author = Principal::new("ada").unwrap();
    Entry { id, author, time: Time(1), seen: Seen::default(), touched: Vec::new(), body }
}

/// Entries, numbered from the beginning of Mallory's log.
pub fn entries(entries: Vec<Entry>) -> Message {
    let numbered = |(offset, entry)| Numbered { offset, entry: Arc::new(entry) };
    Message::Entries { doc: doc(), entries: (1..).zip(entries).map(numbered).collect() }
}
