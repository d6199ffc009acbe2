//! What somebody lacks of a Yjs document, and how it is told.

use std::sync::Arc;

use bytes::Bytes;
use syncline::DocId;
use syncline_core::crdt::{Damaged, ReceiveError};
use syncline_core::entry::{Cursor, Family};
use syncline_core::log::Log;
use syncline_core::protocol::y_websocket::{NOTHING, Sync};
use syncline_core::replica::Replica;

use super::Piece;

/// Most updates behind a log's base that are given to those who come as they are; of more, one is made of all.
pub(crate) const MAX_JOIN_PIECES: usize = 16_384;

/// What everybody lacks who holds nothing is made anew when so many bytes have come since, or this part of it.
const STALE_BYTES: usize = 64 << 10;
const STALE_PART: usize = 8;

/// What somebody lacks, and up to where in the log.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// It, as updates in their order. All who are sent them share them.
    pub updates: Arc<[Bytes]>,
    /// Updates that have come since these were made.
    since: Vec<Bytes>,
    /// What is appended from here on is not part of it.
    pub offset: u64,
    /// The same as a position in the log.
    pub cursor: Option<Cursor>,
}

impl Missing {
    /// A log as it is for guests, for those who hold nothing; `None` if it is too long for that.
    pub(super) fn log(replica: &Replica, doc: &DocId) -> Option<Self> {
        let (updates, offset) = replica.all_for_guests(doc, MAX_JOIN_PIECES)?;
        let cursor = replica.log(doc)?.cursor(offset);
        Some(Self { updates: updates.into(), since: Vec::new(), offset, cursor })
    }

    /// What a built document holds beyond a version.
    pub(super) fn difference(
        replica: &mut Replica,
        doc: &DocId,
        version: &[u8],
    ) -> Result<Self, ReceiveError> {
        let cursor = replica.log(doc).and_then(|log| log.cursor(log.head()));
        let offset = replica.log(doc).map_or(0, Log::head);
        let exchange = replica.exchange(doc).ok_or_else(closed)?;
        Ok(Self { updates: [exchange.missing(version)?].into(), since: Vec::new(), offset, cursor })
    }

    /// Whether it is still worth giving to others when so many bytes have come since.
    pub(super) fn is_fresh(&self, since: usize) -> bool {
        let size: usize = self.updates.iter().map(Bytes::len).sum();
        since <= STALE_BYTES.max(size / STALE_PART)
    }

    /// It and what has come to the log since: a client takes what it is answered for all there is, and may fill a document
    /// that it finds empty.
    pub(super) fn followed_by<'a>(&self, pieces: impl Iterator<Item = &'a Arc<Piece>>) -> Self {
        let mut followed = self.clone();
        for piece in pieces {
            followed.since.push(piece.update.clone());
            followed.offset = piece.offset;
        }
        followed
    }

    /// Whether nothing was missing, as far as that can be told: deletions are told in any case.
    pub(super) fn brings_nothing(&self) -> bool {
        self.all().all(|update| brings_no_blocks(update))
    }

    /// The answer to somebody who has said what is held: a client knows by its end that it has everything.
    pub(crate) fn answer(&self) -> impl Iterator<Item = (Sync<'_>, Bytes)> {
        let last = self.all().last();
        let update = last.map_or(NOTHING, |last| &**last);
        let bytes = last.cloned().unwrap_or(Bytes::from_static(NOTHING));
        let before = (self.updates.len() + self.since.len()).saturating_sub(1);
        self.updates().take(before).chain([(Sync::Step2 { update }, bytes)])
    }

    /// The same for somebody who has not asked.
    pub(crate) fn updates(&self) -> impl Iterator<Item = (Sync<'_>, Bytes)> {
        self.all().map(|update| (Sync::Update { update }, update.clone()))
    }

    fn all(&self) -> impl Iterator<Item = &Bytes> {
        self.updates.iter().chain(&self.since)
    }
}

/// Whether an update has no blocks and no deletions.
pub(super) fn is_nothing(update: &[u8]) -> bool {
    update == NOTHING
}

/// Whether an update has no blocks, of no client.
fn brings_no_blocks(update: &[u8]) -> bool {
    update.first().is_none_or(|clients| *clients == 0)
}

/// Why a document that has been closed meanwhile cannot be asked.
pub(super) fn closed() -> Damaged {
    let reason = "the document is not open any more".to_owned();
    Damaged { family: Family::Yjs, reason }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use syncline_core::id::ReplicaId;

    use super::*;

    fn missing(updates: &[&'static [u8]]) -> Missing {
        let updates = updates.iter().map(|update| Bytes::from_static(update)).collect();
        Missing { updates, since: Vec::new(), offset: 0, cursor: None }
    }

    #[test]
    fn the_last_update_is_the_answer_and_there_always_is_one() {
        let answer =
            |updates| missing(updates).answer().map(|(sync, _)| format!("{sync:?}")).collect::<Vec<_>>();
        assert_eq!(answer(&[]), ["Step2 { update: [0, 0] }"]);
        assert_eq!(answer(&[b"\x01"]), ["Step2 { update: [1] }"]);
        assert_eq!(answer(&[b"\x01", b"\x02"]), ["Update { update: [1] }", "Step2 { update: [2] }"]);
    }

    #[test]
    fn what_has_come_since_is_answered_too() {
        let since =
            Arc::new(Piece::new(7, ReplicaId::new([1; 16]), Bytes::from_static(b"\x02"), Instant::now()));
        let followed = missing(&[b"\x01"]).followed_by([&since].into_iter());
        let answer: Vec<String> = followed.answer().map(|(sync, _)| format!("{sync:?}")).collect();
        assert_eq!(answer, ["Update { update: [1] }", "Step2 { update: [2] }"]);
        assert_eq!(followed.offset, 7);
        assert_eq!(missing(&[]).followed_by([].into_iter()).offset, 0);
    }

    #[test]
    fn what_brings_no_blocks_brings_nothing_that_was_not_seen() {
        assert!(missing(&[]).brings_nothing() && missing(&[NOTHING, b"\x00\x01"]).brings_nothing());
        assert!(!missing(&[NOTHING, b"\x01"]).brings_nothing());
        assert!(is_nothing(NOTHING) && !is_nothing(b"\x00\x01\x05"));
    }
}
