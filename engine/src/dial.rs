//! Keeping a link up: dial, run, wait, dial again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_core::event::Side;
use syncline_core::id::ConnectionId;
use syncline_core::random::Random;
use syncline_core::replica::Backoff;
use syncline_core::wire::ErrorCode;
use syncline_transports::{Transport, TransportError};

use crate::node::{Attached, Node};
use crate::observers::Slot;
use crate::status::{Connection, Promise};

/// What is known of a link beyond its being there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// Whether the peer has greeted us.
    pub greeted: bool,
    /// Milliseconds that the peer wants us to stay away after its goodbye.
    pub retry_after: Option<u64>,
    /// What is wrong beyond a single document, as the peer said, or as this side found when it gave the link up.
    pub complaint: Option<(ErrorCode, String)>,
}

/// What is known of links, by number.
pub(crate) type Links = HashMap<ConnectionId, LinkState>;

/// How to dial.
#[derive(Clone, Debug)]
pub(crate) struct Dialing {
    /// Longest wait between attempts, in milliseconds.
    pub longest_wait: u64,
    /// Where jitter comes from.
    pub seed: u64,
}

/// Why there is no link, or none any more.
pub(crate) struct Lost {
    pub error: String,
    /// Whether trying again can hardly help.
    pub permanent: bool,
    /// Milliseconds that the other side wants to be left alone.
    pub retry_after: Option<u64>,
}

/// When to dial again.
pub(crate) struct Redial {
    backoff: Backoff,
    random: Random,
    longest_wait: u64,
}

impl Redial {
    pub fn new(dialing: &Dialing) -> Self {
        let Dialing { longest_wait, seed } = *dialing;
        Self { backoff: Backoff::up_to(longest_wait), random: Random::new(seed), longest_wait }
    }

    /// The other side was reached and talked sense; the next wait is short again.
    pub const fn reset(&mut self) {
        self.backoff.reset();
    }

    /// Shows why there is no link, and waits until it is time to dial again.
    pub async fn wait(&mut self, endpoint: String, lost: Lost, show: impl FnOnce(Connection)) {
        let Lost { error, permanent, retry_after } = lost;
        let least = retry_after.unwrap_or(0).min(self.longest_wait);
        let wait = self.backoff.after_failure(&mut self.random).max(least);
        tracing::debug!(endpoint, error, wait, "not connected");
        show(Connection::Offline { endpoint, error, permanent, retry_in: wait });
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

impl Lost {
    /// The next attempt may well be a good one.
    pub const fn for_now(error: String) -> Self {
        Self { error, permanent: false, retry_after: None }
    }

    /// A link that was up has ended.
    fn link(endpoint: &str, link: LinkState) -> Self {
        let permanent = matches!(link.complaint, Some((ErrorCode::Version, _)));
        let complaint = link.complaint.map_or_else(|| "the connection was lost".to_owned(), |(_, said)| said);
        Self { error: format!("{endpoint}: {complaint}"), permanent, retry_after: link.retry_after }
    }
}

impl From<TransportError> for Lost {
    fn from(error: TransportError) -> Self {
        let retry_after = error.retry_after();
        Self {
            error: error.to_string(),
            permanent: error.is_permanent(),
            retry_after: retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// Dials until dropped, and tells how it goes.
pub(crate) async fn keep_connected(node: Node, transport: Arc<dyn Transport>, dialing: Dialing, slot: Slot) {
    let mut redial = Redial::new(&dialing);
    loop {
        let endpoint = transport.endpoint();
        slot.set(Connection::Connecting { endpoint: endpoint.clone() });
        let lost = match transport.connect().await {
            Ok(link) => {
                let endpoint = link.endpoint().to_owned();
                let attached = node.attach(link, Side::Dialed);
                let link = watch_link(attached, endpoint.clone(), &slot, &mut redial).await;
                Lost::link(&endpoint, link)
            }
            Err(error) => error.into(),
        };
        redial.wait(endpoint, lost, |connection| slot.set(connection)).await;
    }
}

/// Waits for the link's end; returns what was known of it.
async fn watch_link(attached: Attached, endpoint: String, slot: &Slot, redial: &mut Redial) -> LinkState {
    let Attached { id, mut ended } = attached;
    let mut links = slot.links();
    let greeted = |links: &Links| links.get(&id).is_some_and(|link| link.greeted);
    let is_greeted = tokio::select! {
        greeted = links.wait_for(greeted) => greeted.is_ok(),
        _ = &mut ended => false,
    };
    if is_greeted {
        redial.reset();
        slot.set(Connection::Connected { endpoint, promise: Promise::Durable });
        // The sender is dropped, never used: the error is the news.
        let _gone = ended.await;
    }
    slot.forget_link(id).unwrap_or_default()
}
