//! Stores of every released format open, and say the same things as when they were written.
//!
//! `tests/formats/v1.sql` is what format 1 looks like, as text: the tables and a few documents. It never changes;
//! a new format adds a file. `v2-packed.sql` has besides what only format 2 has, a snapshot that is packed. How small that becomes may
//! change with the library that packs it, so that it is only read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Display;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use syncline_core::event::{Snapshot, Write};
use syncline_core::id::DocId;
use syncline_storage::conformance::{History, assert_same};
use syncline_storage::{MemoryStorage, Options, SCHEMA_VERSION, SqliteStorage, Storage};
use tempfile::TempDir;

/// The history that the golden stores were given.
const SEED: u64 = 1;
const WRITES: u64 = 40;

fn golden(version: impl Display) -> String {
    let path = format!("{}/tests/formats/v{version}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn writes() -> Vec<Write> {
    let mut history = History::new(SEED);
    (0..WRITES).map(|_| history.write()).collect()
}

/// What a store holds that has been given them.
fn model() -> MemoryStorage {
    let mut model = MemoryStorage::new();
    model.commit(&writes()).unwrap();
    model
}

/// A store as a golden file has it.
fn restored(folder: &TempDir, version: impl Display) -> PathBuf {
    let path = folder.path().join("app.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&golden(version)).unwrap();
    old.close().unwrap();
    path
}

/// A document's whole log as a large snapshot, behind the other writes.
fn compacted() -> (DocId, Write) {
    let mut model = model();
    let docs = History::new(SEED).names().to_vec();
    let stored = docs.into_iter().find_map(|doc| Some((doc.clone(), model.load(&doc).unwrap()?)));
    let (doc, stored) = stored.unwrap();
    let last = stored.entries.last().unwrap();
    let mut covers = stored.snapshot.map(|base| base.covers.clone()).unwrap_or_default();
    stored.entries.iter().for_each(|stored| covers.insert(stored.entry.id));
    let state = b"again and again ".repeat(300).into();
    let snapshot = Snapshot { offset: last.offset, digest: last.digest, covers, state };
    (doc.clone(), Write::Compact { doc, snapshot: snapshot.into() })
}

/// Tables and rows as text, in the form of the golden files.
fn dump(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
    let mut text = format!("PRAGMA application_id = {};\n", number("application_id"));
    text += &format!("PRAGMA user_version = {};\n", number("user_version"));
    let tables = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
    let mut tables = connection.prepare(tables).unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for (name, sql) in tables.map(|table| table.unwrap()).collect::<Vec<(String, String)>>() {
        text += &format!("\n{sql};\n");
        let columns = format!(
            "SELECT group_concat('quote(' || name || ')', '||'', ''||') FROM pragma_table_info('{name}')"
        );
        let columns: String = connection.query_row(&columns, [], |row| row.get(0)).unwrap();
        let mut rows = connection.prepare(&format!("SELECT {columns} FROM {name} ORDER BY 1")).unwrap();
        for row in rows.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            text += &format!("INSERT INTO {name} VALUES ({});\n", row.unwrap());
        }
    }
    text
}

#[test]
fn every_released_format_opens() {
    let mut model = model();
    for version in 1..=SCHEMA_VERSION {
        let folder = TempDir::new().unwrap();
        let path = restored(&folder, version);
        let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
        for doc in History::new(SEED).names() {
            assert_same(doc, storage.load(doc).unwrap().as_ref(), model.load(doc).unwrap().as_ref());
        }
        assert!(storage.check().unwrap().is_sound());
    }
}

#[test]
fn packed_snapshots_of_format_2_are_read() {
    let (doc, compact) = compacted();
    let mut model = model();
    model.commit(std::slice::from_ref(&compact)).unwrap();
    let folder = TempDir::new().unwrap();
    if let Some(out) = std::env::var_os("SYNCLINE_WRITE_GOLDEN") {
        let path = folder.path().join("new.db");
        let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
        storage.commit(&writes()).unwrap();
        storage.commit(&[compact]).unwrap();
        drop(storage);
        std::fs::write(Path::new(&out).join("v2-packed.sql"), dump(&path)).unwrap();
    }
    let path = restored(&folder, "2-packed");
    let old = Connection::open(&path).unwrap();
    let packed =
        "SELECT length(state) FROM snapshot_parts JOIN snapshots USING (doc, position) ORDER BY bytes DESC";
    let packed: i64 = old.query_row(packed, [], |row| row.get(0)).unwrap();
    old.close().unwrap();
    let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
    let found = storage.load(&doc).unwrap();
    assert_same(&doc, found.as_ref(), model.load(&doc).unwrap().as_ref());
    let state = found.unwrap().snapshot.unwrap().state.len() as i64;
    assert!(packed < state / 10, "it is packed: {packed} of {state} bytes");
    assert!(storage.check().unwrap().is_sound());
}

#[test]
fn the_newest_format_is_what_its_golden_file_says() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    SqliteStorage::open(&path, Options::default()).unwrap().commit(&writes()).unwrap();
    let (found, golden) = (dump(&path), golden(SCHEMA_VERSION));
    if let Some(folder) = std::env::var_os("SYNCLINE_WRITE_GOLDEN") {
        std::fs::write(Path::new(&folder).join(format!("v{SCHEMA_VERSION}.sql")), &found).unwrap();
    }
    for (found, golden) in found.lines().zip(golden.lines()) {
        assert_eq!(found, golden);
    }
    assert_eq!(found.lines().count(), golden.lines().count());
}
