//! The columns that operations are stored in, one column for each part of an operation.
//!
//! A column holds one cell for each operation, run-length encoded: a positive number and a value repeat that
//! value, a negative number is followed by so many different values, and a zero by the number of empty cells.
//! A column of nothing but empty cells is left out. Booleans are the lengths of alternating runs that start
//! with `false`; counters of operation ids are kept as the difference to the one before.
//!
//! The same cells can be encoded in many ways, but only one is what Automerge writes. It rebuilds changes from
//! its columns when it saves a document and checks their hashes when it loads one, so a change in any other
//! encoding makes a document that saves and then does not load. Every other encoding is therefore refused.

use super::reader::{Reader, malformed};
use crate::crdt::GateError;

/// A value that a run-length encoded column can hold.
pub trait Cell<'a>: Copy + PartialEq {
    /// Reads one value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, GateError>;
}

impl<'a> Cell<'a> for u64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, GateError> {
        reader.unsigned()
    }
}

impl<'a> Cell<'a> for i64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, GateError> {
        reader.signed()
    }
}

impl<'a> Cell<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, GateError> {
        reader.text()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Run<T> {
    Start,
    Repeat(T),
    Literal(T),
    Empty,
}

/// A run-length encoded column.
#[derive(Clone, Debug)]
pub struct Rle<'a, T> {
    reader: Reader<'a>,
    /// The run being read, or the one before the next.
    run: Run<T>,
    /// Cells of that run still to come.
    left: u64,
    /// A column that was left out holds as many empty cells as are asked for.
    absent: bool,
    any: bool,
}

impl<'a, T: Cell<'a>> Rle<'a, T> {
    /// Reads the cells of a column.
    pub const fn new(bytes: &'a [u8]) -> Self {
        let absent = bytes.is_empty();
        Self { reader: Reader::new(bytes), run: Run::Start, left: 0, absent, any: false }
    }

    /// The next cell, or an error if there is none.
    pub fn next(&mut self) -> Result<Option<T>, GateError> {
        if self.absent {
            return Ok(None);
        }
        if self.left == 0 {
            self.start_run()?;
        } else if let Run::Literal(previous) = self.run {
            self.run = Run::Literal(self.read_other_than(previous)?);
        }
        self.left -= 1;
        Ok(match self.run {
            Run::Repeat(value) | Run::Literal(value) => Some(value),
            Run::Start | Run::Empty => None,
        })
    }

    /// The next cell of a column that has no empty ones.
    pub fn value(&mut self) -> Result<T, GateError> {
        self.next()?.ok_or_else(|| malformed("a cell that must not be empty is"))
    }

    /// Whether all cells were read.
    pub const fn is_done(&self) -> bool {
        self.left == 0 && self.reader.is_empty()
    }

    /// Refuses cells beyond those that were read, and a column that should have been left out.
    pub fn finish(&self) -> Result<(), GateError> {
        if !self.is_done() {
            return Err(malformed("a column is longer than the others"));
        }
        if !self.absent && !self.any {
            return Err(malformed("a column holds nothing"));
        }
        Ok(())
    }

    fn start_run(&mut self) -> Result<(), GateError> {
        let previous = self.run;
        let count = self.reader.signed()?;
        self.left = count.unsigned_abs();
        self.run = match (count, previous) {
            (0, Run::Start | Run::Repeat(_) | Run::Literal(_)) => {
                self.left = self.reader.unsigned()?;
                Run::Empty
            }
            (2.., Run::Start | Run::Empty) => Run::Repeat(T::read(&mut self.reader)?),
            (2.., Run::Repeat(value) | Run::Literal(value)) => Run::Repeat(self.read_other_than(value)?),
            (..=-1, Run::Start | Run::Empty) => Run::Literal(T::read(&mut self.reader)?),
            (..=-1, Run::Repeat(value)) => Run::Literal(self.read_other_than(value)?),
            (0, Run::Empty) | (1, _) | (..=-1, Run::Literal(_)) => return Err(not_canonical()),
        };
        self.any |= self.run != Run::Empty;
        if self.left == 0 { Err(not_canonical()) } else { Ok(()) }
    }

    fn read_other_than(&mut self, previous: T) -> Result<T, GateError> {
        let value = T::read(&mut self.reader)?;
        if value == previous { Err(not_canonical()) } else { Ok(value) }
    }
}

/// A column of numbers, each stored as the difference to the one before.
#[derive(Clone, Debug)]
pub struct Delta<'a> {
    differences: Rle<'a, i64>,
    last: i64,
}

impl<'a> Delta<'a> {
    /// Reads the cells of a column.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { differences: Rle::new(bytes), last: 0 }
    }

    /// The next cell, or an error if there is none.
    pub fn next(&mut self) -> Result<Option<u64>, GateError> {
        let Some(difference) = self.differences.next()? else { return Ok(None) };
        let number = self.last.checked_add(difference).ok_or_else(out_of_range)?;
        self.last = number;
        u64::try_from(number).map(Some).map_err(|_| out_of_range())
    }

    /// The next cell of a column that has no empty ones.
    pub fn value(&mut self) -> Result<u64, GateError> {
        self.next()?.ok_or_else(|| malformed("a cell that must not be empty is"))
    }

    /// See [`Rle::finish`].
    pub fn finish(&self) -> Result<(), GateError> {
        self.differences.finish()
    }
}

/// A column of truth values.
#[derive(Clone, Debug)]
pub struct Bools<'a> {
    reader: Reader<'a>,
    value: bool,
    left: u64,
    absent: bool,
    first: bool,
}

impl<'a> Bools<'a> {
    /// Reads the cells of a column; one that was left out is all `false`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), value: true, left: 0, absent: bytes.is_empty(), first: true }
    }

    /// The next cell, or an error if there is none.
    pub fn next(&mut self) -> Result<bool, GateError> {
        if self.absent {
            return Ok(false);
        }
        while self.left == 0 {
            self.left = self.reader.unsigned()?;
            self.value = !self.value;
            if self.left == 0 && !std::mem::take(&mut self.first) {
                return Err(not_canonical());
            }
            self.first = false;
        }
        self.left -= 1;
        Ok(self.value)
    }

    /// The next cell of a column that is always there.
    pub fn next_stored(&mut self) -> Result<bool, GateError> {
        if self.absent { Err(malformed("a column is missing")) } else { self.next() }
    }

    /// Refuses cells beyond those that were read.
    pub fn finish(&self) -> Result<(), GateError> {
        if self.left == 0 && self.reader.is_empty() {
            Ok(())
        } else {
            Err(malformed("a column is longer than the others"))
        }
    }
}

fn not_canonical() -> GateError {
    malformed("a column is not encoded as Automerge does")
}

fn out_of_range() -> GateError {
    malformed("a counter of an operation is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rle(bytes: &[u8], cells: usize) -> Result<Vec<Option<u64>>, GateError> {
        let mut column = Rle::new(bytes);
        let read = (0..cells).map(|_| column.next()).collect::<Result<_, _>>()?;
        column.finish()?;
        Ok(read)
    }

    #[test]
    fn runs_are_unrolled() {
        assert_eq!(rle(&[3, 7], 3), Ok(vec![Some(7); 3]));
        assert_eq!(
            rle(&[0x7e, 1, 2, 2, 3, 0, 2], 6),
            Ok(vec![Some(1), Some(2), Some(3), Some(3), None, None])
        );
        assert_eq!(rle(&[], 4), Ok(vec![None; 4]));
    }

    #[test]
    fn what_automerge_would_write_differently_is_refused() {
        for (bytes, cells) in [
            (&[1, 7][..], 1),         // a run of one
            (&[2, 7, 2, 7], 4),       // two runs of one value
            (&[0x7f, 7, 2, 7], 3),    // a run that should have started earlier
            (&[2, 7, 0x7f, 7], 3),    // a run that should have gone on
            (&[0x7f, 7, 0x7f, 8], 2), // two literal runs in a row
            (&[0x7e, 7, 7], 2),       // equal values in a literal run
            (&[0, 1, 0, 1, 2, 7], 4), // two empty runs in a row
            (&[0, 3], 3),             // nothing at all
            (&[0, 0, 2, 7], 2),       // an empty run of nothing
            (&[2, 7], 1),             // more cells than operations
            (&[2, 7], 3),             // fewer
            (&[0x7e, 7], 2),          // a literal that is not there
        ] {
            assert!(rle(bytes, cells).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn deltas_add_up_within_range() {
        let mut column = Delta::new(&[3, 2, 0x7f, 0x7d]);
        let read: Vec<_> = (0..4).map(|_| column.value().unwrap()).collect();
        assert_eq!(read, [2, 4, 6, 3]);
        assert!(Delta::new(&[0x7f, 0x7f]).next().is_err(), "below zero");
        let mut max = vec![2];
        max.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        let mut column = Delta::new(&max);
        assert!(column.next().is_ok());
        assert!(column.next().is_err(), "above the range");
    }

    #[test]
    fn booleans_alternate() {
        let mut column = Bools::new(&[0, 2, 1]);
        let read: Vec<_> = (0..3).map(|_| column.next().unwrap()).collect();
        assert_eq!((read, column.finish()), (vec![true, true, false], Ok(())));
        let mut column = Bools::new(&[1, 0, 1]);
        assert_eq!(column.next(), Ok(false));
        assert!(column.next().is_err());
        assert!(Bools::new(&[1]).finish().is_err());
    }
}
