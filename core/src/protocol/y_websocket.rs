//! The messages that all Yjs protocols have in common (`y-protocols`): syncing, awareness, refusals.

use super::lib0::{Malformed, Reader, write_buffer, write_number, write_text};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;

const STEP_1: u64 = 0;
const STEP_2: u64 = 1;
const UPDATE: u64 = 2;

const DENIED: u64 = 0;

/// Longest head of a sync message: two numbers of a byte, and a length.
const MAX_HEAD_BYTES: usize = 10;

/// An update without blocks and deletions.
pub const NOTHING: &[u8] = &[0, 0];

/// The state vector of who holds nothing.
pub const HOLDS_NOTHING: &[u8] = &[0];

/// What a client says about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync<'a> {
    /// It holds this much: it wants what it lacks.
    Step1 {
        /// Its state vector.
        vector: &'a [u8],
    },
    /// What the other side lacked.
    Step2 {
        /// It, as one update.
        update: &'a [u8],
    },
    /// Something new.
    Update {
        /// It.
        update: &'a [u8],
    },
}

/// A message of y-websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// What somebody holds or lacks.
    Sync(Sync<'a>),
    /// States of clients that are present.
    Awareness(&'a [u8]),
    /// Asks for all of them.
    QueryAwareness,
    /// A server does not allow something, for this reason.
    Denied(&'a str),
    /// Of a type that this protocol does not have, with what follows it.
    Other(u64, &'a [u8]),
}

impl<'a> Message<'a> {
    /// Reads a message that fills a frame.
    pub fn read(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame);
        let message = match reader.number()? {
            SYNC => Self::Sync(Sync::read(&mut reader)?),
            AWARENESS => Self::Awareness(reader.buffer()?),
            QUERY_AWARENESS => Self::QueryAwareness,
            AUTH => match reader.number()? {
                DENIED => Self::Denied(reader.text()?),
                _ => return Ok(Self::Other(AUTH, reader.rest())),
            },
            other => return Ok(Self::Other(other, reader.rest())),
        };
        reader.finish()?;
        Ok(message)
    }
}

impl<'a> Sync<'a> {
    /// Reads what follows the number of a sync message.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = reader.number()?;
        let bytes = reader.buffer()?;
        match kind {
            STEP_1 => Ok(Self::Step1 { vector: bytes }),
            STEP_2 => Ok(Self::Step2 { update: bytes }),
            UPDATE => Ok(Self::Update { update: bytes }),
            _ => Err(Malformed("an unknown kind of sync message")),
        }
    }

    /// Appends the message with its number.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (_, bytes) = self.parts();
        out.reserve(bytes.len() + MAX_HEAD_BYTES);
        out.extend(self.head());
        out.extend_from_slice(bytes);
    }

    /// What comes in front of its bytes, which end the message.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let (kind, bytes) = self.parts();
        let mut head = Vec::with_capacity(MAX_HEAD_BYTES);
        write_number(SYNC, &mut head);
        write_number(kind, &mut head);
        write_number(bytes.len() as u64, &mut head);
        head
    }

    const fn parts(&self) -> (u64, &'a [u8]) {
        match self {
            Self::Step1 { vector } => (STEP_1, vector),
            Self::Step2 { update } => (STEP_2, update),
            Self::Update { update } => (UPDATE, update),
        }
    }
}

/// Appends an awareness message.
pub fn write_awareness(states: &[u8], out: &mut Vec<u8>) {
    write_number(AWARENESS, out);
    write_buffer(states, out);
}

/// Appends a message that something is not allowed.
pub fn write_denied(reason: &str, out: &mut Vec<u8>) {
    write_number(AUTH, out);
    write_number(DENIED, out);
    write_text(reason, out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn written(message: &Sync<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.write(&mut out);
        out
    }

    #[test]
    fn messages_have_the_bytes_of_the_protocol() {
        let empty = Sync::Step1 { vector: &[0] };
        assert_eq!(written(&empty), [0, 0, 1, 0]);
        assert_eq!(written(&Sync::Step2 { update: &[0, 0] }), [0, 1, 2, 0, 0]);
        assert_eq!(Message::read(&[0, 0, 1, 0]), Ok(Message::Sync(empty)));
        assert_eq!(Message::read(&[1, 1, 0]), Ok(Message::Awareness(&[0])));
        assert_eq!(Message::read(&[3]), Ok(Message::QueryAwareness));
        assert_eq!(Message::read(&[102, 1, 7]), Ok(Message::Other(102, &[1, 7])));
        let mut denied = Vec::new();
        write_denied("no", &mut denied);
        assert_eq!(denied, [2, 0, 2, b'n', b'o']);
        assert_eq!(Message::read(&denied), Ok(Message::Denied("no")));
        assert_eq!(Message::read(&[2, 1]), Ok(Message::Other(2, &[])));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for frame in [&[][..], &[0], &[0, 0], &[0, 3, 0], &[0, 0, 2, 0], &[0, 0, 1, 0, 9], &[1, 2, 0]] {
            assert!(Message::read(frame).is_err(), "{frame:?}");
        }
    }
}
