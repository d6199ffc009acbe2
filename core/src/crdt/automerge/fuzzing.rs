//! What fuzzing does to the gate and the document behind it.
//!
//! Bytes drawn at random never get past a checksum. So a real change is taken apart, damaged in its header or in
//! the cells of its columns, put together again with the right lengths and checksum, and sent.

mod history;
mod parts;

use std::sync::LazyLock;

use history::history;
use parts::Parts;

use super::contain::new_document;
use super::{Automerge, AutomergeGate};
use crate::crdt::{Crdt, Gate, GateError, Writer};
use crate::entry::Kind;
use crate::id::ReplicaId;
use crate::path::Path;

/// What became of a damaged change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The gate refused it.
    Refused,
    /// The gate admitted it; the library could not take it, which was contained.
    Contained,
    /// It was merged, and the document saves and loads with it.
    Merged,
}

/// Damages a real change or, after an odd first byte, a saved document, as the rest of the bytes say.
pub fn automerge_change(data: &[u8]) -> Verdict {
    let Some((what, data)) = data.split_first() else { return Verdict::Refused };
    if what % 2 == 0 { damaged_change(data) } else { damaged_snapshot(data) }
}

/// Damages a real change as `data` says and sends it through a gate and a document. Panics if the two disagree,
/// or if a document that took the change does not load as what it saves.
///
/// The first byte chooses the change. Each further four bytes are one injury: where, how, and with what.
fn damaged_change(data: &[u8]) -> Verdict {
    let Some((chosen, injuries)) = data.split_first() else { return Verdict::Refused };
    let history = &*HISTORY;
    let step = &history[usize::from(*chosen) % history.len()];
    let mut change = step.change.clone();
    injuries.chunks_exact(4).for_each(|injury| change.injure(injury));
    judge(step, &change.assemble())
}

/// Damages a saved document in the same way and sends it as a snapshot. Panics if it is admitted and then not
/// merged, or if the document that took it does not load as what it saves.
fn damaged_snapshot(data: &[u8]) -> Verdict {
    let Some((chosen, injuries)) = data.split_first() else { return Verdict::Refused };
    let history = &*HISTORY;
    let mut snapshot = history[usize::from(*chosen) % history.len()].document.clone();
    injuries.chunks_exact(4).for_each(|injury| snapshot.injure(injury));
    let snapshot = snapshot.assemble();
    let mut document = Automerge::create(Kind::Tree);
    let admitted = document.admit_snapshot(&snapshot);
    let mut gate = AutomergeGate::new(Kind::Tree);
    assert_eq!(gate.admit_snapshot(&snapshot).is_ok(), admitted.is_ok(), "a gate and a document judge alike");
    if admitted.is_err() {
        return Verdict::Refused;
    }
    document.merge(&snapshot).expect("what was admitted is merged");
    check_saved(&document);
    Verdict::Merged
}

fn judge(step: &Step, update: &[u8]) -> Verdict {
    let mut gate = step.gate.clone();
    let mut document = Automerge::load(Kind::Tree, &step.before).expect("it was saved by the library");
    let (alone, with_document) =
        (gate.admit(&Writer::STRANGER, update), document.admit(&Writer::STRANGER, update));
    assert_eq!(kind(&alone), kind(&with_document), "a gate and a document judge alike");
    let by_author = step.gate.clone().admit(&Writer::Replica(step.author), update);
    assert!(alone.is_ok() || by_author.is_err(), "a replica may do no more than others: {by_author:?}");
    if with_document.is_err() {
        return Verdict::Refused;
    }
    if document.apply(&[update]).is_err() {
        return Verdict::Contained;
    }
    check_saved(&document);
    Verdict::Merged
}

/// Values are compared as they are printed, in which a number that is none equals itself.
fn check_saved(document: &Automerge) {
    let saved = document.snapshot().expect("what was merged can be saved");
    let loaded = Automerge::load(Kind::Tree, &saved).expect("what was saved can be loaded");
    let read = |document: &Automerge| format!("{:?}", document.value(&Path::root()).expect("it can be read"));
    assert_eq!(read(document), read(&loaded));
}

/// A change that is not deflated, with one injury and the checksum that fits.
pub fn injured_change(change: &[u8], injury: &[u8]) -> Vec<u8> {
    let mut parts = Parts::of(change);
    injury.chunks_exact(4).for_each(|injury| parts.injure(injury));
    parts.assemble()
}

/// A verdict without its words.
fn kind(verdict: &Result<(), GateError>) -> u8 {
    match verdict {
        Ok(()) => 0,
        Err(GateError::Malformed { .. }) => 1,
        Err(GateError::Gap { .. }) => 2,
        Err(GateError::Impostor { .. }) => 3,
        Err(GateError::Limit { .. }) => 4,
    }
}

/// A change, what was there before it, and the document with it.
struct Step {
    before: Vec<u8>,
    gate: AutomergeGate,
    change: Parts,
    author: ReplicaId,
    document: Parts,
}

/// How many changes and documents there are to damage.
pub fn steps() -> usize {
    HISTORY.len()
}

static HISTORY: LazyLock<Vec<Step>> = LazyLock::new(|| {
    let (mut document, mut gate) = (new_document(), AutomergeGate::new(Kind::Tree));
    let mut steps = Vec::new();
    for change in history() {
        let bytes = change.raw_bytes().to_vec();
        let (before, gate_before) = (document.save(), gate.clone());
        let author = change.actor_id().to_bytes().try_into().expect("people have ids of replicas");
        gate.admit(&Writer::STRANGER, &bytes).expect("real changes are admitted");
        document.apply_changes([change]).expect("real changes are merged");
        let (change, document) = (Parts::of(&bytes), Parts::of(&document.save_nocompress()));
        steps.push(Step { before, gate: gate_before, change, author: ReplicaId::new(author), document });
    }
    steps
});
