//! How values are distributed, counted in fixed buckets without a lock: by any number of threads, and read at any time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MICROSECOND: u64 = 1_000;

/// Up to where the buckets of times reach, in nanoseconds: six to a power of ten, from 20 microseconds to 10 seconds, so that
/// a quantile that is read off them is right within a fifth or so.
const TIMES: &[u64] = &{
    let steps = [10, 15, 20, 30, 50, 70];
    let (mut bounds, mut at) = ([0; 35], 0);
    while at < bounds.len() {
        bounds[at] = steps[(at + 2) % 6] * MICROSECOND * 10_u64.pow(((at + 2) / 6) as u32);
        at += 1;
    }
    bounds
};

/// Up to where the buckets of counts reach.
const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192];

/// Values that were observed.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it was at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The largest value of each bucket but the last, which has what is larger than all of them.
    pub bounds: &'static [u64],
    /// How many values are in each bucket.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl Histogram {
    /// For times, which are kept in nanoseconds.
    #[must_use]
    pub fn of_times() -> Self {
        Self::new(TIMES)
    }

    /// For how many there are of something.
    #[must_use]
    pub fn of_counts() -> Self {
        Self::new(COUNTS)
    }

    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn observe(&self, value: u64) {
        self.observe_times(value, 1);
    }

    /// Notes a value that was seen so many times.
    pub fn observe_times(&self, value: u64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(times, Ordering::Relaxed);
        self.sum.fetch_add(value.saturating_mul(times), Ordering::Relaxed);
    }

    /// Notes a time that was seen so many times.
    pub fn observe_time(&self, time: Duration, times: u64) {
        self.observe_times(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), times);
    }

    /// What was observed so far.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_that_reaches_to_it() {
        let histogram = Histogram::of_counts();
        [0, 1, 2, 3, 4, 8_192, 8_193].into_iter().for_each(|value| histogram.observe(value));
        histogram.observe_times(5, 10);
        let Distribution { bounds, counts, sum } = histogram.distribution();
        assert_eq!((bounds.len() + 1, sum), (counts.len(), 10 + 8_192 + 8_193 + 50));
        assert_eq!(counts, [2, 1, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn buckets_of_times_rise_from_20_microseconds_to_10_seconds() {
        assert!(TIMES.is_sorted() && TIMES.windows(2).all(|pair| pair[1] * 3 <= pair[0] * 5));
        let seconds = |at: usize| TIMES[at] as f64 / 1e9;
        assert_eq!((seconds(0), seconds(1), seconds(4)), (20e-6, 30e-6, 100e-6));
        assert_eq!(TIMES.last(), Some(&10_000_000_000));
        let histogram = Histogram::of_times();
        histogram.observe_time(Duration::from_micros(20), 3);
        assert_eq!((histogram.distribution().counts[0], histogram.distribution().sum), (3, 60_000));
    }
}
