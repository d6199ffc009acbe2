//! The bodies of the fuzz targets: each takes any bytes and panics if a promise is broken.

pub use crate::crdt::automerge::fuzzing::{Verdict, automerge_change, automerge_snapshot};
use crate::wire::{Codec, Frame};

/// Any bytes are an error, or messages that survive being sent again.
pub fn frame_decode(data: &[u8]) {
    for text in [false, true] {
        let frame = Frame { bytes: bytes::Bytes::copy_from_slice(data), text };
        let Ok(messages) = Codec::decode(&frame) else { continue };
        let codec = Codec { encoding: Codec::detect(&frame), ..Codec::default() };
        let encoded: Vec<_> = messages.iter().map(|message| codec.encode(message)).collect();
        assert_eq!(Codec::decode(&codec.frame(&encoded)), Ok(messages));
    }
}
