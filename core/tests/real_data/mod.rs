//! Real data, which is not part of the project: it is looked for in `$SYNCLINE_DATA`, else beside the workspace.

use std::path::{Path, PathBuf};

/// A file or folder of it, or `None` where it is not there, which is said aloud. A relative `$SYNCLINE_DATA` is one from
/// the root of the workspace.
pub fn real_data(path: &str) -> Option<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let named = std::env::var_os("SYNCLINE_DATA").map(PathBuf::from);
    let path = root.join(named.unwrap_or_else(|| "../shared/data".into())).join(path);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: no real data at {}; set SYNCLINE_DATA", path.display());
    None
}
