//! A text that somebody is editing, while others may edit the one that it began from.
//!
//! Every character knows where in the original it comes from, if it does not come from the keyboard. So what was changed
//! here is known exactly, and what others change meanwhile is taken into the draft without undoing either.

use unicode_segmentation::UnicodeSegmentation;

use super::hunks::{Hunk, hunks};

/// A text that is being edited, with a cursor.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    original: String,
    letters: Vec<Letter>,
    cursor: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Letter {
    c: char,
    /// Its place in the original.
    origin: Option<usize>,
}

impl Draft {
    /// Begins with a text, the cursor behind it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let letters = text.chars().zip(0..).map(|(c, at)| Letter { c, origin: Some(at) });
        let letters: Vec<Letter> = letters.collect();
        Self { original: text.to_owned(), cursor: letters.len(), letters }
    }

    /// The text as it reads now.
    #[must_use]
    pub fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.c).collect()
    }

    /// The cursor, counted in code points.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether anything was changed here.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.hunks().is_empty()
    }

    /// What was changed here, in places of the original, from its start to its end.
    #[must_use]
    pub fn hunks(&self) -> Vec<Hunk> {
        let mut hunks = Vec::new();
        let (mut at, mut insert) = (0, String::new());
        let mut end_hunk = |at: usize, next: usize, insert: &mut String| {
            if next > at || !insert.is_empty() {
                hunks.push(Hunk { at, delete: next - at, insert: std::mem::take(insert) });
            }
        };
        for letter in &self.letters {
            match letter.origin {
                None => insert.push(letter.c),
                Some(origin) => {
                    end_hunk(at, origin, &mut insert);
                    at = origin + 1;
                }
            }
        }
        end_hunk(at, self.original.chars().count(), &mut insert);
        hunks
    }

    /// Takes in what others made of the original. What was written here stays, and what was deleted here stays deleted.
    pub fn rebase(&mut self, now: &str) {
        for hunk in hunks(&self.original, now).into_iter().rev() {
            self.take(&hunk);
        }
        now.clone_into(&mut self.original);
    }

    /// Takes in one change of the original behind which all have been taken in.
    fn take(&mut self, hunk: &Hunk) {
        let end = hunk.at + hunk.delete;
        let inserted = hunk.insert.chars().count();
        let stands_before = |letter: &Letter| letter.origin.is_some_and(|at| at < hunk.at);
        let place = self.letters.iter().rposition(stands_before).map_or(0, |at| at + 1);
        let is_gone = |letter: &Letter| letter.origin.is_some_and(|at| (hunk.at..end).contains(&at));
        let gone = self.letters[..self.cursor].iter().filter(|letter| is_gone(letter)).count();
        self.cursor -= gone;
        self.letters.retain(|letter| !is_gone(letter));
        for letter in &mut self.letters {
            letter.origin = letter.origin.map(|at| if at >= end { at + inserted - hunk.delete } else { at });
        }
        let new = hunk.insert.chars().zip(hunk.at..).map(|(c, at)| Letter { c, origin: Some(at) });
        self.letters.splice(place..place, new);
        if place < self.cursor {
            self.cursor += inserted;
        }
    }

    /// Writes at the cursor.
    pub fn insert(&mut self, text: &str) {
        let new = text.chars().map(|c| Letter { c, origin: None });
        self.letters.splice(self.cursor..self.cursor, new);
        self.cursor += text.chars().count();
    }

    /// Deletes the character in front of the cursor.
    pub fn delete_back(&mut self) {
        let start = self.before(self.cursor);
        self.letters.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Deletes the character behind the cursor.
    pub fn delete_forward(&mut self) {
        let end = self.behind(self.cursor);
        self.letters.drain(self.cursor..end);
    }

    /// Deletes from the cursor back to the start of the word.
    pub fn delete_word(&mut self) {
        let start = self.word_start();
        self.letters.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Deletes from the cursor back to the start of the line.
    pub fn delete_to_line_start(&mut self) {
        let start = self.line(self.cursor).0;
        self.letters.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Moves the cursor to a place, or to the end if it lies behind that.
    pub fn go(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.letters.len());
    }

    /// Moves the cursor by a character.
    pub fn left(&mut self) {
        self.cursor = self.before(self.cursor);
    }

    /// Moves the cursor by a character.
    pub fn right(&mut self) {
        self.cursor = self.behind(self.cursor);
    }

    /// Moves the cursor to the start of the word.
    pub fn word_left(&mut self) {
        self.cursor = self.word_start();
    }

    /// Moves the cursor behind the next word.
    pub fn word_right(&mut self) {
        let rest = &self.letters[self.cursor..];
        let spaces = rest.iter().take_while(|letter| letter.c.is_whitespace()).count();
        let word = rest[spaces..].iter().take_while(|letter| !letter.c.is_whitespace()).count();
        self.cursor += spaces + word;
    }

    /// Moves the cursor to the start of the line.
    pub fn line_start(&mut self) {
        self.cursor = self.line(self.cursor).0;
    }

    /// Moves the cursor to the end of the line.
    pub fn line_end(&mut self) {
        self.cursor = self.line(self.cursor).1;
    }

    fn word_start(&self) -> usize {
        let before = self.letters[..self.cursor].iter().rev();
        let spaces = before.clone().take_while(|letter| letter.c.is_whitespace()).count();
        let word = before.skip(spaces).take_while(|letter| !letter.c.is_whitespace()).count();
        self.cursor - spaces - word
    }

    /// The line around a place, without its break.
    fn line(&self, at: usize) -> (usize, usize) {
        let is_break = |letter: &Letter| letter.c == '\n';
        let start = self.letters[..at].iter().rposition(is_break).map_or(0, |at| at + 1);
        let end = self.letters[at..].iter().position(is_break).map_or(self.letters.len(), |end| at + end);
        (start, end)
    }

    /// Where the character in front of a place starts, as people count characters.
    fn before(&self, at: usize) -> usize {
        let (start, _) = self.line(at);
        let line: String = self.letters[start..at].iter().map(|letter| letter.c).collect();
        let last = line.graphemes(true).next_back().map_or(1, |grapheme| grapheme.chars().count());
        at.saturating_sub(last)
    }

    /// Where the character behind a place ends.
    fn behind(&self, at: usize) -> usize {
        let (_, end) = self.line(at);
        let line: String = self.letters[at..end].iter().map(|letter| letter.c).collect();
        let first = line.graphemes(true).next().map_or(1, |grapheme| grapheme.chars().count());
        (at + first).min(self.letters.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(at: usize, delete: usize, insert: &str) -> Hunk {
        Hunk { at, delete, insert: insert.to_owned() }
    }

    fn applied(text: &str, hunks: &[Hunk]) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for hunk in hunks.iter().rev() {
            letters.splice(hunk.at..hunk.at + hunk.delete, hunk.insert.chars());
        }
        letters.into_iter().collect()
    }

    #[test]
    fn the_keys_change_what_people_see_as_one_character() {
        let mut draft = Draft::of("e\u{301}👩‍👧 日");
        draft.delete_back();
        draft.left();
        draft.delete_back();
        assert_eq!(draft.text(), "e\u{301} ");
        draft.left();
        draft.insert("ß\n");
        draft.delete_forward();
        assert_eq!((draft.text().as_str(), draft.cursor()), ("ß\n ", 2));
        draft.go(usize::MAX);
        draft.insert("two words");
        draft.delete_word();
        assert_eq!(draft.text(), "ß\n two ");
        draft.delete_to_line_start();
        draft.left();
        draft.line_end();
        assert_eq!((draft.text().as_str(), draft.cursor()), ("ß\n", 1));
    }

    #[test]
    fn only_what_was_changed_here_is_a_change() {
        let mut draft = Draft::of("the quick brown fox");
        assert!(!draft.is_changed());
        draft.delete_word();
        draft.insert("cat");
        draft.go(4);
        draft.insert("very ");
        assert_eq!(draft.hunks(), [hunk(4, 0, "very "), hunk(16, 3, "cat")]);
        assert_eq!(applied("the quick brown fox", &draft.hunks()), draft.text());
    }

    #[test]
    fn what_others_write_meanwhile_is_not_undone() {
        let mut draft = Draft::of("milk\nbread\neggs");
        draft.insert("\nbutter");
        draft.go(0);
        draft.insert("oat ");
        let now = "milk\nrye bread\neggs, 6";
        draft.rebase(now);
        assert_eq!(draft.text(), "oat milk\nrye bread\neggs, 6\nbutter");
        assert_eq!(draft.cursor(), 4);
        assert_eq!(applied(now, &draft.hunks()), draft.text());
        draft.rebase("");
        assert_eq!(draft.text(), "oat \nbutter", "what was written here outlives what it stood beside");
    }

    #[test]
    fn what_was_deleted_here_stays_deleted() {
        let mut draft = Draft::of("one two three");
        draft.go(8);
        draft.delete_word();
        draft.rebase("one two three four");
        assert_eq!(draft.text(), "one three four");
        assert_eq!(draft.hunks(), [hunk(4, 4, "")]);
    }
}
