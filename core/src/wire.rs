//! What replicas say to each other: one set of messages, two encodings.
//!
//! A *frame* is what a link carries: the messages of one tick for one peer. In the binary encoding each
//! message stands in an envelope of type and length, so that a type this version does not know can be skipped;
//! in the JSON encoding a frame is an array of objects. `docs/protocol.md` tells the protocol as a whole.

pub mod base64;
mod binary;
mod codec;
mod compress;
mod error;
mod json;
mod layout;
mod limits;
mod operations;
mod stored;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use codec::{Codec, Encoded, FRAME_VERSION, MIN_COMPRESSED_BYTES, Packer};
pub use error::WireError;
pub use json::MAX_JSON_VALUES;
pub(crate) use json::at_most;
pub use limits::{MAX_AGENT_BYTES, MAX_COMPRESSIONS, MAX_ENTRIES_MEMORY, MAX_POSITION, MAX_REASON_BYTES};
pub use operations::{OPERATIONS_FORMAT, decode_operations, encode_operations};
pub use stored::{ENTRY_FORMAT, HAVE_FORMAT, decode_entry, decode_have, encode_entry, encode_have};

use crate::entry::{Blame, Cursor, Entry, Spec};
use crate::id::{DocId, EntryId, Have};
use crate::presence::{MAX_SESSIONS, Sighting};

/// The newest protocol version this crate speaks.
pub const VERSION: u16 = 1;

/// The oldest protocol version this crate still speaks.
pub const OLDEST_VERSION: u16 = 1;

/// Largest frame, compressed or not, and so the bound on what a frame may inflate to.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// Most messages in one frame.
pub const MAX_FRAME_MESSAGES: usize = 4_096;

/// Most cursors named when a document is opened.
pub const MAX_OPEN_CURSORS: usize = 16;

/// Largest piece of a snapshot in one message.
pub const MAX_SNAPSHOT_PART_BYTES: usize = 256 << 10;

/// Most sessions that one message tells of: all that a document may have.
pub const MAX_SIGHTINGS: usize = MAX_SESSIONS;

/// A frame on its way through a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The encoded messages.
    pub bytes: Bytes,
    /// Whether the bytes are JSON text, and travel as text where a link knows the difference.
    pub text: bool,
}

/// How messages become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// Compact, in bincode's layout.
    #[default]
    Binary,
    /// The same messages as JSON, for people and for languages without a library of ours.
    Json,
}

/// How a frame is made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

/// One thing said by one replica to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// The first message of each side.
    Hello(Hello),
    /// Asks which document the peer holds under a name.
    Describe {
        /// The name.
        doc: DocId,
    },
    /// Answers [`Message::Describe`].
    Described {
        /// The name.
        doc: DocId,
        /// What it is; `None` if the peer has no such document.
        spec: Option<Spec>,
    },
    /// Opens a document on this link, or answers the peer's `Open`. Both sides send it before anything else
    /// about the document.
    Open {
        /// Which document.
        doc: DocId,
        /// What the sender holds under that name.
        spec: Spec,
        /// The end of the sender's log, as far as it is durable.
        log: Cursor,
        /// How far the sender durably holds each log it knows; the receiver looks for its own among them. At
        /// most [`MAX_OPEN_CURSORS`], those of relays first.
        #[serde(deserialize_with = "at_most::<_, _, MAX_OPEN_CURSORS>")]
        cursors: Vec<Cursor>,
    },
    /// Entries of the sender's log follow: from the receiver's cursor, which fits, or from the `Have` it sent.
    Resume {
        /// Which document.
        doc: DocId,
    },
    /// No cursor in the peer's `Open` fits the sender's log: tell me which entries you hold.
    NeedHave {
        /// Which document.
        doc: DocId,
    },
    /// The entries the sender holds. Answers [`Message::NeedHave`]; unasked, it asks the peer to start again.
    Have {
        /// Which document.
        doc: DocId,
        /// Which entries.
        have: Have,
    },
    /// Entries of the sender's log, in log order.
    Entries {
        /// Which document.
        doc: DocId,
        /// The entries. Their offsets are promises only once a [`Message::Durable`] has confirmed them.
        #[serde(deserialize_with = "json::entries")]
        entries: Vec<Numbered>,
    },
    /// Up to this cursor the sender's log is durable, and everything in it was sent on this link or is known
    /// to be held by the receiver.
    Durable {
        /// Which document.
        doc: DocId,
        /// The position.
        cursor: Cursor,
    },
    /// The sender durably holds the receiver's log up to this offset.
    Ack {
        /// Which document.
        doc: DocId,
        /// The position in the receiver's log.
        offset: u64,
    },
    /// A piece of the state that the beginning of the sender's log was merged into.
    SnapshotPart {
        /// Which document.
        doc: DocId,
        /// Where in the sender's log the snapshot ends.
        cursor: Cursor,
        /// Which entries it holds; only in the first piece.
        covers: Option<Have>,
        /// Size of the whole state.
        total: u64,
        /// The bytes that follow those of the piece before.
        #[serde(with = "base64")]
        bytes: Bytes,
    },
    /// An entry, and all later ones of its replica, are not accepted.
    Refused {
        /// Which document.
        doc: DocId,
        /// The first refused entry.
        id: EntryId,
        /// What is at fault.
        blame: Blame,
        /// Why, in words for a person.
        reason: String,
    },
    /// Who has come to the document, has moved there or is gone, as far as the receiver has not been told.
    Presence {
        /// Which document.
        doc: DocId,
        /// What is new, at most [`MAX_SIGHTINGS`].
        #[serde(deserialize_with = "at_most::<_, _, MAX_SIGHTINGS>")]
        sightings: Vec<Sighting>,
    },
    /// The document is no longer wanted on this link.
    Shut {
        /// Which document.
        doc: DocId,
    },
    /// The sender cannot go on, with one document or with the link.
    Failure {
        /// Which document; `None` if the link is closed.
        doc: Option<DocId>,
        /// What went wrong.
        code: ErrorCode,
        /// The same in words for a person.
        message: String,
    },
    /// The sender goes away in good order; come back after a while.
    Goodbye {
        /// Milliseconds to wait before dialling again.
        retry_after: u64,
    },
    /// Asks for a [`Message::Pong`].
    Ping {
        /// Comes back in the answer.
        token: u64,
    },
    /// Answers [`Message::Ping`].
    Pong {
        /// What came in the question.
        token: u64,
    },
}

/// How a replica introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest protocol version it speaks.
    pub oldest: u16,
    /// The newest protocol version it speaks; both use the newest that both know.
    pub newest: u16,
    /// Program and version, for people.
    pub agent: String,
    /// Whether it is a relay, whose acknowledgements count as saved.
    pub relay: bool,
    /// Whether it wants acknowledgements of its own log.
    pub acks: bool,
    /// What it can decompress, best first.
    #[serde(deserialize_with = "json::compressions")]
    pub compression: Vec<Compression>,
}

/// An entry and its place in the sender's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The place.
    pub offset: u64,
    /// The entry.
    pub entry: Arc<Entry>,
}

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The bytes were not a frame.
    Malformed,
    /// A limit was exceeded.
    TooLarge,
    /// No protocol version in common.
    Version,
    /// A message came at the wrong moment.
    Unexpected,
    /// The document exists as another family or kind.
    SpecMismatch,
    /// There is no such document.
    NotFound,
    /// The document cannot be served at the moment.
    Unavailable,
    /// Entries came without those they build on.
    Gap,
    /// Too many documents on one link.
    TooMany,
    /// The peer may not do that here.
    Forbidden,
}
