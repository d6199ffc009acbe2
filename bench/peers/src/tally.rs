//! What was done when, and what of it has arrived where.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::BoxError;
use crate::update::Brought;

/// Longest latency that is told from longer ones, in microseconds, and how exactly.
const MAX_LATENCY_MICROS: u64 = 120_000_000;
const DIGITS: u8 = 3;

/// Latencies, all that there were.
pub struct Latencies(Histogram<u64>);

/// What is done in all documents, author by author: the how-manieth thing each of them did, and who has got it.
pub struct Tally {
    authors: usize,
    clients: usize,
    /// When each author of each document did each thing.
    done: Vec<Vec<Instant>>,
    /// How far each client of each document has come with each of its authors.
    arrived: Vec<Vec<u64>>,
    /// What is done from here on counts.
    since: Option<Instant>,
    latencies: Latencies,
    expected: u64,
    delivered: u64,
    twice: u64,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Self, BoxError> {
        Ok(Self(Histogram::new_with_max(MAX_LATENCY_MICROS, DIGITS)?))
    }

    /// One more.
    pub fn note(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY_MICROS);
        self.0.saturating_record(micros);
    }

    /// So large a part of them were no longer.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }
}

impl Tally {
    /// Of so many documents with so many clients, of which the first are authors.
    pub fn new(documents: usize, authors: usize, clients: usize) -> Result<Self, BoxError> {
        Ok(Self {
            authors,
            clients,
            done: vec![Vec::new(); documents * authors],
            arrived: vec![vec![0; authors]; documents * clients],
            since: None,
            latencies: Latencies::new()?,
            expected: 0,
            delivered: 0,
            twice: 0,
        })
    }

    /// What is done from now on counts.
    pub const fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// An author of a document does something.
    pub fn done(&mut self, document: usize, author: usize, now: Instant) {
        self.done[document * self.authors + author].push(now);
        if self.since.is_some() {
            self.expected += self.clients as u64 - 1;
        }
    }

    /// Something arrives at a client of a document. What comes back to its author is no delivery.
    pub fn arrived(&mut self, document: usize, client: usize, brought: Brought, now: Instant) {
        if brought.typist == client {
            return;
        }
        let Some(known) = self.arrived[document * self.clients + client].get_mut(brought.typist) else {
            return;
        };
        self.twice += brought.to.min(*known).saturating_sub(brought.from);
        let new = brought.from.max(*known)..brought.to;
        *known = brought.to.max(*known);
        let done = &self.done[document * self.authors + brought.typist];
        for number in new {
            let done = usize::try_from(number).ok().and_then(|number| done.get(number));
            let Some(done) = done.filter(|done| self.since.is_some_and(|since| **done >= since)) else {
                continue;
            };
            self.delivered += 1;
            self.latencies.note(now - *done);
        }
    }

    /// How often something that counts should have arrived.
    pub const fn expected(&self) -> u64 {
        self.expected
    }

    /// How often it has.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How often something came that had come before.
    pub const fn twice(&self) -> u64 {
        self.twice
    }

    /// How long deliveries took.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// How much has arrived at a client of a document, whether it counts or not.
    pub fn held(&self, document: usize, client: usize) -> u64 {
        self.arrived[document * self.clients + client].iter().sum()
    }

    /// How much was done, whether it counts or not.
    pub fn all_done(&self) -> u64 {
        self.done.iter().map(|done| done.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(typist: usize, from: u64, to: u64) -> Brought {
        Brought { typist, from, to }
    }

    #[test]
    fn what_arrives_is_counted_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(2, 2, 3).expect("a histogram");
        tally.done(1, 0, at(0));
        tally.begin(at(1));
        (1..=3).for_each(|millis| tally.done(1, 0, at(millis)));
        assert_eq!((tally.expected(), tally.all_done()), (6, 4));
        // Merged with what does not count, and once more in part.
        tally.arrived(1, 2, brought(0, 0, 2), at(5));
        tally.arrived(1, 2, brought(0, 1, 4), at(9));
        assert_eq!((tally.delivered(), tally.twice()), (3, 1));
        assert_eq!(tally.latencies().quantile(0.0), Duration::from_millis(4));
        assert_eq!(tally.latencies().quantile(1.0).as_millis(), 7);
    }

    #[test]
    fn what_comes_back_or_from_nobody_does_not_count() {
        let now = Instant::now();
        let mut tally = Tally::new(1, 1, 2).expect("a histogram");
        tally.begin(now);
        tally.done(0, 0, now);
        tally.arrived(0, 0, brought(0, 0, 1), now);
        tally.arrived(0, 1, brought(5, 0, 1), now);
        // Nobody has done that.
        tally.arrived(0, 1, brought(0, 7, 9), now);
        assert_eq!(tally.delivered(), 0);
    }
}
