//! What fuzzing does to the Yjs gate and the document behind it.
//!
//! The gate promises that whatever it admits is integrated completely, by a library that is not memory-safe
//! otherwise, and that the document can then be read, edited, saved and loaded. So every admitted update goes
//! through all of that.

mod content;
mod draft;
mod history;
mod write;

use std::collections::BTreeMap;
use std::ops::AddAssign;

pub(super) use draft::Written;
pub use history::replica_of;
pub use history::{Step, history};

use super::Choices;
use crate::crdt::yjs::{Yjs, YjsGate};
use crate::crdt::{Crdt, Gate, GateError, Writer};
use crate::entry::Kind;
use crate::operation::EditError;
use crate::path::Path;
use crate::scripts::{Scripts, Shape};
use crate::value::Value;

/// How many updates one document is sent.
const UPDATES: u64 = 24;

/// The client id of edits made here; no draft uses it.
const EDITOR: u64 = 77;

/// One block of a client that nobody else is, of which nothing is left.
const BYSTANDER: &[u8] = &[1, 0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97, 0x08, 0, 0, 1];

/// How many injuries an update is given at most.
const INJURIES: u64 = 3;

/// What became of generated updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there were.
    pub generated: u64,
    /// How many the gate admitted.
    pub admitted: u64,
    /// How many it refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    fn note(&mut self, verdict: &Result<(), GateError>) {
        self.generated += 1;
        match verdict {
            Ok(()) => self.admitted += 1,
            Err(error) => *self.refused.entry(reason(error)).or_default() += 1,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.generated += other.generated;
        self.admitted += other.admitted;
        for (reason, times) in other.refused {
            *self.refused.entry(reason).or_default() += times;
        }
    }
}

/// The reason without the numbers in it.
fn reason(error: &GateError) -> String {
    match error {
        GateError::Malformed { reason } => format!("malformed: {reason}"),
        GateError::Gap { .. } => "depends on something that is missing".to_owned(),
        GateError::Impostor { .. } => "writes as somebody else".to_owned(),
        GateError::Limit { what, .. } => format!("too much: {what}"),
    }
}

/// An odd first byte: the rest is an update of the document that the first byte names. An even one: the rest
/// decides what updates an empty document is sent. Panics if a promise of the gate is broken.
pub fn yjs_update(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    if first % 2 == 0 {
        return send_drafts(&mut Choices::of_bytes(rest), &mut Tally::default());
    }
    let history = history();
    let step = &history[usize::from(first / 2) % history.len()];
    for writer in [Writer::STRANGER, Writer::Replica(step.writer)] {
        let mut world = World::before(step);
        if world.send(&writer, rest, &mut Tally::default()) {
            world.check();
        }
    }
}

/// Sends at least so many generated updates to documents, all decided by the seed.
#[must_use]
pub fn yjs_updates(seed: u64, count: u64) -> Tally {
    let mut tally = Tally::default();
    let mut choices = Choices::of_seed(seed);
    while tally.generated < count {
        match choices.below(4) {
            0 => send_injured(&mut choices, &mut tally),
            _ => send_drafts(&mut choices, &mut tally),
        }
    }
    tally
}

/// Sends drafted updates to an empty document.
fn send_drafts(choices: &mut Choices<'_>, tally: &mut Tally) {
    let (mut world, mut written) = (World::new(), Written::default());
    for _ in 0..UPDATES {
        let (draft, after) = written.draft(choices);
        let mut update = draft.write();
        if choices.once_in(10) {
            injure(choices, &mut update);
        }
        let writer = match draft.sections.first() {
            Some(section) if choices.once_in(4) => Writer::Replica(replica_of(section.client)),
            _ => Writer::STRANGER,
        };
        if world.send(&writer, &update, tally) {
            written = after;
        }
        if choices.once_in(8) {
            world.check();
        }
        if choices.is_done() {
            break;
        }
    }
    world.edit(choices);
    world.check();
}

/// Sends a real update, injured, and then those that really follow.
fn send_injured(choices: &mut Choices<'_>, tally: &mut Tally) {
    let history = history();
    let at = choices.index(history.len());
    let mut world = World::before(&history[at]);
    for _ in 0..UPDATES / 2 {
        let step = &history[at];
        let mut update = step.update.clone();
        for _ in 0..=choices.below(INJURIES) {
            injure(choices, &mut update);
        }
        world.send(&choices.one_of(&[Writer::STRANGER, Writer::Replica(step.writer)]), &update, tally);
    }
    for step in &history[at..history.len().min(at + 4)] {
        world.send(&Writer::STRANGER, &step.update, tally);
    }
    world.edit(choices);
    world.check();
}

/// Changes a byte, takes some away, or repeats some.
pub(super) fn injure(choices: &mut Choices<'_>, update: &mut Vec<u8>) {
    let at = choices.index(update.len() + 1);
    let to = at + choices.index((update.len() - at).min(8) + 1);
    match (choices.below(6), update.get_mut(at)) {
        (0, Some(byte)) => *byte ^= 1 << choices.below(8),
        (1, Some(byte)) => *byte = byte.wrapping_add(1),
        (2, Some(byte)) => *byte = byte.wrapping_sub(1),
        (3, Some(byte)) => *byte = u8::try_from(choices.below(256)).unwrap_or(0),
        (4, _) => drop(update.drain(at..to)),
        (_, _) => {
            let copy = update[at..to].to_vec();
            let place = choices.index(update.len() + 1);
            update.splice(place..place, copy);
        }
    }
}

/// A document, and a gate that stands alone and must be of one opinion with it.
struct World {
    document: Yjs,
    gate: YjsGate,
}

impl World {
    fn new() -> Self {
        Self { document: Yjs::create(Kind::Tree), gate: YjsGate::new() }
    }

    /// The document of a real step, without its update.
    fn before(step: &Step) -> Self {
        let mut world = Self::new();
        world.document = Yjs::load(Kind::Tree, &step.before).expect("it was saved by the library");
        assert_eq!(world.gate.admit_snapshot(&step.before), Ok(()));
        world
    }

    /// Whether the update is admitted; then it is also merged.
    fn send(&mut self, writer: &Writer<'_>, update: &[u8], tally: &mut Tally) -> bool {
        if matches!(writer, Writer::Foreign(_)) {
            self.ask_in_company(update);
        }
        let verdict = self.gate.admit(writer, update);
        assert_eq!(self.document.admit(writer, update), verdict, "a gate and a document judge alike");
        tally.note(&verdict);
        if verdict.is_ok() {
            self.document.apply(&[update]).unwrap_or_else(|damaged| panic!("{damaged} by {update:?}"));
        }
        verdict.is_ok()
    }

    /// The blocks of one client are judged while they are read, and alike if there are others beside them.
    fn ask_in_company(&self, update: &[u8]) {
        if let Some((1, rest)) = update.split_first() {
            let company = [&[2], BYSTANDER, rest].concat();
            let verdicts =
                [update, &company].map(|update| self.gate.clone().admit(&Writer::STRANGER, update));
            let admitted = verdicts.each_ref().map(Result::is_ok);
            assert_eq!(admitted[0], admitted[1], "{verdicts:?} on {update:?}");
        }
    }

    /// What was saved loads, and holds what was saved: no block is lost or elsewhere. What is read may differ, as the
    /// order of neighbours that no real client would have named depends on which of them came first.
    fn check(&self) {
        let saved = self.document.snapshot().expect("what was merged can be saved");
        let loaded = Yjs::load(Kind::Tree, &saved).expect("what was saved can be loaded");
        let again = loaded.snapshot().expect("what was loaded can be saved");
        drop([&self.document, &loaded].map(read));
        let (mut before, mut after) = (YjsGate::new(), YjsGate::new());
        assert_eq!((before.admit_snapshot(&saved), after.admit_snapshot(&again)), (Ok(()), Ok(())));
        assert!(before.knows_the_same_as(&after), "saved as {saved:?}\nand again as {again:?}");
    }

    /// Edits what there is, under an id of its own.
    fn edit(&mut self, choices: &mut Choices<'_>) {
        let writer = replica_of(EDITOR);
        self.document.write_as(writer);
        let mut random = choices.random();
        for _ in 0..choices.below(4) {
            let root = read(&self.document);
            let operation = Scripts::new(Shape::Tree).operation(&mut random, &root);
            let done = self.document.perform(&operation);
            assert!(!matches!(done, Err(EditError::Damaged(_))), "{done:?} by {operation:?} on {root:?}");
        }
        let update = self.document.take_local().expect("a document gives its edits");
        if let Some(update) = update {
            assert_eq!(self.gate.admit(&Writer::Replica(writer), &update), Ok(()), "{update:?}");
        }
    }
}

fn read(document: &Yjs) -> Value {
    document.value(&Path::root()).expect("a document can be read")
}
