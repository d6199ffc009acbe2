//! One WebSocket, seen from a client (RFC 6455), on a socket that never blocks.
//!
//! It is written here because what is measured is the server: frames are read where they lie in the buffer, without a copy or an
//! allocation, and many small ones by one system call. A library that serves every purpose costs several times that.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::BoxError;

/// Largest message that is taken.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// Longest head of an HTTP answer.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// What comes first in a frame.
const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a length stands for that does not fit into seven bits.
const MASKED: u8 = 0x80;
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// Any mask does, as long as it is none of zeros, which servers need not undo.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x96, 0x3c];

/// A connection.
pub struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come.
    unread: Vec<u8>,
    /// How long that frame will be, once that is known.
    wanted: usize,
    /// The frames of a message that came so far.
    message: Vec<u8>,
    upgraded: bool,
    out: Outbox,
}

/// What happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server has agreed to speak WebSocket: now something may be said.
    Opened,
    /// A message.
    Heard(&'a [u8]),
}

/// What is said, until the system takes it.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
}

/// A frame of a server: its first byte, where its payload begins, and how long that is.
struct Head {
    first: u8,
    at: usize,
    length: usize,
}

impl Socket {
    /// Connects, and asks for the WebSocket at a path.
    pub fn connect(server: SocketAddr, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let bytes = format!(
            "GET /{path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let out = Outbox { bytes: bytes.into_bytes() };
        Ok(Self { stream, unread: Vec::new(), wanted: 0, message: Vec::new(), upgraded: false, out })
    }

    /// The system's side of it.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Where to put what is said; [`Socket::flush`] sends it.
    pub const fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// Sends what was said, as much as the system takes.
    pub fn flush(&mut self) -> Result<(), BoxError> {
        let mut sent = 0;
        while sent < self.out.bytes.len() {
            match self.stream.write(&self.out.bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.out.bytes.drain(..sent);
        Ok(())
    }

    /// Reads all that has come, and hands on what happened with the way to answer.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        mut hear: impl FnMut(Event<'_>, &mut Outbox) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err("the server has closed the connection".into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            self.take(&buffer[..count], &mut hear)?;
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        hear: &mut impl FnMut(Event<'_>, &mut Outbox) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        if self.unread.is_empty() {
            let used = self.parse(bytes, hear)?;
            self.unread.reserve(self.wanted);
            self.unread.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        let used = self.parse(&unread, hear)?;
        unread.drain(..used);
        unread.reserve(self.wanted.saturating_sub(unread.len()));
        self.unread = unread;
        Ok(())
    }

    /// Takes whole frames, and returns how many bytes these are.
    fn parse(
        &mut self,
        bytes: &[u8],
        hear: &mut impl FnMut(Event<'_>, &mut Outbox) -> Result<(), BoxError>,
    ) -> Result<usize, BoxError> {
        self.wanted = 0;
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = upgrade(bytes)? else { return Ok(0) };
            (self.upgraded, used) = (true, end);
            hear(Event::Opened, &mut self.out)?;
        }
        while let Some(head) = Head::read(&bytes[used..])? {
            let payload = &bytes[used + head.at..];
            let Some(payload) = payload.get(..head.length) else {
                // Room for all of it at once, so that a long message is not moved again and again.
                self.wanted = head.at + head.length;
                break;
            };
            used += head.at + head.length;
            self.frame(head.first, payload, hear)?;
        }
        Ok(used)
    }

    fn frame(
        &mut self,
        first: u8,
        payload: &[u8],
        hear: &mut impl FnMut(Event<'_>, &mut Outbox) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let is_final = first & FINAL != 0;
        match first & !FINAL {
            TEXT | BINARY if is_final => hear(Event::Heard(payload), &mut self.out),
            TEXT | BINARY | CONTINUATION => {
                self.message.extend_from_slice(payload);
                if !is_final {
                    return Ok(());
                }
                let message = std::mem::take(&mut self.message);
                hear(Event::Heard(&message), &mut self.out)
            }
            PING => {
                self.out.frame(PONG, payload);
                Ok(())
            }
            PONG => Ok(()),
            CLOSE => Err(format!("the server says goodbye: {}", closing(payload)).into()),
            other => Err(format!("there are no frames of type {other}").into()),
        }
    }
}

impl Outbox {
    /// A message.
    pub fn say(&mut self, message: &[u8]) {
        self.frame(BINARY, message);
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        self.bytes.push(FINAL | kind);
        match payload.len() {
            length @ 0..126 => self.bytes.push(MASKED | u8::try_from(length).expect("it is below 126")),
            length => match u16::try_from(length) {
                Ok(length) => {
                    self.bytes.push(MASKED | TWO_BYTES);
                    self.bytes.extend(length.to_be_bytes());
                }
                Err(_) => {
                    self.bytes.push(MASKED | EIGHT_BYTES);
                    self.bytes.extend((length as u64).to_be_bytes());
                }
            },
        }
        self.bytes.extend(MASK);
        self.bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
}

impl Head {
    /// What a frame says of itself, once that has come.
    fn read(bytes: &[u8]) -> Result<Option<Self>, BoxError> {
        let [first, length, rest @ ..] = bytes else { return Ok(None) };
        let (at, length) = match *length {
            TWO_BYTES => match rest.first_chunk() {
                Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            EIGHT_BYTES => match rest.first_chunk() {
                Some(length) => (10, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            length => (2, u64::from(length)),
        };
        match usize::try_from(length) {
            Ok(length) if length <= MAX_MESSAGE_BYTES => Ok(Some(Self { first: *first, at, length })),
            _ => Err(format!("a message of {length} bytes is too large").into()),
        }
    }
}

/// Where the answer to the request ends, if it has come; an error if it is a refusal.
fn upgrade(bytes: &[u8]) -> Result<Option<usize>, BoxError> {
    let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
        return if bytes.len() < MAX_HEAD_BYTES { Ok(None) } else { Err("the answer does not end".into()) };
    };
    match bytes.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(Some(end + 4)),
        false => Err(format!("no WebSocket here: {}", String::from_utf8_lossy(&bytes[..end])).into()),
    }
}

fn closing(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const YES: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

    /// What a client hears of what a server says in pieces of so many bytes.
    fn heard(said: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, BoxError> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let mut socket = Socket::connect(listener.local_addr()?, "")?;
        let mut messages = Vec::new();
        for bytes in said.chunks(piece) {
            socket.take(bytes, &mut |event, _| {
                if let Event::Heard(message) = event {
                    messages.push(message.to_vec());
                }
                Ok(())
            })?;
        }
        Ok(messages)
    }

    #[test]
    fn messages_are_read_wherever_they_are_cut() {
        let long = vec![7; 300];
        let head = [0x82, 126, 1, 44];
        let parts: [&[u8]; 6] = [YES, &[0x82, 2, 1, 2], &[0x02, 1, 3], &[0x80, 2, 4, 5], &head, &long];
        let said = [&parts.concat()[..], &[0x82, 0]].concat();
        for piece in [1, 2, 3, 7, 50, 1_000] {
            let expected = [vec![1, 2], vec![3, 4, 5], long.clone(), vec![]];
            assert_eq!(heard(&said, piece).expect("it can be read"), expected, "{piece}");
        }
    }

    #[test]
    fn what_ends_a_connection_is_said() {
        let refused = heard(b"HTTP/1.1 404 Not Found\r\n\r\n", 5).expect_err("it is a refusal").to_string();
        assert!(refused.contains("404"), "{refused}");
        let closed = heard(&[YES, &[0x88, 5, 3, 0xf0, b'b', b'y', b'e']].concat(), 64);
        assert!(closed.expect_err("it is closed").to_string().contains("1008 bye"));
    }

    #[test]
    fn what_is_said_is_masked() {
        let mut out = Outbox::default();
        out.say(&[0; 5]);
        assert_eq!(out.bytes, [0x82, 0x85, 0x5a, 0xc3, 0x96, 0x3c, 0x5a, 0xc3, 0x96, 0x3c, 0x5a]);
        out.bytes.clear();
        out.say(&[0; 70_000]);
        assert_eq!(out.bytes[..10], [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }
}
