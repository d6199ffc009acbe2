//! What the board asks for above everything else: a line, a choice, a text, or whether somebody is sure.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Rect, Size};
use syncline::board::{Board, Field, TaskId, TaskText};
use syncline_core::time::Time;

use super::card::{is_day, today};
use super::change::Change;
use super::choice::Choice;
use super::draft::Draft;
use super::geometry::{inside, middle};
use super::writing::Rows;

/// A day, in the unit of the engine's time.
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Something that wants an answer.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Every key, from which line on.
    Help(usize),
    /// What is looked for is written in the line at the top.
    Search,
    /// A line of text.
    Line(Line),
    /// One of several things.
    Choice(Choice),
    /// A text of several lines.
    Writing(Writing),
    /// Whether a task shall go.
    Remove(TaskId),
}

/// What becomes of a dialog.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It stays open.
    Open,
    /// It is done with.
    Closed,
    /// It stays until the change is made.
    Do(Change),
}

/// A line that is asked for.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is.
    pub about: Asked,
    /// What it is so far.
    pub draft: Draft,
    /// What is wrong with it.
    pub complaint: Option<&'static str>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The title of a new task in a column.
    New(String),
    /// The title of a task.
    Title(TaskId),
    /// Until when a task is to be done.
    Due(TaskId),
}

/// A text that is being written.
#[derive(Clone, Debug)]
pub struct Writing {
    /// Of which task.
    pub id: TaskId,
    /// What it is.
    pub body: Body,
    /// What it is so far.
    pub draft: Draft,
    /// The first line that is shown.
    pub top: usize,
    /// Whether it was asked once to be thrown away.
    pub is_leaving: bool,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// One that others write in too.
    Text(TaskText),
    /// A comment.
    Comment,
}

impl Dialog {
    /// Asks for the title of a new task.
    #[must_use]
    pub fn add(status: &str) -> Self {
        Self::line(Asked::New(status.to_owned()), "")
    }

    /// Asks for a line that is this so far.
    #[must_use]
    pub fn line(about: Asked, now: &str) -> Self {
        Self::Line(Line { about, draft: Draft::of(now), complaint: None })
    }

    /// Lets somebody write.
    #[must_use]
    pub fn writing(id: &TaskId, body: Body, now: &str) -> Self {
        let draft = Draft::of(now);
        Self::Writing(Writing { id: id.clone(), body, draft, top: 0, is_leaving: false })
    }

    /// Which task it is about.
    #[must_use]
    pub const fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Help(_) | Self::Search => None,
            Self::Line(line) => line.about.task(),
            Self::Choice(choice) => Some(&choice.id),
            Self::Writing(writing) => Some(&writing.id),
            Self::Remove(id) => Some(id),
        }
    }

    /// Whether something was written that is nowhere else.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        match self {
            Self::Writing(writing) => writing.draft.is_changed(),
            Self::Line(line) => line.draft.is_changed(),
            Self::Help(_) | Self::Search | Self::Choice(_) | Self::Remove(_) => false,
        }
    }

    /// Takes in what others did to the board.
    pub fn take_in(&mut self, board: &Board) {
        let task = self.task().and_then(|id| board.tasks.get(id));
        match (self, task) {
            (Self::Writing(Writing { body: Body::Text(text), draft, .. }), Some(task)) => {
                draft.rebase(text.of(task));
            }
            (Self::Choice(choice), Some(task)) => choice.take_in(task),
            (Self::Writing(_) | Self::Choice(_), _) => {}
            (Self::Help(_) | Self::Search | Self::Line(_) | Self::Remove(_), _) => {}
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent, size: Size, now: Time) -> Answer {
        match self {
            Self::Help(top) => scroll_help(top, key),
            Self::Search => Answer::Closed,
            Self::Line(line) => line.key(key, now),
            Self::Choice(choice) => choice.key(key),
            Self::Writing(writing) => writing.key(key, size),
            Self::Remove(id) => match key.code {
                KeyCode::Char('y' | 'Y') | KeyCode::Enter => Answer::Do(Change::Remove(id.clone())),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Answer::Closed,
                _ => Answer::Open,
            },
        }
    }

    /// Writes what was pasted.
    pub fn paste(&mut self, text: &str, size: Size) {
        let one_line = || text.split(['\n', '\r']).collect::<Vec<_>>().join(" ");
        match self {
            Self::Line(line) => line.draft.insert(&one_line()),
            Self::Choice(choice) => choice.input.insert(&one_line()),
            Self::Writing(writing) => {
                writing.draft.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
                writing.reveal(size);
            }
            Self::Help(_) | Self::Search | Self::Remove(_) => {}
        }
    }

    /// Where it is on the screen; `None` if it has no place of its own.
    #[must_use]
    pub fn area(&self, size: Size) -> Option<Rect> {
        match self {
            Self::Search => None,
            Self::Help(_) => Some(middle(size, 66, size.height.saturating_sub(2).max(3))),
            Self::Line(line) => Some(middle(size, 64, 3 + u16::from(line.complaint.is_some()))),
            Self::Choice(choice) => Some(choice.area(size)),
            Self::Writing(_) => Some(Writing::area(size)),
            Self::Remove(_) => Some(middle(size, 56, 5)),
        }
    }
}

impl Asked {
    const fn task(&self) -> Option<&TaskId> {
        match self {
            Self::New(_) => None,
            Self::Title(id) | Self::Due(id) => Some(id),
        }
    }
}

impl Line {
    fn key(&mut self, key: KeyEvent, now: Time) -> Answer {
        match key.code {
            KeyCode::Esc => Answer::Closed,
            KeyCode::Enter => self.answer(now),
            _ => {
                self.complaint = None;
                type_key(&mut self.draft, key);
                Answer::Open
            }
        }
    }

    fn answer(&mut self, now: Time) -> Answer {
        let text = self.draft.text();
        let text = text.trim();
        match &self.about {
            Asked::New(_) | Asked::Title(_) if text.is_empty() => Answer::Closed,
            Asked::New(status) => Answer::Do(Change::Add { title: text.to_owned(), status: status.clone() }),
            Asked::Title(_) if !self.draft.is_changed() => Answer::Closed,
            Asked::Title(id) => Answer::Do(Change::Set(id.clone(), Field::Title(text.to_owned()))),
            Asked::Due(id) => match due(text, now) {
                Some(due) => Answer::Do(Change::Set(id.clone(), Field::Due(due))),
                None => {
                    self.complaint =
                        Some("a date such as 2026-12-24, today, tomorrow, +3 for days, or nothing");
                    Answer::Open
                }
            },
        }
    }
}

/// What somebody means by a date; `Some(None)` is none at all.
fn due(text: &str, now: Time) -> Option<Option<String>> {
    let in_days = |days: u64| Some(Some(today(now.after(days.saturating_mul(DAY_MILLIS)))));
    match text {
        "" => Some(None),
        "today" => in_days(0),
        "tomorrow" => in_days(1),
        _ => match text.strip_prefix('+') {
            Some(days) => in_days(days.parse().ok().filter(|days| *days < 100_000)?),
            None => {
                let (day, time) = text.split_at_checked(10)?;
                (is_day(day) && (time.is_empty() || time.starts_with('T'))).then(|| Some(text.to_owned()))
            }
        },
    }
}

impl Writing {
    /// Where texts are written.
    #[must_use]
    pub fn area(size: Size) -> Rect {
        middle(size, 88, size.height.saturating_sub(2).clamp(3, 30))
    }

    fn key(&mut self, key: KeyEvent, size: Size) -> Answer {
        let is_leaving = std::mem::take(&mut self.is_leaving);
        let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('s') if control => return self.answer(),
            KeyCode::Enter if control => return self.answer(),
            KeyCode::Esc if is_leaving || !self.draft.is_changed() => return Answer::Closed,
            KeyCode::Esc => self.is_leaving = true,
            KeyCode::Enter => self.draft.insert("\n"),
            KeyCode::Tab => self.draft.insert("\t"),
            KeyCode::Up => self.go(size, -1),
            KeyCode::Down => self.go(size, 1),
            KeyCode::PageUp => self.go(size, -page(size)),
            KeyCode::PageDown => self.go(size, page(size)),
            _ => type_key(&mut self.draft, key),
        }
        self.reveal(size);
        Answer::Open
    }

    fn answer(&self) -> Answer {
        let text = self.draft.text();
        match self.body {
            _ if !self.draft.is_changed() || (self.body == Body::Comment && text.trim().is_empty()) => {
                Answer::Closed
            }
            Body::Comment => Answer::Do(Change::Comment(self.id.clone(), text.trim_end().to_owned())),
            Body::Text(text) => Answer::Do(Change::Write(self.id.clone(), text, self.draft.clone())),
        }
    }

    fn go(&mut self, size: Size, by: isize) {
        self.rows(size).go(&mut self.draft, by);
    }

    /// The text in lines of the screen.
    #[must_use]
    pub fn rows(&self, size: Size) -> Rows {
        Rows::of(&self.draft, usize::from(inside(Self::area(size)).width))
    }

    /// Scrolls until the cursor can be seen.
    pub fn reveal(&mut self, size: Size) {
        let (row, _) = self.rows(size).locate(self.draft.cursor());
        let room = usize::from(inside(Self::area(size)).height).max(1);
        self.top = self.top.clamp((row + 1).saturating_sub(room), row);
    }
}

fn page(size: Size) -> isize {
    isize::try_from(inside(Writing::area(size)).height.saturating_sub(1).max(1)).unwrap_or(1)
}

fn scroll_help(top: &mut usize, key: KeyEvent) -> Answer {
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *top += 1,
        KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => *top += 10,
        KeyCode::PageUp => *top = top.saturating_sub(10),
        _ => return Answer::Closed,
    }
    Answer::Open
}

/// Keys that write and move in a text, as everywhere.
pub fn type_key(draft: &mut Draft, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let by_word = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('a') if control => draft.line_start(),
        KeyCode::Char('e') if control => draft.line_end(),
        KeyCode::Char('w') if control => draft.delete_word(),
        KeyCode::Char('u') if control => draft.delete_to_line_start(),
        KeyCode::Char('h') if control => draft.delete_back(),
        KeyCode::Char('b') if by_word => draft.word_left(),
        KeyCode::Char('f') if by_word => draft.word_right(),
        KeyCode::Char(c) if !by_word => draft.insert(c.encode_utf8(&mut [0; 4])),
        KeyCode::Backspace if by_word => draft.delete_word(),
        KeyCode::Backspace => draft.delete_back(),
        KeyCode::Delete => draft.delete_forward(),
        KeyCode::Left if by_word => draft.word_left(),
        KeyCode::Right if by_word => draft.word_right(),
        KeyCode::Left => draft.left(),
        KeyCode::Right => draft.right(),
        KeyCode::Home => draft.line_start(),
        KeyCode::End => draft.line_end(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_may_be_said_in_several_ways() {
        // 2026-11-26.
        let now = Time(1_795_651_200_000);
        let day = |day: &str| Some(Some(day.to_owned()));
        for (said, meant) in [
            ("", Some(None)),
            ("2026-12-24", day("2026-12-24")),
            ("2026-12-24T18:00:00Z", day("2026-12-24T18:00:00Z")),
            ("today", day("2026-11-26")),
            ("tomorrow", day("2026-11-27")),
            ("+5", day("2026-12-01")),
            ("+", None),
            ("+99999999999999999999", None),
            ("Friday", None),
            ("2026-12-24 or so", None),
            ("überübermorgen", None),
        ] {
            assert_eq!(due(said, now), meant, "{said}");
        }
    }
}
