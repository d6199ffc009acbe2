//! One room: a document, who is in it, and the end of its log.
//!
//! Who comes and holds nothing is given the log as it is, its base and what follows. Everything else takes the document,
//! which is built when the first one needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use syncline::node::{FirstArrival, Node};
use syncline::{DocId, Family};
use syncline_core::crdt::{Damaged, Exchange, ReceiveError};
use syncline_core::event::DocumentError;
use syncline_core::id::Have;
use syncline_core::log::Log;
use syncline_core::replica::{ContributeError, Contributed, Guest, Replica};
use syncline_core::time::Time;
use tokio::sync::watch;

use super::SeatId;
use super::announcements::Announcements;
use super::arrivals::Arrivals;
use super::attendance::Seated;
use super::awareness::Awareness;
use super::metronome::Queue;
use super::missing::{Missing, closed, is_nothing};
use super::presence::Company;
use super::storages::{Holding, Storages};
use super::tail::{Piece, Tail};
use crate::metrics::Metrics;
use syncline_core::protocol::y_websocket::HOLDS_NOTHING;

/// How far a room is.
#[derive(Clone, Debug)]
pub(crate) enum Opening {
    /// Its document is being loaded.
    Waiting,
    /// It can be used.
    Open,
    /// It cannot be used any more.
    Failed(DocumentError),
}

/// A document as guests use it.
pub(crate) struct Room {
    doc: DocId,
    node: Node,
    pub(super) metrics: Arc<Metrics>,
    opening: watch::Sender<Opening>,
    durable: watch::Sender<u64>,
    /// Told when the document was built.
    built: watch::Sender<()>,
    /// Where it has its beats, and whether it waits for one.
    beats: Arc<Queue>,
    pub(super) stirred: AtomicBool,
    /// Of what has come to the log since it was followed.
    arrived: FirstArrival,
    itself: Weak<Self>,
    /// Held while what all lack is made who hold nothing: the others wait for it.
    making: tokio::sync::Mutex<()>,
    /// Held while replicas are told what guests show, so that they are told in order.
    pub(super) sharing: Mutex<()>,
    inner: Mutex<Inner>,
}

/// How much has been passed on.
#[derive(Default)]
pub(super) struct Told {
    pub offset: u64,
    pub presence: u64,
    /// When.
    pub presence_at: Option<Instant>,
    /// The same, before the beat that is under way.
    pub before: (u64, u64),
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) tail: Tail,
    /// Where the log began when it was followed.
    base: u64,
    arrivals: Arrivals,
    pub(super) awareness: Awareness,
    pub(super) announcements: Announcements,
    pub(super) seats: BTreeMap<SeatId, Seated>,
    pub(super) company: Company,
    storages: Storages,
    /// Up to where those who are level have been sent everything.
    pub(super) told: Told,
    /// Who hears when more of the log is on disk.
    pub(super) waiting: BTreeSet<SeatId>,
    /// What those lack who hold nothing.
    whole: Option<Missing>,
    /// The same as one update.
    as_update: Option<Missing>,
    /// How many want the room to stay, and how often somebody has wanted that.
    retained: usize,
    visits: u64,
}

impl Room {
    pub(super) fn new(node: Node, metrics: Arc<Metrics>, doc: DocId, beats: Arc<Queue>) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            doc,
            node,
            metrics,
            opening: watch::Sender::new(Opening::Waiting),
            durable: watch::Sender::new(0),
            built: watch::Sender::new(()),
            beats,
            stirred: AtomicBool::new(false),
            arrived: FirstArrival::default(),
            itself: itself.clone(),
            making: tokio::sync::Mutex::default(),
            sharing: Mutex::default(),
            inner: Mutex::default(),
        })
    }

    pub(crate) const fn doc(&self) -> &DocId {
        &self.doc
    }

    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }

    /// Waits until the room can be used.
    pub(super) async fn opened(&self) -> Result<(), DocumentError> {
        let mut opening = self.opening.subscribe();
        let opened = opening.wait_for(|opening| !matches!(opening, Opening::Waiting)).await;
        match opened.as_deref() {
            Ok(Opening::Failed(error)) => Err(error.clone()),
            // The sender lives as long as this room.
            Ok(Opening::Open | Opening::Waiting) | Err(_) => Ok(()),
        }
    }

    /// Why the room cannot be used any more, if it cannot.
    pub(crate) fn failure(&self) -> Option<DocumentError> {
        match &*self.opening.borrow() {
            Opening::Failed(error) => Some(error.clone()),
            Opening::Waiting | Opening::Open => None,
        }
    }

    /// Waits until the room cannot be used any more, and says why.
    pub(crate) async fn failed(&self) -> DocumentError {
        let mut opening = self.opening.subscribe();
        loop {
            if let Opening::Failed(error) = &*opening.borrow_and_update() {
                return error.clone();
            }
            // The sender lives as long as this room.
            _ = opening.changed().await;
        }
    }

    /// The document is in memory.
    pub(crate) fn open(&self) {
        let log =
            self.node.look(|replica| replica.log(&self.doc).map(|log| (log.base_offset(), log.durable())));
        if let Some((base, durable)) = log {
            let mut inner = self.lock();
            inner.tail.restart(base);
            self.follow(&mut inner);
            inner.told.offset = inner.tail.end();
            self.durable.send_replace(durable);
        }
        self.opening.send_replace(Opening::Open);
    }

    /// The document is built.
    pub(crate) fn on_built(&self) {
        self.built.send_replace(());
        self.share_again();
    }

    /// Does something with the document that takes it built, once it is; all wait for one building of it.
    pub(crate) async fn with_built<T>(
        &self,
        mut work: impl FnMut(&mut Replica, Time) -> T,
    ) -> Result<T, DocumentError> {
        let (mut built, mut found) = (self.built.subscribe(), true);
        loop {
            built.mark_unchanged();
            let (done, hurries) = self.node.with_leisure(|replica, now| match replica.exchange(&self.doc) {
                // Replicas that have the document open hear of what is done to it at once.
                Some(_) => (Some(work(replica, now)), replica.links(&self.doc) > 0),
                None => {
                    replica.build(now, &self.doc);
                    (None, true)
                }
            });
            if hurries {
                self.node.hurry();
            }
            if found {
                found = done.is_some();
                self.metrics.note_built(found);
            }
            if let Some(done) = done {
                return Ok(done);
            }
            tokio::select! {
                // The sender lives as long as this room.
                _ = built.changed() => {}
                error = self.failed() => return Err(error),
            }
        }
    }

    pub(super) fn fail(&self, error: DocumentError) {
        self.opening.send_replace(Opening::Failed(error));
    }

    /// More of the log is on disk.
    pub(crate) fn on_durable(&self, offset: u64) {
        self.durable.send_replace(offset);
        let mut inner = self.lock();
        let waiting = std::mem::take(&mut inner.waiting);
        waiting.iter().filter_map(|seat| inner.seats.get(seat)).for_each(Seated::mark);
        if inner.tail.end() < offset {
            self.stir();
        }
    }

    /// Up to where the log is on disk.
    pub(crate) fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Waits until the log is on disk up to an offset, or the room cannot be used any more.
    pub(crate) async fn durable_at(&self, offset: u64) -> Result<(), DocumentError> {
        let mut durable = self.durable.subscribe();
        tokio::select! {
            // The sender lives as long as this room.
            _ = durable.wait_for(|durable| *durable >= offset) => Ok(()),
            error = self.failed() => Err(error),
        }
    }

    /// Something may have come to the log, or to who is present: it is passed on soon.
    pub(crate) fn stir(&self) {
        if !self.stirred.swap(true, Ordering::AcqRel) {
            self.beats.push(self.itself.clone());
        }
    }

    /// The log has grown, by what replicas or guests have written. What guests have is most often passed on by then.
    pub(crate) fn on_changed(&self) {
        let head = self.node.look(|replica| replica.log(&self.doc).map_or(0, Log::head));
        if self.lock().tail.end() < head {
            self.arrived.note(Instant::now());
            self.stir();
        }
    }

    /// Makes pieces of what has come to the log.
    pub(super) fn follow(&self, inner: &mut Inner) {
        self.node.look(|replica| inner.follow(replica, &self.doc, self.arrived.take()));
    }

    /// The pieces behind an offset and up to another one, as far as they are there.
    pub(super) fn pieces(&self, after: u64, end: u64) -> Vec<Arc<Piece>> {
        let mut inner = self.lock();
        self.follow(&mut inner);
        let pieces = inner.tail.after(after).into_iter().flatten();
        pieces.take_while(|piece| piece.offset <= end).cloned().collect()
    }

    /// What somebody lacks who holds `version`. The outer error is about the room, the inner one about the version.
    pub(super) async fn missing(
        &self,
        version: &[u8],
    ) -> Result<Result<Missing, ReceiveError>, DocumentError> {
        if version != HOLDS_NOTHING {
            return self.difference(version).await;
        }
        let _one_for_all = self.making.lock().await;
        let usable = {
            let mut inner = self.lock();
            self.follow(&mut inner);
            inner.usable_whole()
        };
        if let Some(whole) = usable {
            return Ok(Ok(whole));
        }
        let log = self.node.look(|replica| Missing::log(replica, &self.doc));
        let whole = match log {
            Some(log) => Ok(log),
            None => self.difference(version).await?,
        };
        self.lock().whole = whole.as_ref().ok().cloned();
        Ok(whole)
    }

    /// The same as one update, made for this.
    pub(crate) async fn difference(
        &self,
        version: &[u8],
    ) -> Result<Result<Missing, ReceiveError>, DocumentError> {
        self.with_built(|replica, _| Missing::difference(replica, &self.doc, version)).await
    }

    /// Everything as one update, which all share who ask for it between two changes.
    pub(crate) async fn as_update(&self) -> Result<Result<Missing, ReceiveError>, DocumentError> {
        let _one_for_all = self.making.lock().await;
        let head = self.node.look(|replica| replica.log(&self.doc).map_or(0, Log::head));
        if let Some(known) = self.lock().as_update.clone().filter(|known| known.offset == head) {
            return Ok(Ok(known));
        }
        let made = self.difference(&[]).await?;
        self.lock().as_update = made.as_ref().ok().cloned();
        Ok(made)
    }

    /// What the document holds, in the terms of its family, if that can be told without building it.
    pub(crate) fn version(&self) -> Result<Bytes, Damaged> {
        self.node.look(|replica| replica.version(&self.doc)).ok_or_else(closed)
    }

    /// Takes in an update of a guest. The outer error is about the room, the inner one about the update.
    pub(crate) async fn contribute(
        &self,
        guest: &Guest,
        update: &[u8],
    ) -> Result<Result<Contributed<()>, ContributeError>, DocumentError> {
        if is_nothing(update) {
            let offset = self.node.look(|replica| replica.log(&self.doc).map_or(0, Log::head));
            return Ok(Ok(Contributed { value: (), entries: 0, offset }));
        }
        self.contribute_with(guest, |exchange, replicas| {
            exchange.receive(replicas, update).map(|updates| (updates, ()))
        })
        .await
    }

    /// Whether all of an update is here already, as far as can be told.
    pub(crate) async fn holds(&self, update: &[u8]) -> Result<bool, DocumentError> {
        if is_nothing(update) {
            return Ok(true);
        }
        let holds = |replica: &mut Replica, _| {
            let exchange = replica.exchange(&self.doc);
            exchange.is_some_and(|exchange| exchange.holds(update).unwrap_or(false))
        };
        self.with_built(holds).await
    }

    /// Takes in what a guest sends, once what others have sent is not too much for the disk; see [`Replica::contribute`].
    pub(crate) async fn contribute_with<T>(
        &self,
        guest: &Guest,
        mut receive: impl FnMut(&mut dyn Exchange, &Have) -> Result<(Vec<Bytes>, T), ReceiveError>,
    ) -> Result<Result<Contributed<T>, ContributeError>, DocumentError> {
        tokio::select! {
            () = self.node.has_room() => {}
            error = self.failed() => return Err(error),
        }
        let came = Instant::now();
        let contribute = |replica: &mut Replica, now| {
            self.node.note_arrival(came);
            self.arrived.note(came);
            replica.contribute(now, &self.doc, guest, &mut receive)
        };
        let contributed = self.with_built(contribute).await?;
        self.stir();
        Ok(contributed)
    }

    /// What the document is made of, whatever those who asked for it took it for.
    pub(super) fn family(&self) -> Option<Family> {
        self.node.look(|replica| replica.spec(&self.doc)).map(|spec| spec.family)
    }

    /// Somebody says something of stores that hold the document.
    pub(crate) fn note_holding(&self, note: impl FnOnce(&mut Storages) -> bool) {
        let mut inner = self.lock();
        if note(&mut inner.storages) {
            inner.wake();
        }
    }

    /// What has become known of some stores since a version, and the version now.
    pub(crate) fn holdings_since(&self, version: u64, wanted: &BTreeSet<String>) -> (Vec<Holding>, u64) {
        self.lock().storages.since(version, wanted)
    }

    pub(super) fn retain(&self) {
        let mut inner = self.lock();
        inner.retained += 1;
        inner.visits += 1;
    }

    /// Somebody no longer wants the room to stay; if nobody does, how often somebody has up to now.
    pub(super) fn release(&self) -> Option<u64> {
        let mut inner = self.lock();
        inner.retained -= 1;
        (inner.retained == 0).then_some(inner.visits)
    }

    /// Whether nobody has come since.
    pub(super) fn is_empty_since(&self, visit: u64) -> bool {
        let inner = self.lock();
        inner.retained == 0 && inner.visits == visit
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes pieces of what has come to the log that concerns guests.
    fn follow(&mut self, replica: &Replica, doc: &DocId, came: Option<Instant>) {
        let came = came.unwrap_or_else(Instant::now);
        let Some((base, head)) = replica.log(doc).map(|log| (log.base_offset(), log.head())) else { return };
        self.arrivals.note(head, came);
        // What was made of a part of the log that has been merged would keep that.
        let merged = std::mem::replace(&mut self.base, base) != base;
        self.whole.take_if(|_| merged);
        self.as_update.take_if(|known| known.offset != head);
        if self.go_on(replica, doc, came).is_none() {
            // The log was made anew, or the room followed it too slowly.
            self.tail.restart(base);
            self.arrivals = Arrivals::default();
            (self.whole, self.as_update) = (None, None);
            self.go_on(replica, doc, came);
        }
    }

    /// Follows the log from where the tail ends; nothing if it does not reach back so far.
    fn go_on(&mut self, replica: &Replica, doc: &DocId, came: Instant) -> Option<()> {
        for (offset, entry) in replica.for_guests(doc, self.tail.end())? {
            if let Some(update) = entry.body.update() {
                let came = self.arrivals.take(offset).unwrap_or(came);
                self.tail.push(Arc::new(Piece::new(offset, entry.id.replica, update.clone(), came)));
            }
        }
        self.arrivals.forget(self.tail.end());
        Some(())
    }

    fn usable_whole(&self) -> Option<Missing> {
        let whole = self.whole.as_ref()?;
        let since = self.tail.bytes_after(whole.offset)?;
        let after = self.tail.after(whole.offset)?;
        whole.is_fresh(since).then(|| whole.followed_by(after))
    }

    /// Every session looks what there is for it.
    pub(super) fn wake(&self) {
        self.seats.values().for_each(Seated::mark);
    }
}
