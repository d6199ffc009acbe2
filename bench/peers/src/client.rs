//! One connection to a server.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::BoxError;
use crate::protocol::{Heard, Protocol};

/// Largest message that is taken.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// How long a server may take to let somebody in and tell what it holds.
const JOIN_TIME: Duration = Duration::from_secs(60);

/// A document at a server.
#[derive(Clone, Debug)]
pub struct Place {
    pub server: SocketAddr,
    /// The target of the WebSocket, behind the address.
    pub path: String,
    pub doc: String,
    pub protocol: Protocol,
}

/// The two halves of a connection.
pub type Mouth = SplitSink<WebSocketStream<TcpStream>, Packet>;
pub struct Ear(SplitStream<WebSocketStream<TcpStream>>);

impl Place {
    /// Connects, and takes what the document holds, which each of `hear` is told as updates.
    pub async fn join(&self, hear: impl FnMut(&[u8])) -> Result<(Mouth, Ear), BoxError> {
        tokio::time::timeout(JOIN_TIME, self.joins(hear)).await?
    }

    async fn joins(&self, mut hear: impl FnMut(&[u8])) -> Result<(Mouth, Ear), BoxError> {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let url = format!("ws://{}/{}", self.server, self.path);
        let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        let (mut mouth, receiver) = socket.split();
        let mut ear = Ear(receiver);
        if let Some(token) = self.protocol.token(&self.doc) {
            say(&mut mouth, token.into()).await?;
            while self.protocol.hear(&ear.frame().await?) != Heard::LetIn {}
        }
        let Some(question) = self.protocol.question(&self.doc) else { return Ok((mouth, ear)) };
        say(&mut mouth, question.into()).await?;
        loop {
            match self.protocol.hear(&ear.frame().await?) {
                Heard::Update(update) => hear(update),
                Heard::Whole(update) => {
                    hear(update);
                    return Ok((mouth, ear));
                }
                Heard::LetIn | Heard::Else => {}
            }
        }
    }
}

/// Sends a frame.
pub async fn say(mouth: &mut Mouth, frame: Bytes) -> Result<(), BoxError> {
    Ok(mouth.send(Packet::Binary(frame)).await?)
}

impl Ear {
    /// The next frame; an error if there are no more.
    pub async fn frame(&mut self) -> Result<Bytes, BoxError> {
        loop {
            match self.0.next().await {
                Some(Ok(Packet::Binary(frame))) => return Ok(frame),
                Some(Ok(Packet::Close(close))) => return Err(format!("closed: {close:?}").into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the connection is gone".into()),
            }
        }
    }
}
