//! When rooms have their [beats](super::beat).
//!
//! The first beat after a quiet time waits for nothing. What comes soon after another one waits a moment, so that what comes
//! meanwhile goes along. The threads are their own because the timers of the runtime are too coarse for that, and because a beat is nothing
//! but writing to sockets that have room: sessions go on beside it. A room has all its beats on one thread.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use syncline::DocId;

use super::Room;
use super::beat::Beaten;

/// How long what comes soon after other things waits for more.
pub(crate) const BEAT: Duration = Duration::from_micros(500);

/// The same where beats bring many updates, and how many that are: waiting longer saves most there.
pub(crate) const FULL_BEAT: Duration = Duration::from_millis(1);
const MANY_UPDATES: usize = 3;

/// After beats that were closer to each other than this one waits for more, although it could be had at once.
const BUSY_ROOMS: Duration = Duration::from_millis(5);

/// The threads on which rooms have their beats. They end when this is dropped.
pub(crate) struct Metronome {
    threads: Vec<Arc<Queue>>,
}

/// The rooms that are to have a beat on one thread.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    stirred: Condvar,
}

#[derive(Default)]
struct State {
    rooms: Vec<Weak<Room>>,
    closed: bool,
}

impl Metronome {
    /// Starts so many threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let start = |_| {
            let queue = Arc::<Queue>::default();
            let beating = queue.clone();
            thread::Builder::new().name("syncline-beat".into()).spawn(move || beat(&beating))?;
            Ok(queue)
        };
        Ok(Self { threads: (0..threads.max(1)).map(start).collect::<io::Result<_>>()? })
    }

    /// The queue of a document's room.
    pub(super) fn queue(&self, doc: &DocId) -> Arc<Queue> {
        let mut hasher = DefaultHasher::new();
        doc.hash(&mut hasher);
        let index = hasher.finish() as usize % self.threads.len();
        self.threads[index].clone()
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        for queue in &self.threads {
            queue.lock().closed = true;
            queue.stirred.notify_one();
        }
    }
}

impl Queue {
    /// A room is to have a beat soon.
    pub(super) fn push(&self, room: Weak<Room>) {
        self.lock().rooms.push(room);
        self.stirred.notify_one();
    }

    /// Waits until there are rooms that are to have a beat, or until the time has come; false when that is over.
    fn wait(&self, until: Option<Instant>) -> bool {
        let idle = |state: &mut State| state.rooms.is_empty() && !state.closed;
        let state = self.lock();
        let state = match until {
            Some(until) => {
                let time = until.saturating_duration_since(Instant::now());
                self.stirred
                    .wait_timeout_while(state, time, idle)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
            }
            None => self.stirred.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
        };
        !state.closed
    }

    /// The rooms that are to have a beat.
    fn take(&self) -> Vec<Weak<Room>> {
        std::mem::take(&mut self.lock().rooms)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread does.
fn beat(queue: &Queue) {
    // Rooms that want another beat at some time, by where they are.
    let mut later: HashMap<usize, (Instant, Weak<Room>)> = HashMap::new();
    let (mut last, mut updates) = (Instant::now(), 0);
    while queue.wait(later.values().map(|(due, _)| *due).min()) {
        thread::sleep(gathering(last.elapsed(), updates));
        let (now, mut rooms) = (Instant::now(), queue.take());
        (last, updates) = (now, 0);
        rooms.extend(later.extract_if(|_, (due, _)| *due <= now).map(|(_, (_, room))| room));
        for room in rooms {
            let beaten = room.upgrade().map(|room| beat_once(&room, now)).unwrap_or_default();
            updates = updates.max(beaten.updates);
            let place = room.as_ptr().addr();
            match beaten.again {
                Some(due) => _ = later.insert(place, (due, room)),
                None => _ = later.remove(&place),
            }
        }
    }
}

/// How long a beat waits for more, so long after the last one that brought so many updates.
fn gathering(quiet: Duration, updates: usize) -> Duration {
    match () {
        () if quiet >= BUSY_ROOMS => Duration::ZERO,
        () if updates < MANY_UPDATES => BEAT,
        () => FULL_BEAT,
    }
}

/// Other rooms go on, whatever goes wrong in one: there the sessions pass on what the beat was to bring.
fn beat_once(room: &Room, now: Instant) -> Beaten {
    catch_unwind(AssertUnwindSafe(|| room.beat(now))).unwrap_or_else(|_panic| {
        tracing::error!(doc = %room.doc(), "what is new could not be passed on at once; please report this");
        room.break_off();
        Beaten::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_after_a_quiet_time_waits_for_nothing_and_longer_where_many_updates_come() {
        assert_eq!(gathering(BUSY_ROOMS, MANY_UPDATES), Duration::ZERO);
        assert_eq!(gathering(BUSY_ROOMS / 2, MANY_UPDATES), FULL_BEAT);
        assert_eq!(gathering(BUSY_ROOMS / 2, MANY_UPDATES - 1), BEAT);
    }
}
