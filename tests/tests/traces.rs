//! Editing sessions over a relay that is killed meanwhile. A generated one runs everywhere; of the real ones those that
//! take seconds run here, and all with `cargo xtask traces`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_tests::process::real_data;
use syncline_tests::process::session::Session;
use tempfile::TempDir;

/// Real sessions that are played in the gate, as they are short.
const SHORT: [&str; 2] = ["friendsforever_flat.json.gz", "sveltecomponent.json.gz"];

fn generated(family: &str) {
    let folder = TempDir::new().unwrap();
    Session::generate(folder.path()).play(family);
}

fn short(family: &str) {
    let Some(folder) = real_data("traces/sequential") else { return };
    SHORT.iter().for_each(|file| Session::read(folder.join(file)).play(family));
}

#[test]
fn a_generated_session_survives_its_relay_on_yjs() {
    generated("yjs");
}

#[test]
fn a_generated_session_survives_its_relay_on_automerge() {
    generated("automerge");
}

#[test]
fn short_sessions_end_as_recorded_on_yjs() {
    short("yjs");
}

#[test]
fn short_sessions_end_as_recorded_on_automerge() {
    short("automerge");
}

#[test]
fn recorded_authors_end_together_on_yjs() {
    let Some(folder) = real_data("traces/concurrent") else { return };
    Session::read(folder.join("friendsforever.json.gz")).play_together("yjs");
}
