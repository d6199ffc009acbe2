//! A document's log in memory: what it was compacted into, the entries behind that, and how far it is on disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::entry::{Cursor, Digest, Entry};
use crate::event::{Snapshot, StoredDocument, StoredEntry};
use crate::id::{EntryId, Epoch, Have, ReplicaId};

/// An append-only log. Offsets count from 1; the base stands for the first [`Log::base_offset`] of them.
#[derive(Clone, Debug)]
pub struct Log {
    epoch: Epoch,
    base: Option<Arc<Snapshot>>,
    entries: VecDeque<StoredEntry>,
    /// Where the entries of each replica are; a replica's follow one another without holes.
    places: BTreeMap<ReplicaId, VecDeque<u64>>,
    have: Have,
    durable: u64,
    tail_bytes: usize,
    /// What the entries take beyond that.
    tail_overhead: usize,
}

/// What an entry takes in a log beyond its cost: its place, and those of the entries it names as seen.
fn overhead(stored: &StoredEntry) -> usize {
    let operations = stored.operations.as_ref().map_or(0, Bytes::len);
    let seen = stored.entry.seen.beyond.len() * size_of::<EntryId>();
    size_of::<StoredEntry>() + size_of::<u64>() + operations + seen
}

impl Log {
    /// A log without entries.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            base: None,
            entries: VecDeque::new(),
            places: BTreeMap::new(),
            have: Have::default(),
            durable: 0,
            tail_bytes: 0,
            tail_overhead: 0,
        }
    }

    /// The log as a store holds it, or the offset at which the stored log contradicts itself.
    pub fn restore(stored: StoredDocument) -> Result<Self, u64> {
        let mut log = Self::new(stored.epoch);
        log.rebase(stored.snapshot, Vec::new());
        for stored in stored.entries {
            let expected = log.next(stored.entry.clone(), None);
            let dense = stored.entry.id.counter == log.have.counter(&stored.entry.id.replica) + 1;
            if (stored.offset, stored.digest) != (expected.offset, expected.digest) || !dense {
                return Err(stored.offset);
            }
            log.push(stored);
        }
        log.durable = log.head();
        Ok(log)
    }

    /// The log's name.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the beginning of the log was merged into.
    #[must_use]
    pub const fn base(&self) -> Option<&Arc<Snapshot>> {
        self.base.as_ref()
    }

    /// How many offsets the base stands for.
    #[must_use]
    pub fn base_offset(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.offset)
    }

    /// The offset of the last entry.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.base_offset() + self.entries.len() as u64
    }

    /// The offset up to which the log is on disk.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// Notes that the log is on disk up to `offset`.
    pub fn set_durable(&mut self, offset: u64) {
        self.durable = self.durable.max(offset).min(self.head());
    }

    /// Which entries the log contains.
    #[must_use]
    pub const fn have(&self) -> &Have {
        &self.have
    }

    /// Size of the entries behind the base, in bytes.
    #[must_use]
    pub const fn tail_bytes(&self) -> usize {
        self.tail_bytes
    }

    /// Memory that the log takes, in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const WRITER: usize = 4 * (size_of::<ReplicaId>() + size_of::<u64>());
        let base = self.base.as_ref().map_or(0, |base| base.state.len());
        base + self.tail_bytes + self.tail_overhead + self.have.len() * WRITER
    }

    /// The digest at an offset that is still told apart: the base's or a later one.
    #[must_use]
    pub fn digest(&self, offset: u64) -> Option<Digest> {
        match offset.checked_sub(self.base_offset())? {
            0 => Some(self.base.as_ref().map_or_else(Digest::default, |base| base.digest)),
            index => self.entries.get(usize::try_from(index - 1).ok()?).map(|entry| entry.digest),
        }
    }

    /// The position at an offset, for a peer to come back with.
    #[must_use]
    pub fn cursor(&self, offset: u64) -> Option<Cursor> {
        self.digest(offset).map(|digest| Cursor { epoch: self.epoch, offset, digest })
    }

    /// Whether the cursor was given out by this very log, and what follows it is still here.
    #[must_use]
    pub fn fits(&self, cursor: &Cursor) -> bool {
        self.cursor(cursor.offset) == Some(*cursor)
    }

    /// The entries behind an offset, in order; nothing may be missing between it and the base.
    pub fn after(&self, offset: u64) -> impl DoubleEndedIterator<Item = &StoredEntry> {
        let skip = offset.saturating_sub(self.base_offset());
        self.entries.range(usize::try_from(skip).unwrap_or(usize::MAX).min(self.entries.len())..)
    }

    /// The entries behind an offset and up to another one, in order; as [`Log::after`].
    pub fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &StoredEntry> {
        self.after(from).take_while(move |stored| stored.offset <= to)
    }

    /// The entry of a name, unless it is part of the base.
    #[must_use]
    pub fn entry(&self, id: &EntryId) -> Option<&StoredEntry> {
        let places = self.places.get(&id.replica)?;
        let behind = self.have.counter(&id.replica).checked_sub(id.counter)?;
        let index = places.len().checked_sub(usize::try_from(behind).ok()?.checked_add(1)?)?;
        self.after(places.get(index)?.checked_sub(1)?).next()
    }

    /// The entry with its place at the end of the log, not yet appended.
    #[must_use]
    pub fn next(&self, entry: Arc<Entry>, operations: Option<Bytes>) -> StoredEntry {
        let digest = self.digest(self.head()).unwrap_or_default().chain(&entry.id);
        StoredEntry { offset: self.head() + 1, digest, entry, operations }
    }

    /// Appends an entry made by [`Log::next`].
    pub fn push(&mut self, stored: StoredEntry) {
        debug_assert_eq!(stored.offset, self.head() + 1, "a log has no holes");
        self.have.insert(stored.entry.id);
        self.places.entry(stored.entry.id.replica).or_default().push_back(stored.offset);
        self.tail_bytes += stored.entry.cost();
        self.tail_overhead += overhead(&stored);
        self.entries.push_back(stored);
    }

    /// Drops the entries that a snapshot of this log stands for.
    pub fn compact(&mut self, snapshot: Arc<Snapshot>) {
        let dropped = snapshot.offset.saturating_sub(self.base_offset());
        for stored in
            self.entries.drain(..usize::try_from(dropped).unwrap_or(usize::MAX).min(self.entries.len()))
        {
            self.tail_bytes -= stored.entry.cost();
            self.tail_overhead -= overhead(&stored);
            self.places.get_mut(&stored.entry.id.replica).and_then(VecDeque::pop_front);
        }
        self.places.retain(|_, places| !places.is_empty());
        self.base = Some(snapshot);
    }

    /// Replaces everything by a base and the entries behind it, none of it on disk yet. Offsets go on counting,
    /// so the base's offset lies behind the old head.
    pub fn rebase(&mut self, base: Option<Arc<Snapshot>>, entries: Vec<StoredEntry>) {
        self.have = base.as_ref().map(|base| base.covers.clone()).unwrap_or_default();
        self.durable = 0;
        self.base = base;
        self.entries.clear();
        self.places.clear();
        self.tail_bytes = 0;
        self.tail_overhead = 0;
        entries.into_iter().for_each(|stored| self.push(stored));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, Seen};
    use crate::id::{EntryId, Principal, ReplicaId};
    use crate::time::Time;

    fn log(count: u64) -> Log {
        let mut log = Log::new(Epoch::new([7; 16]));
        for counter in 1..=count {
            let stored = log.next(entry(1, counter), None);
            log.push(stored);
        }
        log
    }

    fn entry(replica: u8, counter: u64) -> Arc<Entry> {
        Arc::new(Entry {
            id: EntryId { replica: ReplicaId::new([replica; 16]), counter },
            author: Principal::new("ada").unwrap(),
            time: Time(0),
            seen: Seen::default(),
            touched: Vec::new(),
            body: Body::Update(Bytes::from_static(b"x")),
        })
    }

    fn snapshot_at(log: &Log, offset: u64) -> Arc<Snapshot> {
        let covers =
            log.after(0).take(usize::try_from(offset).unwrap()).map(|stored| stored.entry.id).collect();
        let digest = log.digest(offset).unwrap();
        Arc::new(Snapshot { offset, digest, covers, state: Bytes::new() })
    }

    #[test]
    fn cursors_fit_the_log_that_gave_them_out_and_no_other() {
        let (log, mut other) = (log(3), Log::new(Epoch::new([7; 16])));
        let stored = other.next(entry(2, 1), None);
        other.push(stored);
        assert!(log.fits(&log.cursor(0).unwrap()) && log.fits(&log.cursor(3).unwrap()));
        assert!(!log.fits(&other.cursor(1).unwrap()));
        assert!(!other.fits(&log.cursor(3).unwrap()));
    }

    #[test]
    fn entries_behind_the_base_are_found_by_their_names() {
        let mut log = log(3);
        for counter in 1..=2 {
            let stored = log.next(entry(2, counter), None);
            log.push(stored);
        }
        log.compact(snapshot_at(&log, 2));
        let offset = |replica, counter| log.entry(&entry(replica, counter).id).map(|stored| stored.offset);
        assert_eq!([offset(1, 1), offset(1, 2), offset(1, 3), offset(1, 4)], [None, None, Some(3), None]);
        assert_eq!([offset(2, 0), offset(2, 1), offset(2, 2), offset(3, 1)], [None, Some(4), Some(5), None]);
        log.compact(snapshot_at(&log, 5));
        assert!(log.entry(&entry(2, 2).id).is_none() && log.places.is_empty());
    }

    #[test]
    fn compaction_keeps_offsets_and_digests() {
        let mut log = log(5);
        let (head, at_four) = (log.cursor(5), log.cursor(4).unwrap());
        log.compact(snapshot_at(&log, 3));
        assert_eq!((log.base_offset(), log.head(), log.cursor(5)), (3, 5, head));
        assert!(log.fits(&at_four) && log.digest(2).is_none());
        assert_eq!(log.after(3).count(), 2);
        assert_eq!(log.have().counter(&ReplicaId::new([1; 16])), 5);
    }
}
