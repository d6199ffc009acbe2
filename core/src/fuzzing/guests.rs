//! What fuzzing does to a relay by its guests: they write, and what they send is sent as it is, all at once, again, cut, or
//! injured.
//!
//! A relay that refuses something is as it was. What it takes becomes entries of which anybody can make the document that
//! it shows, this code and the bare libraries alike, and as long as nothing was injured everybody ends with one value.

mod relay;

use bytes::Bytes;

use relay::{Relay, take_all};

use super::Choices;
use super::yjs::{Written, injure, replica_of};
use crate::crdt::automerge::fuzzing::injured_change;
use crate::crdt::yjs::{Yjs, YjsGate};
use crate::crdt::{self, Crdt, Exchange, Gate, GateError, ReceiveError, Writer};
use crate::entry::{Family, Kind, Spec};
use crate::id::Have;
use crate::path::Path;
use crate::random::Random;
use crate::replica::{ContributeError, Guest};
use crate::scripts::{Scripts, Shape};

/// How many guests there are.
const GUESTS: usize = 3;

/// How many things they do at most.
const STEPS: u64 = 40;

/// Sizes into which updates are cut, down to one block each.
const CUT_SIZES: [usize; 4] = [0, 60, 100, 300];

/// How many updates are cut.
const CUTS: u64 = 12;

/// The first byte says which family's guests the rest is about, or that updates are cut.
pub fn guest_updates(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    guests_and_relay(*first, &mut Choices::of_bytes(rest));
}

/// The same with decisions that a seed makes.
pub fn guests_of_seed(first: u8, seed: u64) {
    guests_and_relay(first, &mut Choices::of_seed(seed));
}

fn guests_and_relay(first: u8, choices: &mut Choices<'_>) {
    match first % 3 {
        0 => cut(choices),
        1 => Scene::new(Family::Yjs, choices.once_in(3)).play(choices),
        _ => Scene::new(Family::Automerge, choices.once_in(3)).play(choices),
    }
}

/// Sends drafted updates whole to one document and in parts to another, which must be of one opinion.
fn cut(choices: &mut Choices<'_>) {
    let (mut whole, mut in_parts) = (Yjs::create(Kind::Tree), Yjs::create(Kind::Tree));
    let mut written = Written::default();
    for _ in 0..CUTS {
        let (draft, after) = written.draft(choices);
        let update = draft.write();
        let before = in_parts.version();
        let size = choices.one_of(&CUT_SIZES);
        match (whole.receive(Have::NONE, &update), in_parts.receive_in_parts(Have::NONE, &update, size)) {
            (Ok(_), Ok(parts)) => {
                written = after;
                assert_eq!(whole.version(), in_parts.version(), "{update:?}");
                assert!(hold_alike(&whole, &in_parts), "cut, it is something else: {update:?}");
                assert!(
                    parts.iter().all(|part| part.len() <= update.len()),
                    "a part is larger than the whole"
                );
            }
            (Err(ReceiveError::Refused(whole)), Err(ReceiveError::Refused(in_parts_too))) => {
                assert_eq!(whole, in_parts_too, "{update:?}");
                assert_eq!(in_parts.version(), before, "a refused update leaves no trace");
            }
            (whole, in_parts) => panic!("whole {whole:?}, in parts {in_parts:?}: {update:?}"),
        }
        if choices.is_done() {
            break;
        }
    }
}

/// Both documents of Yjs hold the same blocks at the same places.
fn hold_alike(one: &dyn Crdt, other: &dyn Crdt) -> bool {
    let gates = [one, other].map(|document| {
        let mut gate = YjsGate::new();
        let saved = document.snapshot().expect("what was merged can be saved");
        assert_eq!(gate.admit_snapshot(&saved), Ok(()), "what was saved can be loaded");
        gate
    });
    gates[0].knows_the_same_as(&gates[1])
}

/// A relay and its guests.
struct Scene {
    spec: Spec,
    relay: Relay,
    guests: Vec<(Guest, Box<dyn Crdt>)>,
    /// Drafts of Yjs updates, by clients that are no guest's.
    written: Written,
    /// Whether all guests are.
    honest: bool,
    /// Whether the relay has taken something that no guest has written.
    forged: bool,
}

impl Scene {
    fn new(family: Family, honest: bool) -> Self {
        let spec = Spec { family, kind: Kind::Tree };
        let mut relay = Relay::new(spec);
        let guests = (0..GUESTS).map(|n| {
            let mut document = crdt::create(spec);
            document.write_as(replica_of(1_000 + n as u64));
            (relay.guest(), document)
        });
        let guests = guests.collect();
        Self { spec, relay, guests, written: Written::default(), honest, forged: false }
    }

    fn play(&mut self, choices: &mut Choices<'_>) {
        for _ in 0..STEPS {
            self.step(choices);
            if choices.is_done() {
                break;
            }
        }
        for _ in 0..2 {
            (0..GUESTS).for_each(|at| self.exchange(at));
        }
        self.check();
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let at = choices.index(GUESTS);
        match (choices.below(8), self.honest) {
            (0, _) => self.exchange(at),
            (1, false) if self.spec.family == Family::Yjs => self.forge(choices, at),
            (1 | 2, false) => self.injure(choices, at),
            (_, _) => self.write(choices, at),
        }
        if choices.once_in(8) {
            self.relay.check_log(self.spec, self.forged);
        }
    }

    /// A guest writes, and sends what is new, or everything.
    fn write(&mut self, choices: &mut Choices<'_>, at: usize) {
        let Some(update) = self.edit(choices, at) else { return };
        let sent = if choices.once_in(4) { self.missing(at, &[]) } else { update };
        match self.send(at, &sent) {
            Ok(_) => {}
            // Something before it was refused.
            Err(ContributeError::Refused(GateError::Gap { .. })) => self.exchange(at),
            Err(error) => assert!(self.forged, "what a guest wrote is refused: {error}"),
        }
    }

    fn edit(&mut self, choices: &mut Choices<'_>, at: usize) -> Option<Bytes> {
        let mut random: Random = choices.random();
        let document = &mut self.guests[at].1;
        for _ in 0..=choices.below(3) {
            let root = document.value(&Path::root()).expect("a document can be read");
            document.perform(&Scripts::new(Shape::Tree).operation(&mut random, &root)).ok();
        }
        document.take_local().expect("a document gives its edits")
    }

    /// A guest writes, and something else arrives.
    fn injure(&mut self, choices: &mut Choices<'_>, at: usize) {
        let Some(update) = self.edit(choices, at) else { return };
        let mut sent = update.to_vec();
        match (self.spec.family, choices.below(4)) {
            (Family::Automerge, 1..) => sent = injured_change(&sent, &choices.bytes(4)),
            (_, 3) => sent.extend_from_slice(&update),
            (_, _) => injure(choices, &mut sent),
        }
        self.send_anything(at, &sent);
    }

    /// A guest sends something that no client would write.
    fn forge(&mut self, choices: &mut Choices<'_>, at: usize) {
        let (draft, after) = self.written.draft(choices);
        if self.send_anything(at, &draft.write()) {
            self.written = after;
        }
    }

    /// Whether it was taken.
    fn send_anything(&mut self, at: usize, update: &[u8]) -> bool {
        let sent = self.send(at, update);
        self.forged |= matches!(sent, Ok(1..));
        sent.is_ok()
    }

    /// How many entries it made.
    fn send(&mut self, at: usize, update: &[u8]) -> Result<usize, ContributeError> {
        self.relay.contribute(&self.guests[at].0, update)
    }

    fn missing(&mut self, at: usize, version: &[u8]) -> Bytes {
        exchange_of(&mut *self.guests[at].1).missing(version).expect("a version that the relay has told")
    }

    /// A guest and the relay tell each other what they hold and get what they lack.
    fn exchange(&mut self, at: usize) {
        let sent = self.missing(at, &self.relay.version());
        if !sent.is_empty()
            && let Err(error) = self.send(at, &sent)
        {
            assert!(self.forged, "what the relay lacks is refused: {error}");
        }
        let document = exchange_of(&mut *self.guests[at].1);
        let version = document.version().expect("documents tell their version");
        let lacking = self.relay.missing(&version);
        if !lacking.is_empty() {
            match document.receive(Have::NONE, &lacking) {
                Ok(_) => {}
                Err(error) => assert!(self.forged, "what a guest lacks is refused: {error}"),
            }
        }
        if !self.forged {
            assert_eq!(read(document), self.relay.read(), "after an exchange both read the same");
        }
    }

    fn check(&mut self) {
        self.relay.check_log(self.spec, self.forged);
        take_all(self.spec, &self.relay.updates());
        let values: Vec<String> = self.guests.iter().map(|(_, document)| read(&**document)).collect();
        let same = values.iter().all(|value| *value == self.relay.read());
        assert!(same || self.forged, "everybody ends with one value: {values:?} and {}", self.relay.read());
    }
}

fn exchange_of(document: &mut dyn Crdt) -> &mut dyn Exchange {
    document.exchange().expect("the family is spoken outside")
}

/// Values are compared as they are printed, in which a number that is none equals itself.
fn read<T: Crdt + ?Sized>(document: &T) -> String {
    format!("{:?}", document.value(&Path::root()).expect("a document can be read"))
}

/// What a document holds that is made of updates in their order, each of which must be admitted.
fn made_of(spec: Spec, updates: &[Bytes]) -> Box<dyn Crdt> {
    let mut document = crdt::create(spec);
    for update in updates {
        assert_eq!(document.admit(&Writer::STRANGER, update), Ok(()), "the relay has taken it");
        document.apply(&[update]).expect("what was admitted is merged");
    }
    document
}
