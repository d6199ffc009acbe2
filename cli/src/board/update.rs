//! What becomes of the screen when something happens.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent};
use ratatui::layout::Size;
use syncline::board::{Board, TaskId, TaskText};
use syncline_core::time::Time;

use super::change::{Change, Spot};
use super::choice::{Choice, Topic};
use super::detail;
use super::dialog::{Answer, Asked, Body, Dialog, type_key};
use super::draft::Draft;
use super::geometry::{body, reading};
use super::saving::Saving;
use super::screen::{Cursor, Screen};

/// How many cards a page is.
const PAGE: isize = 5;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A key was pressed.
    Key(KeyEvent),
    /// Something was done with the mouse.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(Size),
    /// The board has changed, here or elsewhere.
    Board(Box<Board>),
    /// More or less is saved.
    Saving(Saving),
    /// Time has passed.
    Now(Time),
}

/// What is to be done about it.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Nothing; the screen may look different.
    Nothing,
    /// A change of the board.
    Perform(Change),
    /// The lost edits have been seen.
    TakeLoss,
    /// The end.
    Quit,
}

impl Screen {
    /// Takes in what happens.
    pub fn update(&mut self, happening: Happening) -> Wish {
        match happening {
            Happening::Key(key) if key.kind == KeyEventKind::Release => Wish::Nothing,
            Happening::Key(key) => self.key(key),
            Happening::Mouse(mouse) => self.mouse(mouse),
            Happening::Paste(text) => self.paste(&text),
            Happening::Resize(size) => self.resize(size),
            Happening::Board(board) => {
                self.show(*board);
                Wish::Nothing
            }
            Happening::Saving(saving) => {
                self.saving = saving;
                Wish::Nothing
            }
            Happening::Now(now) => {
                self.now = now;
                Wish::Nothing
            }
        }
    }

    /// Takes in how a change went; a task that it made is selected as soon as it is here.
    pub fn performed(&mut self, result: Result<Option<TaskId>, String>) {
        match result {
            Err(reason) => self.notice = Some(format!("not done: {reason}")),
            Ok(made) => {
                let goes_on = match &mut self.dialog {
                    Some(Dialog::Choice(choice)) => choice.goes_on(),
                    Some(_) | None => false,
                };
                if !goes_on {
                    self.dialog = None;
                }
                if let Some(id) = made {
                    self.select_when_there(id);
                }
            }
        }
    }

    fn resize(&mut self, size: Size) -> Wish {
        self.size = size;
        self.press = None;
        self.reveal();
        if let Some(Dialog::Writing(writing)) = &mut self.dialog {
            writing.reveal(size);
        }
        Wish::Nothing
    }

    fn paste(&mut self, text: &str) -> Wish {
        let size = self.size;
        match &mut self.dialog {
            Some(Dialog::Search) => {
                self.search.insert(&text.split(['\n', '\r']).collect::<Vec<_>>().join(" "));
                self.arrange();
            }
            Some(dialog) => dialog.paste(text, size),
            None => {}
        }
        Wish::Nothing
    }

    fn key(&mut self, key: KeyEvent) -> Wish {
        self.notice = None;
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::Quit;
        }
        match self.dialog.take() {
            Some(Dialog::Search) => self.search_key(key),
            Some(mut dialog) => {
                let answer = dialog.key(key, self.size, self.now);
                self.answered(dialog, answer)
            }
            None => self.board_key(key),
        }
    }

    /// Takes in what became of the dialog that was open.
    pub fn answered(&mut self, dialog: Dialog, answer: Answer) -> Wish {
        match answer {
            Answer::Closed => Wish::Nothing,
            Answer::Open => {
                self.dialog = Some(dialog);
                Wish::Nothing
            }
            Answer::Do(change) => {
                self.dialog = Some(dialog);
                Wish::Perform(change)
            }
        }
    }

    fn search_key(&mut self, key: KeyEvent) -> Wish {
        match key.code {
            KeyCode::Enter | KeyCode::Down | KeyCode::Tab => return Wish::Nothing,
            KeyCode::Esc => {
                self.search = Draft::default();
                self.arrange();
                self.reveal();
                return Wish::Nothing;
            }
            _ => type_key(&mut self.search, key),
        }
        self.dialog = Some(Dialog::Search);
        self.arrange();
        Wish::Nothing
    }

    /// A key while nothing is asked.
    fn board_key(&mut self, key: KeyEvent) -> Wish {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Wish::Nothing;
        }
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.dialog = Some(Dialog::Help(0)),
            KeyCode::Char('/') => self.dialog = Some(Dialog::Search),
            KeyCode::Esc => return self.escape(),
            KeyCode::Enter | KeyCode::Char(' ') if self.detail.is_none() => self.open(),
            KeyCode::Enter => self.detail = None,
            KeyCode::Char('a') => {
                let status = self.column().map_or("todo", |column| &column.status);
                self.dialog = Some(Dialog::add(status));
            }
            KeyCode::Char('H' | '<') => return self.carry_sideways(-1),
            KeyCode::Char('L' | '>') => return self.carry_sideways(1),
            KeyCode::Left if shift => return self.carry_sideways(-1),
            KeyCode::Right if shift => return self.carry_sideways(1),
            KeyCode::Char('K') => return self.carry(-1),
            KeyCode::Char('J') => return self.carry(1),
            KeyCode::Up if shift => return self.carry(-1),
            KeyCode::Down if shift => return self.carry(1),
            code if self.detail.is_some() && self.scroll_detail(code) => {}
            code if self.walk(code) => {}
            code => self.ask(code),
        }
        Wish::Nothing
    }

    /// One thing less on the screen.
    fn escape(&mut self) -> Wish {
        if self.detail.take().is_some() || self.press.take().is_some() {
            return Wish::Nothing;
        }
        if self.saving.lost.is_some() {
            return Wish::TakeLoss;
        }
        self.search = Draft::default();
        self.arrange();
        self.reveal();
        Wish::Nothing
    }

    /// Shows the selected task whole.
    pub fn open(&mut self) {
        self.detail = self.task().map(|_| 0);
    }

    /// Scrolls what is shown whole; `false` if the key does something else.
    fn scroll_detail(&mut self, code: KeyCode) -> bool {
        let page = isize::try_from(body(self.size).height).unwrap_or(1) - 3;
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.scroll_detail_by(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll_detail_by(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll_detail_by(page),
            KeyCode::PageUp => self.scroll_detail_by(-page),
            KeyCode::Home | KeyCode::Char('g') => self.scroll_detail_by(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll_detail_by(isize::MAX),
            _ => return false,
        }
        true
    }

    /// Scrolls what is shown whole by lines, as far as there are any.
    pub fn scroll_detail_by(&mut self, by: isize) {
        let Some(top) = self.detail else { return };
        let inner = reading(self.size);
        let lines = detail::lines(self, usize::from(inner.width)).len();
        let last = lines.saturating_sub(usize::from(inner.height));
        self.detail = Some(top.saturating_add_signed(by).min(last));
    }

    /// Moves the selection; `false` if the key does something else.
    fn walk(&mut self, code: KeyCode) -> bool {
        match code {
            KeyCode::Left | KeyCode::Char('h') => self.walk_sideways(-1),
            KeyCode::Right | KeyCode::Char('l') => self.walk_sideways(1),
            KeyCode::Tab => self.walk_sideways(1),
            KeyCode::BackTab => self.walk_sideways(-1),
            KeyCode::Up | KeyCode::Char('k') => self.walk_by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.walk_by(1),
            KeyCode::PageUp => self.walk_by(-PAGE),
            KeyCode::PageDown => self.walk_by(PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.walk_by(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.walk_by(isize::MAX),
            _ => return false,
        }
        true
    }

    fn walk_by(&mut self, by: isize) {
        let row = self.cursor.row.saturating_add_signed(by);
        self.select(Cursor { row, ..self.cursor });
    }

    fn walk_sideways(&mut self, by: isize) {
        let column = self.cursor.column.saturating_add_signed(by);
        self.select(Cursor { column, ..self.cursor });
    }

    /// Opens the dialog of a key.
    fn ask(&mut self, code: KeyCode) {
        let Some((id, task)) = self.task() else { return };
        let dialog = match code {
            KeyCode::Char('e') => Dialog::line(Asked::Title(id.clone()), &task.title),
            KeyCode::Char('D') => Dialog::line(Asked::Due(id.clone()), task.due.as_deref().unwrap_or("")),
            KeyCode::Char('n') => Dialog::writing(id, Body::Text(TaskText::Notes), &task.notes),
            KeyCode::Char('d') => Dialog::writing(id, Body::Text(TaskText::Description), &task.description),
            KeyCode::Char('c') => Dialog::writing(id, Body::Comment, ""),
            KeyCode::Char('s') => Dialog::Choice(Choice::of(self, id, task, Topic::Status)),
            KeyCode::Char('p') => Dialog::Choice(Choice::of(self, id, task, Topic::Priority)),
            KeyCode::Char('u') => Dialog::Choice(Choice::of(self, id, task, Topic::Assignee)),
            KeyCode::Char('t') => Dialog::Choice(Choice::of(self, id, task, Topic::Labels)),
            KeyCode::Char('x') | KeyCode::Delete => Dialog::Remove(id.clone()),
            _ => return,
        };
        self.dialog = Some(dialog);
        if let Some(Dialog::Writing(writing)) = &mut self.dialog {
            writing.reveal(self.size);
        }
    }

    /// Moves the task up or down in its column, past the next one that is shown.
    fn carry(&self, by: isize) -> Wish {
        let Some((column, id)) = self.column().zip(self.selected.as_ref()) else { return Wish::Nothing };
        let next = self.cursor.row.checked_add_signed(by).and_then(|row| column.tasks.get(row));
        match next.filter(|next| *next != id).cloned() {
            None => Wish::Nothing,
            Some(next) => {
                let spot = if by < 0 { Spot::Before(next) } else { Spot::After(next) };
                Wish::Perform(Change::Move(id.clone(), column.status.clone(), spot))
            }
        }
    }

    /// Moves the task to the bottom of the next column.
    fn carry_sideways(&self, by: isize) -> Wish {
        let next = self.cursor.column.checked_add_signed(by).and_then(|column| self.columns.get(column));
        match (next, self.selected.clone()) {
            (Some(column), Some(id)) => Wish::Perform(Change::Move(id, column.status.clone(), Spot::Last)),
            (None, _) | (_, None) => Wish::Nothing,
        }
    }
}
