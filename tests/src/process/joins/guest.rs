//! A Yjs client without a document: it says that it holds nothing, and takes what it is given.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use syncline_core::protocol::hocuspocus::{Auth, Body, Frame};
use syncline_core::protocol::y_websocket::{Message, Sync};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use twox_hash::XxHash3_64;

use super::Host;
use crate::process::PATIENCE;

/// Largest message that is taken.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What Hocuspocus clients say of themselves.
const VERSION: &str = "4.0.0";

/// A connection.
pub struct Guest {
    socket: WebSocketStream<TcpStream>,
    /// The document, where messages name it.
    address: Option<String>,
    since: Instant,
}

/// What a client was given.
pub struct Joined {
    /// How long it took from its connection on.
    pub took: Duration,
    /// Stands for all updates.
    pub digest: u64,
    /// They, if they were kept.
    pub updates: Vec<Vec<u8>>,
}

/// What the other side says, as far as that matters here.
enum Heard {
    Update(Vec<u8>),
    Last(Vec<u8>),
    Taken,
    LetIn,
    Else,
}

impl Guest {
    /// Connects, and is let in.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn connect(host: Host, server: SocketAddr, doc: &str) -> Self {
        let since = Instant::now();
        let (path, address) = match host {
            Host::RelayYjs => (format!("yjs/{doc}"), None),
            Host::RelayHocuspocus => ("hocuspocus".to_owned(), Some(doc.to_owned())),
            Host::Hocuspocus => (String::new(), Some(doc.to_owned())),
        };
        let stream = TcpStream::connect(server).await.expect("somebody listens");
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let url = format!("ws://{server}/{path}");
        let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        let mut guest = Self { socket: upgraded.expect("it speaks WebSocket").0, address, since };
        if let Some(address) = guest.address.clone() {
            guest.say(Frame::token(&address, "", VERSION)).await;
            while !matches!(guest.hear().await, Heard::LetIn) {}
        }
        guest
    }

    /// Says that it holds nothing, and takes everything.
    pub async fn join(mut self, keeps: bool) -> Joined {
        self.say_sync(&Sync::Step1 { vector: &[0] }).await;
        let (mut hasher, mut updates) = (XxHash3_64::with_seed(0), Vec::new());
        loop {
            let (update, last) = match self.hear().await {
                Heard::Update(update) => (update, false),
                Heard::Last(update) => (update, true),
                Heard::Taken | Heard::LetIn | Heard::Else => continue,
            };
            hasher.write(&update);
            if keeps {
                updates.push(update);
            }
            if last {
                return Joined { took: self.since.elapsed(), digest: hasher.finish(), updates };
            }
        }
    }

    /// Sends updates, and waits until each of them was taken.
    ///
    /// # Panics
    /// If the protocol does not tell that.
    pub async fn write(&mut self, updates: &[Vec<u8>]) {
        assert!(self.address.is_some(), "y-websocket does not tell");
        for update in updates {
            self.say_sync(&Sync::Update { update }).await;
        }
        for _ in updates {
            while !matches!(self.hear().await, Heard::Taken) {}
        }
    }

    async fn say_sync(&mut self, sync: &Sync<'_>) {
        let frame = match &self.address {
            Some(address) => Frame::sync(address, sync),
            None => {
                let mut frame = Vec::new();
                sync.write(&mut frame);
                frame
            }
        };
        self.say(frame).await;
    }

    async fn say(&mut self, frame: Vec<u8>) {
        self.socket.send(Packet::Binary(frame.into())).await.expect("the server listens");
    }

    async fn hear(&mut self) -> Heard {
        let frame = self.frame().await;
        if self.address.is_none() {
            return match Message::read(&frame).expect("it is a message") {
                Message::Sync(sync) => heard(&sync),
                _ => Heard::Else,
            };
        }
        match Frame::read(&frame).expect("it is a frame").body {
            Body::Sync(sync) => heard(&sync),
            Body::Auth(Auth::Authenticated { .. }) => Heard::LetIn,
            Body::Status(true) => Heard::Taken,
            _ => Heard::Else,
        }
    }

    async fn frame(&mut self) -> Bytes {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Packet::Binary(bytes))) => return bytes,
                    Some(Ok(Packet::Ping(_) | Packet::Pong(_) | Packet::Frame(_) | Packet::Text(_))) => {}
                    Some(Ok(Packet::Close(close))) => panic!("the server ends it: {close:?}"),
                    other => panic!("the server has gone: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the server says something in time")
    }
}

fn heard(sync: &Sync<'_>) -> Heard {
    match sync {
        Sync::Update { update } => Heard::Update(update.to_vec()),
        Sync::Step2 { update } => Heard::Last(update.to_vec()),
        Sync::Step1 { .. } => Heard::Else,
    }
}
