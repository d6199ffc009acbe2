//! Processes that are killed while they commit: after reopening, nothing that was reported is missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod replay;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use replay::Replay;
use syncline_core::random::Random;
use syncline_storage::{Options, SqliteStorage, Storage};
use tempfile::TempDir;

const CHILD_PATH: &str = "SYNCLINE_TEST_KILLED_STORE";
const CHILD_START: &str = "SYNCLINE_TEST_KILLED_START";
const SEED: u64 = 77;
const KILLS: u64 = 25;

/// More batches than a child can commit between the last line that was read and its death.
const AHEAD: u64 = 2_000;

/// Not a test of its own: the process that the next test starts and kills.
#[test]
fn committer() {
    let Some(path) = std::env::var_os(CHILD_PATH) else { return };
    let start: u64 = std::env::var(CHILD_START).unwrap().parse().unwrap();
    let mut replay = Replay::new(SEED);
    let mut storage = SqliteStorage::open(Path::new(&path), Options::default()).unwrap();
    // The last batch before the kill is committed again: whether it was is what the child cannot know.
    while replay.batches() + 1 < start {
        replay.next();
    }
    loop {
        let batch = replay.next();
        storage.commit(&batch).unwrap();
        println!("committed {}", replay.batches());
    }
}

/// Lets a child commit from batch `start` on, kills it, and gives the last batch it reported.
fn commit_and_kill(path: &Path, start: u64, lines: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "committer", "--nocapture"])
        .env(CHILD_PATH, path)
        .env(CHILD_START, start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let reported = BufReader::new(child.stdout.take().unwrap()).lines().filter_map(|line| {
        let line = line.unwrap();
        let (_, number) = line.split_once("committed ")?;
        number.parse::<u64>().ok()
    });
    let last = reported.take(usize::try_from(lines).unwrap()).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[test]
fn nothing_reported_is_missing_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let (mut random, mut replay) = (Random::new(SEED), Replay::new(SEED));
    for _ in 0..KILLS {
        let last = commit_and_kill(&path, replay.batches(), 1 + random.below(60));
        while replay.batches() < last {
            replay.next();
        }
        let mut storage = SqliteStorage::open(&path, Options::default()).unwrap();
        assert!(
            replay.catch_up(&mut storage, AHEAD).unwrap(),
            "what was reported up to {last} is not all there"
        );
        assert!(storage.check().unwrap().is_sound());
    }
    println!("{KILLS} kills, {} batches", replay.batches());
}
