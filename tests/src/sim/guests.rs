//! Guests: clients of other protocols, which have no log and speak to one relay about one document.
//!
//! They do as clients of Yjs do: when they come they say what they hold, when they are asked they answer with all that the
//! relay lacks, what they write they send at once, and ask whether it is on disk. Their lines are ordered and break; a guest
//! that dies comes back as a new one that holds nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline_core::crdt::{self, Crdt, Exchange};
use syncline_core::entry::Spec;
use syncline_core::id::{DocId, Have, ReplicaId};
use syncline_core::operation::EditError;

use super::network::{NodeId, STRANGER};
use super::room::Room;
use super::workload::{self, Taste};
use super::world::{Happening, World};

/// Names a guest.
pub(super) type GuestId = usize;

/// Names a line between a guest and a relay.
pub(super) type LineId = u64;

/// What guests and relays say to each other.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// I hold this much; what do I lack?
    Vector(Bytes),
    /// You lack this.
    Answer(Bytes),
    /// This is new.
    Update(Bytes),
    /// Are all edits up to this one on disk? They are.
    Status(usize),
}

/// What happens between guests and relays.
pub(super) enum Visit {
    /// A guest tries to reach its relay, if no newer attempt was planned.
    Dial(GuestId, u64),
    /// A message reaches the relay.
    ToRelay(GuestId, LineId, Says),
    /// A message reaches the guest.
    ToGuest(GuestId, LineId, Says),
    /// The relay learns that the line is gone.
    Left(GuestId, LineId),
    /// The guest learns it.
    Sent(GuestId, LineId),
    /// There may be news for those who have a document at a relay.
    News(NodeId, DocId),
    /// Some guest writes.
    Write,
    /// Some guest's line breaks, or it dies.
    Mishap,
}

/// All guests, and the rooms in which they are.
#[derive(Default)]
pub(super) struct Guests {
    pub all: Vec<Client>,
    pub rooms: BTreeMap<(NodeId, DocId), Room>,
    lines: LineId,
}

impl Guests {
    /// Where a line ends. A guest that has another line may be a new one.
    pub fn relay_of(&self, guest: GuestId, line: LineId) -> NodeId {
        let room = self.rooms.iter().find(|(_, room)| room.seats.contains_key(&line));
        room.map_or(self.all[guest].relay, |((node, _), _)| *node)
    }
}

/// A guest.
pub(super) struct Client {
    pub relay: NodeId,
    pub doc: DocId,
    pub document: Box<dyn Crdt>,
    /// The markers of what it has written, and how many of them are known to be on disk.
    pub edits: Vec<u64>,
    pub saved: usize,
    pub line: Option<Line>,
    attempt: u64,
}

/// A line as its guest sees it.
pub(super) struct Line {
    pub id: LineId,
    /// When the last message arrives at the relay, and at the guest.
    last_arrivals: [u64; 2],
}

impl Client {
    fn new(relay: NodeId, doc: DocId, spec: Spec, writer: ReplicaId) -> Self {
        let mut document = crdt::create(spec);
        document.write_as(writer);
        Self { relay, doc, document, edits: Vec::new(), saved: 0, line: None, attempt: 0 }
    }

    pub fn exchange(&mut self) -> &mut dyn Exchange {
        self.document.exchange().expect("guests have documents that are spoken of outside")
    }

    fn version(&self) -> Bytes {
        self.document.version().expect("such documents tell their version")
    }
}

impl World {
    /// Guests come, and what will happen to them is planned.
    pub fn invite(&mut self) {
        for _ in 0..self.options.guests {
            let guest = self.new_guest();
            self.guests.all.push(guest);
            self.plan_dial(self.guests.all.len() - 1, 1_000);
        }
        if self.options.guests > 0 {
            self.plan_visit(500, Visit::Write);
            self.plan_visit(1_000, Visit::Mishap);
        }
    }

    fn new_guest(&mut self) -> Client {
        let relay = self.random.index(self.options.relays);
        let (doc, spec) = self.some_document();
        Client::new(relay, doc, spec, ReplicaId::new(self.random.bytes()))
    }

    fn some_document(&mut self) -> (DocId, Spec) {
        let at = self.random.index(self.documents.len());
        let (doc, spec) = self.documents.iter().nth(at).expect("there are documents");
        (doc.clone(), *spec)
    }

    pub fn plan_visit(&mut self, time: u64, visit: Visit) {
        self.plans.plan(time.max(self.now + 1), Happening::Visit(visit));
    }

    pub fn visit(&mut self, visit: Visit) -> Result<(), String> {
        match visit {
            Visit::Dial(guest, attempt) => self.call_on(guest, attempt),
            Visit::ToRelay(guest, line, says) => self.relay_hears(guest, line, says),
            Visit::ToGuest(guest, line, says) => self.guest_hears(guest, line, says),
            Visit::Left(guest, line) => self.leave_room(guest, line),
            Visit::Sent(guest, line) => {
                if self.is_on(guest, line) {
                    self.hang_up(guest);
                }
                Ok(())
            }
            Visit::News(node, doc) => self.on_news(node, &doc),
            Visit::Write => self.write_somewhere(),
            Visit::Mishap => self.mishap(),
        }
    }

    fn is_on(&self, guest: GuestId, line: LineId) -> bool {
        self.guests.all[guest].line.as_ref().is_some_and(|held| held.id == line)
    }

    fn plan_dial(&mut self, guest: GuestId, within: u64) {
        let client = &mut self.guests.all[guest];
        client.attempt += 1;
        let attempt = client.attempt;
        let time = self.now + 1 + self.random.below(within);
        self.plan_visit(time, Visit::Dial(guest, attempt));
    }

    /// A guest calls on its relay and says at once what it holds.
    fn call_on(&mut self, guest: GuestId, attempt: u64) -> Result<(), String> {
        let client = &self.guests.all[guest];
        if client.attempt != attempt || client.line.is_some() {
            return Ok(());
        }
        let (relay, doc, version) = (client.relay, client.doc.clone(), client.version());
        if !self.nodes[relay].is_awake() {
            self.plan_dial(guest, 2_000);
            return Ok(());
        }
        self.guests.lines += 1;
        let id = self.guests.lines;
        self.guests.all[guest].line = Some(Line { id, last_arrivals: [self.now; 2] });
        self.note(relay, &[30, id], &[], || format!("guest {guest} of {doc} has line {id}"));
        self.say_to_relay(guest, Says::Vector(version));
        self.enter_room(relay, &doc, guest, id)
    }

    /// The guest no longer has its line, and tries to get another one.
    fn hang_up(&mut self, guest: GuestId) {
        self.guests.all[guest].line = None;
        self.plan_dial(guest, 2_000);
    }

    fn say_to_relay(&mut self, guest: GuestId, says: Says) {
        if let Some((line, arrives)) = self.arrival(guest, 0) {
            self.plan_visit(arrives, Visit::ToRelay(guest, line, says));
        }
    }

    /// The relay says something on a line, which the guest may have lost.
    pub fn say_to_guest(&mut self, guest: GuestId, line: LineId, says: Says) {
        if self.is_on(guest, line)
            && let Some((line, arrives)) = self.arrival(guest, 1)
        {
            self.plan_visit(arrives, Visit::ToGuest(guest, line, says));
        }
    }

    fn arrival(&mut self, guest: GuestId, to: usize) -> Option<(LineId, u64)> {
        let delay = 1 + self.random.below(self.options.delay);
        let line = self.guests.all[guest].line.as_mut()?;
        line.last_arrivals[to] = line.last_arrivals[to].max(self.now + delay);
        Some((line.id, line.last_arrivals[to]))
    }

    fn guest_hears(&mut self, guest: GuestId, line: LineId, says: Says) -> Result<(), String> {
        if !self.is_on(guest, line) {
            return Ok(());
        }
        self.last_frame = self.now;
        self.note(STRANGER, &[31, line], &[], || format!("guest {guest} hears {says:?}"));
        match says {
            Says::Vector(version) => {
                let client = &mut self.guests.all[guest];
                let edits = client.edits.len();
                let lacking = client.exchange().missing(&version);
                let lacking = lacking.map_err(|error| format!("a relay tells a bad version: {error}"))?;
                self.say_to_relay(guest, Says::Answer(lacking));
                self.say_to_relay(guest, Says::Status(edits));
                Ok(())
            }
            Says::Answer(update) | Says::Update(update) => self.guest_takes(guest, &update),
            Says::Status(edits) => self.guest_is_told(guest, edits),
        }
    }

    /// Whatever a relay sends is good, and of what replicas wrote it is what is on its disk.
    fn guest_takes(&mut self, guest: GuestId, update: &Bytes) -> Result<(), String> {
        if update.is_empty() {
            return Ok(());
        }
        let client = &mut self.guests.all[guest];
        let taken = client.exchange().receive(Have::NONE, update);
        taken.map_err(|error| format!("guest {guest} cannot take what it is sent: {error}"))?;
        self.counts.add("update received by a guest", 1);
        let family = self.documents.get(&client.doc).map(|spec| spec.family);
        let seen = family.map(|family| workload::numbered(&*client.document, family, 'e'));
        let doc = client.doc.clone();
        seen.unwrap_or_default().into_iter().try_for_each(|marker| self.check_shown(guest, &doc, marker))
    }

    /// All edits up to this one are said to be on the relay's disk.
    fn guest_is_told(&mut self, guest: GuestId, edits: usize) -> Result<(), String> {
        let client = &mut self.guests.all[guest];
        let told: Vec<u64> = client.edits[client.saved.min(edits)..edits].to_vec();
        client.saved = client.saved.max(edits);
        let doc = client.doc.clone();
        self.counts.add("edit of a guest saved at a relay", told.len() as u64);
        told.into_iter().try_for_each(|marker| self.on_guest_saved(guest, &doc, marker))
    }

    fn write_somewhere(&mut self) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let wait = 1 + self.random.below(2 * self.options.edit_every);
        self.plan_visit(self.now + wait, Visit::Write);
        let guest = self.random.index(self.guests.all.len());
        self.guest_writes(guest)
    }

    fn guest_writes(&mut self, guest: GuestId) -> Result<(), String> {
        let marker = self.oracle.next_marker();
        let client = &mut self.guests.all[guest];
        let Some(spec) = self.documents.get(&client.doc).copied() else { return Ok(()) };
        let taste = Taste { family: spec.family, kind: spec.kind, forbidden: 0.0, poison: 0.0 };
        let mut operations = workload::operations(&mut self.random, &*client.document, &taste, marker);
        let mut done = Vec::new();
        for operation in operations.drain(..) {
            match client.document.perform(&operation) {
                Ok(()) => done.push(operation),
                Err(EditError::NotFound { .. }) => {}
                Err(error) => return Err(format!("guest {guest} could not edit: {error}")),
            }
        }
        let update = client.document.take_local().map_err(|error| error.to_string())?;
        let update = update.ok_or("an edit with a marker makes an update")?;
        client.edits.push(marker);
        let (doc, edits, version) = (client.doc.clone(), client.edits.len(), client.version());
        self.note(STRANGER, &[32, marker], &[], || format!("guest {guest} edits {doc} with marker {marker}"));
        self.counts.add("edit of a guest", 1);
        self.oracle.note_guest_edit(&doc, spec.family, marker, done, &update, &version)?;
        self.say_to_relay(guest, Says::Update(update));
        self.say_to_relay(guest, Says::Status(edits));
        Ok(())
    }

    /// A line breaks, of which each side learns in its own time; or the guest dies.
    fn mishap(&mut self) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let again = self.now + 1 + self.random.below(2 * self.options.guest_mishaps);
        self.plan_visit(again, Visit::Mishap);
        let guest = self.random.index(self.guests.all.len());
        if let Some(line) = self.guests.all[guest].line.as_ref().map(|line| line.id) {
            let late = [10, self.options.delay, 10_000][self.random.index(3)];
            let late = self.now + 1 + self.random.below(late);
            self.plan_visit(late, Visit::Left(guest, line));
            self.hang_up(guest);
            self.counts.add("line of a guest cut", 1);
        }
        if self.random.chance(0.2) {
            self.guests.all[guest] = self.new_guest();
            self.plan_dial(guest, 2_000);
            self.counts.add("guest died", 1);
        }
        Ok(())
    }
}
