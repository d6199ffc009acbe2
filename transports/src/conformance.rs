//! What every transport must do, as a test that any transport can be run through.
//!
//! A transport of your own passes when [`suite`] returns `Ok` for a [`Harness`] around it:
//!
//! ```
//! use async_trait::async_trait;
//! use syncline_transports::{Link, Transport, conformance, memory};
//! use tokio::sync::Mutex;
//!
//! struct InMemory(memory::MemoryTransport, Mutex<memory::MemoryListener>);
//!
//! #[async_trait]
//! impl conformance::Harness for InMemory {
//!     fn transport(&self) -> &dyn Transport {
//!         &self.0
//!     }
//!
//!     async fn accept(&self) -> Link {
//!         self.1.lock().await.accept().await.expect("the transport is still there")
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let (transport, listener) = memory::listen();
//! conformance::suite(&InMemory(transport, Mutex::new(listener))).await
//! # }).unwrap();
//! ```
//!
//! The suite counts the tasks of the runtime it runs in, so nothing else should come and go there meanwhile.

mod rules;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::time::timeout;

use crate::{Link, Transport};

/// No rule may take longer; a link that hangs is a violation too.
pub const RULE_TIMEOUT: Duration = Duration::from_secs(60);

/// A send that has not finished after this long is taken to wait for its peer.
pub const STALL: Duration = Duration::from_millis(300);

/// Bytes that a link may take before it makes a sender wait whose peer does not read.
pub const MAX_UNREAD_BYTES: usize = 32 << 20;

/// Links that are open at once in the rule about many.
pub const MANY_LINKS: usize = 50;

/// Both sides of the transport under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The connecting side.
    fn transport(&self) -> &dyn Transport;

    /// The answering side of one connect that has not been accepted yet; waits for it if need be.
    async fn accept(&self) -> Link;

    /// For transports with a heartbeat: a link to a peer that has accepted it and does nothing ever after,
    /// with a heartbeat short enough for a test.
    async fn connect_to_silence(&self) -> Option<Link> {
        None
    }
}

/// A promise that the transport does not keep.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the transport breaks the rule {rule:?}: {detail}")]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What happened instead.
    pub detail: String,
}

/// Holds the transport to every rule; stops at the first one it breaks.
pub async fn suite(harness: &dyn Harness) -> Result<(), Violation> {
    hold("frames arrive in order, once, in their kind", rules::order(harness)).await?;
    hold("frames of every size up to the limit arrive whole", rules::sizes(harness)).await?;
    hold("a frame over the limit is refused and the link goes on", rules::limit(harness)).await?;
    hold("both directions work at once, from two tasks", rules::duplex(harness)).await?;
    hold("a receive given up half-way loses nothing", rules::cancelled(harness)).await?;
    hold("a peer that does not read makes send wait", rules::back_pressure(harness)).await?;
    hold("a close arrives with its reason, after the frames", rules::close(harness)).await?;
    hold("a dropped link ends for the peer, but not in good order", rules::drop_is_loss(harness)).await?;
    hold("the first half dropped leaves the other working", rules::half_dropped(harness)).await?;
    hold("many links work at once", rules::many(harness)).await?;
    hold("one can connect again after every kind of end", rules::reconnect(harness)).await?;
    hold("dropped links leave no task behind", rules::freed(harness)).await?;
    hold("a peer that is only half dead is noticed", rules::silence(harness)).await
}

type Verdict = Result<(), String>;

async fn hold(rule: &'static str, trial: impl Future<Output = Verdict>) -> Result<(), Violation> {
    let verdict = timeout(RULE_TIMEOUT, trial).await;
    let verdict = verdict.unwrap_or_else(|_| Err(format!("no result within {RULE_TIMEOUT:?}")));
    verdict.map_err(|detail| Violation { rule, detail })
}
