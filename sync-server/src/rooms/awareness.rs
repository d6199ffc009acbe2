//! Who is present in a room, as Yjs clients tell each other.
//!
//! A client has an id, a clock, and a state in JSON. Whatever a client hears of others it repeats, so a relay that believed
//! everybody would keep alive who has left, and let anybody speak for anybody. Here an id belongs to the seat that named it
//! first, until that seat is left; what others say of it is passed over.
//!
//! Clients believe higher clocks alone, also about somebody who was gone in between. Who comes back with the clock he left
//! with is therefore *nudged*: told that he is gone, upon which every client raises its clock and says that it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::SeatId;
use crate::guests::lib0::{Malformed, Reader, write_number, write_text};

/// Most clients that are present in a room, or were a moment ago.
pub(crate) const MAX_CLIENTS: usize = 10_000;

/// Most ids that one seat may name. A client has one, and takes another one if it sees its own in use.
pub(crate) const MAX_CLIENTS_OF_A_SEAT: usize = 4;

/// Largest state of one client, in bytes of JSON.
pub(crate) const MAX_STATE_BYTES: usize = 64 << 10;

/// Most bytes of all states in a room.
pub(crate) const MAX_STATES_BYTES: usize = 16 << 20;

/// How long a client may be silent; it renews its state in half that time.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it is remembered that a client is gone. Others may repeat what they heard of it before.
const GONE_TIME: Duration = Duration::from_secs(60);

/// How a state says that there is none.
const NONE: &str = "null";

/// The clients of a room.
#[derive(Debug, Default)]
pub(crate) struct Awareness {
    clients: BTreeMap<u64, Client>,
    /// Counts changes.
    version: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Client {
    clock: u64,
    /// What it says of itself; `None` if it is gone.
    state: Option<Box<str>>,
    seat: Option<SeatId>,
    /// When it was heard last.
    heard: Instant,
    /// The change that made it what it is.
    version: u64,
}

/// What came of an awareness message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether others have to hear of it.
    pub changed: bool,
    /// What the sender is to be told, so that it raises its clocks.
    pub nudge: Option<Vec<u8>>,
}

impl Awareness {
    /// Takes in what a seat says. What it says of clients that are not its own is passed over.
    pub(crate) fn hear(&mut self, now: Instant, seat: SeatId, update: &[u8]) -> Result<Heard, Malformed> {
        let claims = read(update)?;
        self.forget(now);
        let before = self.version;
        let mut nudges = Vec::new();
        for Claim { client, clock, state } in claims {
            let has_room = self.has_room();
            let ours = self.clients.values().filter(|client| client.seat == Some(seat)).count();
            match self.clients.get_mut(&client) {
                Some(known) if known.seat == Some(seat) => {
                    known.heard = now;
                    let goes = clock == known.clock && state.is_none() && known.state.is_some();
                    if clock > known.clock || goes {
                        self.put(client, clock, state);
                    }
                }
                // Who is there already only repeats what it heard of somebody who left.
                Some(known) if known.seat.is_none() && state.is_some() && ours == 0 => {
                    (known.seat, known.heard) = (Some(seat), now);
                    let last = known.clock;
                    if clock > last {
                        self.put(client, clock, state);
                    }
                    nudges.push((client, clock.max(last)));
                }
                None if state.is_some() && ours < MAX_CLIENTS_OF_A_SEAT && has_room => {
                    let fresh = Client { clock, state: None, seat: Some(seat), heard: now, version: 0 };
                    self.clients.insert(client, fresh);
                    self.put(client, clock, state);
                    nudges.push((client, clock));
                }
                Some(_) | None => {}
            }
        }
        let nudge = (!nudges.is_empty()).then(|| write(nudges.iter().map(|(id, clock)| (*id, *clock, NONE))));
        Ok(Heard { changed: self.version > before, nudge })
    }

    /// A seat is left: its clients are gone. True if others have to hear of that.
    pub(crate) fn leave(&mut self, now: Instant, seat: SeatId) -> bool {
        let theirs = |(id, client): (&u64, &mut Client)| {
            let theirs = client.seat == Some(seat);
            if theirs {
                (client.seat, client.heard) = (None, now);
            }
            theirs.then_some((*id, client.clock + 1))
        };
        let gone: Vec<(u64, u64)> = self.clients.iter_mut().filter_map(theirs).collect();
        self.remove(gone)
    }

    /// Clients of a seat that have been silent for too long are gone. True if others have to hear of that.
    pub(crate) fn expire(&mut self, now: Instant, seat: SeatId) -> bool {
        let silent = self.clients.iter().filter(|(_, client)| {
            client.seat == Some(seat) && client.state.is_some() && now >= client.heard + CLIENT_TIMEOUT
        });
        let gone: Vec<(u64, u64)> = silent.map(|(id, client)| (*id, client.clock + 1)).collect();
        self.remove(gone)
    }

    fn remove(&mut self, gone: Vec<(u64, u64)>) -> bool {
        let before = self.version;
        for (client, clock) in gone {
            if self.clients.get(&client).is_some_and(|client| client.state.is_some()) {
                self.put(client, clock, None);
            }
        }
        self.version > before
    }

    /// The state of things, for somebody who asks from the beginning on what has changed.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// What has changed since a version, as an update for a seat, which is not told of its own; `None` if nothing has. Who
    /// starts at the beginning is not told who is gone.
    pub(crate) fn since(&self, version: u64, seat: SeatId) -> Option<Vec<u8>> {
        let changed = self.clients.iter().filter(|(_, client)| {
            client.version > version && client.seat != Some(seat) && (client.state.is_some() || version > 0)
        });
        let states: Vec<_> = changed
            .map(|(id, client)| (*id, client.clock, client.state.as_deref().unwrap_or(NONE)))
            .collect();
        (!states.is_empty()).then(|| write(states.into_iter()))
    }

    fn has_room(&self) -> bool {
        self.clients.len() < MAX_CLIENTS && self.bytes < MAX_STATES_BYTES
    }

    fn put(&mut self, client: u64, clock: u64, state: Option<Box<str>>) {
        let Some(client) = self.clients.get_mut(&client) else { return };
        let size = |state: &Option<Box<str>>| state.as_ref().map_or(0, |state| state.len());
        self.version += 1;
        self.bytes = self.bytes - size(&client.state) + size(&state);
        (client.clock, client.state, client.version) = (clock, state, self.version);
    }

    fn forget(&mut self, now: Instant) {
        self.clients.retain(|_, client| client.seat.is_some() || now < client.heard + GONE_TIME);
    }
}

/// What a message says of one client.
struct Claim {
    client: u64,
    clock: u64,
    state: Option<Box<str>>,
}

fn read(update: &[u8]) -> Result<Vec<Claim>, Malformed> {
    let mut reader = Reader::new(update);
    let mut claims = Vec::new();
    for _ in 0..reader.number()? {
        if claims.len() >= MAX_CLIENTS {
            return Err(Malformed("it tells of too many clients"));
        }
        let (client, clock, state) = (reader.number()?, reader.number()?, reader.text()?);
        if clock > u64::from(u32::MAX / 2) {
            return Err(Malformed("the clock of a client is too large"));
        }
        if state.len() > MAX_STATE_BYTES {
            return Err(Malformed("the state of a client is too large"));
        }
        // Clients would fail on what is no JSON, all of them.
        if serde_json::from_str::<IgnoredAny>(state).is_err() {
            return Err(Malformed("the state of a client is not JSON"));
        }
        claims.push(Claim { client, clock, state: (state != NONE).then(|| state.into()) });
    }
    reader.finish()?;
    Ok(claims)
}

fn write<'a>(states: impl ExactSizeIterator<Item = (u64, u64, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    write_number(states.len() as u64, &mut out);
    for (client, clock, state) in states {
        write_number(client, &mut out);
        write_number(clock, &mut out);
        write_text(state, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    const ADA: SeatId = SeatId(1);
    const BOB: SeatId = SeatId(2);

    fn says(client: u64, clock: u64, state: &str) -> Vec<u8> {
        write([(client, clock, state)].into_iter())
    }

    /// What somebody is told who has heard nothing yet.
    fn present(awareness: &Awareness, seat: SeatId) -> Vec<u64> {
        let update = awareness.since(0, seat).unwrap_or_else(|| vec![0]);
        read(&update).unwrap().into_iter().map(|claim| claim.client).collect()
    }

    #[test]
    fn others_hear_what_a_client_says_of_itself() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        assert!(awareness.hear(now, ADA, &says(7, 1, "{}")).unwrap().changed);
        assert_eq!((present(&awareness, BOB), present(&awareness, ADA)), (vec![7], vec![]));
        let version = awareness.version();
        assert!(!awareness.hear(now, ADA, &says(7, 1, r#"{"old":1}"#)).unwrap().changed, "the clock is old");
        assert_eq!(awareness.since(version, BOB), None);
        assert!(awareness.hear(now, ADA, &says(7, 2, r#"{"x":1}"#)).unwrap().changed);
        assert_eq!(awareness.since(version, BOB), Some(says(7, 2, r#"{"x":1}"#)));
    }

    #[test]
    fn nobody_speaks_for_another() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &says(7, 1, "{}")).unwrap();
        let heard = awareness.hear(now, BOB, &says(7, 9, r#"{"name":"mallory"}"#)).unwrap();
        assert_eq!(heard, Heard::default());
        assert_eq!(awareness.hear(now, BOB, &says(7, 9, NONE)).unwrap(), Heard::default());
        assert_eq!(present(&awareness, BOB), [7]);
    }

    #[test]
    fn what_others_repeat_of_somebody_who_left_brings_nobody_back() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &says(7, 1, "{}")).unwrap();
        awareness.hear(now, BOB, &says(8, 1, "{}")).unwrap();
        let version = awareness.version();
        assert!(awareness.leave(now, ADA));
        assert_eq!(awareness.since(version, BOB), Some(says(7, 2, NONE)));
        assert_eq!(awareness.hear(now, BOB, &says(7, 1, "{}")).unwrap(), Heard::default());
        assert_eq!(present(&awareness, SeatId(3)), [8]);
    }

    #[test]
    fn who_comes_back_with_an_old_clock_is_nudged_to_raise_it() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &says(7, 5, "{}")).unwrap();
        awareness.leave(now, ADA);
        let again = SeatId(3);
        let heard = awareness.hear(now, again, &says(7, 5, "{}")).unwrap();
        assert_eq!(heard, Heard { changed: false, nudge: Some(says(7, 6, NONE)) });
        assert!(awareness.hear(now, again, &says(7, 7, "{}")).unwrap().changed);
        assert_eq!(present(&awareness, BOB), [7]);
    }

    #[test]
    fn who_is_silent_is_gone_and_who_renews_is_not() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &says(7, 1, "{}")).unwrap();
        let later = now + CLIENT_TIMEOUT / 2;
        awareness.hear(later, ADA, &says(7, 2, "{}")).unwrap();
        assert!(!awareness.expire(now + CLIENT_TIMEOUT, ADA));
        assert!(awareness.expire(later + CLIENT_TIMEOUT, ADA));
        assert_eq!(present(&awareness, BOB), Vec::<u64>::new());
        assert!(awareness.hear(later + CLIENT_TIMEOUT, ADA, &says(7, 4, "{}")).unwrap().changed);
    }

    #[test]
    fn limits_hold_and_what_is_malformed_is_refused() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        (0..20).for_each(|client| drop(awareness.hear(now, ADA, &says(client, 1, "{}")).unwrap()));
        assert_eq!(present(&awareness, BOB).len(), MAX_CLIENTS_OF_A_SEAT);
        let large = format!("\"{}\"", "x".repeat(MAX_STATE_BYTES));
        for update in [says(99, 1, &large), says(99, 1, "{"), vec![1], vec![0, 0], says(99, 1 << 40, "{}")] {
            assert!(awareness.hear(now, BOB, &update).is_err());
        }
    }
}
