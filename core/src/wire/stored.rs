//! How entries and what is held are stored: their bytes on the wire, behind the number of the format.
//!
//! A store outlives the program that wrote it, so the forms have a version of their own: when the layout of an
//! entry changes, the number rises, and the old form can still be read.

use bytes::Bytes;

use super::WireError;
use super::error::check_version;
use super::layout::{Layout, Reader};
use super::limits::check_have;
use crate::entry::Entry;
use crate::id::Have;

/// The newest form of a stored entry.
pub const ENTRY_FORMAT: u8 = 1;

/// The newest form of a stored [`Have`].
pub const HAVE_FORMAT: u8 = 1;

/// An entry as it is stored.
#[must_use]
pub fn encode_entry(entry: &Entry) -> Bytes {
    with_format(ENTRY_FORMAT, entry)
}

/// The entry that was stored.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, WireError> {
    let entry: Entry = of_format(ENTRY_FORMAT, bytes)?;
    entry.check()?;
    Ok(entry)
}

/// What a log holds, as it is stored.
#[must_use]
pub fn encode_have(have: &Have) -> Bytes {
    with_format(HAVE_FORMAT, have)
}

/// What a log held when it was stored.
pub fn decode_have(bytes: &[u8]) -> Result<Have, WireError> {
    let have = of_format(HAVE_FORMAT, bytes)?;
    check_have(&have)?;
    Ok(have)
}

fn with_format(format: u8, value: &impl Layout) -> Bytes {
    let mut out = vec![format];
    value.write(&mut out);
    out.into()
}

/// The value behind the number of its format, which must be known; nothing may follow it.
pub(super) fn of_format<T: Layout>(newest: u8, bytes: &[u8]) -> Result<T, WireError> {
    let (&format, rest) = bytes.split_first().ok_or_else(|| WireError::malformed("there are no bytes"))?;
    check_version(format, newest)?;
    let mut input = Reader::new(Bytes::copy_from_slice(rest));
    let value = T::read(&mut input)?;
    input.finish()?;
    Ok(value)
}
