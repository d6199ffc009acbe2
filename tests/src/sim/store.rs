//! A node's store: the queue in front of its disk, group commits, and what a crash leaves of them.

use std::collections::VecDeque;

use syncline_core::event::Write;
use syncline_core::id::{DocId, WriteId};
use syncline_core::random::Random;

use super::disk::Disk;

/// What a replica asked of its store.
#[derive(Clone)]
pub(super) enum Request {
    Write(WriteId, Write),
    Load(DocId),
}

/// What is under way at the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Idle,
    /// This many of the first requests are being done.
    Busy(usize),
    /// The disk takes nothing.
    Failed,
}

/// The disk, which outlives the process, and the queue in front of it, which does not.
pub(super) struct Store {
    pub disk: Disk,
    pub requests: VecDeque<Request>,
    pub work: Work,
    /// The disk is full until this time.
    pub full_until: u64,
    /// The next load fails.
    pub unreadable: bool,
    /// How many requests at the front were in a commit that failed and may have been done all the same.
    pub again: usize,
}

impl Store {
    pub fn new(disk: Disk) -> Self {
        Self { disk, requests: VecDeque::new(), work: Work::Idle, full_until: 0, unreadable: false, again: 0 }
    }

    /// Takes up the next requests, if there are any and the disk is free: some writes, or one load.
    pub fn begin(&mut self, random: &mut Random) -> bool {
        if self.work != Work::Idle || self.requests.is_empty() {
            return false;
        }
        let writes = self.requests.iter().take_while(|request| matches!(request, Request::Write(..))).count();
        let some = if random.chance(0.7) { writes } else { 1 + random.index(writes) };
        self.work = Work::Busy(some.max(1));
        true
    }

    /// Commits the first `count` writes and returns the last.
    pub fn commit(&mut self, count: usize) -> Result<Option<WriteId>, String> {
        let mut last = None;
        for (index, request) in self.requests.iter().take(count).enumerate() {
            if let Request::Write(id, write) = request {
                self.disk.apply(write, index < self.again)?;
                last = Some(*id);
            }
        }
        Ok(last)
    }

    /// Whether a document is about to be deleted.
    pub fn forgets(&self, doc: &DocId) -> bool {
        let deletes = |request: &Request| matches!(request, Request::Write(_, Write::Delete { doc: gone }) if gone == doc);
        self.requests.iter().any(deletes)
    }

    /// The process died: a commit under way is done wholly or not at all, everything behind it is lost.
    pub fn crash(&mut self, random: &mut Random) -> Result<(), String> {
        if let Work::Busy(count) = self.work
            && random.chance(0.5)
        {
            self.commit(count)?;
        }
        self.requests.clear();
        self.again = 0;
        self.work = Work::Idle;
        Ok(())
    }
}
