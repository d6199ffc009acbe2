//! Several transports as one: the first that works, and back to the better one when it works again.
//!
//! `connect` tries the transports in order of preference and does not wait long for one before it tries the
//! next beside it. While a link leads over a less preferred transport, the better ones are tried now and
//! then; when one answers, the link ends with [`LinkError::Preferred`] and the owner's next connect gets
//! the connection that the trial has made. A transport whose link has just failed stands behind the others
//! for a short time that grows with every failure, so that a relay which accepts and then fails is not
//! tried again at once.
//!
//! Nothing is carried over from one link to the next. That is the work of whoever keeps cursors, and the
//! same work as after any lost link. The trials run while the owner waits on the link: there is no task here
//! either, and dropping the link ends them.

mod standing;
mod wire;

use std::{
    fmt,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use self::{standing::Standing, wire::HybridWire};
use crate::{Link, LinkError, Transport, TransportError};

/// Pause before a better transport is tried for the first time; it doubles with every failure.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// The pause between two trials grows to this, or to the chosen interval if that is longer.
pub const PROBE_INTERVAL_CEILING: Duration = Duration::from_secs(30);

/// How long `connect` waits for one transport before it tries the next one beside it.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A connection made by a trial is used by a connect within this time; later it may be stale.
pub const HANDOVER_AGE: Duration = Duration::from_secs(5);

/// Transports in order of preference, the best one first.
///
/// ```
/// use syncline_transports::{Hybrid, WebSocket, memory};
///
/// let (neighbour, _listener) = memory::listen();
/// let transport = Hybrid::new(vec![
///     Box::new(WebSocket::new("wss://relay.example/sync")),
///     Box::new(neighbour),
/// ]);
/// ```
#[derive(Clone)]
pub struct Hybrid {
    shared: Arc<Shared>,
    probe_interval: Duration,
    patience: Duration,
}

struct Shared {
    transports: Vec<Box<dyn Transport>>,
    state: Mutex<State>,
}

struct State {
    standings: Vec<Standing>,
    handover: Option<Handover>,
    /// The transport of the newest link.
    current: Option<usize>,
}

/// A link made by a trial, for the next connect.
struct Handover {
    index: usize,
    link: Link,
    made: Instant,
}

impl Hybrid {
    /// The first transport is the most preferred. Without any, every connect fails.
    pub fn new(transports: Vec<Box<dyn Transport>>) -> Self {
        let standings = transports.iter().map(|_| Standing::default()).collect();
        let state = Mutex::new(State { standings, handover: None, current: None });
        Self {
            shared: Arc::new(Shared { transports, state }),
            probe_interval: PROBE_INTERVAL,
            patience: PATIENCE,
        }
    }

    /// How soon, and later at most how often, better transports are tried; see [`PROBE_INTERVAL`].
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.probe_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// How long one transport keeps the next one from being tried; see [`PATIENCE`].
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The first transport that works, each getting a head start before the next.
    async fn first_working(&self) -> Result<(usize, Link), TransportError> {
        let mut order = self.shared.order().into_iter();
        let mut attempts = FuturesUnordered::new();
        let mut failures = Vec::new();
        loop {
            let more = match order.next() {
                Some(index) => {
                    attempts.push(self.shared.attempt(index));
                    true
                }
                None if attempts.is_empty() => return Err(TransportError::All(failures)),
                None => false,
            };
            let mut head_start =
                pin!(async { if more { sleep(self.patience).await } else { pending().await } });
            tokio::select! {
                Some((index, result)) = attempts.next() => match result {
                    Ok(link) => return Ok((index, link)),
                    Err(error) => failures.push(error),
                },
                () = &mut head_start => {}
            }
        }
    }

    fn link(&self, index: usize, link: Link) -> Link {
        self.shared.lock().current = Some(index);
        let (endpoint, limit) = (link.endpoint().to_owned(), link.max_frame_bytes());
        Link::new(endpoint, limit, HybridWire::new(self.clone(), index, link))
    }
}

#[async_trait]
impl Transport for Hybrid {
    async fn connect(&self) -> Result<Link, TransportError> {
        let (index, link) = match self.shared.take_handover() {
            Some(Handover { index, link, .. }) => (index, link),
            None => self.first_working().await?,
        };
        Ok(self.link(index, link))
    }

    /// The transport of the newest link, and before the first one all of them.
    fn endpoint(&self) -> String {
        let current = self.shared.lock().current;
        let endpoints = self.shared.transports.iter().map(|transport| transport.endpoint());
        match current {
            Some(index) => self.shared.transports[index].endpoint(),
            None => endpoints.collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Debug for Hybrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hybrid").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

impl Shared {
    /// By preference, but those that have just failed come last.
    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let state = self.lock();
        let mut order: Vec<usize> = (0..self.transports.len()).collect();
        order.sort_by_key(|&index| state.standings[index].is_penalised(now));
        order
    }

    async fn attempt(&self, index: usize) -> (usize, Result<Link, TransportError>) {
        (index, self.transports[index].connect().await)
    }

    /// Tries the transports that are better than `index` until one answers.
    async fn probe(self: Arc<Self>, index: usize, interval: Duration) -> usize {
        let mut pause = interval;
        loop {
            sleep(pause).await;
            for better in 0..index {
                if self.lock().standings[better].is_penalised(Instant::now()) {
                    continue;
                }
                if let (index, Ok(link)) = self.attempt(better).await {
                    let made = Instant::now();
                    self.lock().handover = Some(Handover { index, link, made });
                    return index;
                }
            }
            pause = (pause * 2).min(PROBE_INTERVAL_CEILING.max(interval));
        }
    }

    /// A link over this transport has ended against its owner's will after `life`.
    fn failed(&self, index: usize, life: Duration) {
        self.lock().standings[index].fail(Instant::now(), life);
    }

    fn take_handover(&self) -> Option<Handover> {
        let handover = self.lock().handover.take();
        handover.filter(|handover| handover.made.elapsed() < HANDOVER_AGE)
    }

    fn preferred(&self, index: usize) -> LinkError {
        LinkError::Preferred { endpoint: self.transports[index].endpoint() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
