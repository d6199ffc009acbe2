//! What can be said of an operation without looking at a document: its limits, and what no document can hold.
//!
//! Every family asks this first, so that the same operation is refused with the same words everywhere and
//! nothing is touched before it is known to fit.

use std::collections::BTreeMap;

use super::{EditError, Operation};
use crate::path::{MAX_DEPTH, MAX_KEY_BYTES, Path};
use crate::value::{MAX_COUNTER_START, MAX_COUNTER_STEP, MAX_VALUE_BYTES, NodeKind, Value};

/// What an element of a container costs beside its text, so that a list of a million nulls is not free.
const ELEMENT_BYTES: usize = 8;

const DEPTH: EditError = EditError::Limit { what: "the nesting of the document", limit: MAX_DEPTH };
const SIZE: EditError = EditError::Limit { what: "the value", limit: MAX_VALUE_BYTES };
const KEY: EditError = EditError::Limit { what: "a key", limit: MAX_KEY_BYTES };

impl Operation {
    /// Refuses what no document can do, whatever it holds: the root is not replaced, a list is not made at the
    /// root, and paths and values stay within their limits. Everything else depends on the document.
    pub fn check(&self) -> Result<(), EditError> {
        check_path(self.path())?;
        let depth = self.path().tokens().len();
        let mut budget = Budget(MAX_VALUE_BYTES);
        match self {
            Self::Put { value, .. } => budget.take_value(value, depth),
            Self::Insert { values, path } => {
                if depth == 1 {
                    return Err(root_is_no_list());
                }
                let depth = path.tokens().len();
                values.iter().try_for_each(|value| budget.take_element(value, depth))
            }
            Self::Splice { insert, .. } => budget.take(insert.len()),
            Self::Increment { by, .. } => check_within(*by, MAX_COUNTER_STEP, "a counter is changed by"),
            Self::Remove { .. } => Ok(()),
        }
    }
}

fn check_path(path: &Path) -> Result<(), EditError> {
    if path.is_root() {
        return Err(EditError::IsRoot);
    }
    if path.tokens().len() > MAX_DEPTH {
        return Err(DEPTH);
    }
    path.tokens().iter().try_for_each(|token| check_key(token))
}

fn check_key(key: &str) -> Result<(), EditError> {
    if key.len() > MAX_KEY_BYTES { Err(KEY) } else { Ok(()) }
}

const fn root_is_no_list() -> EditError {
    EditError::WrongKind { path: String::new(), found: NodeKind::Map, expected: NodeKind::List }
}

/// The bytes that may still be written.
struct Budget(usize);

impl Budget {
    fn take(&mut self, bytes: usize) -> Result<(), EditError> {
        self.0 = self.0.checked_sub(bytes).ok_or(SIZE)?;
        Ok(())
    }

    /// Accounts for a value that lies inside `depth` containers, and refuses what cannot be stored.
    fn take_value(&mut self, value: &Value, depth: usize) -> Result<(), EditError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Int(_) => Ok(()),
            Value::Counter(start) => check_within(*start, MAX_COUNTER_START, "a counter starts with"),
            Value::Float(number) if number.is_finite() => Ok(()),
            Value::Float(_) => {
                Err(unsupported("a number must be finite: there is no infinity and no NaN in JSON"))
            }
            Value::String(text) | Value::Text(text) => self.take(text.len()),
            Value::Bytes(bytes) => self.take(bytes.len()),
            Value::List(list) => self.take_list(list, depth + 1),
            Value::Map(map) => self.take_map(map, depth + 1),
            Value::Opaque(_) => Err(unsupported("foreign content is kept and shown, but cannot be written")),
        }
    }

    fn take_list(&mut self, list: &[Value], depth: usize) -> Result<(), EditError> {
        check_depth(depth)?;
        list.iter().try_for_each(|value| self.take_element(value, depth))
    }

    fn take_map(&mut self, map: &BTreeMap<String, Value>, depth: usize) -> Result<(), EditError> {
        check_depth(depth)?;
        map.iter().try_for_each(|(key, value)| {
            check_key(key)?;
            self.take(key.len())?;
            self.take_element(value, depth)
        })
    }

    fn take_element(&mut self, value: &Value, depth: usize) -> Result<(), EditError> {
        self.take(ELEMENT_BYTES)?;
        self.take_value(value, depth)
    }
}

fn check_within(number: i64, limit: i64, what: &str) -> Result<(), EditError> {
    if number.unsigned_abs() <= limit.unsigned_abs() {
        return Ok(());
    }
    Err(unsupported(&format!("{what} at most {limit}, either side of zero; {number} is beyond that")))
}

fn check_depth(depth: usize) -> Result<(), EditError> {
    if depth > MAX_DEPTH { Err(DEPTH) } else { Ok(()) }
}

fn unsupported(reason: &str) -> EditError {
    EditError::Unsupported { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, value: Value) -> Result<(), EditError> {
        Operation::Put { path: path.clone(), value }.check()
    }

    fn path(pointer: &str) -> Path {
        pointer.parse().unwrap()
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]))
    }

    #[test]
    fn the_root_is_left_alone() {
        assert_eq!(put(&Path::root(), Value::Null), Err(EditError::IsRoot));
        assert_eq!(Operation::Remove { path: Path::root() }.check(), Err(EditError::IsRoot));
        let insert = Operation::Insert { path: path("/0"), values: vec![] };
        assert_eq!(insert.check(), Err(root_is_no_list()));
    }

    #[test]
    fn path_and_value_share_one_depth() {
        let deep: Path = (0..MAX_DEPTH).map(|_| "x").collect();
        assert_eq!(put(&deep, Value::Null), Ok(()));
        assert_eq!(put(&deep, nested(1)), Err(DEPTH));
        assert_eq!(put(&deep.child("x"), Value::Null), Err(DEPTH));
        assert_eq!(put(&path("/a"), nested(MAX_DEPTH - 1)), Ok(()));
        assert_eq!(put(&path("/a"), nested(MAX_DEPTH)), Err(DEPTH));
        let insert = |levels| Operation::Insert { path: path("/a/-"), values: vec![nested(levels)] }.check();
        assert_eq!((insert(MAX_DEPTH - 2), insert(MAX_DEPTH - 1)), (Ok(()), Err(DEPTH)));
    }

    #[test]
    fn a_value_has_a_largest_size() {
        let text = |len: usize| Value::Text("x".repeat(len));
        assert_eq!(put(&path("/a"), text(MAX_VALUE_BYTES)), Ok(()));
        assert_eq!(put(&path("/a"), text(MAX_VALUE_BYTES + 1)), Err(SIZE));
        assert_eq!(put(&path("/a"), Value::Bytes(vec![0; MAX_VALUE_BYTES + 1])), Err(SIZE));
        assert_eq!(
            put(&path("/a"), Value::List(vec![Value::Null; MAX_VALUE_BYTES / ELEMENT_BYTES + 1])),
            Err(SIZE)
        );
        let insert = "x".repeat(MAX_VALUE_BYTES + 1);
        assert_eq!(Operation::Splice { path: path("/a"), at: 0, delete: 0, insert }.check(), Err(SIZE));
    }

    #[test]
    fn keys_have_a_largest_length() {
        let key = "k".repeat(MAX_KEY_BYTES);
        let long = key.clone() + "k";
        let map = |key: &str| Value::Map(BTreeMap::from([(key.to_owned(), Value::Null)]));
        assert_eq!((put(&path("/a"), map(&key)), put(&path("/a"), map(&long))), (Ok(()), Err(KEY)));
        assert_eq!(put(&Path::root().child(long), Value::Null), Err(KEY));
    }

    #[test]
    fn counters_stay_far_from_the_end_of_64_bits() {
        let unsupported = |answer| matches!(answer, Err(EditError::Unsupported { .. }));
        let increment = |by| Operation::Increment { path: path("/a"), by }.check();
        for sign in [1, -1] {
            assert_eq!(increment(sign * MAX_COUNTER_STEP), Ok(()));
            assert!(unsupported(increment(sign * (MAX_COUNTER_STEP + 1))));
            assert_eq!(put(&path("/a"), Value::Counter(sign * MAX_COUNTER_START)), Ok(()));
            assert!(unsupported(put(&path("/a"), Value::Counter(sign * (MAX_COUNTER_START + 1)))));
        }
        assert!(unsupported(increment(i64::MIN)));
    }

    #[test]
    fn what_cannot_be_stored_is_refused_at_any_depth() {
        for value in [Value::Float(f64::NAN), Value::Float(f64::INFINITY), Value::Opaque("<b/>".into())] {
            let inside = Value::List(vec![value.clone()]);
            assert!(matches!(put(&path("/a"), value), Err(EditError::Unsupported { .. })));
            assert!(matches!(put(&path("/a"), inside), Err(EditError::Unsupported { .. })));
        }
    }
}
