//! Commands on the tasks of a board.

use std::io::Write;

use syncline::Edit;
use syncline::board::{Board, Field, Label, Link, Task, TaskId, TaskText};
use syncline_core::time::is_date;

use crate::args::{Global, TaskCommand, TaskFields};
use crate::edit;
use crate::failure::Failure;
use crate::read::{look, on_one_line, print};

/// In which way a task depends on another one where nothing else is said.
const BLOCKS: &str = "blocks";

/// Carries out a command.
pub async fn run(global: &Global, command: TaskCommand) -> Result<(), Failure> {
    match command {
        TaskCommand::Add { doc, title, status, fields } => add(global, &doc, &title, &status, &fields).await,
        TaskCommand::Edit { doc, id, title, fields } => {
            change(global, &doc, &id, |board, id| set(board, id, title.as_deref(), &fields)).await
        }
        TaskCommand::Move { doc, id, status, place } => {
            change(global, &doc, &id, |board, id| {
                let next_to = place.next_to().map(|next_to| find(&board.state(), next_to)).transpose()?;
                board.move_task(id, &status, place.spot(next_to.as_ref())).map_err(Failure::from)
            })
            .await
        }
        TaskCommand::Comment { doc, id, text } => {
            let comment = change(global, &doc, &id, |board, id| Ok(board.comment(id, &text)?)).await?;
            print(&(comment + "\n"))
        }
        TaskCommand::Rm { doc, id } => {
            change(global, &doc, &id, |board, id| Ok(board.remove_task(id)?)).await
        }
        TaskCommand::Show { doc, id } => {
            let board = board(global, &doc).await?;
            let id = find(&board, &id)?;
            let only = Board { tasks: board.tasks.into_iter().filter(|(other, _)| *other == id).collect() };
            print(&only.to_json_lines())
        }
        TaskCommand::List { doc, status, assignee, label } => {
            let wanted = |task: &Task| {
                status.as_ref().is_none_or(|status| *status == task.status)
                    && assignee.as_ref().is_none_or(|name| Some(name) == task.assignee.as_ref())
                    && label.as_ref().is_none_or(|label| task.labels.contains_key(label))
            };
            list(global, &board(global, &doc).await?, wanted)
        }
    }
}

async fn board(global: &Global, doc: &str) -> Result<Board, Failure> {
    look(global, doc, |document| Ok(document.typed::<Board>()?.state().unwrap_or_default())).await
}

async fn add(
    global: &Global,
    doc: &str,
    title: &str,
    status: &str,
    fields: &TaskFields,
) -> Result<(), Failure> {
    let id = edit::edit_typed(global, doc, |board| {
        let id = board.add_task(title, status)?;
        set(board, &id, None, fields)?;
        Ok(id)
    });
    print(&format!("{}\n", id.await?))
}

/// Changes one task.
async fn change<T>(
    global: &Global,
    doc: &str,
    id: &str,
    change: impl FnOnce(&mut Edit<'_, '_, Board>, &TaskId) -> Result<T, Failure>,
) -> Result<T, Failure> {
    edit::edit_typed(global, doc, |board: &mut Edit<'_, '_, Board>| {
        let id = find(&board.state(), id)?;
        change(board, &id)
    })
    .await
}

/// The one task whose id is this or begins like this.
fn find(board: &Board, id: &str) -> Result<TaskId, Failure> {
    let ids = board.tasks.keys().map(|id| id.0.as_str());
    Ok(TaskId(edit::one_of("task", id, ids)?))
}

fn set(
    board: &mut Edit<'_, '_, Board>,
    id: &TaskId,
    title: Option<&str>,
    fields: &TaskFields,
) -> Result<(), Failure> {
    let texts = [(TaskText::Description, &fields.description), (TaskText::Notes, &fields.notes)];
    for (text, content) in texts.into_iter().filter_map(|(text, content)| Some((text, content.as_ref()?))) {
        board.write(id, text, content)?;
    }
    for field in scalars(title, fields)? {
        board.set(id, field)?;
    }
    for label in &fields.label {
        board.label(id, label)?;
    }
    for label in &fields.unlabel {
        board.set(id, Field::Label(label.clone(), None::<Label>))?;
    }
    for other in &fields.depends_on {
        let other = find(&board.state(), other)?;
        board.depend(id, BLOCKS, &other)?;
    }
    for other in &fields.independent_of {
        let task = board.state().tasks.remove(id).unwrap_or_default();
        let links: Vec<&Link> = task.dependencies.keys().filter(|link| link.kind == BLOCKS).collect();
        let on = TaskId(edit::one_of("dependency on", other, links.iter().map(|link| link.on.0.as_str()))?);
        board.set(id, Field::Dependency(Link { kind: BLOCKS.to_owned(), on }, None))?;
    }
    Ok(())
}

/// What was said of fields that have one value; an empty one takes it away.
fn scalars(title: Option<&str>, fields: &TaskFields) -> Result<Vec<Field>, Failure> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let due = fields.due.as_ref().map(some);
    if let Some(Some(due)) = due.as_ref().filter(|due| due.as_ref().is_some_and(|due| !is_date(due))) {
        let reason =
            format!("{due:?} is no date such as 2026-12-24 and no time such as 2026-12-24T18:00:00Z");
        return Err(Failure::Edit(reason));
    }
    let number = |text: &String| {
        text.parse().map_err(|_| Failure::Edit(format!("--priority is a whole number, not {text:?}")))
    };
    let priority =
        fields.priority.as_ref().map(|text| some(text).as_ref().map(number).transpose()).transpose()?;
    let fields = [
        title.map(|title| Field::Title(title.to_owned())),
        fields.assignee.as_ref().map(some).map(Field::Assignee),
        due.map(Field::Due),
        priority.map(Field::Priority),
    ];
    Ok(fields.into_iter().flatten().collect())
}

fn list(global: &Global, board: &Board, wanted: impl Fn(&Task) -> bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for status in board.columns() {
        for (id, task) in board.column(&status).into_iter().filter(|(_, task)| wanted(task)) {
            match global.json {
                true => {
                    let only = Board { tasks: [(id.clone(), task.clone())].into() };
                    write!(out, "{}", only.to_json_lines())?;
                }
                false => writeln!(out, "{}  {}", on_one_line(&id.0), on_one_line(&brief(task)))?,
            }
        }
    }
    Ok(out.flush()?)
}

/// A task in brief.
fn brief(task: &Task) -> String {
    let mut words = vec![format!("[{}]", task.status), task.title.clone()];
    words.extend(task.priority.map(|priority| format!("p{priority}")));
    words.extend(task.assignee.iter().map(|name| format!("({name})")));
    words.extend(task.due.iter().map(|due| format!("due {due}")));
    words.extend(task.labels.keys().map(|label| format!("#{label}")));
    words.join(" ")
}
