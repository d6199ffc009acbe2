//! How much of snapshots may be in memory before they are whole.

use super::Replica;
use super::document::Document;
use super::live::Live;
use crate::id::{ConnectionId, DocId};
use crate::wire::{ErrorCode, Message};

/// Largest snapshot taken in; also, give or take a quarter, the most of all that come in on one link at the same time.
pub const MAX_SNAPSHOT_BYTES: u64 = 256 << 20;

/// Most of all snapshots that come in at the same time, give or take a quarter.
pub const MAX_SNAPSHOTS_BYTES: u64 = 1 << 30;

/// Bytes that may be in memory: those found when they were last counted, and what came since. What goes is not
/// subtracted, so nobody need tell; they are counted again when they might be too many.
#[derive(Default)]
pub(super) struct Intake(u64);

impl Intake {
    /// Takes note of more bytes; false if they are too many. There is a margin, so that a peer who stays just below the
    /// limit does not have them counted all the time.
    fn takes(&mut self, more: u64, most: u64, count: impl FnOnce() -> u64) -> bool {
        self.0 += more;
        if self.0 <= most + most / 4 {
            return true;
        }
        self.0 = count() + more;
        self.0 <= most
    }
}

impl Replica {
    /// Gives up a document on a link where no more of a snapshot can be taken in; false if it was.
    pub(super) fn has_room_for(&mut self, id: ConnectionId, doc: &DocId, piece: usize) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let documents = &self.documents;
        let live = |doc: &DocId| documents.get(doc).and_then(Document::live);
        let open = &connection.open;
        let on_link = || open.iter().filter_map(live).map(|live| live.incoming_on(id)).sum();
        let everywhere = || documents.values().filter_map(Document::live).map(Live::incoming).sum();
        let fits = connection.intake.takes(piece as u64, MAX_SNAPSHOT_BYTES, on_link)
            && self.intake.takes(piece as u64, MAX_SNAPSHOTS_BYTES, everywhere);
        if !fits {
            let message = "too much of snapshots at once; it is tried again later".to_owned();
            let code = ErrorCode::Unavailable;
            self.context.post(id, Message::Failure { doc: Some(doc.clone()), code, message });
            self.give_up(id, doc);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_makes_room() {
        let mut intake = Intake::default();
        assert!(intake.takes(100, 100, || panic!("not yet")) && intake.takes(25, 100, || panic!("not yet")));
        assert!(intake.takes(1, 100, || 99), "26 went");
        assert!(intake.takes(25, 100, || panic!("there is a margin")));
        assert!(!intake.takes(1, 100, || 125), "nothing went");
    }
}
