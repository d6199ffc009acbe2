//! Where the binaries of other packages are: beside the test that runs.
//!
//! Cargo tells a test only the binaries of its own package. The others stand in the same target folder, where
//! building the workspace's tests puts them; one that is missing or older than its sources is an error that
//! names the command, never a test of yesterday's program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Packages that every binary is made of.
const LIBRARIES: [&str; 4] = ["core", "storage", "transports", "engine"];

/// What was found to be up to date: a run of many minutes is not stopped by whoever edits meanwhile.
static CHECKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The path of a binary of this workspace.
///
/// # Panics
/// If it was not built, or not since its sources changed.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let binary = target_folder().join(name);
    let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    if !checked.insert(name.to_owned()) {
        return binary;
    }
    let remedy = "build it with `cargo build --workspace --bins`";
    let built = modified(&binary);
    assert!(built.is_some(), "there is no {}; {remedy}", binary.display());
    if let Some(source) = sources(name).into_iter().find(|source| modified(source) > built) {
        panic!("{} is older than {}; {remedy}", binary.display(), source.display());
    }
    binary
}

/// Tests run from `target/PROFILE/deps`, binaries from the folder above.
fn target_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a path");
    let mut folder = exe.parent().expect("a program is in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("deps is in a profile's folder");
    }
    folder.to_owned()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// The sources that go into a binary.
fn sources(name: &str) -> Vec<PathBuf> {
    let own = match name {
        "syncline" => "cli",
        "sync-server" => "sync-server",
        _ => "tests",
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = LIBRARIES.into_iter().chain([own]).map(|package| workspace.join(package).join("src"));
    let is_part = |path: &PathBuf| {
        let of_another_binary = path.parent().is_some_and(|folder| folder.ends_with("bin"))
            && path.file_stem().is_some_and(|stem| stem != name);
        // Modules of unit tests are in no binary.
        !of_another_binary && !path.ends_with("tests.rs")
    };
    folders.flat_map(|folder| files(&folder)).filter(is_part).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
