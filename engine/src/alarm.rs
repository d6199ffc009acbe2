//! A clock that wakes a task at a time, to about a tenth of a millisecond. The timers of the runtime are late by one
//! millisecond or two, which is longer than what links bring may wait.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::Notify;

/// Rings for one task. Its thread ends when it is dropped.
pub(crate) struct Alarm(Arc<Clockwork>);

/// What the thread shares with the task.
#[derive(Default)]
struct Clockwork {
    state: Mutex<State>,
    set: Condvar,
    rings: Notify,
}

#[derive(Default)]
struct State {
    due: Option<Instant>,
    closed: bool,
}

impl Alarm {
    pub fn start() -> io::Result<Self> {
        let clockwork = Arc::<Clockwork>::default();
        let running = clockwork.clone();
        thread::Builder::new().name("syncline-alarm".into()).spawn(move || running.run())?;
        Ok(Self(clockwork))
    }

    /// Waits until a time. It is set for the one that was waited for last.
    pub async fn wait_until(&self, due: Instant) {
        self.0.set_for(due);
        // It may have rung for another time before.
        while Instant::now() < due {
            self.0.rings.notified().await;
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.set.notify_one();
    }
}

impl Clockwork {
    fn set_for(&self, due: Instant) {
        let before = self.lock().due.replace(due);
        if before != Some(due) {
            self.set.notify_one();
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            state = match state.due {
                None => self.set.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let waited = self.set.wait_timeout(state, due - now);
                    waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
                }
                Some(_) => {
                    state.due = None;
                    self.rings.notify_one();
                    state
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn it_rings_at_the_time_that_was_waited_for_last_and_not_before() {
        let alarm = Alarm::start().unwrap();
        let (now, long, short) = (Instant::now(), Duration::from_secs(3_600), Duration::from_millis(5));
        assert!(alarm.wait_until(now + long).now_or_never().is_none());
        alarm.wait_until(now + short).await;
        assert!(now.elapsed() >= short);
        alarm.wait_until(now + 2 * short).await;
        assert!(now.elapsed() >= 2 * short);
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        Alarm::start().unwrap().wait_until(Instant::now()).await;
    }

    #[test]
    fn its_thread_ends_with_it() {
        let alarm = Alarm::start().unwrap();
        let clockwork = Arc::downgrade(&alarm.0);
        drop(alarm);
        while clockwork.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
