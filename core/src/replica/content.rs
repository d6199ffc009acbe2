//! A document's content as this replica holds it: the CRDT itself, or only the gate in front of one.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::crdt::{self, Crdt, Damaged, Gate, GateError, Writer};
use crate::entry::{Body, Entry, Spec};
use crate::event::Snapshot;
use crate::id::{EntryId, Have};
use crate::log::Log;

/// How many entries are merged in one go when a log is replayed.
const MERGED_AT_ONCE: usize = 10_000;

/// The entries of a log that are not applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// For good: they cannot be applied, or a relay voided them.
    pub barred: BTreeSet<EntryId>,
    /// Until what they build on is here: the gate does not admit them.
    pub waiting: BTreeSet<EntryId>,
}

impl Skipped {
    pub fn contains(&self, id: &EntryId) -> bool {
        self.barred.contains(id) || self.waiting.contains(id)
    }

    /// Those that are not among others.
    pub fn beyond<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = EntryId> + 'a {
        self.barred.iter().chain(&self.waiting).filter(|id| !others.contains(id)).copied()
    }
}

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
    /// The content of a log, without the entries that are barred; those that have to wait are found anew.
    pub fn build(spec: Spec, built: bool, log: &Log, skipped: &mut Skipped) -> Result<Self, Damaged> {
        let entries: Vec<&Entry> = log.after(log.base_offset()).map(|stored| &*stored.entry).collect();
        Self::replay(spec, built, log.base().map(|base| &**base), &entries, skipped)
    }

    /// A base and entries merged, starting again without an entry whenever one turns out to be poison, which is barred.
    pub fn replay(
        spec: Spec,
        built: bool,
        base: Option<&Snapshot>,
        entries: &[&Entry],
        skipped: &mut Skipped,
    ) -> Result<Self, Damaged> {
        let mut at_once = MERGED_AT_ONCE;
        loop {
            let mut content = Self::start(spec, built, base)?;
            let Skipped { barred, waiting } = skipped;
            waiting.clear();
            let wanted: Vec<&Entry> =
                entries.iter().copied().filter(|entry| !barred.contains(&entry.id)).collect();
            match wanted.chunks(at_once).try_for_each(|entries| content.take(entries, waiting)) {
                Ok(()) => return Ok(content),
                Err(Poison::Entry(id)) => drop(barred.insert(id)),
                Err(Poison::Somewhere) => at_once = 1,
            }
        }
    }

    /// The content of a base without entries.
    pub fn start(spec: Spec, built: bool, base: Option<&Snapshot>) -> Result<Self, Damaged> {
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

    /// Takes in entries that were appended while this was built; false if one of them cannot be applied that is not
    /// skipped.
    pub fn catch_up(&mut self, entries: &[&Entry], skipped: &Skipped) -> bool {
        let applied = entries.iter().copied().filter(|entry| !skipped.contains(&entry.id));
        let mut waiting = BTreeSet::new();
        self.take(&applied.collect::<Vec<_>>(), &mut waiting).is_ok() && waiting.is_empty()
    }

    /// Merges what the gate admits of entries. Of what it does not admit it took no note.
    fn take(&mut self, entries: &[&Entry], waiting: &mut BTreeSet<EntryId>) -> Result<(), Poison> {
        let mut admitted = Vec::with_capacity(entries.len());
        for &entry in entries {
            match self.admit(entry) {
                Ok(()) => admitted.push(entry),
                Err(_) => drop(waiting.insert(entry.id)),
            }
        }
        self.merge(&admitted).map_err(|_| match *admitted {
            [entry] => Poison::Entry(entry.id),
            _ => Poison::Somewhere,
        })
    }

    /// Asks the gate whether the entry of a log may be applied, and lets it take note.
    pub fn admit(&mut self, entry: &Entry) -> Result<(), GateError> {
        self.admit_among(entry, Have::NONE)
    }

    /// The same for an entry that comes to a log: what a client of another protocol has written must not be written as one
    /// of the log's replicas.
    pub fn admit_among(&mut self, entry: &Entry, replicas: &Have) -> Result<(), GateError> {
        let (writer, update) = match &entry.body {
            Body::Update(update) => (Writer::Replica(entry.id.replica), update),
            Body::Foreign(update) => (Writer::Foreign(replicas), update),
            Body::Void(_) => return Ok(()),
        };
        let gate: &mut dyn Gate = match self {
            Self::Gated(gate) => &mut **gate,
            Self::Built(document) => &mut **document,
        };
        gate.admit(&writer, update)
    }

    /// Merges admitted entries, in the order in which they were admitted. After an error the content is worthless.
    pub fn merge(&mut self, entries: &[&Entry]) -> Result<(), Damaged> {
        let Self::Built(document) = self else { return Ok(()) };
        let updates = entries.iter().filter_map(|entry| entry.body.update()).map(|update| &**update);
        document.apply(&updates.collect::<Vec<_>>())
    }

    /// What it holds, in the terms of its family, if that can be told.
    pub fn version(&self) -> Option<Bytes> {
        match self {
            Self::Gated(gate) => gate.version(),
            Self::Built(document) => document.version(),
        }
    }

    /// Memory that the gate takes, in bytes, roughly, without a document behind it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Gated(gate) => gate.bytes(),
            Self::Built(document) => document.bytes(),
        }
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
