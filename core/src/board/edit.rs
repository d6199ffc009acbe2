//! Edits of a board as an application makes them: with names and places found for what is new.

use std::collections::BTreeMap;

use super::record::{ISSUE_ID, column, task_at};
use super::{
    Board, BoardOperation, CREATED_AT, Comment, Dependency, Field, Label, Link, Task, TaskId, TaskText,
};
use crate::diff::spliced;
use crate::fractional_index::{CROWDED, FractionalIndex, Spot};
use crate::operation::EditError;
use crate::schema::Edit;
use crate::value::Value;

/// Where in a column a task goes: to the top or the bottom, or right above or below another task of the column.
pub type Place<'a> = Spot<&'a TaskId>;

impl Edit<'_, '_, Board> {
    /// Adds a task at the bottom of a column. Its name is new.
    pub fn add_task(&mut self, title: &str, status: &str) -> Result<TaskId, EditError> {
        let task = Task { title: title.to_owned(), status: status.to_owned(), ..Task::default() };
        self.add(task)
    }

    /// Adds a whole task under a new name. Without a place it goes to the bottom of its column; unless it tells, it was
    /// made now.
    pub fn add(&mut self, mut task: Task) -> Result<TaskId, EditError> {
        let id = TaskId(self.editor().fresh_name());
        if task.place.is_none() {
            task.place = Some(self.place(&id, &task.status, Place::Last)?);
        }
        let now = self.editor().time().rfc3339();
        if let Some(now) = now {
            task.other.entry(CREATED_AT.to_owned()).or_insert_with(|| now.into());
        }
        self.perform(&BoardOperation::Add { id: id.clone(), task: Box::new(task) })?;
        Ok(id)
    }

    /// Takes a task off the board.
    pub fn remove_task(&mut self, id: &TaskId) -> Result<(), EditError> {
        self.perform(&BoardOperation::Remove { id: id.clone() })
    }

    /// Moves a task to a column, or to another place in its own.
    pub fn move_task(&mut self, id: &TaskId, status: &str, place: Place<'_>) -> Result<(), EditError> {
        let place = Some(self.place(id, status, place)?);
        self.perform(&BoardOperation::Move { id: id.clone(), status: status.to_owned(), place })
    }

    /// Gives a field a value.
    pub fn set(&mut self, id: &TaskId, field: Field) -> Result<(), EditError> {
        self.perform(&BoardOperation::Set { id: id.clone(), field })
    }

    /// Makes a text of a task read like this, by changing only what differs: what others write meanwhile stays.
    pub fn write(&mut self, id: &TaskId, text: TaskText, content: &str) -> Result<(), EditError> {
        let (at, delete, insert) = spliced(text.of(&self.task(id)?), content);
        if delete == 0 && insert.is_empty() {
            return Ok(());
        }
        self.perform(&BoardOperation::Splice { id: id.clone(), text, at, delete, insert })
    }

    /// Puts a label behind the others that a task has. One that it has stays where it is.
    pub fn label(&mut self, id: &TaskId, name: &str) -> Result<(), EditError> {
        let labels = self.task(id)?.labels;
        if labels.contains_key(name) {
            return Ok(());
        }
        let place = Some(self.behind(&labels, |label| &label.place)?);
        self.set(id, Field::Label(name.to_owned(), Some(Label { place })))
    }

    /// Says something about a task, under the editor's name; returns the name of the comment.
    pub fn comment(&mut self, id: &TaskId, text: &str) -> Result<String, EditError> {
        let place = Some(self.behind(&self.task(id)?.comments, |comment| &comment.place)?);
        let (author, now) = (self.editor().author().to_string(), self.editor().time().rfc3339());
        let other = now.map(|now| (CREATED_AT.to_owned(), now.into())).into_iter().collect();
        let name = self.editor().fresh_name();
        let comment = Comment { author: Some(author), text: text.to_owned(), place, other };
        self.set(id, Field::Comment(name.clone(), Some(comment)))?;
        Ok(name)
    }

    /// Makes a task depend on another one; a dependency that is there stays as it is. `kind` says in which way, such as
    /// `blocks`, and has no spaces.
    pub fn depend(&mut self, id: &TaskId, kind: &str, on: &TaskId) -> Result<(), EditError> {
        if kind.contains(' ') {
            return Err(unsupported(format!("a kind of dependency has no spaces: {kind:?}")));
        }
        let dependencies = self.task(id)?.dependencies;
        if dependencies.contains_key(&Link { kind: kind.to_owned(), on: on.clone() }) {
            return Ok(());
        }
        let place = Some(self.behind(&dependencies, |dependency| &dependency.place)?);
        let other = BTreeMap::from([(ISSUE_ID.to_owned(), Value::from(id.0.as_str()))]);
        let link = Link { kind: kind.to_owned(), on: on.clone() };
        self.set(id, Field::Dependency(link, Some(Dependency { place, other })))
    }

    fn task(&self, id: &TaskId) -> Result<Task, EditError> {
        task_at(self.document(), id).ok_or_else(|| not_found(id))
    }

    /// A new place in a column for a task that is there or elsewhere.
    fn place(&mut self, id: &TaskId, status: &str, place: Place<'_>) -> Result<FractionalIndex, EditError> {
        let mut others = column(self.document(), status);
        others.remove(id);
        let elsewhere = |other: &TaskId| match task_at(self.document(), other) {
            Some(_) if other == id => unsupported(format!("the task {:?} cannot stand next to itself", id.0)),
            Some(task) => unsupported(format!(
                "the task {:?} is in the column {:?}, not in {status:?}",
                other.0, task.status
            )),
            None => not_found(other),
        };
        let neighbour =
            |other: &TaskId| others.get(other).map(Option::as_ref).ok_or_else(|| elsewhere(other));
        let spot = place.among_places(neighbour)?;
        let taken = others.values().flatten();
        FractionalIndex::at(taken, spot, self.editor().fresh_number()).ok_or(CROWDED)
    }

    fn behind<K, V>(
        &mut self,
        things: &BTreeMap<K, V>,
        place: impl Fn(&V) -> &Option<FractionalIndex> + Clone,
    ) -> Result<FractionalIndex, EditError> {
        let taken = things.values().filter_map(|thing| place(thing).as_ref());
        FractionalIndex::at(taken, Spot::Last, self.editor().fresh_number()).ok_or(CROWDED)
    }
}

const fn unsupported(reason: String) -> EditError {
    EditError::Unsupported { reason }
}

fn not_found(id: &TaskId) -> EditError {
    EditError::NotFound { path: super::record::task_path(id).to_string() }
}
