//! Recorded editing sessions, played through the command line over a relay that is killed twice meanwhile: the end is
//! as recorded, and an empty store gets the same from the relay.
//!
//! A generated session runs everywhere. Of the real ones, two run in the gate and all with `cargo xtask traces`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use syncline_core::random::Random;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;
use syncline_tests::process::{PATIENCE, real_data};
use tempfile::TempDir;

/// How often the relay is asked how far it is.
const GLANCE: Duration = Duration::from_millis(5);

/// Real sessions that are played in the gate, as they are short.
const SHORT: [&str; 2] = ["friendsforever_flat.json.gz", "sveltecomponent.json.gz"];

/// Edits of the generated session.
const GENERATED: usize = 12_000;

/// A session to play: its file, how many edits it has, and how it ends.
struct Session {
    file: PathBuf,
    edits: u64,
    end: String,
}

impl Session {
    fn read(file: PathBuf) -> Self {
        let trace: Json =
            serde_json::from_reader(GzDecoder::new(std::fs::File::open(&file).unwrap())).unwrap();
        let edits = trace["txns"].as_array().unwrap().len() as u64;
        Self { file, edits, end: trace["endContent"].as_str().unwrap().to_owned() }
    }

    fn generate(folder: &Path) -> Self {
        let (mut random, mut text, mut txns) = (Random::new(3), Vec::new(), Vec::new());
        for _ in 0..GENERATED {
            let at = random.index(text.len() + 1);
            let delete = if random.chance(0.3) { random.index(3).min(text.len() - at) } else { 0 };
            let insert: String =
                (0..1 + random.index(3)).map(|_| ['a', 'ß', '\u{1f600}'][random.index(3)]).collect();
            text.splice(at..at + delete, insert.chars());
            txns.push(json!({ "patches": [[at, delete, insert]] }));
        }
        let end: String = text.into_iter().collect();
        let file = folder.join("session.json");
        std::fs::write(&file, json!({ "startContent": "", "endContent": end, "txns": txns }).to_string())
            .unwrap();
        Self { file, edits: GENERATED as u64, end }
    }

    /// Plays it; the relay is killed after a tenth of it and once more when it has half.
    fn play(&self, family: &str) {
        let started = Instant::now();
        let mut relay = Relay::start();
        let ada = Terminal::with_relay(relay.url());
        let file = self.file.to_str().unwrap();
        let mut replay = ada.start(["replay", file, "d", "--crdt", family, "--offline-every", "2000"]);
        for tenths in [1, 5] {
            let entries = reach(&relay, self.edits * tenths / 10);
            relay.kill();
            println!("{family} {file}: the relay was killed at {entries} of {} entries", self.edits);
            assert!(tenths > 1 || entries < self.edits, "the relay is killed before the end");
            relay.restart();
        }
        let ended = replay.wait();
        assert!(ended.status.success(), "{family} {file}: {}", ended.errors);
        let ben = Terminal::with_relay(relay.url());
        ben.ok(["sync", "d"]);
        assert!(ben.ok(["export", "d", "--format", "text"]) == self.end, "{family} {file}: another end");
        assert_eq!(ada.ok(["show", "d"]), ben.ok(["show", "d"]), "{family} {file}");
        println!("{family} {file}: {} edits in {:.1?}", self.edits, started.elapsed());
    }
}

/// Waits until the relay has so many entries of the document.
fn reach(relay: &Relay, wanted: u64) -> u64 {
    let started = Instant::now();
    loop {
        let entries = relay.status()["documents"][0]["entries"].as_u64().unwrap_or(0);
        if entries >= wanted {
            return entries;
        }
        assert!(started.elapsed() < 10 * PATIENCE, "the relay has {entries} entries instead of {wanted}");
        std::thread::sleep(GLANCE);
    }
}

fn real_sessions(wanted: impl Fn(&PathBuf) -> bool) -> Vec<Session> {
    let Some(folder) = real_data("traces/sequential") else { return Vec::new() };
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(wanted).map(Session::read).collect()
}

fn is_short(file: &PathBuf) -> bool {
    SHORT.iter().any(|short| file.ends_with(short))
}

#[test]
fn a_generated_session_survives_its_relay_on_yjs() {
    let folder = TempDir::new().unwrap();
    Session::generate(folder.path()).play("yjs");
}

#[test]
fn a_generated_session_survives_its_relay_on_automerge() {
    let folder = TempDir::new().unwrap();
    Session::generate(folder.path()).play("automerge");
}

#[test]
fn short_sessions_end_as_recorded_on_yjs() {
    real_sessions(is_short).iter().for_each(|session| session.play("yjs"));
}

#[test]
fn short_sessions_end_as_recorded_on_automerge() {
    real_sessions(is_short).iter().for_each(|session| session.play("automerge"));
}

#[test]
#[ignore = "takes minutes: cargo xtask traces"]
fn long_sessions_end_as_recorded_on_yjs() {
    real_sessions(|file| !is_short(file)).iter().for_each(|session| session.play("yjs"));
}

#[test]
#[ignore = "takes minutes: cargo xtask traces"]
fn long_sessions_end_as_recorded_on_automerge() {
    real_sessions(|file| !is_short(file)).iter().for_each(|session| session.play("automerge"));
}

#[test]
fn recorded_authors_end_together_on_yjs() {
    play_together("yjs");
}

#[test]
#[ignore = "takes minutes, as Automerge walks the text for every change of another author: cargo xtask traces"]
fn recorded_authors_end_together_on_automerge() {
    play_together("automerge");
}

/// One engine for each of the recorded authors, over a relay that is killed half-way.
fn play_together(family: &str) {
    let Some(folder) = real_data("traces/concurrent") else { return };
    let session = Session::read(folder.join("friendsforever.json.gz"));
    let mut relay = Relay::start();
    let ada = Terminal::with_relay(relay.url());
    let file = session.file.to_str().unwrap();
    let mut replay = ada.start(["replay", file, "d", "--crdt", family, "--offline-every", "2000"]);
    reach(&relay, session.edits / 2);
    relay.kill();
    relay.restart();
    let ended = replay.wait();
    assert!(ended.status.success(), "{family}: {}", ended.errors);
    let ben = Terminal::with_relay(relay.url());
    ben.ok(["sync", "d"]);
    assert!(ben.ok(["export", "d", "--format", "text"]) == session.end, "{family}: another end");
}
