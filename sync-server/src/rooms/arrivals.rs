//! When what is in a log came to the relay, until guests are sent it: what a replica wrote they get only when it is durable.

use std::collections::VecDeque;
use std::time::Instant;

/// Most arrivals that are remembered. What comes beyond that is taken to have come when it can be sent.
pub(crate) const MAX_ARRIVALS: usize = 4_096;

/// Up to which offset a log reached when.
#[derive(Default)]
pub(super) struct Arrivals(VecDeque<(u64, Instant)>);

impl Arrivals {
    /// The log reaches up to an offset, by what came at this time.
    pub(super) fn note(&mut self, head: u64, came: Instant) {
        if self.0.len() < MAX_ARRIVALS && self.0.back().is_none_or(|(known, _)| *known < head) {
            self.0.push_back((head, came));
        }
    }

    /// When came what is at an offset, and behind all that was asked for before; nothing if that is not known.
    pub(super) fn take(&mut self, offset: u64) -> Option<Instant> {
        while self.0.pop_front_if(|(head, _)| *head < offset).is_some() {}
        self.0.front().map(|(_, came)| *came)
    }

    /// Everything up to an offset has been asked for.
    pub(super) fn forget(&mut self, end: u64) {
        while self.0.pop_front_if(|(head, _)| *head <= end).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_entry_came_with_the_first_news_that_the_log_reaches_so_far() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut arrivals = Arrivals::default();
        [(3, 1), (3, 2), (5, 4), (4, 6), (8, 7)]
            .into_iter()
            .for_each(|(head, when)| arrivals.note(head, at(when)));
        assert_eq!([1, 3, 4, 5].map(|offset| arrivals.take(offset)), [1, 1, 4, 4].map(|when| Some(at(when))));
        arrivals.forget(5);
        assert_eq!((arrivals.take(6), arrivals.take(9)), (Some(at(7)), None));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        (1..=MAX_ARRIVALS as u64 + 1).for_each(|head| arrivals.note(head, now));
        assert_eq!(arrivals.0.len(), MAX_ARRIVALS);
        assert_eq!(
            (arrivals.take(MAX_ARRIVALS as u64), arrivals.take(MAX_ARRIVALS as u64 + 1)),
            (Some(now), None)
        );
    }
}
