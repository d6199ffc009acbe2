//! A peer that says anything: messages of every sort that are valid by themselves, about documents that are there,
//! with entries that really follow or only look so.

use std::sync::Arc;

use bytes::Bytes;

use super::{documents, name, spec};
use crate::crdt::{self, Crdt};
use crate::entry::{Blame, Body, Cursor, Digest, Entry, Seen};
use crate::fuzzing::Choices;
use crate::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use crate::log::Log;
use crate::path::Path;
use crate::replica::Replica;
use crate::scripts::{Scripts, Shape};
use crate::time::Time;
use crate::wire::{ErrorCode, Hello, MAX_POSITION, Message, Numbered, VERSION};

/// The forger's log, as it calls it.
const EPOCH: Epoch = Epoch::new([9; 16]);

/// Offsets and lengths that somebody may add to.
const FAR: [u64; 4] = [1 << 32, MAX_POSITION - 1, MAX_POSITION, u64::MAX];

/// The peer, with its own copies of the documents.
pub struct Forger {
    copies: Vec<Copy>,
    offset: u64,
}

/// A document of the forger's, and what it wrote there.
struct Copy {
    document: Box<dyn Crdt>,
    writer: ReplicaId,
    counter: u64,
}

impl Copy {
    fn new(at: usize, generation: u8) -> Self {
        let (mut document, writer) = (crdt::create(spec(at)), ReplicaId::new([generation; 16]));
        document.write_as(writer);
        Self { document, writer, counter: 0 }
    }

    /// Begins again under another id if something of what it wrote is not there.
    fn follow(&mut self, at: usize, log: Option<&Log>) {
        if log.is_some_and(|log| log.have().counter(&self.writer) != self.counter) {
            *self = Self::new(at, self.writer.as_bytes()[0].wrapping_add(1));
        }
    }

    fn next_id(&mut self) -> EntryId {
        self.counter += 1;
        EntryId { replica: self.writer, counter: self.counter }
    }
}

impl Forger {
    pub fn new() -> Self {
        Self { copies: (0..documents()).map(|at| Copy::new(at, 9)).collect(), offset: 0 }
    }

    /// What every conversation begins with.
    pub fn greet(&mut self, choices: &mut Choices<'_>, _to: &Replica) -> Vec<Message> {
        let mut messages = vec![Self::hello(choices)];
        for at in 0..documents() {
            let log = self.cursor(choices);
            messages.push(Message::Open { doc: name(at), spec: spec(at), log, cursors: Vec::new() });
            messages.push(Message::Resume { doc: name(at) });
        }
        messages
    }

    /// Up to four messages, or a hello and what may follow it.
    pub fn messages(&mut self, choices: &mut Choices<'_>, to: &Replica) -> Vec<Message> {
        (0..=choices.below(4)).map(|_| self.message(choices, to)).collect()
    }

    pub fn hello(choices: &mut Choices<'_>) -> Message {
        let newest = if choices.once_in(20) { 0 } else { VERSION };
        Message::Hello(Hello {
            oldest: newest,
            newest,
            agent: "forger".to_owned(),
            relay: choices.once_in(2),
            acks: choices.once_in(2),
            compression: Vec::new(),
        })
    }

    fn message(&mut self, choices: &mut Choices<'_>, to: &Replica) -> Message {
        let at = choices.index(documents());
        let doc = name(at);
        let log = to.log(&doc);
        match choices.below(22) {
            0..3 => {
                let cursors = (0..choices.below(3)).map(|_| cursor(choices, log)).collect();
                let spec = spec(if choices.once_in(12) { choices.index(documents()) } else { at });
                Message::Open { doc, spec, log: self.cursor(choices), cursors }
            }
            3..5 => Message::Resume { doc },
            5 => Message::NeedHave { doc },
            6 => Message::Have { doc, have: have(choices, log) },
            7..12 => Message::Entries { doc, entries: self.entries(choices, at, log) },
            12..14 => Message::Durable { doc, cursor: self.cursor(choices) },
            14 => Message::Ack { doc, offset: offset(choices, log) },
            15..17 => self.snapshot_part(choices, at, log),
            17 => Message::Refused {
                doc,
                id: id(choices, log),
                blame: Blame::Context,
                reason: "because".to_owned(),
            },
            18 => Message::Shut { doc },
            19 => Message::Failure { doc: Some(doc), code: ErrorCode::Unavailable, message: String::new() },
            20 => Message::Describe { doc },
            _ => choices_of_rest(choices, doc),
        }
    }

    fn cursor(&self, choices: &mut Choices<'_>) -> Cursor {
        let offset = if choices.once_in(8) { far_or_near(choices, self.offset) } else { self.offset };
        Cursor { epoch: EPOCH, offset, digest: Digest(offset) }
    }

    /// Offsets rise, as the codec demands.
    fn entries(&mut self, choices: &mut Choices<'_>, at: usize, log: Option<&Log>) -> Vec<Numbered> {
        self.copies[at].follow(at, log);
        let mut entries = Vec::new();
        for _ in 0..=choices.below(3) {
            self.offset += 1 + choices.below(2);
            let entry = self.entry(choices, at, log);
            entries.push(Numbered { offset: self.offset, entry: Arc::new(entry) });
        }
        entries
    }

    fn entry(&mut self, choices: &mut Choices<'_>, at: usize, log: Option<&Log>) -> Entry {
        let update = self.update(choices, at);
        let (id, body) = match choices.below(16) {
            0 => (id(choices, log), Body::Update(update)),
            1 => (id(choices, log), Body::Void(id(choices, log))),
            2 => (self.copies[at].next_id(), Body::Update(choices.bytes(40).into())),
            _ => (self.copies[at].next_id(), Body::Update(update)),
        };
        let seen = Seen { cursor: None, beyond: have(choices, log).iter().collect() };
        let author = Principal::new("forger").expect("a name");
        Entry { id, author, time: Time(0), seen, touched: Vec::new(), body }
    }

    /// A real update of the forger's copy.
    fn update(&mut self, choices: &mut Choices<'_>, at: usize) -> Bytes {
        let (document, mut random) = (&mut self.copies[at].document, choices.random());
        let shape = if at + 1 == documents() { Shape::Flat } else { Shape::Tree };
        for _ in 0..3 {
            let root = document.value(&Path::root()).expect("a document can be read");
            document.perform(&Scripts::new(shape).operation(&mut random, &root)).ok();
        }
        document.take_local().expect("a document gives its edits").unwrap_or_default()
    }

    fn snapshot_part(&mut self, choices: &mut Choices<'_>, at: usize, log: Option<&Log>) -> Message {
        let copy = &self.copies[at];
        let state = copy.document.snapshot().expect("a document can be saved");
        let bytes = if choices.once_in(6) { choices.bytes(40).into() } else { state };
        let more = if choices.once_in(4) { far_or_near(choices, 9) } else { 0 };
        let mut covers = have(choices, log);
        covers.insert(EntryId { replica: copy.writer, counter: copy.counter.max(1) });
        Message::SnapshotPart {
            doc: name(at),
            cursor: self.cursor(choices),
            covers: (!choices.once_in(4)).then_some(covers),
            total: (bytes.len() as u64).saturating_add(more),
            bytes,
        }
    }
}

fn choices_of_rest(choices: &mut Choices<'_>, doc: DocId) -> Message {
    match choices.below(5) {
        0 => Message::Described { doc, spec: Some(spec(choices.index(documents()))) },
        1 => Message::Goodbye { retry_after: choices.one_of(&FAR) },
        2 => Message::Ping { token: choices.below(9) },
        3 => Message::Failure { doc: None, code: ErrorCode::TooMany, message: String::new() },
        _ => Forger::hello(choices),
    }
}

/// A position in a log that is there, or was never.
fn cursor(choices: &mut Choices<'_>, log: Option<&Log>) -> Cursor {
    let any = Cursor { epoch: EPOCH, offset: choices.below(9), digest: Digest(7) };
    let Some(log) = log else { return any };
    let offset = offset(choices, Some(log));
    let unknown = Cursor { epoch: log.epoch(), offset, digest: Digest(7) };
    log.cursor(offset).unwrap_or(unknown)
}

fn offset(choices: &mut Choices<'_>, log: Option<&Log>) -> u64 {
    let head = log.map_or(0, Log::head);
    if choices.once_in(8) { far_or_near(choices, head) } else { choices.below(head + 1) }
}

fn far_or_near(choices: &mut Choices<'_>, near: u64) -> u64 {
    if choices.once_in(2) { choices.one_of(&FAR) } else { near.saturating_add(choices.below(4)) }
}

/// An entry that the log holds, or one that would be next, or none.
fn id(choices: &mut Choices<'_>, log: Option<&Log>) -> EntryId {
    let held: Vec<EntryId> = log.map(|log| log.have().iter().collect()).unwrap_or_default();
    let last = held.get(choices.index(held.len())).copied();
    let EntryId { replica, counter } =
        last.unwrap_or(EntryId { replica: ReplicaId::new([7; 16]), counter: 1 });
    let counter = match choices.below(6) {
        0 => counter.saturating_add(1),
        1 => far_or_near(choices, counter),
        _ => 1 + choices.below(counter),
    };
    EntryId { replica, counter: counter.max(1) }
}

fn have(choices: &mut Choices<'_>, log: Option<&Log>) -> Have {
    (0..choices.below(4)).map(|_| id(choices, log)).collect()
}

/// A few real entries.
pub fn some_entries() -> Vec<Numbered> {
    Forger::new().entries(&mut Choices::of_seed(3), 0, None)
}
