//! Clients of other protocols without their libraries: a test decides, byte by byte, what is said to a relay, and hears what it
//! answers and how it ends a connection.

pub mod automerge_repo;
pub mod scene;
pub mod yjs;

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as Packet};

use super::PATIENCE;

/// Largest message of a client that a relay takes in.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// How a relay ends a connection: its code, and its reason.
pub type Goodbye = (u16, String);

/// A connection to one of the endpoints for other people's clients.
pub struct Guest {
    socket: WebSocketStream<TcpStream>,
    goodbye: Option<Goodbye>,
}

impl Guest {
    /// Connects to a path of the relay, and says nothing.
    ///
    /// # Panics
    /// If nobody speaks WebSocket there.
    pub async fn connect(relay: SocketAddr, target: &str) -> Self {
        let upgraded = upgrade(relay, target).await;
        let socket = upgraded.unwrap_or_else(|error| panic!("{target}: {error}"));
        Self { socket, goodbye: None }
    }

    /// The status with which the relay answers who wants to speak WebSocket where nobody does.
    ///
    /// # Panics
    /// If somebody does.
    pub async fn turned_away(relay: SocketAddr, target: &str) -> u16 {
        match upgrade(relay, target).await.err() {
            Some(Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("{target} was not turned away: {other:?}"),
        }
    }

    /// Sends a message.
    pub async fn say(&mut self, message: impl Into<Bytes>) {
        self.send(Packet::Binary(message.into())).await;
    }

    /// Sends a message of text, which none of the protocols has.
    pub async fn say_text(&mut self, text: &str) {
        self.send(Packet::text(text)).await;
    }

    async fn send(&mut self, packet: Packet) {
        // Whether the relay still listens, its answer tells.
        let _closed = self.socket.send(packet).await;
    }

    /// Sends the head of a message that is to have so many bytes, and nothing of these.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn begin(&mut self, bytes: usize) {
        const FINAL_BINARY: u8 = 0x82;
        const MASKED_LONG: u8 = 0xff;
        let mask = [0; 4];
        let head = [&[FINAL_BINARY, MASKED_LONG][..], &(bytes as u64).to_be_bytes(), &mask].concat();
        self.socket.get_mut().write_all(&head).await.expect("the relay listens");
    }

    /// The next message; `None` once the relay has closed the connection.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`].
    pub async fn hear(&mut self) -> Option<Bytes> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Packet::Binary(bytes))) => return Some(bytes),
                    Some(Ok(Packet::Close(close))) => {
                        self.goodbye =
                            close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                    }
                    Some(Ok(Packet::Ping(_) | Packet::Pong(_) | Packet::Frame(_))) => {}
                    Some(Ok(Packet::Text(text))) => panic!("none of the protocols has text: {text}"),
                    Some(Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the relay says something in time")
    }

    /// The next message to somebody who behaves.
    ///
    /// # Panics
    /// If the relay has closed the connection.
    pub async fn is_served(&mut self) -> Bytes {
        let message = self.hear().await;
        message.unwrap_or_else(|| panic!("who behaves is served: {:?}", self.goodbye))
    }

    /// The first message for which there is an answer.
    ///
    /// # Panics
    /// If the relay closes the connection before, or there is none within [`PATIENCE`], whatever else is said.
    pub async fn wait_for<T>(&mut self, what: &str, mut answer: impl FnMut(&[u8]) -> Option<T>) -> T {
        let found = async {
            while let Some(message) = self.hear().await {
                if let Some(found) = answer(&message) {
                    return Some(found);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        let found = found.unwrap_or_else(|_| panic!("the relay does not come to {what}"));
        found.unwrap_or_else(|| panic!("the relay closed the connection before {what}: {:?}", self.goodbye))
    }

    /// Waits until the relay has closed the connection, whatever it says before, and returns how it did.
    ///
    /// # Panics
    /// If it closes without a word.
    pub async fn goodbye(&mut self) -> Goodbye {
        while self.hear().await.is_some() {}
        self.goodbye.take().expect("the relay says why it closes a connection")
    }
}

/// Somebody who keeps to a protocol, and has a copy of the document.
#[expect(async_fn_in_trait, reason = "tests await it where they are")]
pub trait Behaved {
    /// What is edited of the document.
    fn json(&self) -> Json;

    /// Takes in a message, and answers it.
    async fn hear(&mut self) -> Bytes;

    /// Waits until a key has a value.
    async fn sees(&mut self, key: &str, value: i64) {
        while self.json()[key] != value {
            self.hear().await;
        }
    }

    /// Goes on until the relay says something for which there is an answer.
    async fn wait_for<T>(&mut self, answer: impl Fn(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(found) = answer(&self.hear().await) {
                return found;
            }
        }
    }
}

async fn upgrade(relay: SocketAddr, target: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(relay).await.expect("the relay listens");
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * MAX_MESSAGE_BYTES))
        .max_frame_size(Some(2 * MAX_MESSAGE_BYTES));
    let url = format!("ws://{relay}{target}");
    Ok(tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?.0)
}
