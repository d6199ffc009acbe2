//! The outer layer of everything Automerge stores or sends: a row of chunks.
//!
//! ```text
//! 85 6f 4a 83 | first 4 bytes of the hash | type | length | body
//! ```
//!
//! The hash is SHA-256 over type, length and body. Type 0 is a document, 1 a change, 2 a change whose body is
//! deflated (its hash is that of the change it inflates to), 3 a bundle of changes. Bundles are an experiment of
//! Automerge's that no released client sends; they are refused.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::inflate::Budget;
use super::reader::{Reader, malformed};
use crate::crdt::GateError;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const DEFLATED_CHANGE: u8 = 2;

/// The SHA-256 that names a change.
pub type Hash = [u8; 32];

/// One chunk, its checksum verified.
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    /// What the body is.
    pub kind: ChunkKind,
    /// The body, inflated.
    pub body: Cow<'a, [u8]>,
    /// For a change, its name.
    pub hash: Hash,
    /// The chunk as it came, header included.
    pub bytes: &'a [u8],
}

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkKind {
    /// A whole document.
    Document,
    /// One change.
    Change,
}

/// The chunks of some bytes, one by one; what they inflate to is taken from `budget`.
pub struct Chunks<'a, 'b> {
    reader: Reader<'a>,
    budget: &'b mut Budget,
}

impl<'a, 'b> Chunks<'a, 'b> {
    /// Reads the chunks of `bytes`.
    pub const fn new(bytes: &'a [u8], budget: &'b mut Budget) -> Self {
        Self { reader: Reader::new(bytes), budget }
    }

    fn read(&mut self) -> Result<Chunk<'a>, GateError> {
        let start = self.reader.rest();
        if self.reader.array()? != MAGIC {
            return Err(malformed("this is no Automerge chunk"));
        }
        let checksum: [u8; 4] = self.reader.array()?;
        let kind = self.reader.byte()?;
        let stored = self.reader.bytes()?;
        let bytes = &start[..start.len() - self.reader.rest().len()];
        let (kind, body) = match kind {
            DOCUMENT => (ChunkKind::Document, Cow::Borrowed(stored)),
            CHANGE => (ChunkKind::Change, Cow::Borrowed(stored)),
            DEFLATED_CHANGE => (ChunkKind::Change, Cow::Owned(self.budget.inflate(stored)?)),
            other => return Err(malformed(format!("chunks of type {other} are not accepted"))),
        };
        let hash = hash(kind, &body);
        if hash[..4] != checksum {
            return Err(malformed("the checksum of a chunk is wrong"));
        }
        Ok(Chunk { kind, body, hash, bytes })
    }
}

impl<'a> Iterator for Chunks<'a, '_> {
    type Item = Result<Chunk<'a>, GateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let chunk = self.read();
        if chunk.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(chunk)
    }
}

/// The hash of a chunk of this kind.
pub fn hash(kind: ChunkKind, body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([kind.code()]);
    hasher.update(unsigned(body.len()));
    hasher.update(body);
    hasher.finalize().into()
}

/// A chunk with this body and the checksum that belongs to it.
pub fn frame(kind: ChunkKind, body: &[u8]) -> Vec<u8> {
    let hash = hash(kind, body);
    let header = [&MAGIC[..], &hash[..4], &[kind.code()]].concat();
    [&header[..], &unsigned(body.len()), body].concat()
}

impl ChunkKind {
    const fn code(self) -> u8 {
        match self {
            Self::Document => DOCUMENT,
            Self::Change => CHANGE,
        }
    }
}

/// A number as LEB128.
#[expect(clippy::cast_possible_truncation, reason = "seven bits fit a byte")]
pub fn unsigned(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
