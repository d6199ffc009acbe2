//! What can be done to a board, on a document and on plain data.

use super::record::{
    ASSIGNEE, COMMENTS, DEPENDENCIES, DESCRIPTION, DUE, KEPT, LABELS, NOTES, ORDER, PRIORITY, STATUS, TITLE,
    comment_value, dependency_value, is_mistaken, is_reserved, label_value, link_key, task_path, write_task,
};
use super::{Board, Comment, Dependency, Label, Link, Task, TaskId};
use crate::crdt::Crdt;
use crate::fractional_index::FractionalIndex;
use crate::operation::{EditError, Operation};
use crate::path::Path;
use crate::schema::{put, set};
use crate::value::{NodeKind, Value};

/// One change of a board.
#[derive(Clone, Debug, PartialEq)]
pub enum BoardOperation {
    /// A task comes, or comes instead of the one that has this name.
    Add {
        /// Its name.
        id: TaskId,
        /// All of it.
        task: Box<Task>,
    },
    /// A task goes.
    Remove {
        /// Its name.
        id: TaskId,
    },
    /// A task goes to a column, or to another place in its own.
    Move {
        /// Which task.
        id: TaskId,
        /// The column; empty for none.
        status: String,
        /// Where in it; see [`Place`](super::Place). What has none comes last.
        place: Option<FractionalIndex>,
    },
    /// A field gets a value.
    Set {
        /// Of which task.
        id: TaskId,
        /// Which field, and the value.
        field: Field,
    },
    /// Somebody writes in a text. Positions count code points.
    Splice {
        /// Of which task.
        id: TaskId,
        /// Which text.
        text: TaskText,
        /// Where the range starts that is replaced.
        at: usize,
        /// How much goes.
        delete: usize,
        /// What comes in its place.
        insert: String,
    },
}

/// A field of a task and its new value; `None` takes it away.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// What is to be done.
    Title(String),
    /// Whose task it is.
    Assignee(Option<String>),
    /// Until when.
    Due(Option<String>),
    /// How urgent.
    Priority(Option<i64>),
    /// That it has a label.
    Label(String, Option<Label>),
    /// That it depends on another task.
    Dependency(Link, Option<Dependency>),
    /// What somebody says about it, by the comment's name.
    Comment(String, Option<Comment>),
    /// A field that has no meaning here.
    Other(String, Option<Value>),
}

/// A text of a task that several may write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskText {
    /// [`Task::description`].
    Description,
    /// [`Task::notes`].
    Notes,
}

impl TaskText {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Description, Self::Notes];

    const fn key(self) -> &'static str {
        match self {
            Self::Description => DESCRIPTION,
            Self::Notes => NOTES,
        }
    }

    /// What a task has there.
    #[must_use]
    pub const fn of(self, task: &Task) -> &String {
        match self {
            Self::Description => &task.description,
            Self::Notes => &task.notes,
        }
    }

    const fn of_mut(self, task: &mut Task) -> &mut String {
        match self {
            Self::Description => &mut task.description,
            Self::Notes => &mut task.notes,
        }
    }
}

impl BoardOperation {
    /// Which task it is about.
    #[must_use]
    pub const fn id(&self) -> &TaskId {
        match self {
            Self::Add { id, .. }
            | Self::Remove { id }
            | Self::Move { id, .. }
            | Self::Set { id, .. }
            | Self::Splice { id, .. } => id,
        }
    }

    pub(super) fn lower(&self, document: &dyn Crdt) -> Result<Vec<Operation>, EditError> {
        let task = task_path(self.id());
        if !matches!(self, Self::Add { .. }) && document.kind(&task) != Some(NodeKind::Map) {
            return Err(EditError::NotFound { path: task.to_string() });
        }
        Ok(match self {
            Self::Add { task: content, .. } => vec![put(task, write_task(content))],
            Self::Remove { .. } => vec![Operation::Remove { path: task }],
            Self::Move { status, place, .. } => {
                let place = place.as_ref().map(|place| place.as_str().into());
                let column = Some(status.as_str()).filter(|status| !status.is_empty());
                let mut moved = inside(document, task.child(ORDER), status, place);
                moved.extend(set(document, task.child(STATUS), column.map(Value::from)));
                moved
            }
            Self::Set { id, field } => field.lower(id, document),
            Self::Splice { text, at, delete, insert, .. } => {
                splice(document, task.child(text.key()), *at, *delete, insert)
            }
        })
    }

    pub(super) fn apply(&self, board: &mut Board) -> Result<(), EditError> {
        if let Self::Add { id, task } = self {
            board.tasks.insert(id.clone(), (**task).clone());
            return Ok(());
        }
        let missing = || EditError::NotFound { path: task_path(self.id()).to_string() };
        let task = board.tasks.get_mut(self.id()).ok_or_else(missing)?;
        match self {
            Self::Add { .. } => {}
            Self::Remove { id } => drop(board.tasks.remove(id)),
            Self::Move { status, place, .. } => {
                status.clone_into(&mut task.status);
                task.place.clone_from(place);
            }
            Self::Set { field, .. } => field.apply(task),
            Self::Splice { text, at, delete, insert, .. } => {
                let text = text.of_mut(task);
                let after = |index: usize| text.chars().skip(index);
                *text = text.chars().take(*at).chain(insert.chars()).chain(after(at + delete)).collect();
            }
        }
        Ok(())
    }
}

impl Field {
    fn lower(&self, id: &TaskId, document: &dyn Crdt) -> Vec<Operation> {
        let task = task_path(id);
        let scalar = |key: &str, value: Option<Value>| set(document, task.child(key), value);
        match self {
            Self::Title(title) => vec![put(task.child(TITLE), title.as_str().into())],
            Self::Assignee(name) => scalar(ASSIGNEE, name.as_deref().map(Value::from)),
            Self::Due(due) => scalar(DUE, due.as_deref().map(Value::from)),
            Self::Priority(priority) => scalar(PRIORITY, priority.map(Value::from)),
            Self::Label(name, label) => {
                inside(document, task.child(LABELS), name, label.as_ref().map(label_value))
            }
            Self::Dependency(link, dependency) => {
                let value = dependency.as_ref().map(dependency_value);
                inside(document, task.child(DEPENDENCIES), &link_key(link), value)
            }
            Self::Comment(comment, said) => {
                inside(document, task.child(COMMENTS), comment, said.as_ref().map(comment_value))
            }
            Self::Other(name, value) if is_reserved(name) => {
                let kept = inside(document, task.child(KEPT), name, value.clone());
                // Another program may have written there what it means by it.
                let stray = value.is_none() && is_mistaken(document, id, name);
                kept.into_iter().chain(stray.then(|| Operation::Remove { path: task.child(name) })).collect()
            }
            Self::Other(name, value) => scalar(name, value.clone()),
        }
    }

    fn apply(&self, task: &mut Task) {
        match self {
            Self::Title(title) => title.clone_into(&mut task.title),
            Self::Assignee(name) => task.assignee.clone_from(name),
            Self::Due(due) => task.due.clone_from(due),
            Self::Priority(priority) => task.priority = *priority,
            Self::Label(name, Some(label)) => drop(task.labels.insert(name.clone(), label.clone())),
            Self::Label(name, None) => drop(task.labels.remove(name)),
            Self::Dependency(link, Some(dependency)) => {
                drop(task.dependencies.insert(link.clone(), dependency.clone()));
            }
            Self::Dependency(link, None) => drop(task.dependencies.remove(link)),
            Self::Comment(id, Some(comment)) => drop(task.comments.insert(id.clone(), comment.clone())),
            Self::Comment(id, None) => drop(task.comments.remove(id)),
            Self::Other(name, Some(value)) => drop(task.other.insert(name.clone(), value.clone())),
            Self::Other(name, None) => drop(task.other.remove(name)),
        }
    }
}

/// As [`set`], for a key of one of the task's maps.
fn inside(document: &dyn Crdt, map: Path, key: &str, value: Option<Value>) -> Vec<Operation> {
    let made = if value.is_some() { container(document, map.clone()) } else { Vec::new() };
    made.into_iter().chain(set(document, map.child(key), value)).collect()
}

/// Makes a map that a task should have and does not: another program made the task.
fn container(document: &dyn Crdt, path: Path) -> Vec<Operation> {
    match document.kind(&path) {
        Some(NodeKind::Map) => Vec::new(),
        Some(_) | None => vec![put(path, Value::Map(Default::default()))],
    }
}

/// Writes in a text, making it first where something else is.
fn splice(document: &dyn Crdt, path: Path, at: usize, delete: usize, insert: &str) -> Vec<Operation> {
    let mut operations = match document.value(&path) {
        Some(Value::Text(_)) => Vec::new(),
        Some(Value::String(text)) => vec![put(path.clone(), Value::Text(text))],
        Some(_) | None => vec![put(path.clone(), Value::Text(String::new()))],
    };
    operations.push(Operation::Splice { path, at, delete, insert: insert.to_owned() });
    operations
}
