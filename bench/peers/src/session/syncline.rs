//! A client of the relay in its own protocol (`docs/protocol.md`), in the binary encoding.
//!
//! Its log holds what it has typed itself and nothing else, which the relay cannot tell from a log in which everything else stands
//! too. It waits for acknowledgements, keeps what has not been acknowledged, and begins the next connection where the last one ended.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use syncline_core::entry::{Body, Cursor, Digest, Entry, Family, Kind, Seen, Spec};
use syncline_core::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use syncline_core::presence::{Metadata, Presence, SessionId, Sighting, Status};
use syncline_core::time::Time;
use syncline_core::wire::{Codec, Frame, Hello, Message, Numbered, OLDEST_VERSION, VERSION};

use super::{Content, Heard, Session};
use crate::BoxError;
use crate::awareness;
use crate::socket::Outbox;
use crate::update::{self, Brought, Typist};

/// What everybody opens.
const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Most entries in one message.
const MAX_ENTRIES: usize = 256;

/// How many frames that were decoded last are remembered, and the largest of them, in bytes.
const MAX_REMEMBERED: usize = 8;
const MAX_REMEMBERED_BYTES: usize = 64 << 10;

thread_local! {
    /// Frames and what is in them, the newest first. Many are told the same, one after the other; people would read it on machines of
    /// their own, and not hold up whoever else is heard here.
    static REMEMBERED: RefCell<VecDeque<Remembered>> = RefCell::default();
}

struct Remembered {
    frame: Vec<u8>,
    messages: Rc<[Message]>,
}

/// A client.
pub struct Syncline {
    doc: DocId,
    number: usize,
    name: Principal,
    typist: Typist,
    shown: u64,
    epoch: Epoch,
    /// What has not been acknowledged; what has is `acknowledged` entries in front of it.
    unacknowledged: VecDeque<Numbered>,
    acknowledged: u64,
    /// How far it holds the relay's log, as far as that is durable.
    relay: Option<Cursor>,
    phase: Phase,
    /// The pieces of a snapshot that have come.
    snapshot: Vec<u8>,
    /// Where the relay's log ended when it was opened.
    end: u64,
    joined: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The relay has not greeted.
    Greeting,
    /// It has not said from where it wants what.
    Opening,
    /// What is typed is sent.
    Open,
}

impl Syncline {
    /// Somebody of a number at a document, who leaves so many characters standing.
    pub fn new(doc: &str, number: usize, leaves: u64) -> Result<Self, BoxError> {
        Ok(Self {
            doc: DocId::new(doc)?,
            number,
            name: Principal::new(&format!("user-{number}"))?,
            typist: Typist::new(number, leaves),
            shown: 0,
            epoch: Epoch::new(replica(number).as_bytes().to_owned()),
            unacknowledged: VecDeque::new(),
            acknowledged: 0,
            relay: None,
            phase: Phase::Greeting,
            snapshot: Vec::new(),
            end: 0,
            joined: false,
        })
    }

    /// The connection is gone: what is typed now is sent by the next one.
    pub const fn leave(&mut self) {
        self.phase = Phase::Greeting;
    }

    fn say(&self, messages: &[Message], out: &mut Outbox) {
        let codec = Codec::default();
        let messages: Vec<_> = messages.iter().map(|message| codec.encode(message)).collect();
        out.say(&codec.frame(&messages).bytes);
    }

    fn log_end(&self) -> Cursor {
        let offset = self.acknowledged + self.unacknowledged.len() as u64;
        // Only its owner knows what a digest means.
        Cursor { epoch: self.epoch, offset, digest: Digest(offset) }
    }

    /// Sends entries of its log, from one on, which are durable as far as anything here is.
    fn send_from(&self, first: usize, out: &mut Outbox) {
        let entries: Vec<Numbered> = self.unacknowledged.range(first..).cloned().collect();
        let mut messages: Vec<_> = entries
            .chunks(MAX_ENTRIES)
            .map(|entries| Message::Entries { doc: self.doc.clone(), entries: entries.to_vec() })
            .collect();
        messages.push(Message::Durable { doc: self.doc.clone(), cursor: self.log_end() });
        self.say(&messages, out);
    }

    /// Appends an update to its log, and sends it if somebody listens.
    fn append(&mut self, update: &[u8], out: &mut Outbox) {
        let offset = self.log_end().offset + 1;
        let entry = Entry {
            id: EntryId { replica: replica(self.number), counter: offset },
            author: self.name.clone(),
            time: Time(offset),
            seen: Seen { cursor: self.relay, beyond: Vec::new() },
            touched: Vec::new(),
            body: Body::Update(Bytes::copy_from_slice(update)),
        };
        self.unacknowledged.push_back(Numbered { offset, entry: Arc::new(entry) });
        if self.phase == Phase::Open {
            self.send_from(self.unacknowledged.len() - 1, out);
        }
    }

    fn on_message(
        &mut self,
        message: &Message,
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        match message {
            Message::Hello(_) => self.on_hello(out),
            Message::Open { log, cursors, .. } => self.on_open(*log, cursors, out, tell)?,
            Message::Resume { .. } if self.end == 0 => self.join(tell),
            Message::NeedHave { .. } => {
                self.say(&[Message::Have { doc: self.doc.clone(), have: Have::default() }], out);
            }
            Message::Entries { entries, .. } => {
                let updates = entries.iter().filter_map(|numbered| numbered.entry.body.update());
                updates.for_each(|update| tell(Heard::Content(Content::Yjs(update))));
            }
            Message::SnapshotPart { total, bytes, .. } => {
                self.snapshot.reserve_exact(usize::try_from(*total)?.saturating_sub(self.snapshot.len()));
                self.snapshot.extend_from_slice(bytes);
                if self.snapshot.len() as u64 >= *total {
                    let snapshot = std::mem::take(&mut self.snapshot);
                    tell(Heard::Content(Content::Yjs(&snapshot)));
                }
            }
            Message::Durable { cursor, .. } => {
                self.relay = Some(*cursor);
                if cursor.offset >= self.end {
                    self.join(tell);
                }
            }
            Message::Ack { offset, .. } => self.on_ack(*offset, tell),
            Message::Presence { sightings, .. } => {
                sightings.iter().filter_map(moment).for_each(|m| tell(Heard::Shown(m)))
            }
            Message::Ping { token } => self.say(&[Message::Pong { token: *token }], out),
            Message::Refused { reason, .. } => return Err(format!("an entry is refused: {reason}").into()),
            Message::Failure { message, .. } => return Err(message.as_str().into()),
            Message::Goodbye { .. } | Message::Shut { .. } => return Err("the relay goes away".into()),
            Message::Resume { .. }
            | Message::Describe { .. }
            | Message::Described { .. }
            | Message::Have { .. }
            | Message::Pong { .. } => {}
        }
        Ok(())
    }

    fn on_hello(&mut self, out: &mut Outbox) {
        self.phase = Phase::Opening;
        let cursors = self.relay.into_iter().collect();
        let open = Message::Open { doc: self.doc.clone(), spec: SPEC, log: self.log_end(), cursors };
        self.say(&[open], out);
    }

    /// Says from where its own log follows: from what the relay holds of it.
    fn on_open(
        &mut self,
        log: Cursor,
        cursors: &[Cursor],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        self.end = log.offset;
        let held = cursors.iter().find(|cursor| cursor.epoch == self.epoch).map_or(0, |cursor| cursor.offset);
        if held < self.acknowledged {
            return Err(format!("{held} of {} acknowledged entries are there", self.acknowledged).into());
        }
        self.on_ack(held, tell);
        self.phase = Phase::Open;
        self.say(&[Message::Resume { doc: self.doc.clone() }], out);
        if !self.unacknowledged.is_empty() {
            self.send_from(0, out);
        }
        Ok(())
    }

    fn on_ack(&mut self, offset: u64, tell: &mut dyn FnMut(Heard<'_>)) {
        while self.acknowledged < offset && self.unacknowledged.pop_front().is_some() {
            self.acknowledged += 1;
        }
        tell(Heard::Saved(self.acknowledged));
    }

    /// What it shows of itself, for the how-manieth time.
    fn sighting(&self, shown: u64) -> Sighting {
        let state = serde_json::from_str(&awareness::state(self.number, shown)).ok();
        let presence = Presence {
            user: self.name.clone(),
            name: self.name.as_str().to_owned(),
            color: "#30bced".to_owned(),
            status: Status::Online,
            selection: None,
            // By this it is told which moment others have got.
            active: Time(shown),
            metadata: state.and_then(Metadata::new).unwrap_or_default(),
        };
        let session = SessionId::new(*replica(self.number).as_bytes());
        Sighting { session, presence: Some(presence.into()) }
    }

    fn join(&mut self, tell: &mut dyn FnMut(Heard<'_>)) {
        if !self.joined {
            self.joined = true;
            tell(Heard::Joined);
        }
    }
}

impl Session for Syncline {
    fn greet(&mut self, out: &mut Outbox, _: &mut dyn FnMut(Heard<'_>)) {
        (self.phase, self.joined) = (Phase::Greeting, false);
        self.say(
            &[Message::Hello(Hello {
                oldest: OLDEST_VERSION,
                newest: VERSION,
                agent: "syncline-peers".to_owned(),
                relay: false,
                acks: true,
                compression: Vec::new(),
            })],
            out,
        );
    }

    fn hear(
        &mut self,
        message: &[u8],
        out: &mut Outbox,
        tell: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), BoxError> {
        read(message)?.iter().try_for_each(|message| self.on_message(message, out, tell))
    }

    fn writes(&mut self, update: &[u8], out: &mut Outbox) -> Result<(), BoxError> {
        self.append(update, out);
        Ok(())
    }

    fn types(&mut self, out: &mut Outbox) {
        let update = self.typist.types();
        self.append(&update, out);
    }

    fn shows(&mut self, out: &mut Outbox) {
        self.shown += 1;
        let sightings = vec![self.sighting(self.shown)];
        self.say(&[Message::Presence { doc: self.doc.clone(), sightings }], out);
    }
}

/// The replica whose client id in Yjs is that of a typist.
fn replica(typist: usize) -> ReplicaId {
    let mut bytes = [0x5c; 16];
    bytes[..8].copy_from_slice(&update::client(typist).to_le_bytes());
    ReplicaId::new(bytes)
}

/// What is in a frame.
fn read(frame: &[u8]) -> Result<Rc<[Message]>, BoxError> {
    let known = REMEMBERED.with_borrow(|all| {
        let known = all.iter().find(|known| known.frame == frame)?;
        Some(known.messages.clone())
    });
    if let Some(messages) = known {
        return Ok(messages);
    }
    let messages: Rc<[Message]> =
        Codec::decode(&Frame { bytes: Bytes::copy_from_slice(frame), text: false })?.into();
    if frame.len() <= MAX_REMEMBERED_BYTES {
        REMEMBERED.with_borrow_mut(|all| {
            all.truncate(MAX_REMEMBERED - 1);
            all.push_front(Remembered { frame: frame.to_vec(), messages: messages.clone() });
        });
    }
    Ok(messages)
}

/// Which moment of whom a sighting tells of.
fn moment(sighting: &Sighting) -> Option<Brought> {
    let client = sighting.session.as_bytes().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
    let (typist, to) = (update::typist(client)?, sighting.presence.as_ref()?.active.0);
    Some(Brought { typist, from: to.checked_sub(1)?, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_have_the_client_ids_of_typists() {
        for typist in [0, 7, 70_000] {
            assert_eq!(update::typist(replica(typist).yjs_client()), Some(typist));
        }
    }

    #[test]
    fn a_frame_is_decoded_once_and_tells_everybody_the_same() {
        let mut sessions = [3, 4].map(|number| Syncline::new("doc", number, u64::MAX).expect("a name"));
        let codec = Codec::default();
        let frames: Vec<_> = (1..=2 * MAX_REMEMBERED as u64)
            .map(|shown| {
                let sightings = vec![sessions[0].sighting(shown)];
                let message = codec.encode(&Message::Presence { doc: sessions[0].doc.clone(), sightings });
                codec.frame(&[message]).bytes
            })
            .collect();
        for (frame, shown) in frames.iter().chain(&frames).zip((1..=frames.len() as u64).cycle()) {
            let decoded = read(frame).expect("it is a frame");
            assert!(Rc::ptr_eq(&decoded, &read(frame).expect("it is a frame")));
            for session in &mut sessions {
                let mut heard = Vec::new();
                let mut tell = |what: Heard<'_>| heard.push(format!("{what:?}"));
                session.hear(frame, &mut Outbox::default(), &mut tell).expect("it can be read");
                let moment = Brought { typist: 3, from: shown - 1, to: shown };
                assert_eq!(heard, [format!("{:?}", Heard::Shown(moment))]);
            }
        }
    }

    #[test]
    fn what_is_typed_while_away_is_sent_from_where_the_relay_has_it() {
        let mut session = Syncline::new("doc", 3, u64::MAX).expect("a name");
        let mut out = Outbox::default();
        (0..3).for_each(|_| session.types(&mut out));
        let mut saved = Vec::new();
        let mut tell = |heard: Heard<'_>| saved.push(format!("{heard:?}"));
        let cursor = Cursor { epoch: session.epoch, offset: 2, digest: Digest(2) };
        let log = Cursor { epoch: Epoch::new([1; 16]), ..cursor };
        session.on_open(log, &[cursor], &mut out, &mut tell).expect("it fits");
        assert_eq!(saved, ["Saved(2)"]);
        let left: Vec<u64> = session.unacknowledged.iter().map(|numbered| numbered.offset).collect();
        assert_eq!((left, session.log_end().offset), (vec![3], 3));
        let forgotten = session.on_open(log, &[], &mut out, &mut |_| {});
        assert!(forgotten.is_err());
    }
}
