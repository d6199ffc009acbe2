//! The checks, one promise each.

use std::sync::Arc;

use bytes::Bytes;
use syncline_core::entry::{
    Blame, Body, Cursor, Digest, Entry, Family, Kind, MAX_UPDATE_BYTES, Seen, Spec, Touch, TouchKind,
};
use syncline_core::event::{Fence, PeerCursor, Snapshot, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, MAX_DOC_ID_BYTES, Principal, ReplicaId};
use syncline_core::time::Time;
use syncline_core::wire::MAX_POSITION;

use super::{History, Opener, assert_same};
use crate::{MemoryStorage, Storage, StorageError};

pub(super) type Check = (&'static str, fn(&mut Opener));

pub(super) const ALL: &[Check] = &[
    ("what was never created is not there", nothing_is_there),
    ("everything comes back, from this value and the next", everything_comes_back),
    ("values at their limits come back", limits_come_back),
    ("a commit is all or nothing", all_or_nothing),
    ("what makes no sense is refused", nonsense_is_refused),
    ("committing again changes nothing", again_changes_nothing),
    ("a deleted document is gone and its name is free", deleted_is_gone),
    ("a snapshot takes the place of the entries it stands for", snapshots_replace_entries),
    ("a replaced log goes on behind the old one", replaced_logs_go_on),
    ("a fence only moves back", fences_move),
    ("documents are listed by name with the end of their log", documents_are_listed),
    ("random histories end as in the model", histories_end_as_in_the_model),
];

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };
const EPOCH: Epoch = Epoch::new([7; 16]);

fn doc(name: &str) -> DocId {
    DocId::new(name).expect("the names of the suite are valid")
}

fn create(name: &str) -> Write {
    Write::Create { doc: doc(name), spec: SPEC, epoch: EPOCH }
}

fn append(name: &str, entry: &StoredEntry) -> Write {
    Write::Append { doc: doc(name), entry: entry.clone() }
}

/// A log of one replica's entries from offset 1.
fn log(len: u64) -> Vec<StoredEntry> {
    entries_behind(0, Digest::default(), len)
}

fn entries_behind(offset: u64, digest: Digest, len: u64) -> Vec<StoredEntry> {
    let mut digest = digest;
    let entries = (1..=len).map(|counter| {
        let entry = entry(counter, Bytes::from(format!("update {counter}")));
        digest = digest.chain(&entry.id);
        let operations = (counter % 2 == 0).then(|| Bytes::from(format!("operations {counter}")));
        StoredEntry { offset: offset + counter, digest, entry: Arc::new(entry), operations }
    });
    entries.collect()
}

fn entry(counter: u64, update: Bytes) -> Entry {
    let replica = ReplicaId::new([1; 16]);
    Entry {
        id: EntryId { replica, counter },
        author: Principal::new("ada").expect("the name is valid"),
        time: Time(counter),
        seen: Seen {
            cursor: Some(Cursor { epoch: EPOCH, offset: counter, digest: Digest(u64::MAX) }),
            beyond: vec![EntryId { replica: ReplicaId::new([2; 16]), counter: MAX_POSITION }],
        },
        touched: vec![Touch { path: ["a/b", "~", ""].into_iter().collect(), what: TouchKind::Wrote }],
        body: Body::Update(update),
    }
}

fn snapshot(entries: &[StoredEntry], state: impl Into<Bytes>) -> Arc<Snapshot> {
    let last = entries.last().expect("the suite compacts at least one entry");
    let covers = entries.iter().map(|stored| stored.entry.id).collect();
    Arc::new(Snapshot { offset: last.offset, digest: last.digest, covers, state: state.into() })
}

fn commit(storage: &mut dyn Storage, writes: &[Write]) {
    storage.commit(writes).expect("the commit makes sense");
}

fn assert_sound(storage: &mut dyn Storage) {
    let report = storage.check().expect("the store can be checked");
    assert!(report.is_sound(), "the check complains: {:?}", report.problems);
}

fn assert_equal(name: &str, left: &mut dyn Storage, right: &mut dyn Storage) {
    let doc = doc(name);
    let (left, right) = (left.load(&doc).expect("it loads"), right.load(&doc).expect("it loads"));
    assert_same(&doc, left.as_ref(), right.as_ref());
}

/// Commits to the store and to a model, and compares both, also after the store was opened again.
fn check_against_model(open: &mut Opener, name: &str, batches: &[&[Write]]) {
    let (mut storage, mut model) = (open(), MemoryStorage::new());
    for batch in batches {
        commit(&mut *storage, batch);
        commit(&mut model, batch);
        assert_equal(name, &mut *storage, &mut model);
    }
    assert_sound(&mut *storage);
    drop(storage);
    assert_equal(name, &mut *open(), &mut model);
}

fn nothing_is_there(open: &mut Opener) {
    let mut storage = open();
    assert!(storage.load(&doc("nothing")).expect("it answers").is_none());
    assert_eq!(storage.documents().expect("it answers"), []);
    commit(&mut *storage, &[]);
    commit(&mut *storage, &[Write::Delete { doc: doc("nothing") }]);
    assert_sound(&mut *storage);
}

fn everything_comes_back(open: &mut Opener) {
    let peer = |epoch: u8, offset| PeerCursor {
        theirs: Cursor { epoch: Epoch::new([epoch; 16]), offset, digest: Digest(offset) },
        relay: epoch == 1,
        acked: 2,
        covered: 3,
    };
    let fence = Fence {
        replica: ReplicaId::new([9; 16]),
        counter: 4,
        blame: Blame::Context,
        reason: "no right to write".into(),
    };
    let mut writes = vec![create("all")];
    writes.extend(log(5).iter().map(|entry| append("all", entry)));
    writes.extend(
        [peer(3, 5), peer(2, 10), peer(1, 20), peer(2, 11)]
            .map(|cursor| Write::Peer { doc: doc("all"), cursor }),
    );
    // One that is there, and one that is not.
    writes.extend([3, 4].map(|epoch| Write::ForgetPeer { doc: doc("all"), epoch: Epoch::new([epoch; 16]) }));
    writes.push(Write::Fence { doc: doc("all"), fence: fence.clone() });
    let ids = [(3, 1), (2, 10), (2, 9), (2, 8)];
    let ids = ids.map(|(replica, counter)| EntryId { replica: ReplicaId::new([replica; 16]), counter });
    writes.extend(ids.map(|id| Write::Quarantine { doc: doc("all"), id }));
    // Here as well.
    let absent = EntryId { counter: 2, ..ids[0] };
    writes.extend([ids[3], absent].map(|id| Write::Release { doc: doc("all"), id }));

    commit(&mut *open(), &writes);
    let found = open().load(&doc("all")).expect("it loads").expect("it is there");
    assert_eq!((found.spec, found.epoch, &found.snapshot), (SPEC, EPOCH, &None));
    assert_eq!(found.entries, log(5));
    assert_eq!(found.peers, [peer(1, 20), peer(2, 11)]);
    assert_eq!(found.fences, [fence]);
    assert_eq!(found.quarantined, [ids[2], ids[1], ids[0]]);
    check_against_model(open, "all", &[&writes]);
}

fn limits_come_back(open: &mut Opener) {
    let name = "ß".repeat(MAX_DOC_ID_BYTES / 2);
    let mut big = log(2);
    big[1].entry = Arc::new(entry(2, Bytes::from(vec![0xA5; MAX_UPDATE_BYTES])));
    big[1].operations = Some(Bytes::new());
    let theirs = Cursor { epoch: EPOCH, offset: u64::MAX, digest: Digest(u64::MAX) };
    let cursor = PeerCursor { theirs, relay: true, acked: u64::MAX, covered: u64::MAX };
    let id = EntryId { replica: ReplicaId::new([255; 16]), counter: u64::MAX };
    let state: Vec<u8> = (0..(3 << 20) + 1).map(|n: u32| (n % 251) as u8).collect();
    check_against_model(
        open,
        &name,
        &[
            &[create(&name), append(&name, &big[0]), append(&name, &big[1])],
            &[Write::Peer { doc: doc(&name), cursor }, Write::Quarantine { doc: doc(&name), id }],
            &[Write::Compact { doc: doc(&name), snapshot: snapshot(&big[..1], Bytes::new()) }],
            &[Write::Compact { doc: doc(&name), snapshot: snapshot(&big, state) }],
        ],
    );
}

fn all_or_nothing(open: &mut Opener) {
    let (mut storage, entries) = (open(), log(6));
    let mut before = vec![create("kept")];
    before.extend(entries[..3].iter().map(|entry| append("kept", entry)));
    commit(&mut *storage, &before);
    let mut model = MemoryStorage::new();
    commit(&mut model, &before);

    let hole = [
        create("new"),
        append("kept", &entries[3]),
        Write::Compact { doc: doc("kept"), snapshot: snapshot(&entries[..2], "state") },
        append("kept", &entries[5]),
    ];
    assert!(matches!(storage.commit(&hole), Err(StorageError::Misuse { .. })));
    assert!(storage.load(&doc("new")).expect("it answers").is_none(), "half of a batch was committed");
    assert_equal("kept", &mut *storage, &mut model);
    commit(&mut *storage, &[append("kept", &entries[3])]);
    assert_sound(&mut *storage);
}

fn nonsense_is_refused(open: &mut Opener) {
    let (mut storage, entries) = (open(), log(4));
    commit(&mut *storage, &[create("log"), append("log", &entries[0]), append("log", &entries[1])]);
    let mut forged = entries[2].clone();
    forged.digest = Digest(forged.digest.0 ^ 1);
    let mut other = entries[1].clone();
    other.digest = Digest(other.digest.0 ^ 1);
    let mut foreign = Snapshot::clone(&snapshot(&entries[..2], "state"));
    foreign.digest = Digest(foreign.digest.0 ^ 1);
    for nonsense in [
        append("nothing", &entries[0]),
        append("log", &entries[3]),
        append("log", &forged),
        append("log", &other),
        Write::Create { doc: doc("log"), spec: SPEC, epoch: Epoch::new([8; 16]) },
        Write::Create { doc: doc("log"), spec: Spec { family: Family::Toy, ..SPEC }, epoch: EPOCH },
        Write::Compact { doc: doc("log"), snapshot: snapshot(&entries[..3], "state") },
        Write::Compact { doc: doc("log"), snapshot: Arc::new(foreign) },
        Write::Replace { doc: doc("log"), snapshot: snapshot(&entries[..2], "state"), entries: Vec::new() },
        Write::Replace { doc: doc("log"), snapshot: snapshot(&entries[..3], "state"), entries: log(1) },
        Write::Quarantine { doc: doc("nothing"), id: entries[0].entry.id },
    ] {
        let refused = storage.commit(std::slice::from_ref(&nonsense));
        assert!(matches!(refused, Err(StorageError::Misuse { .. })), "{nonsense:?} gave {refused:?}");
    }
    let found = storage.load(&doc("log")).expect("it loads").expect("it is there");
    assert_eq!(found.entries, entries[..2]);
}

fn again_changes_nothing(open: &mut Opener) {
    let mut history = History::new(11);
    let (mut storage, mut model) = (open(), MemoryStorage::new());
    for _ in 0..150 {
        let batch = history.batch(12);
        commit(&mut model, &batch);
        commit(&mut *storage, &batch);
        commit(&mut *storage, &batch);
        let next = history.batch(3);
        commit(&mut model, &next);
        commit(&mut *storage, &[batch, next].concat());
        for name in history.names() {
            assert_equal(name.as_str(), &mut *storage, &mut model);
        }
    }
    assert_sound(&mut *storage);
}

fn deleted_is_gone(open: &mut Opener) {
    let (mut storage, entries) = (open(), log(3));
    commit(
        &mut *storage,
        &[create("one"), create("two"), append("one", &entries[0]), append("two", &entries[0])],
    );
    let second = Write::Create { doc: doc("one"), spec: SPEC, epoch: Epoch::new([8; 16]) };
    let again = [
        append("one", &entries[1]),
        append("one", &entries[2]),
        Write::Delete { doc: doc("one") },
        second.clone(),
    ];
    for _ in 0..2 {
        commit(&mut *storage, &again);
        let found = storage.load(&doc("one")).expect("it loads").expect("it was made again");
        assert_eq!((found.epoch, found.entries.len()), (Epoch::new([8; 16]), 0));
    }
    let untouched = storage.load(&doc("two")).expect("it loads").expect("it is there");
    assert_eq!(untouched.entries, entries[..1]);
    commit(&mut *storage, &[Write::Delete { doc: doc("one") }]);
    drop(storage);
    let mut storage = open();
    assert!(storage.load(&doc("one")).expect("it answers").is_none());
    assert_eq!(storage.documents().expect("it answers").len(), 1);
    assert_sound(&mut *storage);
}

fn snapshots_replace_entries(open: &mut Opener) {
    let entries = log(6);
    let mut writes = vec![create("log")];
    writes.extend(entries[..5].iter().map(|entry| append("log", entry)));
    let compact = |upto: usize, state: &'static str| Write::Compact {
        doc: doc("log"),
        snapshot: snapshot(&entries[..upto], state),
    };
    check_against_model(
        open,
        "log",
        &[
            &writes,
            &[compact(3, "three")],
            &[compact(2, "an older one is known")],
            &[compact(5, "everything")],
            &[append("log", &entries[5])],
        ],
    );
    let found = open().load(&doc("log")).expect("it loads").expect("it is there");
    assert_eq!(found.snapshot, Some(snapshot(&entries[..5], "everything")));
    assert_eq!(found.entries, entries[5..]);
}

fn replaced_logs_go_on(open: &mut Opener) {
    let entries = log(4);
    let mut writes = vec![create("log")];
    writes.extend(entries.iter().map(|entry| append("log", entry)));
    writes.push(Write::Compact { doc: doc("log"), snapshot: snapshot(&entries[..1], "one") });
    let covers = entries[..2].iter().map(|stored| stored.entry.id).collect();
    let base = Snapshot { offset: 9, digest: Digest(99), covers, state: Bytes::from_static(b"rebuilt") };
    let behind = entries_behind(9, Digest(99), 3);
    let replace = Write::Replace { doc: doc("log"), snapshot: Arc::new(base), entries: behind[..2].to_vec() };
    let replace = std::slice::from_ref(&replace);
    check_against_model(open, "log", &[&writes, replace, replace, &[append("log", &behind[2])]]);
    let found = open().load(&doc("log")).expect("it loads").expect("it is there");
    assert_eq!(found.entries, behind);
    assert_eq!(open().documents().expect("it answers")[0].head, 12);
}

fn fences_move(open: &mut Opener) {
    let fence = |counter, reason: &str| Write::Fence {
        doc: doc("log"),
        fence: Fence {
            replica: ReplicaId::new([1; 16]),
            counter,
            blame: Blame::Entry,
            reason: reason.into(),
        },
    };
    let mut storage = open();
    commit(
        &mut *storage,
        &[create("log"), fence(5, "five"), fence(9, "nine"), fence(3, "three"), fence(7, "seven")],
    );
    let found = storage.load(&doc("log")).expect("it loads").expect("it is there");
    assert_eq!(found.fences.len(), 1);
    assert_eq!((found.fences[0].counter, found.fences[0].reason.as_str()), (7, "seven"));
}

fn documents_are_listed(open: &mut Opener) {
    let (mut storage, entries) = (open(), log(3));
    commit(&mut *storage, &[create("b"), create("a"), create("c")]);
    let mut writes: Vec<_> = entries.iter().map(|entry| append("b", entry)).collect();
    writes.push(Write::Compact { doc: doc("b"), snapshot: snapshot(&entries, "merged") });
    commit(&mut *storage, &writes);
    let listed = storage.documents().expect("it answers");
    let listed: Vec<_> = listed.iter().map(|found| (found.doc.as_str(), found.head, found.bytes)).collect();
    assert_eq!(listed, [("a", 0, 0), ("b", 3, 6), ("c", 0, 0)]);
}

fn histories_end_as_in_the_model(open: &mut Opener) {
    let (mut history, mut model) = (History::new(23), MemoryStorage::new());
    let mut storage = open();
    for round in 0..300 {
        let batch = history.batch(10);
        commit(&mut model, &batch);
        commit(&mut *storage, &batch);
        if round % 30 == 29 {
            drop(storage);
            storage = open();
        }
        let name = &history.names()[round % history.names().len()];
        assert_equal(name.as_str(), &mut *storage, &mut model);
    }
    for name in history.names() {
        assert_equal(name.as_str(), &mut *storage, &mut model);
    }
    assert_sound(&mut *storage);
}
