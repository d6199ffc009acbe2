//! A task whole: every field of it, in lines.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use syncline::Value;
use syncline::board::{Board, CREATED_AT, Comment, Task, TaskId, in_order};
use syncline::json::to_canonical_json;

use super::card::{About, Urgency, urgency};
use super::palette::{self, LOUD, QUIET, TITLE};
use super::screen::Screen;
use super::text::{clean, fit, width, wrap};

/// How wide the names of fields are.
const NAME_WIDTH: usize = 10;

/// The lines of the selected task.
#[must_use]
pub fn lines(screen: &Screen, room: usize) -> Vec<Line<'static>> {
    let Some((id, task)) = screen.task() else { return Vec::new() };
    let mut lines = wrapped(&task.title.replace(['\n', '\r'], " "), room, LOUD);
    lines.push(Line::default());
    lines.extend(fields(screen, id, task, room));
    lines.extend(text("Description", &task.description, "d: describe it", room));
    lines.extend(text("Notes", &task.notes, "n: write notes", room));
    lines.extend(dependencies(&screen.board, task, room));
    lines.extend(comments(task, room));
    lines
}

fn wrapped(text: &str, room: usize, style: Style) -> Vec<Line<'static>> {
    wrap(text, room).into_iter().map(|line| Line::styled(line, style)).collect()
}

fn fields(screen: &Screen, id: &TaskId, task: &Task, room: usize) -> Vec<Line<'static>> {
    let urgency = urgency(task, screen.now);
    let overdue = if urgency == Urgency::Overdue { " overdue" } else { "" };
    let labels: Vec<String> = in_order(&task.labels, |label| &label.place)
        .into_iter()
        .map(|(name, _)| format!("#{name}"))
        .collect();
    let known = [
        ("id", Some(id.0.clone()), QUIET),
        ("column", Some(task.status.clone()).filter(|status| !status.is_empty()), Style::new()),
        ("priority", task.priority.map(|priority| format!("P{priority}")), palette::urgent(task.priority)),
        ("assignee", task.assignee.as_ref().map(|name| format!("@{name}")), palette::about(About::Assignee)),
        ("due", task.due.as_ref().map(|due| format!("{due}{overdue}")), palette::about(About::Due(urgency))),
        ("labels", Some(labels.join(" ")).filter(|labels| !labels.is_empty()), palette::about(About::Label)),
        ("created", task.other.get(CREATED_AT).map(words).map(|time| moment(&time)), QUIET),
    ];
    let known = known.into_iter().filter_map(|(name, value, style)| Some((name.to_owned(), value?, style)));
    let others = task.other.iter().filter(|(name, _)| *name != CREATED_AT);
    let others = others.map(|(name, value)| (name.clone(), words(value), QUIET));
    known.chain(others).flat_map(|(name, value, style)| field(&name, &value, style, room)).collect()
}

fn field(name: &str, value: &str, style: Style, room: usize) -> Vec<Line<'static>> {
    let name = fit(name, NAME_WIDTH - 1);
    let name = format!("{name}{}", " ".repeat(NAME_WIDTH - width(&name)));
    let lines = wrap(value, room.saturating_sub(NAME_WIDTH)).into_iter().enumerate();
    let before = |nth: usize| if nth == 0 { name.clone() } else { " ".repeat(NAME_WIDTH) };
    lines
        .map(|(nth, line)| Line::from(vec![Span::styled(before(nth), QUIET), Span::styled(line, style)]))
        .collect()
}

/// A value in words: a text as it is, anything else as JSON.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Text(text) => text.clone(),
        other => to_canonical_json(other),
    }
}

/// A time as people write it, if it is one.
fn moment(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..16)) {
        (Some(day), Some("T"), Some(hour)) => format!("{day} {hour}"),
        _ => time.to_owned(),
    }
}

fn head(title: &str) -> [Line<'static>; 2] {
    [Line::default(), Line::styled(title.to_owned(), TITLE)]
}

fn text(title: &str, content: &str, hint: &'static str, room: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'_>> = head(title).into();
    match content.is_empty() {
        true => lines.push(Line::styled(hint, QUIET)),
        false => lines.extend(wrapped(content, room, Style::new())),
    }
    lines
}

fn dependencies(board: &Board, task: &Task, room: usize) -> Vec<Line<'static>> {
    if task.dependencies.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<Line<'_>> = head("Dependencies").into();
    for (link, _) in in_order(&task.dependencies, |dependency| &dependency.place) {
        let other = board.tasks.get(&link.on).map_or_else(
            || format!("{} (not on this board)", link.on),
            |other| {
                format!("{} ({})", other.title, if other.status.is_empty() { "-" } else { &other.status })
            },
        );
        lines.extend(field(&link.kind, &clean(&other), Style::new(), room));
    }
    lines
}

fn comments(task: &Task, room: usize) -> Vec<Line<'static>> {
    let title = if task.comments.is_empty() {
        "Comments".to_owned()
    } else {
        format!("Comments {}", task.comments.len())
    };
    let mut lines: Vec<Line<'_>> = head(&title).into();
    if task.comments.is_empty() {
        lines.push(Line::styled("c: say something", QUIET));
    }
    for (_, comment) in in_order(&task.comments, |comment| &comment.place) {
        lines.push(byline(comment, room));
        lines.extend(
            wrap(&comment.text, room.saturating_sub(2))
                .into_iter()
                .map(|line| Line::from(format!("  {line}"))),
        );
    }
    lines
}

fn byline(comment: &Comment, room: usize) -> Line<'static> {
    let author = fit(comment.author.as_deref().unwrap_or("somebody"), room.saturating_sub(18));
    let when = comment.other.get(CREATED_AT).map(words).map_or_else(String::new, |time| moment(&time));
    let when = Span::styled(format!(" {}", fit(&when, 16)), QUIET);
    Line::from(vec![Span::styled(author, palette::about(About::Assignee)), when])
}
