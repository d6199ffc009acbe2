//! A chart in a store, for commands that look at charts.

use std::path::Path;

use syncline::chart::Chart;
use syncline::{Engine, Family, Saved, SqliteStorage, storage};

/// Puts a Vega-Lite specification into a store, as a document of this name.
///
/// # Panics
/// If it is no specification, or the store cannot be written.
pub fn store_chart(store: &Path, doc: &str, family: Family, specification: &[u8]) {
    let chart = Chart::from_vega_lite(specification).expect("a specification");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        let storage = SqliteStorage::open(store, storage::Options::default()).expect("a store");
        let engine = Engine::builder(storage).user("ada").open().expect("an engine");
        let document = engine.chart(doc, family).await.expect("a document");
        document.import(&chart).expect("an empty document");
        document.saved(Saved::Local).await.expect("a disk");
        engine.close().await;
    });
}
