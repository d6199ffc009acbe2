//! The engine handle: opening, documents, status, closing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_core::board::Board;
use syncline_core::chart::Chart;
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::event::{DocumentError, Event, Side};
use syncline_core::id::{DocId, NameError, Principal};
use syncline_core::replica::{Batching, Compaction, Config, Policy};
use syncline_core::schema::Schema;
use syncline_core::time::Time;
use syncline_core::wire::{Compression, Encoding};
use syncline_storage::{DocumentSummary, Storage};
use syncline_transports::{Link, Transport};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dial::{self, Dialing};
use crate::document::{Document, Handle};
use crate::error::OpenError;
use crate::node::Node;
use crate::observers::Observers;
use crate::servers::{self, OtherServer, Registered};
use crate::status::{Connection, Promise, Status};
use crate::typed::Typed;

/// How long `Engine::close` waits for a connected relay to acknowledge what is pending.
pub const CLOSING_TIME: Duration = Duration::from_secs(2);

/// How long [`Engine::describe`] waits for the relay's answer.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Under whose name edits are made unless the application says.
const ANONYMOUS: &str = "anonymous";

/// An open store and its connections. Cheap to clone; it works until [`Engine::close`] or until the runtime ends.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    node: Node,
    observers: Arc<Observers>,
    servers: Vec<Arc<Registered>>,
    promise: Option<Promise>,
    dialing: Mutex<Vec<JoinHandle<()>>>,
}

/// What an engine is made of. See [`Engine::builder`].
pub struct Builder {
    storage: Box<dyn Storage>,
    transports: Vec<Arc<dyn Transport>>,
    servers: Vec<Arc<Registered>>,
    user: String,
    encoding: Encoding,
    compression: Vec<Compression>,
    compaction: Compaction,
    batching: Batching,
    longest_wait: u64,
    keeps_unacknowledged: Option<bool>,
}

impl Builder {
    /// Adds a relay to stay connected to. Several are all connected at once; for fallback in order of
    /// preference give one [`Hybrid`](syncline_transports::Hybrid).
    #[must_use]
    pub fn relay(mut self, transport: impl Transport + 'static) -> Self {
        self.transports.push(Arc::new(transport));
        self
    }

    /// Adds a server of other people's to stay connected to, for the documents of its family that are open. An engine has
    /// either relays or such servers: see [`OpenError::Mixed`]. What is saved there is [`Promise::Applied`].
    #[must_use]
    pub fn server(mut self, server: OtherServer) -> Self {
        self.servers.push(Arc::new(Registered::new(server)));
        self
    }

    /// Under whose name edits are made; a relay that authenticates decides for itself.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = name.into();
        self
    }

    /// How frames are written; binary unless told otherwise.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Which compressions peers may use towards this engine, best first; gzip unless told otherwise.
    #[must_use]
    pub fn compression(mut self, compression: impl Into<Vec<Compression>>) -> Self {
        self.compression = compression.into();
        self
    }

    /// When logs are merged into snapshots.
    #[must_use]
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.compaction = compaction;
        self
    }

    /// How updates share frames: unless told otherwise those that are there at the same time, up to 64 KiB. A delay lets
    /// more of them share one, for fewer and better compressed bytes.
    #[must_use]
    pub fn batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// Longest wait between attempts to connect, in milliseconds.
    #[must_use]
    pub fn longest_wait(mut self, millis: u64) -> Self {
        self.longest_wait = millis;
        self
    }

    /// Whether edits that no relay acknowledged are kept apart when logs are compacted. Unless told, they are
    /// if there is a relay: without one nobody could refuse them.
    #[must_use]
    pub fn keeps_unacknowledged(mut self, keeps: bool) -> Self {
        self.keeps_unacknowledged = Some(keeps);
        self
    }

    /// Starts the engine.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(self) -> Result<Engine, OpenError> {
        let principal =
            Principal::new(&self.user).map_err(|error| OpenError::User(self.user.clone(), error))?;
        let promise = self.promise()?;
        let awaits_relay = self.keeps_unacknowledged.unwrap_or(promise.is_some());
        let config = Config {
            agent: concat!("syncline/", env!("CARGO_PKG_VERSION")).to_owned(),
            principal,
            encoding: self.encoding,
            compression: self.compression,
            seed: seed()?,
            policy: Policy {
                awaits_relay,
                compaction: self.compaction,
                batching: self.batching,
                ..Policy::client()
            },
        };
        let observers = Arc::new(Observers::new(promise.is_some(), self.servers.clone()));
        let told = observers.clone();
        let on_event = Box::new(move |node: &Node, event: Event| told.on_event(node, event));
        let node = Node::start(self.storage, config, on_event)?;
        let mut dialing = Vec::new();
        for transport in self.transports {
            let how = Dialing { longest_wait: self.longest_wait, seed: seed()? };
            let slot = observers.connection_slot(Connection::Connecting { endpoint: transport.endpoint() });
            dialing.push(tokio::spawn(dial::keep_connected(node.clone(), transport, how, slot)));
        }
        for server in &self.servers {
            let how = Dialing { longest_wait: self.longest_wait, seed: seed()? };
            let slot = observers.connection_slot(Connection::Idle { endpoint: server.server.endpoint() });
            let keep = servers::keep_connected(node.clone(), observers.clone(), server.clone(), how, slot);
            dialing.push(tokio::spawn(keep));
        }
        let (servers, dialing) = (self.servers, Mutex::new(dialing));
        Ok(Engine { inner: Arc::new(Inner { node, observers, servers, promise, dialing }) })
    }

    /// What is promised of edits that are saved; nothing where there is nobody to save them at.
    fn promise(&self) -> Result<Option<Promise>, OpenError> {
        match (self.transports.is_empty(), self.servers.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(Promise::Durable)),
            (true, false) => Ok(Some(Promise::Applied)),
            (false, false) => Err(OpenError::Mixed),
        }
    }
}

fn seed() -> Result<u64, OpenError> {
    getrandom::u64().map_err(|error| OpenError::Entropy(error.to_string()))
}

impl Engine {
    /// An engine over a store; nothing else is needed.
    #[must_use]
    pub fn builder(storage: impl Storage + 'static) -> Builder {
        Builder {
            storage: Box::new(storage),
            transports: Vec::new(),
            servers: Vec::new(),
            user: ANONYMOUS.to_owned(),
            encoding: Encoding::Binary,
            compression: vec![Compression::Gzip],
            compaction: Compaction::default(),
            batching: Batching::default(),
            longest_wait: syncline_core::replica::LONGEST_WAIT,
            keeps_unacknowledged: None,
        }
    }

    /// Opens a document, making it if this store does not have it. The spec says what it is; it is never
    /// changed, and another one than the document has is an error.
    pub async fn document(&self, name: &str, spec: Spec) -> Result<Document, OpenError> {
        self.open(name, Some(spec)).await
    }

    /// Opens a task board, making it if this store does not have it.
    pub async fn board(&self, name: &str, family: Family) -> Result<Typed<Board>, OpenError> {
        self.typed(name, family).await
    }

    /// Opens a chart, making it if this store does not have it.
    pub async fn chart(&self, name: &str, family: Family) -> Result<Typed<Chart>, OpenError> {
        self.typed(name, family).await
    }

    /// Opens a document of a schema, making it if this store does not have it.
    pub async fn typed<S: Schema>(&self, name: &str, family: Family) -> Result<Typed<S>, OpenError> {
        Ok(Typed::new(self.document(name, Spec { family, kind: S::KIND }).await?))
    }

    /// Opens a document of a schema that this store has, in whichever family it is.
    pub async fn existing_typed<S: Schema>(&self, name: &str) -> Result<Typed<S>, OpenError> {
        self.existing(name).await?.typed()
    }

    /// Opens a document that this store has.
    pub async fn existing(&self, name: &str) -> Result<Document, OpenError> {
        self.open(name, None).await
    }

    async fn open(&self, name: &str, spec: Option<Spec>) -> Result<Document, OpenError> {
        let doc = doc_id(name)?;
        let Inner { node, observers, .. } = &*self.inner;
        if node.is_closed() {
            return Err(OpenError::Closed);
        }
        let handle = Handle::new(node.clone(), observers.clone(), doc.clone());
        let opened = observers.opening(&doc);
        node.open(&doc, spec);
        tokio::select! {
            biased;
            opened = opened => opened.map_err(|_| OpenError::Closed)??,
            () = node.closed() => return Err(OpenError::Closed),
        }
        // It may have been opened as something else at the same time.
        let found = node.look(|replica| replica.spec(&doc));
        match spec.zip(found).filter(|(wanted, found)| wanted != found) {
            Some((wanted, found)) => {
                Err(DocumentError::SpecMismatch { doc, wanted, found, place: "here" }.into())
            }
            None => Ok(Document::new(handle)),
        }
    }

    /// Asks the connected relays what they hold under a name; `None` if that is nothing. That none answers is an error.
    ///
    /// Servers of others are not asked, as they know no kinds of documents: to them everything is a tree of their family.
    pub async fn describe(&self, name: &str) -> Result<Option<Spec>, OpenError> {
        let doc = doc_id(name)?;
        if let Some(server) = self.inner.servers.first() {
            return Ok(Some(Spec { family: server.server.family(), kind: Kind::Tree }));
        }
        let greeted = self.inner.observers.greeted();
        if greeted.is_empty() {
            return Err(OpenError::NoAnswer(doc));
        }
        let answer = self.inner.observers.describing(&doc);
        self.inner.node.with(|replica, _| greeted.iter().for_each(|id| replica.describe(*id, &doc)));
        tokio::select! {
            answer = tokio::time::timeout(DESCRIBE_TIMEOUT, answer) => match answer {
                Ok(answer) => answer.map_err(|_| OpenError::Closed),
                Err(_) => Err(OpenError::NoAnswer(doc)),
            },
            () = self.inner.node.closed() => Err(OpenError::Closed),
        }
    }

    /// What documents the store holds, open or not.
    pub async fn list(&self) -> Result<Vec<DocumentSummary>, OpenError> {
        Ok(self.inner.node.list().await?)
    }

    /// Forgets a document in this store; relays and others keep theirs. Handles to it are dead afterwards.
    pub fn delete(&self, name: &str) -> Result<(), OpenError> {
        let doc = doc_id(name)?;
        self.inner.node.with(|replica, _| replica.delete(&doc));
        self.inner.observers.forget(&doc);
        Ok(())
    }

    /// Takes in a link that somebody else dialled, such as one from
    /// [`MemoryListener`](syncline_transports::memory::MemoryListener): the peer may open the documents that
    /// are open here.
    pub fn accept(&self, link: Link) {
        self.inner.node.attach(link, Side::Accepted);
    }

    /// What it means here that an edit is saved at a relay ([`Saved::Relay`](crate::Saved::Relay)); `None` if there is
    /// neither a relay nor a server.
    #[must_use]
    pub fn promise(&self) -> Option<Promise> {
        self.inner.promise
    }

    /// The state now.
    #[must_use]
    pub fn status(&self) -> Status {
        let last_contact = self.inner.node.last_contact();
        Status { last_contact, ..self.inner.observers.status.borrow().clone() }
    }

    /// The engine's time, in which [`Status::last_contact`] is told.
    #[must_use]
    pub fn now(&self) -> Time {
        self.inner.node.now()
    }

    /// The state, and whenever it changes; [`Status::last_contact`] may be some seconds older than in [`Engine::status`].
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.inner.observers.status.subscribe()
    }

    /// Waits until a relay is connected. To servers of others there are connections while documents are open for them.
    pub async fn connected(&self) {
        let mut status = self.watch_status();
        // The sender lives as long as this engine.
        drop(status.wait_for(Status::is_connected).await);
    }

    /// Takes no more edits, writes everything down, gives a connected relay two seconds to acknowledge what is
    /// pending, and stops: no task and no socket is left then. What is pending then is sent when the store is opened
    /// again. Edits that the store could not take were not reported saved and are lost; [`Status::store`] then says why.
    pub async fn close(&self) {
        self.inner.node.end_edits();
        if self.status().is_connected() {
            // Running out of time loses nothing: the edits are in the store.
            let _pending = tokio::time::timeout(CLOSING_TIME, self.all_acknowledged()).await;
        }
        let dialing = std::mem::take(&mut *self.inner.dialing.lock().unwrap_or_else(PoisonError::into_inner));
        dialing.iter().for_each(JoinHandle::abort);
        for dialing in dialing {
            // It was told to end.
            let _aborted = dialing.await;
        }
        self.inner.node.close().await;
    }

    async fn all_acknowledged(&self) {
        let done = |status: &Status| status.pending == 0 || !status.is_connected();
        let mut status = self.watch_status();
        // The sender lives as long as this engine.
        drop(status.wait_for(done).await);
    }
}

fn doc_id(name: &str) -> Result<DocId, OpenError> {
    DocId::new(name).map_err(|error: NameError| OpenError::Name(name.to_owned(), error))
}
