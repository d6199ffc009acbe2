//! What a message must be beyond its layout: within the limits, and without numbers that stand for nothing.
//!
//! Both encodings end here, so that after decoding a [`Message`] can be relied on.

use crate::entry::{
    Body, Entry, MAX_SEEN_BEYOND, MAX_TOUCHED, MAX_TOUCHED_BYTES, MAX_UPDATE_BYTES, Seen, Touch,
};
use crate::id::{EntryId, Have};
use crate::path::Path;
use crate::presence::{Presence, Sighting};

use super::{Hello, MAX_OPEN_CURSORS, MAX_SIGHTINGS, MAX_SNAPSHOT_PART_BYTES, Message, Numbered, WireError};

/// Longest name of a program, in bytes of UTF-8.
pub const MAX_AGENT_BYTES: usize = 256;

/// Longest explanation for a person, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 16 << 10;

/// Most compressions a replica may offer.
pub const MAX_COMPRESSIONS: usize = 16;

/// Most memory that the entries of one frame may take, in bytes beside those of the frame itself. Small entries
/// and deep paths are much larger in memory than in a frame.
pub const MAX_ENTRIES_MEMORY: usize = 64 << 20;

/// Largest counter and offset. Stores count in signed numbers, and one more must still be a number.
pub const MAX_POSITION: u64 = 1 << 62;

/// The memory that entries may still take.
pub(super) struct EntryBudget(usize);

impl Default for EntryBudget {
    fn default() -> Self {
        Self(MAX_ENTRIES_MEMORY)
    }
}

impl EntryBudget {
    /// Accounts for an entry.
    pub(super) fn spend(&mut self, entry: &Entry) -> Result<(), WireError> {
        const SPENT: WireError =
            WireError::TooLarge { what: "the memory that entries take", limit: MAX_ENTRIES_MEMORY };
        self.0 = self.0.checked_sub(memory(entry)).ok_or(SPENT)?;
        Ok(())
    }
}

/// The memory that an entry takes beside the bytes it was read from.
fn memory(entry: &Entry) -> usize {
    /// What an allocation costs its allocator.
    const ALLOCATION: usize = 16;
    let path = |path: &Path| path.tokens().len() * (size_of::<String>() + ALLOCATION);
    let touched: usize =
        entry.touched.iter().map(|touch| size_of::<Touch>() + ALLOCATION + path(&touch.path)).sum();
    size_of::<Numbered>()
        + size_of::<Entry>()
        + 2 * ALLOCATION
        + touched
        + entry.seen.beyond.len() * size_of::<EntryId>()
}

impl Message {
    /// Roughly how much memory the message takes, in bytes.
    pub(crate) fn cost(&self) -> usize {
        let of_have = |have: &Have| have.len() * size_of::<EntryId>();
        let contents = match self {
            Self::Entries { entries, .. } => entries.iter().map(|numbered| numbered.entry.cost()).sum(),
            Self::Have { have, .. } => of_have(have),
            Self::SnapshotPart { covers, bytes, .. } => bytes.len() + covers.as_ref().map_or(0, of_have),
            Self::Presence { sightings, .. } => sightings.iter().map(Sighting::cost).sum(),
            Self::Refused { reason: words, .. } | Self::Failure { message: words, .. } => words.len(),
            Self::Hello(_)
            | Self::Describe { .. }
            | Self::Described { .. }
            | Self::Open { .. }
            | Self::Resume { .. }
            | Self::NeedHave { .. }
            | Self::Durable { .. }
            | Self::Ack { .. }
            | Self::Shut { .. }
            | Self::Goodbye { .. }
            | Self::Ping { .. }
            | Self::Pong { .. } => 0,
        };
        size_of::<Self>() + contents
    }

    /// Refuses a message that is not valid, whatever encoding it came in. All messages of a frame share a budget.
    pub(super) fn check(&self, budget: &mut EntryBudget) -> Result<(), WireError> {
        match self {
            Self::Hello(hello) => check_hello(hello),
            Self::Open { log, cursors, .. } => {
                at_most("the number of cursors", cursors.len(), MAX_OPEN_CURSORS)?;
                cursors.iter().chain([log]).try_for_each(|cursor| check_offset(cursor.offset))
            }
            Self::Have { have, .. } => check_have(have),
            Self::Entries { entries, .. } => check_entries(entries, budget),
            Self::SnapshotPart { cursor, covers, total, bytes, .. } => {
                check_offset(cursor.offset)?;
                check_part(*total, bytes.len())?;
                covers.as_ref().map_or(Ok(()), check_have)
            }
            Self::Durable { cursor, .. } => check_offset(cursor.offset),
            Self::Ack { offset, .. } => check_offset(*offset),
            Self::Refused { id, reason, .. } => {
                check_id(id)?;
                at_most("the reason of a refusal", reason.len(), MAX_REASON_BYTES)
            }
            Self::Presence { sightings, .. } => check_sightings(sightings),
            Self::Failure { message, .. } => {
                at_most("the words of a failure", message.len(), MAX_REASON_BYTES)
            }
            Self::Describe { .. }
            | Self::Described { .. }
            | Self::Resume { .. }
            | Self::NeedHave { .. }
            | Self::Shut { .. }
            | Self::Goodbye { .. }
            | Self::Ping { .. }
            | Self::Pong { .. } => Ok(()),
        }
    }
}

impl Entry {
    /// Refuses an entry that no replica would have made.
    pub(super) fn check(&self) -> Result<(), WireError> {
        check_id(&self.id)?;
        check_seen(&self.seen)?;
        at_most("the number of touched registers", self.touched.len(), MAX_TOUCHED)?;
        let paths = self.touched.iter().map(Touch::cost).sum();
        at_most("the paths of touched registers", paths, MAX_TOUCHED_BYTES)?;
        match &self.body {
            Body::Update(bytes) | Body::Foreign(bytes) => at_most("an update", bytes.len(), MAX_UPDATE_BYTES),
            Body::Void(id) => check_id(id),
        }
    }
}

/// Counters count from 1.
pub(super) fn check_have(have: &Have) -> Result<(), WireError> {
    have.iter().try_for_each(|id| check_id(&id))
}

fn check_hello(hello: &Hello) -> Result<(), WireError> {
    if hello.oldest > hello.newest {
        return Err(WireError::malformed("the oldest version is newer than the newest"));
    }
    at_most("the name of the program", hello.agent.len(), MAX_AGENT_BYTES)?;
    at_most("the number of compressions", hello.compression.len(), MAX_COMPRESSIONS)
}

/// Log order: offsets rise, from 1 at the least.
fn check_entries(entries: &[Numbered], budget: &mut EntryBudget) -> Result<(), WireError> {
    let mut last = 0;
    for numbered in entries {
        if numbered.offset <= last {
            return Err(WireError::malformed("entries are not in the order of a log"));
        }
        last = numbered.offset;
        check_offset(last)?;
        budget.spend(&numbered.entry)?;
        numbered.entry.check()?;
    }
    Ok(())
}

fn check_sightings(sightings: &[Sighting]) -> Result<(), WireError> {
    at_most("the number of sessions", sightings.len(), MAX_SIGHTINGS)?;
    let shown = sightings.iter().filter_map(|sighting| sighting.presence.as_deref());
    match shown.filter_map(Presence::excess).next() {
        Some((what, limit)) => Err(WireError::TooLarge { what, limit }),
        None => Ok(()),
    }
}

fn check_part(total: u64, part: usize) -> Result<(), WireError> {
    if part as u64 > total {
        return Err(WireError::malformed("a piece of a snapshot is larger than the snapshot"));
    }
    at_most("a piece of a snapshot", part, MAX_SNAPSHOT_PART_BYTES)
}

fn check_seen(seen: &Seen) -> Result<(), WireError> {
    at_most("the number of entries seen beyond a cursor", seen.beyond.len(), MAX_SEEN_BEYOND)?;
    seen.beyond.iter().try_for_each(check_id)
}

fn check_id(id: &EntryId) -> Result<(), WireError> {
    match id.counter {
        1..=MAX_POSITION => Ok(()),
        _ => Err(WireError::malformed("counters start at 1 and end at 2^62")),
    }
}

fn check_offset(offset: u64) -> Result<(), WireError> {
    if offset > MAX_POSITION { Err(WireError::malformed("offsets end at 2^62")) } else { Ok(()) }
}

pub(super) const fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), WireError> {
    if found > limit { Err(WireError::TooLarge { what, limit }) } else { Ok(()) }
}
