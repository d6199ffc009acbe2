//! A text of several lines while it is written: which line of the screen a place in it is on.

use unicode_segmentation::UnicodeSegmentation;

use super::draft::Draft;
use super::text::{clean_grapheme, width};

/// A draft in lines of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    rows: Vec<Row>,
}

/// A line of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where in the draft it starts, in code points.
    pub start: usize,
    /// What is drawn.
    pub shown: String,
    /// For each place in it: how many code points from its start, and in which cell.
    stops: Vec<(usize, usize)>,
}

impl Rows {
    /// Breaks a draft into lines of this width.
    #[must_use]
    pub fn of(draft: &Draft, room: usize) -> Self {
        let text = draft.text();
        let (mut rows, mut at) = (Vec::new(), 0);
        for line in text.split('\n') {
            break_line(&mut rows, line, at, room.max(1));
            at += line.chars().count() + 1;
        }
        Self { rows }
    }

    /// The lines.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// In which line and cell a place of the draft is.
    #[must_use]
    pub fn locate(&self, at: usize) -> (usize, usize) {
        let row = self.rows.iter().rposition(|row| row.start <= at).unwrap_or(0);
        let cell = self.rows.get(row).map_or(0, |row| row.cell(at - row.start));
        (row, cell)
    }

    /// The place of the draft in a line, nearest to a cell.
    #[must_use]
    pub fn place(&self, row: usize, cell: usize) -> usize {
        let Some(row) = self.rows.get(row.min(self.rows.len().saturating_sub(1))) else { return 0 };
        let stop = row.stops.iter().rev().find(|(_, at)| *at <= cell);
        row.start + stop.map_or(0, |(offset, _)| *offset)
    }

    /// Moves the cursor of the draft by lines of the screen.
    pub fn go(&self, draft: &mut Draft, by: isize) {
        let (row, cell) = self.locate(draft.cursor());
        draft.go(match row.checked_add_signed(by) {
            Some(row) if row < self.rows.len() => self.place(row, cell),
            Some(_) => usize::MAX,
            None => 0,
        });
    }
}

impl Row {
    fn cell(&self, offset: usize) -> usize {
        let stop = self.stops.iter().rev().find(|(at, _)| *at <= offset);
        stop.map_or(0, |(_, cell)| *cell)
    }
}

/// Breaks where the width ends, in words or not, so that a line does not jump while a word is written.
fn break_line(rows: &mut Vec<Row>, line: &str, start: usize, room: usize) {
    let mut row = Row { start, stops: vec![(0, 0)], ..Row::default() };
    let (mut at, mut used) = (start, 0);
    for grapheme in line.graphemes(true) {
        let shown = clean_grapheme(grapheme);
        let wide = width(&shown);
        if used + wide > room && used > 0 {
            rows.push(std::mem::replace(&mut row, Row { start: at, stops: vec![(0, 0)], ..Row::default() }));
            used = 0;
        }
        at += grapheme.chars().count();
        used += wide;
        row.shown.push_str(&shown);
        row.stops.push((at - row.start, used));
    }
    // The end of a full line is the start of the next one, so that the cursor has a cell.
    let full = used >= room;
    if full {
        row.stops.pop();
    }
    rows.push(row);
    if full {
        rows.push(Row { start: at, stops: vec![(0, 0)], ..Row::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_what_is_seen() {
        let mut draft = Draft::of("abcdefg\n日本x\n\nend");
        let rows = Rows::of(&draft, 5);
        let shown: Vec<&str> = rows.iter().map(|row| row.shown.as_str()).collect();
        assert_eq!(shown, ["abcde", "fg", "日本x", "", "", "end"]);
        draft.go(4);
        for (by, place) in [(1, (1, 2)), (1, (2, 2)), (1, (3, 0)), (2, (5, 0)), (1, (5, 3)), (-9, (0, 0))] {
            rows.go(&mut draft, by);
            assert_eq!(rows.locate(draft.cursor()), place);
        }
    }

    #[test]
    fn places_are_found_in_lines_of_wide_characters() {
        let draft = Draft::of("日本");
        let rows = Rows::of(&draft, 10);
        assert_eq!((rows.place(0, 3), rows.place(0, 9), rows.place(9, 0)), (1, 2, 0));
        assert_eq!(Rows::of(&draft, 1).locate(1), (1, 0));
    }
}
