//! Who is present in a room, as Yjs clients tell each other.
//!
//! A client has an id, a clock, and a state in JSON. Whatever a client hears of others it repeats, so a relay that believed
//! everybody would keep alive who has left, and let anybody speak for anybody. Here an id belongs to the seat that named it
//! first, until that seat is left, and to its user a little longer; what others say of it is passed over.
//!
//! Clients believe higher clocks alone, also about somebody who was gone in between, or while the relay was. Who comes is
//! therefore *nudged*: told that he is gone, upon which a client raises its clock above the one it is told. Others are told
//! of him at once under that clock. Where a client does not heed this, what it says later is passed on under clocks that go
//! on rising.

mod message;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use syncline::Principal;
use tokio::time::Instant;

use super::SeatId;
use crate::auth::ANYBODY;
use message::{Claim, read, write};
use syncline_core::protocol::lib0::Malformed;
use syncline_core::protocol::y_websocket::write_awareness;

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

/// Room for what a message begins with.
const MESSAGE_HEAD_BYTES: usize = 8;

/// How a state says that there is none.
const NONE: &str = "null";

/// The clients of a room.
#[derive(Debug, Default)]
pub(crate) struct Awareness {
    clients: BTreeMap<u64, Client>,
    /// Those of each seat: every seat is asked once a second whether its own are still there.
    seated: BTreeMap<SeatId, BTreeSet<u64>>,
    /// Counts changes.
    version: u64,
    /// Which client each change that still stands was of: where many are present, few have changed since they were asked for last.
    changes: BTreeMap<u64, u64>,
    bytes: usize,
    /// When the first of those who are gone may be forgotten.
    forgets: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    /// The last clock that others were told.
    clock: u64,
    /// The last clock that it said itself.
    heard_clock: u64,
    /// What it says of itself; `None` if it is gone.
    state: Option<Box<str>>,
    seat: Option<SeatId>,
    /// Whose it is, also when it is gone: nobody else takes its place.
    owner: Option<Principal>,
    /// When it was heard last.
    heard: Instant,
    /// The change that made it what it is.
    version: u64,
}

impl Client {
    /// Whether its user may take its place at another seat: it is gone, or its connection has not been seen to be.
    fn yields_to(&self, claim: &Claim) -> bool {
        self.seat.is_none() || self.owner.as_ref().is_some_and(is_known) && claim.clock > self.heard_clock
    }

    const fn fresh(now: Instant) -> Self {
        Self { clock: 0, heard_clock: 0, state: None, seat: None, owner: None, heard: now, version: 0 }
    }
}

/// A client, and what it shows at which seat; nothing if it is gone.
pub(crate) type Shown = (u64, Option<(SeatId, Box<str>)>);

/// What came of an awareness message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether others have to hear of it.
    pub changed: bool,
    /// What the sender is to be told, so that it raises its clocks.
    pub nudge: Option<Vec<u8>>,
    /// Why something was passed over that was more than a repetition of what others say.
    pub passed_over: Option<&'static str>,
}

impl Awareness {
    /// Takes in what a seat says. What it says of clients that are not its own is passed over.
    pub(crate) fn hear(
        &mut self,
        now: Instant,
        seat: SeatId,
        owner: &Principal,
        update: &[u8],
    ) -> Result<Heard, Malformed> {
        let claims = read(update)?;
        self.forget(now);
        let before = self.version;
        let (mut nudges, mut passed_over) = (Vec::new(), None);
        for claim in claims {
            let fits = self.fits(&claim);
            match self.clients.get_mut(&claim.client) {
                _ if !fits => passed_over = Some("all clients of the document together show too much"),
                Some(known) if known.seat == Some(seat) => {
                    known.heard = now;
                    let goes = claim.clock == known.heard_clock && claim.state.is_none();
                    if claim.clock > known.heard_clock || goes && known.state.is_some() {
                        let clock = claim.clock.max(known.clock + 1);
                        self.put(claim, clock);
                    }
                }
                Some(_) | None => match self.last_clock(seat, owner, &claim) {
                    Ok(last) => nudges.push(self.claim(now, seat, owner, claim, last)),
                    Err(why) => passed_over = passed_over.or(why),
                },
            }
        }
        let nudge = (!nudges.is_empty()).then(|| write(nudges.iter().map(|(id, clock)| (*id, *clock, NONE))));
        Ok(Heard { changed: self.version > before, nudge, passed_over })
    }

    /// A seat names a client that is not its own. It is let have one that nobody has heard of, or, if it is the first one it
    /// names, one that is gone, whose last clock this is. Others it may not speak for, and the error is what is wrong if it
    /// does more than repeat what it was told.
    fn last_clock(
        &self,
        seat: SeatId,
        owner: &Principal,
        claim: &Claim,
    ) -> Result<u64, Option<&'static str>> {
        if claim.state.is_none() {
            return Err(None);
        }
        let theirs = self.seated.get(&seat).map_or(0, BTreeSet::len);
        match self.clients.get(&claim.client) {
            // Who is there already only repeats what it heard of somebody who left.
            Some(known) if theirs == 0 && known.owner.as_ref() == Some(owner) && known.yields_to(claim) => {
                Ok(known.clock)
            }
            Some(known) => Err((claim.clock > known.clock).then_some("a client of another connection")),
            None if theirs >= MAX_CLIENTS_OF_A_SEAT => Err(Some("too many clients of one connection")),
            None if self.clients.len() >= MAX_CLIENTS => Err(Some("too many clients of one document")),
            None => Ok(0),
        }
    }

    /// A seat is given a client. Returns the clock with which that is to be nudged.
    fn claim(
        &mut self,
        now: Instant,
        seat: SeatId,
        owner: &Principal,
        claim: Claim,
        last: u64,
    ) -> (u64, u64) {
        let (client, nudged) = (claim.client, claim.clock.max(last));
        let known = self.clients.entry(client).or_insert_with(|| Client::fresh(now));
        (known.heard, known.owner) = (now, Some(owner.clone()));
        self.place(client, Some(seat));
        self.put(claim, nudged + 1);
        (client, nudged)
    }

    /// A seat is left: its clients are gone. True if others have to hear of that.
    pub(crate) fn leave(&mut self, now: Instant, seat: SeatId) -> bool {
        let gone: Vec<(u64, u64)> = self.of(seat).map(|(id, client)| (id, client.clock + 1)).collect();
        for (id, _) in &gone {
            self.place(*id, None);
            self.clients.entry(*id).and_modify(|client| client.heard = now);
        }
        self.forgets.get_or_insert(now + GONE_TIME);
        self.remove(gone)
    }

    /// Clients of a seat that have been silent for too long are gone. True if others have to hear of that.
    pub(crate) fn expire(&mut self, now: Instant, seat: SeatId) -> bool {
        let silent = self
            .of(seat)
            .filter(|(_, client)| client.state.is_some() && now >= client.heard + CLIENT_TIMEOUT);
        let gone: Vec<(u64, u64)> = silent.map(|(id, client)| (id, client.clock + 1)).collect();
        self.remove(gone)
    }

    /// Whether somebody has this id, or had it a moment ago.
    pub(crate) fn knows(&self, client: u64) -> bool {
        self.clients.contains_key(&client)
    }

    /// Somebody who speaks another protocol shows something, or is gone.
    pub(crate) fn show(&mut self, now: Instant, client: u64, state: Option<Box<str>>) {
        let last = self.clients.get(&client).map_or(0, |known| known.clock);
        if state.is_none() && last == 0 {
            return;
        }
        let seat = state.is_some().then_some(SeatId::OUTSIDE);
        let known = self.clients.entry(client).or_insert_with(|| Client::fresh(now));
        known.heard = now;
        self.place(client, seat);
        self.forgets.get_or_insert(now + GONE_TIME);
        self.put(Claim { client, clock: last + 1, state }, last + 1);
    }

    /// What clients that have seats show, as far as it has changed since a version, and whose seats these are; nothing of
    /// those that are gone.
    pub(crate) fn shown_since(&self, version: u64) -> Vec<Shown> {
        let changed = self.changed_since(version).filter(|(_, client)| client.seat != Some(SeatId::OUTSIDE));
        changed.map(|(id, client)| (id, client.seat.zip(client.state.clone()))).collect()
    }

    /// The clients of a seat.
    fn of(&self, seat: SeatId) -> impl Iterator<Item = (u64, &Client)> {
        let theirs = self.seated.get(&seat).into_iter().flatten();
        theirs.filter_map(|id| Some((*id, self.clients.get(id)?)))
    }

    /// A client is at a seat from now on, or at none.
    fn place(&mut self, id: u64, seat: Option<SeatId>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Some(before) = std::mem::replace(&mut client.seat, seat)
            && let Entry::Occupied(mut theirs) = self.seated.entry(before)
        {
            theirs.get_mut().remove(&id);
            if theirs.get().is_empty() {
                theirs.remove();
            }
        }
        if let Some(seat) = seat {
            self.seated.entry(seat).or_default().insert(id);
        }
    }

    fn remove(&mut self, gone: Vec<(u64, u64)>) -> bool {
        let before = self.version;
        for (client, clock) in gone {
            if self.clients.get(&client).is_some_and(|client| client.state.is_some()) {
                let claim = Claim { client, clock: self.clients[&client].heard_clock, state: None };
                self.put(claim, clock);
            }
        }
        self.version > before
    }

    /// The state of things, for somebody who asks from the beginning on what has changed.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The seats of clients that have changed since a version.
    pub(crate) fn movers(&self, version: u64) -> BTreeSet<SeatId> {
        self.changed_since(version).filter_map(|(_, client)| client.seat).collect()
    }

    /// The same as [`Awareness::since`] as a message.
    pub(crate) fn message_since(&self, version: u64, seat: Option<SeatId>) -> Option<Bytes> {
        self.since(version, seat).map(|states| framed(&states))
    }

    /// What has changed since a version, as an update, for a seat, which is not told of its own, or for those who have not
    /// changed; `None` if nothing has. A seat that starts at the beginning is not told who is gone.
    pub(crate) fn since(&self, version: u64, seat: Option<SeatId>) -> Option<Vec<u8>> {
        self.within(version, seat, usize::MAX).0
    }

    /// The same as a message for one seat, but about so many bytes at most, and up to which version that goes: a client that takes
    /// nothing is not worth a copy of all that is shown.
    pub(crate) fn portion_since(&self, version: u64, seat: SeatId, budget: usize) -> (Option<Bytes>, u64) {
        let (states, end) = self.within(version, Some(seat), budget);
        (states.map(|states| framed(&states)), end)
    }

    fn within(&self, version: u64, seat: Option<SeatId>, budget: usize) -> (Option<Vec<u8>>, u64) {
        let tells_of_gone = version > 0 || seat.is_none();
        let (mut states, mut bytes, mut end) = (Vec::new(), 0, self.version);
        for (id, client) in self.changed_since(version) {
            if bytes >= budget {
                end = client.version - 1;
                break;
            }
            let is_own = seat.is_some() && client.seat == seat;
            if !is_own && (client.state.is_some() || tells_of_gone) {
                bytes += size(&client.state);
                states.push((id, client.clock, client.state.as_deref().unwrap_or(NONE)));
            }
        }
        ((!states.is_empty()).then(|| write(states.into_iter())), end)
    }

    /// The clients that have changed since a version, in the order in which they have.
    fn changed_since(&self, version: u64) -> impl Iterator<Item = (u64, &Client)> {
        let changes = self.changes.range(version + 1..);
        changes.filter_map(|(_, id)| Some((*id, self.clients.get(id)?)))
    }

    /// Whether there is room for what a client says of itself. A client that is passed over stays as it was.
    fn fits(&self, claim: &Claim) -> bool {
        let before = self.clients.get(&claim.client).map_or(0, |known| size(&known.state));
        self.bytes - before + size(&claim.state) <= MAX_STATES_BYTES
    }

    fn put(&mut self, claim: Claim, clock: u64) {
        let Some(client) = self.clients.get_mut(&claim.client) else { return };
        self.version += 1;
        self.bytes = self.bytes - size(&client.state) + size(&claim.state);
        self.changes.remove(&client.version);
        self.changes.insert(self.version, claim.client);
        client.heard_clock = claim.clock;
        (client.clock, client.state, client.version) = (clock, claim.state, self.version);
    }

    fn forget(&mut self, now: Instant) {
        if self.forgets.take_if(|due| *due <= now).is_none() {
            return;
        }
        let gone = |client: &Client| client.seat.is_none().then_some(client.heard + GONE_TIME);
        for (_, client) in self.clients.extract_if(.., |_, client| gone(client).is_some_and(|due| due <= now))
        {
            self.changes.remove(&client.version);
        }
        self.forgets = self.clients.values().filter_map(gone).min();
    }
}

/// An update as a message of y-websocket.
fn framed(states: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(states.len() + MESSAGE_HEAD_BYTES);
    write_awareness(states, &mut message);
    message.into()
}

/// Whether a user is told from others.
fn is_known(user: &Principal) -> bool {
    user.as_str() != ANYBODY
}

fn size(state: &Option<Box<str>>) -> usize {
    state.as_ref().map_or(0, |state| state.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use syncline_core::protocol::y_websocket::Message;

    use super::*;

    const ADA: SeatId = SeatId(1);
    const BOB: SeatId = SeatId(2);

    fn anybody() -> Principal {
        Principal::new("anybody").unwrap()
    }

    fn says(client: u64, clock: u64, state: &str) -> Vec<u8> {
        write([(client, clock, state)].into_iter())
    }

    /// What comes of speaking for another.
    fn passed_over() -> Heard {
        Heard { passed_over: Some("a client of another connection"), ..Heard::default() }
    }

    /// What somebody is told who has heard nothing yet.
    fn present(awareness: &Awareness, seat: SeatId) -> Vec<u64> {
        let update = awareness.since(0, Some(seat)).unwrap_or_else(|| vec![0]);
        read(&update).unwrap().into_iter().map(|claim| claim.client).collect()
    }

    #[test]
    fn others_hear_what_a_client_says_of_itself() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        let heard = awareness.hear(now, ADA, &anybody(), &says(7, 1, "{}")).unwrap();
        assert_eq!(heard, Heard { changed: true, nudge: Some(says(7, 1, NONE)), passed_over: None });
        assert_eq!((present(&awareness, BOB), present(&awareness, ADA)), (vec![7], vec![]));
        let version = awareness.version();
        assert!(
            !awareness.hear(now, ADA, &anybody(), &says(7, 1, r#"{"old":1}"#)).unwrap().changed,
            "the clock is old"
        );
        assert_eq!(awareness.since(version, Some(BOB)), None);
        assert!(awareness.hear(now, ADA, &anybody(), &says(7, 5, r#"{"x":1}"#)).unwrap().changed);
        assert_eq!(awareness.since(version, Some(BOB)), Some(says(7, 5, r#"{"x":1}"#)));
    }

    #[test]
    fn clocks_go_on_rising_for_a_client_that_does_not_raise_its_own() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &anybody(), &says(7, 1, "{}")).unwrap();
        for clock in 2..5 {
            let version = awareness.version();
            awareness.hear(now, ADA, &anybody(), &says(7, clock, "{}")).unwrap();
            assert_eq!(awareness.since(version, Some(BOB)), Some(says(7, clock + 1, "{}")));
        }
    }

    #[test]
    fn who_lags_is_told_a_part_at_a_time_of_others() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        for client in 1..=4 {
            let seat = if client == 2 { BOB } else { ADA };
            awareness.hear(now, seat, &anybody(), &says(client, 1, r#"{"name":"somebody"}"#)).unwrap();
        }
        let (mut told, mut version) = (Vec::new(), 0);
        while let (Some(message), upto) = awareness.portion_since(version, BOB, 1) {
            let Message::Awareness(states) = Message::read(&message).unwrap() else { panic!("{message:?}") };
            told.push(read(states).unwrap().into_iter().map(|claim| claim.client).collect::<Vec<_>>());
            version = upto;
        }
        assert_eq!(told, [[1], [3], [4]]);
        assert_eq!((version, awareness.portion_since(0, BOB, usize::MAX).1), (awareness.version(), version));
        assert_eq!(awareness.portion_since(0, BOB, usize::MAX).0, awareness.message_since(0, Some(BOB)));
    }

    #[test]
    fn of_each_client_one_change_is_remembered_and_none_of_who_is_forgotten() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        for clock in 1..5 {
            awareness.hear(now, ADA, &anybody(), &says(7, clock, "{}")).unwrap();
            awareness.hear(now, BOB, &anybody(), &says(8, clock, "{}")).unwrap();
        }
        assert_eq!(awareness.changes.values().copied().collect::<Vec<_>>(), [7, 8]);
        awareness.leave(now, ADA);
        awareness.expire(now + GONE_TIME, BOB);
        awareness.hear(now + GONE_TIME, BOB, &anybody(), &says(8, 5, "{}")).unwrap();
        assert_eq!(awareness.changes.values().copied().collect::<Vec<_>>(), [8]);
        assert_eq!(awareness.seated, [(BOB, [8].into())].into());
    }

    #[test]
    fn nobody_speaks_for_another() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &anybody(), &says(7, 1, "{}")).unwrap();
        let heard = awareness.hear(now, BOB, &anybody(), &says(7, 9, r#"{"name":"mallory"}"#)).unwrap();
        assert_eq!(heard, passed_over());
        let repeated = awareness.hear(now, BOB, &anybody(), &says(7, 2, "{}")).unwrap();
        assert_eq!(repeated, Heard::default(), "that is what he was told");
        assert_eq!(awareness.hear(now, BOB, &anybody(), &says(7, 9, NONE)).unwrap(), Heard::default());
        assert_eq!(present(&awareness, BOB), [7]);
    }

    #[test]
    fn what_others_repeat_of_somebody_who_left_brings_nobody_back() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &anybody(), &says(7, 1, "{}")).unwrap();
        awareness.hear(now, BOB, &anybody(), &says(8, 1, "{}")).unwrap();
        let version = awareness.version();
        assert!(awareness.leave(now, ADA));
        assert_eq!(awareness.since(version, Some(BOB)), Some(says(7, 3, NONE)));
        assert_eq!(awareness.hear(now, BOB, &anybody(), &says(7, 1, "{}")).unwrap(), Heard::default());
        assert_eq!(present(&awareness, SeatId(3)), [8]);
    }

    #[test]
    fn who_comes_back_with_an_old_clock_is_nudged_and_present_at_once() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &anybody(), &says(7, 5, "{}")).unwrap();
        awareness.leave(now, ADA);
        let (again, version) = (SeatId(3), awareness.version());
        let heard = awareness.hear(now, again, &anybody(), &says(7, 5, "{}")).unwrap();
        assert_eq!(heard, Heard { changed: true, nudge: Some(says(7, 7, NONE)), passed_over: None });
        assert_eq!(awareness.since(version, Some(BOB)), Some(says(7, 8, "{}")));
    }

    #[test]
    fn who_is_silent_is_gone_and_who_renews_is_not() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.hear(now, ADA, &anybody(), &says(7, 1, "{}")).unwrap();
        let later = now + CLIENT_TIMEOUT / 2;
        awareness.hear(later, ADA, &anybody(), &says(7, 2, "{}")).unwrap();
        assert!(!awareness.expire(now + CLIENT_TIMEOUT, ADA));
        assert!(awareness.expire(later + CLIENT_TIMEOUT, ADA));
        assert_eq!(present(&awareness, BOB), Vec::<u64>::new());
        assert!(awareness.hear(later + CLIENT_TIMEOUT, ADA, &anybody(), &says(7, 4, "{}")).unwrap().changed);
    }

    #[test]
    fn who_speaks_another_protocol_is_shown_and_said_again() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        awareness.show(now, 99, None);
        assert_eq!(awareness.version(), 0);
        awareness.show(now, 99, Some("{}".into()));
        assert_eq!((present(&awareness, ADA), awareness.shown_since(0)), (vec![99], vec![]));
        let version = awareness.version();
        awareness.show(now, 99, Some("{}".into()));
        assert_eq!(awareness.since(version, Some(ADA)), Some(says(99, 2, "{}")));
        assert!(
            !awareness.hear(now, ADA, &anybody(), &says(99, 9, "{}")).unwrap().changed,
            "nobody speaks for them"
        );
        awareness.show(now, 99, None);
        assert_eq!(present(&awareness, ADA), Vec::<u64>::new());
    }

    #[test]
    fn limits_hold_and_what_is_malformed_is_refused() {
        let (mut awareness, now) = (Awareness::default(), Instant::now());
        let heard =
            (0..20).map(|client| awareness.hear(now, ADA, &anybody(), &says(client, 1, "{}")).unwrap());
        assert_eq!(heard.filter(|heard| heard.passed_over.is_none()).count(), MAX_CLIENTS_OF_A_SEAT);
        assert_eq!(present(&awareness, BOB).len(), MAX_CLIENTS_OF_A_SEAT);
        let large = format!("\"{}\"", "x".repeat(MAX_STATE_BYTES));
        for update in [says(99, 1, &large), says(99, 1, "{"), vec![1], vec![0, 0], says(99, 1 << 40, "{}")] {
            assert!(awareness.hear(now, BOB, &anybody(), &update).is_err());
        }
    }

    #[test]
    fn a_user_who_connects_anew_is_seen_there_at_once() {
        let (now, mut awareness) = (Instant::now(), Awareness::default());
        let ada = Principal::new("ada").unwrap();
        awareness.hear(now, ADA, &ada, &says(7, 1, "{}")).unwrap();
        let anew = awareness.hear(now, SeatId(3), &ada, &says(7, 2, r#"{"x":1}"#)).unwrap();
        assert!(anew.changed);
        assert!(!awareness.leave(now, ADA), "that one has nobody any more");
        awareness.hear(now, ADA, &anybody(), &says(8, 1, "{}")).unwrap();
        assert_eq!(awareness.hear(now, BOB, &anybody(), &says(8, 9, "{}")).unwrap(), passed_over());
    }

    #[test]
    fn nobody_takes_the_place_of_somebody_else_who_has_just_gone() {
        let (now, mut awareness) = (Instant::now(), Awareness::default());
        let (ada, mallory) = (Principal::new("ada").unwrap(), Principal::new("mallory").unwrap());
        awareness.hear(now, ADA, &ada, &says(7, 1, "{}")).unwrap();
        awareness.leave(now, ADA);
        assert_eq!(awareness.hear(now, BOB, &mallory, &says(7, 9, "{}")).unwrap(), passed_over());
        assert!(awareness.hear(now, SeatId(3), &ada, &says(7, 2, "{}")).unwrap().changed);
    }
}
