//! The frames of Hocuspocus: an address, the number of a message, and what the message says.

use super::lib0::{Malformed, Reader, write_buffer, write_number, write_text};
use super::y_websocket::Sync;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const SYNC_REPLY: u64 = 4;
const STATELESS: u64 = 5;
const BROADCAST_STATELESS: u64 = 6;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;

const TOKEN: u64 = 0;
const PERMISSION_DENIED: u64 = 1;
const AUTHENTICATED: u64 = 2;

const READ_WRITE: &str = "read-write";
const READ_ONLY: &str = "readonly";

/// The whole of a frame that asks whether anybody is there, and of its answer. They have no address.
const PING: &[u8] = &[9];
const PONG: &[u8] = &[10];

/// A frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The document, and behind a zero perhaps the session.
    pub address: &'a str,
    /// What is said of it.
    pub body: Body<'a>,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// What somebody holds or lacks, as in y-websocket.
    Sync(Sync<'a>),
    /// States of clients that are present.
    Awareness(&'a [u8]),
    /// Who somebody is, and what comes of that.
    Auth(Auth<'a>),
    /// Asks for the states of all clients.
    QueryAwareness,
    /// Something that is not stored.
    Stateless(&'a str),
    /// Only servers send that to each other.
    BroadcastStateless,
    /// The document is no longer wanted, or no longer to be had, for this reason.
    Close(&'a str),
    /// Whether an update of the client was taken.
    Status(bool),
    /// Of no number that is known.
    Unknown,
}

/// What a frame says of who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth<'a> {
    /// With the version of the client, if it is one that says so: from the fourth on.
    Token {
        /// The token; nothing if there is none.
        token: &'a str,
        /// Whether the version is told.
        says_version: bool,
    },
    /// A server lets nobody in, for this reason.
    Denied(&'a str),
    /// A server has let somebody in, who may write or only read.
    Authenticated {
        /// Whether to write.
        may_write: bool,
    },
    /// A server asks for the token, or says something else.
    Other,
}

/// Whether a frame asks if anybody is there.
pub fn is_ping(bytes: &[u8]) -> bool {
    bytes == PING
}

/// The answer to that.
pub const fn pong() -> &'static [u8] {
    PONG
}

impl<'a> Frame<'a> {
    /// Reads a frame that is no ping.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let address = reader.text()?;
        let body = match reader.number()? {
            SYNC | SYNC_REPLY => Body::Sync(Sync::read(&mut reader)?),
            AWARENESS => Body::Awareness(reader.buffer()?),
            AUTH => Body::Auth(match reader.number()? {
                // A server that asks for the token says nothing more.
                TOKEN if reader.rest().is_empty() => Auth::Other,
                TOKEN => {
                    let token = reader.text()?;
                    Auth::Token { token, says_version: !reader.rest().is_empty() }
                }
                PERMISSION_DENIED => Auth::Denied(reader.text()?),
                AUTHENTICATED => Auth::Authenticated { may_write: reader.text()? != READ_ONLY },
                _ => Auth::Other,
            }),
            QUERY_AWARENESS => Body::QueryAwareness,
            STATELESS => Body::Stateless(reader.text()?),
            BROADCAST_STATELESS => Body::BroadcastStateless,
            // Only servers say why.
            CLOSE => Body::Close(if reader.rest().is_empty() { "" } else { reader.text()? }),
            SYNC_STATUS => Body::Status(reader.number()? == 1),
            _ => Body::Unknown,
        };
        Ok(Self { address, body })
    }
}

/// Frames, written.
impl Frame<'_> {
    /// A sync message.
    pub fn sync(address: &str, message: &Sync<'_>) -> Vec<u8> {
        let mut out = begun(address);
        // The number of sync messages is the same in both protocols.
        message.write(&mut out);
        out
    }

    /// What comes in front of a message of y-websocket, if it is a sync message or of awareness: the rest of the frame is the
    /// same in both protocols.
    #[must_use]
    pub fn head(address: &str) -> Vec<u8> {
        begun(address)
    }

    /// States of clients that are present.
    pub fn awareness(address: &str, states: &[u8]) -> Vec<u8> {
        let mut out = begun(address);
        write_number(AWARENESS, &mut out);
        write_buffer(states, &mut out);
        out
    }

    /// An awareness message that tells of nobody.
    pub fn nobody(address: &str) -> Vec<u8> {
        Self::awareness(address, &[0])
    }

    /// Asks for the states of all clients.
    pub fn query_awareness(address: &str) -> Vec<u8> {
        let mut out = begun(address);
        write_number(QUERY_AWARENESS, &mut out);
        out
    }

    /// A client shows its token.
    pub fn token(address: &str, token: &str, version: &str) -> Vec<u8> {
        let mut out = Self::auth(address, TOKEN, token);
        write_text(version, &mut out);
        out
    }

    /// Somebody is not let in.
    pub fn denied(address: &str, reason: &str) -> Vec<u8> {
        Self::auth(address, PERMISSION_DENIED, reason)
    }

    /// Somebody is let in.
    pub fn authenticated(address: &str, may_write: bool) -> Vec<u8> {
        Self::auth(address, AUTHENTICATED, if may_write { READ_WRITE } else { READ_ONLY })
    }

    fn auth(address: &str, kind: u64, words: &str) -> Vec<u8> {
        let mut out = begun(address);
        write_number(AUTH, &mut out);
        write_number(kind, &mut out);
        write_text(words, &mut out);
        out
    }

    /// Whether an update was taken.
    pub fn status(address: &str, taken: bool) -> Vec<u8> {
        let mut out = begun(address);
        write_number(SYNC_STATUS, &mut out);
        // Read as a signed number, which looks the same up to 63.
        write_number(taken.into(), &mut out);
        out
    }

    /// Something that is not stored.
    pub fn stateless(address: &str, payload: &[u8]) -> Vec<u8> {
        let mut out = begun(address);
        write_number(STATELESS, &mut out);
        write_buffer(payload, &mut out);
        out
    }

    /// A document is closed for a client.
    pub fn closed(address: &str, reason: &str) -> Vec<u8> {
        let mut out = begun(address);
        write_number(CLOSE, &mut out);
        write_text(reason, &mut out);
        out
    }
}

fn begun(address: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_text(address, &mut out);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn frames_have_the_bytes_of_the_protocol() {
        let token = [&b"\x02ab\x02\x00\x03key"[..], b"\x054.8.0"].concat();
        let read = Frame::read(&token).unwrap();
        let shown = Auth::Token { token: "key", says_version: true };
        assert_eq!((read.address, read.body), ("ab", Body::Auth(shown)));
        let step = Frame::read(b"\x05a\0s-1\x00\x00\x01\x00").unwrap();
        assert_eq!((step.address, step.body), ("a\0s-1", Body::Sync(Sync::Step1 { vector: &[0] })));
        assert_eq!(Frame::read(b"\x01a\x07").unwrap().body, Body::Close(""));
        assert_eq!(Frame::read(b"\x01a\x05\x02hi").unwrap().body, Body::Stateless("hi"));
        assert_eq!(Frame::authenticated("a", true), b"\x01a\x02\x02\x0aread-write");
        assert_eq!(Frame::denied("a", "no"), b"\x01a\x02\x01\x02no");
        for (frame, auth) in [
            (Frame::token("a", "t", "4"), Auth::Token { token: "t", says_version: true }),
            (Frame::denied("a", "no"), Auth::Denied("no")),
            (Frame::authenticated("a", false), Auth::Authenticated { may_write: false }),
        ] {
            assert_eq!(Frame::read(&frame).unwrap().body, Body::Auth(auth));
        }
        assert_eq!(Frame::read(&Frame::status("a", true)).unwrap().body, Body::Status(true));
        assert_eq!(
            (Frame::status("a", true), Frame::status("a", false)),
            (b"\x01a\x08\x01".into(), b"\x01a\x08\x00".into())
        );
        assert!(is_ping(&[9]) && !is_ping(&[9, 0]));
        assert_eq!(Frame::read(&Frame::query_awareness("a")).unwrap().body, Body::QueryAwareness);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [&b""[..], b"\x05ab", b"\x01a", b"\x01a\x00", b"\x01\xff\x03"] {
            assert!(Frame::read(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(Frame::read(b"\x01a\x63").unwrap().body, Body::Unknown);
    }
}
