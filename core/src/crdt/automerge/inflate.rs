//! Inflates what came from outside, up to a limit.
//!
//! Automerge inflates whatever it is given without a bound: a message of 64 kB can become 64 MB in its hands.
//! Everything deflated is therefore inflated here first, and what exceeds the limits never reaches it.

use std::io::Read;

use flate2::bufread::DeflateDecoder;

use super::reader::malformed;
use crate::crdt::GateError;
use crate::value::MAX_VALUE_BYTES;

/// Most bytes that one update or snapshot may inflate to.
pub const MAX_INFLATED_BYTES: usize = 64 << 20;

/// Times its own size that an input may inflate to, beyond one honest value of [`MAX_VALUE_BYTES`] that is
/// all the same letter.
const MAX_INFLATION: usize = 256;

const EXCEEDED: GateError = GateError::Limit { what: "the inflated size", limit: MAX_INFLATED_BYTES as u64 };

/// How much more one input may inflate to.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// The budget of a snapshot. A text of one repeated letter is an honest snapshot, however small.
    pub const fn of_snapshot() -> Self {
        Self(MAX_INFLATED_BYTES)
    }

    /// The budget of an update of this size.
    pub fn new(input_bytes: usize) -> Self {
        let proportional = input_bytes.saturating_mul(MAX_INFLATION).saturating_add(MAX_VALUE_BYTES);
        Self(proportional.min(MAX_INFLATED_BYTES))
    }

    /// Inflates one deflate stream that fills `deflated` to the end.
    pub fn inflate(&mut self, deflated: &[u8]) -> Result<Vec<u8>, GateError> {
        let limit = u64::try_from(self.0).unwrap_or(u64::MAX);
        let mut inflated = Vec::new();
        let mut decoder = DeflateDecoder::new(deflated).take(limit.saturating_add(1));
        decoder.read_to_end(&mut inflated).map_err(|_| malformed("a deflated part is damaged"))?;
        self.0 = self.0.checked_sub(inflated.len()).ok_or(EXCEEDED)?;
        if !decoder.into_inner().into_inner().is_empty() {
            return Err(malformed("there is something behind a deflated part"));
        }
        Ok(inflated)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_fits_is_inflated() {
        let bytes = b"hello hello hello".repeat(1000);
        assert_eq!(Budget::new(10).inflate(&deflated(&bytes)), Ok(bytes));
    }

    #[test]
    fn a_bomb_is_not_inflated() {
        let bomb = deflated(&vec![0; MAX_INFLATED_BYTES + 1]);
        assert_eq!(Budget::new(bomb.len()).inflate(&bomb), Err(EXCEEDED));
        let small = deflated(&vec![0; MAX_VALUE_BYTES / 2 + 1]);
        let mut budget = Budget::new(0);
        assert!(budget.inflate(&small).is_ok());
        assert_eq!(budget.inflate(&small), Err(EXCEEDED), "all parts of an input share one budget");
    }

    #[test]
    fn damaged_and_padded_streams_are_refused() {
        let mut bytes = deflated(b"hello");
        bytes.push(0);
        assert!(matches!(Budget::new(10).inflate(&bytes), Err(GateError::Malformed { .. })));
        assert!(matches!(Budget::new(10).inflate(&[0xff; 9]), Err(GateError::Malformed { .. })));
        assert!(matches!(
            Budget::new(10).inflate(&deflated(&[7; 9999])[..6]),
            Err(GateError::Malformed { .. })
        ));
    }
}
