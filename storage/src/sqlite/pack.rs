//! Snapshots take less of the disk: what shrinks is kept as zlib writes it (RFC 1950), and known by being shorter than its size.
//!
//! Documents of Automerge are packed already and stay as they are; those of Yjs become three times smaller.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Smaller states are kept as they are: there is little to win.
const MIN_PACKED_BYTES: usize = 1 << 10;

/// Larger states are kept as they are: whoever waits for the store would wait for their packing.
pub(super) const MAX_PACKED_BYTES: usize = 4 << 20;

/// What stands in the database for a state.
pub(super) fn pack(state: &[u8]) -> Cow<'_, [u8]> {
    if !(MIN_PACKED_BYTES..=MAX_PACKED_BYTES).contains(&state.len()) {
        return state.into();
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(state).and_then(|()| encoder.finish());
    packed.ok().filter(|packed| packed.len() < state.len()).map_or_else(|| state.into(), Cow::Owned)
}

/// The state of this size that something in the database stands for.
pub(super) fn unpack(found: Vec<u8>, size: u64) -> io::Result<Vec<u8>> {
    if found.len() as u64 >= size || size > MAX_PACKED_BYTES as u64 {
        return Ok(found);
    }
    let mut state = Vec::with_capacity(size as usize + 1);
    // One byte more tells that it is too long, as its checksum will.
    ZlibDecoder::new(&found[..]).take(size + 1).read_to_end(&mut state)?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn what_shrinks_is_packed_and_everything_comes_back() {
        let text = b"again and again ".repeat(1_000);
        let noise: Vec<u8> = (0..1_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        let large = vec![0; MAX_PACKED_BYTES + 1];
        for (state, shrinks) in [(&text, true), (&noise, false), (&large, false), (&Vec::new(), false)] {
            let packed = pack(state);
            assert_eq!(packed.len() < state.len(), shrinks);
            assert_eq!(unpack(packed.to_vec(), state.len() as u64).unwrap(), *state);
        }
    }

    #[test]
    fn what_is_damaged_takes_no_more_memory_than_the_size_says() {
        let packed = pack(&[7; 100_000]).to_vec();
        assert_eq!(unpack(packed.clone(), 1_000).unwrap().len(), 1_001);
        assert!(unpack(packed[..packed.len() / 2].to_vec(), 100_000).is_err());
    }
}
