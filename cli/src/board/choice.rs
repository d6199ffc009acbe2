//! A choice among things that are on the board already, or something new.

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Rect, Size};
use syncline::board::{Field, Task, TaskId};

use super::change::{Change, Spot};
use super::dialog::{Answer, type_key};
use super::draft::Draft;
use super::geometry::{inside, middle};
use super::screen::Screen;

/// Most things that are shown at a time.
const LINES: usize = 12;

/// How urgent things usually are.
const PRIORITIES: [&str; 5] = ["0", "1", "2", "3", "4"];

/// A choice, and what is written to find something.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Of which task.
    pub id: TaskId,
    /// What is chosen.
    pub topic: Topic,
    /// What is written.
    pub input: Draft,
    /// Which of the options is marked.
    pub at: usize,
    known: Vec<String>,
    has: BTreeSet<String>,
}

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The column.
    Status,
    /// How urgent it is.
    Priority,
    /// Whose task it is.
    Assignee,
    /// Its labels, any number.
    Labels,
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choosable {
    /// What; `None` for nothing.
    pub value: Option<String>,
    /// Whether the task has it.
    pub is_had: bool,
    /// Whether nothing on the board has it yet.
    pub is_new: bool,
}

impl Choice {
    /// A choice for a task, among what the board knows.
    #[must_use]
    pub fn of(screen: &Screen, id: &TaskId, task: &Task, topic: Topic) -> Self {
        let known = known(screen, topic);
        let mut choice =
            Self { id: id.clone(), topic, input: Draft::default(), at: 0, known, has: BTreeSet::new() };
        choice.take_in(task);
        choice.at = match topic {
            Topic::Labels => 0,
            Topic::Status | Topic::Priority | Topic::Assignee => {
                choice.options().iter().position(|option| option.is_had).unwrap_or(0)
            }
        };
        choice
    }

    /// Learns what the task has now.
    pub fn take_in(&mut self, task: &Task) {
        self.has = match self.topic {
            Topic::Status => [task.status.clone()].into(),
            Topic::Priority => task.priority.iter().map(ToString::to_string).collect(),
            Topic::Assignee => task.assignee.iter().cloned().collect(),
            Topic::Labels => task.labels.keys().cloned().collect(),
        };
        let new = self.has.iter().filter(|value| !self.known.contains(value));
        self.known = self.known.iter().chain(new).cloned().collect();
    }

    /// What can be chosen, given what is written.
    #[must_use]
    pub fn options(&self) -> Vec<Choosable> {
        let input = self.input.text();
        let written = input.trim();
        let found = |value: &&String| value.to_lowercase().contains(&written.to_lowercase());
        let mut options: Vec<Choosable> = self
            .known
            .iter()
            .filter(found)
            .map(|value| Choosable {
                value: Some(value.clone()),
                is_had: self.has.contains(value),
                is_new: false,
            })
            .collect();
        let can_be_none = matches!(self.topic, Topic::Priority | Topic::Assignee);
        if written.is_empty() && can_be_none {
            options.push(Choosable { value: None, is_had: self.has.is_empty(), is_new: false });
        }
        let is_known = self.known.iter().any(|value| value == written);
        let is_possible = self.topic != Topic::Priority || written.parse::<i64>().is_ok();
        if !written.is_empty() && !is_known && is_possible {
            options.push(Choosable { value: Some(written.to_owned()), is_had: false, is_new: true });
        }
        options
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Answer {
        let last = self.options().len().saturating_sub(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Answer::Closed,
            KeyCode::Enter => return self.choose(self.at),
            KeyCode::Up | KeyCode::BackTab => self.at = self.at.saturating_sub(1),
            KeyCode::Char('p') if control => self.at = self.at.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => self.at = (self.at + 1).min(last),
            KeyCode::Char('n') if control => self.at = (self.at + 1).min(last),
            _ => {
                let before = self.input.text();
                type_key(&mut self.input, key);
                if self.input.text() != before {
                    self.at = 0;
                }
            }
        }
        Answer::Open
    }

    /// Chooses one of the options.
    #[must_use]
    pub fn choose(&self, at: usize) -> Answer {
        let Some(option) = self.options().into_iter().nth(at) else { return Answer::Open };
        let id = self.id.clone();
        if option.is_had && self.topic != Topic::Labels {
            return Answer::Closed;
        }
        let value = option.value.clone();
        Answer::Do(match self.topic {
            Topic::Status => Change::Move(id, value.unwrap_or_default(), Spot::Last),
            Topic::Priority => Change::Set(id, Field::Priority(value.and_then(|value| value.parse().ok()))),
            Topic::Assignee => Change::Set(id, Field::Assignee(value)),
            Topic::Labels if option.is_had => Change::Set(id, Field::Label(value.unwrap_or_default(), None)),
            Topic::Labels => Change::Label(id, value.unwrap_or_default()),
        })
    }

    /// Goes on after a choice was made; `false` if there is nothing more to choose.
    pub fn goes_on(&mut self) -> bool {
        if !self.input.text().is_empty() {
            self.input = Draft::default();
            self.at = 0;
        }
        self.topic == Topic::Labels
    }

    /// Where it is on the screen.
    #[must_use]
    pub fn area(&self, size: Size) -> Rect {
        let lines = self.options().len().clamp(1, LINES);
        middle(size, 44, u16::try_from(lines + 3).unwrap_or(u16::MAX))
    }

    /// Which option is shown first, if there is room for so many.
    #[must_use]
    pub const fn first(&self, room: usize) -> usize {
        (self.at + 1).saturating_sub(room)
    }

    /// Which option is in a line of the screen.
    #[must_use]
    pub fn option_at(&self, size: Size, y: u16) -> Option<usize> {
        let inner = inside(self.area(size));
        let line = usize::from(y.checked_sub(inner.y + 1)?);
        let room = usize::from(inner.height.saturating_sub(1));
        let at = self.first(room) + line;
        (line < room && at < self.options().len()).then_some(at)
    }
}

fn known(screen: &Screen, topic: Topic) -> Vec<String> {
    let tasks = screen.board.tasks.values();
    match topic {
        Topic::Status => screen.columns.iter().map(|column| column.status.clone()).collect(),
        Topic::Priority => PRIORITIES.map(str::to_owned).to_vec(),
        Topic::Assignee => {
            let others: BTreeSet<&String> =
                tasks.flat_map(|task| &task.assignee).filter(|name| **name != screen.user).collect();
            std::iter::once(&screen.user).chain(others).cloned().collect()
        }
        Topic::Labels => {
            let names: BTreeSet<&String> = tasks.flat_map(|task| task.labels.keys()).collect();
            names.into_iter().cloned().collect()
        }
    }
}
