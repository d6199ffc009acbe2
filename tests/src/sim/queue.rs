//! What is going to happen, in the one order in which it will.

use std::collections::BTreeMap;

/// Future happenings by time; those of the same time in the order in which they were planned.
#[derive(Debug)]
pub(super) struct Queue<T> {
    planned: BTreeMap<(u64, u64), T>,
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { planned: BTreeMap::new(), sequence: 0 }
    }
}

impl<T> Queue<T> {
    pub fn plan(&mut self, time: u64, happening: T) {
        self.sequence += 1;
        self.planned.insert((time, self.sequence), happening);
    }

    /// The next happening, if it comes before `end`.
    pub fn next_before(&mut self, end: u64) -> Option<(u64, T)> {
        let first = self.planned.first_entry().filter(|first| first.key().0 < end)?;
        let time = first.key().0;
        Some((time, first.remove()))
    }
}
