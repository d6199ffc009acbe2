//! Links over WebSocket (RFC 6455), the transport that reaches a relay on the network.
//!
//! [`WebSocket`] is the connecting side. A server upgrades its socket in its own way and hands it to
//! [`accept`]; from then on both sides are the same. Neither uses a task: reading ahead by one frame,
//! flushing, pings and the verdict over a dead peer all happen while the owner of the link waits on it.
//!
//! A connection is dead when nothing, not even a part of a frame, has come in for the heartbeat's timeout
//! although it was asked for, or when in that time the peer has not taken a byte of what waits for it. So a
//! slow connection that moves is never given up, and a peer that stops reading does not hold its sender
//! for ever.
//!
//! Buffers are small from the start and bounded, but they do not shrink: a link that has received a frame of
//! 1 MiB keeps a buffer of that size. Owners that care cut what they send into frames of some 64 KiB. What is sent
//! takes no more than that: a larger frame leaves in pieces.

mod client;
mod heartbeat;
mod outgoing;
mod socket;
mod tls;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

pub use self::client::{CONNECT_TIMEOUT, WebSocket};
use self::socket::{SocketWire, Traffic};
use crate::{DEFAULT_MAX_FRAME_BYTES, Link, frame::bounded_frame_limit};

/// What the client offers and the server answers in `Sec-WebSocket-Protocol`: how both know before the
/// first frame that they mean the same thing.
pub const SUBPROTOCOL: &str = "syncline";

/// After this long without a sign of the peer it is asked for one.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// After this long without a sign of the peer it is taken for dead.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30);

/// No heartbeat setting is longer than a day; that is as good as none.
pub const HEARTBEAT_CEILING: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a closing link waits for the peer to say goodbye.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a socket read at once, allocated for every link, on the side that connects.
pub const READ_BUFFER_BYTES: usize = 4096;

/// The same on the side of the server, which has many links.
pub const SERVER_READ_BUFFER_BYTES: usize = 1024;

/// Larger frames leave in pieces, each when the one before has left.
pub const WHOLE_FRAME_BYTES: usize = 128 << 10;

/// Size of these pieces. Each link that has a large frame on its way holds one in its write buffer.
pub const FRAGMENT_BYTES: usize = 4 << 10;

/// The same for a server, whose links share their bytes.
pub const PASSED_BYTES: usize = 256 << 10;

/// What a write buffer holds beyond one largest piece: control frames.
pub const WRITE_BUFFER_SLACK_BYTES: usize = 64 << 10;

/// What both sides of a WebSocket can be told.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketSettings {
    pub(crate) max_frame_bytes: usize,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            interval: HEARTBEAT_INTERVAL,
            timeout: HEARTBEAT_TIMEOUT,
        }
    }
}

impl WebSocketSettings {
    /// The largest frame sent or accepted, within [`crate::MAX_FRAME_BYTES_CEILING`]. A peer that sends a
    /// larger one is told so and the link ends.
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bounded_frame_limit(bytes);
        self
    }

    /// Asks a silent peer for a sign of life after `interval` and gives it up after `timeout`, both within
    /// [`HEARTBEAT_CEILING`]. A peer always has at least half the interval to answer.
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        let shortest = Duration::from_millis(1);
        self.interval = interval.clamp(shortest, HEARTBEAT_CEILING);
        self.timeout = timeout.max(self.interval + self.interval / 2 + shortest);
        self
    }

    pub(crate) fn config(&self, role: Role) -> WebSocketConfig {
        let read_buffer = match role {
            Role::Client => READ_BUFFER_BYTES,
            Role::Server => SERVER_READ_BUFFER_BYTES,
        };
        WebSocketConfig::default()
            .read_buffer_size(read_buffer)
            .write_buffer_size(0)
            .max_write_buffer_size(WHOLE_FRAME_BYTES + WRITE_BUFFER_SLACK_BYTES)
            .max_message_size(Some(self.max_frame_bytes))
            .max_frame_size(Some(self.max_frame_bytes))
    }
}

/// The server's side, over a socket that has been upgraded: the answer `101` is written, and `leftover` is
/// what was read of the client's bytes after its request. `peer` names the client for people.
///
/// The server must have answered with [`SUBPROTOCOL`] where the client offered it, and should have switched
/// off the delay of small packets (`TCP_NODELAY`).
pub async fn accept<S>(
    stream: S,
    leftover: Vec<u8>,
    peer: impl Into<std::sync::Arc<str>>,
    settings: WebSocketSettings,
) -> Link
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Traffic::new(stream);
    let config = Some(settings.config(Role::Server));
    let socket = WebSocketStream::from_partially_read(stream, leftover, Role::Server, config).await;
    Link::new(peer, settings.max_frame_bytes, SocketWire::new(socket, settings, Role::Server))
}
