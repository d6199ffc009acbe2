//! The head of a request, read at the socket, and the answer that turns a socket into a WebSocket.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::guests::Endpoint;

/// Largest request head.
pub const MAX_HEAD_BYTES: usize = 16 << 10;

/// Most header fields in one request.
pub const MAX_HEADERS: usize = 64;

/// How long a client may take to send its request head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client that is rejected may take to hear why.
pub const PARTING_TIME: Duration = Duration::from_secs(1);

/// What a client asks for, and the bytes read so far, head included.
#[derive(Debug)]
pub struct Head {
    pub bytes: Vec<u8>,
    pub wants: Wants,
}

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Wants {
    /// Speak over a WebSocket; `length` bytes of the request are read.
    WebSocket { target: String, upgrade: Upgrade, length: usize },
    /// Serve HTTP, from the first byte.
    Http,
}

/// How a client asks for a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub key: Vec<u8>,
    /// What it would speak, best first.
    pub subprotocols: Vec<String>,
    /// The token that it shows in a header, as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Where the page comes from that asks, if a browser says so.
    pub origin: Option<String>,
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
    /// The client sends something else than HTTP/1.1.
    #[error("not an HTTP request: {0}")]
    Malformed(&'static str),
    /// It sends too much of it.
    #[error("the head of a request may have {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} fields")]
    TooLarge,
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
            return Err(HeadError::TooLarge);
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
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(_) => return Err(HeadError::Malformed("its head cannot be read")),
    };
    let target = request.path.unwrap_or_default().to_owned();
    let key = field(&request, "sec-websocket-key").filter(|_| is_upgrade(&request));
    Ok(Some(match key {
        Some(key) if speaks(&target) && request.method == Some("GET") => {
            let subprotocols = items(&request, "sec-websocket-protocol")
                .filter_map(|item| std::str::from_utf8(item).ok().map(ToOwned::to_owned));
            let (key, subprotocols) = (key.to_vec(), subprotocols.collect());
            let origin = field(&request, "origin").map(|origin| String::from_utf8_lossy(origin).into_owned());
            let upgrade = Upgrade { key, subprotocols, token: token(&request), origin };
            Wants::WebSocket { target, upgrade, length }
        }
        _ => Wants::Http,
    }))
}

/// The path of replicas.
pub const SYNC_PATH: &str = "/sync";

/// Whether somebody answers there who speaks over WebSockets.
fn speaks(target: &str) -> bool {
    target.split('?').next() == Some(SYNC_PATH) || Endpoint::of(target).is_some()
}

/// Whether a page comes from this machine, as far as its origin (RFC 6454) tells.
pub fn is_local(origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let is_loopback = |address: IpAddr| address.is_loopback();
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(is_loopback)
}

/// RFC 6750, section 2.1.
fn token(request: &httparse::Request<'_, '_>) -> Option<String> {
    const SCHEME: &str = "bearer ";
    let field = std::str::from_utf8(field(request, "authorization")?).ok()?.trim();
    let (scheme, token) = field.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim().to_owned())
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
    items(request, name).any(|found| found.eq_ignore_ascii_case(item.as_bytes()))
}

/// The items of a comma-separated field.
fn items<'b>(request: &httparse::Request<'_, 'b>, name: &str) -> impl Iterator<Item = &'b [u8]> {
    let fields = request.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    fields.flat_map(|field| field.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Answers `101 Switching Protocols`.
pub async fn accept_upgrade(
    stream: &mut TcpStream,
    key: &[u8],
    subprotocol: Option<&str>,
) -> std::io::Result<()> {
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n",
        derive_accept_key(key)
    );
    if let Some(subprotocol) = subprotocol {
        answer += &format!("sec-websocket-protocol: {subprotocol}\r\n");
    }
    answer += "\r\n";
    stream.write_all(answer.as_bytes()).await
}

/// Answers `401 Unauthorized`, for this reason.
pub async fn refuse(stream: &mut TcpStream, reason: &str) {
    answer(stream, "401 Unauthorized\r\nwww-authenticate: Bearer", reason).await;
}

/// Answers `403 Forbidden`, for this reason.
pub async fn forbid(stream: &mut TcpStream, reason: &str) {
    answer(stream, "403 Forbidden", reason).await;
}

/// Answers whoever sends what is no request, or too large a one. What still comes is thrown away for a while: hanging up on it would
/// destroy the answer on its way.
pub async fn reject(stream: &mut TcpStream, error: &HeadError) {
    let status = match error {
        HeadError::Malformed(_) => "400 Bad Request",
        HeadError::TooLarge => "431 Request Header Fields Too Large",
        HeadError::Io(_) | HeadError::Slow => return,
    };
    answer(stream, status, &error.to_string()).await;
    let (mut rest, mut nowhere) = (stream, tokio::io::sink());
    let parts = async {
        rest.shutdown().await?;
        tokio::io::copy(&mut rest, &mut nowhere).await
    };
    let _late = tokio::time::timeout(PARTING_TIME, parts).await;
}

async fn answer(stream: &mut TcpStream, status: &str, reason: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{reason}",
        reason.len()
    );
    // Who has gone meanwhile needs no answer.
    _ = stream.write_all(answer.as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &str = "GET /sync?x=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: other, syncline\r\nAuthorization: bearer t0ken\r\n\r\n";

    #[test]
    fn an_upgrade_of_the_sync_path_is_recognised() {
        let wants = parse(UPGRADE.as_bytes()).unwrap();
        let upgrade = Upgrade {
            key: b"dGhlIHNhbXBsZSBub25jZQ==".to_vec(),
            subprotocols: vec!["other".to_owned(), "syncline".to_owned()],
            token: Some("t0ken".to_owned()),
            origin: None,
        };
        let (target, length) = ("/sync?x=1".to_owned(), UPGRADE.len());
        assert_eq!(wants, Some(Wants::WebSocket { target, upgrade, length }));
    }

    #[test]
    fn everything_else_is_http_or_nothing() {
        let other = UPGRADE.replace("/sync", "/syncing");
        assert_eq!(parse(other.as_bytes()).unwrap(), Some(Wants::Http));
        let old = UPGRADE.replace("Version: 13", "Version: 8");
        assert_eq!(parse(old.as_bytes()).unwrap(), Some(Wants::Http));
        assert_eq!(parse(&UPGRADE.as_bytes()[..40]).unwrap(), None);
        assert!(matches!(parse(b"\x16\x03\x01\x02\x00\x01"), Err(HeadError::Malformed(_))));
        let many = UPGRADE.replace("Host: h\r\n", &"X: 1\r\n".repeat(MAX_HEADERS));
        assert!(matches!(parse(many.as_bytes()), Err(HeadError::TooLarge)));
    }

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for local in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "https://[::1]:8080",
            "http://app.localhost",
            "tauri://localhost",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "https://example.org",
            "null",
            "",
            "http://localhost.example.org",
            "http://localhost:80@example.org",
            "http://127.0.0.1.example.org",
            "file://",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
