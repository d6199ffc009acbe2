//! How much a transport is trusted after its links have failed.

use std::time::Duration;

use tokio::time::Instant;

/// How long a transport stands behind the others after its first failure; it doubles with every further one.
const FIRST_PENALTY: Duration = Duration::from_millis(500);

/// The longest penalty.
const PENALTY_CEILING: Duration = Duration::from_secs(30);

/// A link that lived this long clears its transport's record.
const PROBATION: Duration = Duration::from_secs(10);

/// The record of one transport.
#[derive(Debug, Default)]
pub(super) struct Standing {
    failures: u32,
    until: Option<Instant>,
}

impl Standing {
    /// A link that had lived for `life` has failed.
    pub(super) fn fail(&mut self, now: Instant, life: Duration) {
        if life >= PROBATION {
            self.failures = 0;
        }
        let factor = 2u32.saturating_pow(self.failures);
        self.until = Some(now + FIRST_PENALTY.saturating_mul(factor).min(PENALTY_CEILING));
        self.failures = self.failures.saturating_add(1);
    }

    pub(super) fn is_penalised(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_grow_to_a_ceiling_and_pass() {
        let now = Instant::now();
        let mut standing = Standing::default();
        assert!(!standing.is_penalised(now));
        let mut last = Duration::ZERO;
        for _ in 0..100 {
            standing.fail(now, Duration::ZERO);
            let penalty = standing.until.unwrap() - now;
            assert!(penalty >= last && penalty <= PENALTY_CEILING);
            assert!(standing.is_penalised(now) && !standing.is_penalised(now + penalty));
            last = penalty;
        }
        assert_eq!(last, PENALTY_CEILING);
    }

    #[test]
    fn a_long_life_clears_the_record() {
        let now = Instant::now();
        let mut standing = Standing::default();
        (0..5).for_each(|_| standing.fail(now, Duration::ZERO));
        standing.fail(now, PROBATION);
        assert_eq!(standing.until.unwrap() - now, FIRST_PENALTY);
    }
}
