//! What the sequence part of a shared type is: a text, a list, or something foreign.
//!
//! Yjs does not store of which type a top-level container is, so it is inferred from what is in it: characters
//! and embedded objects make a text, XML nodes make something foreign, anything else a list. The answer is a function of the
//! content alone, so that every replica gives the same one. It is remembered until an update arrives that
//! might change it.

use std::collections::BTreeMap;

use yrs::block::ID;
use yrs::branch::{Branch, BranchPtr};
use yrs::types::text::YChange;
use yrs::{Array, ArrayRef, BranchID, GetString, Out, ReadTxn, Text, TextRef};

use super::brought::Brought;
use super::text::Index;

/// Most shapes of nested containers that are remembered.
const MAX_REMEMBERED: usize = 4096;

/// What a sequence is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Characters, with embedded objects perhaps.
    Text(Index),
    /// Values and containers.
    List,
    /// XML, or characters and values in one sequence.
    Foreign,
}

/// What a type says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Text,
    List,
    /// A top-level type says nothing.
    Nothing,
}

impl Shape {
    pub(super) fn of(branch: &Branch, declared: Declared, txn: &impl ReadTxn) -> Self {
        let pointer = BranchPtr::from(branch);
        let text = TextRef::from(pointer);
        // Reading a character from an array can go on for ever.
        match (declared, has_characters(branch, txn)) {
            (Declared::List, true) => Self::Foreign,
            (Declared::List, false) => Self::List,
            (Declared::Nothing, false) if !has_objects(&text, txn) => {
                if is_xml(&ArrayRef::from(pointer), txn) { Self::Foreign } else { Self::List }
            }
            (Declared::Text | Declared::Nothing, _) => {
                Index::of(&text, txn).map_or(Self::Foreign, Self::Text)
            }
        }
    }

    /// Whether it stays what it is when an update with such content is merged, whatever else that deletes.
    fn outlives(&self, brought: Brought) -> bool {
        match self {
            Self::Text(index) => {
                let pure = index.is_plain() && !index.has_objects();
                pure && !brought.astral && !brought.values && !brought.objects
            }
            Self::List => !brought.text && !brought.objects,
            Self::Foreign => false,
        }
    }
}

pub(super) fn has_characters(branch: &Branch, txn: &impl ReadTxn) -> bool {
    !TextRef::from(BranchPtr::from(branch)).get_string(txn).is_empty()
}

/// Whether there are objects in it that were put into a text, and not into a list.
fn has_objects(text: &TextRef, txn: &impl ReadTxn) -> bool {
    text.diff(txn, YChange::identity).iter().any(|part| matches!(part.insert, Out::Any(_)))
}

fn is_xml(elements: &ArrayRef, txn: &impl ReadTxn) -> bool {
    let mut elements = elements.iter(txn).peekable();
    elements.peek().is_some()
        && elements.all(|out| matches!(out, Out::YXmlElement(_) | Out::YXmlText(_) | Out::YXmlFragment(_)))
}

/// The shapes that were looked at and have not changed since.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    top_level: BTreeMap<String, Shape>,
    nested: BTreeMap<ID, Shape>,
}

impl Shapes {
    /// The shape of a sequence.
    pub(super) fn get(&mut self, branch: &Branch, declared: Declared, txn: &impl ReadTxn) -> &mut Shape {
        let look = || Shape::of(branch, declared, txn);
        match branch.id() {
            BranchID::Nested(id) => {
                if self.nested.len() >= MAX_REMEMBERED {
                    self.nested.clear();
                }
                self.nested.entry(id).or_insert_with(look)
            }
            // Not by `entry`, which would copy the name every time.
            BranchID::Root(name) => {
                if !self.top_level.contains_key(&*name) {
                    self.top_level.insert(name.to_string(), look());
                }
                self.top_level.get_mut(&*name).expect("it was just put there")
            }
        }
    }

    /// Notes what an empty top-level container is made into.
    pub(super) fn set(&mut self, name: &str, shape: Shape) {
        self.top_level.insert(name.to_owned(), shape);
    }

    /// Forgets a shape that a local edit may have changed.
    pub(super) fn forget(&mut self, branch: &Branch) {
        match branch.id() {
            BranchID::Nested(id) => drop(self.nested.remove(&id)),
            BranchID::Root(name) => drop(self.top_level.remove(&*name)),
        }
    }

    /// Forgets what may be different after an update with such content.
    pub(super) fn keep(&mut self, brought: Brought) {
        self.top_level.retain(|_, shape| shape.outlives(brought));
        self.nested.retain(|_, shape| shape.outlives(brought));
    }
}
