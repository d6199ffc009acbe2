//! One document from opening to closing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::compaction::Merged;
use super::connection::Greeted;
use super::content::{Content, Skipped};
use super::context::Context;
use super::live::Live;
use super::memory::Share;
use super::peer::{Peer, Portion};
use super::presence::Presences;
use crate::entry::Spec;
use crate::event::{DocumentError, Event, Progress, StoreFault, StoredDocument, Write};
use crate::id::{ConnectionId, DocId, Epoch, WriteId};
use crate::log::Log;
use crate::wire::Message;

/// Most messages about a document that wait for it to be loaded.
pub const MAX_WAITING_FOR_LOAD: usize = 4_096;

/// Most bytes of them. An honest peer says little before it is answered.
pub const MAX_WAITING_FOR_LOAD_BYTES: usize = 32 << 20;

/// A document and who uses it.
pub(super) struct Document {
    doc: DocId,
    phase: Phase,
    /// Whether the application has it open; otherwise only peers do.
    wanted: bool,
    /// Whether guests use it.
    pub hosted: bool,
    /// Whether it is to be compacted as soon as it is in memory again.
    compacts: bool,
    /// What it adds to what may be unloaded.
    pub share: Option<Share>,
    /// Who is present, whether it is in memory or not.
    pub presences: Presences,
}

/// A message that came before the document was loaded.
pub(super) type Waiting = Vec<(ConnectionId, Message)>;

enum Phase {
    /// The store has been asked for it, or will be.
    Loading {
        spec: Option<Spec>,
        waiting: Waiting,
        waiting_bytes: usize,
        /// With whom it is open, if it rested.
        peers: Peers,
    },
    /// It is in memory.
    Live(Box<Live>),
    /// It is on disk alone, and open on links.
    Resting {
        peers: Peers,
        /// Where its log ends.
        head: u64,
    },
}

type Peers = BTreeMap<ConnectionId, Peer>;

impl Document {
    /// Asks the store for the document.
    pub fn load(context: &mut Context, doc: &DocId, spec: Option<Spec>, wanted: bool) -> Self {
        context.load(doc);
        Self {
            doc: doc.clone(),
            phase: Phase::loading(spec, Peers::new()),
            wanted,
            hosted: false,
            compacts: false,
            share: None,
            presences: Presences::default(),
        }
    }

    /// Asks the store for the document again, if it rests.
    pub fn wake(&mut self, context: &mut Context) {
        if let Phase::Resting { peers, .. } = &mut self.phase {
            context.load(&self.doc);
            self.phase = Phase::loading(None, std::mem::take(peers));
        }
    }

    /// Leaves the document to the disk, if nothing of it is under way, or if guests have it at least its log; false if
    /// nothing can be done. `takes` says which links have room: the others hear what they are to hear when they have, which
    /// wakes the document, and do not keep it in memory until then.
    pub fn rest(&mut self, context: &mut Context, takes: &dyn Fn(ConnectionId) -> bool) -> bool {
        let Phase::Live(live) = &mut self.phase else { return false };
        if self.hosted && !self.wanted {
            return live.unbuild(context);
        }
        if self.wanted || !live.may_rest(takes) {
            live.hurry(context, takes);
            return false;
        }
        let (peers, head) = (std::mem::take(&mut live.peers), live.log().head());
        self.phase = Phase::Resting { peers, head };
        true
    }

    /// What memory the document takes, if some of that may be given back; in bytes, roughly.
    pub fn unloadable_bytes(&mut self) -> Option<usize> {
        match &mut self.phase {
            Phase::Live(live) if !self.wanted => Some(live.bytes()),
            Phase::Live(_) | Phase::Loading { .. } | Phase::Resting { .. } => None,
        }
    }

    /// The application opens a document that is, or is about to be, in memory.
    pub fn open_again(&mut self, context: &mut Context, wanted: Option<Spec>) {
        self.wanted = true;
        self.wake(context);
        match &mut self.phase {
            // It has just been woken.
            Phase::Resting { .. } => {}
            Phase::Loading { .. } => self.want(wanted),
            Phase::Live(live) => {
                let doc = self.doc.clone();
                context.tell(match check_spec(&self.doc, wanted, live.spec()) {
                    Ok(()) => Event::Opened { doc },
                    Err(error) => Event::Failed { doc, error },
                });
            }
        }
    }

    /// Makes it such a document if the store has none.
    pub fn want(&mut self, wanted: Option<Spec>) {
        if let Phase::Loading { spec, .. } = &mut self.phase {
            *spec = spec.or(wanted);
        }
    }

    /// Takes the store's answer. Returns the messages that waited for it.
    pub fn on_loaded(
        &mut self,
        context: &mut Context,
        result: Result<Option<StoredDocument>, StoreFault>,
    ) -> Result<Waiting, (DocumentError, Waiting)> {
        let Phase::Loading { spec, waiting, peers, .. } = &mut self.phase else { return Ok(Vec::new()) };
        let (spec, waiting) = (*spec, std::mem::take(waiting));
        match Self::make(context, &self.doc, spec, self.wanted, result) {
            Ok(mut live) => {
                live.peers = std::mem::take(peers);
                if std::mem::take(&mut self.compacts) {
                    live.compact(context, true);
                } else if self.wanted {
                    // What was written in the end of the last session may not have been worth its time then.
                    live.compact(context, false);
                }
                if self.hosted {
                    live.host(context);
                }
                self.phase = Phase::Live(Box::new(live));
                if self.wanted {
                    context.tell(Event::Opened { doc: self.doc.clone() });
                }
                Ok(waiting)
            }
            Err(error) => Err((error, waiting)),
        }
    }

    fn make(
        context: &mut Context,
        doc: &DocId,
        asked: Option<Spec>,
        wanted: bool,
        result: Result<Option<StoredDocument>, StoreFault>,
    ) -> Result<Live, DocumentError> {
        match result {
            Err(fault) => Err(DocumentError::Store { doc: doc.clone(), fault }),
            Ok(Some(stored)) => {
                check_spec(doc, asked.filter(|_| wanted), stored.spec)?;
                Live::restore(context, doc, stored)
            }
            Ok(None) => {
                let spec = asked.ok_or_else(|| DocumentError::NotFound { doc: doc.clone() })?;
                Live::begin(context, doc, spec)
            }
        }
    }

    /// Keeps a message until the document is loaded; false if too many wait already. If there is none, a peer who opens it
    /// has it made, if it `makes` documents.
    pub fn wait(&mut self, connection: ConnectionId, message: Message, makes: bool) -> bool {
        let Phase::Loading { spec, waiting, waiting_bytes, .. } = &mut self.phase else { return false };
        if let (Message::Open { spec: theirs, .. }, true) = (&message, makes && !self.wanted) {
            *spec = spec.or(Some(*theirs));
        }
        *waiting_bytes += message.cost();
        waiting.push((connection, message));
        waiting.len() <= MAX_WAITING_FOR_LOAD && *waiting_bytes <= MAX_WAITING_FOR_LOAD_BYTES
    }

    pub const fn is_loading(&self) -> bool {
        matches!(self.phase, Phase::Loading { .. })
    }

    /// Whether it is on disk alone.
    pub const fn is_resting(&self) -> bool {
        matches!(self.phase, Phase::Resting { .. })
    }

    /// The document in memory.
    pub fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Loading { .. } | Phase::Resting { .. } => None,
            Phase::Live(live) => Some(live),
        }
    }

    /// The document in memory, to work on.
    pub fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.phase {
            Phase::Loading { .. } | Phase::Resting { .. } => None,
            Phase::Live(live) => Some(live),
        }
    }

    fn peers(&self) -> &Peers {
        match &self.phase {
            Phase::Loading { peers, .. } | Phase::Resting { peers, .. } => peers,
            Phase::Live(live) => &live.peers,
        }
    }

    /// Whether it is open on a link.
    pub fn is_open_on(&self, id: ConnectionId) -> bool {
        self.peers().contains_key(&id)
    }

    /// The links on which it is open.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.peers().keys().copied()
    }

    /// On how many links it is open.
    pub fn links(&self) -> usize {
        self.peers().len()
    }

    pub fn spec(&self) -> Option<Spec> {
        self.live().map(Live::spec)
    }

    pub fn log(&self) -> Option<&Log> {
        self.live().map(Live::log)
    }

    pub fn content(&self) -> Option<&Content> {
        self.live().map(Live::content)
    }

    pub fn progress(&self) -> Option<Progress> {
        self.live().map(Live::progress)
    }

    pub fn in_sync(&self, connection: ConnectionId) -> bool {
        let head = match &self.phase {
            Phase::Loading { .. } => return false,
            Phase::Live(live) if live.is_level_with(connection) => return true,
            Phase::Live(live) => live.log().head(),
            Phase::Resting { head, .. } => *head,
        };
        self.peers().get(&connection).is_some_and(|peer| peer.in_sync(head))
    }

    /// Opens the document on a link where the peer has greeted.
    pub fn open_at(&mut self, context: &mut Context, connection: ConnectionId, greeted: &Greeted) {
        if let Some(live) = self.live_mut() {
            live.open_at(context, connection, greeted);
        }
    }

    /// A link is gone, or the peer has shut the document.
    pub fn shut(&mut self, connection: ConnectionId) {
        match &mut self.phase {
            Phase::Resting { peers, .. } => _ = peers.remove(&connection),
            Phase::Loading { waiting, waiting_bytes, peers, .. } => {
                peers.remove(&connection);
                waiting.retain(|(from, _)| *from != connection);
                *waiting_bytes = waiting.iter().map(|(_, message)| message.cost()).sum();
            }
            Phase::Live(live) => live.shut(connection),
        }
    }

    /// The application lets go: once all is written the document may be dropped. Returns the links on which it
    /// was open, or waits to be.
    pub fn close(&mut self) -> BTreeSet<ConnectionId> {
        self.wanted = false;
        match &mut self.phase {
            Phase::Loading { waiting, peers, .. } => {
                let waiting = waiting.drain(..).map(|(link, _)| link);
                waiting.chain(std::mem::take(peers).into_keys()).collect()
            }
            Phase::Resting { peers, .. } => std::mem::take(peers).into_keys().collect(),
            Phase::Live(live) => {
                let links = live.connections();
                links.iter().for_each(|link| live.shut(*link));
                links
            }
        }
    }

    /// Why the document cannot stay open, if it cannot.
    pub fn damage(&self) -> Option<DocumentError> {
        let damaged = self.live()?.damaged.as_ref()?;
        Some(DocumentError::Damaged { doc: self.doc.clone(), reason: damaged.to_string() })
    }

    /// Whether nobody uses the document and nothing of it is under way.
    pub fn is_idle(&self) -> bool {
        let done = match &self.phase {
            Phase::Loading { .. } => false,
            Phase::Live(live) => live.is_idle(),
            Phase::Resting { peers, .. } => peers.is_empty(),
        };
        !self.wanted && !self.hosted && done
    }

    pub fn on_written(&mut self, context: &mut Context, write: WriteId) {
        if let Some(live) = self.live_mut() {
            live.on_written(context, write);
        }
    }

    pub fn compact_now(&mut self, context: &mut Context) {
        self.compacts |= !self.peers().is_empty();
        self.wake(context);
        if let Phase::Live(live) = &mut self.phase {
            self.compacts = false;
            live.compact(context, true);
        }
    }

    pub fn on_merged(&mut self, context: &mut Context, merged: Merged) {
        if let Some(live) = self.live_mut() {
            live.on_merged(context, merged);
        }
    }

    /// What the document has for a peer, up to about `budget` bytes, in a frame of its own or with what else there is for it.
    pub fn portion(&mut self, connection: ConnectionId, budget: usize, alone: bool) -> Option<Portion> {
        self.live_mut()?.portion(connection, budget, alone)
    }

    /// The messages of a portion.
    pub fn messages<'a>(&self, portion: &'a Portion) -> Cow<'a, [Message]> {
        match self.log().zip(portion.stretch) {
            Some((log, stretch)) => stretch.messages(&self.doc, log).into(),
            None => (&portion.messages).into(),
        }
    }
}

impl Phase {
    const fn loading(spec: Option<Spec>, peers: Peers) -> Self {
        Self::Loading { spec, waiting: Vec::new(), waiting_bytes: 0, peers }
    }
}

pub(super) fn check_spec(doc: &DocId, wanted: Option<Spec>, found: Spec) -> Result<(), DocumentError> {
    match wanted {
        Some(wanted) if wanted != found => {
            Err(DocumentError::SpecMismatch { doc: doc.clone(), wanted, found, place: "here" })
        }
        _ => Ok(()),
    }
}

impl Live {
    /// A new log, named afresh.
    fn begin(context: &mut Context, doc: &DocId, spec: Spec) -> Result<Self, DocumentError> {
        let epoch = Epoch::new(context.random.bytes());
        context.write(Write::Create { doc: doc.clone(), spec, epoch });
        context.tell(Event::Created { doc: doc.clone() });
        let log = Log::new(epoch);
        let content = Content::build(spec, context.config.policy.built, &log, &mut Skipped::default())
            .map_err(|damaged| DocumentError::Damaged { doc: doc.clone(), reason: damaged.to_string() })?;
        Ok(Self::new(doc.clone(), spec, log, content))
    }
}
