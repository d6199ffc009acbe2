//! Recorded editing sessions, played through the command line over a relay that is killed meanwhile: the end is as
//! recorded, and an empty store gets the same from the relay.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use syncline_core::random::Random;

use super::PATIENCE;
use super::relay::Relay;
use super::terminal::Terminal;

/// How often the relay is asked how far it is.
const GLANCE: Duration = Duration::from_millis(5);

/// Edits of the generated session.
const GENERATED: usize = 12_000;

/// A session to play: its file, how many edits it has, and how it ends.
pub struct Session {
    file: PathBuf,
    edits: u64,
    end: String,
}

impl Session {
    /// Reads a recorded session.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn read(file: PathBuf) -> Self {
        let trace: Json =
            serde_json::from_reader(GzDecoder::new(std::fs::File::open(&file).expect("a file")))
                .expect("a trace");
        let edits = trace["txns"].as_array().expect("edits").len() as u64;
        Self { file, edits, end: trace["endContent"].as_str().expect("an end").to_owned() }
    }

    /// Writes down a session of one author that never was.
    ///
    /// # Panics
    /// If there is no room for it.
    #[must_use]
    pub fn generate(folder: &Path) -> Self {
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
            .expect("room for it");
        Self { file, edits: GENERATED as u64, end }
    }

    /// Plays a session of one author; the relay is killed when it has a tenth of it, and half.
    ///
    /// # Panics
    /// If it does not end as recorded, here or in an empty store.
    pub fn play(&self, family: &str) {
        let (_relay, ada, ben) = self.play_over_a_killed_relay(family, &[1, 5]);
        assert_eq!(ada.ok(["show", "d"]), ben.ok(["show", "d"]), "{family} {}", self.file.display());
    }

    /// Plays a session of several authors, each with an engine of its own; the relay is killed half-way.
    ///
    /// # Panics
    /// If it does not end as recorded, for each of them and in an empty store.
    pub fn play_together(&self, family: &str) {
        self.play_over_a_killed_relay(family, &[5]);
    }

    /// Kills the relay once it has so many tenths; how much it has then is printed, as it may have more by the time
    /// that is seen. Returns it with who played and who got everything from it.
    fn play_over_a_killed_relay(&self, family: &str, tenths: &[u64]) -> (Relay, Terminal, Terminal) {
        let started = Instant::now();
        let mut relay = Relay::start();
        let ada = Terminal::with_relay(relay.url());
        let file = self.file.to_str().expect("a name in UTF-8");
        let mut replay = ada.start(["replay", file, "d", "--crdt", family, "--offline-every", "2000"]);
        for tenths in tenths {
            let entries = reach(&relay, self.edits * tenths / 10);
            relay.kill();
            println!("{family} {file}: the relay was killed at {entries} of {} entries", self.edits);
            relay.restart();
        }
        let ended = replay.wait();
        assert!(ended.status.success(), "{family} {file}: {}", ended.errors);
        let ben = Terminal::with_relay(relay.url());
        ben.ok(["sync", "d"]);
        assert!(ben.ok(["export", "d", "--format", "text"]) == self.end, "{family} {file}: another end");
        println!("{family} {file}: {} edits in {:.1?}", self.edits, started.elapsed());
        (relay, ada, ben)
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
