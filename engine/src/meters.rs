//! What a node measures of itself, for whoever runs it: how long updates take, how commits go, how much waits.
//!
//! The loop measures by the turn and by the commit, links by the frame; nothing here takes a lock or reads a clock for each
//! update.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use syncline_core::event::Write;
use syncline_core::id::WriteId;
use syncline_storage::Commit;

use crate::histogram::Histogram;

/// A link is slow that had updates wait for so long because it had not taken what it was given before.
pub const SLOW_LINK_TIME: Duration = Duration::from_millis(100);

/// The measurements of a node since it started.
#[derive(Debug)]
pub struct Meters {
    /// For each frame with updates: from the arrival of the first thing that the loop attended to in the same turn until the
    /// link had taken the frame. Where the link had no room before, from when it was first in the way.
    pub sent: Histogram,
    /// For each update: from the arrival of the first thing that the loop attended to in the same turn until it was durable.
    pub durable: Histogram,
    /// How long commits took.
    pub commits: Histogram,
    /// How many writes were in each of them.
    pub commit_writes: Histogram,
    slow: AtomicU64,
    unwritten_bytes: AtomicU64,
    /// Of what was handed to the replica from outside the loop since its last turn.
    pub(crate) arrived: FirstArrival,
}

/// When the first of several things arrived.
#[derive(Debug)]
pub struct FirstArrival {
    /// The beginning of time.
    began: Instant,
    /// Nanoseconds since then.
    nanos: AtomicU64,
}

impl Default for FirstArrival {
    fn default() -> Self {
        Self { began: Instant::now(), nanos: AtomicU64::new(u64::MAX) }
    }
}

impl FirstArrival {
    /// Something arrived at this time.
    pub fn note(&self, at: Instant) {
        self.nanos.fetch_min(nanos(at.saturating_duration_since(self.began)), Ordering::Relaxed);
    }

    /// When the first thing arrived, if any did since this was asked before.
    pub fn take(&self) -> Option<Instant> {
        let nanos = self.nanos.swap(u64::MAX, Ordering::Relaxed);
        (nanos < u64::MAX).then(|| self.began + Duration::from_nanos(nanos))
    }
}

/// What waits for the loop of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Inputs of links.
    pub inputs: usize,
    /// Bytes of frames among them.
    pub input_bytes: usize,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            sent: Histogram::of_times(),
            durable: Histogram::of_times(),
            commits: Histogram::of_times(),
            commit_writes: Histogram::of_counts(),
            slow: AtomicU64::new(0),
            unwritten_bytes: AtomicU64::new(0),
            arrived: FirstArrival::default(),
        }
    }
}

impl Meters {
    /// How many frames with updates had to wait for [`SLOW_LINK_TIME`] or longer for a link that had no room for them.
    #[must_use]
    pub fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    /// About how many bytes of updates and snapshots are not known to be on disk.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes.load(Ordering::Relaxed)
    }

    /// Since when the updates of a frame have been on their way that is made in a turn for what has come `since` then, and
    /// which had to wait for its link before, if it had. The replica counts milliseconds; of one that is not over all is taken.
    pub(crate) fn sent_since(&self, since: Instant, waited: Option<u64>) -> Instant {
        let Some(millis) = waited else { return since };
        if Duration::from_millis(millis) >= SLOW_LINK_TIME {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
        since.checked_sub(Duration::from_millis(millis.saturating_add(1))).unwrap_or(since)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The batches that the store was given and has not reported.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(VecDeque<Batch>);

#[derive(Debug)]
struct Batch {
    last: WriteId,
    updates: u64,
    bytes: u64,
    /// When the first thing arrived that it comes from.
    since: Instant,
}

impl Unwritten {
    /// A batch is given to the store.
    pub fn push(&mut self, writes: &[(WriteId, Write)], since: Instant, meters: &Meters) {
        let Some((last, _)) = writes.last() else { return };
        let updates = writes.iter().filter(|(_, write)| matches!(write, Write::Append { .. })).count() as u64;
        let bytes = writes.iter().map(|(_, write)| bytes(write)).sum();
        meters.unwritten_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.push_back(Batch { last: *last, updates, bytes, since });
    }

    /// Everything up to a write is durable.
    pub fn written(&mut self, write: WriteId, commit: Commit, meters: &Meters) {
        meters.commits.observe_time(commit.took, 1);
        meters.commit_writes.observe(commit.writes as u64);
        let now = Instant::now();
        while let Some(batch) = self.0.pop_front_if(|batch| batch.last <= write) {
            meters.unwritten_bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
            if batch.updates > 0 {
                meters.durable.observe_time(now.saturating_duration_since(batch.since), batch.updates);
            }
        }
    }
}

/// About how many bytes a write has that would not be there without what somebody has written.
fn bytes(write: &Write) -> u64 {
    let bytes = match write {
        Write::Append { entry, .. } => entry.entry.cost(),
        Write::Compact { snapshot, .. } => snapshot.state.len(),
        Write::Replace { snapshot, entries, .. } => {
            snapshot.state.len() + entries.iter().map(|stored| stored.entry.cost()).sum::<usize>()
        }
        Write::Create { .. }
        | Write::Peer { .. }
        | Write::ForgetPeer { .. }
        | Write::Fence { .. }
        | Write::Quarantine { .. }
        | Write::Release { .. }
        | Write::Delete { .. } => 0,
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline_core::id::DocId;

    use super::*;

    #[test]
    fn the_earliest_arrival_is_told_once() {
        let arrived = FirstArrival::default();
        assert_eq!(arrived.take(), None);
        let at = |nanos| arrived.began + Duration::from_nanos(nanos);
        [7, 5, 9].into_iter().for_each(|nanos| arrived.note(at(nanos)));
        assert_eq!((arrived.take(), arrived.take()), (Some(at(5)), None));
    }

    #[test]
    fn what_had_to_wait_for_its_link_was_on_its_way_for_longer_and_too_long_makes_a_slow_one() {
        let meters = Meters::default();
        let since = Instant::now() + Duration::from_secs(1);
        let before = |millis| since.checked_sub(Duration::from_millis(millis)).unwrap();
        assert_eq!(
            (meters.sent_since(since, None), meters.sent_since(since, Some(99))),
            (since, before(100))
        );
        assert_eq!(meters.slow(), 0);
        assert_eq!(meters.sent_since(since, Some(100)), before(101));
        assert_eq!(meters.slow(), 1);
    }

    #[test]
    fn batches_are_done_in_their_order() {
        let (meters, mut unwritten) = (Meters::default(), Unwritten::default());
        let write = |id| vec![(WriteId(id), Write::Delete { doc: DocId::new("d").unwrap() })];
        (1..=3).for_each(|id| unwritten.push(&write(id), Instant::now(), &meters));
        let commit = Commit { writes: 2, took: Duration::from_millis(1) };
        unwritten.written(WriteId(2), commit, &meters);
        assert_eq!(unwritten.0.iter().map(|batch| batch.last.0).collect::<Vec<_>>(), [3]);
        assert_eq!(
            (meters.commits.distribution().sum, meters.commit_writes.distribution().sum),
            (1_000_000, 2)
        );
        assert_eq!(meters.durable.distribution().counts.iter().sum::<u64>(), 0, "these are no updates");
    }
}
