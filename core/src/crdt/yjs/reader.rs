//! Reads what Yjs v1 updates are written in: variable-length numbers, strings and JSON-like values, each
//! bounded by the bytes that are left and by fixed depths. Nothing is allocated and nothing recurses, so that
//! the size of an update bounds the cost of looking at it.

use crate::crdt::GateError;

/// Deepest nesting of a JSON-like value; yrs recurses into them.
pub(super) const MAX_VALUE_DEPTH: usize = 64;

/// Clocks end below this; yrs counts with 32 bits and signed differences.
pub(super) const MAX_CLOCK: u32 = 1 << 31;

/// Client ids are integers that JavaScript holds exactly.
const MAX_CLIENT_BITS: u32 = 53;

/// The longest encoding of a number of 53 bits: seven bits a byte.
const MAX_NUMBER_BYTES: u32 = 8;

/// The longest encoding of a signed integer that yrs reads without losing bits.
const MAX_INTEGER_BYTES: usize = 9;

/// One position of one client's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub client: u64,
    pub clock: u32,
}

/// A cursor in the bytes of an update.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next byte is.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, GateError> {
        let byte = *self.bytes.get(self.at).ok_or_else(truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// A number below 2^53. Client ids are nearly that large, and most of what an update consists of.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, GateError> {
        let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) else {
            return self.number_at_the_end();
        };
        let word = u64::from_le_bytes(*word);
        let last = !word & 0x8080_8080_8080_8080;
        if last == 0 {
            return Err(too_large());
        }
        self.at += last.trailing_zeros() as usize / 8 + 1;
        let number = sevens(word & (last ^ (last - 1)));
        if number >> MAX_CLIENT_BITS == 0 { Ok(number) } else { Err(too_large()) }
    }

    fn number_at_the_end(&mut self) -> Result<u64, GateError> {
        let mut number = 0;
        for i in 0..MAX_NUMBER_BYTES {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return if number >> MAX_CLIENT_BITS == 0 { Ok(number) } else { Err(too_large()) };
            }
        }
        Err(too_large())
    }

    /// A clock, or a length of clocks.
    #[inline(always)]
    pub(super) fn clock(&mut self) -> Result<u32, GateError> {
        u32::try_from(self.number()?).ok().filter(|clock| *clock < MAX_CLOCK).ok_or_else(too_large)
    }

    #[inline(always)]
    pub(super) fn id(&mut self) -> Result<Id, GateError> {
        Ok(Id { client: self.number()?, clock: self.clock()? })
    }

    /// How many things follow, none of which is shorter than `least` bytes.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, GateError> {
        let count = usize::try_from(self.number()?).map_err(|_| too_large())?;
        if count > self.left() / least { Err(truncated()) } else { Ok(count) }
    }

    pub(super) fn buffer(&mut self) -> Result<&'a [u8], GateError> {
        let len = self.count(1)?;
        let buffer = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(buffer)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, GateError> {
        utf8(self.buffer()?)
    }

    /// JSON in a string. The library's own parser is asked, because what it refuses it also fails to apply.
    pub(super) fn json(&mut self) -> Result<(), GateError> {
        let text = self.string()?;
        if nesting(text) > MAX_VALUE_DEPTH {
            return Err(too_deep());
        }
        yrs::Any::from_json(text).map(drop).map_err(|_| malformed("a formatting value is not JSON"))
    }

    /// A JSON-like value in lib0's encoding, with everything inside it.
    pub(super) fn value(&mut self) -> Result<(), GateError> {
        let mut open = Open::default();
        loop {
            match self.byte()? {
                116 => drop(self.buffer()?),
                117 => open.push(self.count(1)?, false)?,
                118 => open.push(self.count(2)?, true)?,
                119 => drop(self.string()?),
                120 | 121 | 126 | 127 => {}
                122 | 123 => self.skip(8)?,
                124 => self.skip(4)?,
                125 => self.integer()?,
                _ => return Err(malformed("an unknown kind of value")),
            }
            match open.next() {
                None => return Ok(()),
                Some(true) => drop(self.string()?),
                Some(false) => {}
            }
        }
    }

    fn skip(&mut self, len: usize) -> Result<(), GateError> {
        if self.left() < len {
            return Err(truncated());
        }
        self.at += len;
        Ok(())
    }

    fn integer(&mut self) -> Result<(), GateError> {
        for _ in 0..MAX_INTEGER_BYTES {
            if self.byte()? < 0x80 {
                return Ok(());
            }
        }
        Err(too_large())
    }
}

/// The number whose digits to the base of 128 are the low seven bits of each byte, the lowest first: pairs of
/// neighbours are joined, and pairs of those, and again.
const fn sevens(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x00ff_00ff_00ff_00ff) | ((word & 0xff00_ff00_ff00_ff00) >> 1);
    let word = (word & 0x0000_ffff_0000_ffff) | ((word & 0xffff_0000_ffff_0000) >> 2);
    (word & 0x0000_0000_ffff_ffff) | ((word & 0xffff_ffff_0000_0000) >> 4)
}

/// The containers of a value that are being read: what is missing of each, and whether it has keys.
#[derive(Default)]
struct Open {
    innermost: Option<(usize, bool)>,
    outer: OuterLevels,
}

/// All but the innermost container. Most values have none, so the stack is made when it is needed.
#[derive(Default)]
struct OuterLevels {
    depth: usize,
    levels: Option<Box<[(usize, bool); MAX_VALUE_DEPTH]>>,
}

impl Open {
    fn push(&mut self, count: usize, keyed: bool) -> Result<(), GateError> {
        if let Some(level) = self.innermost.replace((count, keyed)) {
            if self.outer.depth + 1 >= MAX_VALUE_DEPTH {
                return Err(too_deep());
            }
            let levels = self.outer.levels.get_or_insert_with(|| Box::new([(0, false); MAX_VALUE_DEPTH]));
            levels[self.outer.depth] = level;
            self.outer.depth += 1;
        }
        Ok(())
    }

    /// Whether a value follows, and if so whether its key comes first.
    fn next(&mut self) -> Option<bool> {
        loop {
            let (count, keyed) = self.innermost.as_mut()?;
            if *count > 0 {
                *count -= 1;
                return Some(*keyed);
            }
            self.innermost = self.outer.pop();
        }
    }
}

impl OuterLevels {
    fn pop(&mut self) -> Option<(usize, bool)> {
        self.depth = self.depth.checked_sub(1)?;
        self.levels.as_ref().map(|levels| levels[self.depth])
    }
}

/// An upper bound of the depth of a JSON text: brackets inside strings count too, but only opening ones can
/// mislead, and they mislead towards refusing what nobody writes.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, GateError> {
    std::str::from_utf8(bytes).map_err(|_| malformed("a string is not UTF-8"))
}

#[cold]
pub(super) fn malformed(reason: &str) -> GateError {
    GateError::Malformed { reason: reason.to_owned() }
}

#[cold]
fn truncated() -> GateError {
    malformed("it ends too early")
}

#[cold]
fn too_large() -> GateError {
    malformed("a number is too large")
}

#[cold]
fn too_deep() -> GateError {
    GateError::Limit { what: "the nesting of a value", limit: MAX_VALUE_DEPTH as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Result<usize, GateError> {
        let mut reader = Reader::new(bytes, 0);
        reader.value().map(|()| reader.position())
    }

    #[test]
    fn values_are_read_to_their_end() {
        assert_eq!(value(&[126, 1]), Ok(1));
        assert_eq!(value(&[117, 2, 126, 117, 0, 9]), Ok(5));
        assert_eq!(value(&[118, 2, 1, b'a', 126, 1, b'b', 117, 1, 120, 9]), Ok(10));
        assert_eq!(value(&[118, 1, 1, b'a', 118, 1, 1, b'b', 119, 1, b'c']), Ok(11));
        assert_eq!(value(&[125, 0x80, 0x01, 126]), Ok(3));
    }

    #[test]
    fn what_the_library_would_read_too_deep_or_too_long_is_refused() {
        let nested = |levels: usize| [117, 1].repeat(levels).into_iter().chain([126]).collect::<Vec<_>>();
        assert_eq!(value(&nested(MAX_VALUE_DEPTH)), Ok(2 * MAX_VALUE_DEPTH + 1));
        assert_eq!(value(&nested(MAX_VALUE_DEPTH + 1)), Err(too_deep()));
        assert_eq!(value(&nested(100_000)), Err(too_deep()));
        assert_eq!(value(&[117, 0x80, 0x80, 0x40]), Err(truncated()));
        assert_eq!(value(&[118, 1, 1]), Err(truncated()));
        assert_eq!(value(&[123, 0, 0]), Err(truncated()));
        assert_eq!(value(&[119, 1, 0xff]), Err(malformed("a string is not UTF-8")));
        assert_eq!(value(&[115]), Err(malformed("an unknown kind of value")));
        assert_eq!(value(&[&[125][..], &[0x80; 9], &[0]].concat()), Err(too_large()));
    }

    #[test]
    fn numbers_beyond_javascript_are_refused() {
        let number = |bytes: &[u8]| Reader::new(bytes, 0).number();
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((1 << 53) - 1));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]), Err(too_large()));
        assert_eq!(number(&[0x80; 8]), Err(too_large()));
        let clock = |bytes: &[u8]| Reader::new(bytes, 0).clock();
        assert_eq!(clock(&[0xff, 0xff, 0xff, 0xff, 0x07]), Ok(MAX_CLOCK - 1));
        assert_eq!(clock(&[0x80, 0x80, 0x80, 0x80, 0x08]), Err(too_large()));
    }

    #[test]
    fn json_is_parsed_and_its_depth_bounded() {
        let json = |text: &str| {
            let bytes = [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
            Reader::new(&bytes, 0).json()
        };
        assert_eq!(json("{\"a\":[true,null,1.5]}"), Ok(()));
        assert_eq!(json(&"[".repeat(60)), Err(malformed("a formatting value is not JSON")));
        assert_eq!(json(&format!("\"{}\"", "[".repeat(70))), Ok(()));
        assert_eq!(json(&"[".repeat(120)), Err(too_deep()));
        assert!(json("undefined").is_err());
    }
}
