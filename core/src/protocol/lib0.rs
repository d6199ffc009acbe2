//! The bytes that all Yjs protocols are written in: numbers of variable length, byte strings and texts after their length
//! (lib0's `encoding`).

use thiserror::Error;

/// The bytes are not what the protocol says they are. Always the client's fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("malformed message: {0}")]
pub struct Malformed(pub &'static str);

/// JavaScript holds integers exactly up to here.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Appends a number, seven bits a byte, the lowest first.
#[expect(clippy::cast_possible_truncation, reason = "seven bits fit a byte")]
pub fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a byte string after its length.
pub fn write_buffer(bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a text after its length in bytes.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    write_buffer(text.as_bytes(), out);
}

/// Takes values from the front of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been taken.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// A number that JavaScript holds exactly.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..MAX_NUMBER.ilog2()).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed("it ends in a number"))?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return if number <= MAX_NUMBER {
                    Ok(number)
                } else {
                    Err(Malformed("a number is too large"))
                };
            }
        }
        Err(Malformed("a number is too long"))
    }

    /// A byte string.
    pub fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed("a length is too large"))?;
        let (buffer, rest) =
            self.0.split_at_checked(length).ok_or(Malformed("a length is beyond its end"))?;
        self.0 = rest;
        Ok(buffer)
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.buffer()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// Nothing may follow.
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("something follows its end")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for number in [0, 1, 127, 128, 300, 1 << 31, MAX_NUMBER] {
            let mut out = Vec::new();
            write_number(number, &mut out);
            write_text("grüße", &mut out);
            let mut reader = Reader::new(&out);
            assert_eq!((reader.number(), reader.text()), (Ok(number), Ok("grüße")));
            assert!(reader.finish().is_ok());
        }
    }

    #[test]
    fn what_lies_about_its_length_is_refused() {
        for bytes in
            [&[][..], &[0x80], &[5, 1, 2], &[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert!(Reader::new(bytes).buffer().is_err(), "{bytes:?}");
        }
        assert!(Reader::new(&[1, 0xff]).text().is_err());
        assert!(Reader::new(&[1]).finish().is_err());
    }
}
