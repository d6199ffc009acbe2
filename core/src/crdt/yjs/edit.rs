//! Operations of the value tree as Yjs edits.
//!
//! Every operation is checked to its end before the first change. Containers are filled entry by entry in the
//! order of their keys, because the library's own nested inserts follow the order of a hash map, and the same
//! edit must give the same bytes on every machine.

use yrs::{Any, Array, ArrayPrelim, ArrayRef, Map, MapPrelim, MapRef, Number, Text, TextPrelim, TextRef};
use yrs::{TransactionMut, WriteTxn};

use super::node::{COUNTER_PREFIX, Context, Node, SCALARS, count_of, counter_sum, index_of, root_branch};
use super::shape::{Declared, Shape};
use super::text::Index;
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::value::{NodeKind, Value};

/// One operation in one transaction.
pub(super) struct Edit<'a, 'doc> {
    pub txn: &'a mut TransactionMut<'doc>,
    pub context: Context<'a>,
    /// The writer.
    pub client: u64,
}

/// Where a value is put or taken.
enum Place<'a> {
    TopLevel(&'a str),
    Key(MapRef, &'a str),
    /// An element that is there.
    Element(ArrayRef, u32),
}

/// Where a new value goes.
enum Slot<'a> {
    Key(&'a MapRef, &'a str),
    Before(&'a ArrayRef, u32),
}

impl Edit<'_, '_> {
    /// Performs an operation that passed [`Operation::check`], or says why the document cannot do it.
    pub(super) fn perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        check_keys(operation)?;
        let path = operation.path();
        let (parent, token) = path.split_last().ok_or(EditError::IsRoot)?;
        if let Operation::Insert { values, .. } = operation {
            return self.insert(parent, token, values);
        }
        let place = self.place(parent, token, operation)?;
        match operation {
            Operation::Put { value, .. } => self.put(&place, value),
            Operation::Remove { .. } => self.remove(&place, path)?,
            Operation::Splice { at, delete, insert, .. } => {
                self.splice(&place, path, *at, *delete, insert)?
            }
            Operation::Increment { by, .. } => self.increment(&place, path, *by)?,
            Operation::Insert { .. } => {}
        }
        Ok(())
    }

    fn place<'t>(
        &mut self,
        parent: &[String],
        token: &'t str,
        operation: &Operation,
    ) -> Result<Place<'t>, EditError> {
        let Some(top) = parent.first() else { return Ok(Place::TopLevel(token)) };
        let makes_map = parent.len() == 1 && matches!(operation, Operation::Put { .. });
        if makes_map && self.context.top_level(top, self.txn).is_none() {
            return Ok(Place::Key(self.make_map(top), token));
        }
        match self.descend(parent)? {
            Node::Map(map) => Ok(Place::Key(map, token)),
            Node::List(list) => {
                let index = self.element(parent, &list, token)?;
                Ok(Place::Element(list, index))
            }
            other => Err(not_editable(parent, &other, NodeKind::Map)),
        }
    }

    fn insert(&mut self, parent: &[String], token: &str, values: &[Value]) -> Result<(), EditError> {
        let [top, rest @ ..] = parent else { return Err(EditError::IsRoot) };
        if rest.is_empty() && self.context.top_level(top, self.txn).is_none() {
            position(parent, 0, token)?;
            let list = self.make_list(top);
            self.fill_list(&list, 0, values);
            return Ok(());
        }
        let list = match self.descend(parent)? {
            Node::List(list) => list,
            other => return Err(not_editable(parent, &other, NodeKind::List)),
        };
        let index = position(parent, list.len(self.txn), token)?;
        self.fill_list(&list, index, values);
        Ok(())
    }

    /// The container at the end of a path, or what is wrong on the way there.
    fn descend(&mut self, tokens: &[String]) -> Result<Node, EditError> {
        let not_found = |depth: usize| EditError::NotFound { path: pointer(&tokens[..=depth]) };
        let mut node = self.context.top_level(&tokens[0], self.txn).ok_or_else(|| not_found(0))?;
        for (depth, token) in tokens.iter().enumerate().skip(1) {
            match &node {
                Node::Map(_) => {}
                Node::List(list) => drop(self.element(&tokens[..depth], list, token)?),
                other => return Err(not_editable(&tokens[..depth], other, NodeKind::Map)),
            }
            node = self.context.child(&node, token, self.txn).ok_or_else(|| not_found(depth))?;
        }
        Ok(node)
    }

    /// The index of an element that is there.
    fn element(&self, parent: &[String], list: &ArrayRef, token: &str) -> Result<u32, EditError> {
        let len = list.len(self.txn);
        let index = position(parent, len, token)?;
        if index < len { Ok(index) } else { Err(out_of_bounds(parent, index as usize, len)) }
    }

    fn existing(&mut self, place: &Place<'_>) -> Option<Node> {
        match place {
            Place::TopLevel(key) => self.context.top_level(key, self.txn),
            Place::Key(map, key) => self.context.child(&Node::Map(map.clone()), key, self.txn),
            Place::Element(list, index) => {
                self.context.child(&Node::List(list.clone()), &index.to_string(), self.txn)
            }
        }
    }

    fn put(&mut self, place: &Place<'_>, value: &Value) {
        match place {
            Place::TopLevel(key) => self.put_top_level(key, value),
            Place::Key(map, key) => self.put_at(Slot::Key(map, key), value),
            Place::Element(list, index) => {
                list.remove(self.txn, *index);
                self.put_at(Slot::Before(list, *index), value);
            }
        }
    }

    fn put_top_level(&mut self, key: &str, value: &Value) {
        self.clear(key);
        match value {
            _ if key == SCALARS => self.put_scalar(key, value),
            Value::Map(entries) => {
                let map = self.make_map(key);
                entries.iter().for_each(|(key, value)| self.put_at(Slot::Key(&map, key), value));
            }
            Value::List(values) => {
                let list = self.make_list(key);
                self.fill_list(&list, 0, values);
            }
            Value::Text(content) => {
                let text = self.txn.get_or_insert_text(key);
                text.insert(self.txn, 0, content);
                self.context.shapes.set(key, Shape::Text(Index::of_str(content)));
            }
            Value::Counter(count) => {
                let counter = self.txn.get_or_insert_map(key);
                self.count(&counter, *count);
            }
            scalar => self.put_scalar(key, scalar),
        }
    }

    fn put_scalar(&mut self, key: &str, value: &Value) {
        let scalars = self.txn.get_or_insert_map(SCALARS);
        self.put_at(Slot::Key(&scalars, key), value);
    }

    /// Writes a value and everything in it.
    fn put_at(&mut self, slot: Slot<'_>, value: &Value) {
        match value {
            Value::Map(entries) => {
                let map: MapRef = slot.insert(self.txn, MapPrelim::default());
                entries.iter().for_each(|(key, value)| self.put_at(Slot::Key(&map, key), value));
            }
            Value::List(values) => {
                let list: ArrayRef = slot.insert(self.txn, ArrayPrelim::default());
                self.fill_list(&list, 0, values);
            }
            Value::Text(text) => drop(slot.insert(self.txn, TextPrelim::new(text.as_str()))),
            Value::Counter(count) => {
                let counter = slot.insert(self.txn, MapPrelim::default());
                self.count(&counter, *count);
            }
            scalar => drop(slot.insert(self.txn, scalar_to_any(scalar))),
        }
    }

    /// Puts values in front of an element; neighbouring scalars as one block.
    fn fill_list(&mut self, list: &ArrayRef, mut index: u32, values: &[Value]) {
        for run in values.chunk_by(|a, b| is_scalar(a) && is_scalar(b)) {
            match run {
                [container] if !is_scalar(container) => {
                    self.put_at(Slot::Before(list, index), container);
                    index += 1;
                }
                scalars => {
                    list.insert_range(self.txn, index, scalars.iter().map(scalar_to_any));
                    index += u32::try_from(scalars.len()).expect("values are limited in size");
                }
            }
        }
    }

    fn remove(&mut self, place: &Place<'_>, path: &Path) -> Result<(), EditError> {
        self.existing(place).ok_or_else(|| EditError::NotFound { path: path.to_string() })?;
        match place {
            Place::TopLevel(key) => self.clear(key),
            Place::Key(map, key) => drop(map.remove(self.txn, key)),
            Place::Element(list, index) => list.remove(self.txn, *index),
        }
        Ok(())
    }

    /// Empties a top-level key: the root type of that name, and the scalar.
    fn clear(&mut self, key: &str) {
        if let Some(scalars) = root_branch(SCALARS, self.txn) {
            let scalars = MapRef::from(scalars);
            if scalars.contains_key(self.txn, key) {
                scalars.remove(self.txn, key);
            }
        }
        let Some(branch) = root_branch(key, self.txn) else { return };
        if key != SCALARS {
            MapRef::from(branch).clear(self.txn);
        }
        let len = branch.content_len();
        if len > 0 {
            match self.context.root_type(key, self.txn) {
                Some(Node::Text(text)) => text.remove_range(self.txn, 0, len),
                _ => ArrayRef::from(branch).remove_range(self.txn, 0, len),
            }
            self.context.shapes.forget(&branch);
        }
    }

    fn splice(
        &mut self,
        place: &Place<'_>,
        path: &Path,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), EditError> {
        let end = at.saturating_add(delete);
        let text = match self.existing(place) {
            Some(Node::Text(text)) => text,
            Some(other) => return Err(wrong_kind(path.to_string(), &other, NodeKind::Text)),
            None if end > 0 => {
                return Err(EditError::OutOfBounds { path: path.to_string(), index: end, len: 0 });
            }
            None => {
                self.put(place, &Value::Text(insert.to_owned()));
                return Ok(());
            }
        };
        let units = text.len(self.txn) as usize;
        let Shape::Text(index) = self.context.shapes.get(text.as_ref(), Declared::Text, self.txn) else {
            return Err(wrong_kind(path.to_string(), &Node::Opaque(yrs::Out::YText(text)), NodeKind::Text));
        };
        let len = index.len(units);
        if end > len {
            return Err(EditError::OutOfBounds { path: path.to_string(), index: end, len });
        }
        let (from, to) = (to_u32(index.unit(at)), to_u32(index.unit(end)));
        index.splice(at, delete, insert);
        if to > from && index.has_objects() {
            self.context.shapes.forget(text.as_ref());
        }
        replace(self.txn, &text, from, to - from, insert);
        Ok(())
    }

    fn increment(&mut self, place: &Place<'_>, path: &Path, by: i64) -> Result<(), EditError> {
        let counter = match self.existing(place) {
            Some(Node::Counter(counter)) => counter,
            Some(other) => return Err(wrong_kind(path.to_string(), &other, NodeKind::Counter)),
            None => {
                self.put(place, &Value::Counter(by));
                return Ok(());
            }
        };
        if counter_sum(&counter, self.txn).checked_add(by).is_none() {
            return Err(EditError::Overflow { path: path.to_string() });
        }
        let own = counter.get(self.txn, &self.counter_key()).map_or(0, |out| count_of(&out));
        self.count(&counter, own.wrapping_add(by));
        Ok(())
    }

    /// Writes down what this replica has counted.
    fn count(&mut self, counter: &MapRef, count: i64) {
        counter.insert(self.txn, self.counter_key(), Any::Number(Number::Int(count)));
    }

    fn counter_key(&self) -> String {
        format!("{COUNTER_PREFIX}{}", self.client)
    }

    /// An empty top-level map.
    fn make_map(&mut self, key: &str) -> MapRef {
        if key == SCALARS {
            let scalars = self.txn.get_or_insert_map(SCALARS);
            return scalars.insert(self.txn, key, MapPrelim::default());
        }
        self.txn.get_or_insert_map(key)
    }

    /// An empty top-level list.
    fn make_list(&mut self, key: &str) -> ArrayRef {
        if key == SCALARS {
            let scalars = self.txn.get_or_insert_map(SCALARS);
            return scalars.insert(self.txn, key, ArrayPrelim::default());
        }
        self.context.shapes.set(key, Shape::List);
        self.txn.get_or_insert_array(key)
    }
}

impl Slot<'_> {
    fn insert<V: yrs::block::Prelim>(&self, txn: &mut TransactionMut<'_>, value: V) -> V::Return {
        match self {
            Self::Key(map, key) => map.insert(txn, *key, value),
            Self::Before(list, index) => list.insert(txn, *index, value),
        }
    }
}

fn replace(txn: &mut TransactionMut<'_>, text: &TextRef, at: u32, delete: u32, insert: &str) {
    if delete > 0 {
        text.remove_range(txn, at, delete);
    }
    if !insert.is_empty() {
        text.insert(txn, at, insert);
    }
}

fn to_u32(units: usize) -> u32 {
    u32::try_from(units).expect("a text is shorter than 2^31 units")
}

const fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Map(_) | Value::List(_) | Value::Text(_) | Value::Counter(_))
}

fn scalar_to_any(value: &Value) -> Any {
    match value {
        Value::Bool(truth) => Any::Bool(*truth),
        Value::Int(number) => Any::Number(Number::Int(*number)),
        Value::Float(number) => match Value::number(*number) {
            Value::Int(whole) => Any::Number(Number::Int(whole)),
            _ => Any::Number(Number::Float(*number)),
        },
        Value::String(text) => Any::String(text.as_str().into()),
        Value::Bytes(bytes) => Any::Buffer(bytes.as_slice().into()),
        Value::Null
        | Value::Counter(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Opaque(_) => Any::Null,
    }
}

/// Keys that a counter is known by cannot be given to anything else.
fn check_keys(operation: &Operation) -> Result<(), EditError> {
    let tokens = operation.path().tokens().iter();
    let mut in_path = tokens.map(String::as_str);
    let taken = match operation {
        Operation::Put { value, .. } => in_path.any(is_taken) || has_taken_key(value),
        Operation::Insert { values, .. } => values.iter().any(has_taken_key),
        Operation::Splice { .. } | Operation::Increment { .. } => in_path.any(is_taken),
        Operation::Remove { .. } => false,
    };
    if taken {
        return Err(EditError::Unsupported {
            reason: format!("keys that start with {COUNTER_PREFIX} are taken"),
        });
    }
    Ok(())
}

fn is_taken(key: &str) -> bool {
    key.starts_with(COUNTER_PREFIX)
}

fn has_taken_key(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.iter().any(|(key, value)| is_taken(key) || has_taken_key(value)),
        Value::List(list) => list.iter().any(has_taken_key),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Text(_)
        | Value::Opaque(_) => false,
    }
}

/// The place in a list that a token names, which may be its end.
fn position(parent: &[String], len: u32, token: &str) -> Result<u32, EditError> {
    if token == "-" {
        return Ok(len);
    }
    let not_an_index = || EditError::NotAnIndex { path: pointer(parent), token: token.to_owned() };
    let index = index_of(token).ok_or_else(not_an_index)?;
    let within = u32::try_from(index).ok().filter(|index| *index <= len);
    within.ok_or_else(|| out_of_bounds(parent, index, len))
}

fn out_of_bounds(parent: &[String], index: usize, len: u32) -> EditError {
    EditError::OutOfBounds { path: pointer(parent), index, len: len as usize }
}

fn not_editable(parent: &[String], found: &Node, expected: NodeKind) -> EditError {
    if let Node::Plain(Any::Map(_) | Any::Array(_)) = found {
        let path = pointer(parent);
        return EditError::Unsupported {
            reason: format!("{path:?} is one value to other programs; replace it as a whole"),
        };
    }
    wrong_kind(pointer(parent), found, expected)
}

fn wrong_kind(path: String, found: &Node, expected: NodeKind) -> EditError {
    EditError::WrongKind { path, found: found.kind(), expected }
}

fn pointer(tokens: &[String]) -> String {
    tokens.iter().map(String::as_str).collect::<Path>().to_string()
}
