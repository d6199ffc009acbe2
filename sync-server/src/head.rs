//! The head of a request, read at the socket, and the answer that turns a socket into a WebSocket.

use std::time::Duration;

use syncline::transports::websocket::SUBPROTOCOL;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Largest request head.
pub const MAX_HEAD_BYTES: usize = 16 << 10;

/// Most header fields in one request.
pub const MAX_HEADERS: usize = 64;

/// How long a client may take to send its request head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client asks for, and the bytes read so far, head included.
#[derive(Debug)]
pub struct Head {
    pub bytes: Vec<u8>,
    pub wants: Wants,
}

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Wants {
    /// Speak the native protocol over a WebSocket; `length` bytes of the request are read.
    Sync { key: Vec<u8>, offers_subprotocol: bool, length: usize },
    /// Serve HTTP, from the first byte.
    Http,
}

/// The connection is dropped.
#[derive(Debug, Error)]
pub enum HeadError {
    /// The client closed it or the network did.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The client takes longer than [`HEAD_TIMEOUT`].
    #[error("no request within {HEAD_TIMEOUT:?}")]
    Slow,
    /// The client sends something else than HTTP/1.1, or too much of it.
    #[error("not an HTTP request: {0}")]
    Malformed(&'static str),
}

/// Reads a request up to the end of its head.
pub async fn read(stream: &mut TcpStream) -> Result<Head, HeadError> {
    tokio::time::timeout(HEAD_TIMEOUT, read_patiently(stream)).await.map_err(|_| HeadError::Slow)?
}

async fn read_patiently(stream: &mut TcpStream) -> Result<Head, HeadError> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(HeadError::Malformed("it ends in the middle of its head"));
        }
        if let Some(wants) = parse(&bytes)? {
            return Ok(Head { bytes, wants });
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return Err(HeadError::Malformed("its head is too large"));
        }
    }
}

/// `None` while the head is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<Wants>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HeadError::Malformed("its head cannot be read")),
    };
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let key = field(&request, "sec-websocket-key").filter(|_| is_upgrade(&request));
    Ok(Some(match key {
        Some(key) if path == "/sync" && request.method == Some("GET") => Wants::Sync {
            key: key.to_vec(),
            offers_subprotocol: contains(&request, "sec-websocket-protocol", SUBPROTOCOL),
            length,
        },
        _ => Wants::Http,
    }))
}

/// RFC 6455, section 4.2.1.
fn is_upgrade(request: &httparse::Request<'_, '_>) -> bool {
    contains(request, "connection", "upgrade")
        && contains(request, "upgrade", "websocket")
        && field(request, "sec-websocket-version") == Some(b"13")
}

fn field<'b>(request: &httparse::Request<'_, 'b>, name: &str) -> Option<&'b [u8]> {
    request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Whether a comma-separated field has an item, in any case.
fn contains(request: &httparse::Request<'_, '_>, name: &str, item: &str) -> bool {
    let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    let mut items = fields.flat_map(|field| field.value.split(|byte| *byte == b','));
    items.any(|found| found.trim_ascii().eq_ignore_ascii_case(item.as_bytes()))
}

/// Answers `101 Switching Protocols`.
pub async fn accept_upgrade(
    stream: &mut TcpStream,
    key: &[u8],
    offers_subprotocol: bool,
) -> std::io::Result<()> {
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n",
        derive_accept_key(key)
    );
    if offers_subprotocol {
        answer += &format!("sec-websocket-protocol: {SUBPROTOCOL}\r\n");
    }
    answer += "\r\n";
    stream.write_all(answer.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &str = "GET /sync?x=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: other, syncline\r\n\r\n";

    #[test]
    fn an_upgrade_of_the_sync_path_is_recognised() {
        let wants = parse(UPGRADE.as_bytes()).unwrap();
        let key = b"dGhlIHNhbXBsZSBub25jZQ==".to_vec();
        assert_eq!(wants, Some(Wants::Sync { key, offers_subprotocol: true, length: UPGRADE.len() }));
    }

    #[test]
    fn everything_else_is_http_or_nothing() {
        let other = UPGRADE.replace("/sync", "/syncing");
        assert_eq!(parse(other.as_bytes()).unwrap(), Some(Wants::Http));
        let old = UPGRADE.replace("Version: 13", "Version: 8");
        assert_eq!(parse(old.as_bytes()).unwrap(), Some(Wants::Http));
        assert_eq!(parse(&UPGRADE.as_bytes()[..40]).unwrap(), None);
        assert!(parse(b"\x16\x03\x01\x02\x00\x01").is_err());
    }
}
