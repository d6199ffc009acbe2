//! The mouse: a click selects, a click on what is selected opens it, a card that is dragged moves.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use syncline::board::TaskId;

use super::change::{Change, Spot};
use super::dialog::{Dialog, Writing};
use super::geometry::{ColumnArea, Geometry, inside};
use super::screen::{Cursor, Screen};
use super::update::Wish;

/// How many lines or cards the wheel goes at a time.
const WHEEL: isize = 3;

/// The button while it is down on a card.
#[derive(Clone, Debug)]
pub struct Press {
    /// Whose card.
    pub id: TaskId,
    /// Whether it was selected before.
    pub was_selected: bool,
    /// Where the mouse is, once it has moved off the cell that it was pressed on.
    pub over: Option<(u16, u16)>,
    at: (u16, u16),
}

impl Screen {
    /// Takes in what is done with the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Wish {
        let (x, y) = (mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.down(x, y),
            MouseEventKind::Drag(MouseButton::Left) => self.drag(x, y),
            MouseEventKind::Up(MouseButton::Left) => self.up(x, y),
            MouseEventKind::ScrollDown => self.wheel(x, y, 1),
            MouseEventKind::ScrollUp => self.wheel(x, y, -1),
            _ => Wish::Nothing,
        }
    }

    fn down(&mut self, x: u16, y: u16) -> Wish {
        self.notice = None;
        self.press = None;
        if let Some(dialog) = self.dialog.take() {
            return self.down_on_dialog(dialog, x, y);
        }
        let geometry = Geometry::of(self);
        if let Some(area) = geometry.detail {
            if !area.contains((x, y).into()) {
                self.detail = None;
            }
            return Wish::Nothing;
        }
        if geometry.header.contains((x, y).into()) {
            self.dialog = Some(Dialog::Search);
        } else if let Some((cursor, card)) = geometry.card_at(x, y) {
            let was_selected = self.selected.as_ref() == Some(&card.id);
            self.press = Some(Press { id: card.id.clone(), was_selected, over: None, at: (x, y) });
            self.select_in_view(cursor);
        } else if let Some(column) = geometry.column_at(x, y) {
            self.select_in_view(Cursor { column: column.index, row: self.columns[column.index].tasks.len() });
        }
        Wish::Nothing
    }

    /// Selects without scrolling: what is under the mouse stays there.
    fn select_in_view(&mut self, cursor: Cursor) {
        let (first, tops) = (self.first_column, self.tops.clone());
        self.select(cursor);
        (self.first_column, self.tops) = (first, tops);
    }

    fn down_on_dialog(&mut self, mut dialog: Dialog, x: u16, y: u16) -> Wish {
        let area = dialog.area(self.size).unwrap_or(Geometry::of(self).header);
        if !area.contains((x, y).into()) {
            // What somebody has written is not thrown away by a click.
            if dialog.is_worth_keeping() {
                self.dialog = Some(dialog);
            }
            return Wish::Nothing;
        }
        let answer = match &mut dialog {
            Dialog::Choice(choice) => choice.option_at(self.size, y).map(|at| {
                choice.at = at;
                choice.choose(at)
            }),
            Dialog::Writing(writing) => {
                let inner = inside(Writing::area(self.size));
                let row = writing.top + usize::from(y.saturating_sub(inner.y));
                let place = writing.rows(self.size).place(row, usize::from(x.saturating_sub(inner.x)));
                writing.draft.go(place);
                None
            }
            Dialog::Help(_) | Dialog::Search | Dialog::Line(_) | Dialog::Remove(_) => None,
        };
        self.answered(dialog, answer.unwrap_or(super::dialog::Answer::Open))
    }

    fn drag(&mut self, x: u16, y: u16) -> Wish {
        if let Some(press) = &mut self.press
            && (press.over.is_some() || press.at != (x, y))
        {
            press.over = Some((x, y));
        }
        Wish::Nothing
    }

    fn up(&mut self, x: u16, y: u16) -> Wish {
        let Some(press) = self.press.take() else { return Wish::Nothing };
        if press.over.is_none() {
            if press.was_selected && self.selected.as_ref() == Some(&press.id) {
                self.open();
            }
            return Wish::Nothing;
        }
        let drop = self.drop_at(x, y).filter(|(column, spot)| self.is_elsewhere(&press.id, *column, spot));
        match drop {
            Some((column, spot)) if self.board.tasks.contains_key(&press.id) => {
                Wish::Perform(Change::Move(press.id, self.columns[column].status.clone(), spot))
            }
            Some(_) | None => Wish::Nothing,
        }
    }

    /// In which column, and where in it, a card would go that is dropped at a place.
    #[must_use]
    pub fn drop_at(&self, x: u16, y: u16) -> Option<(usize, Spot)> {
        let geometry = Geometry::of(self);
        let column = geometry.column_at(x, y)?;
        Some((column.index, spot(column, y)))
    }

    /// Whether a task that goes there would not be where it is.
    fn is_elsewhere(&self, id: &TaskId, column: usize, spot: &Spot) -> bool {
        let tasks = &self.columns[column].tasks;
        let Some(row) = tasks.iter().position(|other| other == id) else { return true };
        match spot {
            Spot::Last => row + 1 < tasks.len(),
            Spot::Before(other) => other != id && tasks.get(row + 1) != Some(other),
            Spot::After(other) => other != id && (row == 0 || tasks.get(row - 1) != Some(other)),
        }
    }

    fn wheel(&mut self, x: u16, y: u16, by: isize) -> Wish {
        let size = self.size;
        match &mut self.dialog {
            Some(Dialog::Writing(writing)) => {
                let last = writing.rows(size).iter().count().saturating_sub(1);
                writing.top = writing.top.saturating_add_signed(by * WHEEL).min(last);
            }
            Some(Dialog::Help(top)) => *top = top.saturating_add_signed(by * WHEEL),
            Some(Dialog::Choice(choice)) => {
                let last = choice.options().len().saturating_sub(1);
                choice.at = choice.at.saturating_add_signed(by).min(last);
            }
            Some(Dialog::Search | Dialog::Line(_) | Dialog::Remove(_)) => {}
            None => {
                let geometry = Geometry::of(self);
                if geometry.detail.is_some_and(|area| area.contains((x, y).into())) {
                    self.scroll_detail_by(by * WHEEL);
                } else if let Some(column) = geometry.column_at(x, y) {
                    self.scroll(column.index, by);
                }
            }
        }
        Wish::Nothing
    }
}

/// Above the card whose upper half it is on, or below the one whose lower half.
fn spot(column: &ColumnArea, y: u16) -> Spot {
    for card in &column.cards {
        if y < card.area.y + card.area.height.div_ceil(2) {
            return Spot::Before(card.id.clone());
        }
        if y <= card.area.bottom() {
            return Spot::After(card.id.clone());
        }
    }
    Spot::Last
}
