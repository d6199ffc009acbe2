//! A Yjs document as Yjs clients know it: by state vectors, and updates that may repeat what is held.

use bytes::Bytes;
use yrs::{ClientID, ReadTxn, StateVector, Transact, TransactionMut};

use super::Yjs;
use super::cut::FULL_PART_BYTES;
use super::document::{caught, damaged};
use super::holdings::Holdings;
use super::reader::Reader;
use super::squash::{self, AT_ONCE_BYTES};
use crate::crdt::exchange::MAX_FOREIGN_UPDATE_BYTES;
use crate::crdt::{Exchange, Gate, GateError, ReceiveError, Writer};
use crate::entry::MAX_UPDATE_BYTES;
use crate::id::Have;

/// The shortest entry of a state vector: client and clock.
const MIN_VECTOR_ENTRY_BYTES: usize = 2;

impl Exchange for Yjs {
    fn receive(&mut self, replicas: &Have, update: &[u8]) -> Result<Vec<Bytes>, ReceiveError> {
        if update.len() > MAX_FOREIGN_UPDATE_BYTES {
            let limit = MAX_FOREIGN_UPDATE_BYTES as u64;
            return Err(GateError::Limit { what: "an update", limit }.into());
        }
        if update.len() <= MAX_UPDATE_BYTES {
            return self.receive_part(replicas, update);
        }
        self.receive_in_parts(replicas, update, FULL_PART_BYTES)
    }

    fn holds(&mut self, update: &[u8]) -> Result<bool, ReceiveError> {
        self.gate.order_of(Have::NONE, update, FULL_PART_BYTES)?;
        Ok(self.holdings()?.include(&Holdings::of(update)?)?)
    }

    fn missing(&self, version: &[u8]) -> Result<Bytes, ReceiveError> {
        let version = state_vector(version)?;
        self.check_alive()?;
        Ok(caught(|| self.doc.transact().encode_diff_v1(&version).into())?)
    }
}

impl Yjs {
    /// Which blocks and deletions are in the document.
    fn holdings(&self) -> Result<Holdings, ReceiveError> {
        self.check_alive()?;
        let deleted = caught(|| self.doc.transact().snapshot().delete_set)?;
        Ok(Holdings::new(&self.gate.version().unwrap_or_default(), deleted)?)
    }

    /// Merges an update in parts of that size. Returns what was new.
    pub(crate) fn receive_in_parts(
        &mut self,
        replicas: &Have,
        update: &[u8],
        full: usize,
    ) -> Result<Vec<Bytes>, ReceiveError> {
        let mut new = Vec::new();
        let parts = self.gate.cut(replicas, update, full)?;
        if parts.iter().any(|part| part.len() > MAX_UPDATE_BYTES) {
            let limit = MAX_UPDATE_BYTES as u64;
            return Err(GateError::Limit { what: "one block of an update", limit }.into());
        }
        for part in parts {
            // What was found good as a whole is good in parts, or the document is no longer what it was.
            new.extend(self.receive_part(replicas, &part).map_err(|error| damaged(error.to_string()))?);
        }
        Ok(new)
    }

    /// Merges an update that is small enough to be one entry. Returns what was new.
    fn receive_part(&mut self, replicas: &Have, update: &[u8]) -> Result<Vec<Bytes>, ReceiveError> {
        if squash::is_costly(update) {
            return self.receive_in_parts(replicas, update, AT_ONCE_BYTES);
        }
        self.admit(&Writer::Foreign(replicas), update)?;
        if self.gate.brings_only_new() {
            self.integrate_and(update, |_| ())?;
            return Ok(vec![Bytes::copy_from_slice(update)]);
        }
        let new = |txn: &TransactionMut<'_>| txn.has_changes().then(|| txn.encode_update_v1());
        let new = self.integrate_and(update, new)?;
        // The library writes down once more what was deleted when it came, which can make an update too large for an entry; and
        // its buffer may have more room than an entry should keep.
        let shorter =
            |new: Vec<u8>| Bytes::copy_from_slice(if new.len() <= update.len() { &new } else { update });
        Ok(new.map(shorter).into_iter().collect())
    }
}

/// Reads a state vector. The library reserves memory for as many entries as it claims to have.
pub(super) fn state_vector(bytes: &[u8]) -> Result<StateVector, GateError> {
    let mut vector = StateVector::default();
    if bytes.is_empty() {
        return Ok(vector);
    }
    let mut reader = Reader::new(bytes, 0);
    for _ in 0..reader.count(MIN_VECTOR_ENTRY_BYTES)? {
        let id = reader.id()?;
        vector.set_max(ClientID::new(id.client), id.clock);
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use crate::entry::Kind;

    #[test]
    fn what_is_new_as_a_whole_is_kept_as_it_was_sent_and_what_is_known_makes_no_entry() {
        let typed = [1, 1, 7, 0, 4, 1, 1, b't', 1, b'a', 0];
        let mut document = Yjs::create(Kind::Tree);
        let receive = |document: &mut Yjs, update: &[u8]| document.receive(Have::NONE, update).unwrap();
        assert_eq!(receive(&mut document, &typed), [&typed[..]]);
        assert!(receive(&mut document, &typed).is_empty());
        assert!(receive(&mut document, &[0, 0]).is_empty());
        let deleted = [0, 1, 7, 1, 0, 1];
        assert_eq!(receive(&mut document, &deleted).len(), 1);
        assert!(receive(&mut document, &deleted).is_empty());
    }

    /// The library says of each block without content that it was deleted, also where the update did not.
    #[test]
    fn an_entry_is_no_larger_than_what_it_was_made_of() {
        let blocks = [&[1, 1, 1, b'a', 1][..], &[0, 1]].concat().repeat(20);
        let update = [&[1, 40, 7, 0], &blocks[..], &[0]].concat();
        let mut document = Yjs::create(Kind::Tree);
        let new = document.receive(Have::NONE, &update).unwrap();
        assert_eq!(new.len(), 1);
        assert!(new[0].len() <= update.len(), "{} of {}", new[0].len(), update.len());
    }
}
