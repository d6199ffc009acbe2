//! Asking a relay's HTTP side, as curl would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status code.
    pub code: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body, as far as it is text.
    pub body: String,
}

/// `GET` of a path.
///
/// # Panics
/// If nobody answers, or not in HTTP.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), None, b"")
}

/// Sends a request of this method and path, with a token, if there is one, and a body.
///
/// # Panics
/// If nobody answers, or not in HTTP.
#[must_use]
pub fn ask(address: SocketAddr, line: &str, token: Option<&str>, body: &[u8]) -> Answer {
    let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    ask_with(address, line, &format!("host: {address}\r\nconnection: close\r\n{token}"), body)
}

/// Sends a request with these header fields, each of which ends its line, and a body.
///
/// # Panics
/// If nobody answers, or not in HTTP.
#[must_use]
pub fn ask_with(address: SocketAddr, line: &str, fields: &str, body: &[u8]) -> Answer {
    let answer = exchange(address, line, fields, body);
    let answer = answer.unwrap_or_else(|error| panic!("http://{address}, {line}: {error}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let code = code.unwrap_or_else(|| panic!("no HTTP: {head:?}"));
    Answer { code, head: head.to_owned(), body: body.to_owned() }
}

fn exchange(address: SocketAddr, line: &str, fields: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("{line} HTTP/1.1\r\n{fields}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
