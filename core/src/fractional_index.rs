//! Places in an order that many people change at once.
//!
//! An element of an ordered collection carries a fractional index, a text; the collection is read in the order of
//! those texts. Moving an element gives it a new one between those of its new neighbours and touches nothing
//! else, so concurrent moves of one element are a register with two writers, and concurrent moves of two do not
//! meet at all: nothing is ever duplicated or lost.
//!
//! The layout is David Greenspan's ("Implementing Fractional Indexing", 2020): an integer whose first digit tells its
//! length, so that appending a thousand elements makes no long keys, then a fraction. Behind that stand
//! three digits of salt, so that two people who insert at the same place at the same time make different
//! keys and a third can still insert between them.

use std::fmt;

use crate::operation::EditError;

/// The digits in the order of their values, which is also the order of their bytes.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits that make a key unlike any other for the same place.
const SALT_DIGITS: usize = 3;

/// Longest fractional index, in bytes. Some 6,000 insertions at one and the same place make one as long.
pub const MAX_FRACTIONAL_INDEX_BYTES: usize = 1024;

/// Longest fractional index that what goes to an end must go beyond where there is no room: somebody may have filled the
/// order up to its end, and nobody is to close it for good.
const MAX_OUTDONE_BYTES: usize = MAX_FRACTIONAL_INDEX_BYTES / 2;

/// What an edit is told when there is no room at a place.
pub(crate) const CROWDED: EditError =
    EditError::Limit { what: "the key of a place in an order", limit: MAX_FRACTIONAL_INDEX_BYTES };

/// The integer that nothing comes before.
const SMALLEST_INTEGER: &str = "A00000000000000000000000000";

/// The first integer that is given.
const ZERO: &str = "a0";

/// A place in an order. Compares as the order does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FractionalIndex(String);

/// Where something goes in an order, among things or among their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot<T> {
    /// Ahead of everything.
    First,
    /// Behind everything.
    Last,
    /// Right ahead of this one.
    Before(T),
    /// Right behind this one.
    After(T),
}

impl<T> Spot<T> {
    /// The spot among places that is this one among things. What has no place is last, so next to it is last too.
    pub(crate) fn among_places<'a, E>(
        self,
        place: impl FnOnce(T) -> Result<Option<&'a FractionalIndex>, E>,
    ) -> Result<Spot<&'a FractionalIndex>, E> {
        Ok(match self {
            Self::First => Spot::First,
            Self::Last => Spot::Last,
            Self::Before(thing) => place(thing)?.map_or(Spot::Last, Spot::Before),
            Self::After(thing) => place(thing)?.map_or(Spot::Last, Spot::After),
        })
    }
}

impl FractionalIndex {
    /// Reads one. Whatever else a document holds in its place is `None`, and what has no place comes last.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| digit(byte).is_some());
        let integer = integer_of(text)?;
        let fits = digits && text.len() <= MAX_FRACTIONAL_INDEX_BYTES;
        let canonical = !text[integer.len()..].ends_with('0') && text != SMALLEST_INTEGER;
        (fits && canonical).then(|| Self(text.to_owned()))
    }

    /// As it stands in a document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A place behind `low` and before `high`, where one is given; two salts make two places. `None` if the place
    /// between would be longer than [`MAX_FRACTIONAL_INDEX_BYTES`], or there is none because `low` is not before `high`.
    #[must_use]
    pub fn between(low: Option<&Self>, high: Option<&Self>, salt: u64) -> Option<Self> {
        let (low, high) = (low.map(Self::as_str), high.map(Self::as_str));
        if low.zip(high).is_some_and(|(low, high)| low >= high) {
            return None;
        }
        let mut key = unsalted(low, high);
        // Salt may be added to any key that does not begin the next one.
        while let Some(high) = high.filter(|high| high.starts_with(&key)) {
            key = unsalted(Some(&key), Some(high));
        }
        key.extend(salt_digits(salt));
        (key.len() <= MAX_FRACTIONAL_INDEX_BYTES).then_some(Self(key))
    }

    /// A place among those that are taken, in whatever order they come. `None` if the place would be longer than
    /// [`MAX_FRACTIONAL_INDEX_BYTES`]; at the ends there is always room, if need be short of those that are more than half as long.
    pub fn at<'a>(
        taken: impl Iterator<Item = &'a Self> + Clone,
        spot: Spot<&Self>,
        salt: u64,
    ) -> Option<Self> {
        let outdone = || taken.clone().filter(|key| key.0.len() <= MAX_OUTDONE_BYTES);
        match spot {
            Spot::First => Self::between(None, taken.clone().min(), salt)
                .or_else(|| Self::between(None, outdone().min(), salt)),
            Spot::Last => Self::between(taken.clone().max(), None, salt)
                .or_else(|| Self::between(outdone().max(), None, salt)),
            Spot::Before(next) => Self::between(taken.filter(|key| *key < next).max(), Some(next), salt),
            Spot::After(last) => Self::between(Some(last), taken.filter(|key| *key > last).min(), salt),
        }
    }

    /// Places for elements that are put into an empty order together, in order; always the same ones.
    pub fn sequence() -> impl Iterator<Item = Self> {
        let next = |key: &Self| increment(&key.0).map(Self);
        std::iter::successors(Some(Self(ZERO.to_owned())), next)
    }
}

impl fmt::Display for FractionalIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn digit(byte: u8) -> Option<usize> {
    DIGITS.iter().position(|digit| *digit == byte)
}

/// The integer at the start of a key, as long as its first digit says.
fn integer_of(key: &str) -> Option<&str> {
    let len = match key.bytes().next()? {
        head @ b'a'..=b'z' => usize::from(head - b'a') + 2,
        head @ b'A'..=b'Z' => usize::from(b'Z' - head) + 2,
        _ => return None,
    };
    key.get(..len)
}

fn split(key: &str) -> (&str, &str) {
    let integer = integer_of(key).expect("a key was parsed or made here");
    (integer, &key[integer.len()..])
}

/// The shortest key between two; a bound that is missing is the end on that side.
fn unsalted(low: Option<&str>, high: Option<&str>) -> String {
    match (low.map(split), high.map(split)) {
        (None, None) => ZERO.to_owned(),
        (None, Some((integer, fraction))) if integer == SMALLEST_INTEGER => {
            integer.to_owned() + &midpoint("", Some(fraction))
        }
        (None, Some((integer, fraction))) if !fraction.is_empty() => integer.to_owned(),
        (None, Some((integer, _))) => decrement(integer).expect("it is not the smallest"),
        (Some((integer, fraction)), None) => {
            increment(integer).unwrap_or_else(|| integer.to_owned() + &midpoint(fraction, None))
        }
        (Some((integer, low)), Some((other, high))) if integer == other => {
            integer.to_owned() + &midpoint(low, Some(high))
        }
        (Some((integer, fraction)), Some((other, rest))) => {
            let below = |next: &String| next < &(other.to_owned() + rest);
            increment(integer).filter(below).unwrap_or_else(|| integer.to_owned() + &midpoint(fraction, None))
        }
    }
}

/// The shortest fraction between two, of which the higher one is not the end of the lower one plus zeros.
fn midpoint(low: &str, high: Option<&str>) -> String {
    let mut middle = String::new();
    let mut lows = low.bytes().map(Some).chain(std::iter::repeat(None));
    let mut highs = high.map(str::bytes);
    loop {
        let low = lows.next().flatten().and_then(digit).unwrap_or(0);
        let high = highs.as_mut().and_then(Iterator::next).and_then(digit);
        let above = high.unwrap_or(DIGITS.len());
        if above == low {
            middle.push(char::from(DIGITS[low]));
        } else if above - low > 1 {
            middle.push(char::from(DIGITS[usize::midpoint(low, above)]));
            return middle;
        } else if high.is_some() && highs.as_mut().is_some_and(|rest| rest.len() > 0) {
            middle.push(char::from(DIGITS[above]));
            return middle;
        } else {
            // Below the next digit there is room behind this one, up to the end.
            middle.push(char::from(DIGITS[low]));
            highs = None;
        }
    }
}

/// The next integer; `None` behind the largest.
fn increment(integer: &str) -> Option<String> {
    let (head, digits) = step(integer, DIGITS[DIGITS.len() - 1], DIGITS[0], |digit| digit + 1);
    match (head, digits) {
        (head, Ok(digits)) => Some(assemble(head, &digits)),
        (b'Z', Err(_)) => Some(ZERO.to_owned()),
        (b'z', Err(_)) => None,
        (head @ b'a'..=b'y', Err(digits)) => Some(assemble(head + 1, &digits) + "0"),
        (head, Err(digits)) => Some(assemble(head + 1, &digits[1..])),
    }
}

/// The integer before; `None` ahead of the smallest.
fn decrement(integer: &str) -> Option<String> {
    let (head, digits) = step(integer, DIGITS[0], DIGITS[DIGITS.len() - 1], |digit| digit - 1);
    match (head, digits) {
        (head, Ok(digits)) => Some(assemble(head, &digits)),
        (b'a', Err(_)) => Some("Zz".to_owned()),
        (b'A', Err(_)) => None,
        (head @ b'B'..=b'Z', Err(digits)) => Some(assemble(head - 1, &digits) + "z"),
        (head, Err(digits)) => Some(assemble(head - 1, &digits[1..])),
    }
}

/// Changes the last digit that is not `spent`, and gives those behind it the value `fresh`. Where all are spent, all of
/// them fresh are the error.
fn step(
    integer: &str,
    spent: u8,
    fresh: u8,
    change: impl Fn(usize) -> usize,
) -> (u8, Result<Vec<u8>, Vec<u8>>) {
    let (head, digits) = integer.as_bytes().split_first().expect("an integer has a first digit");
    let mut digits = digits.to_vec();
    for place in digits.iter_mut().rev() {
        if *place != spent {
            let value = digit(*place).expect("a key was parsed or made here");
            *place = DIGITS[change(value)];
            return (*head, Ok(digits));
        }
        *place = fresh;
    }
    (*head, Err(digits))
}

fn assemble(head: u8, digits: &[u8]) -> String {
    std::iter::once(&head).chain(digits).map(|byte| char::from(*byte)).collect()
}

/// Digits made of the salt; the last one is not zero, as no key ends with a zero.
fn salt_digits(salt: u64) -> impl Iterator<Item = char> {
    let base = DIGITS.len() as u64;
    let mut rest = salt;
    (0..SALT_DIGITS).map(move |place| {
        let (from, count) = if place + 1 == SALT_DIGITS { (1, base - 1) } else { (0, base) };
        let value = from + rest % count;
        rest /= count;
        char::from(DIGITS[value as usize])
    })
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    fn key(text: &str) -> FractionalIndex {
        FractionalIndex::parse(text).unwrap()
    }

    #[test]
    fn what_is_no_index_is_none() {
        let long = format!("a0{}", "x".repeat(MAX_FRACTIONAL_INDEX_BYTES));
        for text in ["", "a", "0", "b1", "a00", "a1x0", "a1-", "a1ä", SMALLEST_INTEGER, &long] {
            assert_eq!(FractionalIndex::parse(text), None, "{text}");
        }
        assert!(FractionalIndex::parse(&long[..MAX_FRACTIONAL_INDEX_BYTES]).is_some());
    }

    #[test]
    fn appending_makes_short_keys() {
        let mut last = None;
        for salt in 0..10_000 {
            last = FractionalIndex::between(last.as_ref(), None, salt);
        }
        assert!(last.unwrap().as_str().len() <= 4 + SALT_DIGITS);
        let sequence: Vec<_> = FractionalIndex::sequence().take(10_000).collect();
        assert!(sequence.is_sorted() && sequence.iter().all(|key| key.as_str().len() <= 4));
        assert!(sequence.iter().all(|key| FractionalIndex::parse(key.as_str()).is_some()));
    }

    #[test]
    fn there_is_no_place_between_what_is_not_in_order() {
        assert_eq!(FractionalIndex::between(Some(&key("a1")), Some(&key("a1")), 0), None);
        assert_eq!(FractionalIndex::between(Some(&key("a1")), Some(&key("a0")), 0), None);
    }

    #[test]
    fn insertions_at_one_place_reach_the_limit_and_no_further() {
        let (low, mut high) = (key("a0"), key("a1"));
        let made = (0..).map_while(|salt| {
            high = FractionalIndex::between(Some(&low), Some(&high), salt)?;
            assert!(low < high && FractionalIndex::parse(high.as_str()).as_ref() == Some(&high));
            Some(())
        });
        assert!(made.count() > 3_000);
    }

    #[test]
    fn nobody_closes_the_ends_of_an_order() {
        let fill = |text: &str, digit: &str| {
            format!("{text}{}", digit.repeat(MAX_FRACTIONAL_INDEX_BYTES - text.len()))
        };
        let last = key(&fill("z", "z"));
        let first = key(&format!("{}1", &fill(SMALLEST_INTEGER, "0")[..MAX_FRACTIONAL_INDEX_BYTES - 1]));
        let taken = [key("a0"), first, last];
        let (ahead, behind) = (
            FractionalIndex::at(taken.iter(), Spot::First, 1).unwrap(),
            FractionalIndex::at(taken.iter(), Spot::Last, 1).unwrap(),
        );
        assert!(ahead < taken[0] && taken[0] < behind);
    }

    #[test]
    fn the_ends_of_the_integers_are_not_the_end() {
        let largest = key(&format!("z{}", "z".repeat(26)));
        assert!(FractionalIndex::between(Some(&largest), None, 5).unwrap() > largest);
        let first = key(&format!("{SMALLEST_INTEGER}1"));
        assert!(FractionalIndex::between(None, Some(&first), 5).unwrap() < first);
        for (before, after) in [("Zz", "a0"), ("az", "b00"), ("Yzz", "Z0"), ("bzz", "c000")] {
            assert_eq!(increment(before).as_deref(), Some(after));
            assert_eq!(decrement(after).as_deref(), Some(before));
        }
    }

    quickcheck! {
        /// Insertions at any places, by any hands, are where they were meant to be, and there is always room between.
        fn insertions_are_in_order(places: Vec<(usize, u64)>) -> bool {
            let mut keys: Vec<FractionalIndex> = Vec::new();
            for (place, salt) in places {
                let at = place % (keys.len() + 1);
                let (low, high) = (at.checked_sub(1).map(|low| &keys[low]), keys.get(at));
                let Some(made) = FractionalIndex::between(low, high, salt) else { return false };
                if FractionalIndex::parse(made.as_str()).is_none() {
                    return false;
                }
                keys.insert(at, made);
            }
            keys.windows(2).all(|pair| pair[0] < pair[1])
        }

        /// Two who insert at the same place leave room for a third.
        fn salted_keys_differ(one: u64, other: u64) -> bool {
            let (low, high) = (key("a0"), key("a0V"));
            let at = |salt| FractionalIndex::between(Some(&low), Some(&high), salt).unwrap();
            let (one, other) = (at(one), at(other));
            let (first, second) = (one.clone().min(other.clone()), one.max(other));
            first == second || FractionalIndex::between(Some(&first), Some(&second), 0).is_some()
        }
    }
}
