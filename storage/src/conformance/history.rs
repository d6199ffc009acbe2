//! Histories of writes as replicas make them, drawn from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline_core::entry::{Blame, Body, Cursor, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{Fence, PeerCursor, Snapshot, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use syncline_core::random::Random;
use syncline_core::time::Time;

/// Longest update that is drawn, in bytes.
const MAX_DRAWN_BYTES: u64 = 600;

/// Most replicas that write one document, and most peers that it is synced with.
const PEOPLE: u64 = 4;

/// An endless, valid history: every write makes sense after those before it. The same seed gives the same
/// history, so a test can compare any store with another one that was given the same writes.
#[derive(Clone, Debug)]
pub struct History {
    random: Random,
    names: Vec<DocId>,
    logs: BTreeMap<DocId, Log>,
}

#[derive(Clone, Debug)]
struct Log {
    offset: u64,
    digest: Digest,
    have: Have,
    /// The digest and the entries so far, behind each offset from the snapshot's on.
    marks: Vec<(u64, Digest, Have)>,
}

impl Log {
    fn new() -> Self {
        let mut log = Self { offset: 0, digest: Digest::default(), have: Have::default(), marks: Vec::new() };
        log.mark();
        log
    }

    fn mark(&mut self) {
        self.marks.push((self.offset, self.digest, self.have.clone()));
    }

    fn push(&mut self, random: &mut Random) -> StoredEntry {
        let replica = ReplicaId::new([random.below(PEOPLE) as u8; 16]);
        let id = EntryId { replica, counter: self.have.counter(&replica) + 1 };
        self.offset += 1;
        self.digest = self.digest.chain(&id);
        self.have.insert(id);
        self.mark();
        let operations = random.chance(0.3).then(|| drawn_bytes(random));
        StoredEntry {
            offset: self.offset,
            digest: self.digest,
            entry: Arc::new(entry(id, random)),
            operations,
        }
    }
}

impl History {
    /// A history over a handful of documents, among them names that trip careless code.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let names =
            ["notes", "team/board", "it's \"quoted\"; DROP TABLE documents", "Ünïcödé 文書 👩‍👩‍👧", "%_*?"];
        let names = names.into_iter().filter_map(|name| DocId::new(name).ok()).collect();
        Self { random: Random::new(seed), names, logs: BTreeMap::new() }
    }

    /// The documents it is about, whether they exist at the moment or not.
    #[must_use]
    pub fn names(&self) -> &[DocId] {
        &self.names
    }

    /// The next writes, between one and `most` of them.
    pub fn batch(&mut self, most: u64) -> Vec<Write> {
        (0..=self.random.below(most.max(1))).map(|_| self.write()).collect()
    }

    /// The next write.
    pub fn write(&mut self) -> Write {
        let doc = self.names[self.random.index(self.names.len())].clone();
        let Some(log) = self.logs.get_mut(&doc) else {
            return self.create(doc);
        };
        let random = &mut self.random;
        match random.below(100) {
            0..60 => Write::Append { doc, entry: log.push(random) },
            60..75 => Write::Peer { doc, cursor: peer(log, random) },
            75..82 => Write::Fence { doc, fence: fence(random) },
            82..87 => Write::Quarantine { doc, id: quarantined(random) },
            87..94 if log.offset > 0 => Write::Compact { doc, snapshot: compacted(log, random) },
            94..97 => replaced(doc, log, random),
            97 => {
                self.logs.remove(&doc);
                Write::Delete { doc }
            }
            98 => Write::Release { doc, id: quarantined(random) },
            _ => Write::Append { doc, entry: log.push(random) },
        }
    }

    fn create(&mut self, doc: DocId) -> Write {
        let random = &mut self.random;
        let family = [Family::Yjs, Family::Automerge, Family::Toy][random.index(3)];
        let kind = [Kind::Tree, Kind::Text][random.index(2)];
        self.logs.insert(doc.clone(), Log::new());
        Write::Create { doc, spec: Spec { family, kind }, epoch: Epoch::new(random.bytes()) }
    }
}

fn entry(id: EntryId, random: &mut Random) -> Entry {
    let author = if random.chance(0.5) { "ada" } else { "grace" };
    Entry {
        id,
        author: Principal::new(author).expect("the names are valid"),
        time: Time(random.next_u64()),
        seen: Seen { cursor: random.chance(0.5).then(|| cursor(random)), beyond: Vec::new() },
        touched: Vec::new(),
        body: if random.chance(0.05) { Body::Void(id) } else { Body::Update(drawn_bytes(random)) },
    }
}

fn drawn_bytes(random: &mut Random) -> Bytes {
    let len = random.below(MAX_DRAWN_BYTES);
    (0..len).map(|_| random.next_u64() as u8).collect()
}

fn cursor(random: &mut Random) -> Cursor {
    let epoch = Epoch::new([random.below(PEOPLE) as u8; 16]);
    Cursor { epoch, offset: random.next_u64(), digest: Digest(random.next_u64()) }
}

fn peer(log: &Log, random: &mut Random) -> PeerCursor {
    let acked = random.below(log.offset + 1);
    PeerCursor { theirs: cursor(random), relay: random.chance(0.5), acked, covered: acked }
}

fn fence(random: &mut Random) -> Fence {
    let replica = ReplicaId::new([random.below(PEOPLE) as u8; 16]);
    let blame = if random.chance(0.5) { Blame::Entry } else { Blame::Context };
    Fence { replica, counter: random.below(50), blame, reason: format!("no. {}", random.below(10)) }
}

fn quarantined(random: &mut Random) -> EntryId {
    EntryId { replica: ReplicaId::new([random.below(PEOPLE) as u8; 16]), counter: random.below(50) }
}

/// A snapshot somewhere in the log, at an offset that is not compacted yet.
fn compacted(log: &mut Log, random: &mut Random) -> Arc<Snapshot> {
    let at = random.index(log.marks.len());
    log.marks.drain(..at);
    let (offset, digest, covers) = log.marks[0].clone();
    // An offset that is the present snapshot's already, or zero, is a write that is known.
    if offset == 0 {
        log.marks.drain(..1);
        return compacted(log, random);
    }
    Arc::new(Snapshot { offset, digest, covers, state: drawn_bytes(random) })
}

fn replaced(doc: DocId, log: &mut Log, random: &mut Random) -> Write {
    log.offset += 1 + random.below(3);
    log.digest = log.digest.replaced(&log.have);
    log.marks.clear();
    log.mark();
    let snapshot = Snapshot {
        offset: log.offset,
        digest: log.digest,
        covers: log.have.clone(),
        state: drawn_bytes(random),
    };
    let entries = (0..random.below(4)).map(|_| log.push(random)).collect();
    Write::Replace { doc, snapshot: Arc::new(snapshot), entries }
}
