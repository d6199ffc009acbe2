//! Documents that clients of other protocols use through this replica, its *guests*.
//!
//! A guest has no log. It says what it holds in the terms of its family, so telling what it lacks, or what of what it sends
//! is new, takes the document as a CRDT, also at a relay, which can do without one otherwise: it is *built* for guests when
//! the first of them needs that. Who holds nothing does not: the log's base and what follows is what it lacks. What a guest
//! sends that is new is appended in its name, under an id that is drawn for it. The driver, who speaks the protocols, reads
//! off the log what guests are sent: past a position, as peers are. What a *replica* wrote must not reach guests before it
//! is durable: a guest cannot be asked for it by its name, so if it were lost here, nobody could tell whose it was when it
//! comes back.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::compaction::{Merged, Product, Purpose};
use super::context::Context;
use super::edit::MAX_UNWRITTEN;
use super::live::{Live, MAX_WRITERS};
use super::{Document, Replica};
use crate::crdt::{Damaged, Exchange, GateError, ReceiveError};
use crate::entry::{Body, Entry, Seen, Spec};
use crate::event::{Event, Output, StoreFault};
use crate::id::{DocId, EntryId, Have, Principal, ReplicaId};
use crate::log::Log;
use crate::time::Time;

/// What guests need of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hosting {
    /// No guest has it.
    #[default]
    None,
    /// Its log: who comes is given what is there.
    Log,
    /// It as a CRDT, which is being built.
    Building,
    /// It is held as one.
    Built,
}

/// In whose name something is appended that a guest sends.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The id drawn for it by [`Replica::new_guest`].
    pub replica: ReplicaId,
    /// The responsible principal.
    pub author: Principal,
    /// What it is known to have held when it wrote.
    pub seen: Seen,
}

/// What became of something that a guest sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contributed<T> {
    /// What the closure returned besides.
    pub value: T,
    /// How many entries it made; none if everything was held already.
    pub entries: usize,
    /// Once the log is durable up to here, so is everything that was sent.
    pub offset: u64,
}

/// What a guest sent is not taken; the document is as it was.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContributeError {
    /// The document is not built for guests; see [`Replica::build`].
    #[error("document {0:?} is not held as clients of other protocols know it")]
    NotBuilt(DocId),
    /// The store cannot be written, so nothing could be saved.
    #[error("nothing can be saved at the moment: {0}")]
    Stopped(StoreFault),
    /// Too much waits for the disk.
    #[error("{MAX_UNWRITTEN} writes wait for the disk; try again when some are done")]
    Busy,
    /// It would be the first that this guest writes, and too many have written.
    #[error("{MAX_WRITERS} replicas have written to the document, which is the most")]
    TooManyWriters,
    /// The gate refuses it.
    #[error(transparent)]
    Refused(#[from] GateError),
    /// The library failed; the document was rebuilt from its log.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl From<ReceiveError> for ContributeError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Refused(refused) => Self::Refused(refused),
            ReceiveError::Damaged(damaged) => Self::Damaged(damaged),
        }
    }
}

impl Replica {
    /// Keeps a document in memory for guests: answered by [`Event::Hosted`] or [`Event::Failed`]. With `spec` it is made if
    /// there is none. Hosting a hosted document answers again. Where documents are held as CRDTs anyway it is built, too.
    pub fn host(&mut self, now: Time, doc: &DocId, spec: Option<Spec>) {
        self.context.set_clock(now);
        self.count_opening(doc);
        let document = self.documents.entry(doc.clone());
        let document = document.or_insert_with(|| Document::load(&mut self.context, doc, spec, false));
        document.host(&mut self.context, spec);
        self.note_use(doc);
        self.deliver();
    }

    /// Has a hosted document held as a CRDT, by which it is known what guests lack and bring: answered by [`Event::Built`],
    /// or [`Event::Failed`]. That lasts until the memory is needed for others, or guests have left.
    pub fn build(&mut self, now: Time, doc: &DocId) {
        self.context.set_clock(now);
        if let Some(live) = self.documents.get_mut(doc).and_then(Document::live_mut) {
            live.build(&mut self.context);
        }
        self.note_use(doc);
        self.deliver();
    }

    /// Guests have left: the document is held as it was before.
    pub fn unhost(&mut self, doc: &DocId) {
        if let Some(document) = self.documents.get_mut(doc) {
            document.unhost(&mut self.context);
        }
        self.drop_done(doc);
        self.deliver();
    }

    /// An id for a new guest.
    pub fn new_guest(&mut self) -> ReplicaId {
        ReplicaId::new(self.context.random.bytes())
    }

    /// Takes in what a guest sends, by a closure that receives it into the document and returns what was new. The ids are
    /// those of all who have written, among whom nothing new may be written.
    pub fn contribute<T>(
        &mut self,
        now: Time,
        doc: &DocId,
        guest: &Guest,
        receive: impl FnOnce(&mut dyn Exchange, &Have) -> Result<(Vec<Bytes>, T), ReceiveError>,
    ) -> Result<Contributed<T>, ContributeError> {
        self.context.set_clock(now);
        if let Some(fault) = &self.fault {
            return Err(ContributeError::Stopped(fault.clone()));
        }
        if self.context.unwritten() >= MAX_UNWRITTEN {
            return Err(ContributeError::Busy);
        }
        let live = self.documents.get_mut(doc).and_then(Document::live_mut);
        let live = live.filter(|live| live.hosting == Hosting::Built);
        let live = live.ok_or_else(|| ContributeError::NotBuilt(doc.clone()))?;
        let contributed = live.contribute(&mut self.context, guest, receive);
        self.note_use(doc);
        self.drop_done(doc);
        self.deliver();
        contributed
    }

    /// A hosted document as its guests know it, once it is built.
    pub fn exchange(&mut self, doc: &DocId) -> Option<&mut dyn Exchange> {
        let live = self.documents.get_mut(doc)?.live_mut()?;
        if live.hosting != Hosting::Built {
            return None;
        }
        live.content.document_mut()?.exchange()
    }

    /// What a document holds, in the terms of its family; `None` where it must be built to tell.
    #[must_use]
    pub fn version(&self, doc: &DocId) -> Option<Bytes> {
        self.documents.get(doc)?.content()?.version()
    }

    /// What a guest lacks who holds nothing: the log's base and what follows, as updates in their order, and up to where that
    /// leads. `None` if the log is not open, or if these are more than `most`.
    pub fn all_for_guests(&self, doc: &DocId, most: usize) -> Option<(Vec<Bytes>, u64)> {
        let log = self.log(doc)?;
        let mut updates: Vec<Bytes> = log.base().map(|base| base.state.clone()).into_iter().collect();
        let mut offset = log.base_offset();
        for (at, entry) in self.for_guests(doc, offset)? {
            updates.extend(entry.body.update().cloned());
            offset = at;
            if updates.len() > most {
                return None;
            }
        }
        Some((updates, offset))
    }

    /// What guests are sent of a document behind an offset: entries that bring something and are not skipped. It ends before
    /// what a replica wrote that is not durable. `None` if the log is not open, or does not reach back so far.
    pub fn for_guests(&self, doc: &DocId, after: u64) -> Option<impl Iterator<Item = (u64, &Arc<Entry>)>> {
        let live = self.documents.get(doc)?.live()?;
        let log = &live.log;
        (log.base_offset() <= after && after <= log.head()).then(|| {
            let sent = log.after(after).take_while(|stored| is_for_guests(log, stored.offset, &stored.entry));
            let sent = sent.filter(|stored| !live.skipped.contains(&stored.entry.id));
            sent.map(|stored| (stored.offset, &stored.entry))
        })
    }
}

fn is_for_guests(log: &Log, offset: u64, entry: &Entry) -> bool {
    matches!(entry.body, Body::Foreign(_)) || offset <= log.durable()
}

impl Document {
    fn host(&mut self, context: &mut Context, wanted: Option<Spec>) {
        self.hosted = true;
        self.wake(context);
        self.want(wanted);
        if let Some(live) = self.live_mut() {
            live.host(context);
        }
    }

    fn unhost(&mut self, context: &mut Context) {
        self.hosted = false;
        if let Some(live) = self.live_mut() {
            live.unhost(context);
        }
    }
}

impl Live {
    /// Whether guests use the document, or are about to.
    pub(super) fn is_hosting(&self) -> bool {
        self.hosting != Hosting::None
    }

    /// Guests use the document from now on.
    pub(super) fn host(&mut self, context: &mut Context) {
        if self.hosting == Hosting::None {
            self.hosting = if self.content.is_built() { Hosting::Built } else { Hosting::Log };
        }
        context.tell(Event::Hosted { doc: self.doc.clone() });
    }

    fn build(&mut self, context: &mut Context) {
        match self.hosting {
            Hosting::None | Hosting::Building => {}
            Hosting::Log if !self.content.is_built() => {
                context.counts.built += 1;
                self.begin_building(context);
            }
            Hosting::Log | Hosting::Built => self.built(context),
        }
    }

    fn built(&mut self, context: &mut Context) {
        self.hosting = Hosting::Built;
        context.tell(Event::Built { doc: self.doc.clone() });
    }

    fn begin_building(&mut self, context: &mut Context) {
        self.hosting = Hosting::Building;
        if let Some(merge) = self.beginning(self.log.head(), Purpose::Build) {
            context.emit(Output::Merge(merge));
        }
    }

    /// The document is built as it was some time ago; what has come since is few, and is merged here.
    pub(super) fn on_built(&mut self, context: &mut Context, merged: Merged) {
        let Merged { merge, product, poison } = merged;
        if self.hosting != Hosting::Building {
            return;
        }
        let Product::Document(mut content) = product else {
            // What cannot be built beside everything else cannot be built here.
            self.rebuild_as(context, true);
            return self.built(context);
        };
        if !merge.is_beginning_of(self) {
            return self.begin_building(context);
        }
        let since: Vec<Arc<Entry>> = self.log.after(merge.end()).map(|stored| stored.entry.clone()).collect();
        let since: Vec<&Entry> = since.iter().map(|entry| &**entry).collect();
        if poison.is_empty() && content.catch_up(&since, &self.skipped) {
            self.content = content;
            self.writer = None;
        } else {
            self.rebuild_as(context, true);
        }
        self.built(context);
    }

    fn unhost(&mut self, context: &mut Context) {
        self.unbuild(context);
        self.hosting = Hosting::None;
    }

    /// A relay that nobody needs the document of holds only the gate. Returns whether that has made a difference.
    pub(super) fn unbuild(&mut self, context: &mut Context) -> bool {
        let built = !context.config.policy.built && self.content.is_built();
        if built {
            self.hosting = Hosting::Log;
            self.rebuild_as(context, false);
        }
        built
    }

    fn contribute<T>(
        &mut self,
        context: &mut Context,
        guest: &Guest,
        receive: impl FnOnce(&mut dyn Exchange, &Have) -> Result<(Vec<Bytes>, T), ReceiveError>,
    ) -> Result<Contributed<T>, ContributeError> {
        let have = self.log.have();
        if have.counter(&guest.replica) == 0 && have.len() >= MAX_WRITERS {
            return Err(ContributeError::TooManyWriters);
        }
        let exchange = self.content.document_mut().and_then(|document| document.exchange());
        let exchange = exchange.ok_or_else(|| ContributeError::NotBuilt(self.doc.clone()))?;
        let received = receive(exchange, have).map_err(ContributeError::from);
        if let Err(ContributeError::Damaged(_)) = &received {
            self.rebuild(context);
        }
        let (updates, value) = received?;
        let entries = updates.len();
        updates.into_iter().for_each(|update| self.append_for(context, guest, Body::Foreign(update)));
        if entries > 0 {
            context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries });
        }
        Ok(Contributed { value, entries, offset: self.log.head() })
    }

    fn append_for(&mut self, context: &mut Context, guest: &Guest, body: Body) {
        let counter = self.log.have().counter(&guest.replica) + 1;
        let entry = Entry {
            id: EntryId { replica: guest.replica, counter },
            author: guest.author.clone(),
            time: context.clock,
            seen: guest.seen.clone(),
            touched: Vec::new(),
            body,
        };
        self.recent.insert(guest.replica, counter);
        self.append(context, Arc::new(entry), None);
    }
}
