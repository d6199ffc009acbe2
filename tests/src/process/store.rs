//! What a store holds, read from a copy, so that the process it belongs to finds it as it left it.

use std::path::{Path, PathBuf};

use syncline::{Engine, SqliteStorage, Value, storage};
use tempfile::TempDir;

/// A document of a store; `None` if the store does not hold it. The store may be one that a process was killed
/// over, but nobody may be writing to it.
///
/// # Panics
/// If the store cannot be read.
pub async fn read(store: &Path, doc: &str) -> Option<Value> {
    let folder = TempDir::new().expect("there is room for a folder");
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let from = with_suffix(store, suffix);
        if from.exists() {
            std::fs::copy(&from, with_suffix(&copy, suffix)).expect("a store can be copied");
        }
    }
    if !copy.exists() {
        return None;
    }
    let storage = SqliteStorage::open(&copy, storage::Options::default()).expect("the store can be opened");
    let engine = Engine::builder(storage).open().expect("an engine opens over the store");
    let document = engine.existing(doc).await.ok();
    let value = document.and_then(|document| document.value(&syncline::Path::root()));
    engine.close().await;
    value
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}
