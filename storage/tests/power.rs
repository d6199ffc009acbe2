//! Power failures: whatever the disk had not synced may be gone, and still nothing reported durable is missing.
//!
//! A child process works on a store while every call to the system is recorded. Then the disk is
//! built up again, call by call, and at random moments the power fails; see `disk` for what may be left.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod replay;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use disk::{Call, Disk, Kind, Platter};
use replay::Replay;
use syncline_core::event::Write;
use syncline_core::random::Random;
use syncline_storage::{Durability, Options, SqliteStorage, Storage, StorageError};

const SEED: u64 = 31;
const BATCHES: u64 = 90;
const DURABILITY: &str = "DISK_DURABILITY";
const FAILED_SYNC: &str = "DISK_FAILED_SYNC";

/// How many power failures a test tries; `SYNCLINE_POWER_FAILURES` raises it.
fn failures() -> usize {
    std::env::var("SYNCLINE_POWER_FAILURES").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

/// Not a test of its own: the process that works on the disk, and notes after every commit how far it is.
#[test]
fn worker() {
    let Some(folder) = std::env::var_os(disk::FOLDER) else { return };
    let (folder, path) = (Path::new(&folder), Path::new(&folder).join("app.db"));
    let normal = std::env::var(DURABILITY).unwrap() == "normal";
    let durability = if normal { Durability::Normal } else { Durability::Full };
    let options = Options { durability, limit_bytes: None };
    let failed_sync = std::env::var(FAILED_SYNC).unwrap();
    let trace = folder.parent().unwrap().join("trace");
    let mut acks = File::create(folder.join("acks")).unwrap();
    let mut replay = Replay::new(SEED);
    disk::command(&format!("record {} {failed_sync}", trace.display()));
    let mut storage = open(&path, options);
    while replay.batches() < BATCHES {
        commit(&mut storage, &replay.next());
        acks.write_all(&replay.batches().to_le_bytes()).unwrap();
        if replay.batches().is_multiple_of(30) {
            // What is deleted is given back to the disk when the store is closed.
            replay::ballast().iter().for_each(|batch| commit(&mut storage, batch));
            drop(storage);
            storage = open(&path, options);
        }
    }
    drop(storage);
    disk::stop();
}

fn commit(storage: &mut SqliteStorage, batch: &[Write]) {
    while storage.commit(batch).is_err() {
        while storage.reopen().is_err() {}
    }
}

/// Opens a store on a disk one of whose syncs fails.
fn open(path: &Path, options: Options) -> SqliteStorage {
    SqliteStorage::open(path, options).or_else(|_| SqliteStorage::open(path, options)).unwrap()
}

/// What the worker did, and what every prefix of its history leads to.
struct Recording {
    disk: Disk,
    calls: Vec<Call>,
    before: Vec<u8>,
    states: Vec<Replay>,
}

impl Recording {
    fn new(durability: &str, failed_sync: u64) -> Self {
        let disk = Disk::new();
        let path = disk.folder().join("app.db");
        drop(SqliteStorage::open(&path, Options::default()).unwrap());
        let before = fs::read(&path).unwrap();
        disk.run("worker", &[(DURABILITY, durability.into()), (FAILED_SYNC, failed_sync.to_string())]);
        let mut states = vec![Replay::new(SEED)];
        for number in 0..BATCHES as usize {
            let mut next = states[number].fork();
            next.next();
            states.push(next);
        }
        Self { calls: disk::calls(&disk.trace()), disk, before, states }
    }

    fn syncs(&self) -> u64 {
        self.calls.iter().filter(|call| matches!(call.kind, Kind::Sync | Kind::FailedSync)).count() as u64
    }

    /// Lets the power fail `times` times, and gives for each what was reported by then and what is there.
    fn explore(&mut self, times: usize, seed: u64) -> Vec<(u64, Result<Option<u64>, StorageError>)> {
        let mut random = Random::new(seed);
        let mut moments: Vec<_> = (0..times).map(|_| random.index(self.calls.len() + 1)).collect();
        moments.sort_unstable();
        let (mut platter, mut reported, mut performed) = (Platter::default(), 0, 0);
        platter.put("app.db", self.before.clone());
        let mut found = Vec::new();
        for moment in moments {
            for call in &self.calls[performed..moment] {
                match &call.kind {
                    Kind::Write { data, .. } if call.file == "acks" => {
                        reported = u64::from_le_bytes(data.as_slice().try_into().unwrap());
                    }
                    _ => platter.perform(call),
                }
            }
            performed = moment;
            let files = platter.lose_power(&mut random);
            let result = recover(&self.disk.folder(), &files, &mut self.states, reported);
            found.push((reported, result));
        }
        found
    }
}

/// Opens what is left, and says how many batches are in it; `None` if it is no state that ever was.
fn recover(
    folder: &Path,
    files: &std::collections::BTreeMap<String, Vec<u8>>,
    states: &mut [Replay],
    reported: u64,
) -> Result<Option<u64>, StorageError> {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
    for (name, content) in files.iter().filter(|(name, _)| !name.ends_with("-shm")) {
        fs::write(folder.join(name), content).unwrap();
    }
    let mut storage = SqliteStorage::open(folder.join("app.db"), Options::default())?;
    // The likely states first: all that was reported, and the batch under way.
    let near = [reported, reported + 1];
    let far = (0..=BATCHES).rev().filter(|batches| !near.contains(batches));
    for batches in near.into_iter().filter(|batches| *batches <= BATCHES).chain(far) {
        if states[batches as usize].difference(&mut storage)?.is_none() {
            return Ok(storage.check()?.is_sound().then_some(batches));
        }
    }
    Ok(None)
}

fn assert_nothing_lost(recording: &mut Recording, times: usize, seed: u64, what: &str) {
    for (reported, found) in recording.explore(times, seed) {
        match found {
            Ok(Some(batches)) if batches >= reported => {}
            other => panic!("{what}: {reported} batches were reported, then the power failed: {other:?}"),
        }
    }
}

#[test]
fn full_durability_keeps_everything_reported() {
    assert_nothing_lost(&mut Recording::new("full", 0), failures(), SEED, "full");
}

#[test]
fn normal_durability_loses_recent_commits_and_nothing_else() {
    let mut lost = 0;
    for (reported, found) in Recording::new("normal", 0).explore(failures(), SEED) {
        match found {
            Ok(Some(batches)) => lost += usize::from(batches < reported),
            other => panic!("after {reported} batches: {other:?}"),
        }
    }
    println!("{lost} of {} power failures cost reported commits", failures());
    assert!(lost > 0, "this test would not notice a loss");
}

/// A sync that fails takes what it should have written with it, and no later sync says so.
#[test]
fn a_failed_sync_is_never_trusted() {
    let syncs = Recording::new("full", 0).syncs();
    let step = (syncs * 20 / failures() as u64).max(1);
    for failed in (1..=syncs).step_by(step as usize) {
        let mut recording = Recording::new("full", failed);
        assert_nothing_lost(&mut recording, 20, failed, &format!("sync {failed} of {syncs} fails"));
    }
}
