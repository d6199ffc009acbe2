//! Plays every recorded session of the real data, on both families: `cargo xtask traces`.

use std::path::PathBuf;
use std::process::ExitCode;

use syncline_tests::process::real_data;
use syncline_tests::process::session::Session;

/// Sessions of one author, and of several.
const FOLDERS: [&str; 2] = ["traces/sequential", "traces/concurrent"];

fn main() -> ExitCode {
    let [Some(sequential), Some(concurrent)] = FOLDERS.map(real_data) else { return ExitCode::FAILURE };
    for family in ["yjs", "automerge"] {
        sessions(&sequential).for_each(|session| session.play(family));
        sessions(&concurrent).for_each(|session| session.play_together(family));
    }
    ExitCode::SUCCESS
}

fn sessions(folder: &PathBuf) -> impl Iterator<Item = Session> {
    let files = std::fs::read_dir(folder).expect("a folder that can be read");
    files.map(|file| Session::read(file.expect("a file that can be read").path()))
}
