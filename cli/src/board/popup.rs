//! Draws what is asked above everything else.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph, Widget};
use syncline::board::TaskText;
use unicode_segmentation::UnicodeSegmentation;

use super::choice::{Choice, Topic};
use super::dialog::{Asked, Body, Dialog, Line as Input, Writing};
use super::draft::Draft;
use super::draw::{clipped, framed};
use super::geometry::inside;
use super::palette::{FOCUS, KEY, LOUD, MARKED, QUIET, TITLE, WRONG};
use super::screen::Screen;
use super::text::{clean, fit, width};

/// The keys, and what they do.
const KEYS: [(&str, &str); 30] = [
    ("", "On the board"),
    ("←↓↑→  hjkl", "select another task; g G  PgUp PgDn go further"),
    ("Shift+←→  H L  < >", "move the task to another column"),
    ("Shift+↑↓  K J", "move it up or down"),
    ("Enter  Space", "show all of it"),
    ("a", "add a task to this column"),
    ("/", "search titles, labels, people, ids and texts"),
    ("Esc", "close, or end the search"),
    ("?", "this help"),
    ("q  Ctrl-C", "quit; everything is saved already"),
    ("", ""),
    ("", "With the selected task"),
    ("e", "title"),
    ("d", "description"),
    ("n", "notes"),
    ("s", "column, or a new one"),
    ("p", "priority; 0 is the most urgent"),
    ("u", "whose it is"),
    ("D", "due date"),
    ("t", "labels"),
    ("c", "comment"),
    ("x  Delete", "remove"),
    ("", ""),
    ("", "In a text"),
    ("Ctrl-S  Alt-Enter", "save; what others wrote meanwhile stays"),
    ("Esc", "leave it as it was"),
    ("", ""),
    ("", "Mouse"),
    ("click, click again", "select, show all of it"),
    ("drag, wheel", "move the task, scroll"),
];

/// Draws the dialog, if there is one, and tells where the cursor is in it.
pub fn draw(screen: &Screen, bounds: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let dialog = screen.dialog.as_ref()?;
    let area = clipped(dialog.area(screen.size)?, bounds);
    Clear.render(area, buffer);
    match dialog {
        Dialog::Search => None,
        Dialog::Help(top) => help(*top, area, buffer),
        Dialog::Line(line) => input(line, area, buffer),
        Dialog::Choice(choice) => choose(choice, area, buffer),
        Dialog::Writing(writing) => write(screen, writing, area, buffer),
        Dialog::Remove(id) => {
            let title = screen.board.tasks.get(id).map_or("", |task| &task.title);
            remove(title, area, buffer)
        }
    }
}

fn help(top: usize, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let inner = inside(area);
    let top = top.min(KEYS.len().saturating_sub(usize::from(inner.height)));
    let more = if top + usize::from(inner.height) < KEYS.len() { " ↓ more " } else { " Esc close " };
    framed(Line::styled(" Keys ", TITLE), FOCUS).title_bottom(Line::styled(more, QUIET)).render(area, buffer);
    let lines = KEYS.into_iter().skip(top).map(|(keys, what)| match keys {
        "" => Line::styled(what, LOUD),
        keys => Line::from(vec![Span::styled(format!(" {keys:<20}"), KEY), Span::raw(what)]),
    });
    Paragraph::new(lines.collect::<Vec<_>>()).render(inner, buffer);
    None
}

fn input(line: &Input, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let title = match &line.about {
        Asked::New(status) => {
            format!(" New task in {} ", fit(if status.is_empty() { "no column" } else { status }, 30))
        }
        Asked::Title(_) => " Title ".to_owned(),
        Asked::Due(_) => " Due: 2026-12-24, today, tomorrow, +3, or nothing ".to_owned(),
    };
    let hint = Line::styled(" Enter save · Esc cancel ", QUIET);
    framed(Line::styled(title, TITLE), FOCUS).title_bottom(hint).render(area, buffer);
    let inner = inside(area);
    if let Some(complaint) = line.complaint {
        let place = Rect { y: inner.y + 1, height: 1, ..inner };
        Line::styled(complaint, WRONG).render(clipped(place, area), buffer);
    }
    one_line(&line.draft, Rect { height: inner.height.min(1), ..inner }, buffer)
}

/// Draws as much of a line as there is room for around the cursor, and tells where that is.
fn one_line(draft: &Draft, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let text = draft.text();
    let split = text.char_indices().nth(draft.cursor()).map_or(text.len(), |(at, _)| at);
    let (before, behind) = (clean(&text[..split]), clean(&text[split..]));
    let room = usize::from(area.width);
    // The cursor takes a cell, too.
    let mut left = room.saturating_sub(1);
    let fits = |grapheme: &&str| {
        let taken = left.checked_sub(width(grapheme));
        left = taken.unwrap_or_default();
        taken.is_some()
    };
    let shown: usize = before.graphemes(true).rev().take_while(fits).map(str::len).sum();
    let start = &before[before.len() - shown..];
    Line::raw(format!("{start}{behind}")).render(area, buffer);
    Some((area.x + u16::try_from(width(start)).unwrap_or(0), area.y))
}

fn choose(choice: &Choice, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let (title, hint) = match choice.topic {
        Topic::Status => (" Column ", " Enter move · type for a new one "),
        Topic::Priority => (" Priority ", " Enter set · any number "),
        Topic::Assignee => (" Assignee ", " Enter set · type a name "),
        Topic::Labels => (" Labels ", " Enter on/off · type a new one · Esc "),
    };
    framed(Line::styled(title, TITLE), FOCUS).title_bottom(Line::styled(hint, QUIET)).render(area, buffer);
    let inner = inside(area);
    let room = usize::from(inner.height.saturating_sub(1));
    let options = choice.options();
    let shown = options.iter().enumerate().skip(choice.first(room)).take(room);
    let lines = shown.map(|(at, option)| {
        let sign = if option.is_had {
            "✓"
        } else if option.is_new {
            "+"
        } else {
            " "
        };
        let name = match option.value.as_deref() {
            None => "none".to_owned(),
            Some("") => "no column".to_owned(),
            Some(value) if choice.topic == Topic::Priority => format!("P{value}"),
            Some(value) => value.to_owned(),
        };
        let text = fit(&format!("{sign} {name}"), usize::from(inner.width));
        let pad = " ".repeat(usize::from(inner.width).saturating_sub(width(&text)));
        Line::styled(text + &pad, if at == choice.at { MARKED } else { Style::new() })
    });
    let lines: Vec<Line<'_>> = lines.collect();
    let list = Rect { y: inner.y + inner.height.min(1), height: inner.height.saturating_sub(1), ..inner };
    Paragraph::new(lines).render(list, buffer);
    one_line(&choice.input, Rect { height: inner.height.min(1), ..inner }, buffer)
}

fn write(screen: &Screen, writing: &Writing, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let of = screen.board.tasks.get(&writing.id).map_or("", |task| &task.title);
    let what = match writing.body {
        Body::Text(TaskText::Description) => "Description",
        Body::Text(TaskText::Notes) => "Notes",
        Body::Comment => "Comment",
    };
    let title = format!(" {} ", fit(&format!("{what} · {of}"), usize::from(area.width.saturating_sub(6))));
    let hint = match writing.is_leaving {
        true => Line::styled(" Esc again throws away what you wrote · Ctrl-S saves it ", WRONG),
        false => Line::styled(" Ctrl-S save · Esc cancel ", QUIET),
    };
    framed(Line::styled(title, TITLE), FOCUS).title_bottom(hint).render(area, buffer);
    let inner = inside(area);
    let rows = writing.rows(screen.size);
    let shown = rows.iter().skip(writing.top).take(usize::from(inner.height));
    let lines: Vec<Line<'_>> = shown.map(|row| Line::raw(row.shown.clone())).collect();
    Paragraph::new(lines).render(inner, buffer);
    let (row, cell) = rows.locate(writing.draft.cursor());
    let line = row.checked_sub(writing.top).filter(|line| *line < usize::from(inner.height))?;
    let (x, y) = (u16::try_from(cell).ok()?, u16::try_from(line).ok()?);
    Some((inner.x + x.min(inner.width.saturating_sub(1)), inner.y + y))
}

fn remove(title: &str, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    framed(Line::styled(" Remove this task for everybody? ", WRONG), WRONG).render(area, buffer);
    let inner = inside(area);
    let keys = [Span::styled("y", KEY), Span::raw(" remove   "), Span::styled("n", KEY), Span::raw(" keep")];
    let lines =
        vec![Line::raw(fit(title, usize::from(inner.width))), Line::default(), Line::from(keys.to_vec())];
    Paragraph::new(lines).render(inner, buffer);
    None
}
