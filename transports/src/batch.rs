//! Frames that many links are sent alike.

use std::sync::OnceLock;

use bytes::Bytes;

/// Binary frames that leave together. A transport that encodes them the same for every link does so once: however many links
/// take a batch, its bytes are made and held once.
#[derive(Debug, Default)]
pub struct Batch {
    frames: Vec<Bytes>,
    bytes: usize,
    encoded: OnceLock<Bytes>,
}

impl Batch {
    /// A batch of frames, in their order.
    #[must_use]
    pub fn new(frames: Vec<Bytes>) -> Self {
        let bytes = frames.iter().map(Bytes::len).sum();
        Self { frames, bytes, encoded: OnceLock::new() }
    }

    /// Its frames.
    #[must_use]
    pub fn frames(&self) -> &[Bytes] {
        &self.frames
    }

    /// The size of all frames in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The largest frame, in bytes.
    pub(crate) fn largest(&self) -> usize {
        self.frames.iter().map(Bytes::len).max().unwrap_or_default()
    }

    /// The frames as they leave, made by whoever asks first.
    pub(crate) fn encoded(&self, encode: impl FnOnce(&[Bytes]) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.frames)).clone()
    }
}
