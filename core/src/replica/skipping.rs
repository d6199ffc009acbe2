//! Entries of the log that are not applied.
//!
//! Some never are: a library fails on them, or a relay voided them. Others wait for what they build on, which was
//! withheld or refused; when that comes, they are applied, and move behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::content::Skipped;
use super::context::Context;
use super::live::Live;
use crate::entry::{Body, Entry};
use crate::event::{Event, Write};
use crate::id::EntryId;
use crate::log::Log;

impl Live {
    /// Says that an entry is not applied.
    pub(super) fn tell_skipped(&self, context: &mut Context, id: EntryId, reason: &str) {
        context.tell(Event::Quarantined { doc: self.doc.clone(), id, reason: reason.to_owned() });
    }

    /// Notes for good that an entry is not to be applied.
    pub(super) fn quarantine(&mut self, context: &mut Context, id: EntryId, reason: &str) {
        self.skipped.waiting.remove(&id);
        self.skipped.barred.insert(id);
        context.write(Write::Quarantine { doc: self.doc.clone(), id });
        self.tell_skipped(context, id, reason);
    }

    /// Tells, and notes where that is for good, what is skipped now and was not before.
    pub(super) fn note_skipped(&mut self, context: &mut Context, before: &Skipped) {
        let found: Vec<EntryId> = self.skipped.beyond(before).collect();
        for id in found {
            match self.skipped.barred.contains(&id) {
                true => self.quarantine(context, id, "it could not be applied"),
                false => self.tell_skipped(context, id, "what it builds on is not here"),
            }
        }
    }

    /// A relay voided an entry. The log says so, as long as it is not merged.
    pub(super) fn void(&mut self, context: &mut Context, id: EntryId) {
        self.skipped.waiting.remove(&id);
        if self.skipped.barred.insert(id) {
            self.tell_skipped(context, id, "the relay found that nobody can apply it");
            self.rebuild(context);
            context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: 0 });
        }
    }

    /// Where the first entry stands that waits: whatever is merged into a snapshot waits no more.
    pub(super) fn first_waiting(&self) -> Option<u64> {
        self.skipped.waiting.iter().filter_map(|id| self.log.entry(id)).map(|stored| stored.offset).min()
    }

    /// Applies what has waited long enough. A log holds what its entries build on in front of them, so they move to its
    /// end. Own ones have nothing to wait for that is not in the log.
    pub(super) fn try_waiting(&mut self, context: &mut Context) {
        let mut ready: Vec<Arc<Entry>> = Vec::new();
        while let found = self.admit_waiting()
            && !found.is_empty()
        {
            for entry in &found {
                self.skipped.waiting.remove(&entry.id);
            }
            ready.extend(found);
        }
        if ready.is_empty() {
            return;
        }
        let merged = self.content.merge(&ready.iter().map(|entry| &**entry).collect::<Vec<_>>());
        self.move_behind(context, ready);
        if merged.is_err() {
            self.rebuild(context);
        }
    }

    /// What the gate admits by now, in the order of the log.
    fn admit_waiting(&mut self) -> Vec<Arc<Entry>> {
        let stored = self.skipped.waiting.iter().filter_map(|id| self.log.entry(id));
        let mut waiting: Vec<_> = stored.filter(|stored| stored.operations.is_none()).collect();
        waiting.sort_unstable_by_key(|stored| stored.offset);
        let entries = waiting.into_iter().map(|stored| stored.entry.clone());
        entries.filter(|entry| self.content.admit(entry).is_ok()).collect()
    }

    /// Moves entries to the end of the log.
    fn move_behind(&mut self, context: &mut Context, entries: Vec<Arc<Entry>>) {
        let moved: BTreeSet<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let offset = |entry: &Entry| self.log.entry(&entry.id).map_or(0, |stored| stored.offset);
        let behind: Vec<_> = entries.into_iter().map(|entry| (offset(&entry), entry, None)).collect();
        let tail = self.log.after(self.log.base_offset());
        let stay = tail.filter(|stored| !moved.contains(&stored.entry.id));
        let stay = stay.map(|stored| (stored.offset, stored.entry.clone(), stored.operations.clone()));
        self.renumber_tail(context, stay.chain(behind).collect());
    }
}

/// The entries that void entries of a log name.
pub(super) fn voided(log: &Log) -> BTreeSet<EntryId> {
    let void = |entry: &Entry| match entry.body {
        Body::Void(id) => Some(id),
        Body::Update(_) => None,
    };
    log.after(log.base_offset()).filter_map(|stored| void(&stored.entry)).collect()
}
