//! What was deleted is given back to the disk when a store is closed, and nothing else changes by that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replay;

use std::fs;
use std::path::Path;

use replay::Replay;
use rusqlite::Connection;
use syncline_storage::{Options, SqliteStorage, Storage, StorageError};
use tempfile::TempDir;

const BATCHES: u64 = 20;

/// More than the history takes, and less than what comes and goes beside it.
const FREE_BYTES: u64 = 400 << 10;

fn open(path: &Path) -> SqliteStorage {
    SqliteStorage::open(path, Options::default()).unwrap()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// A store that holds a history, and has deleted much more beside it.
fn store_with_much_deleted(path: &Path) -> (SqliteStorage, Replay) {
    let (mut storage, mut replay) = (open(path), Replay::new(5));
    while replay.batches() < BATCHES {
        storage.commit(&replay.next()).unwrap();
    }
    replay::ballast().iter().for_each(|batch| storage.commit(batch).unwrap());
    (storage, replay)
}

fn assert_whole(path: &Path, replay: &mut Replay) {
    let mut storage = open(path);
    assert_eq!(replay.difference(&mut storage).unwrap(), None);
    assert!(storage.check().unwrap().is_sound());
    assert!(!storage.shrink().unwrap(), "nothing is left to be given back");
}

#[test]
fn a_closed_store_is_as_large_as_what_it_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let (storage, mut replay) = store_with_much_deleted(&path);
    drop(storage);
    assert!(size(&path) < FREE_BYTES, "{} bytes", size(&path));
    assert!(!folder.path().join("app.db-wal").exists());
    assert_whole(&path, &mut replay);
}

#[test]
fn a_store_can_be_made_smaller_and_worked_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let (mut storage, mut replay) = store_with_much_deleted(&path);
    assert!(size(&path) + size(&folder.path().join("app.db-wal")) > FREE_BYTES);
    assert!(storage.shrink().unwrap());
    assert!(size(&path) < FREE_BYTES && size(&folder.path().join("app.db-wal")) == 0);
    storage.commit(&replay.next()).unwrap();
    assert_eq!(replay.difference(&mut storage).unwrap(), None);
    drop(storage);
    assert_whole(&path, &mut replay);
}

#[test]
fn whoever_reads_meanwhile_loses_nothing_and_holds_nothing_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let (storage, mut replay) = store_with_much_deleted(&path);
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count =
        || reader.query_row("SELECT count(*) FROM documents", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = count();
    drop(storage);
    assert_eq!(count(), before);
    drop(reader);
    assert_whole(&path, &mut replay);
}

#[test]
fn a_store_that_could_not_be_made_smaller_is_reopened_before_it_is_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let (mut storage, mut replay) = store_with_much_deleted(&path);
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(storage.shrink().is_err(), "somebody else writes");
    let batch = replay.next();
    assert!(matches!(storage.commit(&batch), Err(StorageError::Failed { .. })));
    drop(writer);
    storage.reopen().unwrap();
    storage.commit(&batch).unwrap();
    drop(storage);
    assert_whole(&path, &mut replay);
}
