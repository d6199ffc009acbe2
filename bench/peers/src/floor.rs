//! The floor: a server that passes on what it hears to everybody else at the same path, over the same WebSocket library as the
//! relay, and stores, checks and merges nothing. No server that makes a message of each update for each reader can be much cheaper.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::BoxError;

/// Most frames that are put into a socket before it is flushed.
const BATCH: usize = 256;

/// Who is connected, by path and number.
type Rooms = Rc<RefCell<BTreeMap<String, BTreeMap<u64, UnboundedSender<Bytes>>>>>;

/// Room for what is read from a socket at once; the library would take much more for each connection.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// Most connections that wait to be accepted.
const BACKLOG: u32 = 4_096;

/// Serves until it is killed.
pub fn serve(address: SocketAddr) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept(address))
}

async fn accept(address: SocketAddr) -> Result<(), BoxError> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let rooms = Rooms::default();
    let serving = async {
        for number in 0.. {
            let (stream, _) = listener.accept().await?;
            let rooms = rooms.clone();
            spawn_local(async move {
                // Whoever does not speak WebSocket is gone.
                let _ended = attend(rooms, number, stream).await;
            });
        }
        Ok(())
    };
    LocalSet::new().run_until(serving).await
}

#[expect(clippy::result_large_err, reason = "the library's own signature")]
async fn attend(rooms: Rooms, number: u64, stream: TcpStream) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let lean = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0);
    let socket = tokio_tungstenite::accept_hdr_async_with_config(stream, note, Some(lean)).await?;
    let (sender, receiver) = unbounded_channel();
    rooms.borrow_mut().entry(path.clone()).or_default().insert(number, sender);
    let ended = converse(&rooms, &path, number, socket, receiver).await;
    if let Some(room) = rooms.borrow_mut().get_mut(&path) {
        room.remove(&number);
    }
    ended
}

async fn converse(
    rooms: &Rooms,
    path: &str,
    number: u64,
    mut socket: WebSocketStream<TcpStream>,
    mut receiver: UnboundedReceiver<Bytes>,
) -> Result<(), BoxError> {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            packet = socket.next() => match packet {
                Some(Ok(Packet::Binary(frame))) => broadcast(rooms, path, number, &frame),
                Some(Ok(Packet::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
            _ = receiver.recv_many(&mut batch, BATCH) => {
                for frame in batch.drain(..) {
                    socket.feed(Packet::Binary(frame)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

fn broadcast(rooms: &Rooms, path: &str, number: u64, frame: &Bytes) {
    if let Some(room) = rooms.borrow().get(path) {
        for (_, other) in room.iter().filter(|(other, _)| **other != number) {
            // Who is gone misses it.
            let _gone = other.send(frame.clone());
        }
    }
}
