//! Random work for tests and simulations: operations that make sense for the document they are meant for,
//! with some that do not, and texts of the kind that break naive programs.
//!
//! A seed names its script for ever on every machine. The keys are few, so that writers who share a document
//! get in each other's way.

mod board;
mod chart;

use std::collections::BTreeMap;

use crate::entry::Kind;
use crate::fractional_index::{FractionalIndex, Spot};
use crate::model::Model;
use crate::operation::Operation;
use crate::path::Path;
use crate::random::Random;
use crate::value::{MAX_COUNTER_STEP, MAX_SAFE_INTEGER, Value};

pub use board::board_operation;
pub use chart::chart_operation;

/// Share of operations that are made without looking at the document; most of those are refused.
const BLIND: f64 = 0.1;

/// Depth below which no more containers are put into containers.
const DEPTH: usize = 4;

/// Most elements of a generated list or map, and most values in one insertion.
const WIDTH: usize = 4;

/// Most characters that are drawn one by one from the whole of Unicode.
const DRAWN: usize = 6;

const KEYS: [&str; 14] =
    ["map", "list", "text", "count", "a", "b", "c", "", "0", "-", "a/b~c", "__proto__", "ключ", "👩‍👩‍👧"];

/// Texts with more than one byte, unit, code point or direction to a character, and with none to see.
const TEXTS: [&str; 18] = [
    "",
    "a",
    "plain words",
    "line\nbreak\r\n\ttab",
    "quote \" backslash \\ slash /",
    "e\u{301}a\u{308}\u{323}o\u{328}",
    "Z\u{351}\u{36b}\u{343}a\u{30d}\u{305}l\u{32f}",
    "👩‍👩‍👧‍👦👩🏽‍🚀🏳️‍🌈",
    "🇩🇪🇫🇷🇯🇵",
    "🦀𝒳𐍈𠜎",
    "שלום עולם",
    "مرحبا \u{202e}bidi\u{202c} \u{2066}x\u{2069}",
    "한국어 \u{1112}\u{1161}\u{11ab}",
    "ไทย नमस्ते",
    "\u{feff}\u{200b}\u{200d}\u{ad}",
    "\0\u{1}\u{7f}\u{85}\u{2028}",
    "\u{fffd}\u{ffff}\u{10ffff}\u{e000}",
    "𐀀\u{d7ff}\u{e000}",
];

/// A place at a spot among those that are taken, or behind all: where one is taken twice there is none between the two.
fn free_place(
    random: &mut Random,
    taken: &[&FractionalIndex],
    spot: Spot<&FractionalIndex>,
) -> FractionalIndex {
    let taken = taken.iter().copied();
    FractionalIndex::at(taken.clone(), spot, random.next_u64())
        .or_else(|| FractionalIndex::at(taken, Spot::Last, random.next_u64()))
        .expect("behind all others there is a place")
}

/// What a script may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Everything.
    Tree,
    /// Splices of the one text of a [`Kind::Text`] document.
    Text,
    /// Scalars and counters at the top level, which is all that a toy document can hold.
    Flat,
}

/// `len` operations for an empty document of any shape of content.
#[must_use]
pub fn script(seed: u64, len: usize) -> Vec<Operation> {
    Scripts::new(Shape::Tree).script(seed, len)
}

/// Makes scripts.
#[derive(Clone, Debug)]
pub struct Scripts {
    shape: Shape,
    texts: Vec<String>,
}

impl Scripts {
    /// Scripts of a shape, with built-in texts.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, texts: TEXTS.map(str::to_owned).to_vec() }
    }

    /// Uses these texts as well.
    #[must_use]
    pub fn with_texts(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.texts.extend(texts);
        self
    }

    /// `len` operations, to be performed one after the other on an empty document.
    #[must_use]
    pub fn script(&self, seed: u64, len: usize) -> Vec<Operation> {
        let mut random = Random::new(seed);
        let mut model = Model::new();
        (0..len).map(|_| self.next(&mut random, &mut model)).collect()
    }

    fn next(&self, random: &mut Random, model: &mut Model) -> Operation {
        let operation = self.operation(random, model.root());
        // A refused operation leaves the model as it was, and belongs into the script all the same.
        model.perform(&operation).ok();
        operation
    }

    /// One operation for a document that reads as `document`.
    pub fn operation(&self, random: &mut Random, document: &Value) -> Operation {
        match self.shape {
            Shape::Tree if random.chance(BLIND) => self.blind(random),
            Shape::Tree => self.tree(random, document),
            Shape::Text => {
                let text = document_entry(document, Kind::TEXT_KEY);
                self.splice(random, Path::root().child(Kind::TEXT_KEY), text_len(text))
            }
            Shape::Flat => self.flat(random, document),
        }
    }

    fn blind(&self, random: &mut Random) -> Operation {
        let path: Path = (0..random.index(WIDTH)).map(|_| self.token(random)).collect();
        match random.below(5) {
            0 => Operation::Put { path, value: self.value(random, DEPTH) },
            1 => Operation::Insert { path, values: self.values(random, DEPTH) },
            2 => Operation::Remove { path },
            3 => Operation::Splice {
                path,
                at: random.index(9),
                delete: random.index(9),
                insert: self.text(random),
            },
            _ => Operation::Increment { path, by: step(random) },
        }
    }

    /// Does something that suits what is at a random place of the document.
    fn tree(&self, random: &mut Random, document: &Value) -> Operation {
        let (path, node) = self.place(random, document);
        if random.chance(0.15) && !path.is_root() {
            return Operation::Remove { path };
        }
        match node {
            Value::Map(map) => self.in_map(random, path, map),
            Value::List(list) => self.in_list(random, &path, list),
            Value::Text(text) => self.splice(random, path, text.chars().count()),
            Value::Counter(_) => Operation::Increment { path, by: step(random) },
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Opaque(_) => Operation::Put { path, value: self.value(random, 1) },
        }
    }

    /// Walks down from the root and stops somewhere.
    fn place<'a>(&self, random: &mut Random, document: &'a Value) -> (Path, &'a Value) {
        let (mut path, mut node) = (Path::root(), document);
        while !random.chance(0.25) {
            let Some((token, child)) = any_child(random, node) else { break };
            (path, node) = (path.child(token), child);
        }
        (path, node)
    }

    fn in_map(&self, random: &mut Random, path: Path, map: &BTreeMap<String, Value>) -> Operation {
        let key = self.token(random);
        let (at_root, missing) = (path.is_root(), !map.contains_key(&key));
        let path = path.child(key);
        match random.below(10) {
            0..=3 if missing => self.splice(random, path, 0),
            4 if missing => Operation::Increment { path, by: step(random) },
            5 if missing && at_root => {
                Operation::Insert { path: path.child("-"), values: self.values(random, 2) }
            }
            6 if missing && at_root => {
                Operation::Put { path: path.child(self.token(random)), value: self.value(random, 2) }
            }
            _ => {
                let room = DEPTH.saturating_sub(path.tokens().len());
                Operation::Put { path, value: self.value(random, room) }
            }
        }
    }

    fn in_list(&self, random: &mut Random, path: &Path, list: &[Value]) -> Operation {
        let room = DEPTH.saturating_sub(path.tokens().len());
        let index = random.index(list.len() + 1);
        match random.below(4) {
            0 => Operation::Insert { path: path.child("-"), values: self.values(random, room) },
            1 if index < list.len() => Operation::Remove { path: path.child(index) },
            2 if index < list.len() => {
                Operation::Put { path: path.child(index), value: self.value(random, room) }
            }
            _ => Operation::Insert { path: path.child(index), values: self.values(random, room) },
        }
    }

    fn splice(&self, random: &mut Random, path: Path, len: usize) -> Operation {
        let at = random.index(len + 1);
        let delete = if random.chance(0.4) { random.index(len - at + 1) } else { 0 };
        Operation::Splice { path, at, delete, insert: self.text(random) }
    }

    fn flat(&self, random: &mut Random, document: &Value) -> Operation {
        let key = random.index(KEYS.len());
        let path = Path::root().child(KEYS[key]);
        if key < KEYS.len() / 3 {
            return Operation::Increment { path, by: step(random) };
        }
        if document_entry(document, KEYS[key]).is_some() && random.chance(0.3) {
            return Operation::Remove { path };
        }
        Operation::Put { path, value: self.value(random, 0) }
    }

    fn token(&self, random: &mut Random) -> String {
        if random.chance(0.05) { self.text(random) } else { KEYS[random.index(KEYS.len())].to_owned() }
    }

    fn values(&self, random: &mut Random, room: usize) -> Vec<Value> {
        (0..random.index(WIDTH)).map(|_| self.value(random, room)).collect()
    }

    /// A value with at most `room` containers inside each other; only a scalar if there is no room at all.
    fn value(&self, random: &mut Random, room: usize) -> Value {
        if room == 0 {
            return self.scalar(random);
        }
        match random.below(9) {
            0 => Value::Text(self.text(random)),
            1 => Value::Counter(step(random)),
            2 | 3 => Value::List(self.values(random, room - 1)),
            4 | 5 => Value::Map((0..random.index(WIDTH)).map(|_| self.entry(random, room - 1)).collect()),
            _ => self.scalar(random),
        }
    }

    fn entry(&self, random: &mut Random, room: usize) -> (String, Value) {
        (self.token(random), self.value(random, room))
    }

    fn scalar(&self, random: &mut Random) -> Value {
        match random.below(7) {
            0 => Value::Null,
            1 => Value::Bool(random.chance(0.5)),
            2 => Value::Int(whole(random)),
            3 => Value::number(fraction(random)),
            4 => Value::Bytes(random.bytes::<5>()[..random.index(6)].to_vec()),
            _ => Value::String(self.text(random)),
        }
    }

    fn text(&self, random: &mut Random) -> String {
        if random.chance(0.3) {
            return (0..random.index(DRAWN + 1)).map(|_| any_char(random)).collect();
        }
        self.texts[random.index(self.texts.len())].clone()
    }
}

fn document_entry<'a>(document: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Map(map) = document else { return None };
    map.get(key)
}

fn text_len(node: Option<&Value>) -> usize {
    match node {
        Some(Value::Text(text)) => text.chars().count(),
        Some(_) | None => 0,
    }
}

fn any_child<'a>(random: &mut Random, node: &'a Value) -> Option<(String, &'a Value)> {
    match node {
        Value::Map(map) => map.iter().nth(random.index(map.len())).map(|(key, value)| (key.clone(), value)),
        Value::List(list) => {
            let index = random.index(list.len());
            list.get(index).map(|value| (index.to_string(), value))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Text(_)
        | Value::Opaque(_) => None,
    }
}

/// Any character of any of the seventeen planes.
fn any_char(random: &mut Random) -> char {
    const LAST: u64 = 0x10_ffff;
    let number = if random.chance(0.5) { random.below(0x3000) } else { random.below(LAST + 1) };
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn whole(random: &mut Random) -> i64 {
    let edges = [0, 1, -1, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER + 1, i64::MIN, i64::MAX];
    if random.chance(0.1) {
        return edges[random.index(edges.len())];
    }
    i64::from_le_bytes(random.bytes()) >> (random.below(60) + 3)
}

fn step(random: &mut Random) -> i64 {
    let edges = [0, MAX_COUNTER_STEP, -MAX_COUNTER_STEP, MAX_COUNTER_STEP + 1, i64::MIN, i64::MAX];
    if random.chance(0.1) {
        return edges[random.index(edges.len())];
    }
    whole(random) % MAX_COUNTER_STEP
}

fn fraction(random: &mut Random) -> f64 {
    let edges = [0.5, -0.0, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21, 9_007_199_254_740_992.0, -1.5e-7];
    if random.chance(0.5) {
        return edges[random.index(edges.len())];
    }
    let any = f64::from_bits(random.next_u64());
    if any.is_finite() { any } else { 0.25 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::NodeKind;

    fn performed(operations: &[Operation]) -> (Model, usize) {
        let mut model = Model::new();
        let done = operations.iter().filter(|operation| model.perform(operation).is_ok()).count();
        (model, done)
    }

    #[test]
    fn a_seed_names_its_script() {
        assert_eq!(script(1, 50), script(1, 50));
        assert_ne!(script(1, 50), script(2, 50));
    }

    #[test]
    fn most_of_a_script_can_be_performed_and_some_of_it_cannot() {
        let done: usize = (0..20).map(|seed| performed(&script(seed, 100)).1).sum();
        assert!((1_400..1_990).contains(&done), "{done} of 2000");
    }

    #[test]
    fn scripts_build_documents_with_everything_in_them() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let (model, _) = performed(&script(seed, 100));
            collect_kinds(model.root(), &mut kinds);
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }

    fn collect_kinds(value: &Value, kinds: &mut std::collections::BTreeSet<NodeKind>) {
        kinds.insert(value.kind());
        match value {
            Value::Map(map) => map.values().for_each(|value| collect_kinds(value, kinds)),
            Value::List(list) => list.iter().for_each(|value| collect_kinds(value, kinds)),
            _ => {}
        }
    }

    #[test]
    fn shapes_keep_to_themselves() {
        for operation in Scripts::new(Shape::Text).script(3, 100) {
            assert!(
                matches!(&operation, Operation::Splice { path, .. } if path.tokens() == [Kind::TEXT_KEY])
            );
        }
        let flat = Scripts::new(Shape::Flat).script(3, 200);
        assert!(flat.iter().all(|operation| operation.path().tokens().len() == 1));
        let (_, done) = performed(&flat);
        assert!(done > 150, "{done}");
    }
}
