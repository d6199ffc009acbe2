//! A Yjs document read as a value tree.
//!
//! Top-level keys are the names of root types. Scalars at the top level, which Yjs does not have, are entries
//! of the root map without a name; a root type with content hides an entry of the same name. A counter is a
//! map in which every replica keeps its own sum.
//!
//! The library's own conversions to JSON are not used: they recurse without a bound, and they hang on
//! characters in a list.

use std::collections::{BTreeMap, BTreeSet};

use yrs::branch::BranchPtr;
use yrs::{Any, Array, ArrayRef, Map, MapRef, Number, Out, ReadTxn, TextRef};

use super::shape::{Declared, Shape, Shapes, has_characters};
use super::{text, xml};
use crate::entry::Kind;
use crate::path::Path;
use crate::value::{NodeKind, Value};

/// The root map that holds the scalars of the top level.
pub(super) const SCALARS: &str = "";

/// What the keys of a counter start with; the client id of a replica follows. There is no other marker, so
/// that a counter which one replica empties while another one counts is still a counter.
pub(super) const COUNTER_PREFIX: &str = "$counter:";

/// Something that a path leads to.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Map(MapRef),
    List(ArrayRef),
    Text(TextRef),
    Counter(MapRef),
    /// A register. Other programs also keep whole JSON trees in one.
    Plain(Any),
    Opaque(Out),
}

impl Node {
    fn keyed(map: MapRef, txn: &impl ReadTxn) -> Self {
        if is_counter(&map, txn) { Self::Counter(map) } else { Self::Map(map) }
    }

    pub(super) fn kind(&self) -> NodeKind {
        match self {
            Self::Map(_) | Self::Plain(Any::Map(_)) => NodeKind::Map,
            Self::List(_) | Self::Plain(Any::Array(_)) => NodeKind::List,
            Self::Text(_) => NodeKind::Text,
            Self::Counter(_) => NodeKind::Counter,
            Self::Plain(_) => NodeKind::Register,
            Self::Opaque(_) => NodeKind::Opaque,
        }
    }

    /// The value and everything below it.
    pub(super) fn value(&self, txn: &impl ReadTxn) -> Value {
        match self {
            Self::Map(map) => map_value(map, txn),
            Self::List(list) => list_value(list, txn),
            Self::Text(text) => text_value(text, txn),
            Self::Counter(counter) => Value::Counter(counter_sum(counter, txn)),
            Self::Plain(any) => any_value(any),
            Self::Opaque(out) => Value::Opaque(xml::print(out, txn)),
        }
    }

    /// The keys of a map, in order.
    pub(super) fn keys(&self, txn: &impl ReadTxn) -> Option<BTreeSet<String>> {
        match self {
            Self::Map(map) => Some(live_keys(map, txn).map(|(key, _)| key.to_owned()).collect()),
            Self::Plain(Any::Map(map)) => Some(map.keys().cloned().collect()),
            Self::List(_) | Self::Text(_) | Self::Counter(_) | Self::Plain(_) | Self::Opaque(_) => None,
        }
    }

    fn is_empty(&self, txn: &impl ReadTxn) -> bool {
        match self {
            Self::Map(map) => live_keys(map, txn).next().is_none(),
            Self::List(list) => list.len(txn) == 0,
            Self::Text(text) => yrs::Text::len(text, txn) == 0,
            Self::Plain(Any::Map(map)) => map.is_empty(),
            Self::Plain(Any::Array(list)) => list.is_empty(),
            Self::Counter(_) | Self::Plain(_) | Self::Opaque(_) => false,
        }
    }
}

/// What reading needs beside the document: its kind, and what is remembered of shapes.
pub(super) struct Context<'a> {
    pub kind: Kind,
    pub shapes: &'a mut Shapes,
}

impl Context<'_> {
    /// What is at a path below the root.
    pub(super) fn find(&mut self, path: &Path, txn: &impl ReadTxn) -> Option<Node> {
        let (first, rest) = path.tokens().split_first()?;
        let top = self.top_level(first, txn)?;
        rest.iter().try_fold(top, |node, token| self.child(&node, token, txn))
    }

    /// The whole document.
    pub(super) fn root(&mut self, txn: &impl ReadTxn) -> Value {
        let keys = self.root_keys(txn);
        let value = |key: String| Some((key.clone(), self.top_level(&key, txn)?.value(txn)));
        Value::Map(keys.into_iter().filter_map(value).collect())
    }

    /// The top-level keys, in order.
    pub(super) fn root_keys(&mut self, txn: &impl ReadTxn) -> BTreeSet<String> {
        let mut keys: BTreeSet<String> = txn.root_refs().map(|(name, _)| name.to_owned()).collect();
        if let Some(scalars) = root_branch(SCALARS, txn) {
            keys.extend(live_keys(&MapRef::from(scalars), txn).map(|(key, _)| key.to_owned()));
        }
        keys.retain(|key| self.top_level(key, txn).is_some());
        keys
    }

    /// What is at a top-level key, unless that is a container without content.
    pub(super) fn top_level(&mut self, key: &str, txn: &impl ReadTxn) -> Option<Node> {
        self.root_type(key, txn).or_else(|| self.scalar(key, txn))
    }

    /// The root type of that name, if it has content.
    pub(super) fn root_type(&mut self, key: &str, txn: &impl ReadTxn) -> Option<Node> {
        let branch = root_branch(key, txn)?;
        let map = MapRef::from(branch);
        if key != SCALARS && live_keys(&map, txn).next().is_some() {
            return Some(Node::keyed(map, txn));
        }
        if branch.content_len() == 0 {
            return None;
        }
        Some(match self.shapes.get(&branch, self.declared(key), txn) {
            Shape::Text(_) => Node::Text(TextRef::from(branch)),
            Shape::List => Node::List(ArrayRef::from(branch)),
            Shape::Foreign => Node::Opaque(Out::UndefinedRef(branch)),
        })
    }

    /// What a top-level type is known to be: only the text of a text document.
    fn declared(&self, key: &str) -> Declared {
        match self.kind {
            Kind::Text if key == Kind::TEXT_KEY => Declared::Text,
            Kind::Text | Kind::Tree | Kind::Board | Kind::Chart => Declared::Nothing,
        }
    }

    fn scalar(&mut self, key: &str, txn: &impl ReadTxn) -> Option<Node> {
        let scalars = MapRef::from(root_branch(SCALARS, txn)?);
        let node = self.node(scalars.get(txn, key)?, txn);
        (!node.is_empty(txn)).then_some(node)
    }

    /// The unit at which a code point of a text starts; `None` beyond its end.
    pub(super) fn unit(&mut self, text: &TextRef, at: usize, txn: &impl ReadTxn) -> Option<u32> {
        let units = yrs::Text::len(text, txn) as usize;
        match self.shapes.get(text.as_ref(), Declared::Text, txn) {
            Shape::Text(index) if at <= index.len(units) => u32::try_from(index.unit(at)).ok(),
            Shape::Text(_) | Shape::List | Shape::Foreign => None,
        }
    }

    /// The code point of a text to which a unit belongs.
    pub(super) fn code_point(&mut self, text: &TextRef, unit: u32, txn: &impl ReadTxn) -> Option<usize> {
        match self.shapes.get(text.as_ref(), Declared::Text, txn) {
            Shape::Text(index) => Some(index.code_point(unit as usize)),
            Shape::List | Shape::Foreign => None,
        }
    }

    /// What is inside of a node.
    pub(super) fn child(&mut self, node: &Node, token: &str, txn: &impl ReadTxn) -> Option<Node> {
        match node {
            Node::Map(map) => map.get(txn, token).map(|out| self.node(out, txn)),
            Node::List(list) => {
                list.get(txn, u32::try_from(index_of(token)?).ok()?).map(|out| self.node(out, txn))
            }
            Node::Plain(Any::Map(map)) => map.get(token).cloned().map(Node::Plain),
            Node::Plain(Any::Array(list)) => list.get(index_of(token)?).cloned().map(Node::Plain),
            Node::Text(_) | Node::Counter(_) | Node::Plain(_) | Node::Opaque(_) => None,
        }
    }

    fn node(&mut self, out: Out, txn: &impl ReadTxn) -> Node {
        match out {
            Out::Any(any) => Node::Plain(any),
            Out::YMap(map) => Node::keyed(map, txn),
            Out::YArray(list) if *self.shapes.get(list.as_ref(), Declared::List, txn) == Shape::List => {
                Node::List(list)
            }
            Out::YText(text) if *self.shapes.get(text.as_ref(), Declared::Text, txn) != Shape::Foreign => {
                Node::Text(text)
            }
            other => Node::Opaque(other),
        }
    }

    /// How many keys, elements or code points a node has.
    pub(super) fn len(&mut self, node: &Node, txn: &impl ReadTxn) -> Option<usize> {
        match node {
            Node::Map(map) => Some(live_keys(map, txn).count()),
            Node::List(list) => Some(list.len(txn) as usize),
            Node::Text(text) => match self.shapes.get(text.as_ref(), Declared::Text, txn) {
                Shape::Text(index) => Some(index.len(yrs::Text::len(text, txn) as usize)),
                Shape::List | Shape::Foreign => None,
            },
            Node::Plain(Any::Map(map)) => Some(map.len()),
            Node::Plain(Any::Array(list)) => Some(list.len()),
            Node::Counter(_) | Node::Plain(_) | Node::Opaque(_) => None,
        }
    }
}

/// A root type, of whatever sort.
pub(super) fn root_branch(name: &str, txn: &impl ReadTxn) -> Option<BranchPtr> {
    txn.get(name)?.try_branch().map(BranchPtr::from)
}

/// The entries of a map that have a value.
fn live_keys<'a>(map: &'a MapRef, txn: &'a impl ReadTxn) -> impl Iterator<Item = (&'a str, Out)> {
    map.keys(txn).filter_map(|key| Some((key, map.get(txn, key)?)))
}

/// RFC 6901: digits without leading zeros.
pub(super) fn index_of(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

fn is_counter(map: &MapRef, txn: &impl ReadTxn) -> bool {
    let mut keys = map.keys(txn).peekable();
    keys.peek().is_some() && keys.all(|key| key.starts_with(COUNTER_PREFIX))
}

/// The sum of what the replicas counted. It wraps around at 64 bits, and so does what each of them counts: that
/// way the sum is right whenever it fits, whatever the parts are.
pub(super) fn counter_sum(counter: &MapRef, txn: &impl ReadTxn) -> i64 {
    live_keys(counter, txn).fold(0, |sum, (_, out)| sum.wrapping_add(count_of(&out)))
}

/// What one replica counted.
pub(super) fn count_of(out: &Out) -> i64 {
    match out {
        Out::Any(any) => match any_value(any) {
            Value::Int(count) => count,
            _ => 0,
        },
        _ => 0,
    }
}

fn value_of(out: &Out, txn: &impl ReadTxn) -> Value {
    match out {
        Out::Any(any) => any_value(any),
        Out::YMap(map) => Node::keyed(map.clone(), txn).value(txn),
        Out::YArray(list) if !has_characters(list.as_ref(), txn) => list_value(list, txn),
        Out::YText(text) => text_value(text, txn),
        other => Value::Opaque(xml::print(other, txn)),
    }
}

fn map_value(map: &MapRef, txn: &impl ReadTxn) -> Value {
    Value::Map(live_keys(map, txn).map(|(key, out)| (key.to_owned(), value_of(&out, txn))).collect())
}

fn list_value(list: &ArrayRef, txn: &impl ReadTxn) -> Value {
    Value::List(list.iter(txn).map(|out| value_of(&out, txn)).collect())
}

fn text_value(text: &TextRef, txn: &impl ReadTxn) -> Value {
    match text::read(text, txn) {
        Some(read) => Value::Text(read),
        None => Value::Opaque(xml::print(&Out::YText(text.clone()), txn)),
    }
}

fn any_value(any: &Any) -> Value {
    match any {
        Any::Null | Any::Undefined => Value::Null,
        Any::Bool(truth) => Value::Bool(*truth),
        Any::Number(Number::Int(number)) => Value::Int(*number),
        Any::Number(Number::Float(number)) => float_value(*number),
        Any::String(text) => Value::String(text.to_string()),
        Any::Buffer(bytes) => Value::Bytes(bytes.to_vec()),
        Any::Array(list) => Value::List(list.iter().map(any_value).collect()),
        Any::Map(map) => {
            let entries: BTreeMap<_, _> =
                map.iter().map(|(key, any)| (key.clone(), any_value(any))).collect();
            Value::Map(entries)
        }
    }
}

/// JavaScript's infinities and its NaN, which JSON does not have, are shown as null, as `JSON.stringify` does.
fn float_value(number: f64) -> Value {
    if number.is_finite() { Value::number(number) } else { Value::Null }
}
