//! Frames of a snapshot, made once for all links that it goes out on.
//!
//! Those who come at the same time go at different paces, so that what was made for one has to be there until the last has it.
//! Compressed for each of them a large document would take longer to make than to send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::peer::Part;
use crate::event::Snapshot;
use crate::id::ConnectionId;
use crate::wire::{Codec, Frame};

/// Most memory of the frames, as a multiple of the snapshot's. What comes beyond it is made for each link.
pub const MAX_SNAPSHOT_FRAMES: usize = 2;

/// What was made of the parts of one snapshot, while it goes out on several links.
#[derive(Default)]
pub(super) struct SnapshotFrames {
    snapshot: Option<Arc<Snapshot>>,
    links: BTreeSet<ConnectionId>,
    made: BTreeMap<(usize, usize, Codec), Frame>,
    bytes: usize,
}

impl SnapshotFrames {
    /// A snapshot goes out on a link. If it is a newer one, that is what frames are kept of from now on: those who are still
    /// sent an older one have theirs made for them.
    pub fn join(&mut self, link: ConnectionId, snapshot: &Arc<Snapshot>) {
        let known = self.snapshot.as_ref();
        if known.is_none_or(|known| known.offset < snapshot.offset) {
            *self = Self { snapshot: Some(snapshot.clone()), ..Self::default() };
        }
        if self.is_of(snapshot) {
            self.links.insert(link);
        }
    }

    /// A link is sent no snapshot any more. With the last one the frames go.
    pub fn leave(&mut self, link: ConnectionId) {
        if self.links.remove(&link) && self.links.is_empty() {
            *self = Self::default();
        }
    }

    /// The frame that holds a part and nothing else, if it was made.
    pub fn get(&self, part: &Part, codec: Codec) -> Option<Frame> {
        let key = (part.from, part.to, codec);
        self.is_of(&part.snapshot).then(|| self.made.get(&key).cloned())?
    }

    /// Keeps a frame, if there are others that it can be for, and room.
    pub fn put(&mut self, part: &Part, codec: Codec, frame: &Frame) {
        let bytes = self.bytes + frame.bytes.len();
        let most = MAX_SNAPSHOT_FRAMES * part.snapshot.state.len();
        if self.links.len() > 1 && bytes <= most && self.is_of(&part.snapshot) {
            self.made.insert((part.from, part.to, codec), frame.clone());
            self.bytes = bytes;
        }
    }

    /// Makes room: what is still wanted is made again. Returns whether there was anything.
    pub fn clear(&mut self) -> bool {
        self.made.clear();
        std::mem::take(&mut self.bytes) > 0
    }

    /// Memory of the frames, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.snapshot.as_ref().is_some_and(|own| Arc::ptr_eq(own, snapshot))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::Digest;
    use crate::id::Have;
    use crate::wire::{Compression, Encoding};

    const ADA: ConnectionId = ConnectionId(1);
    const BOB: ConnectionId = ConnectionId(2);
    const CODEC: Codec = Codec { encoding: Encoding::Binary, compression: Compression::None };

    fn snapshot(offset: u64) -> Arc<Snapshot> {
        let state = Bytes::from_static(b"all that was written");
        Arc::new(Snapshot { offset, digest: Digest(9), covers: Have::default(), state })
    }

    fn part(snapshot: &Arc<Snapshot>, from: usize) -> Part {
        Part { snapshot: snapshot.clone(), from, to: from + 5 }
    }

    fn frame(bytes: &'static [u8]) -> Frame {
        Frame { bytes: Bytes::from_static(bytes), text: false }
    }

    /// A snapshot that goes out on two links.
    fn shared() -> (Arc<Snapshot>, SnapshotFrames) {
        let (snapshot, mut frames) = (snapshot(7), SnapshotFrames::default());
        [ADA, BOB].into_iter().for_each(|link| frames.join(link, &snapshot));
        (snapshot, frames)
    }

    #[test]
    fn a_frame_is_for_those_who_get_the_same_in_the_same_codec() {
        let (snapshot, mut frames) = shared();
        frames.put(&part(&snapshot, 0), CODEC, &frame(b"first"));
        frames.put(&part(&snapshot, 5), CODEC, &frame(b"second"));
        let gzip = Codec { compression: Compression::Gzip, ..CODEC };
        assert_eq!(frames.get(&part(&snapshot, 5), CODEC), Some(frame(b"second")));
        assert_eq!(frames.get(&part(&snapshot, 5), gzip), None);
        assert_eq!(frames.get(&part(&snapshot, 10), CODEC), None);
        assert_eq!(frames.bytes(), 11);
    }

    #[test]
    fn frames_are_kept_for_several_and_go_with_the_last() {
        let (snapshot, mut frames) = shared();
        frames.put(&part(&snapshot, 0), CODEC, &frame(b"first"));
        frames.leave(ADA);
        assert_eq!(frames.bytes(), 5);
        frames.put(&part(&snapshot, 5), CODEC, &frame(b"for nobody else"));
        assert_eq!(frames.bytes(), 5);
        frames.leave(BOB);
        assert_eq!((frames.bytes(), frames.get(&part(&snapshot, 0), CODEC)), (0, None));
    }

    #[test]
    fn a_newer_snapshot_has_the_place_of_an_older_one() {
        let (old, mut frames) = shared();
        frames.put(&part(&old, 0), CODEC, &frame(b"old"));
        let new = snapshot(8);
        [ConnectionId(3), ConnectionId(4)].into_iter().for_each(|link| frames.join(link, &new));
        assert_eq!(frames.get(&part(&new, 0), CODEC), None);
        frames.put(&part(&new, 0), CODEC, &frame(b"new"));
        frames.join(ADA, &old);
        frames.put(&part(&old, 5), CODEC, &frame(b"old"));
        frames.leave(ADA);
        assert_eq!(frames.get(&part(&old, 5), CODEC), None);
        assert_eq!(frames.get(&part(&new, 0), CODEC), Some(frame(b"new")));
    }

    #[test]
    fn frames_take_no_more_than_twice_the_memory_of_the_snapshot() {
        let (snapshot, mut frames) = shared();
        for from in 0..20 {
            frames.put(&part(&snapshot, from), CODEC, &frame(b"five!"));
        }
        assert_eq!(frames.bytes(), MAX_SNAPSHOT_FRAMES * snapshot.state.len());
        assert!(frames.clear() && !frames.clear());
        assert_eq!((frames.bytes(), frames.get(&part(&snapshot, 0), CODEC)), (0, None));
    }
}
