//! What changed between two states of a document, told as the operations that lead from one to the other.
//!
//! The result is small, not smallest: a map is compared key by key, a list and a text lose what they have in
//! common at both ends. It is the same for both families, because it looks at values only.

use std::collections::BTreeMap;

use crate::operation::Operation;
use crate::path::Path;
use crate::value::{MAX_COUNTER_STEP, Value};

/// Operations that turn a document that reads as `before` into one that reads as `after`. Both are whole
/// documents, that is maps; for anything else nothing is reported.
///
/// Foreign content that changed is reported as a `Put`, which says what happened but cannot be performed.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    if let (Value::Map(before), Value::Map(after)) = (before, after) {
        map_changes(&mut operations, &Path::root(), &visible(before), &visible(after));
    }
    operations
}

type Entries<'a> = BTreeMap<&'a str, &'a Value>;

/// At the top level, empty containers are not there.
fn visible(map: &BTreeMap<String, Value>) -> Entries<'_> {
    entries(map).filter(|(_, value)| !value.is_empty_container()).collect()
}

fn entries(map: &BTreeMap<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    map.iter().map(|(key, value)| (key.as_str(), value))
}

/// Puts come before removals, so that a top-level map does not vanish in between.
fn map_changes(operations: &mut Vec<Operation>, path: &Path, before: &Entries<'_>, after: &Entries<'_>) {
    for (key, new) in after {
        match before.get(key) {
            Some(old) => node_changes(operations, path.child(key), old, new),
            None => operations.push(put(path.child(key), new)),
        }
    }
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    operations.extend(gone.map(|key| Operation::Remove { path: path.child(key) }));
}

fn node_changes(operations: &mut Vec<Operation>, path: Path, before: &Value, after: &Value) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Map(before), Value::Map(after)) => {
            map_changes(operations, &path, &entries(before).collect(), &entries(after).collect());
        }
        (Value::List(before), Value::List(after)) => list_changes(operations, &path, before, after),
        (Value::Text(before), Value::Text(after)) => operations.push(splice(path, before, after)),
        (Value::Counter(old), Value::Counter(new)) => operations.push(match new.checked_sub(*old) {
            Some(by) if by.unsigned_abs() <= MAX_COUNTER_STEP.unsigned_abs() => {
                Operation::Increment { path, by }
            }
            Some(_) | None => put(path, after),
        }),
        (_, after) => operations.push(put(path, after)),
    }
}

/// Elements are matched one to one where as many are left in the middle as before, and replaced otherwise.
fn list_changes(operations: &mut Vec<Operation>, path: &Path, before: &[Value], after: &[Value]) {
    let (start, end) = common_ends(before, after);
    let (old, new) = (&before[start..before.len() - end], &after[start..after.len() - end]);
    if old.len() == new.len() {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            node_changes(operations, path.child(start + index), old, new);
        }
        return;
    }
    if !new.is_empty() {
        operations.push(Operation::Insert { path: path.child(start), values: new.to_vec() });
    }
    let removal = Operation::Remove { path: path.child(start + new.len()) };
    operations.extend(std::iter::repeat_n(removal, old.len()));
}

fn splice(path: Path, before: &str, after: &str) -> Operation {
    let (at, delete, insert) = spliced(before, after);
    Operation::Splice { path, at, delete, insert }
}

/// The one range of a text that changed: where it starts, how long it was, and what stands there now. Counted in code
/// points.
pub(crate) fn spliced(before: &str, after: &str) -> (usize, usize, String) {
    let (before, after): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let (start, end) = common_ends(&before, &after);
    (start, before.len() - end - start, after[start..after.len() - end].iter().collect())
}

/// How many elements are alike at the start, and how many of the others at the end.
fn common_ends<T: PartialEq>(before: &[T], after: &[T]) -> (usize, usize) {
    let alike = |(one, other): &(&T, &T)| one == other;
    let start = before.iter().zip(after).take_while(alike).count();
    let rest = (&before[start..], &after[start..]);
    (start, rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(alike).count())
}

fn put(path: Path, value: &Value) -> Operation {
    Operation::Put { path, value: value.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(key: &str, value: Value) -> Value {
        Value::Map(BTreeMap::from([(key.to_owned(), value)]))
    }

    fn path(pointer: &str) -> Path {
        pointer.parse().unwrap()
    }

    fn ints(numbers: &[i64]) -> Value {
        Value::List(numbers.iter().copied().map(Value::Int).collect())
    }

    #[track_caller]
    fn check(before: Value, after: Value, operations: &[Operation]) {
        assert_eq!(changes(&document("k", before), &document("k", after)), operations);
    }

    #[test]
    fn a_typed_character_is_one_splice() {
        let text = |text: &str| Value::Text(text.to_owned());
        let splice = |at, delete, insert: &str| Operation::Splice {
            path: path("/k"),
            at,
            delete,
            insert: insert.into(),
        };
        check(text("ab🦀d"), text("ab🦀cd"), &[splice(3, 0, "c")]);
        check(text("aa"), text("aaa"), &[splice(2, 0, "a")]);
        check(text("👩‍👩‍👧"), text("👩‍👧"), &[splice(2, 2, "")]);
    }

    #[test]
    fn counters_are_told_as_steps() {
        check(Value::Counter(3), Value::Counter(1), &[Operation::Increment { path: path("/k"), by: -2 }]);
        let far = Value::Counter(i64::MAX);
        check(Value::Counter(-2), far.clone(), &[Operation::Put { path: path("/k"), value: far }]);
    }

    #[test]
    fn lists_keep_what_is_alike_at_both_ends() {
        check(
            ints(&[1, 2, 3]),
            ints(&[1, 9, 3]),
            &[Operation::Put { path: path("/k/1"), value: Value::Int(9) }],
        );
        check(ints(&[1, 2, 3]), ints(&[1, 3]), &[Operation::Remove { path: path("/k/1") }]);
        check(
            ints(&[1, 3]),
            ints(&[1, 2, 3]),
            &[Operation::Insert { path: path("/k/1"), values: vec![Value::Int(2)] }],
        );
    }

    #[test]
    fn empty_containers_at_the_top_are_not_there() {
        check(ints(&[]), Value::Text(String::new()), &[]);
        check(ints(&[1]), ints(&[]), &[Operation::Remove { path: path("/k") }]);
    }
}
