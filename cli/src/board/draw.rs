//! Draws the screen: the line at the top, the columns, what is shown whole, the line at the bottom.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Widget};

use super::card::{About, Urgency, urgency};
use super::change::Spot;
use super::detail;
use super::dialog::Dialog;
use super::geometry::{CardArea, ColumnArea, Geometry, inside, reading};
use super::palette::{self, FOCUS, KEY, LOUD, QUIET, SELECTED, TITLE};
use super::popup;
use super::screen::{Column, Screen};
use super::text::{clean, fit, width};

/// Draws everything.
pub fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    // What is drawn is the size that was told of; a terminal that is smaller by now gets that part of it.
    let bounds = frame.area();
    let buffer = frame.buffer_mut();
    let geometry = Geometry::of(screen);
    header(screen, clipped(geometry.header, bounds), buffer);
    for area in &geometry.columns {
        column(screen, area, bounds, buffer);
    }
    if let (Some(area), Some(top)) = (geometry.detail, screen.detail) {
        whole(screen, clipped(area, bounds), top, buffer);
    }
    status(screen, clipped(geometry.status, bounds), buffer);
    if let Some(place) = popup::draw(screen, bounds, buffer).or_else(|| search_cursor(screen)) {
        let place =
            (place.0.min(bounds.right().saturating_sub(1)), place.1.min(bounds.bottom().saturating_sub(1)));
        frame.set_cursor_position(place);
    }
}

/// The part of an area that there is.
#[must_use]
pub fn clipped(area: Rect, bounds: Rect) -> Rect {
    area.intersection(bounds)
}

/// A frame with a title.
#[must_use]
pub fn framed<'a>(title: Line<'a>, style: Style) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(style).title(title)
}

fn header(screen: &Screen, area: Rect, buffer: &mut Buffer) {
    let (all, found) = screen.counts();
    let overdue =
        screen.board.tasks.values().filter(|task| urgency(task, screen.now) == Urgency::Overdue).count();
    let count = if found == all { format!("{all} tasks") } else { format!("{found} of {all} tasks") };
    let mut right = vec![Span::styled(count, QUIET)];
    if overdue > 0 {
        right.push(Span::raw(" "));
        right
            .push(Span::styled(format!(" {overdue} overdue "), palette::about(About::Due(Urgency::Overdue))));
    }
    let mut left = vec![Span::styled(format!(" {} ", clean(&screen.name)), TITLE)];
    if is_searching(screen) || found != all || !screen.search.text().is_empty() {
        left.push(Span::styled("/", KEY));
        left.push(Span::styled(clean(&screen.search.text()).into_owned(), LOUD));
    }
    Line::from(left).render(area, buffer);
    let room = area.width.saturating_sub(u16::try_from(width(&clean(&screen.name))).unwrap_or(u16::MAX) + 22);
    if room > 0 {
        Paragraph::new(Line::from(right))
            .alignment(Alignment::Right)
            .render(Rect { x: area.right() - room.min(area.width), width: room, ..area }, buffer);
    }
}

const fn is_searching(screen: &Screen) -> bool {
    matches!(screen.dialog, Some(Dialog::Search))
}

fn search_cursor(screen: &Screen) -> Option<(u16, u16)> {
    let before: String = screen.search.text().chars().take(screen.search.cursor()).collect();
    let x = width(&clean(&screen.name)) + 3 + width(&clean(&before));
    is_searching(screen).then(|| (u16::try_from(x).unwrap_or(u16::MAX), 0))
}

fn column(screen: &Screen, area: &ColumnArea, bounds: Rect, buffer: &mut Buffer) {
    let Some(column) = screen.columns.get(area.index) else { return };
    let is_focused = area.index == screen.cursor.column;
    let style = if is_focused { FOCUS } else { QUIET };
    framed(column_title(screen, column, area), style).render(clipped(area.frame, bounds), buffer);
    let inner = clipped(inside(area.frame), bounds);
    for card in &area.cards {
        draw_card(screen, card, bounds, buffer);
    }
    if column.tasks.is_empty() {
        let hint = if column.total > 0 { "nothing found" } else { "nothing here" };
        Line::styled(fit(&format!(" {hint}"), usize::from(inner.width)), QUIET).render(inner, buffer);
    }
    scroll_marks(screen, column, area, bounds, buffer);
    drop_mark(screen, area, inner, buffer);
}

/// The name and the count, and whether there are columns further on.
fn column_title(screen: &Screen, column: &Column, area: &ColumnArea) -> Line<'static> {
    let shown = Geometry::columns_shown(screen.size, screen.columns.len());
    let is_first = area.index == screen.first_column;
    let is_last = area.index + 1 == screen.first_column + shown;
    let before = if is_first && area.index > 0 { "‹ " } else { "" };
    let after = if is_last && area.index + 1 < screen.columns.len() { " ›" } else { "" };
    let count = match column.tasks.len() == column.total {
        true => column.total.to_string(),
        false => format!("{}/{}", column.tasks.len(), column.total),
    };
    let room = usize::from(area.frame.width).saturating_sub(count.len() + 5 + width(before) + width(after));
    let name = fit(column.title(), room);
    Line::from(vec![
        Span::styled(format!(" {before}{name}"), TITLE),
        Span::styled(format!(" {count}{after} "), QUIET),
    ])
}

/// How many cards there are above and below those that can be seen.
fn scroll_marks(screen: &Screen, column: &Column, area: &ColumnArea, bounds: Rect, buffer: &mut Buffer) {
    let frame = clipped(area.frame, bounds);
    let above = screen.top(column);
    let below = area.cards.last().map_or(0, |card| column.tasks.len() - card.row - 1);
    let lines = [(above, "▲", frame.y), (below, "▼", frame.bottom().saturating_sub(1))];
    for (count, sign, y) in lines.into_iter().filter(|(count, _, _)| *count > 0) {
        let text = format!(" {sign}{count} ");
        let wide = u16::try_from(width(&text)).unwrap_or(0);
        if frame.width > wide + 8 {
            let place = Rect::new(frame.right() - wide - 1, y, wide, 1);
            Line::styled(text, QUIET).render(clipped(place, bounds), buffer);
        }
    }
}

fn draw_card(screen: &Screen, place: &CardArea, bounds: Rect, buffer: &mut Buffer) {
    let area = clipped(place.area, bounds);
    let is_selected = screen.selected.as_ref() == Some(&place.id);
    let is_dragged = screen.press.as_ref().is_some_and(|press| press.over.is_some() && press.id == place.id);
    let priority = screen.board.tasks.get(&place.id).and_then(|task| task.priority);
    let mark = Span::styled(if is_selected { "┃" } else { "▏" }, palette::urgent(priority));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for title in &place.card.title {
        let style = if is_dragged { QUIET } else { LOUD };
        lines.push(Line::from(vec![mark.clone(), Span::styled(title.clone(), style)]));
    }
    for chips in &place.card.chips {
        let mut spans = vec![mark.clone()];
        for chip in chips {
            let style = if is_dragged { QUIET } else { palette::about(chip.about) };
            spans.push(Span::styled(chip.text.clone(), style));
            spans.push(Span::raw(" "));
        }
        lines.push(Line::from(spans));
    }
    if is_selected {
        buffer.set_style(area, SELECTED);
    }
    Paragraph::new(lines).render(area, buffer);
}

/// Where a card that is dragged would go.
fn drop_mark(screen: &Screen, column: &ColumnArea, inner: Rect, buffer: &mut Buffer) {
    let Some((x, y)) = screen.press.as_ref().and_then(|press| press.over) else { return };
    let Some((index, spot)) = screen.drop_at(x, y).filter(|(index, _)| *index == column.index) else {
        return;
    };
    let find = |id| column.cards.iter().find(|card| card.id == id).map(|card| card.area);
    let last = column.cards.last().filter(|_| index == column.index).map(|card| card.area);
    let y = match spot {
        Spot::Before(id) => find(id).map(|area| area.y.saturating_sub(1)),
        Spot::After(id) => find(id).map(|area| area.bottom()),
        Spot::Last => last.map(|area| area.bottom()),
    };
    let y = y.unwrap_or(inner.y);
    if inner.height > 0 {
        let place = Rect::new(column.frame.x + 1, y, inner.width, 1);
        Line::styled("━".repeat(usize::from(inner.width)), FOCUS)
            .render(clipped(place, column.frame), buffer);
    }
}

fn whole(screen: &Screen, area: Rect, top: usize, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    let hint = Line::styled(" e d n s p u D t c x ", QUIET).right_aligned();
    let name = screen
        .task()
        .map_or_else(String::new, |(id, _)| fit(&id.0, usize::from(area.width.saturating_sub(6))));
    let block = framed(Line::styled(format!(" {name} "), TITLE), FOCUS).title_bottom(hint);
    let inner = reading(screen.size).intersection(area);
    let lines = detail::lines(screen, usize::from(inner.width));
    let shown: Vec<Line<'_>> = lines.into_iter().skip(top).take(usize::from(inner.height)).collect();
    block.render(area, buffer);
    Paragraph::new(shown).render(inner, buffer);
}

/// What should be known now, and otherwise where edits are; the keys if there is room.
fn status(screen: &Screen, area: Rect, buffer: &mut Buffer) {
    let (mood, saving) = screen.saving.line();
    let (text, style) = match &screen.notice {
        Some(notice) if mood != super::saving::Mood::Bad => (notice.clone(), KEY),
        Some(_) | None => (saving, palette::mood(mood)),
    };
    let keys = [("a", "add"), ("⏎", "open"), ("HJKL", "move"), ("/", "search"), ("?", "help"), ("q", "quit")];
    let hints: Vec<Span<'_>> = keys
        .into_iter()
        .flat_map(|(key, what)| {
            [Span::styled(format!(" {key}"), KEY), Span::styled(format!(" {what} "), QUIET)]
        })
        .collect();
    let hints = Line::from(hints);
    let (room, wide) = (usize::from(area.width), hints.width());
    let text = format!(" {} ", fit(&text, room.saturating_sub(2)));
    let beside = width(&text) + wide <= room;
    Line::styled(text, style).render(area, buffer);
    let short = Line::from(vec![Span::styled(" ?", KEY), Span::styled(" help ", QUIET)]);
    let hints = if beside { hints } else { short };
    if room > 40 {
        let wide = u16::try_from(hints.width()).unwrap_or(0).min(area.width);
        let place = Rect { x: area.right() - wide, width: wide, ..area };
        Clear.render(place, buffer);
        hints.render(place, buffer);
    }
}

#[cfg(test)]
#[path = "draw/tests.rs"]
mod tests;
