//! Frames of a snapshot, made once for all who are sent it.
//!
//! Those who come at the same time go at different paces, so that what was made for one has to be there until the last has it.
//! Compressed for each of them a large document would take longer to make than to send.

use std::sync::Arc;

use super::peer::Part;
use crate::event::Snapshot;
use crate::wire::{Codec, Frame};

/// What was made of the parts of one snapshot. It takes as much memory as that, for each codec that somebody asked for, while several
/// are being sent it.
#[derive(Default)]
pub(super) struct SnapshotFrames {
    snapshot: Option<Arc<Snapshot>>,
    made: Vec<(usize, usize, Codec, Frame)>,
}

impl SnapshotFrames {
    /// The frame that holds a part and nothing else, if it was made.
    pub fn get(&self, part: &Part, codec: Codec) -> Option<Frame> {
        let known = |(from, to, c, _): &&(usize, usize, Codec, Frame)| {
            (*from, *to, *c) == (part.from, part.to, codec)
        };
        self.is_of(&part.snapshot).then(|| self.made.iter().find(known))?.map(|(.., frame)| frame.clone())
    }

    /// Keeps a frame for others. What was made of an older snapshot goes: the few that still want it have it made for them.
    pub fn put(&mut self, part: Part, codec: Codec, frame: Frame) {
        if !self.is_of(&part.snapshot) {
            *self = Self { snapshot: Some(part.snapshot), made: Vec::new() };
        }
        self.made.push((part.from, part.to, codec, frame));
    }

    /// The same offset does not make it the same snapshot: made anew it may be encoded otherwise.
    fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.snapshot.as_ref().is_some_and(|own| Arc::ptr_eq(own, snapshot))
    }

    pub const fn is_empty(&self) -> bool {
        self.snapshot.is_none()
    }

    /// Memory of the frames, in bytes.
    pub fn bytes(&self) -> usize {
        self.made.iter().map(|(.., frame)| frame.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::Digest;
    use crate::id::Have;
    use crate::wire::{Compression, Encoding};

    fn snapshot() -> Arc<Snapshot> {
        let state = Bytes::from_static(b"all that was written");
        Arc::new(Snapshot { offset: 7, digest: Digest(9), covers: Have::default(), state })
    }

    fn frame(bytes: &'static [u8]) -> Frame {
        Frame { bytes: Bytes::from_static(bytes), text: false }
    }

    #[test]
    fn a_frame_is_for_those_who_get_the_same_in_the_same_codec() {
        let (snapshot, codec) = (snapshot(), Codec::default());
        let part = |from: usize| Part { snapshot: snapshot.clone(), from, to: from + 5 };
        let gzip = Codec { encoding: Encoding::Binary, compression: Compression::Gzip };
        let mut frames = SnapshotFrames::default();
        frames.put(part(0), codec, frame(b"first"));
        frames.put(part(5), codec, frame(b"second"));
        assert_eq!(frames.get(&part(5), codec), Some(frame(b"second")));
        assert_eq!((frames.get(&part(5), gzip), frames.get(&part(10), codec)), (None, None));
        assert_eq!(frames.bytes(), 11);
    }

    #[test]
    fn a_snapshot_that_was_made_anew_has_frames_of_its_own() {
        let (old, new, codec) = (snapshot(), snapshot(), Codec::default());
        let part = |snapshot: &Arc<Snapshot>| Part { snapshot: snapshot.clone(), from: 0, to: 5 };
        let mut frames = SnapshotFrames::default();
        frames.put(part(&old), codec, frame(b"old"));
        assert_eq!(frames.get(&part(&new), codec), None);
        frames.put(part(&new), codec, frame(b"new"));
        assert_eq!((frames.get(&part(&old), codec), frames.bytes()), (None, 3));
    }
}
