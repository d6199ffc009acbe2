//! Reads an Automerge document as values.
//!
//! Timestamps are shown as whole numbers (milliseconds), unsigned numbers beyond 64 bits with a sign as floats;
//! marks are left out of texts and blocks stand in them as U+FFFC. Tables, which no current version makes, are
//! shown as foreign content.

use std::collections::BTreeMap;

use automerge::{
    ActorId, Cursor, CursorPosition, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value as LibraryValue,
};

use super::known::{ObjectKind, OpId};
use crate::operation::EditError;
use crate::path::{MAX_DEPTH, Path};
use crate::presence::Anchor;
use crate::value::{NodeKind, Value};

/// What is at some place.
#[derive(Clone, Debug)]
pub enum Node {
    /// An object.
    Object(ObjId, ObjType),
    /// A scalar or counter.
    Scalar(ScalarValue),
}

impl Node {
    /// The whole document.
    pub const fn root() -> Self {
        Self::Object(ROOT, ObjType::Map)
    }

    /// What sort of thing this is.
    pub const fn kind(&self) -> NodeKind {
        match self {
            Self::Object(_, ObjType::Map) => NodeKind::Map,
            Self::Object(_, ObjType::List) => NodeKind::List,
            Self::Object(_, ObjType::Text) => NodeKind::Text,
            Self::Object(_, ObjType::Table) | Self::Scalar(ScalarValue::Unknown { .. }) => NodeKind::Opaque,
            Self::Scalar(ScalarValue::Counter(_)) => NodeKind::Counter,
            Self::Scalar(_) => NodeKind::Register,
        }
    }

    /// Whether this is a container without content.
    pub fn is_empty_container(&self, document: &impl ReadDoc) -> bool {
        match self {
            Self::Object(id, ObjType::Map | ObjType::List | ObjType::Text) => document.length(id) == 0,
            Self::Object(_, ObjType::Table) | Self::Scalar(_) => false,
        }
    }
}

/// The value at a path and everything below it.
pub fn value(document: &impl ReadDoc, path: &Path) -> Option<Value> {
    let node = find(document, path.tokens()).ok()?;
    Some(hydrate(document, node, path.tokens().len()))
}

/// What is at a path.
pub fn kind(document: &impl ReadDoc, path: &Path) -> Option<NodeKind> {
    find(document, path.tokens()).ok().map(|node| node.kind())
}

/// How many keys, elements or code points are at a path.
pub fn len(document: &impl ReadDoc, path: &Path) -> Option<usize> {
    match find(document, path.tokens()).ok()? {
        Node::Object(ObjId::Root, _) => keys(document, path).map(|keys| keys.len()),
        Node::Object(id, ObjType::Map | ObjType::List | ObjType::Text) => Some(document.length(id)),
        Node::Object(_, ObjType::Table) | Node::Scalar(_) => None,
    }
}

/// A place in the text at a path that stays in front of the same character, or at the end.
pub fn anchor(document: &impl ReadDoc, path: &Path, at: usize) -> Option<Anchor> {
    let text = text(document, path)?;
    let position = match document.length(&text) {
        len if at < len => CursorPosition::Index(at),
        len if at == len => CursorPosition::End,
        _ => return None,
    };
    document.get_cursor(&text, position, None).ok().map(|cursor| Anchor(cursor.to_string()))
}

/// Where such a place is now.
pub fn locate(document: &impl ReadDoc, path: &Path, anchor: &Anchor) -> Option<usize> {
    let cursor = Cursor::try_from(anchor.0.as_str()).ok()?;
    document.get_cursor_position(&text(document, path)?, &cursor, None).ok()
}

fn text(document: &impl ReadDoc, path: &Path) -> Option<ObjId> {
    match find(document, path.tokens()).ok()? {
        Node::Object(id, ObjType::Text) => Some(id),
        Node::Object(..) | Node::Scalar(_) => None,
    }
}

/// The keys of the map at a path, in order.
pub fn keys(document: &impl ReadDoc, path: &Path) -> Option<Vec<String>> {
    let Node::Object(id, ObjType::Map) = find(document, path.tokens()).ok()? else { return None };
    let mut keys: Vec<_> = document.keys(&id).collect();
    if id == ROOT {
        keys.retain(|key| top_level(document, key).is_some());
    }
    keys.sort_unstable();
    Some(keys)
}

/// What these tokens lead to, or what is wrong on the way there.
pub fn find(document: &impl ReadDoc, tokens: &[String]) -> Result<Node, EditError> {
    let mut node = Node::root();
    for (depth, token) in tokens.iter().enumerate() {
        let here = || pointer(&tokens[..=depth]);
        let parent = || pointer(&tokens[..depth]);
        let child = match &node {
            Node::Object(ObjId::Root, _) => top_level(document, token),
            Node::Object(id, ObjType::Map) => get(document, id, Prop::Map(token.clone())),
            Node::Object(id, ObjType::List) => {
                let index = element(&parent(), document.length(id), token)?;
                get(document, id, Prop::Seq(index))
            }
            Node::Object(_, ObjType::Text | ObjType::Table) | Node::Scalar(_) => {
                return Err(EditError::WrongKind {
                    path: parent(),
                    found: node.kind(),
                    expected: NodeKind::Map,
                });
            }
        };
        node = child.ok_or_else(|| EditError::NotFound { path: here() })?;
    }
    Ok(node)
}

/// What is at a top-level key; containers without content are not there.
pub fn top_level(document: &impl ReadDoc, key: &str) -> Option<Node> {
    get(document, &ROOT, Prop::Map(key.to_owned())).filter(|node| !node.is_empty_container(document))
}

/// What an object holds at a key or index.
pub fn get(document: &impl ReadDoc, object: &ObjId, prop: Prop) -> Option<Node> {
    let (value, id) = document.get(object, prop).ok()??;
    Some(node(value, id))
}

fn node(value: LibraryValue<'_>, id: ObjId) -> Node {
    match value {
        LibraryValue::Object(kind) => Node::Object(id, kind),
        LibraryValue::Scalar(scalar) => Node::Scalar(scalar.into_owned()),
    }
}

/// The index of an element that is there, in a list of this length.
pub fn element(list: &str, len: usize, token: &str) -> Result<usize, EditError> {
    let index = position(list, len, token)?;
    if index < len { Ok(index) } else { Err(EditError::OutOfBounds { path: list.to_owned(), index, len }) }
}

/// The place in a list of this length that a token names; it may lie behind the end.
pub fn position(list: &str, len: usize, token: &str) -> Result<usize, EditError> {
    if token == "-" {
        return Ok(len);
    }
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    let index = if plain { token.parse().ok() } else { None };
    index.ok_or_else(|| EditError::NotAnIndex { path: list.to_owned(), token: token.to_owned() })
}

/// A path as text.
pub fn pointer<S: Into<String>>(tokens: impl IntoIterator<Item = S>) -> String {
    tokens.into_iter().collect::<Path>().to_string()
}

/// Reads a node that lies inside `depth` containers. Other programs may nest deeper than Syncline does; what is
/// below its limit is not followed, so that no document can exhaust the stack.
fn hydrate(document: &impl ReadDoc, node: Node, depth: usize) -> Value {
    match node {
        Node::Object(..) if depth > MAX_DEPTH => Value::Opaque("nested too deeply to be shown".to_owned()),
        Node::Object(id, ObjType::Map) => Value::Map(hydrate_map(document, &id, depth)),
        Node::Object(id, ObjType::List) => Value::List(hydrate_list(document, &id, depth)),
        Node::Object(id, ObjType::Text) => Value::Text(document.text(id).unwrap_or_default()),
        Node::Object(id, ObjType::Table) => Value::Opaque(format!("a table of {} rows", document.length(id))),
        Node::Scalar(value) => scalar(value),
    }
}

fn hydrate_map(document: &impl ReadDoc, id: &ObjId, depth: usize) -> BTreeMap<String, Value> {
    let entries = document.map_range(id, ..).map(|item| {
        let id = item.id();
        (item.key.into_owned(), hydrate(document, node(item.value.into_value(), id), depth + 1))
    });
    entries.filter(|(_, value)| depth > 0 || !value.is_empty_container()).collect()
}

fn hydrate_list(document: &impl ReadDoc, id: &ObjId, depth: usize) -> Vec<Value> {
    let items = document.list_range(id, ..).map(|item| {
        let id = item.id();
        hydrate(document, node(item.value.into_value(), id), depth + 1)
    });
    items.collect()
}

fn scalar(value: ScalarValue) -> Value {
    match value {
        ScalarValue::Null => Value::Null,
        ScalarValue::Boolean(value) => Value::Bool(value),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Value::Int(number),
        ScalarValue::Uint(number) => unsigned(number),
        ScalarValue::F64(number) => Value::number(number),
        ScalarValue::Str(text) => Value::String(text.into()),
        ScalarValue::Bytes(bytes) => Value::Bytes(bytes),
        ScalarValue::Counter(counter) => Value::Counter(i64::from(&counter)),
        ScalarValue::Unknown { type_code, .. } => {
            Value::Opaque(format!("a value of unknown type {type_code}"))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float is the closest there is beyond 64 bits with a sign")]
fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)
}

/// The object that an operation makes.
pub fn object_id(id: OpId<&[u8]>) -> ObjId {
    ObjId::Id(id.counter.into(), ActorId::from(id.actor), 0)
}

/// An object type as gates know it.
pub const fn object_kind(kind: ObjType) -> ObjectKind {
    match kind {
        ObjType::Map | ObjType::Table => ObjectKind::Map,
        ObjType::List => ObjectKind::List,
        ObjType::Text => ObjectKind::Text,
    }
}
