//! A client without an engine: it speaks the protocol message by message, so that a test decides what is said,
//! and whether anybody listens.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use syncline::{DocId, Encoding, Principal, Spec};
use syncline_core::entry::{Body, Cursor, Digest, Entry, Seen};
use syncline_core::id::{EntryId, Epoch, ReplicaId};
use syncline_core::time::Time;
use syncline_core::wire::{Codec, Compression, Frame, Hello, Message, Numbered, OLDEST_VERSION, VERSION};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::PATIENCE;

/// A connection to a relay.
pub struct Raw {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    close_code: Option<u16>,
}

impl Raw {
    /// Connects, and says nothing.
    ///
    /// # Panics
    /// If there is no relay.
    pub async fn connect(relay: SocketAddr, encoding: Encoding) -> Self {
        let stream = TcpStream::connect(relay).await.expect("the relay listens");
        // The relay's greatest frame is ours too.
        let config = WebSocketConfig::default().max_message_size(Some(syncline_core::wire::MAX_FRAME_BYTES));
        let url = format!("ws://{relay}/sync");
        let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        let (socket, _) = upgraded.expect("the relay speaks WebSocket");
        Self { socket, codec: Codec { encoding, compression: Compression::None }, close_code: None }
    }

    /// Connects and exchanges greetings.
    ///
    /// # Panics
    /// If the relay does not greet.
    pub async fn greeted(relay: SocketAddr, encoding: Encoding) -> Self {
        let mut raw = Self::connect(relay, encoding).await;
        raw.say(&[hello(OLDEST_VERSION, VERSION)]).await;
        raw.wait_for("hello", |message| matches!(message, Message::Hello(_)).then_some(())).await;
        raw
    }

    /// Sends messages as one frame.
    pub async fn say(&mut self, messages: &[Message]) {
        let messages: Vec<_> = messages.iter().map(|message| self.codec.encode(message)).collect();
        let frame = self.codec.frame(&messages);
        self.send(frame.bytes, frame.text).await;
    }

    /// Sends bytes as a frame.
    ///
    /// # Panics
    /// If text is not UTF-8.
    pub async fn send(&mut self, bytes: Bytes, text: bool) {
        let packet = match text {
            true => Packet::Text(bytes.try_into().expect("JSON is UTF-8")),
            false => Packet::Binary(bytes),
        };
        // Whether the relay still listens, its answer tells.
        let _closed = self.socket.send(packet).await;
    }

    /// The next frame, and whether it was text; `None` once the relay has closed the connection.
    ///
    /// # Panics
    /// If there is none within [`PATIENCE`].
    pub async fn frame(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Packet::Binary(bytes))) => return Some(Frame { bytes, text: false }),
                    Some(Ok(Packet::Text(text))) => return Some(Frame { bytes: text.into(), text: true }),
                    Some(Ok(Packet::Close(close))) => self.close_code = close.map(|close| close.code.into()),
                    Some(Ok(Packet::Ping(_) | Packet::Pong(_) | Packet::Frame(_))) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        });
        next.await.expect("the relay says something in time")
    }

    /// With which code the relay closed the connection, if it has said so.
    #[must_use]
    pub const fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// The messages of the next frame.
    ///
    /// # Panics
    /// If the relay does not follow the protocol.
    pub async fn hear(&mut self) -> Option<Vec<Message>> {
        let frame = self.frame().await?;
        Some(Codec::decode(&frame).expect("the relay follows the protocol"))
    }

    /// The first message for which there is an answer.
    ///
    /// # Panics
    /// If the relay closes the connection before.
    pub async fn wait_for<T>(&mut self, what: &str, answer: impl Fn(&Message) -> Option<T>) -> T {
        while let Some(messages) = self.hear().await {
            if let Some(found) = messages.iter().find_map(&answer) {
                return found;
            }
        }
        panic!("the relay closed the connection before {what}");
    }

    /// Opens a document with an empty log of our own, and lets the relay's entries come.
    pub async fn open(&mut self, doc: &DocId, spec: Spec, epoch: Epoch) {
        let log = Cursor { epoch, offset: 0, digest: Digest::default() };
        self.say(&[Message::Open { doc: doc.clone(), spec, log, cursors: Vec::new() }]).await;
        let resumes = self
            .wait_for("resume or need-have", |message| match message {
                Message::Resume { .. } => Some(true),
                Message::NeedHave { .. } => Some(false),
                _ => None,
            })
            .await;
        let mut answer = vec![Message::Resume { doc: doc.clone() }];
        if !resumes {
            answer.push(Message::Have { doc: doc.clone(), have: syncline_core::id::Have::default() });
        }
        self.say(&answer).await;
    }
}

/// A greeting.
#[must_use]
pub fn hello(oldest: u16, newest: u16) -> Message {
    let agent = "raw client".to_owned();
    Message::Hello(Hello { oldest, newest, agent, relay: false, acks: true, compression: Vec::new() })
}

/// An update as the first entry of a replica, at an offset of our log.
///
/// # Panics
/// Never: the author's name is a name.
#[must_use]
pub fn entry(doc: &DocId, offset: u64, replica: ReplicaId, update: Bytes) -> Message {
    let entry = Entry {
        id: EntryId { replica, counter: 1 },
        author: Principal::new("mallory").expect("a name"),
        time: Time(1_000),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(update),
    };
    Message::Entries { doc: doc.clone(), entries: vec![Numbered { offset, entry: Arc::new(entry) }] }
}
