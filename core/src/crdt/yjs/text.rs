//! From code points to the UTF-16 units that Yjs counts in, and back.
//!
//! The two differ only behind characters beyond U+FFFF. An [`Index`] knows where those are: in a text without
//! any, every position is its own translation. It is made by one look at the text, is kept up to date by local
//! edits, and is thrown away when an update from elsewhere may have moved something.

use yrs::types::text::YChange;
use yrs::{Any, GetString, Out, ReadTxn, Text, TextRef};

/// Stands for an embedded object, so that one position is one character.
const OBJECT: char = '\u{fffc}';

/// Where the characters beyond U+FFFF of a text are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Their positions in code points, in order.
    astral: Vec<usize>,
    /// Whether the text also holds embedded objects.
    objects: bool,
}

impl Index {
    /// Looks at a text; `None` if it holds something that takes a place but is neither text nor an embedded
    /// object, so that positions in it mean nothing.
    pub(super) fn of(text: &TextRef, txn: &impl ReadTxn) -> Option<Self> {
        let plain = text.get_string(txn);
        if units_of(&plain) == text.len(txn) as usize {
            return Some(Self::of_str(&plain));
        }
        let with_objects = read_objects(text, txn)?;
        Some(Self { objects: true, ..Self::of_str(&with_objects) })
    }

    /// The index of a text that is exactly this.
    pub(super) fn of_str(text: &str) -> Self {
        if !text.bytes().any(|byte| byte >= 0xf0) {
            return Self::default();
        }
        let astral = text.chars().enumerate().filter(|(_, c)| c.len_utf16() == 2).map(|(at, _)| at);
        Self { astral: astral.collect(), objects: false }
    }

    /// Whether the text also holds embedded objects.
    pub(super) const fn has_objects(&self) -> bool {
        self.objects
    }

    /// Whether positions are their own translations.
    pub(super) const fn is_plain(&self) -> bool {
        self.astral.is_empty()
    }

    /// The length in code points of a text of so many units.
    pub(super) const fn len(&self, units: usize) -> usize {
        units - self.astral.len()
    }

    /// The unit at which a code point starts.
    pub(super) fn unit(&self, code_point: usize) -> usize {
        code_point + self.before(code_point)
    }

    /// The code point to which a unit belongs.
    pub(super) fn code_point(&self, unit: usize) -> usize {
        let starts = |(earlier, position): (usize, &usize)| position + earlier < unit;
        unit - self.astral.iter().enumerate().take_while(|astral| starts(*astral)).count()
    }

    /// Takes note of an edit.
    pub(super) fn splice(&mut self, at: usize, delete: usize, insert: &str) {
        let (first, last) = (self.before(at), self.before(at + delete));
        let new = Self::of_str(insert).astral;
        if self.astral.len() > last {
            let inserted = insert.chars().count();
            self.astral[last..].iter_mut().for_each(|position| *position = *position - delete + inserted);
        }
        if first < last || !new.is_empty() {
            self.astral.splice(first..last, new.into_iter().map(|position| position + at));
        }
    }

    fn before(&self, code_point: usize) -> usize {
        if self.is_plain() { 0 } else { self.astral.partition_point(|position| *position < code_point) }
    }
}

/// The characters of a text, with [`OBJECT`] for each embedded object; `None` if it holds anything else.
pub(super) fn read(text: &TextRef, txn: &impl ReadTxn) -> Option<String> {
    let plain = text.get_string(txn);
    if units_of(&plain) == text.len(txn) as usize {
        return Some(plain);
    }
    read_objects(text, txn)
}

fn read_objects(text: &TextRef, txn: &impl ReadTxn) -> Option<String> {
    let mut read = String::new();
    for part in text.diff(txn, YChange::identity) {
        match part.insert {
            Out::Any(Any::String(run)) => read.push_str(&run),
            _ => read.push(OBJECT),
        }
    }
    (units_of(&read) == text.len(txn) as usize).then_some(read)
}

fn units_of(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_behind_wide_characters_move() {
        let index = Index::of_str("a🦀e\u{301}🦀b");
        assert_eq!((0..=6).map(|at| index.unit(at)).collect::<Vec<_>>(), [0, 1, 3, 4, 5, 7, 8]);
        assert_eq!(index.len(8), 6);
    }

    #[test]
    fn edits_keep_an_index_right() {
        let mut text: Vec<char> = "🦀ab🦀cd🦀".chars().collect();
        let mut index = Index::of_str(&text.iter().collect::<String>());
        for (at, delete, insert) in
            [(1, 2, "x🦀y"), (0, 1, ""), (3, 0, "🦀🦀"), (0, 0, "z"), (2, 6, "é"), (3, 0, "🦀")]
        {
            text.splice(at..at + delete, insert.chars());
            index.splice(at, delete, insert);
            assert_eq!(index, Index::of_str(&text.iter().collect::<String>()), "{text:?}");
        }
    }
}
