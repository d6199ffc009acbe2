//! Reads the primitives of Automerge's formats, strictly.
//!
//! Numbers are LEB128. Automerge accepts some that are longer than they need be and writes back the short
//! form, which changes the hash of what it belongs to; so the short form is the only one accepted here.

use crate::crdt::GateError;

/// What is left to read of some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Exactly `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], GateError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], GateError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, GateError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// An unsigned number.
    pub fn unsigned(&mut self) -> Result<u64, GateError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(overlong()) } else { Ok(value) };
            }
        }
        Err(malformed("a number does not fit 64 bits"))
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64, GateError> {
        let (mut value, mut previous) = (0_i64, 0);
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                break;
            }
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let sign = byte & 0x40;
                if shift > 0
                    && ((byte == 0 && previous & 0x40 == 0) || (byte == 0x7f && previous & 0x40 != 0))
                {
                    return Err(overlong());
                }
                return Ok(if sign != 0 && shift < 57 { value | (-1 << (shift + 7)) } else { value });
            }
            previous = byte;
        }
        Err(malformed("a number does not fit 64 bits"))
    }

    /// A number of things or bytes that memory can hold.
    pub fn length(&mut self) -> Result<usize, GateError> {
        usize::try_from(self.unsigned()?).map_err(|_| truncated())
    }

    /// Bytes behind their number.
    pub fn bytes(&mut self) -> Result<&'a [u8], GateError> {
        let len = self.length()?;
        self.take(len)
    }

    /// Text behind the number of its bytes.
    pub fn text(&mut self) -> Result<&'a str, GateError> {
        str::from_utf8(self.bytes()?).map_err(|_| malformed("a text is not UTF-8"))
    }
}

/// The bytes are not what they should be.
pub fn malformed(reason: impl Into<String>) -> GateError {
    GateError::Malformed { reason: reason.into() }
}

fn truncated() -> GateError {
    malformed("the input ends too early")
}

fn overlong() -> GateError {
    malformed("a number is longer than it needs to be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_have_one_form() {
        for (bytes, number) in [
            (&[0][..], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], u64::MAX),
        ] {
            assert_eq!(Reader::new(bytes).unsigned(), Ok(number));
        }
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0],
            &[0x81, 0],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            &[0x80; 11],
        ] {
            assert!(Reader::new(bytes).unsigned().is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn signed_numbers_have_one_form() {
        let min = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
        for (bytes, number) in [
            (&[0][..], 0),
            (&[0x3f], 63),
            (&[0x40], -64),
            (&[0x7f], -1),
            (&[0xc0, 0], 64),
            (&[0xbf, 0x7f], -65),
            (&[0x80, 1], 128),
            (&min, i64::MIN),
            (&max, i64::MAX),
        ] {
            assert_eq!(Reader::new(bytes).signed(), Ok(number), "{bytes:x?}");
        }
        for bytes in [&[0x80][..], &[0x80, 0], &[0xff, 0x7f], &[0x81, 0], &[0x80; 10], &[0xff; 11]] {
            assert!(Reader::new(bytes).signed().is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut reader = Reader::new(&[3, b'a', b'b']);
        assert!(reader.bytes().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).bytes().is_err());
        assert!(Reader::new(&[1, 0xff]).text().is_err());
    }
}
