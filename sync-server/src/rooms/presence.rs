//! Presence between the guests of a room and Syncline's own clients: each sees the others as its protocol can show them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use syncline::{Family, Presence, SessionId};
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::protocol::automerge_repo::{self, Presence as Said};
use tokio::time::Instant;

use super::awareness::{MAX_STATE_BYTES, MAX_STATES_BYTES};
use super::room::Inner;
use super::{Room, SeatId, company};

/// How often guests are told again of those who speak another protocol: clients forget whom they do not hear of, those of Yjs
/// after 30 s and those of automerge-repo after 45.
const RENEWAL: Duration = Duration::from_secs(15);

/// How long a client of automerge-repo may be silent.
const PEER_TIMEOUT: Duration = Duration::from_secs(45);

/// Most clients of automerge-repo that are present in a room.
pub(crate) const MAX_PEERS: usize = 10_000;

/// How the names begin under which clients of automerge-repo see those who speak another protocol.
pub(crate) const OUTSIDE_PEERS: &str = "syncline-session-";

/// An ephemeral message of automerge-repo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ephemeral<'a> {
    pub sender: &'a str,
    pub document: DocumentId,
    pub session: &'a str,
    pub count: u64,
    pub data: &'a [u8],
}

impl Ephemeral<'_> {
    /// Whose messages are numbered together.
    fn author(&self) -> String {
        format!("{}\0{}", self.sender, self.session)
    }
}

/// Who is present in a room, as far as they have to be told to somebody of another protocol.
#[derive(Default)]
pub(super) struct Company {
    /// The sessions that guests have among those of replicas, by what names them here.
    sessions: BTreeMap<String, SessionId>,
    /// These, looked up for everybody who is present whenever somebody moves.
    own: BTreeSet<SessionId>,
    /// Up to which version of the awareness they have been told.
    told: u64,
    /// Those of replicas' clients, as guests were shown them, and how often.
    outside: BTreeMap<SessionId, (Presence, u64)>,
    /// As which Yjs clients they are shown.
    drawn: BTreeMap<SessionId, u64>,
    /// Clients of automerge-repo.
    peers: BTreeMap<String, Peer>,
    /// The bytes of all that these show, as JSON.
    bytes: usize,
    /// When guests are told again.
    renewal: Option<Instant>,
}

/// A client of automerge-repo that is present.
struct Peer {
    seat: SeatId,
    document: DocumentId,
    session: String,
    count: u64,
    state: Json,
    /// The size of that, as JSON.
    bytes: usize,
    heard: Instant,
}

/// A client that is gone, and the message by which others of its protocol hear of that.
pub(super) struct Gone {
    name: String,
    goodbye: Bytes,
}

impl Gone {
    /// In a session of its own: numbers rise within one, and the client may come back and count on in its own.
    fn new(name: String, peer: &Peer) -> Self {
        let session = format!("{}-gone", peer.session);
        let goodbye =
            automerge_repo::ephemeral(&name, peer.document, &session, peer.count, &Said::Goodbye.write());
        Self { name, goodbye: goodbye.into() }
    }
}

impl Company {
    /// Somebody has come who has heard of nobody.
    pub(super) fn renew_soon(&mut self) {
        if !self.outside.is_empty() {
            self.renewal = None;
        }
    }

    /// A guest is gone.
    fn forget(&mut self, name: &str) {
        let gone = self.sessions.remove(name);
        gone.into_iter().for_each(|session| _ = self.own.remove(&session));
    }

    /// Who of those who are present speaks another protocol and shows something else than guests were shown last, and who is
    /// gone. Most of whom this looks at have not moved.
    fn compare<'a>(
        &self,
        present: impl Iterator<Item = (SessionId, &'a Presence)>,
    ) -> (Vec<(SessionId, Presence)>, Vec<SessionId>) {
        let (mut there, mut moved) = (BTreeSet::new(), Vec::new());
        for (session, presence) in present.filter(|(session, _)| !self.own.contains(session)) {
            there.insert(session);
            if self.outside.get(&session).is_none_or(|(shown, _)| shown != presence) {
                moved.push((session, presence.clone()));
            }
        }
        let gone = self.outside.keys().filter(|session| !there.contains(session)).copied().collect();
        (moved, gone)
    }

    /// The clients of a seat that was left.
    pub(super) fn leave(&mut self, seat: SeatId) -> Vec<Gone> {
        self.remove(|peer| peer.seat == seat)
    }

    /// The clients of a seat that have been silent for too long.
    pub(super) fn expire(&mut self, now: Instant, seat: SeatId) -> Vec<Gone> {
        self.remove(|peer| peer.seat == seat && now >= peer.heard + PEER_TIMEOUT)
    }

    fn remove(&mut self, gone: impl Fn(&Peer) -> bool) -> Vec<Gone> {
        let gone: Vec<(String, Peer)> = self.peers.extract_if(.., |_, peer| gone(peer)).collect();
        self.bytes -= gone.iter().map(|(_, peer)| peer.bytes).sum::<usize>();
        gone.into_iter().map(|(name, peer)| Gone::new(name, &peer)).collect()
    }

    /// Takes note of what a client says of itself; true if it shows something else now. Who goes is no longer here.
    fn hear(&mut self, now: Instant, seat: SeatId, message: &Ephemeral<'_>, said: Said) -> bool {
        if said == Said::Goodbye {
            let gone = self.peers.remove(message.sender);
            self.bytes -= gone.as_ref().map_or(0, |peer| peer.bytes);
            return gone.is_some();
        }
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(message.sender) {
            return false;
        }
        let peer = self.peers.entry(message.sender.to_owned()).or_insert_with(|| Peer {
            seat,
            document: message.document,
            session: String::new(),
            count: 0,
            state: Json::Object(Map::new()),
            bytes: 0,
            heard: now,
        });
        (peer.seat, peer.session, peer.count, peer.heard) =
            (seat, message.session.to_owned(), message.count, now);
        let state = match said {
            Said::Snapshot(state) => state,
            Said::Update { channel, value } => with(peer.state.clone(), channel, value),
            Said::Heartbeat | Said::Goodbye => return false,
        };
        let bytes = state.to_string().len();
        let all = self.bytes - peer.bytes + bytes;
        if bytes > MAX_STATE_BYTES || all > MAX_STATES_BYTES {
            return false;
        }
        (peer.state, peer.bytes, self.bytes) = (state, bytes, all);
        true
    }
}

/// A state in which one channel shows something else.
fn with(state: Json, channel: String, value: Json) -> Json {
    let mut channels = match state {
        Json::Object(channels) => channels,
        _ => Map::new(),
    };
    channels.insert(channel, value);
    Json::Object(channels)
}

impl Room {
    /// Tells replicas what Yjs clients show that they have not been told.
    pub(super) fn share_awareness(&self) {
        let _in_order = self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = {
            let mut inner = self.lock();
            let Inner { awareness, company, .. } = &mut *inner;
            let changes = awareness.shown_since(company.told);
            company.told = awareness.version();
            changes
        };
        for (client, shown) in changes {
            let shown = shown.and_then(|(seat, state)| Some((seat, serde_json::from_str(&state).ok()?)));
            self.share(&client.to_string(), shown);
        }
    }

    /// The document is built, in which places are found that clients point at.
    pub(super) fn share_again(&self) {
        self.lock().company.told = 0;
        self.share_awareness();
    }

    /// Tells replicas what a guest shows, or that it is gone.
    fn share(&self, name: &str, shown: Option<(SeatId, Json)>) {
        let author = shown.as_ref().and_then(|(seat, _)| self.author(*seat));
        // Known as a guest's before it is announced, so that it is not taken for somebody else's.
        let session = self.session(name);
        let stays = self.node().with(|replica, now| {
            let points = shown.as_ref().is_some_and(|(_, state)| state.get("cursor").is_some());
            if points && replica.document(self.doc()).is_none() && replica.links(self.doc()) > 0 {
                // What it points at is found in the document. It is shared again when that is there.
                replica.build(now, self.doc());
            }
            let presence = shown.zip(author).map(|((_, state), user)| {
                let presence = company::presence(&user, &state, replica.document(self.doc()));
                Presence { active: now, ..presence }
            });
            let stays = presence.is_some();
            replica.announce(now, self.doc(), session, presence);
            stays
        });
        if !stays {
            self.lock().company.forget(name);
        }
    }

    /// The session of a guest, as replicas know it.
    fn session(&self, name: &str) -> SessionId {
        if let Some(session) = self.lock().company.sessions.get(name) {
            return *session;
        }
        let session = self.node().with(|replica, _| replica.new_session());
        let mut inner = self.lock();
        inner.company.sessions.insert(name.to_owned(), session);
        inner.company.own.insert(session);
        session
    }

    /// A client of automerge-repo says something to everybody who is here. What comes twice, by another way, is said once.
    pub(super) fn say(&self, seat: SeatId, message: &Ephemeral<'_>) {
        let Ephemeral { sender, document, session, count, data } = *message;
        let mut inner = self.lock();
        if !inner.announcements.is_new(&message.author(), count) {
            return;
        }
        let announced = automerge_repo::ephemeral(sender, document, session, count, data);
        inner.announcements.make(seat, announced.into());
        inner.wake();
        let Some(said) = Said::read(data) else { return };
        if inner.company.hear(Instant::now(), seat, message, said) {
            let shown = inner.company.peers.get(sender).map(|peer| (seat, peer.state.clone()));
            drop(inner);
            self.share(sender, shown);
        }
    }

    /// Whether a message, or a later one of the same author, has been said already.
    pub(crate) fn has_heard(&self, message: &Ephemeral<'_>) -> bool {
        self.lock().announcements.has_heard(&message.author(), message.count)
    }

    /// Clients of automerge-repo are gone without a goodbye.
    pub(super) fn part(&self, gone: &[Gone]) {
        for Gone { name, goodbye } in gone {
            let mut inner = self.lock();
            inner.announcements.make(SeatId::OUTSIDE, goodbye.clone());
            inner.wake();
            drop(inner);
            self.share(name, None);
        }
    }

    /// Somebody of replicas' clients, or of this room's guests, has come, moved or gone: guests are told of the former.
    pub(crate) fn on_present(&self) {
        let mut inner = self.lock();
        let (moved, gone) = self.node().look(|replica| {
            // Where there are guests alone, as mostly, nobody has to be told apart from them.
            let guests_alone = inner.company.outside.is_empty() && replica.links(self.doc()) == 0;
            match guests_alone {
                true => Default::default(),
                false => inner.company.compare(replica.present(self.doc())),
            }
        });
        if moved.is_empty() && gone.is_empty() {
            return;
        }
        for session in gone {
            let times = inner.company.outside.remove(&session).map_or(0, |(_, times)| times);
            self.show(&mut inner, session, None, times + 1);
        }
        for (session, presence) in moved {
            let times = inner.company.outside.get(&session).map_or(0, |(_, times)| *times) + 1;
            self.show(&mut inner, session, Some(&presence), times);
            inner.company.outside.insert(session, (presence, times));
        }
        self.tell_outside(&inner);
    }

    /// What was shown of those who speak another protocol reaches guests as their own does.
    fn tell_outside(&self, inner: &Inner) {
        match self.family() {
            Some(Family::Automerge) => inner.wake(),
            _ => self.stir(),
        }
    }

    /// Tells guests again of those who speak another protocol, if it is time.
    pub(super) fn renew(&self, now: Instant) {
        let mut inner = self.lock();
        if inner.company.outside.is_empty() || inner.company.renewal.is_some_and(|due| now < due) {
            return;
        }
        inner.company.renewal = Some(now + RENEWAL);
        let outside = std::mem::take(&mut inner.company.outside);
        for (session, (presence, times)) in outside {
            self.show(&mut inner, session, Some(&presence), times + 1);
            inner.company.outside.insert(session, (presence, times + 1));
        }
        self.tell_outside(&inner);
    }

    /// The Yjs client that a session is to be shown as: nobody's, and drawn here, as a session's own name is whatever its
    /// client says.
    fn draw(&self, inner: &mut Inner, session: SessionId) -> u64 {
        loop {
            let drawn = self.node().with(|replica, _| replica.new_session());
            let [a, b, c, d, e, f, ..] = *drawn.as_bytes();
            let client = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
            if !inner.awareness.knows(client) {
                inner.company.drawn.insert(session, client);
                return client;
            }
        }
    }

    /// Shows guests one of replicas' clients, for the how-manieth time, or that it is gone.
    fn show(&self, inner: &mut Inner, session: SessionId, presence: Option<&Presence>, times: u64) {
        let state = presence.map(company::state);
        if self.family() == Some(Family::Automerge) {
            let said = state.map_or(Said::Goodbye, Said::Snapshot);
            let (name, document) = (format!("{OUTSIDE_PEERS}{session}"), DocumentId::of(self.doc()));
            let message = automerge_repo::ephemeral(&name, document, "presence", times, &said.write());
            inner.announcements.make(SeatId::OUTSIDE, message.into());
        } else {
            let client = match inner.company.drawn.get(&session) {
                Some(client) => *client,
                None => self.draw(inner, session),
            };
            if presence.is_none() {
                inner.company.drawn.remove(&session);
            }
            inner.awareness.show(Instant::now(), client, state.map(|state| state.to_string().into()));
        }
    }
}
