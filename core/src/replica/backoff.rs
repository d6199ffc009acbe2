//! How long to wait before dialling again.

use crate::random::Random;

/// First wait after a lost link, in milliseconds.
pub const FIRST_WAIT: u64 = 100;

/// Longest wait, in milliseconds.
pub const LONGEST_WAIT: u64 = 10_000;

/// Waits that double from [`FIRST_WAIT`] to a limit, each drawn from its upper half, so that the clients of a
/// restarted relay do not return in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    longest: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST_WAIT)
    }
}

impl Backoff {
    /// Waits of at most `longest` milliseconds.
    #[must_use]
    pub const fn up_to(longest: u64) -> Self {
        Self { failures: 0, longest }
    }

    /// Milliseconds to wait after one more failure.
    pub fn after_failure(&mut self, random: &mut Random) -> u64 {
        let full = FIRST_WAIT.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        full / 2 + random.below(full / 2 + 1)
    }

    /// The peer was reached and talked sense; the next wait is short again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_are_never_in_step() {
        let (mut backoff, mut random) = (Backoff::up_to(1_000), Random::new(1));
        let waits: Vec<u64> = (0..8).map(|_| backoff.after_failure(&mut random)).collect();
        for (wait, full) in waits.iter().zip([100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]) {
            assert!((full / 2..=full).contains(wait), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.after_failure(&mut random) <= FIRST_WAIT);
    }
}
