//! The end of a document's log, as seats are sent it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use syncline_core::id::ReplicaId;

use syncline_core::protocol::y_websocket::Sync;

/// Most bytes of updates that a room keeps for seats that are behind.
pub(crate) const MAX_TAIL_BYTES: usize = 1 << 20;

/// Most updates that it keeps.
pub(crate) const MAX_TAIL_PIECES: usize = 4_096;

/// One entry of the log, as guests are sent it.
pub(crate) struct Piece {
    /// Its place.
    pub offset: u64,
    /// In whose name it was appended.
    pub replica: ReplicaId,
    /// The update.
    pub update: Bytes,
    /// When it came to the relay.
    pub came: Instant,
    message: OnceLock<Bytes>,
}

impl Piece {
    pub(crate) const fn new(offset: u64, replica: ReplicaId, update: Bytes, came: Instant) -> Self {
        Self { offset, replica, update, came, message: OnceLock::new() }
    }

    /// The update as a message of y-websocket, made once for all who get it.
    pub(crate) fn message(&self) -> Bytes {
        let message = self.message.get_or_init(|| {
            let mut message = Vec::new();
            Sync::Update { update: &self.update }.write(&mut message);
            message.into()
        });
        message.clone()
    }
}

/// The pieces of a log from some place on.
#[derive(Default)]
pub(crate) struct Tail {
    pieces: VecDeque<Arc<Piece>>,
    bytes: usize,
    /// Everything behind this offset and up to `end` is here.
    start: u64,
    end: u64,
}

impl Tail {
    /// Up to where the log was followed.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// Goes on from another place: what lies before it is not here.
    pub(crate) fn restart(&mut self, end: u64) {
        *self = Self { start: end, end, ..Self::default() };
    }

    /// Follows the log up to a piece; others in between are for nobody.
    pub(crate) fn push(&mut self, piece: Arc<Piece>) {
        self.end = piece.offset;
        self.bytes += piece.update.len();
        self.pieces.push_back(piece);
        while self.bytes > MAX_TAIL_BYTES || self.pieces.len() > MAX_TAIL_PIECES {
            let Some(oldest) = self.pieces.pop_front() else { return };
            self.bytes -= oldest.update.len();
            self.start = oldest.offset;
        }
    }

    /// The pieces behind an offset; `None` if some of them are not here any more.
    pub(crate) fn after(&self, offset: u64) -> Option<impl Iterator<Item = &Arc<Piece>>> {
        (self.start <= offset).then(|| {
            let first = self.pieces.partition_point(|piece| piece.offset <= offset);
            self.pieces.range(first..)
        })
    }

    /// The pieces behind an offset, about so many bytes of them; `None` if some are gone.
    pub(crate) fn within(&self, after: u64, budget: usize) -> Option<Vec<Arc<Piece>>> {
        let mut size = 0;
        let pieces = self.after(after)?.take_while(|piece| {
            let fits = size < budget;
            size += piece.update.len();
            fits
        });
        Some(pieces.cloned().collect())
    }

    /// How many bytes lie behind an offset; `None` if not all of them are here.
    pub(crate) fn bytes_after(&self, offset: u64) -> Option<usize> {
        self.after(offset).map(|pieces| pieces.map(|piece| piece.update.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, bytes: usize) -> Arc<Piece> {
        Arc::new(Piece::new(offset, ReplicaId::new([1; 16]), vec![0; bytes].into(), Instant::now()))
    }

    fn offsets(tail: &Tail, after: u64) -> Option<Vec<u64>> {
        tail.after(after).map(|pieces| pieces.map(|piece| piece.offset).collect())
    }

    #[test]
    fn a_tail_has_what_lies_behind_a_position_or_says_that_it_has_not() {
        let mut tail = Tail::default();
        tail.restart(10);
        [11, 13, 14].into_iter().for_each(|offset| tail.push(piece(offset, 1)));
        assert_eq!(offsets(&tail, 10), Some(vec![11, 13, 14]));
        assert_eq!(offsets(&tail, 12), Some(vec![13, 14]));
        assert_eq!((offsets(&tail, 14), offsets(&tail, 9)), (Some(vec![]), None));
        assert_eq!(tail.bytes_after(11), Some(2));
    }

    #[test]
    fn a_tail_is_bounded() {
        let mut tail = Tail::default();
        (1..=3).for_each(|offset| tail.push(piece(offset, MAX_TAIL_BYTES / 2)));
        assert_eq!((offsets(&tail, 0), offsets(&tail, 1)), (None, Some(vec![2, 3])));
        tail.push(piece(4, MAX_TAIL_BYTES + 1));
        assert_eq!((offsets(&tail, 3), offsets(&tail, 4)), (None, Some(vec![])));
    }
}
