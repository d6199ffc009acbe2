//! Damaged files: whatever byte is wrong, a store answers what was committed, or an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replay;

use std::fs;
use std::path::{Path, PathBuf};

use replay::Replay;
use syncline_core::random::Random;
use syncline_storage::{Durability, Options, SqliteStorage, Storage, StorageError};
use tempfile::TempDir;

/// How many places are damaged in one run. They are drawn anew when the seed of a test is changed.
const PLACES: usize = 1_000;

/// Nothing here depends on syncs, so they are left out.
const OPTIONS: Options = Options { durability: Durability::Normal, limit_bytes: None };

struct Victim {
    folder: TempDir,
    file: Vec<u8>,
    replay: Replay,
}

impl Victim {
    /// A store of a few hundred kilobytes, closed.
    fn new(seed: u64) -> Self {
        let folder = in_memory_folder();
        let path = folder.path().join("original.db");
        let mut replay = Replay::new(seed);
        let mut storage = SqliteStorage::open(&path, OPTIONS).unwrap();
        (0..250).for_each(|_| storage.commit(&replay.next()).unwrap());
        drop(storage);
        assert!(!beside(&path, "-wal").exists(), "a closed store is one file");
        // Pages that belong to nobody would only hide the damage.
        rusqlite::Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
        Self { file: fs::read(&path).unwrap(), folder, replay }
    }

    /// Reads everything from a file with this content. It is right, or it fails; true if it failed.
    fn is_noticed(&mut self, content: &[u8], what: &str) -> bool {
        let path = self.folder.path().join("damaged.db");
        let _ = fs::remove_file(beside(&path, "-wal"));
        fs::write(&path, content).unwrap();
        let result =
            SqliteStorage::open(&path, OPTIONS).and_then(|mut storage| self.replay.difference(&mut storage));
        match result {
            Ok(None) => false,
            Ok(Some(difference)) => panic!("{what}: {difference}"),
            Err(
                StorageError::Damaged { .. } | StorageError::NotOurs { .. } | StorageError::TooNew { .. },
            ) => true,
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

/// A folder where writing costs little, if the system has one.
fn in_memory_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn flipped_bits_are_noticed_or_harmless() {
    let mut victim = Victim::new(3);
    let mut random = Random::new(3);
    let live: Vec<_> = (0..victim.file.len()).filter(|at| victim.file[*at] != 0).collect();
    let mut noticed = 0;
    for place in 0..PLACES {
        let mut content = victim.file.clone();
        // Every byte of the header, then anywhere but in zeros, which are mostly space that nobody uses.
        let at = if place < 100 { place } else { live[random.index(live.len())] };
        content[at] ^= 1 << random.below(8);
        noticed += usize::from(victim.is_noticed(&content, &format!("a bit of byte {at} flipped")));
    }
    println!("{noticed} of {PLACES} flipped bits were noticed, the others changed nothing that is read");
    assert!(noticed > PLACES / 2, "only {noticed} of {PLACES} flipped bits were noticed");
}

#[test]
fn lost_pages_are_noticed_or_harmless() {
    const PAGE: usize = 4096;
    let mut victim = Victim::new(4);
    let pages = victim.file.len() / PAGE;
    let original = victim.file.clone();
    for page in 0..pages {
        for (what, other) in [("zero", None), ("another", Some((page + 7) % pages))] {
            let mut content = original.clone();
            match other {
                None => content[page * PAGE..][..PAGE].fill(0),
                Some(other) => content.copy_within(other * PAGE..(other + 1) * PAGE, page * PAGE),
            }
            victim.is_noticed(&content, &format!("page {page} is {what}"));
        }
    }
}

#[test]
fn a_truncated_file_is_noticed() {
    let mut victim = Victim::new(5);
    let mut random = Random::new(5);
    let original = victim.file.clone();
    for _ in 0..200 {
        let len = random.index(original.len());
        assert!(victim.is_noticed(&original[..len], &format!("truncated to {len}")), "truncated to {len}");
    }
}

/// A store whose process was killed is its file and its log. Damage to the log can cost the last commits, as
/// it looks like a commit that was never finished, but nothing in between and never a part of one.
#[test]
fn a_damaged_log_leaves_an_earlier_state_or_an_error() {
    let folder = in_memory_folder();
    let (path, copy) = (folder.path().join("original.db"), folder.path().join("copy.db"));
    let mut storage = SqliteStorage::open(&path, OPTIONS).unwrap();
    let start = Replay::new(6);
    let mut replay = start.clone().fork();
    (0..60).for_each(|_| storage.commit(&replay.next()).unwrap());
    let wal = fs::read(beside(&path, "-wal")).unwrap();
    let mut random = Random::new(6);
    for round in 0..100 {
        fs::copy(&path, &copy).unwrap();
        let mut damaged = wal.clone();
        let at = random.index(damaged.len());
        if round % 2 == 0 {
            damaged[at] ^= 1 << random.below(8)
        } else {
            damaged.truncate(at)
        }
        fs::write(beside(&copy, "-wal"), damaged).unwrap();
        let mut states = start.fork();
        let result =
            SqliteStorage::open(&copy, OPTIONS).and_then(|mut found| states.catch_up(&mut found, 60));
        match result {
            Ok(true) | Err(StorageError::Damaged { .. }) => {}
            Ok(false) => panic!("log damaged at {at}: no state that ever was"),
            Err(other) => panic!("log damaged at {at}: {other}"),
        }
    }
}

#[test]
fn check_finds_damage_and_says_where() {
    let victim = Victim::new(7);
    let path = victim.folder.path().join("damaged.db");
    fs::write(&path, &victim.file).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    let rows = other
        .execute("UPDATE entries SET entry = zeroblob(length(entry)) WHERE position % 3 = 0", [])
        .unwrap();
    assert!(rows > 0);
    other.execute("DELETE FROM peers", []).unwrap();
    other.execute("INSERT INTO quarantine VALUES (999, x'00', 1, 1)", []).unwrap();
    other.close().unwrap();
    let report = SqliteStorage::open(&path, OPTIONS).unwrap().check().unwrap();
    assert!(!report.is_sound());
    let said = report.problems.join("\n");
    assert!(said.contains("its checksum does not fit") && said.contains("belong to no document"), "{said}");
}
