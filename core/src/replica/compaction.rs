//! Merging the beginning of a log into a snapshot.

use std::sync::Arc;

use super::Compaction;
use super::content::Content;
use super::context::Context;
use super::live::Live;
use crate::crdt::{self, Crdt, Damaged};
use crate::entry::{Blame, Body, Entry};
use crate::event::{Event, Fence, Snapshot, Write};
use crate::id::{EntryId, Have};
use crate::path::Path;

/// A compaction merges at least this part of as many entries as the base was made of: half.
const LEAST_GROWTH: u64 = 2;

impl Live {
    /// Compacts the log if it is worth it, or as far as it may be if `forced`. Entries that no relay is known to
    /// hold stay apart, whoever made them, and so does everything behind them: a relay may yet refuse them.
    pub(super) fn compact(&mut self, context: &mut Context, forced: bool) {
        let policy = context.config.policy.clone();
        let mut end = self.log.durable();
        if policy.awaits_relay && !policy.relay {
            let held = self.known.values().filter(|cursor| cursor.relay).map(|cursor| cursor.covered).max();
            end = end.min(held.unwrap_or(0));
        }
        if !forced {
            end = end.min(self.log.head().saturating_sub(policy.compaction.keep_entries));
            if !self.is_worthwhile(&policy.compaction, end) {
                return;
            }
        }
        if end > self.log.base_offset() {
            self.compact_to(context, end);
        }
    }

    /// Whether merging the log up to `end` is worth what it costs: bytes in proportion to the base's, and time in
    /// proportion to the entries that the base was made of, which may be far more than its bytes tell.
    fn is_worthwhile(&self, policy: &Compaction, end: u64) -> bool {
        let base_bytes = self.log.base().map_or(0, |base| base.state.len());
        // What a snapshot covers is told by the peer that sent it, and may be any numbers.
        let add = |sum: u64, last: EntryId| sum.saturating_add(last.counter);
        let base_entries = self.log.base().map_or(0, |base| base.covers.iter().fold(0, add));
        let entries = end.saturating_sub(self.log.base_offset());
        self.log.tail_bytes() >= policy.least_bytes.max(base_bytes.saturating_mul(policy.ratio))
            && entries >= self.not_before
            && entries.saturating_mul(LEAST_GROWTH) >= base_entries.saturating_mul(policy.ratio as u64)
    }

    fn compact_to(&mut self, context: &mut Context, end: u64) {
        let before = self.skip.clone();
        let (Ok(Some(state)), Some(digest)) = (self.state_at(end), self.log.digest(end)) else {
            self.not_before = 2 * (end - self.log.base_offset());
            return;
        };
        self.not_before = 0;
        let snapshot = Arc::new(Snapshot { offset: end, digest, covers: self.covers_at(end), state });
        context.write(Write::Compact { doc: self.doc.clone(), snapshot: snapshot.clone() });
        self.log.compact(snapshot);
        let poison: Vec<EntryId> = self.skip.difference(&before).copied().collect();
        if !poison.is_empty() {
            self.rebuild(context);
            poison.into_iter().for_each(|id| self.void_everywhere(context, id));
        }
    }

    fn covers_at(&self, end: u64) -> Have {
        let mut covers = self.log.base().map(|base| base.covers.clone()).unwrap_or_default();
        let merged = self.log.after(self.log.base_offset()).take_while(|stored| stored.offset <= end);
        merged.for_each(|stored| covers.insert(stored.entry.id));
        covers
    }

    /// The state of the log's first `end` entries; `None` if what was saved does not load as what it was
    /// made of, in which case the log stays as it is. The document in memory is not asked: edits made here got
    /// into it another way than they get into everybody else's.
    fn state_at(&mut self, end: u64) -> Result<Option<bytes::Bytes>, Damaged> {
        let entries = self.log.after(self.log.base_offset()).take_while(|stored| stored.offset <= end);
        let entries: Vec<&Entry> = entries.map(|stored| &*stored.entry).collect();
        let base = self.log.base().map(|base| &**base);
        let content = Content::replay(self.spec, true, base, &entries, &mut self.skip)?;
        content.document().map_or(Ok(None), |document| verified(self.spec, document))
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
        self.fences.insert(id.replica, fence.clone());
        context.write(Write::Fence { doc: self.doc.clone(), fence });
        let writer = self.writer(context);
        let entry = self.own_entry(context, writer, Vec::new(), Body::Void(id));
        self.append(context, Arc::new(entry), None);
    }

    /// A relay voided an entry.
    pub(super) fn void(&mut self, context: &mut Context, id: EntryId) {
        if self.skip.insert(id) {
            self.quarantine(context, id, "the relay found that nobody can apply it");
            self.rebuild(context);
            context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: 0 });
        }
    }
}

/// The document saved, if what was saved loads as the same document.
fn verified(spec: crate::entry::Spec, document: &dyn Crdt) -> Result<Option<bytes::Bytes>, Damaged> {
    let state = document.snapshot()?;
    let loaded = crdt::load(spec, &state)?;
    Ok((loaded.value(&Path::root()) == document.value(&Path::root())).then_some(state))
}
