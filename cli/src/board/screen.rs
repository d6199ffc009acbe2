//! What is on the screen, as plain data: the board, what is selected in it, what is open above it.
//!
//! The selection is a task's name, not a place: when others move things, it stays with its task. Only when the task goes
//! does it pass on to the one that takes its place.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::layout::Size;
use syncline::board::{Board, Task, TaskId, in_course_of_work};
use syncline_core::time::Time;

use super::card::Card;
use super::dialog::Dialog;
use super::draft::Draft;
use super::geometry::Geometry;
use super::mouse::Press;
use super::saving::Saving;
use super::search::Search;

/// Columns that are shown together, even while one is empty.
const SETS: [&[&str]; 2] = [&["todo", "doing", "done"], &["open", "in_progress", "closed"]];

/// Everything that is drawn, and nothing else.
#[derive(Debug, Default)]
pub struct Screen {
    /// The document's name.
    pub name: String,
    /// In whose name edits are made.
    pub user: String,
    /// The document.
    pub board: Board,
    /// What is shown of it.
    pub columns: Vec<Column>,
    /// Where the selection is.
    pub cursor: Cursor,
    /// The task that is selected.
    pub selected: Option<TaskId>,
    /// What is looked for.
    pub search: Draft,
    /// Whether the selected task is shown whole, and from which line on.
    pub detail: Option<usize>,
    /// What is asked for above everything else.
    pub dialog: Option<Dialog>,
    /// Where edits are.
    pub saving: Saving,
    /// What somebody should know about the last thing he did.
    pub notice: Option<String>,
    /// The mouse button, while it is down.
    pub press: Option<Press>,
    /// How large the terminal is.
    pub size: Size,
    /// The present.
    pub now: Time,
    /// The first column that is drawn.
    pub first_column: usize,
    /// The first card that is drawn of columns that do not start with their first.
    pub tops: BTreeMap<String, usize>,
    known_columns: BTreeSet<String>,
    awaited: Option<TaskId>,
}

/// A column and what is shown in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The status of its tasks.
    pub status: String,
    /// Those that are found, from top to bottom.
    pub tasks: Vec<TaskId>,
    /// How many there are, found or not.
    pub total: usize,
}

/// A place among the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Which column.
    pub column: usize,
    /// Which card of it.
    pub row: usize,
}

impl Column {
    /// What is written above it.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.status.is_empty() { "no column" } else { &self.status }
    }
}

impl Screen {
    /// A screen of this size, before there is a board.
    #[must_use]
    pub fn new(name: &str, user: &str, size: Size, now: Time) -> Self {
        Self { name: name.to_owned(), user: user.to_owned(), size, now, ..Self::default() }
    }

    /// The task that is selected.
    #[must_use]
    pub fn task(&self) -> Option<(&TaskId, &Task)> {
        self.board.tasks.get_key_value(self.selected.as_ref()?)
    }

    /// The column that the selection is in.
    #[must_use]
    pub fn column(&self) -> Option<&Column> {
        self.columns.get(self.cursor.column)
    }

    /// The card of a task in a column of this width.
    #[must_use]
    pub fn card(&self, id: &TaskId, room: usize) -> Card {
        self.board.tasks.get(id).map_or_else(
            || Card { title: Vec::new(), chips: Vec::new() },
            |task| Card::of(task, room, self.now),
        )
    }

    /// Shows another state of the board.
    pub fn show(&mut self, board: Board) {
        self.board = board;
        self.arrange();
        let gone = |id: &TaskId| !self.board.tasks.contains_key(id);
        if let Some(dialog) = &mut self.dialog {
            let is_lost = dialog.task().is_some_and(gone);
            match is_lost {
                true if dialog.is_worth_keeping() => {
                    self.notice = Some("somebody removed the task that this is about".to_owned());
                }
                true => {
                    self.dialog = None;
                    self.notice = Some("somebody removed the task".to_owned());
                }
                false => dialog.take_in(&self.board),
            }
        }
    }

    /// Sorts the tasks that are found into columns, and keeps the selection where it was.
    pub fn arrange(&mut self) {
        let search = Search::of(&self.search.text());
        let mut found: BTreeMap<&str, Column> = BTreeMap::new();
        for (id, task) in self.board.in_order() {
            let column = found.entry(&task.status).or_default();
            column.total += 1;
            if search.finds(id, task) {
                column.tasks.push(id.clone());
            }
        }
        self.known_columns.extend(found.keys().map(|status| (*status).to_owned()));
        let is_shown = |set: &&[&str]| set.iter().any(|status| self.known_columns.contains(*status));
        let mut sets: Vec<&[&str]> = SETS.into_iter().filter(is_shown).collect();
        if self.known_columns.is_empty() {
            sets.push(SETS[0]);
        }
        let usual = sets.into_iter().flatten().map(|status| (*status).to_owned());
        let statuses = in_course_of_work(self.known_columns.iter().cloned().chain(usual));
        let column = |status: String| {
            let column = found.remove(status.as_str()).unwrap_or_default();
            Column { status, ..column }
        };
        let focus = self.column().map(|column| column.status.clone());
        self.columns = statuses.into_iter().map(column).collect();
        self.settle(focus.as_deref());
    }

    /// Finds the selected task where it is now, or the one to be selected instead.
    fn settle(&mut self, focus: Option<&str>) {
        let before = self.cursor;
        if let Some(id) = self.awaited.clone().filter(|id| self.board.tasks.contains_key(id)) {
            self.awaited = None;
            self.selected = Some(id.clone());
            if self.find(&id).is_none() {
                self.search = Draft::default();
                return self.arrange();
            }
        }
        if let Some(cursor) = self.selected.as_ref().and_then(|id| self.find(id)) {
            self.cursor = cursor;
        } else {
            let same = |column: &Column| Some(column.status.as_str()) == focus;
            let same = self.columns.iter().position(same);
            // Whoever looks for something means what is found, in whichever column.
            let stays =
                |column: &usize| self.search.text().is_empty() || !self.columns[*column].tasks.is_empty();
            let column = same.filter(stays).or(self.first_filled()).or(same);
            self.select(Cursor { column: column.unwrap_or(0), row: before.row });
            // What was shown whole is not on the board any more, or not among what is found.
            if self.detail.take().is_some() && self.dialog.is_none() {
                self.notice = Some("the task is not here any more".to_owned());
            }
        }
        if self.cursor != before {
            self.reveal();
        }
    }

    /// The first column that there is something in.
    fn first_filled(&self) -> Option<usize> {
        self.columns.iter().position(|column| !column.tasks.is_empty())
    }

    fn find(&self, id: &TaskId) -> Option<Cursor> {
        let status = &self.board.tasks.get(id)?.status;
        let column = self.columns.iter().position(|column| column.status == *status)?;
        let row = self.columns[column].tasks.iter().position(|other| other == id)?;
        Some(Cursor { column, row })
    }

    /// Selects what is at a place, or the nearest to it.
    pub fn select(&mut self, cursor: Cursor) {
        let column = cursor.column.min(self.columns.len().saturating_sub(1));
        let tasks = self.columns.get(column).map_or(&[][..], |column| &column.tasks);
        let row = cursor.row.min(tasks.len().saturating_sub(1));
        self.selected = tasks.get(row).cloned();
        self.cursor = Cursor { column, row };
        self.reveal();
    }

    /// Selects a task as soon as it is on the board.
    pub fn select_when_there(&mut self, id: TaskId) {
        self.awaited = Some(id);
        self.arrange();
    }

    /// Scrolls until the selection can be seen.
    pub fn reveal(&mut self) {
        let shown = Geometry::columns_shown(self.size, self.columns.len()).max(1);
        let column = self.cursor.column;
        let last_first = self.columns.len().saturating_sub(shown);
        self.first_column =
            self.first_column.clamp((column + 1).saturating_sub(shown), column).min(last_first);
        let (room, width) = Geometry::card_room(self.size, self.columns.len());
        let Some(Column { status, tasks, .. }) = self.columns.get(column) else { return };
        let top = self.tops.get(status).copied().unwrap_or(0).min(self.cursor.row);
        // From the selected card upwards, as many as there is room for.
        let mut left = room;
        let above = tasks[..(self.cursor.row + 1).min(tasks.len())].iter().rev().take_while(|id| {
            // The line below a card need not be there.
            let height = self.card(id, width).height();
            let fits = left + 1 >= height;
            left = left.saturating_sub(height);
            fits
        });
        let above = above.take(self.cursor.row + 1 - top).count().max(1);
        let top = top.max((self.cursor.row + 1).saturating_sub(above));
        let status = status.clone();
        self.tops.insert(status, top);
    }

    /// Scrolls a column by cards, without touching the selection.
    pub fn scroll(&mut self, column: usize, by: isize) {
        let Some(Column { status, tasks, .. }) = self.columns.get(column) else { return };
        let top = self.tops.get(status).copied().unwrap_or(0);
        let top = top.saturating_add_signed(by).min(tasks.len().saturating_sub(1));
        self.tops.insert(status.clone(), top);
    }

    /// The first card that is drawn of a column.
    #[must_use]
    pub fn top(&self, column: &Column) -> usize {
        let top = self.tops.get(&column.status).copied().unwrap_or(0);
        top.min(column.tasks.len().saturating_sub(1))
    }

    /// How many tasks there are, and how many of them are found.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let found = self.columns.iter().map(|column| column.tasks.len()).sum();
        (self.board.tasks.len(), found)
    }
}

#[cfg(test)]
#[path = "screen/tests.rs"]
pub(crate) mod tests;
