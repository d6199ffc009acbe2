//! A task board: tasks in columns, with everything people say about them.
//!
//! ```text
//! /schema/version            1
//! /tasks/ID                  one map a task, put there whole when the task is made
//!     title, status, assignee, due, priority
//!     description, notes     texts, edited in place
//!     labels/NAME            the label's place among the task's labels
//!     dependencies/KIND ON   its place and whatever else is known of it
//!     comments/ID            author, text, created_at, place
//!     order/STATUS           the task's place in the column of that status
//!     kept/NAME              fields of other programs that bear a name from above but mean something else
//!     …                      any other field, as it was imported or as a newer program wrote it
//! ```
//!
//! What becomes of concurrent edits, in both CRDT families (`core/tests/schemas/board_outcomes.rs` shows each):
//!
//! - Different fields of one task: both. The same field: one of the two values, the same one everywhere. Texts: both.
//! - Move and move: the task is once on the board, in the column of one of the two, at the place that one gave it:
//!   the place is kept by status, so a move to one column is never mixed with a place in another. Move and any other
//!   edit: both.
//! - Remove and anything else: the task is removed.
//! - A label added and the same label removed: it is there. Different labels, comments and dependencies: all.
//! - One id given to two tasks, as when two people import one file: one of the two, whole.

mod csv;
mod difference;
mod edit;
mod json_lines;
mod operation;
mod record;
mod todo_txt;

use std::collections::BTreeMap;
use std::fmt;

use crate::crdt::Crdt;
use crate::entry::Kind;
use crate::fractional_index::FractionalIndex;
use crate::operation::{EditError, Operation};
use crate::schema::Schema;
use crate::value::Value;

pub use edit::Place;
pub use operation::{BoardOperation, Field, TaskText};

/// The top-level map of tasks.
pub const TASKS_KEY: &str = "tasks";

/// The field that tells when a task or a comment was made, by its author's clock.
pub const CREATED_AT: &str = "created_at";

/// The name of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for TaskId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// A board as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// The tasks by name.
    pub tasks: BTreeMap<TaskId, Task>,
}

/// One task. Texts that are empty and text fields that are missing are the same, but for `other`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// What is to be done, in a line.
    pub title: String,
    /// The column; empty if it is in none.
    pub status: String,
    /// What it is about; several may write in it.
    pub description: String,
    /// What was found out meanwhile; several may write in it.
    pub notes: String,
    /// Whose task it is.
    pub assignee: Option<String>,
    /// Until when: a date such as 2026-12-24, or a time as in RFC 3339. Kept as it was written.
    pub due: Option<String>,
    /// How urgent; the smaller, the more.
    pub priority: Option<i64>,
    /// Its labels by name.
    pub labels: BTreeMap<String, Label>,
    /// The tasks that it has to do with.
    pub dependencies: BTreeMap<Link, Dependency>,
    /// What people said about it, by the comments' names.
    pub comments: BTreeMap<String, Comment>,
    /// Its place in its column; what has none comes last.
    pub place: Option<FractionalIndex>,
    /// All other fields. A field that has a meaning here is among them while it holds something that has none: an
    /// `assignee` that is null, `labels` that are an empty list.
    pub other: BTreeMap<String, Value>,
}

/// That a task has a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Label {
    /// Its place among the task's labels.
    pub place: Option<FractionalIndex>,
}

/// In which way a task depends on which other one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// In which way, such as `blocks`; without spaces, empty if nobody said.
    pub kind: String,
    /// The other task. It need not be on this board.
    pub on: TaskId,
}

/// What else there is to a dependency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependency {
    /// Its place among the task's dependencies.
    pub place: Option<FractionalIndex>,
    /// Further fields.
    pub other: BTreeMap<String, Value>,
}

/// A remark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comment {
    /// Who made it.
    pub author: Option<String>,
    /// What he said.
    pub text: String,
    /// Its place among the task's comments.
    pub place: Option<FractionalIndex>,
    /// Further fields.
    pub other: BTreeMap<String, Value>,
}

impl Board {
    /// The tasks of a column from top to bottom.
    pub fn column<'a>(&'a self, status: &str) -> Vec<(&'a TaskId, &'a Task)> {
        self.in_order().into_iter().filter(|(_, task)| task.status == status).collect()
    }

    /// All tasks in the order of their places, whatever their columns. What was imported together comes in the order
    /// of its file.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&TaskId, &Task)> {
        in_order(&self.tasks, |task| &task.place)
    }

    /// The columns that there are tasks in: the usual ones in the order in which work goes through them, others
    /// behind the first of those.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        in_course_of_work(self.tasks.values().map(|task| task.status.clone()))
    }
}

/// Columns, each once, in the order of [`Board::columns`].
pub fn in_course_of_work(columns: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut columns: Vec<String> = columns.into_iter().collect();
    columns.sort_by(|one, other| (stage(one), one).cmp(&(stage(other), other)));
    columns.dedup();
    columns
}

/// Where in the course of work a status usually stands.
fn stage(status: &str) -> usize {
    const STAGES: [&[&str]; 6] = [
        &["", "backlog"],
        &["todo", "open"],
        &[],
        &["doing", "in_progress", "started"],
        &["blocked", "review"],
        &["done", "closed"],
    ];
    /// Of what is not named.
    const SOME: usize = 2;
    STAGES.iter().position(|named| named.contains(&status)).unwrap_or(SOME)
}

/// Things in the order of their places; those that have none come last, and names decide between equals.
pub fn in_order<'a, K: Ord, V>(
    things: &'a BTreeMap<K, V>,
    place: impl Fn(&'a V) -> &'a Option<FractionalIndex>,
) -> Vec<(&'a K, &'a V)> {
    let mut ordered: Vec<(&K, &V)> = things.iter().collect();
    ordered.sort_by_key(|(_, value)| (place(value).is_none(), place(value)));
    ordered
}

impl Schema for Board {
    const KIND: Kind = Kind::Board;
    const VERSION: i64 = 1;
    type Operation = BoardOperation;

    fn subject(operation: &BoardOperation) -> String {
        format!("task {:?}", operation.id().0)
    }

    fn read(document: &Value) -> Self {
        record::read_board(document)
    }

    fn lower(operation: &BoardOperation, document: &dyn Crdt) -> Result<Vec<Operation>, EditError> {
        operation.lower(document)
    }

    fn apply(&mut self, operation: &BoardOperation) -> Result<(), EditError> {
        operation.apply(self)
    }

    fn changes(&self, later: &Self) -> Vec<BoardOperation> {
        difference::changes(self, later)
    }
}
