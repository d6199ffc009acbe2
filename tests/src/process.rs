//! Real processes for scenario tests: the relay, the command line and clients under load, as a user would run
//! them, with stores in folders of their own and ports that the system chooses.
//!
//! Everything waits for events - a printed line, an answer, the end of a process - and gives up after
//! [`PATIENCE`], which is only there so that a hanging test says what it waited for.

pub mod binary;
pub mod board;
pub mod capture;
pub mod child;
pub mod clients;
pub mod cpu;
pub mod full_screen;
pub mod guests;
pub mod http;
pub mod joins;
pub mod kill;
pub mod load;
pub mod long;
pub mod memory;
pub mod metrics;
pub mod proxy;
pub mod raw;
pub mod relay;
pub mod servers;
pub mod session;
pub mod slow;
pub mod store;
pub mod team;
pub mod terminal;
pub mod tokens;
pub mod trace;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of real data, or `None` where there is none, which is said aloud. A relative `$SYNCLINE_DATA` is one from
/// the root of the workspace.
#[must_use]
pub fn real_data(folder: &str) -> Option<PathBuf> {
    let named = std::env::var_os("SYNCLINE_DATA").map(PathBuf::from);
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folder = root.join(named.unwrap_or_else(|| "../shared/data".into())).join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: {} is no folder; set SYNCLINE_DATA to the folder above it", folder.display());
    None
}
