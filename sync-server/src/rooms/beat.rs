//! What is new in a room is passed on to everybody at once, a *beat* at a time.
//!
//! Most seats are *level*: their clients have been sent all there was at the last beat, and their links take more. What has
//! come since, from however many clients, is made into one batch, which each of them is sent by one write, from here: no session
//! has to wake up for it. A seat whose link has no room is level no longer: its session sends it what it lacks, from its
//! position in the log, as fast as the client takes it, and it is level again when that is all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use syncline::transports::Batch;
use syncline_core::id::ReplicaId;

use super::attendance::Seated;
use super::awareness::Awareness;
use super::outlet::{Offered, Outlet};
use super::room::Inner;
use super::{Piece, Room, SeatId};
use crate::metrics::{PassedOn, Protocol};

/// Shortest time between beats that tell who is present.
pub(crate) const PRESENCE_BEAT: Duration = Duration::from_millis(50);

/// The same for each who is there, where they are many: who moves is told to all of them.
pub(crate) const PRESENCE_BEAT_OF_ONE: Duration = Duration::from_micros(200);

/// Most bytes of updates in one batch, which slow links hold until they have sent it. More is sent by sessions.
pub(crate) const MAX_BATCH_BYTES: usize = 64 << 10;

/// Most bytes of news of who is present that are made for those who have moved, each of whom hears of all the others: where many
/// come at once, their sessions make them, one after the other.
pub(crate) const MAX_PRESENCE_BYTES: usize = 1 << 20;

/// What came of a beat.
#[derive(Default)]
pub(super) struct Beaten {
    /// How many updates it brought.
    pub updates: usize,
    /// When there is to be another one, if there is news of who is present that has to wait.
    pub again: Option<Instant>,
}

/// What one seat is sent, and where it was before.
struct Due {
    seat: SeatId,
    outlet: Outlet,
    batch: Arc<Batch>,
    position: Option<u64>,
    presence: u64,
    protocol: Protocol,
    own: Option<ReplicaId>,
}

impl Due {
    /// Whether a piece is part of the batch.
    fn gets(&self, piece: &Piece) -> bool {
        is_for(piece, self.position, self.own)
    }
}

/// Whether a seat is sent a piece that was sent everything up to a position, and writes under this name.
fn is_for(piece: &Piece, position: Option<u64>, own: Option<ReplicaId>) -> bool {
    position.is_some_and(|position| position < piece.offset) && Some(piece.replica) != own
}

/// What is new in a room.
struct News {
    pieces: Vec<Arc<Piece>>,
    writers: BTreeSet<ReplicaId>,
    /// The log up to where the first of the pieces begins, and up to the end of the last.
    begin: u64,
    end: u64,
    /// Who is present has changed up to this version, at these seats.
    presence: u64,
    movers: BTreeSet<SeatId>,
    states: Option<Bytes>,
    /// The batches of those who get everything, by how their frames begin.
    batches: BTreeMap<Bytes, Arc<Batch>>,
}

impl Room {
    /// Passes on what is new.
    pub(super) fn beat(&self, now: Instant) -> Beaten {
        // What comes from here on may come too late for this one.
        self.stirred.swap(false, Ordering::AcqRel);
        let (due, pieces, again) = self.begin_beat(now);
        let mut passed_on = PassedOn::new(&pieces);
        for due in &due {
            match due.outlet.try_send(&due.batch) {
                Offered::Taken => passed_on.add(due.protocol, &due.batch, |piece| due.gets(piece)),
                Offered::Full => self.lock().fall_behind(due),
                // The session hears of that by itself.
                Offered::Gone => {}
            }
        }
        self.metrics.note_passed_on(&passed_on);
        Beaten { updates: pieces.len(), again }
    }

    /// A beat has been broken off, so nobody knows who was sent what of it: everybody is sent all of it by his session.
    pub(super) fn break_off(&self) {
        self.lock().go_back();
    }

    fn begin_beat(&self, now: Instant) -> (Vec<Due>, Vec<Arc<Piece>>, Option<Instant>) {
        let mut inner = self.lock();
        let begin = inner.told.offset;
        inner.told.before = (begin, inner.told.presence);
        self.follow(&mut inner);
        let presence_beat = PRESENCE_BEAT.max(PRESENCE_BEAT_OF_ONE * inner.seats.len() as u32);
        let presence_due = inner.told.presence_at.map(|told| told + presence_beat);
        let tells_presence = presence_due.is_none_or(|due| due <= now);
        let (due, pieces) = match News::since(&mut inner, begin, tells_presence) {
            Some(news) if news.is_none() => (Vec::new(), Vec::new()),
            Some(mut news) => {
                inner.told.presence_at = news.states.as_ref().map(|_| now).or(inner.told.presence_at);
                (inner.distribute(&mut news), news.pieces)
            }
            // Sessions find out that the log is another one, or send what is too much for a batch.
            None => {
                inner.unlevel_all();
                (Vec::new(), Vec::new())
            }
        };
        (due, pieces, presence_due.filter(|_| inner.awareness.version() > inner.told.presence))
    }
}

impl News {
    /// What has come to the log behind an offset, and who has come, moved or gone; `None` if that is too much for a batch.
    fn since(inner: &mut Inner, begin: u64, tells_presence: bool) -> Option<Self> {
        let (end, told) = (inner.tail.end(), inner.told.presence);
        let presence = if tells_presence { inner.awareness.version() } else { told };
        (inner.told.offset, inner.told.presence) = (end, presence);
        // Most beats tell of nobody, and have no need to look at all who are present.
        let (movers, states) = match presence > told {
            true => (inner.awareness.movers(told), inner.awareness.message_since(told, None)),
            false => (BTreeSet::new(), None),
        };
        let pieces: Vec<Arc<Piece>> = inner.tail.after(begin)?.cloned().collect();
        if pieces.iter().map(|piece| piece.update.len()).sum::<usize>() > MAX_BATCH_BYTES {
            return None;
        }
        let writers = pieces.iter().map(|piece| piece.replica).collect();
        let batches = BTreeMap::new();
        Some(Self { pieces, writers, begin, end, presence, movers, states, batches })
    }

    fn is_none(&self) -> bool {
        self.pieces.is_empty() && self.states.is_none()
    }

    /// Whether this is news to a seat, all of it.
    fn is_all_for(&self, id: SeatId, seated: &Seated) -> bool {
        seated.position.is_some_and(|position| position <= self.begin)
            && seated.own.is_none_or(|own| !self.writers.contains(&own))
            && !self.movers.contains(&id)
    }

    /// Whether those who have moved hear of each other from their sessions.
    fn is_much_for_movers(&self) -> bool {
        self.states.as_ref().map_or(0, Bytes::len) * self.movers.len() > MAX_PRESENCE_BYTES
    }

    /// The batch of those who get all of it.
    fn batch_of_all(&mut self, outlet: &Outlet) -> Arc<Batch> {
        if let Some(batch) = self.batches.get(outlet.head()) {
            return batch.clone();
        }
        let messages = self.pieces.iter().map(|piece| piece.message()).chain(self.states.clone());
        let batch = Arc::new(Batch::new(messages.map(|message| outlet.frame(&message)).collect()));
        self.batches.insert(outlet.head().clone(), batch.clone());
        batch
    }

    /// The batch of somebody who has written some of it, or was sent some of it before.
    fn batch_of(&self, id: SeatId, seated: &Seated, outlet: &Outlet, awareness: &Awareness) -> Arc<Batch> {
        let states = match self.movers.contains(&id) {
            true => awareness.message_since(seated.presence, Some(id)),
            false => self.states.clone(),
        };
        let gets = |piece: &&Arc<Piece>| is_for(piece, seated.position, seated.own);
        let messages = self.pieces.iter().filter(gets).map(|piece| piece.message()).chain(states);
        Arc::new(Batch::new(messages.map(|message| outlet.frame(&message)).collect()))
    }
}

impl Inner {
    /// Says what each seat that is level is sent, and takes it for sent. The sessions of others hear that there is news.
    fn distribute(&mut self, news: &mut News) -> Vec<Due> {
        let mut due = Vec::with_capacity(self.seats.len());
        let is_much_for_movers = news.is_much_for_movers();
        for (seat, seated) in &mut self.seats {
            seated.is_level &= !(is_much_for_movers && news.movers.contains(seat));
            let Some(outlet) = seated.outlet.as_ref().filter(|_| seated.is_level) else {
                seated.mark();
                continue;
            };
            let batch = match news.is_all_for(*seat, seated) {
                true => news.batch_of_all(outlet),
                false => news.batch_of(*seat, seated, outlet, &self.awareness),
            };
            if !batch.frames().is_empty() {
                let (outlet, position, presence) = (outlet.clone(), seated.position, seated.presence);
                let (protocol, own) = (seated.protocol, seated.own);
                due.push(Due { seat: *seat, outlet, batch, position, presence, protocol, own });
            }
            seated.position = seated.position.map(|position| position.max(news.end));
            seated.presence = seated.presence.max(news.presence);
        }
        due
    }

    /// A seat has not been sent what it was to be sent: its session sends it, when there is room.
    fn fall_behind(&mut self, due: &Due) {
        if let Some(seated) = self.seats.get_mut(&due.seat) {
            seated.is_level = false;
            // Who had not joined then may have since.
            seated.position = seated.position.map(|now| due.position.map_or(now, |before| now.min(before)));
            seated.presence = seated.presence.min(due.presence);
            seated.mark();
        }
    }

    /// Those who are level go on from where they were before the last beat.
    fn go_back(&mut self) {
        let (offset, presence) = self.told.before;
        for seated in self.seats.values_mut().filter(|seated| seated.is_level) {
            seated.position = seated.position.map(|position| position.min(offset));
            seated.presence = seated.presence.min(presence);
        }
        self.unlevel_all();
    }

    fn unlevel_all(&mut self) {
        for seated in self.seats.values_mut() {
            seated.is_level = false;
            seated.mark();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline::Principal;
    use syncline::transports::memory;

    use super::*;
    use crate::rooms::seat::Inbox;

    const FIRST: SeatId = SeatId(0);

    /// A room whose seats are level up to offset 10.
    fn room(seats: u64) -> Inner {
        let (link, _peer) = memory::pair();
        let outlet = Outlet::new(link.outlet(), Bytes::new());
        let mut inner = Inner::default();
        for number in 0..seats {
            let (inbox, author) = (Arc::<Inbox>::default(), Principal::new("ada").unwrap());
            let mut seated = Seated::new(inbox, 0, author, Protocol::YWebsocket);
            seated.outlet = Some(outlet.clone());
            (seated.is_level, seated.position) = (true, Some(10));
            inner.seats.insert(SeatId(number), seated);
        }
        inner
    }

    fn replica(name: u8) -> ReplicaId {
        ReplicaId::new([name; 16])
    }

    fn piece(offset: u64, replica: ReplicaId, update: &'static [u8]) -> Arc<Piece> {
        Arc::new(Piece::new(offset, replica, Bytes::from_static(update), Instant::now()))
    }

    fn news(pieces: Vec<Arc<Piece>>) -> News {
        let writers = pieces.iter().map(|piece| piece.replica).collect();
        let end = pieces.last().map_or(10, |piece| piece.offset);
        let (movers, states, batches) = Default::default();
        News { pieces, writers, begin: 10, end, presence: 0, movers, states, batches }
    }

    fn updates(due: &Due) -> usize {
        due.batch.frames().len()
    }

    #[test]
    fn all_share_one_batch_but_who_has_written_some_of_it_and_who_was_sent_some_of_it() {
        let mut inner = room(5);
        inner.seats.get_mut(&SeatId(2)).unwrap().own = Some(replica(1));
        inner.seats.get_mut(&SeatId(3)).unwrap().position = Some(11);
        inner.seats.get_mut(&SeatId(4)).unwrap().is_level = false;
        let mut news = news(vec![piece(11, replica(1), b"one"), piece(12, replica(2), b"two")]);
        let due = inner.distribute(&mut news);
        assert_eq!(due.iter().map(updates).collect::<Vec<_>>(), [2, 2, 1, 1], "and who is behind gets none");
        assert!(Arc::ptr_eq(&due[0].batch, &due[1].batch));
        let positions: Vec<_> = inner.seats.values().map(|seated| seated.position).collect();
        assert_eq!(positions, [Some(12), Some(12), Some(12), Some(12), Some(10)]);
    }

    #[test]
    fn who_has_no_room_goes_on_from_where_he_was() {
        let mut inner = room(1);
        let due = inner.distribute(&mut news(vec![piece(11, replica(1), b"one")]));
        inner.fall_behind(&due[0]);
        let seated = &inner.seats[&FIRST];
        assert_eq!((seated.is_level, seated.position), (false, Some(10)));
    }

    #[test]
    fn a_beat_that_was_broken_off_is_made_up_for_by_sessions() {
        let mut inner = room(2);
        inner.seats.get_mut(&SeatId(1)).unwrap().is_level = false;
        inner.told.before = (10, 0);
        inner.distribute(&mut news(vec![piece(11, replica(1), b"one")]));
        inner.seats.get_mut(&SeatId(1)).unwrap().position = Some(12);
        inner.go_back();
        let seats: Vec<_> = inner.seats.values().map(|seated| (seated.is_level, seated.position)).collect();
        assert_eq!(seats, [(false, Some(10)), (false, Some(12))], "who was not level was not part of it");
    }

    #[test]
    fn who_joins_while_he_is_told_who_is_present_keeps_his_place() {
        let mut inner = room(1);
        inner.seats.get_mut(&FIRST).unwrap().position = None;
        let mut news = News { states: Some(Bytes::from_static(b"somebody")), ..news(Vec::new()) };
        let due = inner.distribute(&mut news);
        assert_eq!(due[0].position, None, "he has not joined");
        inner.seats.get_mut(&FIRST).unwrap().joins(20);
        inner.fall_behind(&due[0]);
        assert_eq!(inner.seats[&FIRST].position, Some(20));
    }

    #[test]
    fn where_many_come_at_once_their_sessions_tell_them_of_each_other() {
        let mut inner = room(3);
        let states = Some(Bytes::from(vec![0; MAX_PRESENCE_BYTES / 2 + 1]));
        let movers = [SeatId(0), SeatId(1)].into();
        let due = inner.distribute(&mut News { states, movers, ..news(Vec::new()) });
        assert_eq!(due.iter().map(|due| due.seat).collect::<Vec<_>>(), [SeatId(2)]);
        let level: Vec<_> = inner.seats.values().map(|seated| seated.is_level).collect();
        assert_eq!(level, [false, false, true]);
    }
}
