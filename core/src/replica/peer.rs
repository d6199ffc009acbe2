//! One document on one link: how far each side holds the other's log, and what goes out next.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::connection::Greeted;
use super::outbound::FULL_FRAME_BYTES;
use crate::entry::{Cursor, Digest};
use crate::event::{PeerCursor, Snapshot, StoredEntry};
use crate::id::{DocId, EntryId, Epoch, Have};
use crate::log::Log;
use crate::wire::{MAX_SNAPSHOT_PART_BYTES, Message, Numbered};

/// Most entries that are remembered as durable at a peer although some in front of them are not known to be. A peer that
/// is not to acknowledge never closes such gaps, where others write as well.
const MAX_SETTLED: usize = 4_096;

/// What a document and a peer know of each other, for as long as the link lasts.
pub(super) struct Peer {
    pub greeted: Greeted,
    /// Whether entries are passed on before they are on this disk, as a relay does.
    forwards: bool,
    pub sending: Sending,
    pub receiving: Receiving,
    /// Entries the peer said it holds, or sent itself.
    pub held: Have,
    /// What will be remembered of the peer's log. The epoch is right once the peer has opened.
    pub cursor: PeerCursor,
    /// What was known of logs when the document was opened here, in the order in which they were named to the
    /// peer. A log that was copied has two owners, and what is learned of one in the meantime is not true of
    /// the other.
    pub named: Vec<PeerCursor>,
    /// The end of the peer's log when it opened the document.
    pub their_log: u64,
    /// The end of our log when we did: at least that far the peer waits to be told that it has everything.
    pub our_log: u64,
    /// Entries the peer sent that it has not called durable: their offset there, here, and their name.
    pub unsettled: VecDeque<(u64, u64, EntryId)>,
    /// Offsets of our log beyond `cursor.covered` that are durable at the peer.
    settled: BTreeSet<u64>,
    /// Whether an entry of the peer's log was refused. Its log is then followed no further: should the refusal get
    /// lost, the entry comes again; once it is obeyed, the peer starts again.
    pub refused: bool,
    /// How often the peer sent entries without those in front of them.
    pub gaps: u32,
    /// Whether the application was told that both are in sync.
    pub announced: bool,
}

/// Our log on its way to the peer.
pub(super) enum Sending {
    /// The peer has not opened the document.
    Closed,
    /// The peer's cursor fits; what it thinks of ours decides where to begin.
    Awaiting { from: u64 },
    /// The peer's cursor does not fit; it was asked what it holds.
    AskedHave,
    /// The peer lacks entries that only a snapshot holds.
    Snapshot {
        snapshot: Arc<Snapshot>,
        sent: usize,
        /// Whether the next part has waited for a frame of its own.
        let_pass: bool,
    },
    /// Entries follow one another.
    Live {
        /// Everything up to here was sent or skipped.
        next: u64,
        /// The peer knows that this much is durable; `None` until the first `Durable` after a `Have`.
        confirmed: Option<u64>,
        /// Whether something was sent that a `Durable` must cover.
        owes: bool,
    },
}

/// The peer's log on its way to us.
pub(super) enum Receiving {
    /// The peer has not said from where it sends.
    Waiting {
        /// Whether it was told what we hold, rather than a cursor.
        told_have: bool,
    },
    /// Entries follow one another.
    Live {
        /// Whether they follow what we told we hold, so that a snapshot may come first.
        told_have: bool,
    },
    /// A snapshot comes in pieces.
    Snapshot { cursor: Cursor, covers: Have, total: u64, state: Vec<u8> },
}

/// A part of a log without a gap, and how far that is durable, if that is news: equal stretches are equal messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    from: u64,
    to: u64,
    durable: Option<Cursor>,
}

impl Stretch {
    const fn is_empty(&self) -> bool {
        self.from == self.to && self.durable.is_none()
    }

    /// What a peer is sent of it.
    pub fn messages(&self, doc: &DocId, log: &Log) -> Vec<Message> {
        messages(doc, log.between(self.from, self.to), self.durable)
    }
}

/// Entries for a peer, and how far the log is durable.
fn messages<'a>(
    doc: &DocId,
    entries: impl Iterator<Item = &'a StoredEntry>,
    durable: Option<Cursor>,
) -> Vec<Message> {
    let numbered = |stored: &StoredEntry| Numbered { offset: stored.offset, entry: stored.entry.clone() };
    let entries: Vec<Numbered> = entries.map(numbered).collect();
    let entries = (!entries.is_empty()).then(|| Message::Entries { doc: doc.clone(), entries });
    let durable = durable.map(|cursor| Message::Durable { doc: doc.clone(), cursor });
    entries.into_iter().chain(durable).collect()
}

/// A part of a snapshot.
pub(super) struct Part {
    pub snapshot: Arc<Snapshot>,
    /// From which byte on, and up to which.
    pub from: usize,
    pub to: usize,
}

/// Some messages for a peer.
#[derive(Default)]
pub(super) struct Portion {
    pub messages: Vec<Message>,
    /// How many entries it carries.
    pub entries: usize,
    /// The part of the log that it is, if it is nothing else: then there are no messages, which are made where no other peer has had
    /// them made.
    pub stretch: Option<Stretch>,
    /// What part of a snapshot it is, if it is one.
    pub part: Option<Part>,
    /// Whether there is more where this came from.
    pub more: bool,
}

impl Peer {
    pub fn new(greeted: Greeted, forwards: bool) -> Self {
        let nowhere = Cursor { epoch: Epoch::new([0; 16]), offset: 0, digest: Digest::default() };
        let relay = greeted.info.relay;
        Self {
            greeted,
            forwards,
            sending: Sending::Closed,
            receiving: Receiving::Waiting { told_have: false },
            held: Have::default(),
            cursor: PeerCursor { theirs: nowhere, relay, acked: 0, covered: 0 },
            named: Vec::new(),
            their_log: 0,
            our_log: 0,
            unsettled: VecDeque::new(),
            settled: BTreeSet::new(),
            refused: false,
            gaps: 0,
            announced: false,
        }
    }

    /// Goes on from the peer's cursor, or from an entry further on that it is known to hold: then it is told so,
    /// as its cursor has not heard of that, or its acknowledgement got lost.
    pub fn resume_from(&mut self, cursor: u64, held: u64) {
        let next = cursor.max(held);
        let unacknowledged = self.cursor.covered < next;
        let confirmed = if next == cursor && unacknowledged { cursor.saturating_sub(1) } else { cursor };
        self.sending =
            Sending::Live { next, confirmed: Some(confirmed), owes: unacknowledged || next > cursor };
    }

    /// Starts at an offset of which the peer has no cursor.
    fn start_from(&mut self, offset: u64) {
        self.sending = Sending::Live { next: offset, confirmed: None, owes: true };
    }

    /// The peer holds these entries, and what it lacks of the base comes as a snapshot. Of what is not here only the
    /// peer needs to keep a note: it will send that.
    pub fn send_missing(&mut self, log: &Log, have: &Have) {
        self.held = have.within(log.have());
        match log.base() {
            Some(base) if !self.held.includes(&base.covers) => {
                self.sending = Sending::Snapshot { snapshot: base.clone(), sent: 0, let_pass: false };
            }
            _ => {
                self.start_from(log.base_offset());
            }
        }
    }

    /// Notes that an entry of our log is durable at the peer.
    pub fn settle(&mut self, offset: u64) {
        if offset > self.cursor.covered {
            self.settled.insert(offset);
            self.cover();
        }
        // Forgetting one costs no more than asking for an acknowledgement, or saying something again.
        if self.settled.len() > MAX_SETTLED {
            self.settled.pop_first();
        }
    }

    /// Notes that our log up to `offset` is durable at the peer.
    pub fn cover_to(&mut self, offset: u64) {
        self.cursor.covered = self.cursor.covered.max(offset);
        self.cover();
    }

    fn cover(&mut self) {
        while self.settled.first().is_some_and(|offset| *offset <= self.cursor.covered + 1) {
            self.cursor.covered = self.cursor.covered.max(self.settled.pop_first().unwrap_or_default());
        }
    }

    /// Forgets what was known of our log at the peer: it was renumbered, or the peer lost it.
    pub fn uncover(&mut self, offset: u64) {
        for cursor in &mut self.named {
            (cursor.acked, cursor.covered) = (cursor.acked.min(offset), cursor.covered.min(offset));
        }
        self.cursor.acked = self.cursor.acked.min(offset);
        self.cursor.covered = self.cursor.covered.min(offset);
        self.settled.clear();
        self.unsettled.clear();
    }

    /// Takes the peer's log for one that holds a refused entry.
    pub const fn stop_following(&mut self) {
        self.refused = true;
        self.cursor.theirs.offset = 0;
    }

    /// The peer starts its log again, so what it sent is not called durable by what it says next: it is asked to
    /// acknowledge it.
    pub fn start_again(&mut self) {
        if !self.unsettled.is_empty() {
            self.unsettled.clear();
            self.owe();
        }
        self.cursor.theirs.offset = 0;
        self.refused = false;
    }

    /// How far the peer may acknowledge our log.
    pub const fn confirmed(&self) -> u64 {
        match &self.sending {
            Sending::Live { confirmed: Some(confirmed), .. } => *confirmed,
            Sending::Live { confirmed: None, .. }
            | Sending::Closed
            | Sending::Awaiting { .. }
            | Sending::AskedHave
            | Sending::Snapshot { .. } => 0,
        }
    }

    /// Makes the next `Durable` leave even if nothing was sent: the peer's acknowledgement is wanted.
    pub const fn owe(&mut self) {
        if let Sending::Live { owes, .. } = &mut self.sending {
            *owes = true;
        }
    }

    /// Bytes of the snapshot that is coming in.
    pub const fn incoming(&self) -> u64 {
        match &self.receiving {
            Receiving::Snapshot { state, .. } => state.len() as u64,
            Receiving::Waiting { .. } | Receiving::Live { .. } => 0,
        }
    }

    /// The snapshot that is on its way to it.
    pub const fn outgoing_snapshot(&self) -> Option<&Arc<Snapshot>> {
        match &self.sending {
            Sending::Snapshot { snapshot, .. } => Some(snapshot),
            Sending::Closed | Sending::Awaiting { .. } | Sending::AskedHave | Sending::Live { .. } => None,
        }
    }

    /// Whether nothing of it is kept in memory but how far each side holds the other's log: no snapshot is on its way.
    pub const fn may_rest(&self) -> bool {
        self.outgoing_snapshot().is_none() && !matches!(self.receiving, Receiving::Snapshot { .. })
    }

    /// Whether the peer, which gets entries before they are durable, is still to be told that some are.
    pub const fn lacks_durable(&self, log: &Log) -> bool {
        self.forwards
            && matches!(self.sending, Sending::Live { confirmed: Some(confirmed), .. } if confirmed < log.durable())
    }

    /// Whether the peer, which gets entries before they are durable, waits to be told that they are: it does until it knows that
    /// it has all that was there when it came.
    pub const fn waits_for_durable(&self) -> bool {
        match &self.sending {
            Sending::Live { confirmed: Some(confirmed), .. } => *confirmed < self.our_log,
            Sending::Live { confirmed: None, .. }
            | Sending::Closed
            | Sending::Awaiting { .. }
            | Sending::AskedHave
            | Sending::Snapshot { .. } => true,
        }
    }

    /// Whether both hold the same entries, as far as both know; `head` is where our log ends.
    pub fn in_sync(&self, head: u64) -> bool {
        matches!(self.sending, Sending::Live { .. })
            && matches!(self.receiving, Receiving::Live { .. })
            && self.cursor.theirs.offset >= self.their_log
            && self.holds_up_to(head)
    }

    /// Whether the peer holds our log: what is durable there, and what it has sent itself.
    fn holds_up_to(&self, head: u64) -> bool {
        let covered = self.cursor.covered;
        let missing = head.saturating_sub(covered);
        if missing > (self.settled.len() + self.unsettled.len()) as u64 {
            return false;
        }
        // Where others write there is always something that the peer has sent and has not called durable.
        let sent = |(_, ours, _): &&(u64, u64, EntryId)| *ours > covered && !self.settled.contains(ours);
        missing <= (self.settled.len() + self.unsettled.iter().filter(sent).count()) as u64
    }

    /// What goes out next, up to about `budget` bytes, alone in a frame or not. A part of a large snapshot is worth a frame of its own,
    /// which others may get as well: what else there is for the peer leaves before it, once.
    pub fn portion(&mut self, doc: &DocId, log: &Log, budget: usize, alone: bool) -> Option<Portion> {
        let mut portion = Portion::default();
        if let Sending::Snapshot { snapshot, let_pass, .. } = &mut self.sending {
            let is_large = snapshot.state.len() > FULL_FRAME_BYTES;
            *let_pass = !alone && is_large && !*let_pass;
            if *let_pass {
                return Some(Portion { more: true, ..portion });
            }
            self.snapshot_parts(doc, log, budget, &mut portion);
        } else if let Sending::Live { next, .. } = self.sending {
            if next < log.base_offset() {
                self.sending = Sending::AskedHave;
                portion.messages.push(Message::NeedHave { doc: doc.clone() });
            } else {
                self.entries(doc, log, budget, &mut portion);
            }
        }
        let is_something = portion.stretch.is_some_and(|stretch| !stretch.is_empty());
        (is_something || !portion.messages.is_empty()).then_some(portion)
    }

    fn snapshot_parts(&mut self, doc: &DocId, log: &Log, budget: usize, portion: &mut Portion) {
        let Sending::Snapshot { snapshot, sent, .. } = &mut self.sending else { return };
        let (base, total, from, mut size) = (snapshot.offset, snapshot.state.len(), *sent, 0);
        while size <= budget {
            let end = total.min(*sent + MAX_SNAPSHOT_PART_BYTES);
            portion.messages.push(Message::SnapshotPart {
                doc: doc.clone(),
                cursor: Cursor { epoch: log.epoch(), offset: base, digest: snapshot.digest },
                covers: (*sent == 0).then(|| snapshot.covers.clone()),
                total: total as u64,
                bytes: snapshot.state.slice(*sent..end),
            });
            size += end - *sent;
            *sent = end;
            if end == total {
                break;
            }
        }
        let (snapshot, to) = (snapshot.clone(), *sent);
        if to == total {
            self.start_from(base);
        }
        portion.part = Some(Part { snapshot, from, to });
        portion.more = true;
    }

    fn entries(&mut self, doc: &DocId, log: &Log, budget: usize, portion: &mut Portion) {
        let Sending::Live { next, confirmed, owes } = &mut self.sending else { return };
        let limit = if self.forwards { log.head() } else { log.durable() };
        let (from, mut size, mut skipped) = (*next, 0, false);
        for stored in log.between(from, limit) {
            if size > budget {
                break;
            }
            if self.held.covers(&stored.entry.id) {
                skipped = true;
                let told = |entry: &(u64, u64, EntryId)| entry.1.cmp(&stored.offset);
                let durable_there =
                    stored.offset <= self.cursor.covered || self.settled.contains(&stored.offset);
                // The peer holds it, but will not say so by itself: its acknowledgement is wanted.
                *owes |= !durable_there && self.unsettled.binary_search_by(told).is_err();
            } else {
                size += stored.entry.cost();
                portion.entries += 1;
            }
            *next = stored.offset;
        }
        *owes |= portion.entries > 0 || (skipped && from < self.our_log);
        portion.more = *next < limit;
        let durable = log.cursor((*next).min(log.durable()));
        let news = |cursor: &Cursor| confirmed.is_none_or(|confirmed| cursor.offset > confirmed);
        let durable = durable.filter(|cursor| news(cursor) && (*owes || self.forwards));
        if let Some(cursor) = durable {
            *confirmed = Some(cursor.offset);
            *owes = *next > cursor.offset;
        }
        if skipped {
            let lacks = |stored: &&StoredEntry| !self.held.covers(&stored.entry.id);
            portion.messages.extend(messages(doc, log.between(from, *next).filter(lacks), durable));
        } else {
            portion.stretch = Some(Stretch { from, to: *next, durable });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{PeerInfo, Side};

    #[test]
    fn what_is_durable_behind_a_gap_is_remembered_up_to_a_limit() {
        let info = PeerInfo { agent: String::new(), relay: false, version: 1 };
        let mut peer =
            Peer::new(Greeted { info, wants_acks: true, side: Side::Accepted, visitor: None }, true);
        let most = MAX_SETTLED as u64;
        (0..most).for_each(|number| peer.settle(2 * number + 2));
        assert_eq!((peer.settled.len(), peer.settled.first()), (MAX_SETTLED, Some(&2)));
        peer.settle(2 * most + 2);
        assert_eq!((peer.settled.len(), peer.settled.first()), (MAX_SETTLED, Some(&4)));
        peer.cover_to(2 * most + 1);
        assert_eq!((peer.settled.len(), peer.cursor.covered), (0, 2 * most + 2));
    }
}
