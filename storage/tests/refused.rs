//! Files that cannot be opened: each is told apart, and left as it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use syncline_core::event::StoreFault;
use syncline_storage::conformance::History;
use syncline_storage::{Options, SCHEMA_VERSION, SqliteStorage, Storage, StorageError};
use tempfile::TempDir;

fn open(path: &Path) -> Result<SqliteStorage, StorageError> {
    SqliteStorage::open(path, Options::default())
}

/// A folder with a small store in it, closed.
fn store() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    open(&path).unwrap().commit(&History::new(1).batch(30)).unwrap();
    (folder, path)
}

/// Opening fails, and neither the file nor its folder has changed.
fn refused(path: &Path) -> StorageError {
    let names = || fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name());
    let (before, content) = (names().collect::<Vec<_>>(), fs::read(path).ok());
    let error = open(path).unwrap_err();
    assert_eq!(
        (names().collect::<Vec<_>>(), fs::read(path).ok()),
        (before, content),
        "something was changed"
    );
    error
}

#[test]
fn a_file_of_something_else_is_not_ours() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    for content in
        [&b""[..], b"x", b"SQLite format 3\0", &[0; 5000], "some notes, kept as text\n".repeat(99).as_bytes()]
    {
        fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StorageError::NotOurs { .. }), "{error}");
        assert!(error.to_string().contains("app.db is not a Syncline store"), "{error}");
    }
}

#[test]
fn a_database_of_another_program_is_not_ours() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA application_id = 17; CREATE TABLE documents (id INTEGER)").unwrap();
    other.close().unwrap();
    let error = refused(&path);
    assert!(
        matches!(&error, StorageError::NotOurs { what, .. } if what.contains("another program")),
        "{error}"
    );
}

#[test]
fn a_newer_store_names_both_versions() {
    let (_folder, path) = store();
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    newer.close().unwrap();
    let error = refused(&path);
    let (next, this) = (SCHEMA_VERSION + 1, SCHEMA_VERSION);
    assert!(
        matches!(error, StorageError::TooNew { found, supported, .. } if (found, supported) == (next, this)),
        "{error}"
    );
}

#[test]
fn a_newer_store_that_was_not_closed_is_seen_to_be_newer() {
    let (folder, path) = store();
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    // Copied while open: the new version stands in the write-ahead log only.
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    fs::copy(folder.path().join("app.db-wal"), folder.path().join("copy.db-wal")).unwrap();
    let error = open(&copy).unwrap_err();
    assert!(matches!(error, StorageError::TooNew { .. }), "{error}");
}

#[test]
fn a_log_without_its_file_is_not_a_new_store() {
    let (folder, path) = store();
    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("app.db-wal"), [1; 5000]).unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(&error, StorageError::Damaged { what, .. } if what.contains("put both back")),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn a_missing_table_is_damage() {
    let (_folder, path) = store();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DROP TABLE fences").unwrap();
    other.close().unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, StorageError::Damaged { what, .. } if what.contains("fences")), "{error}");
}

#[test]
fn paths_that_cannot_hold_a_store_are_named() {
    let folder = TempDir::new().unwrap();
    let nowhere = open(&folder.path().join("nowhere/app.db")).unwrap_err();
    assert!(
        matches!(&nowhere, StorageError::Io { what, .. } if what.contains("create it first")),
        "{nowhere}"
    );
    let directory = open(folder.path()).unwrap_err();
    assert!(matches!(directory, StorageError::Io { .. }), "{directory}");
    assert!(matches!(open(Path::new("/")).unwrap_err(), StorageError::Io { .. }));
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    fs::write(folder.path().join("app.db.new"), "half a store").unwrap();
    fs::write(folder.path().join("app.db.new-wal"), "half a log").unwrap();
    assert_eq!(open(&path).unwrap().documents().unwrap(), []);
}

#[test]
fn two_values_of_one_process_cannot_share_a_store() {
    let (folder, path) = store();
    let first = open(&path).unwrap();
    for name in [path.clone(), folder.path().join(".").join("app.db")] {
        match open(&name).unwrap_err() {
            StorageError::Locked { holder: Some(holder), .. } => assert_eq!(holder.pid, std::process::id()),
            other => panic!("{other}"),
        }
    }
    drop(first);
    open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_to_a_store_is_that_store() {
    let (folder, path) = store();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let first = open(&path).unwrap();
    assert!(matches!(open(&link), Err(StorageError::Locked { .. })));
    drop(first);
    assert!(!open(&link).unwrap().documents().unwrap().is_empty());
}

const CHILD_PATH: &str = "SYNCLINE_TEST_HELD_STORE";

/// Not a test of its own: the process that the next test starts. It holds the store until it is killed.
#[test]
fn holder() {
    let Some(path) = std::env::var_os(CHILD_PATH) else { return };
    let _storage = open(Path::new(&path)).unwrap();
    println!("holding");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn spawn_holder(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--nocapture"])
        .env(CHILD_PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    child
}

#[test]
fn another_process_is_told_who_holds_the_store() {
    let (_folder, path) = store();
    let mut child = spawn_holder(&path);
    let error = open(&path).unwrap_err();
    let StorageError::Locked { holder: Some(holder), .. } = &error else { panic!("{error}") };
    assert_eq!(holder.pid, child.id());
    assert!(holder.program.starts_with("refused"), "{}", holder.program);
    assert!(holder.since > 1_700_000_000);
    let StoreFault(words) = error.into();
    assert!(
        words.contains(&format!("process {}", child.id())) && words.contains("close that first"),
        "{words}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    open(&path).unwrap();
}
