//! What was typed when, and what has arrived where.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::BoxError;
use crate::update::Brought;

/// Longest latency that is told from longer ones, in microseconds, and how exactly.
const MAX_LATENCY: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// The characters of a document, typist by typist.
pub struct Tally {
    /// When each was typed.
    sent: Vec<Vec<Instant>>,
    /// How often each should arrive, and where it has.
    readers: usize,
    arrived: Vec<Vec<u64>>,
    /// What is typed from here on counts.
    since: Option<Instant>,
    latencies: Histogram<u64>,
    delivered: u64,
    twice: u64,
}

impl Tally {
    /// Of a document with so many typists and clients; typists are the first of these.
    pub fn new(typists: usize, clients: usize) -> Result<Self, BoxError> {
        let latencies = Histogram::new_with_max(MAX_LATENCY, DIGITS)?;
        Ok(Self {
            sent: vec![Vec::new(); typists],
            readers: clients - 1,
            arrived: vec![vec![0; typists]; clients],
            since: None,
            latencies,
            delivered: 0,
            twice: 0,
        })
    }

    /// A typist types.
    pub fn sent(&mut self, typist: usize, now: Instant) {
        self.sent[typist].push(now);
    }

    /// What is typed from now on counts.
    pub fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Something arrives at a client.
    pub fn arrived(&mut self, client: usize, brought: Brought, now: Instant) {
        let Some(known) = self.arrived[client].get_mut(brought.typist) else { return };
        self.twice += brought.to.min(*known).saturating_sub(brought.from);
        let new = brought.from.max(*known)..brought.to;
        *known = brought.to.max(*known);
        let sent = self.sent[brought.typist].iter().skip(usize::try_from(new.start).unwrap_or(usize::MAX));
        for sent in sent.take(usize::try_from(new.end - new.start.min(new.end)).unwrap_or(0)) {
            if self.since.is_some_and(|since| *sent >= since) {
                self.delivered += 1;
                let micros = u64::try_from((now - *sent).as_micros()).unwrap_or(MAX_LATENCY);
                self.latencies.saturating_record(micros);
            }
        }
    }

    /// How many characters should have arrived of those that count.
    pub fn expected(&self) -> u64 {
        let counts = |sent: &&Instant| self.since.is_some_and(|since| **sent >= since);
        let typed: usize = self.sent.iter().map(|sent| sent.iter().filter(counts).count()).sum();
        (typed * self.readers) as u64
    }

    /// How many have.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How many came once more.
    pub const fn twice(&self) -> u64 {
        self.twice
    }

    /// How many each typist has typed.
    pub fn typed(&self) -> Vec<u64> {
        self.sent.iter().map(|sent| sent.len() as u64).collect()
    }

    /// How long it took so large a part of them to arrive, at most.
    pub fn latency(&self, part: f64) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(part))
    }
}
