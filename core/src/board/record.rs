//! How tasks lie in the value tree.

use std::collections::BTreeMap;

use super::{Board, Comment, Dependency, Label, Link, TASKS_KEY, Task, TaskId};
use crate::crdt::Crdt;
use crate::fractional_index::FractionalIndex;
use crate::path::Path;
use crate::schema::{take, take_words};
use crate::value::{NodeKind, Value};

pub(super) const TITLE: &str = "title";
pub(super) const STATUS: &str = "status";
pub(super) const DESCRIPTION: &str = "description";
pub(super) const NOTES: &str = "notes";
pub(super) const ASSIGNEE: &str = "assignee";
pub(super) const DUE: &str = "due";
pub(super) const PRIORITY: &str = "priority";
pub(super) const LABELS: &str = "labels";
pub(super) const DEPENDENCIES: &str = "dependencies";
pub(super) const COMMENTS: &str = "comments";
pub(super) const ORDER: &str = "order";
pub(super) const KEPT: &str = "kept";
pub(super) const AUTHOR: &str = "author";
pub(super) const TEXT: &str = "text";
pub(super) const PLACE: &str = "place";
pub(super) const ISSUE_ID: &str = "issue_id";

/// The names that mean something here.
const RESERVED: [&str; 12] =
    [TITLE, STATUS, DESCRIPTION, NOTES, ASSIGNEE, DUE, PRIORITY, LABELS, DEPENDENCIES, COMMENTS, ORDER, KEPT];

type Fields = BTreeMap<String, Value>;

/// Where a task is.
pub(super) fn task_path(id: &TaskId) -> Path {
    Path::from_iter([TASKS_KEY, &id.0])
}

/// Whether a field's name means something here, so that one of another program is kept apart.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Whether a task has something under a name that means something else here.
pub(super) fn is_mistaken(document: &dyn Crdt, id: &TaskId, name: &str) -> bool {
    let Some(Value::Map(mut fields)) = document.value(&task_path(id)) else { return false };
    fields.remove(KEPT);
    read_task(fields).other.contains_key(name)
}

/// The key of a dependency in its map.
pub(super) fn link_key(link: &Link) -> String {
    format!("{} {}", link.kind, link.on)
}

pub(super) fn read_board(document: &Value) -> Board {
    let Value::Map(root) = document else { return Board::default() };
    let Some(Value::Map(tasks)) = root.get(TASKS_KEY) else { return Board::default() };
    let task = |(id, value): (&String, &Value)| match value {
        Value::Map(fields) => Some((TaskId(id.clone()), read_task(fields.clone()))),
        _ => None,
    };
    Board { tasks: tasks.iter().filter_map(task).collect() }
}

/// One task of a document, read alone.
pub(super) fn task_at(document: &dyn Crdt, id: &TaskId) -> Option<Task> {
    match document.value(&task_path(id))? {
        Value::Map(fields) => Some(read_task(fields)),
        _ => None,
    }
}

/// The tasks of a column and their places, without all else that is known of them.
pub(super) fn column(document: &dyn Crdt, status: &str) -> BTreeMap<TaskId, Option<FractionalIndex>> {
    let words = |path: Path| match document.value(&path) {
        Some(Value::String(text) | Value::Text(text)) => Some(text),
        _ => None,
    };
    let ids = document.keys(&Path::root().child(TASKS_KEY)).unwrap_or_default().into_iter().map(TaskId);
    let is_there = |id: &TaskId| document.kind(&task_path(id)) == Some(NodeKind::Map);
    let column = |id: &TaskId| words(task_path(id).child(STATUS)).unwrap_or_default() == status;
    let place = |id: &TaskId| FractionalIndex::parse(&words(task_path(id).child(ORDER).child(status))?);
    ids.filter(|id| column(id) && is_there(id)).map(|id| (id.clone(), place(&id))).collect()
}

fn read_task(mut fields: Fields) -> Task {
    let status = take_words(&mut fields, STATUS).unwrap_or_default();
    let mut order = take!(fields, ORDER, Map).unwrap_or_default();
    let mut task = Task {
        title: take_words(&mut fields, TITLE).unwrap_or_default(),
        description: take_words(&mut fields, DESCRIPTION).unwrap_or_default(),
        notes: take_words(&mut fields, NOTES).unwrap_or_default(),
        assignee: take_words(&mut fields, ASSIGNEE),
        due: take_words(&mut fields, DUE),
        priority: take!(fields, PRIORITY, Int),
        labels: take!(fields, LABELS, Map).map(read_labels).unwrap_or_default(),
        dependencies: take!(fields, DEPENDENCIES, Map).map(read_dependencies).unwrap_or_default(),
        comments: take!(fields, COMMENTS, Map).map(read_comments).unwrap_or_default(),
        place: take_words(&mut order, &status).as_deref().and_then(FractionalIndex::parse),
        status,
        other: Fields::new(),
    };
    let kept = take!(fields, KEPT, Map).unwrap_or_default();
    task.other = fields;
    task.other.extend(kept);
    task
}

fn read_labels(labels: Fields) -> BTreeMap<String, Label> {
    labels.into_iter().map(|(name, place)| (name, Label { place: read_place(&place) })).collect()
}

fn read_place(place: &Value) -> Option<FractionalIndex> {
    match place {
        Value::String(text) => FractionalIndex::parse(text),
        _ => None,
    }
}

fn read_dependencies(dependencies: Fields) -> BTreeMap<Link, Dependency> {
    let dependency = |(key, value): (String, Value)| {
        let (kind, on) = key.split_once(' ')?;
        let Value::Map(mut other) = value else { return None };
        let place = take_words(&mut other, PLACE).as_deref().and_then(FractionalIndex::parse);
        Some((Link { kind: kind.to_owned(), on: on.into() }, Dependency { place, other }))
    };
    dependencies.into_iter().filter_map(dependency).collect()
}

fn read_comments(comments: Fields) -> BTreeMap<String, Comment> {
    let comment = |(id, value): (String, Value)| {
        let Value::Map(mut other) = value else { return None };
        let comment = Comment {
            author: take_words(&mut other, AUTHOR),
            text: take_words(&mut other, TEXT).unwrap_or_default(),
            place: take_words(&mut other, PLACE).as_deref().and_then(FractionalIndex::parse),
            other,
        };
        Some((id, comment))
    };
    comments.into_iter().filter_map(comment).collect()
}

/// A whole task. All containers are made with it, those that are empty too, so that no two replicas make one
/// of them at the same time later.
pub(super) fn write_task(task: &Task) -> Value {
    let (kept, mut fields): (Fields, Fields) =
        task.other.clone().into_iter().partition(|(name, _)| is_reserved(name));
    let order = task.place.iter().map(|place| (task.status.clone(), place.as_str().into())).collect();
    let containers = [
        (DESCRIPTION, Value::Text(task.description.clone())),
        (NOTES, Value::Text(task.notes.clone())),
        (LABELS, Value::Map(task.labels.iter().map(write_label).collect())),
        (DEPENDENCIES, Value::Map(task.dependencies.iter().map(write_dependency).collect())),
        (COMMENTS, Value::Map(task.comments.iter().map(write_comment).collect())),
        (ORDER, Value::Map(order)),
        (KEPT, Value::Map(kept)),
        (TITLE, task.title.as_str().into()),
    ];
    fields.extend(containers.map(|(name, value)| (name.to_owned(), value)));
    let status = Some(&task.status).filter(|status| !status.is_empty());
    let scalars = [
        (STATUS, status.map(|status| status.as_str().into())),
        (ASSIGNEE, task.assignee.as_deref().map(Value::from)),
        (DUE, task.due.as_deref().map(Value::from)),
        (PRIORITY, task.priority.map(Value::from)),
    ];
    fields.extend(scalars.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Map(fields)
}

fn write_label((name, label): (&String, &Label)) -> (String, Value) {
    (name.clone(), label_value(label))
}

/// A label without a place is there all the same.
pub(super) fn label_value(label: &Label) -> Value {
    label.place.as_ref().map_or(Value::Bool(true), |place| place.as_str().into())
}

fn write_dependency((link, dependency): (&Link, &Dependency)) -> (String, Value) {
    (link_key(link), dependency_value(dependency))
}

pub(super) fn dependency_value(dependency: &Dependency) -> Value {
    placed(dependency.other.clone(), &dependency.place)
}

fn write_comment((id, comment): (&String, &Comment)) -> (String, Value) {
    (id.clone(), comment_value(comment))
}

pub(super) fn comment_value(comment: &Comment) -> Value {
    let mut fields = comment.other.clone();
    fields.extend(comment.author.as_deref().map(|author| (AUTHOR.to_owned(), author.into())));
    fields.insert(TEXT.to_owned(), comment.text.as_str().into());
    placed(fields, &comment.place)
}

fn placed(mut fields: Fields, place: &Option<FractionalIndex>) -> Value {
    fields.extend(place.as_ref().map(|place| (PLACE.to_owned(), place.as_str().into())));
    Value::Map(fields)
}
