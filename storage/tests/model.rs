//! SQLite against the model in memory, over histories that quickcheck draws.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replay;

use quickcheck::{QuickCheck, TestResult};
use replay::Replay;
use syncline_storage::{Durability, Options, SqliteStorage, Storage};
use tempfile::TempDir;

const OPTIONS: Options = Options { durability: Durability::Normal, limit_bytes: None };

/// Whatever the history, where it is cut into sessions, and how often batches are committed again.
fn equals_the_model(seed: u64, sessions: Vec<u8>, repeats: u8) -> TestResult {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let mut replay = Replay::new(seed);
    let mut again = Vec::new();
    for batches in sessions.into_iter().take(5) {
        let mut storage = SqliteStorage::open(&path, OPTIONS).unwrap();
        for number in 0..batches % 40 {
            // A batch of unknown outcome is committed again with what came after it, several times if need be.
            again.extend(replay.next());
            storage.commit(&again).unwrap();
            if number % (repeats % 5 + 1) == 0 {
                again.clear();
            }
        }
        if let Some(difference) = replay.difference(&mut storage).unwrap() {
            return TestResult::error(difference);
        }
        assert!(storage.check().unwrap().is_sound());
        storage.reopen().unwrap();
    }
    TestResult::passed()
}

#[test]
fn sqlite_equals_the_model_after_every_history() {
    QuickCheck::new().tests(40).quickcheck(equals_the_model as fn(u64, Vec<u8>, u8) -> TestResult);
}

#[test]
fn a_backup_is_the_store_as_it_was() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.db");
    let mut replay = Replay::new(5);
    let mut storage = SqliteStorage::open(folder.path().join("app.db"), OPTIONS).unwrap();
    (0..50).for_each(|_| storage.commit(&replay.next()).unwrap());
    let mut then = replay.fork();
    storage.backup(&copy).unwrap();
    (0..50).for_each(|_| storage.commit(&replay.next()).unwrap());
    assert_eq!(replay.difference(&mut storage).unwrap(), None);
    let mut backup = SqliteStorage::open(&copy, OPTIONS).unwrap();
    assert_eq!(then.difference(&mut backup).unwrap(), None);
    assert!(backup.check().unwrap().is_sound());
    assert!(storage.backup(&copy).is_err(), "a backup overwrites nothing");
}
