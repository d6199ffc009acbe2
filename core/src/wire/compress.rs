//! Making frames smaller, and back, without letting a small frame become a large one.

use std::io::{self, Read, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Crc;
use flate2::bufread::GzDecoder;
use flate2::write::DeflateEncoder;

use super::{Compression, MAX_FRAME_BYTES, WireError};

/// Within 3 % of the size of zlib's usual 6, in a third of its time.
const GZIP_LEVEL: u32 = 4;

/// A fifth smaller than gzip in two to three times its time; beyond it, time rises steeply.
const BROTLI_QUALITY: i32 = 5;

/// How far back brotli looks for repetitions, as a power of two: as far as the frame reaches, within these bounds.
/// Below the first, this quality takes a hundred times as long; above the second, it gains nothing.
const BROTLI_WINDOW_BITS: (u32, u32) = (17, 22);

/// What the libraries read and write at a time.
const BUFFER_BYTES: usize = 4096;

/// What stands in front of what gzip compresses: its magic, deflate, no options, no time, no system.
const GZIP_HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// Compresses pieces one after the other. The working memory of gzip is many times the size of a usual piece, so that
/// taking and returning it each time costs more than compressing, and leaves an allocator's memory full of holes.
#[derive(Default)]
pub(super) struct Compressor {
    gzip: Option<DeflateEncoder<Vec<u8>>>,
}

impl Compressor {
    /// The parts as one compressed piece; `None` for no compression.
    pub fn compress(&mut self, parts: &[&[u8]], compression: Compression) -> Option<Vec<u8>> {
        let compressed = match compression {
            Compression::None => return None,
            Compression::Gzip => self.gzip(parts),
            Compression::Brotli => brotli(parts),
        };
        Some(compressed.expect("writing to memory does not fail"))
    }

    fn gzip(&mut self, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
        let level = flate2::Compression::new(GZIP_LEVEL);
        let encoder = self.gzip.get_or_insert_with(|| DeflateEncoder::new(Vec::new(), level));
        let mut sum = Crc::new();
        encoder.get_mut().extend_from_slice(&GZIP_HEADER);
        for part in parts {
            sum.update(part);
            encoder.write_all(part)?;
        }
        let mut piece = encoder.reset(Vec::new())?;
        piece.extend_from_slice(&sum.sum().to_le_bytes());
        piece.extend_from_slice(&sum.amount().to_le_bytes());
        Ok(piece)
    }
}

fn brotli(parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let size = parts.iter().map(|part| part.len()).sum();
    let (least, most) = BROTLI_WINDOW_BITS;
    let params = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: (usize::BITS - usize::leading_zeros(size)).clamp(least, most) as i32,
        size_hint: size,
        ..BrotliEncoderParams::default()
    };
    let mut encoder = brotli::CompressorWriter::with_params(Vec::new(), BUFFER_BYTES, &params);
    parts.iter().try_for_each(|part| encoder.write_all(part))?;
    Ok(encoder.into_inner())
}

/// What was compressed by gzip. It is no more than a frame may have, however little it was made of, and nothing
/// follows it.
pub(super) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut decoder = GzDecoder::new(bytes);
    let out = read_bounded(&mut decoder)?;
    nothing_left(decoder.get_ref())?;
    Ok(out)
}

/// What was compressed by brotli, as [`gunzip`].
pub(super) fn unbrotli(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    refuse_large_window(bytes)?;
    let mut decoder = brotli::Decompressor::new(bytes, BUFFER_BYTES);
    let out = read_bounded(&mut decoder)?;
    // Once more at the end, the decoder complains about what is left in its buffer.
    decoder.read(&mut [0]).map_err(WireError::malformed)?;
    nothing_left(decoder.get_ref())?;
    Ok(out)
}

/// Windows of up to a gigabyte are an extension of RFC 7932, which other decoders need not know and ours would
/// make room for.
fn refuse_large_window(bytes: &[u8]) -> Result<(), WireError> {
    const MARK: u8 = 0x11;
    match bytes.first() {
        Some(first) if first & 0x7F == MARK => {
            Err(WireError::malformed("brotli's large windows are not supported"))
        }
        _ => Ok(()),
    }
}

fn read_bounded(decoder: impl Read) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    decoder.take(MAX_FRAME_BYTES as u64 + 1).read_to_end(&mut out).map_err(WireError::malformed)?;
    super::limits::at_most("a decompressed frame", out.len(), MAX_FRAME_BYTES)?;
    Ok(out)
}

fn nothing_left(rest: &[u8]) -> Result<(), WireError> {
    if rest.is_empty() { Ok(()) } else { Err(WireError::malformed("something follows the compressed bytes")) }
}
