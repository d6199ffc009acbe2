//! Who is in a room: they come and go, say who is present, and hear what others say.

use std::sync::Arc;

use bytes::Bytes;
use syncline::Principal;
use syncline_core::id::ReplicaId;
use syncline_core::protocol::lib0::Malformed;
use tokio::time::Instant;

use super::awareness::Heard;
use super::outlet::Outlet;
use super::room::Inner;
use super::seat::{Inbox, Sent};
use super::{Room, SeatId};
use crate::metrics::Protocol;

/// A client with a seat.
pub(super) struct Seated {
    pub inbox: Arc<Inbox>,
    pub number: usize,
    pub author: Principal,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is sent what all are sent.
    pub outlet: Option<Outlet>,
    /// Whether it has been sent all there was, so that it goes on with the next [beat](super::beat).
    pub is_level: bool,
    /// Up to where in the log it was sent everything; nothing is sent before it has joined.
    pub position: Option<u64>,
    /// Up to which version it knows who is present.
    pub presence: u64,
    /// As whom it writes.
    pub own: Option<ReplicaId>,
}

impl Seated {
    pub(super) const fn new(inbox: Arc<Inbox>, number: usize, author: Principal, protocol: Protocol) -> Self {
        let (outlet, is_level, position, presence, own) = (None, false, None, 0, None);
        Self { inbox, number, author, protocol, outlet, is_level, position, presence, own }
    }

    /// Its client has been sent, or is about to be sent, everything up to an offset.
    pub(super) fn joins(&mut self, offset: u64) {
        self.is_level = false;
        self.position = self.position.max(Some(offset));
    }

    /// Its session hears that there is something for it.
    pub(super) fn mark(&self) {
        self.inbox.mark(self.number);
    }
}

/// What a seat lacks is not all there any more, one by one.
pub(super) struct Gone;

impl Room {
    /// What a seat is sent next, about so many bytes of it; nothing if it is level: then only the next beat knows what it
    /// has been sent, and nothing may overtake that.
    pub(super) fn next(&self, id: SeatId, budget: usize) -> Result<Option<Sent>, Gone> {
        let mut inner = self.lock();
        let Inner { tail, awareness, seats, .. } = &mut *inner;
        let Some(seated) = seats.get_mut(&id).filter(|seated| !seated.is_level) else { return Ok(None) };
        if let Some(position) = seated.position {
            let Some(pieces) = tail.within(position, budget) else {
                let (updates, end) = self.earlier(position, seated.own, budget).ok_or(Gone)?;
                seated.position = Some(end);
                return Ok(Some(Sent::Earlier(updates)));
            };
            if let Some(last) = pieces.last() {
                seated.position = Some(last.offset);
                let others = pieces.into_iter().filter(|piece| Some(piece.replica) != seated.own);
                return Ok(Some(Sent::Pieces(others.collect())));
            }
        }
        let (message, known) = awareness.portion_since(seated.presence, id, budget);
        seated.presence = known;
        if let Some(message) = message {
            return Ok(Some(Sent::Present(message)));
        }
        seated.is_level = seated.outlet.is_some();
        Ok(None)
    }

    /// About so many bytes of updates behind a place that the tail no longer reaches back to, but for those of one writer, and up
    /// to where they go; nothing if the log has been merged beyond that place.
    fn earlier(&self, after: u64, own: Option<ReplicaId>, budget: usize) -> Option<(Vec<Bytes>, u64)> {
        let (mut updates, mut bytes, mut end) = (Vec::new(), 0, None);
        self.node().look(|replica| {
            for (offset, entry) in replica.for_guests(self.doc(), after)? {
                if bytes >= budget {
                    break;
                }
                end = Some(offset);
                let update = entry.body.update();
                bytes += update.map_or(0, Bytes::len);
                updates.extend(update.filter(|_| Some(entry.id.replica) != own).cloned());
            }
            Some((updates, end?))
        })
    }

    /// Notes something of a seat.
    pub(super) fn seated(&self, seat: SeatId, note: impl FnOnce(&mut Seated)) {
        if let Some(seated) = self.lock().seats.get_mut(&seat) {
            note(seated);
        }
    }

    /// A seat hears when more of the log is on disk than this, once.
    pub(super) fn await_durable(&self, seat: SeatId) -> u64 {
        self.lock().waiting.insert(seat);
        self.durable()
    }

    /// Somebody comes; how many announcements there were before.
    pub(super) fn seat(
        &self,
        seat: SeatId,
        inbox: Arc<Inbox>,
        number: usize,
        author: Principal,
        protocol: Protocol,
    ) -> u64 {
        let mut inner = self.lock();
        inner.seats.insert(seat, Seated::new(inbox, number, author, protocol));
        inner.company.renew_soon();
        inner.announcements.made()
    }

    pub(super) fn unseat(&self, seat: SeatId) {
        let mut inner = self.lock();
        if inner.awareness.leave(Instant::now(), seat) {
            self.stir();
        }
        let gone = inner.company.leave(seat);
        drop(inner);
        self.share_awareness();
        self.part(&gone);
        self.lock().seats.remove(&seat);
    }

    /// A guest says who is present.
    pub(super) fn hear(&self, seat: SeatId, states: &[u8]) -> Result<Heard, Malformed> {
        let mut inner = self.lock();
        let Inner { awareness, seats, .. } = &mut *inner;
        let Some(seated) = seats.get(&seat) else { return Ok(Heard::default()) };
        let heard = awareness.hear(Instant::now(), seat, &seated.author, states)?;
        if heard.changed {
            drop(inner);
            self.stir();
            self.share_awareness();
        }
        Ok(heard)
    }

    /// Who has a seat, by the name that the relay knows.
    pub(super) fn author(&self, seat: SeatId) -> Option<Principal> {
        self.lock().seats.get(&seat).map(|seated| seated.author.clone())
    }

    /// Clients of a seat that have been silent for too long are gone.
    pub(super) fn expire(&self, seat: SeatId) {
        let now = Instant::now();
        let mut inner = self.lock();
        let expired = inner.awareness.expire(now, seat);
        if expired {
            self.stir();
        }
        let gone = inner.company.expire(now, seat);
        drop(inner);
        if expired {
            self.share_awareness();
        }
        self.part(&gone);
        self.renew(now);
    }

    /// A guest says something to everybody who is here.
    pub(super) fn announce(&self, seat: SeatId, message: Bytes) {
        let mut inner = self.lock();
        inner.announcements.make(seat, message);
        inner.wake();
    }

    /// What others have announced behind the first so many, and how many there were.
    pub(super) fn announcements(&self, seat: SeatId, heard: u64) -> (Vec<Bytes>, u64) {
        let inner = self.lock();
        (inner.announcements.since(heard, seat), inner.announcements.made())
    }
}
