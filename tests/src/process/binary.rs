//! Where the binaries of other packages are: beside the test that runs.
//!
//! Cargo tells a test only the binaries of its own package. The others stand in the same target folder, where
//! building the workspace's tests puts them; one that is missing or older than its sources is an error that
//! names the command, never a test of yesterday's program.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The path of a binary of this workspace.
///
/// # Panics
/// If it was not built, or not since its sources changed.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let binary = target_folder().join(name);
    let remedy = "build it with `cargo build --workspace --bins`";
    let built = modified(&binary);
    assert!(built.is_some(), "there is no {}; {remedy}", binary.display());
    if let Some(source) = sources(&binary).into_iter().find(|source| modified(source) > built) {
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

/// What cargo noted beside the binary: `binary: source source …`, with blanks escaped.
fn sources(binary: &Path) -> Vec<PathBuf> {
    let noted = std::fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let list = noted.split_once(": ").map_or("", |(_, list)| list).trim();
    let names = list.replace("\\ ", "\0");
    names.split(' ').filter(|name| !name.is_empty()).map(|name| name.replace('\0', " ").into()).collect()
}
