//! Rebuilding a log without entries that the relay refused.
//!
//! The refused entry and all later ones of its replica leave the log. What this store made after the refused
//! entry is made again from the operations kept beside it, each at its old place in the history, under a new
//! replica id; so is the refused one if only what it builds on was at fault. Operations that make no sense any
//! more are lost with the refused ones, and are reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::content::{Content, Skipped};
use super::context::Context;
use super::edit::{Touched, touch};
use super::live::Live;
use super::skipping::voided;
use super::sync::{Misbehaviour, refused};
use crate::crdt::{self, Damaged};
use crate::entry::{Blame, Body, Cursor, Digest, Entry, Spec};
use crate::event::{Event, Fence, Snapshot, StoredEntry, Write};
use crate::id::{ConnectionId, EntryId, Have, ReplicaId, WriteId};
use crate::log::Log;
use crate::operation::Operation;
use crate::wire::{WireError, decode_operations, encode_operations};

/// How often entries are made again after refusals, with nothing accepted in between, before the next refused one is
/// given up: a gate that contradicts the one here would refuse them for ever.
pub const MAX_MADE_IN_VAIN: u32 = 64;

/// How many refused replicas a document remembers at least, and at most of those that have written nothing else.
pub const MAX_FENCES: usize = 16_384;

/// A log being written again.
struct Rewrite {
    content: Content,
    /// What a relay without the document makes of the same entries: it admits what builds on entries that
    /// nobody can apply.
    relayed: Content,
    kept: Vec<Line>,
    remade: Vec<Line>,
    lost: Vec<Operation>,
    /// Where the own entries stood that lost any of their operations.
    lost_at: Vec<u64>,
    skipped: Skipped,
}

/// From which counter on entries of a replica are left out.
pub(super) type Cuts = BTreeMap<ReplicaId, u64>;

pub(super) fn is_cut(cuts: &Cuts, id: &EntryId) -> bool {
    cuts.get(&id.replica).is_some_and(|counter| *counter <= id.counter)
}

/// An entry on its way to another place in the log.
pub(super) struct Line {
    /// Where it stood.
    pub from: u64,
    pub entry: Arc<Entry>,
    /// What it was made of, if it was made on this store.
    pub operations: Option<Bytes>,
}

impl From<StoredEntry> for Line {
    fn from(stored: StoredEntry) -> Self {
        Self { from: stored.offset, entry: stored.entry, operations: stored.operations }
    }
}

/// An entry that cannot stay as it is.
enum Obstacle {
    /// It was made here and needs something that was refused, so a relay refuses it as well.
    Own(EntryId),
    /// It cannot be applied, although the gate admits it: it stays in the log, and is skipped.
    Poison(EntryId),
}

/// What an own entry was made of was written by this store; that it cannot be read is the disk's fault.
fn unreadable(spec: Spec, id: EntryId, error: &WireError) -> Damaged {
    Damaged { family: spec.family, reason: format!("the operations of entry {id} cannot be read: {error}") }
}

impl Rewrite {
    /// Before the first entry.
    fn begin(
        spec: Spec,
        built: bool,
        base: Option<&Arc<Snapshot>>,
        barred: BTreeSet<EntryId>,
    ) -> Result<Self, Damaged> {
        let base = base.map(|base| &**base);
        Ok(Self {
            content: Content::start(spec, built, base)?,
            relayed: Content::start(spec, false, base)?,
            kept: Vec::new(),
            remade: Vec::new(),
            lost: Vec::new(),
            lost_at: Vec::new(),
            skipped: Skipped { barred, ..Skipped::default() },
        })
    }

    /// Takes over an entry. One that the gate does not admit waits, unless it was made here and no relay takes it
    /// either: then it is made again. If it was skipped before, that is no news, and relays may have taken it.
    fn keep(&mut self, stored: &StoredEntry, was_skipped: bool) -> Result<(), Obstacle> {
        let id = stored.entry.id;
        let relayed = self.relayed.admit(&stored.entry).is_ok();
        if !self.skipped.barred.contains(&id) {
            if self.content.admit(&stored.entry).is_ok() {
                self.content.merge(&[&stored.entry]).map_err(|_| Obstacle::Poison(id))?;
            } else if stored.operations.is_some() && !relayed && !was_skipped {
                return Err(Obstacle::Own(id));
            } else {
                self.skipped.waiting.insert(id);
            }
        }
        self.kept.push(stored.clone().into());
        Ok(())
    }
}

impl Live {
    /// A peer does not accept an entry, nor any later one of its replica. The fence is written behind the log that
    /// was rewritten for it, so that a crash in between leaves something to be refused again.
    pub(super) fn on_refused(
        &mut self,
        context: &mut Context,
        from: ConnectionId,
        fence: Fence,
    ) -> Result<(), Misbehaviour> {
        let id = fence.first();
        // It is part of a snapshot, so a relay took it; whoever lacks it gets that snapshot.
        if self.log.base().is_some_and(|base| base.covers.covers(&id)) {
            return Ok(());
        }
        let held = self.log.have().covers(&id);
        let fenced = self.fences.get(&id.replica).is_some_and(|fence| fence.refuses(&id));
        let needless = !held && (fenced || self.is_one_fence_too_many(id.replica));
        if needless || !self.obeys(from) {
            return Ok(());
        }
        let mut given_up = Cuts::new();
        if held {
            self.stop_following(from);
            given_up = self.rewrite_without(context, &fence);
            if self.damaged.is_some() {
                return Ok(());
            }
            self.ask_relays_again(context, from);
        }
        let reason = format!("made again without entry {id}, which was refused: {}", fence.reason);
        self.fence(context, fence, from);
        for (replica, counter) in given_up {
            let first = EntryId { replica, counter };
            self.fence(context, Fence::from(first, Blame::Context, reason.clone()), from);
        }
        Ok(())
    }

    /// Whether an entry that the gate does not admit builds on one that was refused, as far as it says.
    pub(super) fn builds_on_refused(&self, entry: &Entry) -> bool {
        let fenced = |id: &EntryId| self.fences.get(&id.replica).is_some_and(|fence| fence.refuses(id));
        entry.seen.beyond.iter().any(fenced)
    }

    /// Follows no log any further that may hold what is about to leave this one, until its owner has been told and
    /// starts again without it; otherwise that would never come up again, should the refusal get lost. Only the
    /// peer that refused is known to lack it.
    fn stop_following(&mut self, from: ConnectionId) {
        let clean = self.peers.get(&from).map(|peer| peer.cursor.epoch());
        for cursor in self.known.values_mut().filter(|cursor| Some(cursor.epoch()) != clean) {
            cursor.theirs = Cursor { epoch: cursor.epoch(), offset: 0, digest: Digest::default() };
        }
        for (_, peer) in self.peers.iter_mut().filter(|(id, _)| **id != from) {
            peer.stop_following();
        }
    }

    /// A relay does not start again by the word of somebody who is none, so it has to be asked; it sends what was
    /// dropped if it holds that.
    fn ask_relays_again(&mut self, context: &mut Context, from: ConnectionId) {
        if self.is_relay(from) {
            return;
        }
        let waiting: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.refused && peer.greeted.info.relay).collect();
        let relays: Vec<ConnectionId> = waiting.into_iter().map(|(id, _)| *id).collect();
        relays.into_iter().for_each(|relay| self.tell_have(context, relay));
    }

    /// Whether a replica gets no fence, as there are many and it has written nothing that is here: its entry is judged
    /// once more when it comes again.
    pub(super) fn is_one_fence_too_many(&self, replica: ReplicaId) -> bool {
        let unknown = !self.fences.contains_key(&replica) && self.log.have().counter(&replica) == 0;
        unknown && self.fences.len() >= MAX_FENCES
    }

    /// Accepts nothing of a replica from some entry on, and tells everybody who may obey.
    fn fence(&mut self, context: &mut Context, fence: Fence, from: ConnectionId) {
        let write = self.set_fence(context, fence.clone());
        for connection in self.connections().into_iter().filter(|connection| *connection != from) {
            self.tell_after(write, connection, refused(&self.doc, fence.clone()));
        }
    }

    /// Accepts nothing of a replica from some entry on.
    pub(super) fn set_fence(&mut self, context: &mut Context, fence: Fence) -> WriteId {
        self.fences.insert(fence.replica, fence.clone());
        context.write(Write::Fence { doc: self.doc.clone(), fence })
    }

    /// Returns from where on other replicas of this store were given up, as what they wrote was made again.
    fn rewrite_without(&mut self, context: &mut Context, fence: &Fence) -> Cuts {
        let (doc, id) = (self.doc.clone(), fence.first());
        self.writer = None;
        let lost = (self.blame(fence) == Blame::Entry).then_some(id);
        match self.rewrite(context, id, lost) {
            Ok((rewrite, cuts)) => {
                let lost = self.replace(context, rewrite);
                let (reason, progress) = (fence.reason.clone(), self.progress());
                context.tell(Event::Refused { doc: doc.clone(), id, reason, lost, progress });
                context.tell(Event::Changed { doc, local: false, entries: 0 });
                cuts
            }
            Err(damaged) => {
                self.damaged = Some(damaged);
                Cuts::new()
            }
        }
    }

    /// What is at fault for the refusal. What is made again and refused again, time after time, is at fault itself.
    fn blame(&mut self, fence: &Fence) -> Blame {
        let own = self.log.after(self.log.base_offset()).find(|stored| stored.entry.id == fence.first());
        if own.is_some_and(|stored| stored.operations.is_some()) {
            self.made_in_vain += 1;
        }
        if self.made_in_vain > MAX_MADE_IN_VAIN { Blame::Entry } else { fence.blame }
    }

    /// Walks the log, leaving out what is refused and making again what was made after it; once more from the
    /// beginning whenever an entry turns out not to go without those that were left out.
    fn rewrite(
        &mut self,
        context: &mut Context,
        refused: EntryId,
        lost: Option<EntryId>,
    ) -> Result<(Rewrite, Cuts), Damaged> {
        let entries: Vec<StoredEntry> = self.log.after(self.log.base_offset()).cloned().collect();
        let writer = ReplicaId::new(context.random.bytes());
        let mut cuts = Cuts::from([(refused.replica, refused.counter)]);
        let mut poison = BTreeSet::new();
        loop {
            let barred = &self.barred_without(&cuts) | &poison;
            let begun = Rewrite::begin(self.spec, self.content.is_built(), self.log.base(), barred)?;
            match self.try_rewrite(context, begun, lost, writer, &cuts, &entries)? {
                Ok(rewrite) => {
                    cuts.remove(&refused.replica);
                    return Ok((rewrite, cuts));
                }
                // Made here after the refused one was seen: it is made again as well.
                Err(Obstacle::Own(id)) => {
                    cuts.insert(id.replica, id.counter);
                }
                Err(Obstacle::Poison(id)) => {
                    poison.insert(id);
                }
            }
        }
    }

    fn try_rewrite(
        &self,
        context: &Context,
        mut rewrite: Rewrite,
        lost: Option<EntryId>,
        writer: ReplicaId,
        cuts: &Cuts,
        entries: &[StoredEntry],
    ) -> Result<Result<Rewrite, Obstacle>, Damaged> {
        for stored in entries {
            let id = stored.entry.id;
            if !is_cut(cuts, &id) {
                if let Err(obstacle) = rewrite.keep(stored, self.skipped.contains(&id)) {
                    return Ok(Err(obstacle));
                }
            } else if let Some(operations) = &stored.operations {
                let operations =
                    decode_operations(operations).map_err(|error| unreadable(self.spec, id, &error))?;
                let lost_before = rewrite.lost.len();
                if Some(id) == lost {
                    rewrite.lost.extend(operations);
                } else {
                    self.remake(context, &mut rewrite, writer, stored.offset, operations)?;
                }
                rewrite.lost_at.extend((rewrite.lost.len() > lost_before).then_some(stored.offset));
            }
        }
        Ok(Ok(rewrite))
    }

    /// What is still skipped for good without some entries of the log, which may have voided others.
    fn barred_without(&self, cuts: &Cuts) -> BTreeSet<EntryId> {
        let (gone, standing): (Vec<_>, Vec<_>) = voided(&self.log).partition(|(by, _)| is_cut(cuts, by));
        let standing: BTreeSet<EntryId> = standing.into_iter().map(|(_, id)| id).collect();
        let freed = gone.into_iter().map(|(_, id)| id).filter(|id| !standing.contains(id)).collect();
        let mut barred = &self.skipped.barred - &freed;
        barred.retain(|id| !is_cut(cuts, id));
        barred
    }

    fn remake(
        &self,
        context: &Context,
        rewrite: &mut Rewrite,
        writer: ReplicaId,
        offset: u64,
        operations: Vec<Operation>,
    ) -> Result<(), Damaged> {
        let Some(document) = rewrite.content.document_mut() else { return Ok(()) };
        document.write_as(writer);
        let (mut made, mut touched) = (Vec::new(), Touched::default());
        for operation in operations {
            let touch = touch(&operation, &**document);
            if document.perform(&operation).is_ok() {
                touch.into_iter().for_each(|touch| touched.note(touch));
                made.push(operation);
            } else {
                rewrite.lost.push(operation);
            }
        }
        if let Some(update) = document.take_local()? {
            let mut entry = self.own_entry(context, writer, touched, Body::Update(update));
            entry.id.counter = rewrite.remade.len() as u64 + 1;
            let (entry, operations) = (Arc::new(entry), Some(encode_operations(&made)));
            rewrite.remade.push(Line { from: offset, entry, operations });
        }
        Ok(())
    }

    /// Puts what was written again in the place of the log. Returns the operations that were lost.
    fn replace(&mut self, context: &mut Context, rewrite: Rewrite) -> Vec<Operation> {
        let Rewrite { content, kept, remade, lost, lost_at, skipped, .. } = rewrite;
        self.content = content;
        self.pending.lose(&lost_at);
        let before = std::mem::replace(&mut self.skipped, skipped);
        // First, so that no crash leaves skipped what comes under the name of an entry that is gone.
        for id in before.barred.difference(&self.skipped.barred) {
            context.write(Write::Release { doc: self.doc.clone(), id: *id });
        }
        self.renumber_tail(context, kept.into_iter().chain(remade).collect());
        self.note_skipped(context, &before);
        self.try_waiting(context);
        lost
    }

    /// Gives the document the base that it has, and these entries behind it, as [`Live::renumber`] does.
    pub(super) fn renumber_tail(&mut self, context: &mut Context, lines: Vec<Line>) {
        let (state, covers) = match self.log.base() {
            Some(base) => (Ok(base.state.clone()), base.covers.clone()),
            None => (crdt::create(self.spec).snapshot(), Have::default()),
        };
        match state {
            Ok(state) => self.renumber(context, state, covers, lines),
            Err(damaged) => self.damaged = Some(damaged),
        }
    }

    /// Gives the document a new base behind the end of its log, and these entries (with their old offsets)
    /// behind that, on disk in one step; every peer is asked anew what it holds.
    pub(super) fn renumber(&mut self, context: &mut Context, state: Bytes, covers: Have, lines: Vec<Line>) {
        let offset = self.log.head() + 1;
        let digest = self.log.digest(self.log.head()).unwrap_or_default().replaced(&covers);
        let snapshot = Arc::new(Snapshot { offset, digest, covers, state });
        let mut log = Log::new(self.log.epoch());
        log.rebase(Some(snapshot.clone()), Vec::new());
        let mut moved = BTreeMap::new();
        for Line { from, entry, operations } in lines {
            let stored = log.next(entry, operations);
            moved.insert(from, stored.offset);
            log.push(stored);
        }
        let stored = log.after(offset).cloned().collect();
        let write = context.write(Write::Replace { doc: self.doc.clone(), snapshot, entries: stored });
        self.durable_after(write, log.head());
        self.log = log;
        self.pending.renumber(|old| moved.get(&old).copied());
        self.renumbered(context);
    }
}
