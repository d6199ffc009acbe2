//! Tasks as comma-separated values (RFC 4180), for spreadsheets.
//!
//! The first row names the columns. `title` must be among them; `id`, `status`, `assignee`, `due`, `priority`, `labels`,
//! `dependencies`, `description` and `notes` mean what they do on a board, and any other column becomes a field of
//! that name. An empty cell is a missing field. Labels and dependencies are separated by `;`, a dependency is its kind
//! and the other task's id with a space between. A cell has no type, so fields of other sorts are written as JSON and
//! come back as text. Comments have no place here.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{
    ASSIGNEE, COMMENTS, DEPENDENCIES, DESCRIPTION, DUE, ISSUE_ID, LABELS, NOTES, PRIORITY, STATUS, TITLE,
    link_key,
};
use super::{Board, Dependency, Label, Link, Task, TaskId, in_order};
use crate::fractional_index::FractionalIndex;
use crate::import::{ExportError, Exported, ImportError, text};
use crate::value::Value;

const ID: &str = "id";

/// The columns that mean something, in the order in which they are written.
const COLUMNS: [&str; 10] =
    [ID, TITLE, STATUS, ASSIGNEE, DUE, PRIORITY, LABELS, DEPENDENCIES, DESCRIPTION, NOTES];

const SEPARATOR: char = ';';

const QUOTE: char = '"';

/// Where in a cell a table is.
#[derive(Clone, Copy)]
enum Cell {
    Empty,
    Plain,
    Quoted,
    /// Behind its second quote, if that is not the first half of one that is doubled.
    Closed,
}

impl Board {
    /// Reads tasks, in the order of their rows. One without an id is named after its row.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, ImportError> {
        let text = text(bytes)?;
        check_quotes(text)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        check_header(&header)?;
        let mut tasks = BTreeMap::new();
        for ((row, record), place) in (2_usize..).zip(reader.records()).zip(FractionalIndex::sequence()) {
            let record = record.map_err(wrong)?;
            let line = record.position().map_or(row, |position| position.line() as usize);
            let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
            let mut cells: BTreeMap<&str, &str> = cells.map(|(name, cell)| (name.as_str(), cell)).collect();
            let id = cells.remove(ID).map(str::to_owned);
            let task = task(cells).and_then(|task| match id.is_none() && task.title.is_empty() {
                true => Err(format!("{TITLE:?} is empty, and there is no {ID:?} either")),
                false => Ok(Task { place: Some(place), ..task }),
            });
            let task = task.map_err(|reason| ImportError::at(line, reason))?;
            let id = id.unwrap_or_else(|| format!("row-{row}"));
            let task = owning_its_dependencies(task, &id);
            if tasks.insert(TaskId(id.clone()), task).is_some() {
                return Err(ImportError::at(line, format!("there is a task {id:?} further up already")));
            }
        }
        Ok(Self { tasks })
    }

    /// Writes all tasks, in the order of their places.
    pub fn to_csv(&self) -> Result<Exported, ExportError> {
        let others: BTreeSet<&String> = self.tasks.values().flat_map(|task| task.other.keys()).collect();
        let others: Vec<&String> = others.into_iter().filter(|name| !means_something(name)).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = COLUMNS.into_iter().chain(others.iter().map(|name| name.as_str()));
        writer.write_record(header).expect("memory takes it");
        for (id, task) in self.in_order() {
            let known = known(id, task).map_err(|reason| unwritable(id, reason))?;
            let others = others.iter().map(|name| task.other.get(*name).map(cell).unwrap_or_default());
            writer
                .write_record(known.into_iter().chain(others))
                .expect("memory takes it, all rows are alike");
        }
        let bytes = writer.into_inner().expect("memory takes it");
        let text = String::from_utf8(bytes).expect("it was made of texts");
        Ok(Exported { text, left_out: self.left_out() })
    }

    /// What a table has no cells for.
    fn left_out(&self) -> Vec<String> {
        let count = |of: &dyn Fn(&TaskId, &Task) -> usize| {
            self.tasks.iter().map(|(id, task)| of(id, task)).sum::<usize>()
        };
        let untyped = |task: &Task| {
            task.other.iter().filter(|(name, value)| !means_something(name) && !is_cell(value)).count()
        };
        let further =
            |id: &TaskId, task: &Task| task.dependencies.values().filter(|link| says_more(link, id)).count();
        let counts = [
            (count(&|_, task| task.comments.len()), "comments"),
            (count(&further), "dependencies' further fields"),
            (
                count(&|_, task| task.other.keys().filter(|name| means_something(name)).count()),
                "fields whose names mean something else here",
            ),
            (count(&|_, task| untyped(task)), "fields' types: they are read again as text"),
            (count(&|id, _| usize::from(id.0.is_empty())), "empty ids"),
        ];
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}

/// Whether more is known of a dependency than that it is there, and whose it is, which is what one made here says.
fn says_more(dependency: &Dependency, of: &TaskId) -> bool {
    dependency.other.iter().any(|(name, value)| name != ISSUE_ID || *value != of.0.as_str().into())
}

/// Whether a value comes back from a cell as it is.
fn is_cell(value: &Value) -> bool {
    matches!(value, Value::String(text) if !text.is_empty())
}

fn owning_its_dependencies(mut task: Task, id: &str) -> Task {
    for dependency in task.dependencies.values_mut() {
        dependency.other.insert(ISSUE_ID.to_owned(), id.into());
    }
    task
}

fn means_something(name: &str) -> bool {
    COLUMNS.contains(&name) || name == COMMENTS
}

fn wrong(error: csv::Error) -> ImportError {
    let line = error.position().map(|position| position.line() as usize);
    ImportError { line, reason: format!("this is not a table of comma-separated values: {error}") }
}

/// The library takes what ends within quotes, or goes on behind them, for something that it might have been.
fn check_quotes(text: &str) -> Result<(), ImportError> {
    let (mut line, mut opened, mut cell) = (1, 1, Cell::Empty);
    for character in text.chars() {
        cell = match (cell, character) {
            (Cell::Empty, QUOTE) => {
                opened = line;
                Cell::Quoted
            }
            (Cell::Quoted, QUOTE) => Cell::Closed,
            (Cell::Quoted, _) | (Cell::Closed, QUOTE) => Cell::Quoted,
            (Cell::Closed | Cell::Plain | Cell::Empty, ',' | '\r' | '\n') => Cell::Empty,
            (Cell::Closed, _) => {
                return Err(ImportError::at(line, "there is something behind the closing quote of a cell"));
            }
            (Cell::Plain, QUOTE) => {
                return Err(ImportError::at(line, "there is a quote within a cell that has none around it"));
            }
            (Cell::Plain | Cell::Empty, _) => Cell::Plain,
        };
        line += usize::from(character == '\n');
    }
    match cell {
        Cell::Quoted => Err(ImportError::at(opened, "the cell that begins with a quote here does not end")),
        Cell::Empty | Cell::Plain | Cell::Closed => Ok(()),
    }
}

fn check_header(header: &[String]) -> Result<(), ImportError> {
    let distinct: BTreeSet<&String> = header.iter().collect();
    let reason = if !header.iter().any(|name| name == TITLE) {
        format!("the first row must name the columns, {TITLE:?} among them")
    } else if distinct.len() < header.len() {
        "the first row names a column twice".to_owned()
    } else if header.iter().any(|name| name == COMMENTS) {
        format!("{COMMENTS:?} cannot be read from a table")
    } else {
        return Ok(());
    };
    Err(ImportError::at(1, reason))
}

fn task(mut cells: BTreeMap<&str, &str>) -> Result<Task, String> {
    let mut take = |name: &str| cells.remove(name).map(str::to_owned);
    let number =
        |text: String| text.parse().map_err(|_| format!("{PRIORITY:?} is no whole number: {text:?}"));
    let mut task = Task {
        title: take(TITLE).unwrap_or_default(),
        status: take(STATUS).unwrap_or_default(),
        assignee: take(ASSIGNEE),
        due: take(DUE),
        priority: take(PRIORITY).map(number).transpose()?,
        labels: list(take(LABELS), |name, place| Ok((name.to_owned(), Label { place })))?,
        dependencies: list(take(DEPENDENCIES), dependency)?,
        description: take(DESCRIPTION).unwrap_or_default(),
        notes: take(NOTES).unwrap_or_default(),
        ..Task::default()
    };
    task.other = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell.into())).collect();
    Ok(task)
}

fn list<K: Ord, V>(
    cell: Option<String>,
    element: impl Fn(&str, Option<FractionalIndex>) -> Result<(K, V), String>,
) -> Result<BTreeMap<K, V>, String> {
    let cell = cell.unwrap_or_default();
    let mut read = BTreeMap::new();
    let parts = cell.split(SEPARATOR).filter(|part| !part.is_empty());
    for (part, place) in parts.zip(FractionalIndex::sequence()) {
        let (key, value) = element(part, Some(place))?;
        if read.insert(key, value).is_some() {
            return Err(format!("{part:?} is there twice"));
        }
    }
    Ok(read)
}

fn dependency(text: &str, place: Option<FractionalIndex>) -> Result<(Link, Dependency), String> {
    let (kind, on) = text.split_once(' ').ok_or_else(|| {
        format!("a dependency is a kind and a task with a space between, as in \"blocks t1\": {text:?}")
    })?;
    Ok((Link { kind: kind.to_owned(), on: on.into() }, Dependency { place, ..Dependency::default() }))
}

fn known(id: &TaskId, task: &Task) -> Result<[String; COLUMNS.len()], String> {
    let labels = in_order(&task.labels, |label| &label.place);
    let dependencies = in_order(&task.dependencies, |dependency| &dependency.place);
    Ok([
        id.0.clone(),
        task.title.clone(),
        task.status.clone(),
        task.assignee.clone().unwrap_or_default(),
        task.due.clone().unwrap_or_default(),
        task.priority.map(|priority| priority.to_string()).unwrap_or_default(),
        joined(labels.into_iter().map(|(name, _)| name.clone()))?,
        joined(dependencies.into_iter().map(|(link, _)| link_key(link)))?,
        task.description.clone(),
        task.notes.clone(),
    ])
}

fn joined(parts: impl Iterator<Item = String>) -> Result<String, String> {
    let parts: Vec<String> = parts.collect();
    match parts.iter().find(|part| part.is_empty() || part.contains(SEPARATOR)) {
        Some(part) => Err(format!("{part:?} cannot stand in a cell whose parts {SEPARATOR:?} separates")),
        None => Ok(parts.join(&SEPARATOR.to_string())),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Text(text) => text.clone(),
        other => other.to_json().to_string(),
    }
}

fn unwritable(id: &TaskId, reason: String) -> ExportError {
    ExportError { what: format!("the task {id:?}", id = id.0), format: "CSV", reason }
}
