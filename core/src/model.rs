//! The reference: what every operation means, on plain data and in one place.
//!
//! A [`Model`] is a document with one writer. It is the judge in tests: a document of any family to which the
//! same operations are applied one after the other must read the same, and must refuse the same operations.
//! Nothing here knows about merging.

use std::collections::BTreeMap;

use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::value::{NodeKind, Value};

/// A document of one writer.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    root: Value,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// An empty document.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: Value::Map(BTreeMap::new()) }
    }

    /// A document that reads as this map; its empty top-level containers are not there. `None` if this is not
    /// a map.
    #[must_use]
    pub fn of(root: Value) -> Option<Self> {
        let Value::Map(mut root) = root else { return None };
        root.retain(|_, value| !value.is_empty_container());
        Some(Self { root: Value::Map(root) })
    }

    /// Performs one operation, or refuses it and is as before.
    pub fn perform(&mut self, operation: &Operation) -> Result<(), EditError> {
        operation.check()?;
        self.make_container(operation);
        let result = perform(&mut self.root, operation);
        self.drop_empty(operation.path());
        result
    }

    /// The whole document: a map.
    #[must_use]
    pub const fn root(&self) -> &Value {
        &self.root
    }

    /// The value at a path and everything below it.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<&Value> {
        path.tokens().iter().try_fold(&self.root, |node, token| child(node, token))
    }

    /// What is at a path.
    #[must_use]
    pub fn kind(&self, path: &Path) -> Option<NodeKind> {
        self.value(path).map(Value::kind)
    }

    /// How many keys, elements or code points are at a path; nothing else has a length.
    #[must_use]
    pub fn len(&self, path: &Path) -> Option<usize> {
        match self.value(path)? {
            Value::Map(map) => Some(map.len()),
            Value::List(list) => Some(list.len()),
            Value::Text(text) => Some(text.chars().count()),
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

    /// The keys of the map at a path, in order.
    #[must_use]
    pub fn keys(&self, path: &Path) -> Option<Vec<String>> {
        let Value::Map(map) = self.value(path)? else { return None };
        Some(map.keys().cloned().collect())
    }

    /// The top-level map or list that an operation inside it brings into being. If the operation fails it is
    /// still empty, and goes again with [`Model::drop_empty`].
    fn make_container(&mut self, operation: &Operation) {
        let [key, _] = operation.path().tokens() else { return };
        let empty = match operation {
            Operation::Put { .. } => Value::Map(BTreeMap::new()),
            Operation::Insert { .. } => Value::List(Vec::new()),
            Operation::Remove { .. } | Operation::Splice { .. } | Operation::Increment { .. } => return,
        };
        self.top_level().entry(key.clone()).or_insert(empty);
    }

    fn drop_empty(&mut self, path: &Path) {
        let Some(key) = path.tokens().first() else { return };
        let top_level = self.top_level();
        if top_level.get(key).is_some_and(Value::is_empty_container) {
            top_level.remove(key);
        }
    }

    fn top_level(&mut self) -> &mut BTreeMap<String, Value> {
        let Value::Map(map) = &mut self.root else { unreachable!("the root of a model is a map") };
        map
    }
}

fn child<'a>(node: &'a Value, token: &str) -> Option<&'a Value> {
    match node {
        Value::Map(map) => map.get(token),
        Value::List(list) => list.get(index_of(token)?),
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

/// Performs an operation on a value, wherever it may come from.
pub(crate) fn perform(root: &mut Value, operation: &Operation) -> Result<(), EditError> {
    let (parent, token) = operation.path().split_last().ok_or(EditError::IsRoot)?;
    let place = Place { node: descend(root, parent)?, parent, token };
    match operation {
        Operation::Put { value, .. } => place.put(normal(value)),
        Operation::Remove { .. } => place.remove(),
        Operation::Insert { values, .. } => place.insert(values),
        Operation::Splice { path, at, delete, insert } => {
            let old = place.get()?;
            let new = spliced(path, old, *at..at.saturating_add(*delete), insert)?;
            place.put(new)
        }
        Operation::Increment { path, by } => {
            let new = incremented(path, place.get()?, *by)?;
            place.put(new)
        }
    }
}

/// The container at the end of `tokens`, or what is wrong on the way there.
fn descend<'a>(root: &'a mut Value, tokens: &[String]) -> Result<&'a mut Value, EditError> {
    tokens.iter().enumerate().try_fold(root, |node, (depth, token)| {
        let (parent, here) = (pointer(&tokens[..depth]), pointer(&tokens[..=depth]));
        match node {
            Value::Map(map) => map.get_mut(token).ok_or(EditError::NotFound { path: here }),
            Value::List(list) => {
                let index = element(&parent, list, token)?;
                Ok(&mut list[index])
            }
            other => Err(wrong_kind(parent, other, NodeKind::Map)),
        }
    })
}

/// A key of a map or an element of a list, there or not.
struct Place<'a> {
    node: &'a mut Value,
    parent: &'a [String],
    token: &'a str,
}

impl Place<'_> {
    fn get(&self) -> Result<Option<&Value>, EditError> {
        match &*self.node {
            Value::Map(map) => Ok(map.get(self.token)),
            Value::List(list) => {
                element(&pointer(self.parent), list, self.token).map(|index| list.get(index))
            }
            other => Err(wrong_kind(pointer(self.parent), other, NodeKind::Map)),
        }
    }

    fn put(self, value: Value) -> Result<(), EditError> {
        match self.node {
            Value::Map(map) => {
                map.insert(self.token.to_owned(), value);
            }
            Value::List(list) => {
                let index = element(&pointer(self.parent), list, self.token)?;
                list[index] = value;
            }
            other => return Err(wrong_kind(pointer(self.parent), other, NodeKind::Map)),
        }
        Ok(())
    }

    fn remove(self) -> Result<(), EditError> {
        match self.node {
            Value::Map(map) => {
                let missing = || EditError::NotFound {
                    path: pointer(self.parent.iter().map(String::as_str).chain([self.token])),
                };
                map.remove(self.token).map(drop).ok_or_else(missing)
            }
            Value::List(list) => {
                list.remove(element(&pointer(self.parent), list, self.token)?);
                Ok(())
            }
            other => Err(wrong_kind(pointer(self.parent), other, NodeKind::Map)),
        }
    }

    fn insert(self, values: &[Value]) -> Result<(), EditError> {
        let parent = pointer(self.parent);
        let Value::List(list) = self.node else { return Err(wrong_kind(parent, self.node, NodeKind::List)) };
        let index = position(&parent, list, self.token)?;
        if index > list.len() {
            return Err(EditError::OutOfBounds { path: parent, index, len: list.len() });
        }
        list.splice(index..index, values.iter().map(normal));
        Ok(())
    }
}

/// The index of an element that is there.
fn element(path: &str, list: &[Value], token: &str) -> Result<usize, EditError> {
    let index = position(path, list, token)?;
    if index < list.len() {
        return Ok(index);
    }
    Err(EditError::OutOfBounds { path: path.to_owned(), index, len: list.len() })
}

/// The place in a list that a token names, which may lie behind its end.
fn position(path: &str, list: &[Value], token: &str) -> Result<usize, EditError> {
    if token == "-" {
        return Ok(list.len());
    }
    index_of(token).ok_or_else(|| EditError::NotAnIndex { path: path.to_owned(), token: token.to_owned() })
}

/// RFC 6901: digits without leading zeros.
fn index_of(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

fn spliced(
    path: &Path,
    old: Option<&Value>,
    range: std::ops::Range<usize>,
    insert: &str,
) -> Result<Value, EditError> {
    let old = match old {
        None => "",
        Some(Value::Text(text)) => text,
        Some(other) => return Err(wrong_kind(path.to_string(), other, NodeKind::Text)),
    };
    let len = old.chars().count();
    if range.end > len {
        return Err(EditError::OutOfBounds { path: path.to_string(), index: range.end, len });
    }
    let (before, after) = (byte_offset(old, range.start), byte_offset(old, range.end));
    Ok(Value::Text(format!("{}{insert}{}", &old[..before], &old[after..])))
}

fn byte_offset(text: &str, code_points: usize) -> usize {
    text.char_indices().nth(code_points).map_or(text.len(), |(at, _)| at)
}

fn incremented(path: &Path, old: Option<&Value>, by: i64) -> Result<Value, EditError> {
    let old = match old {
        None => 0,
        Some(Value::Counter(count)) => *count,
        Some(other) => return Err(wrong_kind(path.to_string(), other, NodeKind::Counter)),
    };
    let sum = old.checked_add(by).ok_or_else(|| EditError::Overflow { path: path.to_string() })?;
    Ok(Value::Counter(sum))
}

/// The value with every number in its one representation.
fn normal(value: &Value) -> Value {
    match value {
        Value::Float(number) => Value::number(*number),
        Value::List(list) => Value::List(list.iter().map(normal).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), normal(value))).collect()),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Text(_)
        | Value::Opaque(_) => value.clone(),
    }
}

const fn wrong_kind(path: String, found: &Value, expected: NodeKind) -> EditError {
    EditError::WrongKind { path, found: found.kind(), expected }
}

fn pointer<S: Into<String>>(tokens: impl IntoIterator<Item = S>) -> String {
    tokens.into_iter().collect::<Path>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &str, value: Value) -> Operation {
        Operation::Put { path: path.parse().unwrap(), value }
    }

    fn remove(path: &str) -> Operation {
        Operation::Remove { path: path.parse().unwrap() }
    }

    fn insert(path: &str, values: &[i64]) -> Operation {
        Operation::Insert {
            path: path.parse().unwrap(),
            values: values.iter().copied().map(Value::Int).collect(),
        }
    }

    fn splice(path: &str, at: usize, delete: usize, insert: &str) -> Operation {
        Operation::Splice { path: path.parse().unwrap(), at, delete, insert: insert.to_owned() }
    }

    fn increment(path: &str, by: i64) -> Operation {
        Operation::Increment { path: path.parse().unwrap(), by }
    }

    /// Performs all but the last operation, and gives the answer to the last one and the document after it.
    fn check(operations: &[Operation], answer: Result<(), EditError>, document: &str) {
        let (last, before) = operations.split_last().unwrap();
        let mut model = Model::new();
        before.iter().for_each(|operation| model.perform(operation).unwrap());
        assert_eq!(model.perform(last), answer);
        assert_eq!(crate::json::to_canonical_json(model.root()), document);
    }

    fn not_found(path: &str) -> Result<(), EditError> {
        Err(EditError::NotFound { path: path.to_owned() })
    }

    fn out_of_bounds(path: &str, index: usize, len: usize) -> Result<(), EditError> {
        Err(EditError::OutOfBounds { path: path.to_owned(), index, len })
    }

    fn wrong(path: &str, found: NodeKind, expected: NodeKind) -> Result<(), EditError> {
        Err(EditError::WrongKind { path: path.to_owned(), found, expected })
    }

    #[test]
    fn top_level_containers_come_with_their_first_content() {
        check(&[put("/m/k", Value::Null)], Ok(()), r#"{"m":{"k":null}}"#);
        check(&[insert("/l/-", &[1])], Ok(()), r#"{"l":[1]}"#);
        check(&[splice("/t", 0, 0, "x")], Ok(()), r#"{"t":"x"}"#);
        check(&[increment("/c", 0)], Ok(()), r#"{"c":0}"#);
        check(&[put("/m", Value::Map(BTreeMap::new()))], Ok(()), "{}");
        check(&[insert("/l/-", &[])], Ok(()), "{}");
    }

    #[test]
    fn top_level_containers_go_with_their_last_content() {
        check(&[put("/m/k", Value::Null), remove("/m/k")], Ok(()), "{}");
        check(&[insert("/l/0", &[1]), remove("/l/0")], Ok(()), "{}");
        check(&[splice("/t", 0, 0, "x"), splice("/t", 0, 1, "")], Ok(()), "{}");
        check(&[put("/m/k", Value::Null), remove("/m/k"), remove("/m")], not_found("/m"), "{}");
        check(&[put("/m/k", Value::Null), remove("/m/k"), insert("/m/0", &[1])], Ok(()), r#"{"m":[1]}"#);
        check(&[increment("/c", 1), increment("/c", -1)], Ok(()), r#"{"c":0}"#);
    }

    #[test]
    fn below_the_top_level_containers_stay_and_parents_must_exist() {
        let list = || Value::Map(BTreeMap::from([("l".to_owned(), Value::List(vec![Value::Null]))]));
        check(&[put("/m", list()), remove("/m/l/0")], Ok(()), r#"{"m":{"l":[]}}"#);
        check(&[put("/m/a/b", Value::Null)], not_found("/m"), "{}");
        check(&[splice("/m/t", 0, 0, "x")], not_found("/m"), "{}");
        check(&[put("/m", list()), insert("/m/x/0", &[1])], not_found("/m/x"), r#"{"m":{"l":[null]}}"#);
        check(&[put("/m", list()), splice("/m/t", 0, 0, "x")], Ok(()), r#"{"m":{"l":[null],"t":"x"}}"#);
        check(&[put("/m", list()), increment("/m/c", 2)], Ok(()), r#"{"m":{"c":2,"l":[null]}}"#);
        check(
            &[put("/m", list()), increment("/m/l/1", 2)],
            out_of_bounds("/m/l", 1, 1),
            r#"{"m":{"l":[null]}}"#,
        );
    }

    #[test]
    fn lists_take_indices_and_a_dash_behind_their_end() {
        let made = || insert("/l/0", &[1, 2, 3]);
        check(&[made(), insert("/l/1", &[8, 9])], Ok(()), r#"{"l":[1,8,9,2,3]}"#);
        check(&[made(), insert("/l/-", &[4])], Ok(()), r#"{"l":[1,2,3,4]}"#);
        check(&[made(), insert("/l/4", &[4])], out_of_bounds("/l", 4, 3), r#"{"l":[1,2,3]}"#);
        check(&[made(), put("/l/1", Value::Int(7))], Ok(()), r#"{"l":[1,7,3]}"#);
        check(&[made(), put("/l/-", Value::Int(7))], out_of_bounds("/l", 3, 3), r#"{"l":[1,2,3]}"#);
        check(&[made(), remove("/l/1")], Ok(()), r#"{"l":[1,3]}"#);
        for token in ["01", "x", "", "-1", "+1", "99999999999999999999"] {
            let error = EditError::NotAnIndex { path: "/l".into(), token: token.into() };
            check(&[made(), put(&format!("/l/{token}"), Value::Null)], Err(error), r#"{"l":[1,2,3]}"#);
        }
    }

    #[test]
    fn texts_are_counted_in_code_points() {
        let made = || splice("/t", 0, 0, "a🦀e\u{301}b");
        check(&[made(), splice("/t", 1, 1, "x")], Ok(()), "{\"t\":\"axe\u{301}b\"}");
        check(&[made(), splice("/t", 3, 1, "")], Ok(()), r#"{"t":"a🦀eb"}"#);
        check(&[made(), splice("/t", 5, 0, "!")], Ok(()), "{\"t\":\"a🦀e\u{301}b!\"}");
        check(&[made(), splice("/t", 4, 2, "")], out_of_bounds("/t", 6, 5), "{\"t\":\"a🦀e\u{301}b\"}");
        check(&[splice("/t", 1, 0, "x")], out_of_bounds("/t", 1, 0), "{}");
    }

    #[test]
    fn what_is_there_must_be_of_the_right_kind() {
        let made = || put("/r", Value::String("text".into()));
        let same = r#"{"r":"text"}"#;
        check(&[made(), splice("/r", 0, 0, "x")], wrong("/r", NodeKind::Register, NodeKind::Text), same);
        check(&[made(), increment("/r", 1)], wrong("/r", NodeKind::Register, NodeKind::Counter), same);
        check(&[made(), put("/r/k", Value::Null)], wrong("/r", NodeKind::Register, NodeKind::Map), same);
        check(&[made(), insert("/r/0", &[1])], wrong("/r", NodeKind::Register, NodeKind::List), same);
        check(&[made(), remove("/r/k/l")], wrong("/r", NodeKind::Register, NodeKind::Map), same);
    }

    #[test]
    fn counters_refuse_to_overflow() {
        let mut model =
            Model::of(Value::Map(BTreeMap::from([("c".into(), Value::Counter(i64::MAX))]))).unwrap();
        let overflow = Err(EditError::Overflow { path: "/c".into() });
        assert_eq!(model.perform(&increment("/c", 1)), overflow);
        assert_eq!(model.perform(&increment("/c", -1)), Ok(()));
        assert_eq!(model.kind(&"/c".parse().unwrap()), Some(NodeKind::Counter));
    }

    #[test]
    fn numbers_are_kept_in_one_representation() {
        let mut model = Model::new();
        model.perform(&put("/a", Value::List(vec![Value::Float(3.0), Value::Float(0.5)]))).unwrap();
        assert_eq!(model.value(&"/a/0".parse().unwrap()), Some(&Value::Int(3)));
        assert_eq!(model.len(&"/a".parse().unwrap()), Some(2));
    }
}
