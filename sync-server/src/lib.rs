//! The relay: the replica of `syncline-core` under the policy that connects everybody, over sockets.
//!
//! ```text
//! socket ──► head ──┬─ upgrade of /sync ───► WebSocket link ──► node (the engine's driver loop)
//!                   ├─ upgrade of /yjs/… ──► WebSocket link ──► guests ──► rooms ──► node
//!                   └─ anything else ──────► HTTP: /, /healthz, /status.json, /metrics
//! ```
//!
//! A request is recognised at the socket, before any HTTP machinery exists for it, so an idle WebSocket
//! connection holds a socket, a lean buffer and nothing else.

mod auth;
mod digits;
mod guests;
mod head;
mod http;
mod identity;
mod intake;
mod listing;
mod metrics;
mod relay;
mod rooms;

pub use auth::{Auth, AuthError, make_token};
pub use identity::IdentityError;
pub use relay::{Relay, RelayError, Settings, threads};
