//! What somebody in front of the board wants changed, and how it is done to the document.

use syncline::Edit;
use syncline::board::{Board, BoardOperation, Field, Place, TaskId, TaskText};
use syncline_core::operation::EditError;

use super::draft::Draft;

/// One change of a board.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new task at the bottom of a column.
    Add {
        /// What is to be done.
        title: String,
        /// The column.
        status: String,
    },
    /// A field gets a value.
    Set(TaskId, Field),
    /// A task gets a label.
    Label(TaskId, String),
    /// Somebody says something about a task.
    Comment(TaskId, String),
    /// A text was edited.
    Write(TaskId, TaskText, Draft),
    /// A task goes somewhere else.
    Move(TaskId, String, Spot),
    /// A task goes.
    Remove(TaskId),
}

/// Where in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// At the bottom.
    Last,
    /// Right above a task.
    Before(TaskId),
    /// Right below a task.
    After(TaskId),
}

impl Spot {
    const fn place(&self) -> Place<'_> {
        match self {
            Self::Last => Place::Last,
            Self::Before(id) => Place::Before(id),
            Self::After(id) => Place::After(id),
        }
    }
}

impl Change {
    /// Makes the change; a task that it makes is named.
    pub fn perform(&self, edit: &mut Edit<'_, '_, Board>) -> Result<Option<TaskId>, EditError> {
        match self {
            Self::Add { title, status } => return edit.add_task(title, status).map(Some),
            Self::Set(id, field) => edit.set(id, field.clone())?,
            Self::Label(id, name) => edit.label(id, name)?,
            Self::Comment(id, text) => drop(edit.comment(id, text)?),
            Self::Write(id, text, draft) => write(edit, id, *text, draft.clone())?,
            Self::Move(id, status, spot) => edit.move_task(id, status, spot.place())?,
            Self::Remove(id) => edit.remove_task(id)?,
        }
        Ok(None)
    }
}

/// What others made of the text meanwhile stays; only what was changed in the draft is written.
fn write(
    edit: &mut Edit<'_, '_, Board>,
    id: &TaskId,
    text: TaskText,
    mut draft: Draft,
) -> Result<(), EditError> {
    if let Some(task) = edit.state().tasks.get(id) {
        draft.rebase(text.of(task));
    }
    for hunk in draft.hunks().into_iter().rev() {
        let (at, delete, insert) = (hunk.at, hunk.delete, hunk.insert);
        edit.perform(&BoardOperation::Splice { id: id.clone(), text, at, delete, insert })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline::{Engine, Family, MemoryStorage};

    use super::*;

    #[tokio::test]
    async fn a_text_that_others_wrote_in_meanwhile_keeps_what_they_wrote_in_both_families() {
        let engine = Engine::builder(MemoryStorage::new()).open().unwrap();
        for (name, family) in [("yjs", Family::Yjs), ("automerge", Family::Automerge)] {
            let board = engine.board(name, family).await.unwrap();
            let add = Change::Add { title: "Bake".to_owned(), status: "todo".to_owned() };
            let id = board.edit(|edit| add.perform(edit)).unwrap().unwrap();
            board.edit(|edit| edit.write(&id, TaskText::Notes, "flour\nwater")).unwrap();
            let mut draft = Draft::of("flour\nwater");
            draft.insert("\nsalt");
            draft.go(0);
            draft.insert("rye ");
            board.edit(|edit| edit.write(&id, TaskText::Notes, "flour, 500 g\nwarm water")).unwrap();
            let write = Change::Write(id.clone(), TaskText::Notes, draft);
            board.edit(|edit| write.perform(edit)).unwrap();
            let state = board.state().unwrap();
            assert_eq!(state.tasks[&id].notes, "rye flour, 500 g\nwarm water\nsalt");
        }
        engine.close().await;
    }
}
