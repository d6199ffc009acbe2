//! Who is in a room: they come and go, say who is present, and hear what others say.

use std::sync::Arc;

use bytes::Bytes;
use syncline::Principal;
use syncline_core::protocol::lib0::Malformed;
use tokio::time::Instant;

use super::awareness::Heard;
use super::room::Inner;
use super::seat::Inbox;
use super::{Room, SeatId};

/// A client with a seat.
pub(super) struct Seated {
    pub inbox: Arc<Inbox>,
    pub number: usize,
    pub author: Principal,
}

impl Room {
    /// Somebody comes; how many announcements there were before.
    pub(super) fn seat(&self, seat: SeatId, inbox: Arc<Inbox>, number: usize, author: Principal) -> u64 {
        let mut inner = self.lock();
        inner.seats.insert(seat, Seated { inbox, number, author });
        inner.company.renew_soon();
        inner.announcements.made()
    }

    pub(super) fn unseat(&self, seat: SeatId) {
        let mut inner = self.lock();
        if inner.awareness.leave(Instant::now(), seat) {
            inner.wake();
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
            inner.wake();
            drop(inner);
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
            inner.wake();
        }
        let gone = inner.company.expire(now, seat);
        drop(inner);
        if expired {
            self.share_awareness();
        }
        self.part(&gone);
        self.renew(now);
    }

    /// Who has come, moved or gone since a version, for a seat, and the version now.
    pub(super) fn present(&self, seat: SeatId, since: u64) -> (Option<Vec<u8>>, u64) {
        let inner = self.lock();
        (inner.awareness.since(since, seat), inner.awareness.version())
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
