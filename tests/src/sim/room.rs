//! Rooms: what a relay does for its guests, as the real relay's rooms and sessions do it.
//!
//! A seat has a position in the log, and is sent what comes behind it. What it is told for good - the answer to what it
//! holds, and that its edits are saved - waits until the log is on disk as far as that goes; meanwhile it hears nothing else.

use std::collections::{BTreeMap, VecDeque};

use syncline_core::crdt::GateError;
use syncline_core::entry::Seen;
use syncline_core::id::{DocId, Principal, ReplicaId};
use syncline_core::log::Log;
use syncline_core::protocol::y_websocket::{HOLDS_NOTHING, NOTHING};
use syncline_core::replica::{ContributeError, Guest, Replica};

use super::guests::{GuestId, LineId, Says, Visit};
use super::network::NodeId;
use super::plant::Plant;
use super::world::World;

/// How somebody says that he holds nothing, in heads and in a state vector.
const NOTHING_HELD: [&[u8]; 2] = [&[], HOLDS_NOTHING];

/// Updates that bring nothing, of Automerge and of Yjs.
const NOTHING_BROUGHT: [&[u8]; 2] = [&[], NOTHING];

/// A document at a relay, for guests.
#[derive(Default)]
pub(super) struct Room {
    open: bool,
    /// Whether somebody is about to look whether there are news.
    news: bool,
    pub seats: BTreeMap<LineId, Seat>,
}

/// A guest in a room.
pub(super) struct Seat {
    guest: GuestId,
    replica: ReplicaId,
    /// What it said and was not heard yet.
    pub inbox: VecDeque<Says>,
    /// What it is told once the log is on disk up to there.
    held: Option<(u64, Vec<Says>)>,
    /// Up to where it was sent the log, if it has joined.
    position: Option<u64>,
    /// Up to where in the log what it sent goes.
    sent: u64,
    questions: VecDeque<(u64, usize)>,
    greeted: bool,
    awaits_answer: bool,
}

/// Why a seat cannot be served now.
enum Stop {
    /// The document must be built first.
    NotBuilt,
    /// The guest is sent away.
    Leave,
    /// A promise is broken.
    Broken(String),
}

impl World {
    pub fn enter_room(
        &mut self,
        node: NodeId,
        doc: &DocId,
        guest: GuestId,
        line: LineId,
    ) -> Result<(), String> {
        let now = self.nodes[node].time(self.now);
        let Some(replica) = &mut self.nodes[node].replica else { return Ok(()) };
        let (inbox, questions) = (VecDeque::new(), VecDeque::new());
        let seat = Seat {
            guest,
            replica: replica.new_guest(),
            inbox,
            held: None,
            position: None,
            sent: 0,
            questions,
            greeted: false,
            awaits_answer: true,
        };
        let room = self.guests.rooms.entry((node, doc.clone())).or_default();
        if room.seats.is_empty() && !room.open {
            replica.host(now, doc, self.documents.get(doc).copied());
        }
        room.seats.insert(line, seat);
        self.perform(node)?;
        self.plan_news(node, doc);
        Ok(())
    }

    /// The relay learns that a guest is gone. A room that is empty is closed.
    pub fn leave_room(&mut self, guest: GuestId, line: LineId) -> Result<(), String> {
        let found = self.guests.rooms.iter_mut().find(|(_, room)| room.seats.contains_key(&line));
        let Some(((node, doc), room)) = found else { return Ok(()) };
        let (node, doc) = (*node, doc.clone());
        room.seats.remove(&line);
        let empty = room.seats.is_empty();
        self.note(node, &[33, line], &[], || format!("guest {guest} has left"));
        if empty {
            self.guests.rooms.remove(&(node, doc.clone()));
            if let Some(replica) = &mut self.nodes[node].replica {
                replica.unhost(&doc);
            }
        }
        self.perform(node)
    }

    /// Nobody has a seat at a node any more, whose process died or whose store failed.
    pub fn close_rooms(&mut self, node: NodeId, only: Option<&DocId>) {
        let closed = |(at, doc): &(NodeId, DocId)| *at == node && only.is_none_or(|only| only == doc);
        let keys: Vec<_> = self.guests.rooms.keys().filter(|key| closed(key)).cloned().collect();
        for key in keys {
            let room = self.guests.rooms.remove(&key).unwrap_or_default();
            if let Some(replica) = &mut self.nodes[node].replica {
                replica.unhost(&key.1);
            }
            for (line, seat) in room.seats {
                let late = self.now + 1 + self.random.below(self.options.delay);
                self.plan_visit(late, Visit::Sent(seat.guest, line));
            }
        }
    }

    pub fn plan_news(&mut self, node: NodeId, doc: &DocId) {
        let room = self.guests.rooms.get_mut(&(node, doc.clone()));
        if room.is_some_and(|room| !std::mem::replace(&mut room.news, true)) {
            self.plan_visit(self.now + 1, Visit::News(node, doc.clone()));
        }
    }

    /// The document can be used by guests.
    pub fn open_room(&mut self, node: NodeId, doc: &DocId) {
        if let Some(room) = self.guests.rooms.get_mut(&(node, doc.clone())) {
            room.open = true;
        }
        self.plan_news(node, doc);
    }

    pub fn relay_hears(&mut self, guest: GuestId, line: LineId, says: Says) -> Result<(), String> {
        let found = self.guests.rooms.iter_mut().find(|(_, room)| room.seats.contains_key(&line));
        let Some(((node, doc), room)) = found else { return Ok(()) };
        let (node, doc) = (*node, doc.clone());
        if let Some(seat) = room.seats.get_mut(&line) {
            seat.inbox.push_back(says.clone());
        }
        self.last_frame = self.now;
        self.note(node, &[34, line], &[], || format!("hears of guest {guest} {says:?}"));
        self.serve(node, &doc)
    }

    /// There may be news.
    pub fn on_news(&mut self, node: NodeId, doc: &DocId) -> Result<(), String> {
        if let Some(room) = self.guests.rooms.get_mut(&(node, doc.clone())) {
            room.news = false;
        }
        self.serve(node, doc)
    }

    /// Does for everybody in a room what can be done now.
    pub fn serve(&mut self, node: NodeId, doc: &DocId) -> Result<(), String> {
        let key = (node, doc.clone());
        let Some(room) = self.guests.rooms.get(&key).filter(|room| room.open) else { return Ok(()) };
        if self.nodes[node].replica.is_none() {
            return Ok(());
        }
        let lines: Vec<LineId> = room.seats.keys().copied().collect();
        for line in lines {
            let seat = self.guests.rooms.get_mut(&key).and_then(|room| room.seats.remove(&line));
            let Some(mut seat) = seat else { continue };
            let served = self.serve_seat(node, doc, line, &mut seat);
            let (guest, stays) = (seat.guest, !matches!(served, Err(Stop::Leave)));
            if let Some(room) = self.guests.rooms.get_mut(&key).filter(|_| stays) {
                room.seats.insert(line, seat);
            }
            match served {
                Ok(()) => {}
                Err(Stop::NotBuilt) => self.build(node, doc)?,
                Err(Stop::Leave) => self.plan_visit(self.now + 1, Visit::Sent(guest, line)),
                Err(Stop::Broken(reason)) => return Err(reason),
            }
        }
        Ok(())
    }

    fn build(&mut self, node: NodeId, doc: &DocId) -> Result<(), String> {
        let now = self.nodes[node].time(self.now);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.build(now, doc);
        }
        self.perform(node)
    }

    fn serve_seat(&mut self, node: NodeId, doc: &DocId, line: LineId, seat: &mut Seat) -> Result<(), Stop> {
        loop {
            if !self.let_go(node, doc, line, seat) {
                return Ok(());
            }
            if !seat.greeted {
                seat.greeted = true;
                self.ask(node, doc, line, seat).inspect_err(|_| seat.greeted = false)?;
            }
            let Some(says) = seat.inbox.front().cloned() else { break };
            match says {
                Says::Vector(version) => self.join(node, doc, seat, &version)?,
                Says::Answer(update) => {
                    // What is sent may have a gap, and then the guest is asked again.
                    seat.awaits_answer = false;
                    self.contribute(node, doc, line, seat, &update)?;
                    let sent = seat.sent;
                    seat.questions.iter_mut().for_each(|question| question.0 = sent);
                }
                Says::Update(update) => self.contribute(node, doc, line, seat, &update)?,
                Says::Status(edits) => seat.questions.push_back((seat.sent, edits)),
            }
            seat.inbox.pop_front();
        }
        self.answer(node, doc, line, seat);
        self.pass_on(node, doc, line, seat)
    }

    fn replica(&self, node: NodeId) -> Result<&Replica, Stop> {
        self.nodes[node].replica.as_ref().ok_or(Stop::Leave)
    }

    fn durable(&self, node: NodeId, doc: &DocId) -> u64 {
        self.replica(node).ok().and_then(|replica| replica.log(doc)).map_or(0, Log::durable)
    }

    /// Tells what waited for the disk; false if it still does.
    fn let_go(&mut self, node: NodeId, doc: &DocId, line: LineId, seat: &mut Seat) -> bool {
        let durable = self.durable(node, doc);
        match seat.held.take() {
            Some((offset, says)) if offset > durable => {
                seat.held = Some((offset, says));
                false
            }
            held => {
                let says = held.into_iter().flat_map(|(_, says)| says);
                says.for_each(|says| self.say_to_guest(seat.guest, line, says));
                true
            }
        }
    }

    /// Asks what the guest holds that is not here.
    fn ask(&mut self, node: NodeId, doc: &DocId, line: LineId, seat: &mut Seat) -> Result<(), Stop> {
        let version = self.replica(node)?.version(doc).ok_or(Stop::NotBuilt)?;
        seat.awaits_answer = true;
        self.say_to_guest(seat.guest, line, Says::Vector(version));
        Ok(())
    }

    /// The guest says what it holds; what it lacks it is told once that is on disk.
    fn join(&mut self, node: NodeId, doc: &DocId, seat: &mut Seat, version: &[u8]) -> Result<(), Stop> {
        let replica = self.nodes[node].replica.as_mut().ok_or(Stop::Leave)?;
        let (mut updates, offset) =
            match replica.all_for_guests(doc, usize::MAX).filter(|_| NOTHING_HELD.contains(&version)) {
                Some(whole) => whole,
                None => {
                    let offset = replica.log(doc).map_or(0, Log::head);
                    let exchange = replica.exchange(doc).ok_or(Stop::NotBuilt)?;
                    let missing =
                        exchange.missing(version).map_err(|error| Stop::Broken(error.to_string()))?;
                    (vec![missing], offset)
                }
            };
        let last = updates.pop().map(Says::Answer);
        let says = updates.into_iter().map(Says::Update).chain(last).collect();
        seat.position = seat.position.max(Some(offset));
        seat.held = Some((offset, says));
        Ok(())
    }

    fn contribute(
        &mut self,
        node: NodeId,
        doc: &DocId,
        line: LineId,
        seat: &mut Seat,
        update: &[u8],
    ) -> Result<(), Stop> {
        let now = self.nodes[node].time(self.now);
        let replica = self.nodes[node].replica.as_mut().ok_or(Stop::Leave)?;
        if NOTHING_BROUGHT.contains(&update) {
            seat.sent = replica.log(doc).map_or(0, Log::head);
            return Ok(());
        }
        let author = Principal::new("guest").expect("a short name");
        let guest = Guest { replica: seat.replica, author, seen: Seen::default() };
        let contributed = replica.contribute(now, doc, &guest, |exchange, replicas| {
            exchange.receive(replicas, update).map(|updates| (updates, ()))
        });
        self.note(node, &[35, line], &[], || format!("takes of guest {}: {contributed:?}", seat.guest));
        let outcome = match contributed {
            Ok(contributed) => {
                seat.sent = contributed.offset;
                Ok(())
            }
            Err(ContributeError::NotBuilt(_)) => Err(Stop::NotBuilt),
            Err(ContributeError::Refused(GateError::Gap { .. })) => {
                self.counts.add("gap in what a guest sent", 1);
                self.ask(node, doc, line, seat)
            }
            Err(ContributeError::Stopped(_) | ContributeError::Busy) => Err(Stop::Leave),
            Err(error) => Err(Stop::Broken(format!("guest {} is refused: {error}", seat.guest))),
        };
        self.perform(node).map_err(Stop::Broken)?;
        self.plan_news(node, doc);
        outcome
    }

    /// Answers the questions whether something has arrived that has.
    fn answer(&mut self, node: NodeId, doc: &DocId, line: LineId, seat: &mut Seat) {
        let lies = self.plant == Some(Plant::AnswerBeforeCommit);
        let durable = if lies { u64::MAX } else { self.durable(node, doc) };
        while let Some((sent, edits)) = seat.questions.front().copied()
            && sent <= durable
            && !seat.awaits_answer
        {
            seat.questions.pop_front();
            self.say_to_guest(seat.guest, line, Says::Status(edits));
        }
    }

    /// Sends what has come to the log, or everything where that does not reach back so far.
    fn pass_on(&mut self, node: NodeId, doc: &DocId, line: LineId, seat: &mut Seat) -> Result<(), Stop> {
        let Some(position) = seat.position else { return Ok(()) };
        let replica = self.replica(node)?;
        let Some(entries) = replica.for_guests(doc, position) else {
            self.counts.add("guest too far behind", 1);
            self.plan_news(node, doc);
            seat.position = None;
            return self.join(node, doc, seat, NOTHING_HELD[0]);
        };
        let entries: Vec<_> = entries.map(|(offset, entry)| (offset, entry.clone())).collect();
        for (offset, entry) in entries {
            seat.position = Some(offset);
            if let (Some(update), true) = (entry.body.update(), entry.id.replica != seat.replica) {
                self.say_to_guest(seat.guest, line, Says::Update(update.clone()));
            }
        }
        Ok(())
    }
}
