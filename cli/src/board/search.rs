//! Which tasks somebody is looking for.

use syncline::board::{Task, TaskId};

/// Words that all have to be in a task: in its title, id, column, assignee, labels, texts or comments. No word is in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    words: Vec<String>,
}

impl Search {
    /// Looks for the words of a text, whatever their case.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { words: text.split_whitespace().map(str::to_lowercase).collect() }
    }

    /// Whether every task is found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a task is found.
    #[must_use]
    pub fn finds(&self, id: &TaskId, task: &Task) -> bool {
        if self.is_empty() {
            return true;
        }
        let read = read(id, task);
        self.words.iter().all(|word| read.contains(word))
    }
}

/// Everything that can be found in a task, a line each.
fn read(id: &TaskId, task: &Task) -> String {
    let said = task.comments.values().flat_map(|comment| comment.author.iter().chain([&comment.text]));
    let texts = [&id.0, &task.title, &task.status, &task.description, &task.notes];
    let all = texts.into_iter().chain(&task.assignee).chain(task.labels.keys()).chain(said);
    all.map(|text| text.to_lowercase() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use syncline::board::Comment;

    use super::*;

    #[test]
    fn every_word_must_be_somewhere_in_the_task() {
        let mut task = Task { title: "Größe messen".to_owned(), ..Task::default() };
        task.assignee = Some("Ada".to_owned());
        task.labels.insert("lab".to_owned(), Default::default());
        let comment = Comment { text: "Done twice".to_owned(), ..Comment::default() };
        task.comments.insert("c".to_owned(), comment);
        let finds = |text: &str| Search::of(text).finds(&"t-17".into(), &task);
        for text in ["", "GRÖSSE ada".replace("SS", "ß").as_str(), "mess lab", "t-17", "twice"] {
            assert!(finds(text), "{text}");
        }
        assert!(!finds("ada ben"));
    }
}
