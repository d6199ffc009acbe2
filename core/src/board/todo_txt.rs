//! Tasks as todo.txt: a line of text each.
//!
//! ```text
//! x 2026-11-20 2026-11-01 (A) Call the printer +catalogue @phone due:2026-11-30
//! ```
//!
//! is a task that is done (`x`, and when), was made on the first, is the most urgent (`(A)` is priority 0), has two labels
//! and a date. Projects and contexts at the end of a line become labels with their `+` or `@`; in the middle of a
//! sentence they stay part of the title. Tasks have no names here: they are named after their lines.

use super::{Board, CREATED_AT, Label, Task, TaskId, in_order};
use crate::fractional_index::FractionalIndex;
use crate::import::{ExportError, Exported, ImportError, lines, text};
use crate::time;
use crate::value::Value;

/// The column of tasks that are done, and that of all others.
const DONE: &str = "done";
const TODO: &str = "todo";

/// The field that tells when a task was done.
const CLOSED_AT: &str = "closed_at";

const DUE: &str = "due:";

/// What stands between words. Any other white space is part of one.
const BLANK: char = ' ';

/// Priorities are capital letters.
const LETTERS: std::ops::RangeInclusive<char> = 'A'..='Z';

impl Board {
    /// Reads tasks, in the order of their lines.
    pub fn from_todo_txt(bytes: &[u8]) -> Result<Self, ImportError> {
        let tasks = lines(text(bytes)?).zip(FractionalIndex::sequence()).map(|((line, text), place)| {
            (TaskId(format!("line-{line}")), Task { place: Some(place), ..read(text) })
        });
        Ok(Self { tasks: tasks.collect() })
    }

    /// Writes all tasks, in the order of their places. Columns but that of tasks which are done are one.
    pub fn to_todo_txt(&self) -> Result<Exported, ExportError> {
        let (mut text, mut rest) = (String::new(), 0);
        for (id, task) in self.in_order() {
            let unwritable =
                |reason| ExportError { what: format!("the task {:?}", id.0), format: "todo.txt", reason };
            let line = written(task).map_err(unwritable)?;
            rest += usize::from(says_more(task, &line));
            text += &(line + "\n");
        }
        let left_out =
            (rest > 0).then(|| format!("what else is known of {rest} tasks")).into_iter().collect();
        Ok(Exported { text, left_out })
    }
}

/// Whatever a line says is a task, if only its title.
fn read(line: &str) -> Task {
    let mut rest = line.trim_matches(BLANK);
    let mut task = Task { status: TODO.to_owned(), ..Task::default() };
    if let Some(done) = rest.strip_prefix("x ") {
        (task.status, rest) = (DONE.to_owned(), done);
    }
    // Before a task is done the priority comes first, then the date; afterwards programs write them in either order.
    rest = priority(&mut task, rest);
    if task.status == DONE {
        rest = date(&mut task, CLOSED_AT, rest);
        rest = priority(&mut task, rest);
    }
    rest = date(&mut task, CREATED_AT, rest);
    rest = priority(&mut task, rest);
    let title = tags(&mut task, rest.trim_matches(BLANK)).to_owned();
    Task { title, ..task }
}

fn priority<'a>(task: &mut Task, rest: &'a str) -> &'a str {
    let Some((word, after)) = rest.split_once(' ') else { return rest };
    let letter = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
    match letter.and_then(|letter| letter.parse::<char>().ok()).filter(|letter| LETTERS.contains(letter)) {
        Some(letter) if task.priority.is_none() => {
            task.priority = Some(i64::from(u32::from(letter) - u32::from(*LETTERS.start())));
            after
        }
        Some(_) | None => rest,
    }
}

fn date<'a>(task: &mut Task, field: &str, rest: &'a str) -> &'a str {
    match rest.split_once(' ') {
        Some((word, after)) if is_date(word) => {
            task.other.insert(field.to_owned(), word.into());
            after
        }
        Some(_) | None => rest,
    }
}

/// Whether it is a day; a moment is none.
fn is_date(word: &str) -> bool {
    word.len() == "2026-12-24".len() && time::is_date(word)
}

/// Takes labels and the date off the end of a line; the rest is the title.
fn tags<'a>(task: &mut Task, mut rest: &'a str) -> &'a str {
    let mut labels: Vec<&str> = Vec::new();
    while let Some((before, word)) = rest.rsplit_once(' ') {
        match word.strip_prefix(DUE) {
            Some(due) if is_date(due) && task.due.is_none() => task.due = Some(due.to_owned()),
            None if is_label(word) && !labels.contains(&word) => labels.push(word),
            Some(_) | None => break,
        }
        rest = before.trim_end_matches(BLANK);
    }
    let places = FractionalIndex::sequence();
    let labels = labels.into_iter().rev().zip(places);
    task.labels = labels.map(|(name, place)| (name.to_owned(), Label { place: Some(place) })).collect();
    rest
}

fn is_label(word: &str) -> bool {
    word.len() > 1 && word.starts_with(['+', '@']) && !word.contains(char::is_whitespace)
}

fn written(task: &Task) -> Result<String, String> {
    let mut words = Vec::new();
    let done = task.status == DONE || task.status == "closed";
    words.extend(done.then(|| "x".to_owned()));
    let priority = task.priority.and_then(|priority| u8::try_from(priority).ok());
    let letter = priority.map(|priority| char::from(b'A'.saturating_add(priority)));
    words.extend(letter.filter(|letter| LETTERS.contains(letter)).map(|letter| format!("({letter})")));
    let date = |field| match task.other.get(field) {
        Some(Value::String(date)) => date.get(..10).filter(|date| is_date(date)).map(str::to_owned),
        _ => None,
    };
    let (closed, created) = (date(CLOSED_AT).filter(|_| done), date(CREATED_AT));
    // The date of being done stands alone or ahead of that of being made.
    let created = created.filter(|_| !done || closed.is_some());
    words.extend(closed.into_iter().chain(created));
    words.push(task.title.clone());
    for (name, _) in in_order(&task.labels, |label| &label.place) {
        words.push(if is_label(name) { name.clone() } else { format!("@{name}") });
    }
    words.extend(task.due.iter().map(|due| format!("{DUE}{due}")));
    let line = words.join(" ");
    let read = read(&line);
    let same = (&read.title, &read.due, read.status == DONE) == (&task.title, &task.due, done);
    if line.trim().is_empty() {
        return Err("it has no title, and an empty line is no task".to_owned());
    }
    match (line.contains(['\n', '\r']), same && read.labels.len() == task.labels.len()) {
        (true, _) => Err("there is a line break in it".to_owned()),
        (false, false) => Err(format!("{line:?} would be read as something else")),
        (false, true) => Ok(line),
    }
}

/// Whether a line does not hold all that there is.
fn says_more(task: &Task, line: &str) -> bool {
    let bare = |task: Task| {
        let labels = task.labels.into_keys().map(|name| (name, Label::default())).collect();
        Task { labels, place: None, ..task }
    };
    bare(read(line)) != bare(task.clone())
}
