//! What a store costs: durable appends a second, and opening documents. `cargo bench -p syncline-storage`.
//!
//! Appends come from one caller that submits batches of one without waiting, as an engine under load does, and
//! count when they are reported durable. The bare cost of a sync of the same disk is printed beside them.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use syncline_core::entry::{Body, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::event::{Snapshot, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, Principal, ReplicaId, WriteId};
use syncline_core::time::Time;
use syncline_storage::{Durability, Options, SqliteStorage, Storage, StoreEvent, Writer};
use tempfile::TempDir;

const APPENDS: u64 = 100_000;
const UPDATE_BYTES: usize = 30;
const LONG_LOG: u64 = 260_000;
const SNAPSHOT_BYTES: usize = 223_000;
const MANY_DOCUMENTS: u64 = 10_000;

fn main() {
    println!("bare sync of the disk: {:.2} ms", 1e3 * sync_cost().as_secs_f64());
    for durability in [Durability::Full, Durability::Normal] {
        for documents in [1, 100] {
            appends(durability, documents);
        }
        one_by_one(durability);
    }
    opening();
    listing();
}

fn sync_cost() -> Duration {
    const SYNCS: u32 = 50;
    let folder = TempDir::new().expect("a folder");
    let mut file = File::create(folder.path().join("file")).expect("a file");
    let start = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4096]).expect("a write");
        file.sync_data().expect("a sync");
    }
    start.elapsed() / SYNCS
}

fn open(folder: &TempDir, durability: Durability) -> SqliteStorage {
    let options = Options { durability, ..Options::default() };
    SqliteStorage::open(folder.path().join("app.db"), options).expect("a store")
}

fn doc(number: u64) -> DocId {
    DocId::new(&format!("doc{number}")).expect("a valid name")
}

fn create(number: u64) -> Write {
    let spec = Spec { family: Family::Yjs, kind: Kind::Text };
    Write::Create { doc: doc(number), spec, epoch: Epoch::new([1; 16]) }
}

/// The next entry of a log that ends at `offset` with `digest`.
fn next(offset: &mut u64, digest: &mut Digest) -> StoredEntry {
    *offset += 1;
    let id = EntryId { replica: ReplicaId::new([2; 16]), counter: *offset };
    *digest = digest.chain(&id);
    let entry = Entry {
        id,
        author: Principal::new("ada").expect("a valid name"),
        time: Time(1_795_000_000_000 + *offset),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(Bytes::from(vec![*offset as u8; UPDATE_BYTES])),
    };
    StoredEntry {
        offset: *offset,
        digest: *digest,
        entry: Arc::new(entry),
        operations: Some(Bytes::from_static(b"op")),
    }
}

fn appends(durability: Durability, documents: u64) {
    let folder = TempDir::new().expect("a folder");
    let mut storage = open(&folder, durability);
    storage.commit(&(0..documents).map(create).collect::<Vec<_>>()).expect("documents");
    let (send, events) = mpsc::channel();
    let writer = Writer::spawn(Box::new(storage), move |event| drop(send.send(event))).expect("a thread");
    let mut logs = vec![(0, Digest::default()); documents as usize];
    let start = Instant::now();
    for number in 0..APPENDS {
        let at = number % documents;
        let (offset, digest) = &mut logs[at as usize];
        let write = Write::Append { doc: doc(at), entry: next(offset, digest) };
        writer.submit(vec![(WriteId(number + 1), write)]).expect("an open writer");
    }
    let mut commits = 0;
    for event in events.iter() {
        commits += 1;
        if matches!(event, StoreEvent::Written(WriteId(APPENDS), _)) {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = APPENDS as f64 / seconds;
    println!("{durability}, {documents} documents: {rate:.0} appends/s in {commits} commits");
    writer.close().expect("a close");
}

fn one_by_one(durability: Durability) {
    const TIMES: u32 = 200;
    let folder = TempDir::new().expect("a folder");
    let mut storage = open(&folder, durability);
    storage.commit(&[create(0)]).expect("a document");
    let (mut offset, mut digest) = (0, Digest::default());
    let start = Instant::now();
    for _ in 0..TIMES {
        let entry = next(&mut offset, &mut digest);
        storage.commit(&[Write::Append { doc: doc(0), entry }]).expect("an append");
    }
    println!(
        "{durability}, one append a commit: {:.2} ms each",
        1e3 * start.elapsed().as_secs_f64() / f64::from(TIMES)
    );
}

fn opening() {
    let folder = TempDir::new().expect("a folder");
    let mut storage = open(&folder, Durability::Full);
    storage.commit(&[create(0), create(1)]).expect("documents");
    let (mut offset, mut digest) = (0, Digest::default());
    while offset < LONG_LOG {
        let batch = (0..10_000).map(|_| Write::Append { doc: doc(0), entry: next(&mut offset, &mut digest) });
        storage.commit(&batch.collect::<Vec<_>>()).expect("appends");
    }
    let entry = next(&mut 0, &mut Digest::default());
    let covers = [entry.entry.id].into_iter().collect();
    let state = Bytes::from(vec![7; SNAPSHOT_BYTES]);
    let snapshot = Arc::new(Snapshot { offset: 1, digest: entry.digest, covers, state });
    let writes = [Write::Append { doc: doc(1), entry }, Write::Compact { doc: doc(1), snapshot }];
    storage.commit(&writes).expect("a snapshot");
    drop(storage);
    let start = Instant::now();
    let mut storage = open(&folder, Durability::Full);
    println!("opening the store: {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    for (number, what) in [(0, "260,000 entries"), (1, "a snapshot of 223 kB")] {
        let start = Instant::now();
        let found = storage.load(&doc(number)).expect("a load").expect("a document");
        println!("loading {what}: {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
        drop(found);
    }
    let start = Instant::now();
    assert!(storage.check().expect("a check").is_sound());
    println!("checking that store: {:.0} ms", 1e3 * start.elapsed().as_secs_f64());
}

fn listing() {
    let folder = TempDir::new().expect("a folder");
    let mut storage = open(&folder, Durability::Full);
    storage.commit(&(0..MANY_DOCUMENTS).map(create).collect::<Vec<_>>()).expect("documents");
    for (what, absent) in [("the first time", doc(MANY_DOCUMENTS)), ("later", doc(MANY_DOCUMENTS + 1))] {
        let start = Instant::now();
        assert!(storage.load(&absent).expect("a load").is_none());
        println!(
            "finding that one of 10,000 documents is absent, {what}: {:.2} ms",
            1e3 * start.elapsed().as_secs_f64()
        );
    }
    let start = Instant::now();
    assert_eq!(storage.documents().expect("a list").len() as u64, MANY_DOCUMENTS);
    println!("listing 10,000 documents: {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
}
