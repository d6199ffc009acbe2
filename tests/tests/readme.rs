//! The README's five minutes, as printed: its commands are run by a shell, and print what it says. Only the building is
//! left out, the relay has a port that the system chose, and sizes are not compared: ids of another length make others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

use syncline_tests::process::binary;
use syncline_tests::process::relay::Relay;
use tempfile::TempDir;

/// The relay of the README.
const RELAY: &str = "ws://127.0.0.1:4455/sync";

/// What a terminal shows: what was typed, and what came.
struct Console {
    typed: Vec<String>,
    printed: String,
}

impl Console {
    fn all(readme: &str) -> Vec<Self> {
        readme
            .split("```console\n")
            .skip(1)
            .map(|rest| Self::read(rest.split("```").next().unwrap()))
            .collect()
    }

    fn read(block: &str) -> Self {
        let (typed, printed): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| line.starts_with("$ "));
        let typed = typed.iter().map(|line| line["$ ".len()..].to_owned()).collect();
        Self { typed, printed: printed.concat() }
    }

    /// Types it, and sees what it says printed.
    fn run(&self, folder: &Path, relay: &Relay) {
        let printed: String = self.printed(folder, relay).lines().collect();
        assert_eq!(without_sizes(&printed), without_sizes(&self.printed), "{:#?}", self.typed);
    }

    /// Types everything but what builds and what names the relay.
    fn printed(&self, folder: &Path, relay: &Relay) -> String {
        let is_building = |line: &&String| line.starts_with("cargo ") || line.starts_with("export ");
        let script: Vec<&str> =
            self.typed.iter().filter(|line| !is_building(line)).map(String::as_str).collect();
        let binaries = binary::path("syncline").parent().unwrap().display().to_string();
        let path = format!("{binaries}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &script.join("\n")]).current_dir(folder);
        let output = shell.env("PATH", path).env("SYNCLINE_RELAY", relay.url()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script:#?}: {errors}");
        String::from_utf8(output.stdout).unwrap().replace(&relay.url(), RELAY)
    }
}

/// The text with `N bytes` for any number of bytes.
fn without_sizes(text: &str) -> String {
    let parts: Vec<&str> = text.split(" bytes").collect();
    let (last, sizes) = parts.split_last().unwrap();
    let without = sizes.iter().map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    without.map(|part| format!("{part}N bytes")).chain([(*last).to_owned()]).collect()
}

#[test]
fn the_five_minutes_work_as_printed() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let consoles = Console::all(&std::fs::read_to_string(readme).unwrap());
    let [start, ada, ben, apart, together, formats, ..] = &consoles[..] else {
        panic!("the README has another walk")
    };
    assert_eq!(start.typed, ["cargo run --release --bin sync-server"]);
    let folder = TempDir::new().unwrap();
    let mut relay = Relay::start();
    ada.run(folder.path(), &relay);
    ben.run(folder.path(), &relay);
    relay.kill();
    apart.run(folder.path(), &relay);
    relay.restart();
    together.run(folder.path(), &relay);
    // The ids of what is new are new every time, and the export is at its end.
    assert!(formats.printed(folder.path(), &relay).contains("\"color\": \"teal\""));
    assert!(std::fs::read_to_string(folder.path().join("sales.svg")).unwrap().contains("<svg"));
}
