//! Merging the beginning of a log into a snapshot.
//!
//! That takes as long as loading the document, and edits would have to wait. So a replica asks its driver to run a
//! [`Merge`] beside everything else, and takes the result in if the log still begins with what was merged.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::Compaction;
use super::content::{Content, Skipped};
use super::context::Context;
use super::edit::Touched;
use super::live::Live;
use crate::crdt::{self, Crdt, Damaged};
use crate::entry::{Blame, Body, Digest, Entry, Family, Spec};
use crate::event::{Event, Fence, Output, Snapshot, Write};
use crate::id::{DocId, EntryId, Have};
use crate::path::Path;

/// A compaction merges at least this part of as many entries as the base was made of: half.
const LEAST_GROWTH: u64 = 2;

/// A log that keeps more entries than this is compacted when they are an eighth: opened, it would take long to replay them,
/// and each takes some hundred bytes of memory.
const LONG_TAIL: u64 = 65_536;
const LEAST_GROWTH_OF_LONG: u64 = 8;

/// The beginning of a log, to be merged by [`Merge::run`]. Cheap to clone: it shares what it holds with the log.
#[derive(Clone, Debug)]
pub struct Merge {
    purpose: Purpose,
    doc: DocId,
    spec: Spec,
    base: Option<Arc<Snapshot>>,
    /// The entries behind the base.
    entries: Vec<Arc<Entry>>,
    /// Those of them that are not applied.
    skip: BTreeSet<EntryId>,
    /// The log's digest behind the last entry.
    digest: Digest,
    awaited: bool,
}

/// What is made of the beginning of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A snapshot, to take its place.
    Compact,
    /// A document, for clients of other protocols.
    Build,
}

/// What became of a [`Merge`]: something for [`Input::Merged`](crate::event::Input::Merged).
#[derive(Debug)]
pub struct Merged {
    pub(super) merge: Merge,
    pub(super) product: Product,
    /// Entries that turned out to be poison.
    pub(super) poison: Vec<EntryId>,
}

/// What a merge has made.
pub(super) enum Product {
    Snapshot(Arc<Snapshot>),
    Document(Content),
    /// What was saved does not load as what it was made of, or there was nothing to be made.
    Nothing,
}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot(_) => "a snapshot",
            Self::Document(_) => "a document",
            Self::Nothing => "nothing",
        })
    }
}

/// Whether a document is being compacted, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Compacting {
    /// A merge is under way.
    running: bool,
    /// Somebody waits to be told of its end.
    awaited: bool,
    /// Another one was asked for since it began.
    again: bool,
    /// How many entries the next one must merge, as one of half as many could not be verified.
    not_before: u64,
}

impl Merge {
    /// Merges. A snapshot is loaded again, to see whether it is the same. Takes about as long as loading the document, for a
    /// snapshot twice; touches nothing but memory. Never panics: the document waits for the answer.
    #[must_use]
    pub fn run(self) -> Merged {
        let barred = self.skip.clone();
        let before = Skipped { barred, ..Skipped::default() };
        let mut skipped = before.clone();
        let product = match self.purpose {
            Purpose::Compact => answered(|| self.state(&mut skipped))
                .map(|state| Product::Snapshot(Arc::new(self.snapshot(state)))),
            Purpose::Build => answered(|| self.replay(&mut skipped).map(Some)).map(Product::Document),
        };
        let poison = skipped.beyond(&before).collect();
        Merged { merge: self, product: product.unwrap_or(Product::Nothing), poison }
    }

    /// Whether somebody waits for it. Otherwise it may wait for a better time, but not for ever: until then the log grows.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        self.awaited
    }

    fn snapshot(&self, state: Bytes) -> Snapshot {
        Snapshot { offset: self.end(), digest: self.digest, covers: self.covers(), state }
    }

    /// Whether a log still begins with what was merged, of which the same is skipped.
    pub(super) fn is_beginning_of(&self, live: &Live) -> bool {
        live.log.base_offset() == self.base_offset()
            && live.log.digest(self.end()) == Some(self.digest)
            && live.skipped.barred == self.skip
    }

    fn base_offset(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.offset)
    }

    /// Where in the log it ends.
    pub(super) fn end(&self) -> u64 {
        self.base_offset() + self.entries.len() as u64
    }

    fn covers(&self) -> Have {
        let mut covers = self.base.as_ref().map(|base| base.covers.clone()).unwrap_or_default();
        self.entries.iter().for_each(|entry| covers.insert(entry.id));
        covers
    }

    /// The document in memory is not asked: edits made here got into it another way than they get into everybody
    /// else's.
    fn state(&self, skipped: &mut Skipped) -> Result<Option<Bytes>, Damaged> {
        self.replay(skipped)?.document().map_or(Ok(None), |document| verified(self.spec, document))
    }
}

impl Merge {
    fn replay(&self, skipped: &mut Skipped) -> Result<Content, Damaged> {
        let entries: Vec<&Entry> = self.entries.iter().map(|entry| &**entry).collect();
        Content::replay(self.spec, true, self.base.as_deref(), &entries, skipped)
    }
}

impl Merged {
    /// Which document was merged.
    pub(super) const fn doc(&self) -> &DocId {
        &self.merge.doc
    }
}

impl Live {
    /// Has the log compacted if it is worth it, or as far as it may be if `forced`; in that case
    /// [`Event::Compacted`] follows.
    pub(super) fn compact(&mut self, context: &mut Context, forced: bool) {
        self.compacting.awaited |= forced;
        if self.compacting.running {
            self.compacting.again |= forced;
            return;
        }
        match self.merge_to(context, forced) {
            Some(merge) => {
                self.compacting.running = true;
                context.emit(Output::Merge(merge));
            }
            None => self.tell_compacted(context),
        }
    }

    /// What is to be merged. Entries that no relay is known to hold stay apart, whoever made them, and so does
    /// everything behind them: a relay may yet refuse them.
    fn merge_to(&self, context: &Context, forced: bool) -> Option<Merge> {
        let policy = &context.config.policy;
        let mut end = self.log.durable();
        if policy.awaits_relay && !policy.relay {
            let held = self.known.values().filter(|cursor| cursor.relay).map(|cursor| cursor.covered).max();
            end = end.min(held.unwrap_or(0));
        }
        if !policy.relay {
            end = end.min(self.first_skipped().map_or(end, |skipped| skipped - 1));
        }
        if !forced {
            end = end.min(self.log.head().saturating_sub(policy.compaction.keep_entries));
            if !self.is_worthwhile(&policy.compaction, end) {
                return None;
            }
        }
        if end > self.log.base_offset() { self.beginning(end, Purpose::Compact) } else { None }
    }

    /// The log up to an offset.
    pub(super) fn beginning(&self, end: u64, purpose: Purpose) -> Option<Merge> {
        let digest = self.log.digest(end)?;
        let entries = self.log.between(self.log.base_offset(), end);
        Some(Merge {
            purpose,
            doc: self.doc.clone(),
            spec: self.spec,
            base: self.log.base().cloned(),
            entries: entries.map(|stored| stored.entry.clone()).collect(),
            skip: self.skipped.barred.clone(),
            digest,
            awaited: purpose == Purpose::Build || self.compacting.awaited,
        })
    }

    /// Whether merging the log up to `end` is worth what it costs: bytes in proportion to the base's, for as many entries at least as
    /// are kept, and with Automerge, which keeps all history, time in proportion to the entries that the base was made of, which may
    /// be far more than its bytes tell.
    fn is_worthwhile(&self, policy: &Compaction, end: u64) -> bool {
        let base_bytes = self.log.base().map_or(0, |base| base.state.len());
        // What a snapshot covers is told by the peer that sent it, and may be any numbers.
        let add = |sum: u64, last: EntryId| sum.saturating_add(last.counter);
        let keeps_all = self.spec.family == Family::Automerge;
        let covers = self.log.base().filter(|_| keeps_all).map(|base| &base.covers);
        let base_entries = covers.map_or(0, |covers| covers.iter().fold(0, add));
        let entries = end.saturating_sub(self.log.base_offset());
        self.log.tail_bytes() >= policy.least_bytes.max(base_bytes.saturating_mul(policy.ratio))
            && entries >= self.compacting.not_before.max(policy.keep_entries)
            && entries >= least_entries(base_entries.saturating_mul(policy.ratio as u64))
    }

    /// A merge is done. What it made is of no use if the log was rewritten meanwhile, or other entries are skipped.
    pub(super) fn on_merged(&mut self, context: &mut Context, merged: Merged) {
        match merged.merge.purpose {
            Purpose::Compact => self.on_compacted(context, merged),
            Purpose::Build => self.on_built(context, merged),
        }
    }

    fn on_compacted(&mut self, context: &mut Context, merged: Merged) {
        let Merged { merge, product, poison } = merged;
        self.compacting.running = false;
        if merge.is_beginning_of(self) {
            match product {
                Product::Snapshot(snapshot) => self.install_merged(context, snapshot, poison),
                Product::Document(_) | Product::Nothing => {
                    self.compacting.not_before = 2 * merge.entries.len() as u64;
                }
            }
        }
        let again = std::mem::take(&mut self.compacting.again);
        if !again {
            self.tell_compacted(context);
        }
        // As much may have come meanwhile.
        self.compact(context, again);
    }

    fn install_merged(&mut self, context: &mut Context, snapshot: Arc<Snapshot>, poison: Vec<EntryId>) {
        self.compacting.not_before = 0;
        context.write(Write::Compact { doc: self.doc.clone(), snapshot: snapshot.clone() });
        self.log.compact(snapshot);
        if !poison.is_empty() {
            self.skipped.barred.extend(&poison);
            self.rebuild(context);
            poison.into_iter().for_each(|id| self.void_everywhere(context, id));
        }
    }

    fn tell_compacted(&mut self, context: &mut Context) {
        if std::mem::take(&mut self.compacting.awaited) {
            context.tell(Event::Compacted { doc: self.doc.clone() });
        }
    }

    /// Whether a merge is under way.
    pub(super) const fn is_compacting(&self) -> bool {
        self.compacting.running
    }

    /// A relay found an entry that no replica can apply: it says so in the log, for everybody to skip it
    /// alike, and accepts nothing more of its author, whose later edits build on it. What of them is in the log
    /// already stays there, and is skipped for the same reason.
    fn void_everywhere(&mut self, context: &mut Context, id: EntryId) {
        self.quarantine(context, id, "it could not be applied when the log was compacted");
        if !context.config.policy.relay {
            return;
        }
        let reason = format!("entry {id} cannot be applied");
        let next = EntryId { counter: self.log.have().counter(&id.replica) + 1, ..id };
        let fence = Fence::from(next, Blame::Context, reason);
        self.set_fence(context, fence);
        let writer = self.writer(context);
        let entry = self.own_entry(context, writer, Touched::default(), Body::Void(id));
        self.append(context, Arc::new(entry), None);
    }
}

/// How many entries must follow a base of so many for their compaction to be worth its time.
fn least_entries(base_entries: u64) -> u64 {
    let long = LONG_TAIL.max(base_entries.div_ceil(LEAST_GROWTH_OF_LONG));
    base_entries.div_ceil(LEAST_GROWTH).min(long)
}

/// The document saved, if what was saved loads as the same document, by the door through which others take it in: there
/// are limits that only hold for whole documents, and a log that became a snapshot beyond them could be read by nobody.
fn verified(spec: Spec, document: &dyn Crdt) -> Result<Option<Bytes>, Damaged> {
    let state = document.snapshot()?;
    let mut loaded = crdt::create(spec);
    if loaded.admit_snapshot(&state).is_err() {
        return Ok(None);
    }
    loaded.merge(&state)?;
    Ok((loaded.value(&Path::root()) == document.value(&Path::root())).then_some(state))
}

/// What came of some work, if anything did. What the work could change must be dropped or unimportant if nothing did.
fn answered<T>(work: impl FnOnce() -> Result<Option<T>, Damaged>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().and_then(Result::ok).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_fewer_of_its_entries() {
        assert_eq!([0, 1, 2, 3, 100_000].map(least_entries), [0, 1, 1, 2, 50_000]);
        assert_eq!([140_000, 400_000, 1_000_000].map(least_entries), [LONG_TAIL, LONG_TAIL, 125_000]);
    }

    #[test]
    fn work_that_panics_has_made_nothing() {
        assert_eq!(answered(|| Ok(Some(1))), Some(1));
        assert_eq!(answered::<u8>(|| panic!("a defect that no library call contains")), None);
    }
}
