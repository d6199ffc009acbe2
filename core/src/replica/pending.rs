//! Own edits that are not yet saved everywhere: the offline queue, read off the log.

use std::collections::VecDeque;

use crate::event::Progress;

/// The edits made on this store, in order, from the first that no relay has acknowledged.
///
/// Every edit has a ticket, numbered from 1 at each opening, that stays the same when the log is renumbered.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// In the order of their tickets.
    edits: VecDeque<Edit>,
    /// How many of them, from the first, are on this disk.
    saved_here: usize,
    bytes: u64,
    made: u64,
    local: u64,
    lost: u64,
    lost_from: u64,
}

/// One own edit: which, where in the log, and how large.
#[derive(Clone, Copy, Debug)]
struct Edit {
    ticket: u64,
    offset: u64,
    bytes: u64,
}

impl Pending {
    /// Notes an edit and returns its ticket.
    pub fn push(&mut self, offset: u64, bytes: usize) -> u64 {
        self.made += 1;
        self.bytes += bytes as u64;
        self.edits.push_back(Edit { ticket: self.made, offset, bytes: bytes as u64 });
        self.made
    }

    /// Notes that the log is on this disk up to `durable`.
    pub fn on_local(&mut self, durable: u64) {
        while self.edits.get(self.saved_here).is_some_and(|edit| edit.offset <= durable) {
            self.saved_here += 1;
        }
        self.local = self.edits.get(self.saved_here).map_or(self.made, |edit| edit.ticket - 1);
    }

    /// Notes that a relay holds the log up to `offset`; true if that saved anything.
    pub fn on_relay(&mut self, offset: u64) -> bool {
        let before = self.edits.len();
        while let Some(edit) = self.edits.pop_front_if(|edit| edit.offset <= offset) {
            self.bytes -= edit.bytes;
            self.saved_here = self.saved_here.saturating_sub(1);
        }
        self.edits.len() < before
    }

    /// Notes that of the edits at these offsets, in order, not everything could be made again after a refusal.
    pub fn lose(&mut self, offsets: &[u64]) {
        let Some(first) = offsets.first() else { return };
        self.lost += offsets.len() as u64;
        // One that a relay has acknowledged has no ticket any more; it is older than all that have.
        self.lost_from = self.edits.iter().find(|edit| edit.offset == *first).map_or(0, |edit| edit.ticket);
    }

    /// Gives every edit the offset `moved` finds for its old one; edits it finds none for are gone.
    pub fn renumber(&mut self, moved: impl Fn(u64) -> Option<u64>) {
        self.edits.retain_mut(|edit| moved(edit.offset).map(|offset| edit.offset = offset).is_some());
        self.saved_here = 0;
        self.bytes = self.edits.iter().map(|edit| edit.bytes).sum();
    }

    /// How far everything is saved.
    pub fn progress(&self) -> Progress {
        Progress {
            made: self.made,
            local: self.local,
            relay: self.edits.front().map_or(self.made, |edit| edit.ticket - 1),
            pending: self.edits.len() as u64,
            pending_bytes: self.bytes,
            lost: self.lost,
            lost_from: self.lost_from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_saved_in_order_here_and_at_the_relay() {
        let mut pending = Pending::default();
        for offset in [3, 5, 6] {
            pending.push(offset, 10);
        }
        pending.on_local(5);
        assert!(pending.on_relay(4));
        let progress = pending.progress();
        assert_eq!((progress.made, progress.local, progress.relay), (3, 2, 1));
        assert_eq!((progress.pending, progress.pending_bytes), (2, 20));
        assert!(!pending.on_relay(4));
    }

    #[test]
    fn renumbering_keeps_tickets() {
        let mut pending = Pending::default();
        for offset in [3, 5, 6] {
            pending.push(offset, 10);
        }
        pending.renumber(|offset| (offset != 5).then_some(offset + 10));
        assert!(!pending.on_relay(6));
        assert!(pending.on_relay(13));
        assert_eq!(pending.progress().relay, 2);
    }
    #[test]
    fn what_was_lost_is_remembered_when_nothing_of_it_is_pending() {
        let mut pending = Pending::default();
        for offset in [3, 5, 6] {
            pending.push(offset, 10);
        }
        pending.lose(&[]);
        assert_eq!(pending.progress().lost, 0);
        pending.lose(&[5, 6]);
        pending.renumber(|offset| (offset == 3).then_some(8));
        assert_eq!((pending.progress().lost, pending.progress().lost_from), (2, 2));
        assert!(pending.on_relay(8));
        pending.lose(&[8]);
        assert_eq!((pending.progress().lost, pending.progress().lost_from), (3, 0));
    }
}
