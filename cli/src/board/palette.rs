//! The colours, few enough that every terminal has them; what they say is said in words or signs too.

use ratatui::style::{Color, Modifier, Style};

use super::card::{About, Urgency};
use super::saving::Mood;

/// What is not said loudly.
pub const QUIET: Style = Style::new().fg(Color::DarkGray);

/// What is said loudly.
pub const LOUD: Style = Style::new().add_modifier(Modifier::BOLD);

/// The names of columns and parts.
pub const TITLE: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);

/// What is wrong.
pub const WRONG: Style = Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD);

/// The frame of where the selection is.
pub const FOCUS: Style = Style::new().fg(Color::Cyan);

/// What is selected.
pub const SELECTED: Style = Style::new().bg(Color::Indexed(24)).fg(Color::White);

/// What is chosen in a dialog, and the keys that are named.
pub const MARKED: Style = Style::new().bg(Color::Cyan).fg(Color::Black);

/// Keys that are named.
pub const KEY: Style = Style::new().fg(Color::Yellow);

/// How a word about a task looks.
#[must_use]
pub const fn about(about: About) -> Style {
    match about {
        About::Priority(priority) => urgent(Some(priority)),
        About::Assignee => Style::new().fg(Color::Green),
        About::Due(Urgency::Overdue) => Style::new().fg(Color::White).bg(Color::Red),
        About::Due(Urgency::Today) => Style::new().fg(Color::LightRed),
        About::Due(Urgency::Later) => Style::new().fg(Color::Yellow),
        About::Due(Urgency::Over) | About::Comments => QUIET,
        About::Label => Style::new().fg(Color::Magenta),
    }
}

/// How urgent looks.
#[must_use]
pub const fn urgent(priority: Option<i64>) -> Style {
    match priority {
        Some(..=0) => WRONG,
        Some(1) => Style::new().fg(Color::LightYellow),
        Some(2) => Style::new().fg(Color::LightBlue),
        Some(_) | None => QUIET,
    }
}

/// How the state of saving looks.
#[must_use]
pub const fn mood(mood: Mood) -> Style {
    match mood {
        Mood::Good => Style::new().fg(Color::Green),
        Mood::Waiting => Style::new().fg(Color::Yellow),
        Mood::Bad => Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
    }
}
