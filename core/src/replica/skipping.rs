//! Entries of the log that are not applied.
//!
//! Some never are: a library fails on them, a gate finds them wrong in themselves, or a relay voided them. Others wait
//! for what they build on, which was withheld or refused. When that comes they are applied, and move behind it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::content::Skipped;
use super::context::Context;
use super::live::Live;
use super::refusal::{Cuts, Line, is_cut};
use crate::entry::{Blame, Body, Entry};
use crate::event::{Event, Refusal, Write};
use crate::id::{EntryId, ReplicaId};
use crate::log::Log;

/// How many waiting entries that the gate does not admit are tried whenever something comes, which is one of each replica,
/// and again whenever that helps.
pub const MAX_TRIED_IN_VAIN: usize = 1 << 16;

impl Live {
    /// Takes note that an entry of the log cannot be applied now, or never.
    pub(super) fn skip(&mut self, context: &mut Context, id: EntryId, refusal: &Refusal) {
        match refusal.blame() {
            Blame::Entry => self.quarantine(context, id, &refusal.to_string()),
            Blame::Context => {
                self.skipped.waiting.insert(id);
                context.tell(Event::Waiting { doc: self.doc.clone(), id });
            }
        }
    }

    /// Notes for good that an entry is not to be applied.
    pub(super) fn quarantine(&mut self, context: &mut Context, id: EntryId, reason: &str) {
        self.skipped.waiting.remove(&id);
        self.skipped.barred.insert(id);
        context.write(Write::Quarantine { doc: self.doc.clone(), id });
        self.tell_barred(context, id, reason);
    }

    fn tell_barred(&self, context: &mut Context, id: EntryId, reason: &str) {
        context.tell(Event::Quarantined { doc: self.doc.clone(), id, reason: reason.to_owned() });
    }

    /// Tells what is skipped now and was not before, or not for good, and writes down what is so for good.
    pub(super) fn note_skipped(&mut self, context: &mut Context, before: &Skipped) {
        let barred: Vec<EntryId> = self.skipped.barred.difference(&before.barred).copied().collect();
        barred.into_iter().for_each(|id| self.quarantine(context, id, "it could not be applied"));
        for id in self.skipped.waiting.difference(&before.waiting) {
            context.tell(Event::Waiting { doc: self.doc.clone(), id: *id });
        }
    }

    /// A relay voided an entry. The log says so, as long as it is not merged.
    pub(super) fn void(&mut self, context: &mut Context, id: EntryId) {
        let waited = self.skipped.waiting.remove(&id);
        if !self.skipped.barred.insert(id) {
            return;
        }
        self.tell_barred(context, id, "the relay found that nobody can apply it");
        if !waited && self.log.entry(&id).is_some() {
            self.rebuild(context);
            context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: 0 });
        }
    }

    /// Where the first entry stands that is not applied. What is merged into a snapshot without it never will be, although
    /// the next relay may send what it waits for, or refuse what voided it.
    pub(super) fn first_skipped(&self) -> Option<u64> {
        let Skipped { barred, waiting } = &self.skipped;
        let skipped = barred.iter().chain(waiting).filter_map(|id| self.log.entry(id));
        skipped.map(|stored| stored.offset).min()
    }

    /// Applies what has waited long enough. A relay has nothing to wait for: all that it takes, it applies or voids.
    pub(super) fn try_waiting(&mut self, context: &mut Context) {
        if self.skipped.waiting.is_empty() || context.config.policy.relay {
            return;
        }
        let ready = self.admit_waiting();
        if ready.is_empty() {
            return;
        }
        let merged = self.content.merge(&ready.iter().map(|entry| &**entry).collect::<Vec<_>>());
        for entry in &ready {
            self.skipped.waiting.remove(&entry.id);
            context.tell(Event::WaitedEnough { doc: self.doc.clone(), id: entry.id });
        }
        self.move_behind(context, &ready);
        if merged.is_err() {
            self.rebuild(context);
        }
    }

    /// What the gate admits by now, in an order in which it does; of each replica in the order of its counters.
    fn admit_waiting(&mut self) -> Vec<Arc<Entry>> {
        let mut queues: BTreeMap<ReplicaId, VecDeque<Arc<Entry>>> = BTreeMap::new();
        for stored in self.skipped.waiting.iter().filter_map(|id| self.log.entry(id)) {
            queues.entry(stored.entry.id.replica).or_default().push_back(stored.entry.clone());
        }
        let mut queues: Vec<_> = queues.into_values().collect();
        let have = self.log.have();
        let (mut ready, mut tries) = (Vec::new(), MAX_TRIED_IN_VAIN);
        loop {
            let before = ready.len();
            for queue in queues.iter_mut().take(tries) {
                while let Some(entry) =
                    queue.pop_front_if(|entry| self.content.admit_among(entry, have).is_ok())
                {
                    ready.push(entry);
                }
            }
            if ready.len() == before {
                return ready;
            }
            tries = tries.saturating_sub(queues.len());
            // Whatever the order in which replicas wait for each other, one direction takes few rounds.
            queues.reverse();
        }
    }

    /// Moves entries to the end of the log, as a log holds what its entries build on in front of them. Whatever else of
    /// their replicas stands behind the first of them moves along, in the order of its counters.
    fn move_behind(&mut self, context: &mut Context, ready: &[Arc<Entry>]) {
        let mut from = Cuts::new();
        for id in ready.iter().map(|entry| entry.id).chain(self.skipped.waiting.iter().copied()) {
            let first = from.entry(id.replica).or_insert(id.counter);
            *first = id.counter.min(*first);
        }
        let tail = self.log.after(self.log.base_offset()).cloned().map(Line::from);
        let (moving, mut lines): (Vec<Line>, Vec<Line>) =
            tail.partition(|line| is_cut(&from, &line.entry.id));
        let mut places: BTreeMap<ReplicaId, VecDeque<Line>> = BTreeMap::new();
        let order: Vec<EntryId> = moving.iter().map(|line| line.entry.id).collect();
        moving.into_iter().for_each(|line| places.entry(line.entry.id.replica).or_default().push_back(line));
        for id in ready.iter().map(|entry| entry.id).chain(order) {
            let of_replica = places.get_mut(&id.replica);
            let until = |line: &mut Line| line.entry.id.counter <= id.counter;
            lines.extend(
                of_replica
                    .into_iter()
                    .flat_map(|queue| std::iter::from_fn(move || queue.pop_front_if(until))),
            );
        }
        self.renumber_tail(context, lines);
    }
}

/// The entries that void entries of a log name.
pub(super) fn voided(log: &Log) -> impl Iterator<Item = (EntryId, EntryId)> {
    let void = |entry: &Entry| match entry.body {
        Body::Void(id) => Some((entry.id, id)),
        Body::Update(_) | Body::Foreign(_) => None,
    };
    log.after(log.base_offset()).filter_map(move |stored| void(&stored.entry))
}
