//! Rooms: documents as clients of other protocols see them.
//!
//! A room is there as long as somebody has a *seat* in it, and a little longer. It has the relay's replica hold its document
//! for guests, appends what they send, and follows the document's log for them: what comes to the log is made into a
//! [`Piece`] once, whoever it is for. A seat has a position in the log, not a queue. One that falls so far behind that its
//! next piece is gone is sent what the log has there, and everything anew once that has been merged.

mod announcements;
mod arrivals;
mod attendance;
pub(crate) mod awareness;
mod beat;
mod company;
mod metronome;
mod missing;
mod outlet;
mod presence;
mod room;
mod seat;
mod storages;
mod tail;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use syncline::node::Node;
use syncline::{DocId, Kind, Principal, Spec};
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::entry::Family;
use syncline_core::event::{DocumentError, StoreFault};
use thiserror::Error;

use crate::metrics::{Connection, Metrics};

pub(crate) use metronome::Metronome;
pub(crate) use outlet::{Outlet, framed};
pub(crate) use presence::{Ephemeral, OUTSIDE_PEERS};
pub(crate) use room::Room;
pub(crate) use seat::{BATCH_BYTES, Inbox, Seat, Sent, is_gap};
pub(crate) use storages::Holding;
pub(crate) use tail::Piece;

/// How long a room stays after its last seat was left: who reconnects finds the document in memory.
pub(crate) const LINGERING_TIME: Duration = Duration::from_secs(10);

/// Most documents that are waited for and are not there.
pub(crate) const MAX_AWAITED: usize = 100_000;

/// Names one seat in one room, for as long as the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeatId(pub u64);

impl SeatId {
    /// Where those sit who speak another protocol.
    pub(crate) const OUTSIDE: Self = Self(0);
}

/// Nobody can be seated.
#[derive(Clone, Debug, Error)]
pub(crate) enum EnterError {
    /// The document cannot be opened.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The document is of another family than the protocol speaks of.
    #[error("document {doc} is of kind {found}, which clients of this protocol cannot read")]
    OtherFamily { doc: DocId, found: Spec },
}

/// All rooms of a relay.
pub(crate) struct Rooms {
    node: Node,
    metronome: Metronome,
    metrics: Arc<Metrics>,
    rooms: Mutex<HashMap<DocId, Arc<Room>>>,
    /// Documents by their names in automerge-repo.
    names: Mutex<HashMap<DocumentId, DocId>>,
    /// Who waits for documents that are not there.
    awaited: Mutex<HashMap<DocId, Vec<Waiting>>>,
}

/// Who takes a seat.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// Where it comes from.
    pub peer: Arc<str>,
    /// As what it is counted.
    pub connection: Arc<Connection>,
    /// In whose name it writes.
    pub author: Principal,
    /// What hears of news in the room.
    pub inbox: Arc<Inbox>,
    /// The number under which it does.
    pub number: usize,
}

/// An inbox, and the number under which it hears.
type Waiting = (Weak<Inbox>, usize);

impl Rooms {
    pub(crate) fn new(node: Node, metronome: Metronome, metrics: Arc<Metrics>) -> Arc<Self> {
        let (rooms, names, awaited) = Default::default();
        Arc::new(Self { node, metronome, metrics, rooms, names, awaited })
    }

    /// Takes a seat in the room of a document, once it can be used. Where there is no document one is made, if `make` says
    /// so.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        doc: &DocId,
        family: Family,
        make: bool,
        visitor: Visitor,
    ) -> Result<Seat, EnterError> {
        if let Some(fault) = self.node.look(|replica| replica.fault().cloned()) {
            return Err(DocumentError::Store { doc: doc.clone(), fault }.into());
        }
        let seat = self.seat(doc, make.then_some(Spec { family, kind: Kind::Tree }), &visitor).await?;
        match self.node.look(|replica| replica.spec(doc)) {
            Some(found) if found.family != family => {
                return Err(EnterError::OtherFamily { doc: doc.clone(), found });
            }
            Some(_) | None => {}
        }
        if family == Family::Automerge {
            // Its protocol cannot say anything without the document.
            seat.room().with_built(|_, _| ()).await?;
        }
        Ok(seat)
    }

    /// A seat in a room that is open.
    async fn seat(
        self: &Arc<Self>,
        doc: &DocId,
        spec: Option<Spec>,
        visitor: &Visitor,
    ) -> Result<Seat, DocumentError> {
        loop {
            let room = self.room(doc, spec);
            // The seat keeps the room open meanwhile.
            let seat = Seat::take(self.clone(), room, visitor.clone());
            match seat.room().opened().await {
                Ok(()) => return Ok(seat),
                // Whoever came first may not make the document, and was still waiting for it. That room is closed.
                Err(DocumentError::NotFound { .. }) if spec.is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn room(&self, doc: &DocId, spec: Option<Spec>) -> Arc<Room> {
        let mut rooms = self.lock();
        let room = match rooms.entry(doc.clone()) {
            Entry::Occupied(room) => room.get().clone(),
            Entry::Vacant(vacant) => {
                let beats = self.metronome.queue(doc);
                let room = vacant
                    .insert(Room::new(self.node.clone(), self.metrics.clone(), doc.clone(), beats))
                    .clone();
                self.node.with(|replica, now| replica.host(now, doc, spec));
                room
            }
        };
        room.retain();
        room
    }

    /// The document of an id of automerge-repo.
    pub(crate) fn doc_of(&self, id: DocumentId) -> DocId {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.doc())
    }

    /// Documents that the store holds, by which names clients of automerge-repo find them. Where a document is called by the
    /// id that stands for the name of another one, the other one is found, whichever came first.
    pub(crate) fn name(&self, docs: impl Iterator<Item = DocId>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for doc in docs {
            let id = DocumentId::of(&doc);
            if id.doc() == doc {
                names.entry(id).or_insert(doc);
            } else {
                names.insert(id, doc);
            }
        }
    }

    /// Somebody waits for a document that is not there: the inbox hears under a number when it may be.
    pub(crate) fn await_document(&self, doc: &DocId, inbox: &Arc<Inbox>, number: usize) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.len() < MAX_AWAITED || awaited.contains_key(doc) {
            let waiting = awaited.entry(doc.clone()).or_default();
            let known = |(other, at): &Waiting| *at == number && other.as_ptr() == Arc::as_ptr(inbox);
            waiting.retain(|waiting| waiting.0.strong_count() > 0 && !known(waiting));
            waiting.push((Arc::downgrade(inbox), number));
        }
        drop(awaited);
        // It may have come just before.
        if self.node.look(|replica| replica.log(doc).is_some()) {
            inbox.mark(number);
        }
    }

    /// A document has changed, so it is there.
    pub(crate) fn arrived(&self, doc: &DocId) {
        let waiting = self.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(doc);
        for (inbox, number) in waiting.unwrap_or_default() {
            if let Some(inbox) = inbox.upgrade() {
                inbox.mark(number);
            }
        }
    }

    /// A seat was left. The room is closed after a while, unless somebody comes.
    pub(crate) fn leave(self: &Arc<Self>, room: &Arc<Room>) {
        let Some(visit) = room.release() else { return };
        let (rooms, room) = (self.clone(), room.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LINGERING_TIME).await;
            rooms.close(&room, visit);
        });
    }

    fn close(&self, room: &Arc<Room>, visit: u64) {
        let mut rooms = self.lock();
        if room.is_empty_since(visit) && rooms.get(room.doc()).is_some_and(|there| Arc::ptr_eq(there, room)) {
            rooms.remove(room.doc());
            self.node.with(|replica, _| replica.unhost(room.doc()));
        }
    }

    /// The replica tells something of a document.
    pub(crate) fn tell(&self, doc: &DocId, tell: impl FnOnce(&Room)) {
        let room = self.lock().get(doc).cloned();
        if let Some(room) = room {
            tell(&room);
        }
    }

    /// A document cannot be used any more. Who asks for it again tries it again.
    pub(crate) fn fail(&self, doc: &DocId, error: &DocumentError) {
        let mut rooms = self.lock();
        let room = rooms.remove(doc);
        if room.is_some() {
            // Before another room can be there, which would be left without its document.
            self.node.with(|replica, _| replica.unhost(doc));
        }
        drop(rooms);
        if let Some(room) = room {
            room.fail(error.clone());
        }
    }

    /// The store cannot be written, so nothing more can be taken in.
    pub(crate) fn fail_all(&self, fault: &StoreFault) {
        let docs: Vec<DocId> = self.lock().keys().cloned().collect();
        for doc in docs {
            self.fail(&doc, &DocumentError::Store { doc: doc.clone(), fault: fault.clone() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DocId, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
