//! The replica: a state machine that keeps documents and copies their logs to and from its peers.
//!
//! ```text
//!     Input ──► handle ──► ┌ connection machines ┐ ◄─ messages naming both ─► ┌ document machines ┐ ──► poll ──► Output
//!     edit ────────────────┴─────────────────────┴────────────────────────────┴───────────────────┘
//! ```
//!
//! A driver calls [`Replica::handle`] with what happened and the time, then [`Replica::poll`] until it returns
//! `None`, performing each output. Nothing here blocks, fails or looks at a clock. Applications edit through
//! [`Replica::edit`] and see their edit at once; only the network waits for the disk.
//!
//! A phone, a browser tab and the relay are the same machine under different [`Policy`]s.

mod acknowledgement;
mod applied;
mod backoff;
mod compaction;
mod connection;
mod connections;
mod content;
mod context;
mod document;
mod edit;
mod hosting;
mod intake;
mod live;
mod marks;
mod memory;
mod namesake;
mod outbound;
mod peer;
mod pending;
mod presence;
mod refusal;
mod skipping;
mod snapshot;
mod snapshot_frames;
mod statistics;
mod sync;

use std::collections::BTreeMap;

pub use applied::Server;
pub use backoff::{Backoff, FIRST_WAIT, LONGEST_WAIT};
pub use compaction::{Merge, Merged};
pub use connection::{ANSWER_TIMEOUT, GOODBYE_TIMEOUT, GREETING_TIMEOUT, RETRY_WAIT};
pub use edit::{EditFailure, Edited, Editor, FRESH_NAME_CHARS};
pub use hosting::{ContributeError, Contributed, Guest};
pub use live::DURABLE_DELAY;
pub use memory::{LOADED_BYTES, MAX_LOADS};
pub use outbound::{Batching, FULL_FRAME_BYTES, MAX_FULL_FRAME_BYTES};
pub use statistics::{Census, Counts};

use crate::crdt::Crdt;
use crate::entry::{Entry, Spec};
use crate::event::{DocumentError, Event, Input, Output, Progress, StoreFault, StoredDocument, Write};
use crate::id::{ConnectionId, DocId, Principal};
use crate::time::Time;
use crate::wire::{Encoding, Message, Packer};

use connection::Connection;
use connections::Connections;
use context::Context;
use document::Document;
use intake::Intake;
use memory::Loaded;

/// Most documents one link may have open.
pub const MAX_DOCUMENTS_PER_CONNECTION: usize = 10_000;

/// What makes one replica a phone and another one the relay.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether this replica is a relay: its acknowledgements mean *saved*, it makes documents that peers open,
    /// passes entries on before they are on its own disk, and wants no acknowledgements.
    pub relay: bool,
    /// Whether documents are held as CRDTs, to be read and edited, or only as logs behind a gate.
    pub built: bool,
    /// Whether own entries are kept apart until a relay has acknowledged them; off where no relay is configured.
    pub awaits_relay: bool,
    /// When logs are merged into snapshots.
    pub compaction: Compaction,
    /// How updates share frames.
    pub batching: Batching,
    /// How much memory documents may take that no application has open here, in bytes, roughly; of more, those used least
    /// recently are unloaded that have nothing to be written. The one used last stays, whatever its size.
    pub loaded_bytes: usize,
    /// Refuses documents that peers must not open here, with words for them.
    pub serves: fn(&DocId, Spec) -> Result<(), String>,
    /// Refuses entries this replica does not want, with words for their author.
    pub accepts: fn(&DocId, &Entry) -> Result<(), String>,
}

/// When the beginning of a log is merged into a snapshot: once the entries behind the last snapshot outweigh
/// it `ratio` times, so that the bytes written for compaction stay in proportion to those written for edits.
#[derive(Clone, Copy, Debug)]
pub struct Compaction {
    /// Fewer bytes of entries than this are left alone.
    pub least_bytes: usize,
    /// How many times the snapshot's size the entries must reach.
    pub ratio: usize,
    /// How many entries are kept, so that peers a little behind can go on from their cursor; fewer are not merged.
    pub keep_entries: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { least_bytes: 256 << 10, ratio: 1, keep_entries: 256 }
    }
}

impl Policy {
    /// A replica that applications edit.
    #[must_use]
    pub fn client() -> Self {
        Self {
            relay: false,
            built: true,
            awaits_relay: true,
            compaction: Compaction::default(),
            batching: Batching::default(),
            loaded_bytes: usize::MAX,
            serves: |_, _| Ok(()),
            accepts: |_, _| Ok(()),
        }
    }

    /// A replica that connects others.
    #[must_use]
    pub fn relay() -> Self {
        Self { relay: true, built: false, loaded_bytes: LOADED_BYTES, ..Self::client() }
    }
}

/// How a replica is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Program and version, told to peers.
    pub agent: String,
    /// On whose behalf edits are made.
    pub principal: Principal,
    /// How frames are encoded on links this replica dials; on others it answers in the peer's encoding.
    pub encoding: Encoding,
    /// Which compressions it understands, best first; empty for none.
    pub compression: Vec<crate::wire::Compression>,
    /// Where all randomness comes from: draw it from the operating system, or name it to repeat a run.
    pub seed: u64,
    /// Its role.
    pub policy: Policy,
}

/// A replica of any number of documents. See the [module](self) for how to drive it.
pub struct Replica {
    context: Context,
    connections: Connections,
    documents: BTreeMap<DocId, Document>,
    /// When documents are opened again that a peer could not open.
    retries: BTreeMap<(ConnectionId, DocId), Time>,
    /// How many answers of the store are out of date, as their document was deleted after it was asked for.
    stale_loads: BTreeMap<DocId, u32>,
    /// Set while the store cannot be written.
    fault: Option<StoreFault>,
    /// What comes in of snapshots, on all links.
    intake: Intake,
    /// What of documents may be unloaded.
    loaded: Loaded,
    /// When it is next seen to it who is still present.
    presence_check: Option<Time>,
    /// Makes the frames of all links.
    packer: Packer,
}

impl Replica {
    /// A replica that holds nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            context: Context::new(config),
            connections: Connections::default(),
            documents: BTreeMap::new(),
            retries: BTreeMap::new(),
            stale_loads: BTreeMap::new(),
            fault: None,
            intake: Intake::default(),
            loaded: Loaded::default(),
            presence_check: None,
            packer: Packer::default(),
        }
    }

    /// Takes in what happened. Its effects wait in [`Replica::poll`].
    pub fn handle(&mut self, now: Time, input: Input) {
        self.context.set_clock(now);
        match input {
            Input::Connected { connection, side, visitor } => self.on_connected(connection, side, visitor),
            Input::Received { connection, frame } => self.on_received(connection, &frame),
            Input::Writable { connection } => self.on_writable(connection),
            Input::Disconnected { connection } => self.on_disconnected(connection),
            Input::Loaded { doc, result } => self.on_loaded(&doc, result),
            Input::Written { write } => self.on_written(write),
            Input::WriteFailed { fault } => self.on_write_failed(fault),
            Input::StoreReady => self.on_store_ready(),
            Input::Merged(merged) => self.on_merged(merged),
            Input::Tick => self.on_tick(),
        }
        self.deliver();
    }

    /// The next effect to perform, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.context.next_effect() {
            return Some(output);
        }
        self.flush();
        let effect = self.context.next_effect();
        if effect.is_some() {
            return effect;
        }
        if !self.unload() {
            return None;
        }
        // What is about to be unloaded has last words.
        self.deliver();
        self.flush();
        self.context.next_effect()
    }

    /// When [`Input::Tick`] is due, if nothing happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.connections
            .next_due()
            .into_iter()
            .chain(self.retries.values().copied())
            .chain(self.presence_check)
            .min()
            .map(|time| self.context.on_clock(time))
    }

    /// Opens a document: answered by [`Event::Opened`] or [`Event::Failed`]. With `spec` it is made if the store
    /// does not have it. Opening an open document answers again.
    pub fn open(&mut self, now: Time, doc: &DocId, spec: Option<Spec>) {
        self.context.set_clock(now);
        match self.documents.get_mut(doc) {
            Some(document) => {
                document.open_again(&mut self.context, spec);
                self.note_use(doc);
                self.open_on_every_link(doc);
            }
            None => {
                let document = Document::load(&mut self.context, doc, spec, true);
                self.documents.insert(doc.clone(), document);
            }
        }
        self.deliver();
    }

    /// Lets go of a document: it is shut on every link and dropped from memory once its writes are done.
    pub fn close(&mut self, doc: &DocId) {
        if let Some(document) = self.documents.get_mut(doc) {
            let links = document.close();
            self.shut_on(links, doc);
        }
        self.drop_done(doc);
        self.deliver();
    }

    /// Forgets a document here: memory, store and all. Peers keep theirs.
    pub fn delete(&mut self, doc: &DocId) {
        if let Some(mut document) = self.drop_document(doc) {
            if document.is_loading() && !self.context.cancel_load(doc) {
                *self.stale_loads.entry(doc.clone()).or_default() += 1;
            }
            self.shut_on(document.close(), doc);
        }
        self.context.write(Write::Delete { doc: doc.clone() });
        self.deliver();
    }

    /// Asks a peer what it holds under a name: answered by [`Event::Described`].
    pub fn describe(&mut self, connection: ConnectionId, doc: &DocId) {
        self.context.post(connection, Message::Describe { doc: doc.clone() });
        self.deliver();
    }

    /// Has a document's log merged into a snapshot as far as it may be, whatever its size: answered by
    /// [`Event::Compacted`], if the document is open.
    pub fn compact(&mut self, doc: &DocId) {
        if let Some(document) = self.documents.get_mut(doc) {
            document.compact_now(&mut self.context);
        }
        self.deliver();
    }

    /// Takes leave of every peer, asking it to dial again after `retry_after` milliseconds.
    pub fn goodbye(&mut self, retry_after: u64) {
        for connection in self.connections.keys() {
            self.context.post(connection, Message::Goodbye { retry_after });
        }
        self.deliver();
    }

    /// On whose behalf edits are made here.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.context.config.principal
    }

    /// The document, if it is open and held as one.
    #[must_use]
    pub fn document(&self, doc: &DocId) -> Option<&dyn Crdt> {
        self.documents.get(doc)?.content()?.document()
    }

    /// What the document is, if it is open.
    #[must_use]
    pub fn spec(&self, doc: &DocId) -> Option<Spec> {
        self.documents.get(doc)?.spec()
    }

    /// The document's log, if it is open.
    #[must_use]
    pub fn log(&self, doc: &DocId) -> Option<&crate::log::Log> {
        self.documents.get(doc)?.log()
    }

    /// How far own edits of a document are saved, if it is open.
    #[must_use]
    pub fn progress(&self, doc: &DocId) -> Option<Progress> {
        self.documents.get(doc)?.progress()
    }

    /// Whether this replica and the peer hold the same entries of the document, as far as both know.
    #[must_use]
    pub fn in_sync(&self, connection: ConnectionId, doc: &DocId) -> bool {
        self.documents.get(doc).is_some_and(|document| document.in_sync(connection))
    }

    /// On how many links a document is open.
    #[must_use]
    pub fn links(&self, doc: &DocId) -> usize {
        self.documents.get(doc).map_or(0, Document::links)
    }

    /// Whether every link has taken what it was given and nothing waits for any.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.connections.values().all(Connection::is_drained)
    }

    /// The documents that are open here, in memory or not.
    pub fn documents(&self) -> impl Iterator<Item = &DocId> {
        self.documents.keys()
    }

    /// What is wrong with the store, while it is.
    #[must_use]
    pub const fn fault(&self) -> Option<&StoreFault> {
        self.fault.as_ref()
    }

    fn on_loaded(&mut self, doc: &DocId, result: Result<Option<StoredDocument>, StoreFault>) {
        self.context.load_answered();
        if self.is_stale(doc) {
            return;
        }
        let Some(document) = self.documents.get_mut(doc) else { return };
        let waiting = match document.on_loaded(&mut self.context, result) {
            Ok(waiting) => waiting,
            Err((error, mut waiting)) => {
                let links = document.close();
                self.drop_document(doc);
                waiting.retain(|(link, _)| !links.contains(link));
                links.into_iter().for_each(|link| self.fail_on(link, doc, &error));
                self.fail_waiting(doc, &error, &waiting);
                return self.context.tell(Event::Failed { doc: doc.clone(), error });
            }
        };
        self.note_awake(doc);
        self.open_on_every_link(doc);
        for (connection, message) in waiting {
            self.on_document_message(connection, doc.clone(), message);
        }
        self.drop_done(doc);
    }

    /// Whether the store's answer was asked for before the document was deleted.
    fn is_stale(&mut self, doc: &DocId) -> bool {
        let Some(stale) = self.stale_loads.get_mut(doc) else { return false };
        *stale -= 1;
        if *stale == 0 {
            self.stale_loads.remove(doc);
        }
        true
    }

    /// Answers whoever asked for a document that cannot be had. What else was said belongs to a conversation that was ended
    /// before, and its end is not told twice: the peer would take that for the end of the next one.
    fn fail_waiting(&mut self, doc: &DocId, error: &DocumentError, waiting: &[(ConnectionId, Message)]) {
        for (connection, message) in waiting {
            match (message, error) {
                (Message::Describe { .. }, DocumentError::NotFound { .. }) => {
                    let unknown = Message::Described { doc: doc.clone(), spec: None };
                    self.context.post(*connection, unknown);
                }
                (Message::Describe { .. } | Message::Open { .. }, _) => self.fail_on(*connection, doc, error),
                _ => {}
            }
        }
    }

    /// Tells a peer why a document is no longer open.
    fn fail_on(&mut self, connection: ConnectionId, doc: &DocId, error: &DocumentError) {
        let mut failure = connection::failure(doc, error);
        if let (Message::Failure { message, .. }, DocumentError::NotFound { .. }) = (&mut failure, error)
            && !self.makes(connection, doc)
        {
            message.push_str(", and you may not make it here");
        }
        self.context.post(connection, failure);
        self.no_longer_open(connection, doc);
    }

    /// Opens a document wherever it is not open, if this is somebody who opens documents rather than waiting
    /// for others to do so.
    fn open_on_every_link(&mut self, doc: &DocId) {
        if self.context.config.policy.relay {
            return;
        }
        let Some(document) = self.documents.get_mut(doc) else { return };
        for (id, connection) in self.connections.iter() {
            if let Some(info) = connection.info().filter(|_| !connection.is_closing(doc)) {
                document.open_at(&mut self.context, id, info);
            }
        }
    }

    fn on_written(&mut self, write: crate::id::WriteId) {
        for doc in self.context.settle(write) {
            if let Some(document) = self.documents.get_mut(&doc) {
                document.on_written(&mut self.context, write);
            }
            self.drop_done(&doc);
        }
    }

    fn on_merged(&mut self, merged: Merged) {
        let doc = merged.doc().clone();
        if let Some(document) = self.documents.get_mut(&doc) {
            document.on_merged(&mut self.context, merged);
        }
        self.drop_done(&doc);
    }

    /// After a document was used: drops it if nobody uses it any more, or if it cannot stay open.
    fn drop_done(&mut self, doc: &DocId) {
        let Some(document) = self.documents.get_mut(doc) else { return };
        if let Some(error) = document.damage() {
            let links = document.close();
            self.drop_document(doc);
            links.into_iter().for_each(|link| self.fail_on(link, doc, &error));
            self.context.tell(Event::Failed { doc: doc.clone(), error });
        } else if document.is_idle() {
            self.drop_document(doc);
        } else {
            self.note_use(doc);
        }
    }

    /// Nothing that follows could be stored, so nothing more is accepted, from peers or from the application.
    fn on_write_failed(&mut self, fault: StoreFault) {
        self.fault = Some(fault.clone());
        let open: Vec<ConnectionId> = self.connections.keys().collect();
        for connection in open {
            self.suspend_connection(connection, &fault);
        }
        self.context.tell(Event::Store { fault: Some(fault) });
    }

    fn on_store_ready(&mut self) {
        self.fault = None;
        self.context.tell(Event::Store { fault: None });
    }
}
