//! What somebody else has shown to hold of a Yjs document.
//!
//! Servers of Yjs clients do not acknowledge what they are sent, or only by counting. But they say what they hold when they
//! are asked, and send everybody what is new to them, the sender included. What they have sent they hold, so that is how
//! it is known that something has arrived, deletions included, whatever order it is told in.

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ID, IdSet, StateVector, Update};

use super::document::{caught, damaged};
use super::exchange::state_vector;
use crate::crdt::{Damaged, GateError};

/// Which blocks and deletions somebody holds, as far as they have shown.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    inserted: IdSet,
    deleted: IdSet,
}

impl Holdings {
    /// Somebody who holds as much as this state vector tells, and has deleted this.
    pub(super) fn new(vector: &[u8], deleted: IdSet) -> Result<Self, GateError> {
        let mut holdings = Self { deleted, ..Self::default() };
        holdings.note_vector(vector)?;
        Ok(holdings)
    }

    /// They say that they hold as much as this state vector tells. It tells nothing of deletions.
    pub fn note_vector(&mut self, vector: &[u8]) -> Result<(), GateError> {
        for (client, clock) in state_vector(vector)?.iter().filter(|(_, clock)| **clock > 0) {
            self.inserted.insert(ID::new(*client, 0), *clock);
        }
        Ok(())
    }

    /// What an admitted update brings.
    pub fn of(update: &[u8]) -> Result<Self, Damaged> {
        let read = || {
            let update = Update::decode_v1(update)?;
            let (inserted, deleted) = (update.insertions(true), update.delete_set().clone());
            Ok::<_, yrs::encoding::read::Error>(Self { inserted, deleted })
        };
        caught(read)?.map_err(|error| damaged(error.to_string()))
    }

    /// They have sent this.
    pub fn add(&mut self, sent: Self) -> Result<(), Damaged> {
        caught(|| {
            self.inserted.merge_with(sent.inserted);
            self.deleted.merge_with(sent.deleted);
        })
    }

    /// Whether they hold all of something.
    pub fn include(&self, other: &Self) -> Result<bool, Damaged> {
        caught(|| {
            other.inserted.diff(&self.inserted).is_empty() && other.deleted.diff(&self.deleted).is_empty()
        })
    }

    /// What they hold, as a state vector.
    #[must_use]
    pub fn vector(&self) -> Bytes {
        let mut vector = StateVector::default();
        for (client, ranges) in self.inserted.iter() {
            if let Some(first) = ranges.iter().next().filter(|range| range.start == 0) {
                vector.set_max(*client, first.end);
            }
        }
        vector.encode_v1().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use yrs::{Doc, GetString, ReadTxn, Text, Transact};

    use super::*;

    struct Author(Doc);

    impl Author {
        fn new(client: u64) -> Self {
            Self(Doc::with_client_id(client))
        }

        fn write(&self, text: &str) -> Vec<u8> {
            let shared = self.0.get_or_insert_text("text");
            let mut txn = self.0.transact_mut();
            let end = shared.get_string(&txn).len();
            shared.insert(&mut txn, u32::try_from(end).unwrap(), text);
            txn.encode_update_v1()
        }

        fn erase(&self, at: u32, count: u32) -> Vec<u8> {
            let shared = self.0.get_or_insert_text("text");
            let mut txn = self.0.transact_mut();
            shared.remove_range(&mut txn, at, count);
            txn.encode_update_v1()
        }

        fn merge(&self, update: &[u8]) {
            self.0.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
        }

        fn vector(&self) -> Vec<u8> {
            self.0.transact().state_vector().encode_v1()
        }

        fn missing(&self, vector: &[u8]) -> Vec<u8> {
            self.0.transact().encode_diff_v1(&StateVector::decode_v1(vector).unwrap())
        }
    }

    fn shown(updates: &[&[u8]]) -> Holdings {
        let mut holdings = Holdings::default();
        updates.iter().for_each(|update| holdings.add(Holdings::of(update).unwrap()).unwrap());
        holdings
    }

    fn includes(holdings: &Holdings, update: &[u8]) -> bool {
        holdings.include(&Holdings::of(update).unwrap()).unwrap()
    }

    #[test]
    fn what_was_sent_back_is_held_and_nothing_else() {
        let ada = Author::new(7);
        let (first, second) = (ada.write("one"), ada.write("two"));
        assert!(!includes(&shown(&[]), &first));
        let holdings = shown(&[&first]);
        assert!(includes(&holdings, &first) && !includes(&holdings, &second));
        let holdings = shown(&[&first, &second]);
        assert!(includes(&holdings, &second));
        assert_eq!(holdings.vector(), ada.vector());
    }

    #[test]
    fn a_state_vector_shows_blocks_and_no_deletions() {
        let ada = Author::new(7);
        let (written, erased) = (ada.write("word"), ada.erase(1, 2));
        let mut holdings = Holdings::default();
        holdings.note_vector(&ada.vector()).unwrap();
        assert!(includes(&holdings, &written) && !includes(&holdings, &erased));
        // Whoever says what a document lacks always says all that was deleted.
        holdings.add(Holdings::of(&ada.missing(&ada.vector())).unwrap()).unwrap();
        assert!(includes(&holdings, &erased));
    }

    #[test]
    fn what_others_deleted_as_well_is_shown_by_what_they_sent() {
        let (ada, ben) = (Author::new(7), Author::new(8));
        let written = ada.write("word");
        ben.merge(&written);
        let (ours, theirs) = (ada.erase(1, 2), ben.erase(0, 4));
        assert!(!includes(&shown(&[&written]), &ours));
        assert!(includes(&shown(&[&written, &theirs]), &ours));
    }

    #[test]
    fn what_follows_a_gap_does_not_count_as_the_beginning() {
        let ada = Author::new(7);
        let (_, second) = (ada.write("one"), ada.write("two"));
        assert_eq!(shown(&[&second]).vector(), Holdings::default().vector());
        assert!(Holdings::default().note_vector(&[9]).is_err());
        assert!(Holdings::of(&[9]).is_err());
    }
}
