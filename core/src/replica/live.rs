//! A document in memory: its log, its content, and the peers it is open with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::Policy;
use super::applied::Standing;
use super::compaction::Compacting;
use super::content::{Content, Skipped};
use super::context::Context;
use super::hosting::Hosting;
use super::peer::{Peer, Portion};
use super::pending::Pending;
use super::skipping::voided;
use super::snapshot_frames::SnapshotFrames;
use crate::crdt::{Damaged, GateError};
use crate::entry::{Blame, Body, Entry, Family, MAX_SEEN_BEYOND, Seen, Spec};
use crate::event::{DocumentError, Event, Fence, PeerCursor, Progress, Refusal, StoredDocument, Write};
use crate::id::{ConnectionId, DocId, EntryId, Epoch, ReplicaId, WriteId};
use crate::log::Log;
use crate::visitor::Access;
use crate::wire::Message;

/// Most replicas that may write to a document, as a relay sees it: a message says what a log holds of each.
pub const MAX_WRITERS: usize = 1 << 18;

/// How long a relay's peers may wait for what they are in no hurry for: that entries of others are on its disk, in milliseconds.
/// Whose entries they are hears at once.
pub const DURABLE_DELAY: u64 = 100;

/// What a document takes in memory before there is anything in it.
const FIXED_BYTES: usize = 4 << 10;

/// How much more memory a document takes than its log, roughly.
const BUILT_TIMES: usize = 16;

/// A document in memory. The files beside this one add what it does: [`super::sync`] talks to peers,
/// [`super::edit`] serves the application, [`super::refusal`], [`super::namesake`], [`super::skipping`], [`super::snapshot`]
/// and [`super::compaction`] rebuild the log.
pub(super) struct Live {
    pub(super) doc: DocId,
    pub(super) spec: Spec,
    pub(super) log: Log,
    pub(super) content: Content,
    pub(super) skipped: Skipped,
    pub(super) fences: BTreeMap<ReplicaId, Fence>,
    /// What is known of every peer's log, as it is on disk or on its way there.
    pub(super) known: BTreeMap<Epoch, PeerCursor>,
    pub(super) peers: BTreeMap<ConnectionId, Peer>,
    /// Servers that are no replicas and have told what they hold.
    pub(super) servers: BTreeMap<ConnectionId, Standing>,
    /// What was made of the snapshot that peers are sent.
    pub(super) snapshot_frames: SnapshotFrames,
    pub(super) pending: Pending,
    /// Under which id this replica writes; drawn at the first edit.
    pub(super) writer: Option<ReplicaId>,
    /// Entries of others that no relay's durable cursor is known to cover: the highest of each replica.
    pub(super) recent: BTreeMap<ReplicaId, u64>,
    pub(super) compacting: Compacting,
    pub(super) hosting: Hosting,
    /// Why nothing can be made of the log. The base was verified when it was made; where the library can no longer load
    /// it, the document is closed rather than shown as it is not.
    pub(super) damaged: Option<Damaged>,
    /// Admitted entries of the log that are not merged into the content yet; none when a message was dealt with.
    unmerged: Vec<Arc<Entry>>,
    /// What stands behind the log takes so much memory, as it was measured when the log took so much.
    content_bytes: (usize, usize),
    /// How often entries were made again after refusals since one was last accepted.
    pub(super) made_in_vain: u32,
    /// What follows from writes.
    after_write: VecDeque<(WriteId, Then)>,
}

/// What a write makes true.
enum Then {
    /// The log is on disk up to an offset.
    Durable(u64),
    /// A peer may be told something.
    Tell(ConnectionId, Message),
}

/// What became of an entry that a peer sent.
pub(super) enum Accepted {
    /// It is in the log, at this offset.
    Appended(u64),
    /// It was in the log before.
    Known,
    /// Another one was in the log before under its name.
    Contradicts,
    /// It is not wanted.
    Refused(Refusal),
    /// It is not wanted from this peer.
    Forbidden,
    /// Entries of its replica in front of it are missing.
    Gap,
    /// It would be the first one of its replica, and there are too many.
    Full,
}

impl Live {
    pub fn new(doc: DocId, spec: Spec, log: Log, content: Content) -> Self {
        Self {
            doc,
            spec,
            log,
            content,
            skipped: Skipped::default(),
            fences: BTreeMap::new(),
            known: BTreeMap::new(),
            peers: BTreeMap::new(),
            servers: BTreeMap::new(),
            snapshot_frames: SnapshotFrames::default(),
            pending: Pending::default(),
            writer: None,
            recent: BTreeMap::new(),
            compacting: Compacting::default(),
            hosting: Hosting::default(),
            damaged: None,
            unmerged: Vec::new(),
            content_bytes: (0, 0),
            made_in_vain: 0,
            after_write: VecDeque::new(),
        }
    }

    /// The document as the store holds it.
    pub fn restore(
        context: &mut Context,
        doc: &DocId,
        stored: StoredDocument,
    ) -> Result<Self, DocumentError> {
        let damaged = |reason: String| DocumentError::Damaged { doc: doc.clone(), reason };
        let (spec, fences, known) = (stored.spec, stored.fences.clone(), stored.peers.clone());
        let quarantined: BTreeSet<EntryId> = stored.quarantined.iter().copied().collect();
        let log = Log::restore(stored)
            .map_err(|offset| damaged(format!("entry {offset} of its log is not in line")))?;
        let standing = |(by, _): &(EntryId, EntryId)| !quarantined.contains(by);
        let void = voided(&log).filter(standing).map(|(_, id)| id);
        let barred: BTreeSet<EntryId> = quarantined.iter().copied().chain(void).collect();
        let mut skipped = Skipped { barred, ..Skipped::default() };
        let known_skipped = skipped.clone();
        let content = Content::build(spec, context.config.policy.built, &log, &mut skipped)
            .map_err(|error| damaged(error.to_string()))?;
        let mut live = Self::new(doc.clone(), spec, log, content);
        live.fences = fences.into_iter().map(|fence| (fence.replica, fence)).collect();
        live.known = known.into_iter().map(|cursor| (cursor.epoch(), cursor)).collect();
        live.skipped = skipped;
        live.note_skipped(context, &known_skipped);
        live.recall_pending();
        live.try_waiting(context);
        Ok(live)
    }

    /// Finds the own edits that no relay has acknowledged: those with operations beside them, past the
    /// farthest acknowledgement.
    fn recall_pending(&mut self) {
        let saved = self.known.values().filter(|cursor| cursor.relay).map(|cursor| cursor.covered).max();
        let own = self.log.after(saved.unwrap_or(0)).filter(|stored| stored.operations.is_some());
        own.for_each(|stored| {
            self.pending.push(stored.offset, stored.entry.cost());
        });
        self.pending.on_local(self.log.durable());
    }

    pub const fn spec(&self) -> Spec {
        self.spec
    }

    pub const fn log(&self) -> &Log {
        &self.log
    }

    pub const fn content(&self) -> &Content {
        &self.content
    }

    pub fn progress(&self) -> Progress {
        self.pending.progress()
    }

    pub fn connections(&self) -> BTreeSet<ConnectionId> {
        self.peers.keys().copied().collect()
    }

    /// The document is no longer open on a link. What the peer was still to be told was about this opening: said in the
    /// next one, it would be taken for an answer to what came since.
    pub fn shut(&mut self, connection: ConnectionId) {
        self.peers.remove(&connection);
        self.snapshot_frames.leave(connection);
        self.after_write.retain(|(_, then)| !matches!(then, Then::Tell(to, _) if *to == connection));
    }

    pub fn is_idle(&self) -> bool {
        self.peers.is_empty() && self.after_write.is_empty() && !self.is_compacting()
    }

    /// Whether nothing would be lost with it, as it is all on disk or with its peers, and comes from there again, and whether
    /// those whose links have room know what is durable.
    pub fn may_rest(&self, takes: &dyn Fn(ConnectionId) -> bool) -> bool {
        self.after_write.is_empty()
            && !self.is_compacting()
            && self.peers.values().all(Peer::may_rest)
            && self.lacking_durable(takes).next().is_none()
    }

    /// Tells peers now what they are in no hurry for: it rests as soon as they know.
    pub fn hurry(&self, context: &mut Context, takes: &dyn Fn(ConnectionId) -> bool) {
        self.lacking_durable(takes).for_each(|connection| context.wake(connection, &self.doc));
    }

    fn lacking_durable(&self, takes: &dyn Fn(ConnectionId) -> bool) -> impl Iterator<Item = ConnectionId> {
        let lack = self.peers.iter().filter(move |(id, peer)| takes(**id) && peer.lacks_durable(&self.log));
        lack.map(|(id, _)| *id)
    }

    /// Memory that it takes, in bytes, roughly. What stands behind the log is measured again when the log has changed by
    /// an eighth.
    pub fn bytes(&mut self) -> usize {
        const GRAIN: usize = 4 << 10;
        let log = self.log.bytes();
        let (at, _) = self.content_bytes;
        if log.abs_diff(at) > GRAIN + at / 8 {
            self.content_bytes = (log, self.content.bytes());
        }
        let built = if self.content.is_built() { BUILT_TIMES * log } else { 0 };
        let known = self.known.len() * size_of::<PeerCursor>();
        FIXED_BYTES + log + built + self.content_bytes.1 + known + self.snapshot_frames.bytes()
    }

    /// What goes out next to a peer: in a frame of its own, or with what else there is for it.
    pub fn portion(&mut self, connection: ConnectionId, budget: usize, alone: bool) -> Option<Portion> {
        let peer = self.peers.get_mut(&connection)?;
        match peer.outgoing_snapshot() {
            Some(snapshot) => self.snapshot_frames.join(connection, snapshot),
            // Who was sent the last part has something coming behind it.
            None => self.snapshot_frames.leave(connection),
        }
        peer.portion(&self.doc, &self.log, budget, alone)
    }

    /// Puts an entry at the end of the log, on its way to disk and to every peer.
    pub fn append(&mut self, context: &mut Context, entry: Arc<Entry>, operations: Option<Bytes>) -> u64 {
        let stored = self.log.next(entry, operations);
        let offset = stored.offset;
        self.log.push(stored.clone());
        let write = context.write(Write::Append { doc: self.doc.clone(), entry: stored });
        self.after_write.push_back((write, Then::Durable(offset)));
        self.peers.values_mut().for_each(|peer| peer.announced = false);
        self.servers.values_mut().for_each(|server| server.announced = false);
        if context.config.policy.relay {
            self.wake_peers(context);
        }
        offset
    }

    /// Takes an entry from a peer. What a peer holds whose refusals count here is not for this replica to refuse.
    pub fn accept(&mut self, context: &mut Context, from: ConnectionId, entry: &Arc<Entry>) -> Accepted {
        if self.log.have().covers(&entry.id) {
            let other = self.log.entry(&entry.id).is_some_and(|known| known.entry.body != entry.body);
            return if other { Accepted::Contradicts } else { Accepted::Known };
        }
        if !self.may_write(from) {
            return Accepted::Forbidden;
        }
        if let Some(fence) = self.fence_against(context, from, entry.id) {
            return Accepted::Refused(Refusal::Fenced(fence.reason.clone()));
        }
        if entry.id.counter != self.log.have().counter(&entry.id.replica) + 1 {
            return Accepted::Gap;
        }
        if context.config.policy.relay && entry.id.counter == 1 && self.log.have().len() >= MAX_WRITERS {
            return Accepted::Full;
        }
        // It was voided before it came.
        if self.skipped.barred.contains(&entry.id) {
            return Accepted::Appended(self.append(context, entry.clone(), None));
        }
        match self.admit(context, entry) {
            Ok(()) => Accepted::Appended(self.take(context, entry)),
            Err(refusal)
                if context.config.policy.relay || self.builds_on_refused(entry) && !self.obeys(from) =>
            {
                Accepted::Refused(refusal)
            }
            Err(refusal) => {
                self.skip(context, entry.id, &refusal);
                Accepted::Appended(self.append(context, entry.clone(), None))
            }
        }
    }

    /// What forbids an entry. A relay that holds it overrules that, and the fence moves behind it: somebody who is
    /// no relay had found that the entry builds on what was refused. Whoever said so and is obeyed may find otherwise, too,
    /// but not while others of the replica are missing: he may not have heard yet.
    fn fence_against(&mut self, context: &mut Context, from: ConnectionId, id: EntryId) -> Option<&Fence> {
        let (relay, obeyed) = (self.is_relay(from), self.obeys(from));
        let next = id.counter == self.log.have().counter(&id.replica) + 1;
        let fence = self.fences.get_mut(&id.replica).filter(|fence| fence.refuses(&id))?;
        let overruled = relay || obeyed && next && fence.blame == Blame::Context;
        if context.config.policy.relay || !overruled {
            return Some(fence);
        }
        fence.counter = id.counter + 1;
        context.write(Write::Fence { doc: self.doc.clone(), fence: fence.clone() });
        None
    }

    /// Whether the peer on a link may write to the document.
    pub(super) fn may_write(&self, id: ConnectionId) -> bool {
        self.peers.get(&id).is_none_or(|peer| peer.greeted.access(&self.doc) == Access::Write)
    }

    /// Whether the peer on a link is a relay.
    pub(super) fn is_relay(&self, id: ConnectionId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.greeted.info.relay)
    }

    fn admit(&mut self, context: &Context, entry: &Entry) -> Result<(), Refusal> {
        (context.config.policy.accepts)(&self.doc, entry).map_err(Refusal::Policy)?;
        self.check_void(context, entry)?;
        self.check_writer(entry.id)?;
        Ok(self.content.admit_among(entry, self.log.have())?)
    }

    /// A relay finds by itself what nobody can apply. Taken from others, that would be a way to have everybody skip
    /// what somebody else wrote.
    fn check_void(&self, context: &Context, entry: &Entry) -> Result<(), Refusal> {
        match entry.body {
            Body::Void(id) if context.config.policy.relay && !self.skipped.contains(&id) => {
                Err(Refusal::Policy(format!("entry {id} is sound; only a relay voids entries")))
            }
            Body::Void(_) | Body::Update(_) | Body::Foreign(_) => Ok(()),
        }
    }

    /// Replica ids that share a Yjs client id do not come about by chance: whoever takes that of another one
    /// takes its clock as well, and would have it refused.
    fn check_writer(&self, id: EntryId) -> Result<(), GateError> {
        if self.spec.family != Family::Yjs || id.counter > 1 {
            return Ok(());
        }
        let Some(other) = self.log.have().same_yjs_client(&id.replica) else { return Ok(()) };
        Err(GateError::Impostor { reason: format!("the Yjs client id is that of {other}") })
    }

    /// Appends an admitted entry, to be merged.
    fn take(&mut self, context: &mut Context, entry: &Arc<Entry>) -> u64 {
        let offset = self.append(context, entry.clone(), None);
        self.recent.insert(entry.id.replica, entry.id.counter);
        if let Body::Void(id) = entry.body {
            self.void(context, id);
        } else {
            self.unmerged.push(entry.clone());
        }
        offset
    }

    /// Merges what was taken since the last call, all at once.
    pub fn merge_taken(&mut self, context: &mut Context) {
        let entries = std::mem::take(&mut self.unmerged);
        if entries.is_empty() {
            return;
        }
        if self.content.merge(&entries.iter().map(|entry| &**entry).collect::<Vec<_>>()).is_err() {
            self.rebuild(context);
        }
        self.try_waiting(context);
        context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: entries.len() });
    }

    /// Makes the content anew from the log. What it was in memory is dropped, damaged or not.
    pub fn rebuild(&mut self, context: &mut Context) {
        self.rebuild_as(context, self.content.is_built());
    }

    /// The same, held as a document from now on or only as a gate.
    pub fn rebuild_as(&mut self, context: &mut Context, built: bool) {
        let before = self.skipped.clone();
        self.unmerged.clear();
        match Content::build(self.spec, built, &self.log, &mut self.skipped) {
            Ok(content) => self.content = content,
            Err(damaged) => self.damaged = Some(damaged),
        }
        self.note_skipped(context, &before);
        self.writer = None;
        self.try_waiting(context);
    }

    /// The causal context of an edit made now.
    pub fn seen(&self) -> Seen {
        // A server without a log has no place in it that could be named.
        let relays = self.known.values().filter(|cursor| cursor.relay && cursor.theirs.offset > 0);
        let cursor = relays.max_by_key(|cursor| cursor.theirs.offset).map(|cursor| cursor.theirs);
        let beyond =
            self.recent.iter().map(|(replica, counter)| EntryId { replica: *replica, counter: *counter });
        Seen { cursor, beyond: beyond.take(MAX_SEEN_BEYOND).collect() }
    }

    /// Remembers something to say to a peer once `write` is on disk.
    pub fn tell_after(&mut self, write: WriteId, connection: ConnectionId, message: Message) {
        self.after_write.push_back((write, Then::Tell(connection, message)));
    }

    /// Keeps the document in memory until `write` is on disk, and the log durable up to `offset` then.
    pub fn durable_after(&mut self, write: WriteId, offset: u64) {
        self.after_write.push_back((write, Then::Durable(offset)));
    }

    pub fn on_written(&mut self, context: &mut Context, write: WriteId) {
        let before = self.log.durable();
        while let Some((_, then)) = self.after_write.pop_front_if(|(id, _)| *id <= write) {
            match then {
                Then::Durable(offset) => self.log.set_durable(offset),
                Then::Tell(connection, message) => context.post(connection, message),
            }
        }
        if self.log.durable() > before {
            self.on_durable(context);
        }
    }

    fn on_durable(&mut self, context: &mut Context) {
        let before = self.pending.progress().local;
        self.pending.on_local(self.log.durable());
        if self.pending.progress().local > before {
            self.tell_progress(context);
        }
        self.pass_on_durable(context);
        if self.is_hosting() {
            context.tell(Event::Durable { doc: self.doc.clone(), offset: self.log.durable() });
        }
        self.compact(context, false);
    }

    pub fn tell_progress(&self, context: &mut Context) {
        context.tell(Event::Saved { doc: self.doc.clone(), progress: self.pending.progress() });
    }

    /// More of the log is on disk. Where entries wait for that, as they do but at a relay, they leave; who only has to hear of it
    /// hears with the entries that come next, or a little later.
    fn pass_on_durable(&self, context: &mut Context) {
        let Policy { relay, batching, .. } = &context.config.policy;
        if !relay {
            return self.wake_peers(context);
        }
        context.wake_all(&self.doc, batching.delay.max(DURABLE_DELAY));
        let waiting = self.peers.iter().filter(|(_, peer)| peer.waits_for_durable());
        waiting.for_each(|(connection, _)| context.wake(*connection, &self.doc));
    }

    pub fn wake_peers(&self, context: &mut Context) {
        if !self.peers.is_empty() {
            context.wake_all(&self.doc, context.config.policy.batching.delay);
        }
    }
}
