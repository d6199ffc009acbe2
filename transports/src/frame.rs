//! One message between two replicas, as the transports see it: opaque bytes, or text that is known to be UTF-8.
//!
//! Both kinds are reference-counted, so a frame that fans out to a thousand links is stored once.

use std::fmt;

use bytes::Bytes;
pub use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The largest frame a link takes or accepts unless its transport was told otherwise: what the native protocol may
/// send.
pub const DEFAULT_MAX_FRAME_BYTES: usize = 16 << 20;

/// No setting raises the frame limit above this: one frame is held in memory whole, on both sides.
pub const MAX_FRAME_BYTES_CEILING: usize = 32 << 20;

/// What one `send` hands over and one `receive` returns: boundaries and kind are kept. Cloning copies no bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// The native protocol in its binary encoding.
    Binary(Bytes),
    /// The same messages as JSON.
    Text(Utf8Bytes),
}

impl Frame {
    /// A binary frame; `Vec<u8>` and `&'static [u8]` are taken over without copying.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A text frame; `String` is taken over without copying.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// The content, whichever kind it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Binary(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// The content as a shared buffer, without copying.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Binary(bytes) => bytes,
            Self::Text(text) => text.into(),
        }
    }

    /// Size of the content in bytes, the number that frame limits speak of.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// True for a frame without content, which is a frame like any other.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// Kind and size only: what people write does not belong in logs.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Binary(_) => "Binary",
            Self::Text(_) => "Text",
        };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

/// A setting of the frame limit, brought into the range that memory allows.
pub(crate) fn bounded_frame_limit(bytes: usize) -> usize {
    bytes.clamp(1, MAX_FRAME_BYTES_CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_share_their_buffer() {
        let text = String::from("shared");
        let address = text.as_ptr();
        let frame = Frame::text(text);
        let copy = frame.clone();
        assert_eq!(copy.as_bytes().as_ptr(), address);
        assert_eq!(copy.into_bytes().as_ptr(), address);
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Frame::text("secret")), "Text(6 bytes)");
        assert_eq!(format!("{:?}", Frame::binary(vec![1])), "Binary(1 bytes)");
    }
}
