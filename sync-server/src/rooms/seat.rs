//! A seat: one client in one room.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use syncline::Principal;
use syncline_core::crdt::{GateError, ReceiveError};
use syncline_core::entry::Seen;
use syncline_core::event::DocumentError;
use syncline_core::replica::{ContributeError, Contributed, Guest};
use tokio::sync::Notify;

use super::attendance::Gone;
use super::awareness::Heard;
use super::missing::Missing;
use super::presence::Ephemeral;
use super::{Outlet, Piece, Room, Rooms, SeatId, Visitor};
use crate::metrics::Connection;
use syncline_core::protocol::lib0::Malformed;
use syncline_core::protocol::y_websocket::HOLDS_NOTHING;

/// About how many bytes of updates a client is sent at once.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// What a connection hears of: which of its seats have news.
#[derive(Default)]
pub(crate) struct Inbox {
    news: Mutex<BTreeSet<usize>>,
    notify: Notify,
}

impl Inbox {
    /// A seat has news.
    pub(super) fn mark(&self, number: usize) {
        if self.news.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            self.notify.notify_one();
        }
    }

    /// Waits until there are news, and takes the numbers of the seats that have some.
    pub(crate) async fn news(&self) -> BTreeSet<usize> {
        loop {
            let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
            if !news.is_empty() {
                return news;
            }
            self.notify.notified().await;
        }
    }
}

/// What a seat that is not level is sent next.
pub(crate) enum Sent {
    /// These updates, in this order.
    Pieces(Vec<Arc<Piece>>),
    /// The same, of a part of the log that is no longer kept for all who are behind.
    Earlier(Vec<Bytes>),
    /// It is so far behind that what it lacks has been merged: everything.
    Whole(Missing),
    /// Who has come, moved or gone, as a message of y-websocket.
    Present(Bytes),
}

/// A client in a room. Dropped, it is left.
pub(crate) struct Seat {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
    id: SeatId,
    peer: Arc<str>,
    connection: Arc<Connection>,
    author: Principal,
    guest: Option<Guest>,
    /// What it is known to hold.
    seen: Seen,
    /// Up to where its protocol has told it of the document, if that is not made of pieces of the log.
    told: Option<u64>,
    /// How many announcements it has heard, or missed.
    announcements: u64,
    /// Whether it has been noted that it says what it may not: once is enough, as it may say so as often as it likes.
    noted: bool,
}

impl Seat {
    pub(super) fn take(rooms: Arc<Rooms>, room: Arc<Room>, visitor: Visitor) -> Self {
        let Visitor { peer, connection, author, inbox, number } = visitor;
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = SeatId(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        let announcements = room.seat(id, inbox, number, author.clone(), connection.protocol());
        let (guest, seen, told, noted) = (None, Seen::default(), None, false);
        Self { rooms, room, id, peer, connection, author, guest, seen, told, announcements, noted }
    }

    /// What all in the room are sent alike may leave by this way, whenever the client has taken everything before.
    pub(crate) fn set_outlet(&self, outlet: Outlet) {
        self.room.seated(self.id, |seated| seated.outlet = Some(outlet));
    }

    pub(crate) const fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// As what the client is counted.
    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The client says what it holds: what it lacks. What comes later is fetched by [`Seat::next`]. It may include what a
    /// replica wrote that is not on disk, so it must not leave before it is durable ([`Room::durable_at`]). The outer error is
    /// about the room, the inner one about the version.
    pub(crate) async fn join(
        &mut self,
        version: &[u8],
    ) -> Result<Result<Missing, ReceiveError>, DocumentError> {
        let missing = self.room.missing(version).await?;
        Ok(missing.inspect(|missing| {
            self.room.seated(self.id, |seated| seated.joins(missing.offset));
            if missing.brings_nothing() {
                self.seen = Seen { cursor: missing.cursor, beyond: Vec::new() };
            }
        }))
    }

    /// Takes in an update of the client. The outer error is about the room, the inner one about the update.
    pub(crate) async fn contribute(
        &mut self,
        update: &[u8],
    ) -> Result<Result<Contributed<()>, ContributeError>, DocumentError> {
        let guest = self.guest();
        let contributed = self.room.contribute(&guest, update).await?;
        self.connection.contributed(&contributed);
        Ok(contributed)
    }

    /// In whose name the client writes.
    pub(crate) fn guest(&mut self) -> Guest {
        let seen = self.seen.clone();
        let (author, room) = (&self.author, &self.room);
        let guest = self.guest.get_or_insert_with(|| {
            let replica = room.node().with(|replica, _| replica.new_guest());
            room.seated(self.id, |seated| seated.own = Some(replica));
            Guest { replica, author: author.clone(), seen: Seen::default() }
        });
        guest.seen = seen;
        guest.clone()
    }

    /// The client has said that it holds everything that is here.
    pub(crate) fn holds_all(&mut self) {
        let room = &self.room;
        let cursor = room.node().look(|replica| {
            let log = replica.log(room.doc())?;
            log.cursor(log.head())
        });
        self.seen = Seen { cursor, beyond: Vec::new() };
    }

    /// What the client is sent next, once it has taken what came before; of the log, nothing while it has not joined. Where
    /// that is all, the seat is level: it is told of changes without further ado, if it has an [outlet](Seat::set_outlet).
    pub(crate) async fn next(&mut self) -> Result<Result<Option<Sent>, ReceiveError>, DocumentError> {
        match self.room.next(self.id, BATCH_BYTES) {
            Ok(sent) => {
                self.connection.told_presence(usize::from(matches!(sent, Some(Sent::Present(_)))));
                Ok(Ok(sent))
            }
            Err(Gone) => {
                self.connection.overtaken();
                let missing = self.room.missing(HOLDS_NOTHING).await?;
                Ok(missing.map(|missing| {
                    self.room.seated(self.id, |seated| seated.joins(missing.offset));
                    Some(Sent::Whole(missing))
                }))
            }
        }
    }

    /// The client, which is not sent pieces but what its protocol makes of the document, was told of everything up to an
    /// offset: counts what has come since it was told before.
    pub(crate) fn told_up_to(&mut self, offset: u64) {
        if let Some(before) = self.told.replace(offset) {
            let own = self.guest.as_ref().map(|guest| guest.replica);
            let mut pieces = self.room.pieces(before, offset);
            pieces.retain(|piece| Some(piece.replica) != own);
            self.connection.passed_on(&pieces);
        }
    }

    /// Up to where the log is on disk. The inbox hears when that changes, once.
    pub(crate) fn await_durable(&self) -> u64 {
        self.room.await_durable(self.id)
    }

    /// The client says who is present.
    pub(crate) fn hear(&mut self, states: &[u8]) -> Result<Heard, Malformed> {
        self.connection.heard_presence();
        let heard = self.room.hear(self.id, states)?;
        if let Some(what) = heard.passed_over {
            self.note_passed_over(what);
        }
        Ok(heard)
    }

    /// The client says of who is present what it may not, which is passed over.
    pub(crate) fn note_passed_over(&mut self, what: &str) {
        if !std::mem::replace(&mut self.noted, true) {
            let doc = self.room.doc();
            tracing::info!(peer = &*self.peer, %doc, what, "presence that a client tells of is passed over");
        }
    }

    /// The client asks who is present: [`Seat::next`] tells it of everybody again.
    pub(crate) fn asks_who_is_present(&self) {
        self.room.seated(self.id, |seated| (seated.is_level, seated.presence) = (false, 0));
    }

    /// The client says something to everybody who is here.
    pub(crate) fn announce(&self, message: Bytes) {
        self.connection.heard_presence();
        self.room.announce(self.id, message);
    }

    /// The client, or somebody behind it, says something of automerge-repo to everybody who is here.
    pub(crate) fn say(&self, ephemeral: &Ephemeral<'_>) {
        self.connection.heard_presence();
        self.room.say(self.id, ephemeral);
    }

    /// What others have said to everybody since the client was last told.
    pub(crate) fn announcements(&mut self) -> Vec<Bytes> {
        let (messages, made) = self.room.announcements(self.id, self.announcements);
        self.announcements = made;
        self.connection.told_presence(messages.len());
        messages
    }

    /// Whoever of the client has been silent for too long is gone.
    pub(crate) fn expire(&self) {
        self.room.expire(self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.unseat(self.id);
        self.rooms.leave(&self.room);
    }
}

/// Whether what a client sent builds on something that is not here: it has to say once more what it holds.
pub(crate) const fn is_gap(error: &ContributeError) -> bool {
    matches!(error, ContributeError::Refused(GateError::Gap { .. }))
}
