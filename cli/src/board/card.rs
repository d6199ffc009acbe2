//! What a card on the board says of its task.

use syncline::board::{Task, in_order};
use syncline_core::time::Time;

use super::text::{fit, width, wrap_title};

/// Most lines that a title takes on a card.
const TITLE_LINES: usize = 2;

/// Most lines of what else there is to say.
const CHIP_LINES: usize = 2;

/// A task in the width of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The title in lines.
    pub title: Vec<String>,
    /// What else there is to say, in lines.
    pub chips: Vec<Vec<Chip>>,
}

/// A word about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The word, as it may be drawn.
    pub text: String,
    /// What it is about.
    pub about: About,
}

/// What a word is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// How urgent it is.
    Priority(i64),
    /// Whose task it is.
    Assignee,
    /// Until when.
    Due(Urgency),
    /// A label.
    Label,
    /// How much people said about it.
    Comments,
}

/// Where a date stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In the past.
    Overdue,
    /// It is the present day.
    Today,
    /// In the future, or nobody knows.
    Later,
    /// The task is done, so nobody cares.
    Over,
}

impl Card {
    /// The card of a task.
    #[must_use]
    pub fn of(task: &Task, room: usize, now: Time) -> Self {
        let title = if task.title.trim().is_empty() { "(no title)" } else { &task.title };
        Self { title: wrap_title(title, room, TITLE_LINES), chips: flow(chips(task, now), room) }
    }

    /// How many lines it takes, with the one between cards.
    #[must_use]
    pub fn height(&self) -> usize {
        self.title.len() + self.chips.len() + 1
    }
}

fn chips(task: &Task, now: Time) -> Vec<Chip> {
    let chip = |text: String, about| Chip { text, about };
    let priority = task.priority.map(|priority| chip(format!("P{priority}"), About::Priority(priority)));
    let assignee = task.assignee.as_ref().map(|name| chip(format!("@{name}"), About::Assignee));
    let due = task.due.as_ref().map(|due| chip(due_words(due), About::Due(urgency(task, now))));
    let said = task.comments.len();
    let comments = (said > 0).then(|| chip(format!("❝{said}"), About::Comments));
    let labels = in_order(&task.labels, |label| &label.place);
    let labels = labels.into_iter().map(|(name, _)| chip(format!("#{name}"), About::Label));
    priority.into_iter().chain(due).chain(assignee).chain(comments).chain(labels).collect()
}

/// The day alone, if it is a date.
fn due_words(due: &str) -> String {
    match due.get(..10).filter(|day| is_day(day)) {
        Some(day) => day.to_owned(),
        None => due.to_owned(),
    }
}

/// Where the date of a task stands. Dates that are written as RFC 3339 has them sort as text.
#[must_use]
pub fn urgency(task: &Task, now: Time) -> Urgency {
    let Some(due) = task.due.as_deref().and_then(|due| due.get(..10)).filter(|day| is_day(day)) else {
        return Urgency::Later;
    };
    let today = today(now);
    match due.cmp(today.as_str()) {
        _ if matches!(task.status.as_str(), "done" | "closed") => Urgency::Over,
        std::cmp::Ordering::Less => Urgency::Overdue,
        std::cmp::Ordering::Equal => Urgency::Today,
        std::cmp::Ordering::Greater => Urgency::Later,
    }
}

/// The present day, in universal time.
#[must_use]
pub fn today(now: Time) -> String {
    now.rfc3339().map(|now| now.chars().take(10).collect()).unwrap_or_default()
}

/// Whether a text is a day as in 2026-12-24.
#[must_use]
pub fn is_day(text: &str) -> bool {
    let number = |part: &str, len: usize| {
        part.parse::<u32>()
            .ok()
            .filter(|_| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let month = number(month, 2).is_some_and(|month| (1..=12).contains(&month));
    number(year, 4).is_some() && month && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// Chips in lines. What does not fit is left out, but for the first, which is cut.
fn flow(chips: Vec<Chip>, room: usize) -> Vec<Vec<Chip>> {
    let mut lines: Vec<Vec<Chip>> = Vec::new();
    let mut used = room;
    for chip in chips {
        let chip = Chip { text: fit(&chip.text, room), ..chip };
        let takes = width(&chip.text);
        if used + 1 + takes <= room {
            used += 1 + takes;
        } else if lines.len() < CHIP_LINES {
            lines.push(Vec::new());
            used = takes;
        } else {
            continue;
        }
        lines.last_mut().into_iter().for_each(|line| line.push(chip.clone()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26.
    const NOW: Time = Time(1_795_651_200_000);

    #[test]
    fn a_card_takes_as_few_lines_as_it_can() {
        let bare = Task { title: "Bake".to_owned(), ..Task::default() };
        assert_eq!(Card::of(&bare, 20, NOW).height(), 2);
        let mut task = Task { priority: Some(1), due: Some("2026-11-26T10:00:00Z".to_owned()), ..bare };
        task.assignee = Some("ada\u{1b}[2J".to_owned());
        task.labels.insert("kitchen".to_owned(), Default::default());
        let lines: Vec<String> = Card::of(&task, 24, NOW)
            .chips
            .iter()
            .map(|line| line.iter().map(|chip| chip.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines, ["P1 2026-11-26 @ada␛[2J", "#kitchen"]);
        assert!(Card::of(&task, 1, NOW).chips.len() <= CHIP_LINES);
    }

    #[test]
    fn a_date_is_overdue_from_the_next_day_on_unless_the_task_is_done() {
        let task = |status: &str, due: &str| Task {
            status: status.to_owned(),
            due: Some(due.to_owned()),
            ..Task::default()
        };
        for (due, expected) in [
            ("2026-11-25", Urgency::Overdue),
            ("2026-11-26", Urgency::Today),
            ("2026-11-27", Urgency::Later),
            ("soon", Urgency::Later),
            ("überübermorgen", Urgency::Later),
        ] {
            assert_eq!(urgency(&task("todo", due), NOW), expected, "{due}");
        }
        assert_eq!(urgency(&task("done", "2026-11-25"), NOW), Urgency::Over);
    }

    #[test]
    fn days_have_twelve_months() {
        assert!(is_day("2026-12-31"));
        for wrong in ["2026-13-01", "2026-1-1", "2026-12-32", "26-12-24", "+026-12-24", "", "2026-12-24-1"] {
            assert!(!is_day(wrong), "{wrong}");
        }
    }
}
