//! What y-sweet wants before its WebSocket: a document, and a token for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value as Json;

use crate::BoxError;

/// Makes a document, if it is not there, and returns the target of the WebSocket for it.
pub fn y_sweet_path(server: SocketAddr, doc: &str) -> Result<String, BoxError> {
    post(server, "doc/new", &format!("{{\"docId\":\"{doc}\"}}"))?;
    let token = post(server, &format!("doc/{doc}/auth"), "{}")?;
    Ok(match token["token"].as_str() {
        Some(token) => format!("d/{doc}/ws/{doc}?token={token}"),
        None => format!("d/{doc}/ws/{doc}"),
    })
}

fn post(server: SocketAddr, path: &str, body: &str) -> Result<Json, BoxError> {
    let mut stream = TcpStream::connect(server)?;
    let length = body.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    match head.starts_with("HTTP/1.1 200 ") {
        true => Ok(serde_json::from_str(body)?),
        false => Err(format!("POST /{path}: {answer}").into()),
    }
}
