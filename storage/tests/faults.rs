//! Every call to the system fails once: nothing that was reported is lost, and work goes on when the fault is gone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(target_os = "linux")]

mod disk;
mod replay;

use std::fs;
use std::path::Path;

use disk::Disk;
use replay::Replay;
use syncline_core::event::Write;
use syncline_storage::{Options, SqliteStorage, Storage, StorageError};

const SEED: u64 = 13;
const BATCHES: u64 = 12;
const STEP: &str = "DISK_STEP";

/// Error numbers of Linux: an error of the device, no space, and a write that is cut short.
const EIO: u64 = 5;
const ENOSPC: u64 = 28;
const SHORT: u64 = 0;

/// Every how manieth call is tried; `SYNCLINE_FAULT_STEP=1` tries all.
fn step() -> u64 {
    std::env::var("SYNCLINE_FAULT_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(5)
}

/// Tries again until it works: a fault goes away.
fn insist<T>(mut attempt: impl FnMut() -> Result<T, StorageError>) -> (T, Vec<StorageError>) {
    let mut errors = Vec::new();
    loop {
        match attempt() {
            Ok(done) => return (done, errors),
            Err(error) => errors.push(error),
        }
        assert!(errors.len() < 50, "it never works again: {:?}", errors.last());
    }
}

fn commit(storage: &mut SqliteStorage, batch: &[Write]) -> Vec<StorageError> {
    let mut failed = false;
    let ((), errors) = insist(|| {
        if failed {
            storage.reopen()?;
        }
        failed = true;
        storage.commit(batch)
    });
    errors
}

/// A store is made, used, closed and opened again. Gives the errors that were reported.
fn work(path: &Path, replay: &mut Replay) -> Vec<StorageError> {
    let (mut storage, mut errors) = insist(|| SqliteStorage::open(path, Options::default()));
    while replay.batches() < BATCHES {
        let batch = replay.next();
        errors.extend(commit(&mut storage, &batch));
        let (difference, more) = insist(|| replay.difference(&mut storage));
        assert_eq!(difference, None);
        errors.extend(more);
        if replay.batches() == BATCHES / 2 {
            // What is deleted is given back to the disk when the store is closed.
            for batch in replay::ballast() {
                errors.extend(commit(&mut storage, &batch));
            }
            drop(storage);
            let (again, more) = insist(|| SqliteStorage::open(path, Options::default()));
            storage = again;
            errors.extend(more);
        }
    }
    errors
}

/// Not a test of its own: the process on the failing disk.
#[test]
fn worker() {
    let Some(folder) = std::env::var_os(disk::FOLDER) else { return };
    let step: usize = std::env::var(STEP).unwrap().parse().unwrap();
    let (folder, path) = (Path::new(&folder), Path::new(&folder).join("app.db"));
    for (errno, times) in [(EIO, 1), (ENOSPC, 1), (ENOSPC, 9), (SHORT, 1)] {
        let mut reported = 0;
        for call in (1..).step_by(step) {
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
            let mut replay = Replay::new(SEED);
            disk::command(&format!("fail {call} {times} {errno}"));
            let errors = work(&path, &mut replay);
            let calls = disk::stop();
            let expected = |error: &StorageError| match errno {
                ENOSPC => matches!(error, StorageError::Full { .. } | StorageError::Io { .. }),
                _ => matches!(error, StorageError::Io { .. }),
            };
            assert!(errors.iter().all(expected), "call {call} with error {errno}: {errors:?}");
            reported += errors.len();
            let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
            assert_eq!(replay.difference(&mut storage).unwrap(), None, "call {call} with error {errno}");
            assert!(storage.check().unwrap().is_sound(), "call {call} with error {errno}");
            if call > calls {
                println!("error {errno}, {times} at a time: {calls} calls, {reported} errors reported");
                assert!(errno == SHORT || reported > 0);
                break;
            }
        }
    }
}

#[test]
fn every_call_may_fail() {
    Disk::new().run("worker", &[(STEP, step().to_string())]);
}
