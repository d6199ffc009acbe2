//! When the beginnings of logs are merged: beside the loop, one at a time, and where nobody waits for it while nobody edits.

use std::sync::Arc;
use std::time::Duration;

use syncline_core::replica::{Merge, Merged};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::node::Node;

/// How long nobody has edited here when merges begin that nobody waits for: they take memory and a core from whoever edits.
pub const QUIET_TIME: Duration = Duration::from_millis(100);

/// How long they wait for that.
pub const MERGE_PATIENCE: Duration = Duration::from_secs(3);

/// Who may merge.
#[derive(Clone)]
pub(super) struct Merges(Arc<Semaphore>);

impl Merges {
    /// One at a time: each holds its document twice.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Runs a merge on a thread of its own, when its turn has come; nothing if the node closes before.
    pub async fn run(self, node: &Node, merge: Merge) -> Option<Merged> {
        if !merge.is_awaited() {
            // Those who edit without pause do not put it off for ever.
            let _late = timeout(MERGE_PATIENCE, quiet(node)).await;
            // Whoever comes next can do it; now somebody would wait for it.
            if node.is_closing() {
                return None;
            }
        }
        let _turn = self.0.acquire_owned().await;
        // It never panics; where the runtime ends, so does the node.
        tokio::task::spawn_blocking(move || merge.run()).await.ok()
    }
}

/// Waits until nobody has edited for a while.
async fn quiet(node: &Node) {
    let left = || QUIET_TIME.saturating_sub(Duration::from_millis(node.quiet()));
    while !left().is_zero() {
        tokio::time::sleep(left()).await;
    }
}
