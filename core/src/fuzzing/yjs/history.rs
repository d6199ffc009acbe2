//! Real updates: three people edit one document, and each update is kept with what was there before it.

use std::sync::LazyLock;

use crate::crdt::yjs::Yjs;
use crate::crdt::{Crdt, Gate, Writer};
use crate::entry::Kind;
use crate::id::ReplicaId;
use crate::path::Path;
use crate::random::Random;
use crate::scripts::{Scripts, Shape};

/// How many updates the history has at most.
const STEPS: usize = 96;

/// One update and the document that it was made on.
pub struct Step {
    /// The document without it, saved.
    pub before: Vec<u8>,
    /// The update.
    pub update: Vec<u8>,
    /// Who made it.
    pub writer: ReplicaId,
}

/// The history; the same in every run.
pub fn history() -> &'static [Step] {
    static HISTORY: LazyLock<Vec<Step>> = LazyLock::new(make);
    &HISTORY
}

/// A replica that writes under this client id.
pub fn replica_of(client: u64) -> ReplicaId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&client.to_le_bytes());
    ReplicaId::new(bytes)
}

fn make() -> Vec<Step> {
    let mut random = Random::new(1);
    let mut all = Yjs::create(Kind::Tree);
    let mut people: Vec<_> = (1..=3).map(person).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut seen = [0; 3];
    while steps.len() < STEPS {
        let who = random.index(3);
        let (writer, document) = &mut people[who];
        if random.chance(0.5) {
            let news = &steps[std::mem::replace(&mut seen[who], steps.len())..];
            news.iter().filter(|step| step.writer != *writer).for_each(|step| take(document, step));
        }
        for _ in 0..=random.below(3) {
            let root = document.value(&Path::root()).expect("a document can be read");
            let operation = Scripts::new(Shape::Tree).operation(&mut random, &root);
            document.perform(&operation).ok();
        }
        let Some(update) = document.take_local().expect("a document gives its edits") else { continue };
        let before = all.snapshot().expect("a document can be saved").to_vec();
        steps.push(Step { before, update: update.to_vec(), writer: *writer });
        take(&mut all, &steps[steps.len() - 1]);
    }
    steps
}

fn person(client: u64) -> (ReplicaId, Yjs) {
    let (writer, mut document) = (replica_of(client), Yjs::create(Kind::Tree));
    document.write_as(writer);
    (writer, document)
}

fn take(document: &mut Yjs, step: &Step) {
    document.admit(&Writer::Replica(step.writer), &step.update).expect("a real update is admitted");
    document.apply(&[&step.update]).expect("a real update is merged");
}
