//! The conformance suite over every storage of this crate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_storage::{Durability, MemoryStorage, Options, SqliteStorage, conformance};
use tempfile::TempDir;

#[test]
fn memory_conforms() {
    conformance::run(|| {
        let storage = MemoryStorage::new();
        Box::new(move || Box::new(storage.clone()))
    });
}

fn sqlite_conforms(durability: Durability) {
    conformance::run(|| {
        let folder = TempDir::new().unwrap();
        let options = Options { durability, ..Options::default() };
        Box::new(move || Box::new(SqliteStorage::open(folder.path().join("app.db"), options).unwrap()))
    });
}

#[test]
fn sqlite_conforms_when_full() {
    sqlite_conforms(Durability::Full);
}

#[test]
fn sqlite_conforms_when_normal() {
    sqlite_conforms(Durability::Normal);
}
