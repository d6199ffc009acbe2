//! Who is present in a document, as this replica knows it and tells its peers.
//!
//! Every change has a number. A peer is told what has changed since the number it was told last, at most once a
//! [`PRESENCE_TICK`](crate::presence::PRESENCE_TICK), and less often where many are told, in one message a document, whoever has
//! moved meanwhile; of very many, the rest is told in the next. So a slow peer costs nothing but its number.
//! A session belongs to the link that it was first heard on, or to this replica's application; nobody else speaks for it, but
//! for its user on another link, where a relay knows who is who: he has come back before the old link was seen to be dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Document, Replica};
use crate::event::Event;
use crate::id::{ConnectionId, DocId, Principal};
use crate::presence::{
    HEARTBEAT, MAX_SESSIONS, MAX_SESSIONS_OF_A_LINK, Presence, SessionId, Sighting, TIMEOUT,
};
use crate::time::Time;
use crate::wire::Message;

/// How often it is seen to it who is gone and who has to say that he is still there, in milliseconds.
const CHECK_INTERVAL: u64 = 5_000;

/// Who is present in one document.
#[derive(Debug, Default)]
pub(super) struct Presences {
    sessions: BTreeMap<SessionId, Session>,
    /// Counts changes.
    version: u64,
    /// Up to which version peers were told.
    told: BTreeMap<ConnectionId, u64>,
    /// The version that peers made last themselves.
    own: BTreeMap<ConnectionId, u64>,
    /// Whether anybody is gone of whom not all may have been told.
    parted: bool,
    /// The links on which the document is open and that are not marked: each is here, or is to be told something.
    idle: BTreeSet<ConnectionId>,
}

#[derive(Debug)]
struct Session {
    /// What it shows; `None` if it is gone, which is remembered until all have been told.
    presence: Option<Arc<Presence>>,
    /// About how many bytes it takes to tell.
    cost: usize,
    /// The link it is on; `None` if it is the application's here.
    link: Option<ConnectionId>,
    /// Whose it is, if that is known.
    owner: Option<Principal>,
    /// When it was heard last, or said last that it is there.
    heard: Time,
    version: u64,
}

/// Who speaks.
#[derive(Clone, Debug)]
struct Speaker {
    /// On which link; `None` is the application here.
    link: Option<ConnectionId>,
    /// The user, if that is known.
    user: Option<Principal>,
    /// For how many sessions it may speak.
    most: usize,
}

impl Session {
    /// Whether somebody may speak for it.
    fn hears(&self, speaker: &Speaker) -> bool {
        let of_user = self.owner.is_some() && self.owner == speaker.user;
        self.presence.is_none() || self.link == speaker.link || of_user
    }
}

impl Presences {
    /// Takes in what somebody says of a session; true if that is news.
    fn put(&mut self, now: Time, speaker: &Speaker, sighting: Sighting) -> bool {
        let cost = sighting.cost();
        let Sighting { session, presence } = sighting;
        match self.sessions.get_mut(&session) {
            Some(known) if !known.hears(speaker) => return false,
            Some(known) => {
                (known.heard, known.link) = (now, speaker.link);
                known.owner.clone_from(&speaker.user);
                let is_news = known.presence != presence;
                if is_news {
                    self.version += 1;
                    self.parted |= presence.is_none();
                    (known.presence, known.cost, known.version) = (presence, cost, self.version);
                }
                // Whoever says the same on another link has made this version his own.
                let version = known.version;
                self.note_own(speaker.link, version);
                return is_news;
            }
            None => {
                if presence.is_none() || !self.has_room(speaker) {
                    return false;
                }
                self.version += 1;
                let (link, owner, version) = (speaker.link, speaker.user.clone(), self.version);
                self.note_own(link, version);
                let known = Session { presence, cost, link, owner, heard: now, version };
                self.sessions.insert(session, known);
            }
        }
        true
    }

    fn note_own(&mut self, link: Option<ConnectionId>, version: u64) {
        let Some(link) = link else { return };
        let own = self.own.entry(link).or_default();
        *own = version.max(*own);
    }

    fn has_room(&self, speaker: &Speaker) -> bool {
        let there = self.sessions.values().filter(|session| session.presence.is_some());
        let of_link = || there.filter(|session| session.link == speaker.link).count();
        self.sessions.len() < MAX_SESSIONS && (speaker.most >= MAX_SESSIONS || of_link() < speaker.most)
    }

    /// Those for whom this holds are gone; true if there are any.
    fn remove(&mut self, gone: impl Fn(&Session) -> bool) -> bool {
        let before = self.version;
        for session in self.sessions.values_mut().filter(|session| session.presence.is_some()) {
            if gone(session) {
                self.version += 1;
                (session.presence, session.version) = (None, self.version);
                self.own.extend(session.link.map(|link| (link, self.version)));
                self.parted = true;
            }
        }
        self.version > before
    }

    /// Since which version a peer has not been told what is new, if nothing of it is its own and it has been told before: then all
    /// are told the same of whom that is true.
    fn since(&self, link: ConnectionId) -> Option<u64> {
        let told = *self.told.get(&link)?;
        (told > 0 && self.own.get(&link).is_none_or(|own| *own <= told)).then_some(told)
    }

    /// What a peer has not been told, up to about so many bytes, but for what it said itself; only a relay passes on what
    /// others have said. And whether there is more.
    fn news(&mut self, link: ConnectionId, forwards: bool, budget: usize) -> (Vec<Sighting>, bool) {
        let told = self.told.get(&link).copied().unwrap_or(0);
        let passes = |session: &Session| session.link.is_none() || forwards && session.link != Some(link);
        let mut news: Vec<(u64, usize, Sighting)> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.version > told && passes(session))
            .filter(|(_, session)| told > 0 || session.presence.is_some())
            .map(|(id, session)| {
                let sighting = Sighting { session: *id, presence: session.presence.clone() };
                (session.version, session.cost, sighting)
            })
            .collect();
        news.sort_unstable_by_key(|(version, ..)| *version);
        let mut bytes = 0;
        let fits = news.iter().take_while(|(_, cost, _)| {
            let fits = bytes < budget;
            bytes += cost;
            fits
        });
        let rest = news.split_off(fits.count());
        // What was told last, or everything.
        let until =
            if rest.is_empty() { Some(self.version) } else { news.last().map(|(version, ..)| *version) };
        self.told.insert(link, until.unwrap_or(told));
        if rest.is_empty() {
            self.idle.insert(link);
        }
        self.forget();
        (news.into_iter().map(|(.., sighting)| sighting).collect(), !rest.is_empty())
    }

    /// Forgets who is gone once all have been told.
    fn forget(&mut self) {
        if !self.parted {
            return;
        }
        let told = self.told.values().copied().min().unwrap_or(self.version);
        self.sessions.retain(|_, session| session.presence.is_some() || session.version > told);
        self.parted = self.sessions.values().any(|session| session.presence.is_none());
    }

    /// Who is there.
    fn present(&self) -> impl Iterator<Item = (SessionId, &Presence)> {
        self.sessions.iter().filter_map(|(id, session)| Some((*id, session.presence.as_deref()?)))
    }

    fn is_empty(&self) -> bool {
        self.sessions.values().all(|session| session.presence.is_none())
    }
}

impl Replica {
    /// Says that a session of the application is present in a document, or is gone; [`Event::Present`] follows. Peers are told
    /// as far as the document is open there, again as often as they need to hear it.
    pub fn announce(&mut self, now: Time, doc: &DocId, session: SessionId, presence: Option<Presence>) {
        self.context.set_clock(now);
        let speaker = Speaker { link: None, user: None, most: MAX_SESSIONS };
        self.see(doc, &speaker, vec![Sighting { session, presence: presence.map(Arc::new) }]);
        self.deliver();
    }

    /// A name for a new session.
    pub fn new_session(&mut self) -> SessionId {
        SessionId::new(self.context.random.bytes())
    }

    /// Who is present in a document, the application's own sessions included.
    pub fn present<'a>(&'a self, doc: &DocId) -> impl Iterator<Item = (SessionId, &'a Presence)> + use<'a> {
        self.documents.get(doc).into_iter().flat_map(|document| document.presences.present())
    }

    /// A peer says who is present. Who it is that speaks may have been asked.
    pub(super) fn on_presence(&mut self, id: ConnectionId, doc: &DocId, mut sightings: Vec<Sighting>) {
        let opened = self.connections.get(&id).is_some_and(|connection| connection.open.contains(doc));
        if !opened {
            return;
        }
        self.context.counts.presence_in += 1;
        let speaker = Speaker { link: Some(id), user: self.visitor(id), most: self.most_sessions(id) };
        if let Some(user) = &speaker.user {
            let shown = sightings.iter_mut().filter_map(|sighting| sighting.presence.as_mut());
            shown.for_each(|presence| Arc::make_mut(presence).user = user.clone());
        }
        self.see(doc, &speaker, sightings);
    }

    fn visitor(&self, id: ConnectionId) -> Option<Principal> {
        let greeted = self.connections.get(&id)?.info()?;
        greeted.visitor.as_ref().map(|visitor| visitor.principal().clone())
    }

    fn see(&mut self, doc: &DocId, speaker: &Speaker, sightings: Vec<Sighting>) {
        let now = self.context.now;
        let Some(document) = self.documents.get_mut(doc) else { return };
        let put = |sighting| document.presences.put(now, speaker, sighting);
        let news = sightings.into_iter().map(put).filter(|news| *news).count() > 0;
        self.presence_check.get_or_insert(now.after(CHECK_INTERVAL));
        if news {
            self.tell_presence(doc);
        }
    }

    /// For how many sessions a link may speak; a relay speaks for everybody.
    fn most_sessions(&self, link: ConnectionId) -> usize {
        let greeted = self.connections.get(&link).and_then(|connection| connection.info());
        let relay = greeted.is_some_and(|greeted| greeted.info.relay);
        if relay { MAX_SESSIONS } else { MAX_SESSIONS_OF_A_LINK }
    }

    /// Has the news about who is present told.
    fn tell_presence(&mut self, doc: &DocId) {
        let Some(document) = self.documents.get_mut(doc) else { return };
        for id in std::mem::take(&mut document.presences.idle) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.mark_presence(doc, self.context.now);
            }
        }
        self.context.tell(Event::Present { doc: doc.clone() });
    }

    /// A document was opened on a link: whoever is present there is told of.
    pub(super) fn greet_with_presence(&mut self, id: ConnectionId, doc: &DocId) {
        let opened = self.documents.get_mut(doc).filter(|document| document.is_open_on(id));
        let Some((document, connection)) = opened.zip(self.connections.get_mut(&id)) else { return };
        if document.presences.sessions.is_empty() {
            document.presences.idle.insert(id);
        } else {
            connection.mark_presence(doc, self.context.now);
        }
    }

    /// A document is no longer open on a link: whoever was present on it is gone.
    pub(super) fn forget_presence(&mut self, id: ConnectionId, doc: &DocId) {
        let Some(document) = self.documents.get_mut(doc) else { return };
        document.presences.told.remove(&id);
        document.presences.idle.remove(&id);
        let gone = document.presences.remove(|session| session.link == Some(id));
        document.presences.own.remove(&id);
        if gone {
            self.tell_presence(doc);
        }
    }

    /// See [`Presences::since`].
    pub(super) fn presence_since(&self, id: ConnectionId, doc: &DocId) -> Option<u64> {
        self.documents.get(doc).filter(|document| document.is_open_on(id))?.presences.since(id)
    }

    /// A peer has been told all that is new of who is present in a document.
    pub(super) fn note_presence_told(&mut self, id: ConnectionId, doc: &DocId) {
        if let Some(Document { presences, .. }) = self.documents.get_mut(doc) {
            presences.told.insert(id, presences.version);
            presences.idle.insert(id);
            presences.forget();
        }
    }

    /// What a peer is to be told of who is present in a document, up to about so many bytes, and whether there is more, which is
    /// told later.
    pub(super) fn presence_news(
        &mut self,
        id: ConnectionId,
        doc: &DocId,
        budget: usize,
    ) -> Option<(Message, bool)> {
        let document = self.documents.get_mut(doc).filter(|document| document.is_open_on(id))?;
        let (sightings, more) = document.presences.news(id, self.context.config.policy.relay, budget);
        if more && let Some(connection) = self.connections.get_mut(&id) {
            connection.mark_presence(doc, self.context.now);
        }
        (!sightings.is_empty()).then(|| (Message::Presence { doc: doc.clone(), sightings }, more))
    }

    /// Finds who is gone without a word, and says once more who is here.
    pub(super) fn check_presence(&mut self) {
        let now = self.context.now;
        if self.presence_check.take_if(|due| *due <= now).is_none() {
            return;
        }
        let docs: Vec<DocId> = self.documents.iter().filter_map(with_presence).collect();
        for doc in &docs {
            let Some(document) = self.documents.get_mut(doc) else { continue };
            let news = document.presences.check(now, self.context.config.policy.relay);
            if news {
                self.tell_presence(doc);
            }
        }
        if !docs.is_empty() {
            self.presence_check = Some(now.after(CHECK_INTERVAL));
        }
    }
}

fn with_presence((doc, document): (&DocId, &Document)) -> Option<DocId> {
    (!document.presences.is_empty()).then(|| doc.clone())
}

impl Presences {
    /// Whoever is not here says what is new alone, so a relay's word is good until it says otherwise, or its link ends.
    fn check(&mut self, now: Time, relay: bool) -> bool {
        let silent = |session: &Session| session.link.is_some() && session.heard.after(TIMEOUT) <= now;
        let gone = relay && self.remove(silent);
        let before = self.version;
        let own = self.sessions.values_mut().filter(|session| session.link.is_none());
        for session in
            own.filter(|session| session.presence.is_some() && session.heard.after(HEARTBEAT) <= now)
        {
            self.version += 1;
            (session.heard, session.version) = (now, self.version);
        }
        gone || self.version > before
    }
}
