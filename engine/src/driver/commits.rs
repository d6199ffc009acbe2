//! Writes on their way to the store: what gathers between two commits.

use std::time::{Duration, Instant as StdInstant};

use syncline_core::event::Write;
use syncline_core::id::WriteId;
use tokio::time::Instant;

/// What waits for the next commit.
pub(super) struct Commits {
    waiting: Vec<(WriteId, Write)>,
    /// When the first thing came that they come from.
    since: Option<StdInstant>,
    /// From when on there may be a commit.
    next: Instant,
}

impl Commits {
    pub fn new() -> Self {
        Self { waiting: Vec::new(), since: None, next: Instant::now() }
    }

    pub fn push(&mut self, id: WriteId, write: Write, since: StdInstant) {
        self.waiting.push((id, write));
        self.since.get_or_insert(since);
    }

    /// When the next commit is, if there is anything to commit.
    pub fn due(&self) -> Option<Instant> {
        self.since.map(|_| self.next)
    }

    /// What waits, and since when; the next commit is so much later.
    pub fn take(&mut self, apart: Duration) -> Option<(Vec<(WriteId, Write)>, StdInstant)> {
        let since = self.since.take()?;
        self.next = Instant::now() + apart;
        Some((std::mem::take(&mut self.waiting), since))
    }
}
