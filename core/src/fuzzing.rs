//! The bodies of the fuzz targets: each takes any bytes and panics if a promise is broken.
//!
//! What is likely to be refused at the first byte is not left to chance: where `Choices` stand in front of a
//! body, the bytes decide between well-formed parts, and a seed may take their place.

mod choices;
mod files;
mod guests;
mod messages;
mod replica;
mod seeds;
mod yjs;

pub use crate::crdt::automerge::fuzzing::{Verdict, automerge_change};
pub use choices::Choices;
pub use files::{alike, imported_files};
pub use guests::{guest_updates, guests_of_seed};
pub use messages::guest_messages;
pub use replica::{commit, replica_inputs};
pub use seeds::{TARGETS, seeds};
pub use yjs::{Tally, yjs_update, yjs_updates};

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
