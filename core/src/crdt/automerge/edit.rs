//! Performs operations in an open transaction.
//!
//! Everything that can be wrong with an operation is found before the document is touched; what the library
//! refuses after that means that it is damaged.

use automerge::transaction::{OwnedTransaction, Transactable};
use automerge::{AutomergeError, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue};

use super::contain::damaged;
use super::read::{Node, element, find, get, pointer, position};
use super::roots::{self, Root};
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::value::{NodeKind, Value};

pub use super::change::MAX_OPS;

/// The top-level container that must be made before the operation can be performed, if there is one: nothing is
/// at its key and it was never made before. An operation that could not be performed in it is refused.
pub fn missing_root<'a>(
    document: &OwnedTransaction,
    operation: &'a Operation,
) -> Result<Option<(Root, &'a str)>, EditError> {
    let Some((root, key)) = root_of(operation) else { return Ok(None) };
    if get(document, &ROOT, Prop::Map(key.to_owned())).is_some() {
        return Ok(None);
    }
    check_in_empty(operation)?;
    let made = document.hash_for_opid(&roots::object(root, key)).is_some();
    Ok((!made).then_some((root, key)))
}

/// The top-level container that an operation fills, or puts something into.
fn root_of(operation: &Operation) -> Option<(Root, &str)> {
    let tokens = operation.path().tokens();
    let root = match (operation, tokens.len()) {
        (Operation::Put { value, .. }, 1) => filled(value)?,
        (Operation::Put { .. }, 2) => Root::Map,
        (Operation::Insert { values, .. }, 2) if !values.is_empty() => Root::List,
        // Nothing but the beginning is in a text that is not there.
        (Operation::Splice { insert, at: 0, delete: 0, .. }, 1) if !insert.is_empty() => Root::Text,
        (Operation::Increment { .. }, 1) => Root::Counter,
        (
            Operation::Put { .. }
            | Operation::Remove { .. }
            | Operation::Insert { .. }
            | Operation::Splice { .. }
            | Operation::Increment { .. },
            _,
        ) => return None,
    };
    Some((root, tokens.first()?))
}

fn filled(value: &Value) -> Option<Root> {
    let kind = object_type(value).filter(|_| !value.is_empty_container())?;
    Some(match kind {
        ObjType::Map | ObjType::Table => Root::Map,
        ObjType::List => Root::List,
        ObjType::Text => Root::Text,
    })
}

/// Refuses an operation that cannot be performed in a container that is not there yet.
fn check_in_empty(operation: &Operation) -> Result<(), EditError> {
    match operation {
        Operation::Insert { path, .. } => insert_position(path, 0).map(drop),
        Operation::Put { .. }
        | Operation::Remove { .. }
        | Operation::Splice { .. }
        | Operation::Increment { .. } => Ok(()),
    }
}

/// A text that was edited, and where it was found. It stays there as long as nothing but texts is edited, and nothing merged;
/// to look for it takes a tenth of the time of an edit.
pub struct Edited {
    path: Path,
    text: ObjId,
}

/// Performs an operation that was checked and whose top-level container, if it needs one, was made. It may take
/// `budget` operations of the library. Takes the text that the operation before edited, and returns the one that this did.
pub fn perform(
    document: &mut OwnedTransaction,
    operation: &Operation,
    budget: usize,
    before: Option<Edited>,
) -> Result<Option<Edited>, EditError> {
    let mut edit = Edit { document, budget };
    match operation {
        Operation::Put { path, value } => edit.put(path, value)?,
        Operation::Remove { path } => edit.remove(path)?,
        Operation::Insert { path, values } => edit.insert(path, values)?,
        Operation::Splice { path, at, delete, insert } => {
            let again = before.filter(|before| before.path == *path);
            return edit.splice(path, Splice { at: *at, delete: *delete, insert }, again);
        }
        Operation::Increment { path, by } => edit.increment(path, *by)?,
    }
    Ok(None)
}

struct Edit<'a> {
    document: &'a mut OwnedTransaction,
    /// How many operations of the library may still be made.
    budget: usize,
}

/// What becomes of a text: characters are taken out, and others put in there.
#[derive(Clone, Copy)]
struct Splice<'a> {
    at: usize,
    delete: usize,
    insert: &'a str,
}

/// A key of a map or an element of a list.
struct Place {
    object: ObjId,
    prop: Prop,
    /// What is there; a top-level container counts even if it is empty.
    node: Option<Node>,
}

/// A container that something is to be put into.
enum Container<'t> {
    There(Node),
    /// At this top-level key there is nothing to be seen.
    Hidden(&'t str),
}

impl Place {
    fn is_top_level(&self) -> bool {
        self.object == ROOT
    }
}

impl Edit<'_> {
    fn put(&mut self, path: &Path, value: &Value) -> Result<(), EditError> {
        self.spend(cost(value))?;
        let (parent, token) = path.split_last().ok_or(EditError::IsRoot)?;
        let place = match self.container(parent, ObjType::Map)? {
            Container::There(node) => self.place_in(node, parent, token)?,
            Container::Hidden(key) => {
                let object = self.make(key, ObjType::Map)?;
                Place { object, prop: Prop::Map(token.to_owned()), node: None }
            }
        };
        if place.is_top_level() { self.put_top_level(&place, value) } else { self.write(&place, value) }
    }

    /// A top-level container gives its content away before something else takes its key, and is filled again
    /// if it is of the right sort: whoever edits it at the same time must find it.
    fn put_top_level(&mut self, place: &Place, value: &Value) -> Result<(), EditError> {
        let Some(Node::Object(id, kind @ (ObjType::Map | ObjType::List | ObjType::Text))) = &place.node
        else {
            if place.node.is_none() && value.is_empty_container() {
                return Ok(());
            }
            return self.write(place, value);
        };
        self.clear(id, *kind)?;
        if object_type(value) == Some(*kind) { self.fill(id, value) } else { self.write(place, value) }
    }

    fn remove(&mut self, path: &Path) -> Result<(), EditError> {
        let place = self.place(path)?;
        let node = place.node.filter(|node| place.object != ROOT || !node.is_empty_container(self.document));
        match node.ok_or_else(|| EditError::NotFound { path: path.to_string() })? {
            Node::Object(id, kind @ (ObjType::Map | ObjType::List | ObjType::Text))
                if place.object == ROOT =>
            {
                self.clear(&id, kind)
            }
            Node::Object(..) | Node::Scalar(_) => {
                self.spend(1)?;
                self.document.delete(&place.object, place.prop).map_err(failed)
            }
        }
    }

    fn insert(&mut self, path: &Path, values: &[Value]) -> Result<(), EditError> {
        let (parent, _) = path.split_last().ok_or(EditError::IsRoot)?;
        let list = match self.container(parent, ObjType::List)? {
            Container::There(Node::Object(id, ObjType::List)) => id,
            Container::There(other) => return Err(wrong_kind(pointer(parent), &other, NodeKind::List)),
            Container::Hidden(key) => {
                insert_position(path, 0)?;
                if values.is_empty() {
                    return Ok(());
                }
                self.make(key, ObjType::List)?
            }
        };
        let index = insert_position(path, self.document.length(&list))?;
        self.spend(values.iter().map(cost).sum())?;
        self.fill_list(&list, index, values)
    }

    /// Returns the text, if there is one then; `again` if it was the last one already.
    fn splice(
        &mut self,
        path: &Path,
        splice: Splice<'_>,
        again: Option<Edited>,
    ) -> Result<Option<Edited>, EditError> {
        if let Some(Edited { text, .. }) = &again {
            self.check_splice(path, Some(text), splice)?;
            self.splice_text(text, splice)?;
            return Ok(again);
        }
        let place = self.place(path)?;
        let text = match self.existing(&place, NodeKind::Text) {
            Some(Node::Object(id, ObjType::Text)) => Some(id),
            Some(other) => return Err(wrong_kind(path.to_string(), &other, NodeKind::Text)),
            None => None,
        };
        self.check_splice(path, text.as_ref(), splice)?;
        let text = match text {
            Some(text) => text,
            None if place.is_top_level() && splice.insert.is_empty() => return Ok(None),
            None => self.document.put_object(&place.object, place.prop, ObjType::Text).map_err(failed)?,
        };
        self.splice_text(&text, splice)?;
        Ok(Some(Edited { path: path.clone(), text }))
    }

    fn check_splice(
        &mut self,
        path: &Path,
        text: Option<&ObjId>,
        Splice { at, delete, insert }: Splice<'_>,
    ) -> Result<(), EditError> {
        check_range(path, at, delete, text.map_or(0, |text| self.document.length(text)))?;
        self.spend(1 + delete + insert.chars().count())
    }

    fn splice_text(
        &mut self,
        text: &ObjId,
        Splice { at, delete, insert }: Splice<'_>,
    ) -> Result<(), EditError> {
        let delete = isize::try_from(delete).map_err(|_| too_many())?;
        self.document.splice_text(text, at, delete, insert).map_err(failed)
    }

    fn increment(&mut self, path: &Path, by: i64) -> Result<(), EditError> {
        let place = self.place(path)?;
        self.spend(1)?;
        let count = match self.existing(&place, NodeKind::Counter) {
            Some(Node::Scalar(ScalarValue::Counter(counter))) => i64::from(&counter),
            Some(other) => return Err(wrong_kind(path.to_string(), &other, NodeKind::Counter)),
            None => return self.put_scalar(&place, ScalarValue::counter(by)),
        };
        count.checked_add(by).ok_or_else(|| EditError::Overflow { path: path.to_string() })?;
        self.document.increment(place.object, place.prop, by).map_err(failed)
    }

    /// What an operation finds at its place: an empty top-level container of another sort than it needs is not
    /// there.
    fn existing(&self, place: &Place, needed: NodeKind) -> Option<Node> {
        let hidden = |node: &Node| place.is_top_level() && node.is_empty_container(self.document);
        place.node.clone().filter(|node| node.kind() == needed || !hidden(node))
    }

    fn place(&self, path: &Path) -> Result<Place, EditError> {
        let (parent, token) = path.split_last().ok_or(EditError::IsRoot)?;
        self.place_in(find(self.document, parent)?, parent, token)
    }

    fn place_in(&self, container: Node, parent: &[String], token: &str) -> Result<Place, EditError> {
        let (object, prop) = match container {
            Node::Object(id, ObjType::Map) => (id, Prop::Map(token.to_owned())),
            Node::Object(id, ObjType::List) => {
                let index = element(&pointer(parent), self.document.length(&id), token)?;
                (id, Prop::Seq(index))
            }
            other => return Err(wrong_kind(pointer(parent), &other, NodeKind::Map)),
        };
        let node = get(self.document, &object, prop.clone());
        Ok(Place { object, prop, node })
    }

    /// The container that something is put into; at the top level it may be empty, if it is of this sort.
    fn container<'t>(&self, tokens: &'t [String], kind: ObjType) -> Result<Container<'t>, EditError> {
        let [key] = tokens else { return find(self.document, tokens).map(Container::There) };
        let node = get(self.document, &ROOT, Prop::Map(key.clone()));
        let usable = |node: &Node| {
            matches!(node, Node::Object(_, found) if *found == kind)
                || !node.is_empty_container(self.document)
        };
        Ok(node.filter(usable).map_or(Container::Hidden(key), Container::There))
    }

    /// Makes a top-level container in place of an empty one of another sort, or of one that another program
    /// removed.
    fn make(&mut self, key: &str, kind: ObjType) -> Result<ObjId, EditError> {
        self.spend(1)?;
        self.document.put_object(ROOT, key, kind).map_err(failed)
    }

    fn write(&mut self, place: &Place, value: &Value) -> Result<(), EditError> {
        match (scalar(value), object_type(value)) {
            (Some(scalar), _) => self.put_scalar(place, scalar),
            (None, Some(kind)) => {
                let id = self.document.put_object(&place.object, place.prop.clone(), kind).map_err(failed)?;
                self.fill(&id, value)
            }
            (None, None) => {
                Err(EditError::Unsupported { reason: "foreign content cannot be written".to_owned() })
            }
        }
    }

    /// The library does not write a value that is there already (a counter that started from the same number); but to write it again is to say that it stands
    /// against what others write meanwhile.
    fn put_scalar(&mut self, place: &Place, scalar: ScalarValue) -> Result<(), EditError> {
        let counters = |old: &ScalarValue| old.is_counter() && scalar.is_counter();
        if matches!(&place.node, Some(Node::Scalar(old)) if *old == scalar || counters(old)) {
            let other = ScalarValue::Boolean(scalar != ScalarValue::Boolean(true));
            self.document.put(&place.object, place.prop.clone(), other).map_err(failed)?;
        }
        self.document.put(&place.object, place.prop.clone(), scalar).map_err(failed)
    }

    fn clear(&mut self, id: &ObjId, kind: ObjType) -> Result<(), EditError> {
        let len = self.document.length(id);
        if len == 0 {
            return Ok(());
        }
        self.spend(len)?;
        let delete = isize::try_from(len).map_err(|_| too_many())?;
        match kind {
            ObjType::Map | ObjType::Table => {
                let keys: Vec<_> = self.document.keys(id).collect();
                keys.into_iter().try_for_each(|key| self.document.delete(id, key))
            }
            ObjType::List => self.document.splice(id, 0, delete, std::iter::empty::<ScalarValue>()),
            ObjType::Text => self.document.splice_text(id, 0, delete, ""),
        }
        .map_err(failed)
    }

    /// Puts the content of a container value into an empty container of its sort.
    fn fill(&mut self, id: &ObjId, value: &Value) -> Result<(), EditError> {
        match value {
            Value::Map(map) => map.iter().try_for_each(|(key, value)| {
                let prop = Prop::Map(key.clone());
                self.write(&Place { object: id.clone(), prop, node: None }, value)
            }),
            Value::List(list) => self.fill_list(id, 0, list),
            Value::Text(text) => self.document.splice_text(id, 0, 0, text).map_err(failed),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Counter(_)
            | Value::Opaque(_) => Ok(()),
        }
    }

    fn fill_list(&mut self, list: &ObjId, index: usize, values: &[Value]) -> Result<(), EditError> {
        let scalars: Option<Vec<_>> = values.iter().map(scalar).collect();
        if let Some(scalars) = scalars {
            return self.document.splice(list, index, 0, scalars).map_err(failed);
        }
        for (index, value) in (index..).zip(values) {
            if let Some(scalar) = scalar(value) {
                self.document.insert(list, index, scalar).map_err(failed)?;
            } else if let Some(kind) = object_type(value) {
                let id = self.document.insert_object(list, index, kind).map_err(failed)?;
                self.fill(&id, value)?;
            }
        }
        Ok(())
    }

    fn spend(&mut self, ops: usize) -> Result<(), EditError> {
        self.budget = self.budget.checked_sub(ops).ok_or_else(too_many)?;
        Ok(())
    }
}

/// The sort of object that holds a value, if it is a container.
const fn object_type(value: &Value) -> Option<ObjType> {
    match value {
        Value::Map(_) => Some(ObjType::Map),
        Value::List(_) => Some(ObjType::List),
        Value::Text(_) => Some(ObjType::Text),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Opaque(_) => None,
    }
}

/// The scalar that holds a value, if it is not a container.
fn scalar(value: &Value) -> Option<ScalarValue> {
    Some(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(*value),
        Value::Int(number) => ScalarValue::Int(*number),
        Value::Float(number) => match Value::number(*number) {
            Value::Int(number) => ScalarValue::Int(number),
            _ => ScalarValue::F64(*number),
        },
        Value::String(text) => ScalarValue::Str(text.into()),
        Value::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
        Value::Counter(count) => ScalarValue::counter(*count),
        Value::Map(_) | Value::List(_) | Value::Text(_) | Value::Opaque(_) => return None,
    })
}

/// How many operations of the library a value takes at most.
fn cost(value: &Value) -> usize {
    match value {
        Value::Map(map) => 1 + map.values().map(cost).sum::<usize>(),
        Value::List(list) => 1 + list.iter().map(cost).sum::<usize>(),
        Value::Text(text) => 1 + text.chars().count(),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Opaque(_) => 2,
    }
}

fn insert_position(path: &Path, len: usize) -> Result<usize, EditError> {
    let (parent, token) = path.split_last().ok_or(EditError::IsRoot)?;
    let list = pointer(parent);
    let index = position(&list, len, token)?;
    if index > len { Err(EditError::OutOfBounds { path: list, index, len }) } else { Ok(index) }
}

fn check_range(path: &Path, at: usize, delete: usize, len: usize) -> Result<(), EditError> {
    let index = at.saturating_add(delete);
    if index > len { Err(EditError::OutOfBounds { path: path.to_string(), index, len }) } else { Ok(()) }
}

const fn wrong_kind(path: String, found: &Node, expected: NodeKind) -> EditError {
    EditError::WrongKind { path, found: found.kind(), expected }
}

const fn too_many() -> EditError {
    EditError::Limit { what: "the characters and values changed by one edit", limit: MAX_OPS }
}

fn failed(error: AutomergeError) -> EditError {
    damaged(error).into()
}
