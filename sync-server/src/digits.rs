//! 32 bytes as hexadecimal digits, as files hold hashes and keys.

use std::fmt::Write as _;

/// Writes two digits a byte.
pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // A text takes everything.
        _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Reads 64 digits.
pub(crate) fn read(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = std::array::from_fn(|index| index as u8 * 8);
        assert_eq!(read(&write(&bytes)), Some(bytes));
        assert_eq!([read("12"), read(&"+1".repeat(32)), read(&"é".repeat(32))], [None; 3]);
    }
}
