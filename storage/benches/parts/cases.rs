//! The cases: what is prepared for each, and what is measured.

use std::any::Any;
use std::fmt;

use syncline_core::crdt::{self, Writer};
use syncline_core::entry::Family;
use syncline_core::event::{StoredEntry, Write};
use syncline_core::id::Epoch;
use syncline_core::log::Log;
use syncline_core::operation::Operation;
use syncline_core::replica::Policy;
use syncline_core::wire::{Codec, Compression, Encoding, Message, Numbered};
use syncline_storage::{MemoryStorage, Options, SqliteStorage, Storage};
use tempfile::TempDir;

use crate::Body;
use crate::node::{Node, doc, script, spec};

/// Entries of a message, and of a commit.
const BATCH: usize = 100;

/// Edits of a document that is opened, sent or compacted.
const LONG: usize = 2_000;

/// Edits that are made one after the other.
const EDITS: usize = 500;

/// Who reads what one writes.
const READERS: usize = 50;

/// Something that is measured.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Makes what it needs.
    pub prepare: fn() -> Body,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All of them.
pub const ALL: &[Case] = &[
    Case { name: "encode-binary", prepare: || encode(Encoding::Binary, Compression::None) },
    Case { name: "encode-json", prepare: || encode(Encoding::Json, Compression::None) },
    Case { name: "encode-brotli", prepare: || encode(Encoding::Binary, Compression::Brotli) },
    Case { name: "decode-binary", prepare: || decode(Encoding::Binary, Compression::None) },
    Case { name: "decode-json", prepare: || decode(Encoding::Json, Compression::None) },
    Case { name: "decode-brotli", prepare: || decode(Encoding::Binary, Compression::Brotli) },
    Case { name: "gate-yjs", prepare: || gate(Family::Yjs) },
    Case { name: "gate-automerge", prepare: || gate(Family::Automerge) },
    Case { name: "log-append", prepare: append },
    Case { name: "edit-yjs", prepare: || edit(Family::Yjs) },
    Case { name: "edit-automerge", prepare: || edit(Family::Automerge) },
    Case { name: "open-yjs", prepare: || open(Family::Yjs) },
    Case { name: "open-automerge", prepare: || open(Family::Automerge) },
    Case { name: "contribute-yjs", prepare: contribute },
    Case { name: "fan-out", prepare: fan_out },
    Case { name: "join-log", prepare: || join(false) },
    Case { name: "join-snapshot", prepare: || join(true) },
    Case { name: "compact-yjs", prepare: || compact(Family::Yjs) },
    Case { name: "compact-automerge", prepare: || compact(Family::Automerge) },
    Case { name: "commit-memory", prepare: || commit(MemoryStorage::new(), ()) },
    Case { name: "commit-sqlite", prepare: commit_to_disk },
];

/// What is timed and not counted: how many instructions SQLite takes is for the C compiler of the machine to say.
pub const TIMED_ONLY: &[&str] = &["commit-sqlite"];

/// Boxes what is to be done.
fn body<T: Any>(work: impl FnOnce() -> T + 'static) -> Body {
    Box::new(move || Box::new(work()))
}

fn message() -> Message {
    let entries = Node::written(Family::Yjs, BATCH).entries();
    let entries = (1..).zip(entries).map(|(offset, entry)| Numbered { offset, entry }).collect();
    Message::Entries { doc: doc(), entries }
}

fn encode(encoding: Encoding, compression: Compression) -> Body {
    let (message, codec) = (message(), Codec { encoding, compression });
    body(move || (codec.frame(&[codec.encode(&message)]), message))
}

fn decode(encoding: Encoding, compression: Compression) -> Body {
    let codec = Codec { encoding, compression };
    let frame = codec.frame(&[codec.encode(&message())]);
    body(move || (Codec::decode(&frame).expect("a frame of our own"), frame))
}

/// A relay's gate, which has no document behind it.
fn gate(family: Family) -> Body {
    let updates = Node::written(family, EDITS).updates();
    let mut gate = crdt::gate(spec(family));
    body(move || {
        for (entry, update) in &updates {
            gate.admit(&Writer::Replica(entry.id.replica), update).expect("an update of our own");
        }
        (gate, updates)
    })
}

fn append() -> Body {
    let entries = Node::written(Family::Yjs, LONG).entries();
    let mut log = Log::new(Epoch::new([1; 16]));
    body(move || {
        for entry in entries {
            let stored = log.next(entry, None);
            log.push(stored);
        }
        log
    })
}

/// Somebody with a document, and the last edits that are still to be made to it.
fn begun(family: Family) -> (Node, Vec<Operation>) {
    let mut operations = script(LONG);
    let later = operations.split_off(LONG - EDITS);
    let mut node = Node::writer(family);
    node.edit(operations);
    (node, later)
}

/// Edits to a document that has some.
fn edit(family: Family) -> Body {
    let (mut node, later) = begun(family);
    body(move || {
        node.edit(later);
        node
    })
}

/// A document is opened from a log that was compacted, with new entries behind.
fn open(family: Family) -> Body {
    let (mut node, later) = begun(family);
    node.compact();
    node.edit(later);
    node.close();
    body(move || {
        node.open(None);
        node
    })
}

/// What a client of Yjs types is taken in for the others.
fn contribute() -> Body {
    let updates = Node::written(Family::Yjs, EDITS).updates();
    let mut relay = Node::new(2, Policy::relay());
    let guest = relay.host(spec(Family::Yjs));
    body(move || {
        updates.iter().for_each(|(_, update)| relay.contribute(&guest, update));
        (relay, updates)
    })
}

/// A relay passes on to many what one writes, edit by edit.
fn fan_out() -> Body {
    let mut author = Node::new(1, Policy::client());
    author.open(Some(spec(Family::Yjs)));
    let mut relay = Node::new(2, Policy::relay());
    author.meet(&mut relay);
    for number in 2..READERS + 2 {
        let mut reader = Node::new(number as u64 + 1, Policy::client());
        reader.open(Some(spec(Family::Yjs)));
        reader.meet_as(number, &mut relay);
    }
    author.edit(script(BATCH));
    let edits = author.said();
    body(move || {
        relay.receive(edits);
        relay
    })
}

/// Somebody who has nothing gets a document from a relay.
fn join(compacted: bool) -> Body {
    let mut author = Node::new(1, Policy::client());
    author.open(Some(spec(Family::Yjs)));
    author.edit(script(LONG));
    let mut relay = Node::new(2, Policy::relay());
    author.meet(&mut relay);
    if compacted {
        relay.open(None);
        relay.compact();
    }
    let mut joiner = Node::new(3, Policy::client());
    joiner.open(Some(spec(Family::Yjs)));
    relay.leave();
    body(move || {
        joiner.meet(&mut relay);
        (joiner, relay)
    })
}

fn compact(family: Family) -> Body {
    let mut node = Node::written(family, LONG);
    let merge = node.merge();
    body(move || (merge.run(), node))
}

/// Appends that share a commit.
fn commit<S: Storage + 'static>(mut storage: S, place: impl Any) -> Body {
    let mut log = Log::new(Epoch::new([1; 16]));
    let append = |entry| {
        let entry: StoredEntry = log.next(entry, None);
        log.push(entry.clone());
        Write::Append { doc: doc(), entry }
    };
    let writes: Vec<Write> = Node::written(Family::Yjs, BATCH).entries().into_iter().map(append).collect();
    let create = Write::Create { doc: doc(), spec: spec(Family::Yjs), epoch: log.epoch() };
    storage.commit(&[create]).expect("an empty store takes a document");
    body(move || {
        storage.commit(&writes).expect("a store takes what follows");
        (storage, writes, place)
    })
}

fn commit_to_disk() -> Body {
    let folder = TempDir::new().expect("a folder");
    let storage = SqliteStorage::open(folder.path().join("app.db"), Options::default()).expect("a store");
    commit(storage, folder)
}
