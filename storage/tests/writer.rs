//! The writer thread: group commit, order, and what it does when commits fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{StoreFault, StoredDocument, Write};
use syncline_core::id::{DocId, Epoch, WriteId};
use syncline_storage::{
    CheckReport, Closed, DocumentSummary, Durability, MemoryStorage, Options, SqliteStorage, Storage,
    StorageError, StoreEvent, Writer,
};
use tempfile::TempDir;

/// Long enough for any machine; a test that runs into it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn doc(number: u64) -> DocId {
    DocId::new(&format!("doc{number}")).unwrap()
}

fn create(number: u64) -> Vec<(WriteId, Write)> {
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    vec![(WriteId(number), Write::Create { doc: doc(number), spec, epoch: Epoch::new([1; 16]) })]
}

/// What a test decides about the next commits.
#[derive(Default)]
struct Faults {
    failing: bool,
    panicking: bool,
    reopened: usize,
    /// The sizes of the commits that worked.
    commits: Vec<usize>,
}

/// A memory store whose commits fail when told to, and wait for a token each if there is a gate.
struct Scripted {
    memory: MemoryStorage,
    faults: Arc<Mutex<Faults>>,
    gate: Option<Receiver<()>>,
}

impl Storage for Scripted {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        if let Some(gate) = &self.gate {
            gate.recv_timeout(PATIENCE).unwrap();
        }
        let mut faults = self.faults.lock().unwrap();
        assert!(!faults.panicking, "as the test wants");
        if faults.failing {
            return Err(StorageError::Full { path: "scripted".into() });
        }
        faults.commits.push(writes.len());
        self.memory.commit(writes)
    }

    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError> {
        self.memory.load(doc)
    }

    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError> {
        self.memory.documents()
    }

    fn check(&mut self) -> Result<CheckReport, StorageError> {
        self.memory.check()
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        self.faults.lock().unwrap().reopened += 1;
        Ok(())
    }
}

struct Bench {
    writer: Writer,
    events: Receiver<StoreEvent>,
    faults: Arc<Mutex<Faults>>,
    memory: MemoryStorage,
    gate: Sender<()>,
}

impl Bench {
    fn new() -> Self {
        Self::start(false)
    }

    fn gated() -> Self {
        Self::start(true)
    }

    fn start(gated: bool) -> Self {
        let (memory, faults) = (MemoryStorage::new(), Arc::new(Mutex::new(Faults::default())));
        let (gate, tokens) = mpsc::channel();
        let storage =
            Scripted { memory: memory.clone(), faults: faults.clone(), gate: gated.then_some(tokens) };
        let (send, events) = mpsc::channel();
        let writer = Writer::spawn(Box::new(storage), move |event| drop(send.send(event))).unwrap();
        Self { writer, events, faults, memory, gate }
    }

    fn fail(&self, failing: bool) {
        self.faults.lock().unwrap().failing = failing;
    }

    fn next(&self) -> StoreEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    fn assert_written(&self, id: u64) {
        let event = self.next();
        assert!(matches!(event, StoreEvent::Written(WriteId(last), _) if last == id), "{event:?}");
    }

    fn assert_loaded(&self, number: u64, there: bool) {
        match self.next() {
            StoreEvent::Loaded { doc: found, result: Ok(result) } => {
                assert_eq!((found, result.is_some()), (doc(number), there));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_queued_during_a_commit_goes_into_the_next_one() {
    let bench = Bench::gated();
    for number in 1..=601 {
        bench.writer.submit(create(number)).unwrap();
        if number == 1 {
            // The first commit is under way from the moment the queue is empty again.
            bench.writer.load(doc(1)).unwrap();
        }
    }
    (0..601).for_each(|_| bench.gate.send(()).unwrap());
    let (mut last, mut told) = (WriteId(0), Vec::new());
    while last < WriteId(601) {
        match bench.next() {
            StoreEvent::Written(id, commit) => {
                assert!(id > last);
                last = id;
                told.push(commit.writes);
            }
            StoreEvent::Loaded { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let commits = bench.faults.lock().unwrap().commits.clone();
    assert_eq!(commits.iter().sum::<usize>(), 601);
    assert_eq!(told, commits, "each tells how many writes were in it");
    assert!(commits.len() <= 6, "601 writes in commits of {commits:?}");
    assert!(commits.iter().all(|size| *size <= 256), "no group exceeds its limit: {commits:?}");
    bench.writer.close().unwrap();
}

#[test]
fn a_load_sees_the_writes_before_it() {
    let bench = Bench::new();
    for number in 1..=50 {
        bench.writer.submit(create(number)).unwrap();
        bench.writer.load(doc(number)).unwrap();
        bench.assert_written(number);
        bench.assert_loaded(number, true);
    }
    bench.writer.load(doc(99)).unwrap();
    bench.assert_loaded(99, false);
    bench.writer.submit(create(51)).unwrap();
    bench.writer.list().unwrap();
    bench.assert_written(51);
    assert!(matches!(bench.next(), StoreEvent::Listed(Ok(found)) if found.len() == 51));
    bench.writer.close().unwrap();
}

#[test]
fn a_failed_commit_is_reported_once_and_made_good_when_the_cause_is_gone() {
    let bench = Bench::new();
    bench.writer.submit(create(1)).unwrap();
    bench.assert_written(1);
    bench.fail(true);
    bench.writer.submit(create(2)).unwrap();
    match bench.next() {
        StoreEvent::Failed(StoreFault(words)) => assert!(words.contains("no space is left"), "{words}"),
        other => panic!("{other:?}"),
    }
    // Documents without kept writes can be read meanwhile; one with kept writes has to wait for them.
    bench.writer.load(doc(2)).unwrap();
    bench.writer.load(doc(1)).unwrap();
    bench.assert_loaded(1, true);
    bench.writer.submit(create(3)).unwrap();
    bench.writer.load(doc(3)).unwrap();
    bench.writer.load(doc(4)).unwrap();
    bench.assert_loaded(4, false);
    let reopened = || bench.faults.lock().unwrap().reopened;
    while reopened() < 2 {
        thread::yield_now();
    }
    assert!(bench.events.try_recv().is_err(), "a failure is reported once");
    bench.fail(false);
    assert!(matches!(bench.next(), StoreEvent::Ready));
    bench.assert_written(2);
    bench.assert_loaded(2, true);
    bench.assert_written(3);
    bench.assert_loaded(3, true);
    bench.writer.close().unwrap();
}

#[test]
fn closing_commits_what_is_queued() {
    let bench = Bench::gated();
    (1..=300).for_each(|number| bench.writer.submit(create(number)).unwrap());
    (0..300).for_each(|_| bench.gate.send(()).unwrap());
    bench.writer.close().unwrap();
    let mut memory = bench.memory.clone();
    assert_eq!(memory.documents().unwrap().len(), 300);
}

#[test]
fn closing_while_commits_fail_says_so() {
    let bench = Bench::new();
    bench.fail(true);
    bench.writer.submit(create(1)).unwrap();
    assert!(matches!(bench.next(), StoreEvent::Failed(_)));
    let StoreFault(words) = bench.writer.close().unwrap_err();
    assert!(words.contains("no space is left"), "{words}");
}

#[test]
fn a_storage_that_panics_closes_the_writer() {
    let bench = Bench::new();
    bench.faults.lock().unwrap().panicking = true;
    bench.writer.submit(create(1)).unwrap();
    match bench.next() {
        StoreEvent::Failed(StoreFault(words)) => assert!(words.contains("as the test wants"), "{words}"),
        other => panic!("{other:?}"),
    }
    while bench.writer.submit(create(2)) != Err(Closed) {
        thread::yield_now();
    }
    assert!(bench.writer.close().is_err());
}

#[test]
fn a_full_queue_makes_the_caller_wait() {
    const MORE_THAN_FIT: u64 = 10_000;
    let bench = Bench::gated();
    let (submitted, progress) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=MORE_THAN_FIT {
                bench.writer.submit(create(number)).unwrap();
                submitted.send(number).unwrap();
            }
        });
        // Without a commit, the caller gets no further than the queue is long.
        let mut last = 0;
        while let Ok(number) = progress.recv_timeout(Duration::from_millis(300)) {
            last = number;
        }
        assert!(last < MORE_THAN_FIT, "nothing held the caller back");
        (0..MORE_THAN_FIT).for_each(|_| bench.gate.send(()).unwrap());
        while last < MORE_THAN_FIT {
            last = progress.recv_timeout(PATIENCE).unwrap();
        }
    });
    bench.writer.close().unwrap();
    assert_eq!(bench.memory.clone().documents().unwrap().len() as u64, MORE_THAN_FIT);
}

#[test]
fn a_full_disk_is_reported_and_work_goes_on_when_space_returns() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let tight = Options { limit_bytes: Some(200_000), ..Options::default() };
    let storage = SqliteStorage::open(&path, tight).unwrap();
    let roomy = Arc::new(Mutex::new(false));
    let (send, events) = mpsc::channel();
    let growing = Growing { storage: Some(storage), path: path.clone(), roomy: roomy.clone() };
    let writer = Writer::spawn(Box::new(growing), move |event| drop(send.send(event))).unwrap();
    let mut submitted = 0;
    let mut written = 0;
    // Fill it until it fails, then free space and see that everything arrives.
    loop {
        submitted += 1;
        writer.submit(create(submitted)).unwrap();
        match events.recv_timeout(PATIENCE).unwrap() {
            StoreEvent::Written(WriteId(last), _) => written = last,
            StoreEvent::Failed(StoreFault(words)) => {
                assert!(words.contains("no space is left"), "{words}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(written, submitted - 1);
    writer.load(doc(1)).unwrap();
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, StoreEvent::Loaded { result: Ok(Some(_)), .. }), "a full store can be read");
    *roomy.lock().unwrap() = true;
    assert!(matches!(events.recv_timeout(PATIENCE).unwrap(), StoreEvent::Ready));
    writer.close().unwrap();
    let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
    assert_eq!(storage.documents().unwrap().len() as u64, submitted);
    assert!(storage.check().unwrap().is_sound());
}

/// A file on a disk that gets larger when the test says so.
struct Growing {
    storage: Option<SqliteStorage>,
    path: std::path::PathBuf,
    roomy: Arc<Mutex<bool>>,
}

impl Growing {
    fn inner(&mut self) -> &mut SqliteStorage {
        self.storage.as_mut().unwrap()
    }
}

impl Storage for Growing {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        self.inner().commit(writes)
    }

    fn load(&mut self, doc: &DocId) -> Result<Option<StoredDocument>, StorageError> {
        self.inner().load(doc)
    }

    fn documents(&mut self) -> Result<Vec<DocumentSummary>, StorageError> {
        self.inner().documents()
    }

    fn check(&mut self) -> Result<CheckReport, StorageError> {
        self.inner().check()
    }

    fn durability(&self) -> Durability {
        Durability::Full
    }

    fn reopen(&mut self) -> Result<(), StorageError> {
        if *self.roomy.lock().unwrap() {
            self.storage = None;
            self.storage = Some(SqliteStorage::open(&self.path, Options::default())?);
        }
        self.inner().reopen()
    }
}
