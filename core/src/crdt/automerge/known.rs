//! What must be known of a document to judge a change to it: which changes there are, how far each actor has
//! counted, and which objects were made.
//!
//! A gate on its own holds that as a [`Known`]. A document answers from itself, see `document.rs`. Either way
//! the changes of one entry are judged one after the other, each with the earlier ones [`Layered`] on top, and
//! only when all were found good is the layer merged into what lies below.

use std::collections::BTreeMap;

use super::chunk::Hash;

/// An operation: its counter and the actor that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpId<A> {
    /// The Lamport counter.
    pub counter: u32,
    /// Who.
    pub actor: A,
}

/// The sorts of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A map, or a table, the obsolete sort of map.
    Map,
    /// A list.
    List,
    /// A text.
    Text,
}

/// How far an actor has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The sequence number of its last change.
    pub seq: u64,
    /// The counter of its last operation, or the one before its first if that change has none.
    pub last_op: u32,
}

/// What a judge of changes asks.
pub trait Knowledge {
    /// The last operation counter of a change, if that change is known.
    fn change(&self, hash: &Hash) -> Option<u32>;

    /// The highest operation counter of all changes.
    fn highest_op(&self) -> u32;

    /// How far an actor has come; nowhere if it is not known.
    fn progress(&self, actor: &[u8]) -> Progress;

    /// Whether an operation is part of a known change.
    fn has_op(&self, id: OpId<&[u8]>) -> bool;

    /// What an operation made, if it made an object.
    fn object(&self, id: OpId<&[u8]>) -> Option<ObjectKind>;
}

/// One change that was found good, as far as later changes need it.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Its name.
    pub hash: Hash,
    /// Who made it.
    pub actor: Vec<u8>,
    /// The how-manieth of that actor it is.
    pub seq: u64,
    /// Its first operation counter.
    pub start_op: u32,
    /// How many operations it has.
    pub ops: u32,
    /// The objects it makes, by the counter of the operation.
    pub objects: Vec<(u32, ObjectKind)>,
}

/// Known changes, without their content.
#[derive(Clone, Debug, Default)]
pub struct Known {
    changes: BTreeMap<Hash, u32>,
    actors: BTreeMap<Vec<u8>, Actor>,
    highest_op: u32,
}

#[derive(Clone, Debug, Default)]
struct Actor {
    progress: Progress,
    /// First and last counters of its operations, in order; one range where changes follow without a gap.
    ops: Vec<(u32, u32)>,
    objects: BTreeMap<u32, ObjectKind>,
}

impl Actor {
    fn push(&mut self, (first, last): (u32, u32)) {
        match self.ops.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
            _ => self.ops.push((first, last)),
        }
    }
}

impl Known {
    /// Memory that it takes, in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let actor = |actor: &Actor| {
            size_of::<Actor>()
                + actor.ops.capacity() * size_of::<(u32, u32)>()
                + actor.objects.len() * size_of::<(u32, ObjectKind)>()
        };
        // Nodes of the map are filled to two thirds.
        let changes = self.changes.len() * size_of::<(Hash, u32)>() * 3 / 2;
        changes + self.actors.values().map(actor).sum::<usize>()
    }

    /// Takes note of a change that follows the last one of its actor.
    pub fn insert(&mut self, change: Admitted) {
        let actor = self.actors.entry(change.actor).or_default();
        let last_op = (change.start_op - 1).saturating_add(change.ops);
        actor.progress = Progress { seq: change.seq, last_op };
        actor.objects.extend(change.objects);
        if change.ops > 0 {
            actor.push((change.start_op, last_op));
        }
        self.changes.insert(change.hash, last_op);
        self.highest_op = self.highest_op.max(last_op);
    }

    /// Takes note of an object made by a change that is known already.
    pub fn insert_object(&mut self, id: OpId<&[u8]>, kind: ObjectKind) {
        self.actors.entry(id.actor.to_vec()).or_default().objects.insert(id.counter, kind);
    }

    /// Takes note of everything that `newer` knows; its changes follow the ones here.
    pub fn merge(&mut self, newer: Self) {
        self.changes.extend(newer.changes);
        self.highest_op = self.highest_op.max(newer.highest_op);
        for (id, mut actor) in newer.actors {
            let held = self.actors.entry(id).or_default();
            held.progress = actor.progress;
            actor.ops.into_iter().for_each(|range| held.push(range));
            held.objects.append(&mut actor.objects);
        }
    }

    /// The names of the changes.
    pub fn hashes(&self) -> impl Iterator<Item = &Hash> {
        self.changes.keys()
    }
}

impl Knowledge for Known {
    fn change(&self, hash: &Hash) -> Option<u32> {
        self.changes.get(hash).copied()
    }

    fn highest_op(&self) -> u32 {
        self.highest_op
    }

    fn progress(&self, actor: &[u8]) -> Progress {
        self.actors.get(actor).map(|actor| actor.progress).unwrap_or_default()
    }

    fn has_op(&self, id: OpId<&[u8]>) -> bool {
        self.actors.get(id.actor).is_some_and(|actor| {
            let after = actor.ops.partition_point(|(first, _)| *first <= id.counter);
            after > 0 && id.counter <= actor.ops[after - 1].1
        })
    }

    fn object(&self, id: OpId<&[u8]>) -> Option<ObjectKind> {
        self.actors.get(id.actor)?.objects.get(&id.counter).copied()
    }
}

/// Newer knowledge on top of older.
pub struct Layered<'a> {
    /// What was known before.
    pub below: &'a dyn Knowledge,
    /// What was learned since.
    pub above: Known,
}

impl Knowledge for Layered<'_> {
    fn change(&self, hash: &Hash) -> Option<u32> {
        self.above.change(hash).or_else(|| self.below.change(hash))
    }

    fn highest_op(&self) -> u32 {
        self.above.highest_op().max(self.below.highest_op())
    }

    fn progress(&self, actor: &[u8]) -> Progress {
        let above = self.above.progress(actor);
        if above.seq > 0 { above } else { self.below.progress(actor) }
    }

    fn has_op(&self, id: OpId<&[u8]>) -> bool {
        self.above.has_op(id) || self.below.has_op(id)
    }

    fn object(&self, id: OpId<&[u8]>) -> Option<ObjectKind> {
        self.above.object(id).or_else(|| self.below.object(id))
    }
}
