//! What changed between two states of a board.

use std::collections::BTreeMap;

use super::{Board, BoardOperation, Field, Task, TaskId, TaskText};
use crate::diff::spliced;

/// Tasks that come, then what happens to those that stay, then those that go.
pub(super) fn changes(before: &Board, after: &Board) -> Vec<BoardOperation> {
    let mut operations = Vec::new();
    for (id, task) in &after.tasks {
        match before.tasks.get(id) {
            None => operations.push(BoardOperation::Add { id: id.clone(), task: Box::new(task.clone()) }),
            Some(old) => task_changes(&mut operations, id, old, task),
        }
    }
    let gone = before.tasks.keys().filter(|id| !after.tasks.contains_key(id));
    operations.extend(gone.map(|id| BoardOperation::Remove { id: id.clone() }));
    operations
}

fn task_changes(operations: &mut Vec<BoardOperation>, id: &TaskId, old: &Task, new: &Task) {
    if old == new {
        return;
    }
    if (&old.status, &old.place) != (&new.status, &new.place) {
        let (status, place) = (new.status.clone(), new.place.clone());
        operations.push(BoardOperation::Move { id: id.clone(), status, place });
    }
    for text in TaskText::ALL.into_iter().filter(|text| text.of(old) != text.of(new)) {
        let (at, delete, insert) = spliced(text.of(old), text.of(new));
        operations.push(BoardOperation::Splice { id: id.clone(), text, at, delete, insert });
    }
    operations.extend(fields(old, new).map(|field| BoardOperation::Set { id: id.clone(), field }));
}

fn fields<'a>(old: &'a Task, new: &'a Task) -> impl Iterator<Item = Field> + 'a {
    let scalars = [
        (old.title != new.title).then(|| Field::Title(new.title.clone())),
        (old.assignee != new.assignee).then(|| Field::Assignee(new.assignee.clone())),
        (old.due != new.due).then(|| Field::Due(new.due.clone())),
        (old.priority != new.priority).then_some(Field::Priority(new.priority)),
    ];
    let labels = entries(&old.labels, &new.labels);
    let dependencies = entries(&old.dependencies, &new.dependencies);
    let comments = entries(&old.comments, &new.comments);
    let other = entries(&old.other, &new.other);
    scalars
        .into_iter()
        .flatten()
        .chain(labels.map(|(name, label)| Field::Label(name, label)))
        .chain(dependencies.map(|(link, dependency)| Field::Dependency(link, dependency)))
        .chain(comments.map(|(comment, said)| Field::Comment(comment, said)))
        .chain(other.map(|(name, value)| Field::Other(name, value)))
}

/// The entries that came or changed, then those that went.
fn entries<'a, K: Ord + Clone, V: PartialEq + Clone>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Option<V>)> + 'a {
    let set = new.iter().filter(|(key, value)| old.get(key) != Some(value));
    let gone = old.keys().filter(|key| !new.contains_key(key));
    set.map(|(key, value)| (key.clone(), Some(value.clone()))).chain(gone.map(|key| (key.clone(), None)))
}
