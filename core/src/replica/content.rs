//! A document's content as this replica holds it: the CRDT itself, or only the gate in front of one.

use std::collections::BTreeSet;

use crate::crdt::{self, Crdt, Damaged, Gate, GateError, Writer};
use crate::entry::{Body, Entry, Spec};
use crate::event::Snapshot;
use crate::id::EntryId;
use crate::log::Log;

/// How many entries are merged in one go when a log is replayed.
const MERGED_AT_ONCE: usize = 10_000;

/// What cannot be taken in.
enum Poison {
    /// This entry.
    Entry(EntryId),
    /// One of several.
    Somewhere,
}

/// What stands behind the log.
pub(super) enum Content {
    /// Enough to admit entries: what a relay needs to pass them on.
    Gated(Box<dyn Gate>),
    /// The document: what an application reads and edits.
    Built(Box<dyn Crdt>),
}

impl Content {
    /// The content of a log, without the entries in `skip`. Entries that cannot be applied join `skip`.
    pub fn build(spec: Spec, built: bool, log: &Log, skip: &mut BTreeSet<EntryId>) -> Result<Self, Damaged> {
        let entries: Vec<&Entry> = log.after(log.base_offset()).map(|stored| &*stored.entry).collect();
        Self::replay(spec, built, log.base().map(|base| &**base), &entries, skip)
    }

    /// A base and entries merged, starting again without an entry whenever one turns out to be poison.
    pub fn replay(
        spec: Spec,
        built: bool,
        base: Option<&Snapshot>,
        entries: &[&Entry],
        skip: &mut BTreeSet<EntryId>,
    ) -> Result<Self, Damaged> {
        let mut at_once = MERGED_AT_ONCE;
        loop {
            let mut content = Self::start(spec, built, base)?;
            let wanted: Vec<&Entry> =
                entries.iter().copied().filter(|entry| !skip.contains(&entry.id)).collect();
            match wanted.chunks(at_once).try_for_each(|entries| content.take(entries)) {
                Ok(()) => return Ok(content),
                Err(Poison::Entry(id)) => drop(skip.insert(id)),
                Err(Poison::Somewhere) => at_once = 1,
            }
        }
    }

    fn start(spec: Spec, built: bool, base: Option<&Snapshot>) -> Result<Self, Damaged> {
        match (built, base) {
            (true, None) => Ok(Self::Built(crdt::create(spec))),
            (true, Some(base)) => Ok(Self::Built(crdt::load(spec, &base.state)?)),
            (false, None) => Ok(Self::Gated(crdt::gate(spec))),
            (false, Some(base)) => {
                let mut gate = crdt::gate(spec);
                let damaged = |error: GateError| Damaged { family: spec.family, reason: error.to_string() };
                gate.admit_snapshot(&base.state).map_err(damaged)?;
                Ok(Self::Gated(gate))
            }
        }
    }

    /// Admits entries and merges them.
    fn take(&mut self, entries: &[&Entry]) -> Result<(), Poison> {
        entries.iter().try_for_each(|entry| self.admit(entry).map_err(|_| Poison::Entry(entry.id)))?;
        self.merge(entries).map_err(|_| match entries {
            [entry] => Poison::Entry(entry.id),
            _ => Poison::Somewhere,
        })
    }

    /// Asks the gate whether the entry may be applied, and lets it take note.
    pub fn admit(&mut self, entry: &Entry) -> Result<(), GateError> {
        let Body::Update(update) = &entry.body else { return Ok(()) };
        let gate: &mut dyn Gate = match self {
            Self::Gated(gate) => &mut **gate,
            Self::Built(document) => &mut **document,
        };
        gate.admit(&Writer::Replica(entry.id.replica), update)
    }

    /// Merges admitted entries, in the order in which they were admitted. After an error the content is worthless.
    pub fn merge(&mut self, entries: &[&Entry]) -> Result<(), Damaged> {
        let Self::Built(document) = self else { return Ok(()) };
        let updates = entries.iter().filter_map(|entry| match &entry.body {
            Body::Update(update) => Some(&**update),
            Body::Void(_) => None,
        });
        document.apply(&updates.collect::<Vec<_>>())
    }

    /// The document, where it is held.
    pub fn document(&self) -> Option<&dyn Crdt> {
        match self {
            Self::Built(document) => Some(&**document),
            Self::Gated(_) => None,
        }
    }

    /// The document to edit, where it is held.
    pub fn document_mut(&mut self) -> Option<&mut Box<dyn Crdt>> {
        match self {
            Self::Built(document) => Some(document),
            Self::Gated(_) => None,
        }
    }

    /// Whether the document itself is held.
    pub const fn is_built(&self) -> bool {
        matches!(self, Self::Built(_))
    }
}
