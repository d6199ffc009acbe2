//! How automerge-repo names documents: by 16 bytes, written in base 58 with a checksum behind them.
//!
//! A document that a client of automerge-repo makes is called here what it is called there. Every other document has such a
//! name too, made of its own (a UUID of version 5), by which those clients find it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::entry::Family;
use crate::id::DocId;

/// What the names of other documents are derived within. It must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x5c1d_4c6f_0f0c_4a5e_9a52_7d3b_8e21_60f4);

const CHECKSUM_BYTES: usize = 4;

/// Longest text that is read as one of these names, or as a hash: nothing longer is either.
const MAX_TEXT_BYTES: usize = 64;

/// A document's name in automerge-repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub [u8; 16]);

/// A text or some bytes are not such a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this is no document id of automerge-repo: 16 bytes in base 58 with a checksum")]
pub struct NotADocumentId;

impl DocumentId {
    /// By which name clients of automerge-repo find a document.
    #[must_use]
    pub fn of(doc: &DocId) -> Self {
        let name = doc.as_str();
        name.parse().unwrap_or_else(|_| Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()).into_bytes()))
    }

    /// The same, if it is a document that they can read.
    #[must_use]
    pub fn if_readable(doc: &DocId, family: Family) -> Option<Self> {
        (family == Family::Automerge).then(|| Self::of(doc))
    }

    /// What a document that was made under this name is called here.
    #[must_use]
    pub fn doc(&self) -> DocId {
        DocId::new(&self.to_string()).expect("letters and digits are a name")
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base58check(&self.0))
    }
}

impl FromStr for DocumentId {
    type Err = NotADocumentId;

    fn from_str(text: &str) -> Result<Self, NotADocumentId> {
        let bytes = from_base58check(text).ok_or(NotADocumentId)?;
        bytes.try_into().map(Self).map_err(|_| NotADocumentId)
    }
}

/// Bytes with their checksum, in base 58.
#[must_use]
pub fn to_base58check(bytes: &[u8]) -> String {
    bs58::encode([bytes, &checksum(bytes)].concat()).into_string()
}

/// The bytes of such a text, if its checksum is right.
#[must_use]
pub fn from_base58check(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut bytes = bs58::decode(text).into_vec().ok()?;
    let sum = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
    (sum == checksum(&bytes)).then_some(bytes)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Sha256::digest(Sha256::digest(bytes));
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn a_name_of_automerge_repo_is_read_and_written() {
        let text = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";
        let id: DocumentId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!((id.doc().as_str(), DocumentId::of(&id.doc())), (text, id));
    }

    #[test]
    fn another_document_always_has_the_same_name_there() {
        let board = DocumentId::of(&DocId::new("team/board").unwrap());
        assert_eq!(board.to_string(), "2FFMm92YoFZev2ohRT47e5waJ5nS");
        assert_ne!(board, DocumentId::of(&DocId::new("team/boards").unwrap()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "1".repeat(MAX_TEXT_BYTES + 1);
        for text in
            ["", "4NMNnkMhL8jXrdJ9jamS58PAVdXv", "0OIl", "team/board", &to_base58check(b"too short"), &long]
        {
            assert_eq!(text.parse::<DocumentId>(), Err(NotADocumentId), "{text}");
        }
    }
}
