//! When to ask a silent peer for a sign of life, and when to stop believing in it.
//!
//! Signs of life are bytes, not frames: half a large frame on a slow line is as good as a ping, whoever sends it. The peer is
//! judged only right after its socket has been read empty, so an owner that was busy elsewhere for a minute
//! does not take its own absence for the peer's.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::WebSocketSettings;

/// The clock of one link.
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    /// Bytes counted so far, both ways: what has changed since is a sign of life.
    traffic: Moved,
    heard: Instant,
    /// When the peer was asked for a sign that it has not given yet.
    asked: Option<Instant>,
    /// Since when bytes wait for the peer without one being taken.
    stuck: Option<Instant>,
}

/// Bytes that have moved over a socket since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// What the link is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ask,
    Dead { silence: Duration },
}

impl Heartbeat {
    pub(super) fn new(settings: WebSocketSettings) -> Self {
        let now = Instant::now();
        Self {
            interval: settings.interval,
            timeout: settings.timeout,
            timer: Box::pin(sleep_until(now + settings.interval)),
            traffic: Moved::default(),
            heard: now,
            asked: None,
            stuck: None,
        }
    }

    /// Takes note of what has moved; `waiting` says that bytes for the peer have not all left.
    pub(super) fn note(&mut self, traffic: Moved, waiting: bool) {
        if traffic == self.traffic && waiting == self.stuck.is_some() {
            return;
        }
        if traffic.received == self.traffic.received && !waiting {
            // What is sent without waiting needs no time to be known.
            (self.stuck, self.traffic) = (None, traffic);
            return;
        }
        let now = Instant::now();
        let taken = self.stuck.is_some() && traffic.sent != self.traffic.sent;
        if traffic.received != self.traffic.received || taken {
            self.heard = now;
            self.asked = None;
        }
        if !waiting {
            self.stuck = None;
        } else if self.stuck.is_none() || traffic.sent != self.traffic.sent {
            self.stuck = Some(now);
        }
        self.traffic = traffic;
    }

    /// Ready when it is time to act. `listening` says that the socket has just been read empty: only then
    /// is silence the peer's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, listening: bool) -> Poll<Beat> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let beat = self.beat(now, listening);
            let next = self.next(now);
            self.timer.as_mut().reset(next);
            if let Some(beat) = beat {
                return Poll::Ready(beat);
            }
        }
        Poll::Pending
    }

    /// Turns the clock into a deadline for the goodbye.
    pub(super) fn expire_at(&mut self, deadline: Instant) {
        self.timer.as_mut().reset(deadline);
    }

    /// Ready once the deadline of [`Heartbeat::expire_at`] is over.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    fn beat(&mut self, now: Instant, listening: bool) -> Option<Beat> {
        if let Some(stuck) = self.stuck
            && now >= stuck + self.timeout
        {
            return Some(Beat::Dead { silence: now - stuck });
        }
        match self.asked {
            Some(asked) if listening && now >= asked + self.patience() => {
                Some(Beat::Dead { silence: now - self.heard })
            }
            Some(_) => None,
            // Behind bytes that are stuck a question would not arrive either.
            None if self.stuck.is_some() => None,
            None if now >= self.heard + self.interval => {
                self.asked = Some(now);
                Some(Beat::Ask)
            }
            None => None,
        }
    }

    /// Never in the past, so that a peer that cannot be judged yet does not spin the clock.
    fn next(&self, now: Instant) -> Instant {
        let sign = match self.asked {
            Some(asked) => asked + self.patience(),
            None => self.heard + self.interval,
        };
        let sign = if sign > now { sign } else { now + self.interval };
        self.stuck
            .map(|stuck| stuck + self.timeout)
            .filter(|end| *end > now)
            .map_or(sign, |end| sign.min(end))
    }

    fn patience(&self) -> Duration {
        self.timeout - self.interval
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(WebSocketSettings::default().heartbeat(seconds(15), seconds(30)))
    }

    async fn next(heartbeat: &mut Heartbeat, listening: bool) -> (Beat, Duration) {
        let start = Instant::now();
        let beat = poll_fn(|cx| heartbeat.poll(cx, listening)).await;
        (beat, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_asked_and_then_given_up() {
        let mut heartbeat = heartbeat();
        assert_eq!(next(&mut heartbeat, true).await, (Beat::Ask, seconds(15)));
        let (beat, waited) = next(&mut heartbeat, true).await;
        assert_eq!((beat, waited), (Beat::Dead { silence: seconds(30) }, seconds(15)));
    }

    #[tokio::test(start_paused = true)]
    async fn any_byte_is_a_sign_of_life() {
        let mut heartbeat = heartbeat();
        for received in 1..10 {
            assert_eq!(next(&mut heartbeat, true).await.0, Beat::Ask);
            tokio::time::advance(seconds(14)).await;
            heartbeat.note(Moved { received, sent: 0 }, false);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_was_away_asks_before_it_judges() {
        let mut heartbeat = heartbeat();
        tokio::time::advance(seconds(300)).await;
        assert_eq!(next(&mut heartbeat, true).await, (Beat::Ask, seconds(0)));
        assert_eq!(next(&mut heartbeat, true).await.1, seconds(15));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_judged_while_nobody_listens() {
        let mut heartbeat = heartbeat();
        assert_eq!(next(&mut heartbeat, false).await.0, Beat::Ask);
        let judged = tokio::time::timeout(seconds(600), next(&mut heartbeat, false)).await;
        assert!(judged.is_err(), "{judged:?}");
        assert!(matches!(next(&mut heartbeat, true).await.0, Beat::Dead { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_even_while_it_talks() {
        let mut heartbeat = heartbeat();
        for received in 1..=3 {
            heartbeat.note(Moved { received, sent: 7 }, true);
            tokio::time::advance(seconds(10)).await;
        }
        heartbeat.note(Moved { received: 4, sent: 7 }, true);
        let (beat, _) = next(&mut heartbeat, true).await;
        assert_eq!(beat, Beat::Dead { silence: seconds(30) });
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_little_is_not_given_up_even_while_it_says_nothing() {
        for talks in [1, 0] {
            let mut heartbeat = heartbeat();
            for step in 1..=20 {
                let moved = Moved { received: talks * step, sent: step };
                heartbeat.note(moved, true);
                tokio::time::advance(seconds(10)).await;
                heartbeat.note(moved, true);
                assert!(heartbeat.beat(Instant::now(), true).is_none(), "step {step}");
            }
            // When it has taken everything, it is asked as any other.
            heartbeat.note(Moved { received: talks * 20, sent: 21 }, false);
            assert_eq!(next(&mut heartbeat, true).await.0, Beat::Ask);
        }
    }
}
