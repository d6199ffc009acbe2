//! A thread that owns a storage, for those who must not wait for the disk.
//!
//! Requests queue up while a commit is under way; the next commit takes all of them in one transaction. So
//! a single edit is on disk after one sync, and thousands of them a second cost hardly more syncs. Documents
//! are read on the same thread, after the writes that were queued before.
//!
//! When a commit fails, its writes are kept. The failure is reported once, then the storage is reopened and
//! the writes are committed again, after a growing pause, until that works. Meanwhile documents without kept writes
//! can still be read, lists are of what is on disk, and the queue fills up to its limit and then makes `submit` wait.

use std::any::Any;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use syncline_core::event::{StoreFault, StoredDocument, Write};
use syncline_core::id::{DocId, WriteId};
use thiserror::Error;

use crate::{DocumentSummary, Durability, Storage, StorageError};

/// Most requests that wait in the queue; [`Writer::submit`] and its like wait while it is full.
const MAX_QUEUED_REQUESTS: usize = 4_096;

/// Most batches in one transaction.
const MAX_GROUP_BATCHES: usize = 256;

/// Most writes in one transaction, the batch that exceeds it included.
const MAX_GROUP_WRITES: usize = 8_192;

/// The first pause before a failed commit is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause before a failed commit is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a [`Writer`] reports, in the order in which it happened.
#[derive(Debug)]
pub enum StoreEvent {
    /// Every write up to this one is durable, with the commit that has made the last of them so.
    Written(WriteId, Commit),
    /// A commit failed. Its writes are kept and tried again; [`StoreEvent::Ready`] tells when that worked.
    Failed(StoreFault),
    /// What had failed works again.
    Ready,
    /// The answer to [`Writer::load`].
    Loaded {
        /// Which document.
        doc: DocId,
        /// What is stored of it, including every write submitted before the question.
        result: Result<Option<StoredDocument>, StoreFault>,
    },
    /// The answer to [`Writer::list`].
    Listed(Result<Vec<DocumentSummary>, StoreFault>),
}

/// One transaction, as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// How many writes were in it.
    pub writes: usize,
    /// How long it took, from the storage being given them to its word that they are durable. Attempts that failed before are
    /// no part of it.
    pub took: Duration,
}

/// The thread of the storage is gone: it was closed, or its storage panicked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the store is closed")]
pub struct Closed;

/// Owns a storage on a thread of its own. Dropping it closes it.
pub struct Writer {
    shared: Arc<Shared>,
    durability: Durability,
    thread: Option<JoinHandle<Result<(), StoreFault>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread. `report` is called on it, so it must not wait, least of all for this writer.
    pub fn spawn(
        storage: Box<dyn Storage>,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self, StorageError> {
        let shared = Arc::new(Shared::default());
        let durability = storage.durability();
        let worker =
            Worker { storage, shared: shared.clone(), report: Box::new(report), pending: Pending::default() };
        let thread = thread::Builder::new().name("syncline-store".into()).spawn(move || worker.run());
        let thread = thread.map_err(|error| StorageError::io("(its thread)".as_ref(), &error))?;
        Ok(Self { shared, durability, thread: Some(thread) })
    }

    /// What a reported write survives.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// Whether the thread takes no more requests: it was closed, or its storage panicked, which
    /// [`StoreEvent::Failed`] has told; what it was asked before is not answered any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// Queues writes, in the order of their ids, to be committed together or with others.
    /// [`StoreEvent::Written`] tells when they are durable. Waits while the queue is full.
    pub fn submit(&self, batch: Vec<(WriteId, Write)>) -> Result<(), Closed> {
        if batch.is_empty() {
            return Ok(());
        }
        self.shared.push(Request::Write(batch))
    }

    /// Asks for a document; [`StoreEvent::Loaded`] answers. Waits while the queue is full.
    pub fn load(&self, doc: DocId) -> Result<(), Closed> {
        self.shared.push(Request::Load(doc))
    }

    /// Asks what documents there are; [`StoreEvent::Listed`] answers, with what earlier writes made unless commits
    /// fail. Waits while the queue is full.
    pub fn list(&self) -> Result<(), Closed> {
        self.shared.push(Request::List)
    }

    /// Commits what is queued, closes the storage and waits for that. While commits fail, one last
    /// attempt is made, and the error is what it said: the writes that were not reported are lost.
    pub fn close(mut self) -> Result<(), StoreFault> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), StoreFault> {
        self.shared.close();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(panicked(&*panic)),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(fault) = self.finish() {
            tracing::error!(%fault, "the store was closed with writes that could not be committed");
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> StoreFault {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    StoreFault(format!("the store stopped because of a bug in it: {said}; restart the program"))
}

#[derive(Debug)]
enum Request {
    Write(Vec<(WriteId, Write)>),
    Load(DocId),
    List,
}

/// A request that changes nothing.
#[derive(Debug)]
enum Question {
    Load(DocId),
    List,
}

/// The queue between the writer's owner and its thread.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, request: Request) -> Result<(), Closed> {
        let full = |queue: &mut Queue| queue.requests.len() >= MAX_QUEUED_REQUESTS && !queue.closed;
        let mut queue = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return Err(Closed);
        }
        queue.requests.push_back(request);
        self.changed.notify_all();
        Ok(())
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The next request; waits for one, and is `None` once closed and empty.
    fn wait(&self) -> Option<Request> {
        let idle = |queue: &mut Queue| queue.requests.is_empty() && !queue.closed;
        let queue = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        self.pop_from(queue)
    }

    /// The next request, if there is one.
    fn pop(&self) -> Option<Request> {
        self.pop_from(self.lock())
    }

    fn pop_from(&self, mut queue: MutexGuard<'_, Queue>) -> Option<Request> {
        let request = queue.requests.pop_front();
        self.changed.notify_all();
        request
    }

    /// Waits for `until`, or for the first question that `kept` does not hold up. `None` once the
    /// time has come or the writer is closed.
    fn pop_question(&self, kept: &Pending, until: Instant) -> Option<Question> {
        let mut queue = self.lock();
        loop {
            if let Some(question) = queue.take_question(kept) {
                self.changed.notify_all();
                return Some(question);
            }
            let left = until.saturating_duration_since(Instant::now());
            if queue.closed || left.is_zero() {
                return None;
            }
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    /// Takes out the first list, or load of a document that no write ahead of it is about.
    fn take_question(&mut self, kept: &Pending) -> Option<Question> {
        let mut ahead = BTreeSet::new();
        let answerable = self.requests.iter().position(|request| match request {
            Request::Load(doc) => !kept.concerns(doc) && !ahead.contains(doc),
            Request::Write(batch) => {
                ahead.extend(batch.iter().map(|(_, write)| write.doc()));
                false
            }
            Request::List => true,
        })?;
        match self.requests.remove(answerable) {
            Some(Request::Load(doc)) => Some(Question::Load(doc)),
            Some(Request::List) => Some(Question::List),
            Some(Request::Write(_)) | None => None,
        }
    }
}

/// Writes for the next transaction.
#[derive(Debug, Default)]
struct Pending {
    writes: Vec<Write>,
    docs: BTreeSet<DocId>,
    last: WriteId,
    batches: usize,
}

impl Pending {
    fn add(&mut self, batch: Vec<(WriteId, Write)>) {
        self.batches += 1;
        for (id, write) in batch {
            self.last = self.last.max(id);
            if !self.docs.contains(write.doc()) {
                self.docs.insert(write.doc().clone());
            }
            self.writes.push(write);
        }
    }

    fn concerns(&self, doc: &DocId) -> bool {
        self.docs.contains(doc)
    }

    const fn is_full(&self) -> bool {
        self.batches >= MAX_GROUP_BATCHES || self.writes.len() >= MAX_GROUP_WRITES
    }
}

/// The thread's side.
struct Worker {
    storage: Box<dyn Storage>,
    shared: Arc<Shared>,
    report: Box<dyn Fn(StoreEvent) + Send>,
    pending: Pending,
}

impl Worker {
    fn run(mut self) -> Result<(), StoreFault> {
        let end = catch_unwind(AssertUnwindSafe(|| self.serve())).map_err(|panic| panicked(&*panic));
        self.shared.close();
        match end {
            Ok(result) => result,
            Err(fault) => {
                (self.report)(StoreEvent::Failed(fault.clone()));
                Err(fault)
            }
        }
    }

    fn serve(&mut self) -> Result<(), StoreFault> {
        while let Some(request) = self.shared.wait() {
            self.take(request)?;
            while !self.pending.is_full()
                && let Some(request) = self.shared.pop()
            {
                self.take(request)?;
            }
            self.flush()?;
        }
        Ok(())
    }

    fn take(&mut self, request: Request) -> Result<(), StoreFault> {
        match request {
            Request::Write(batch) => self.pending.add(batch),
            Request::Load(doc) => {
                if self.pending.concerns(&doc) {
                    self.flush()?;
                }
                self.load(doc);
            }
            Request::List => {
                self.flush()?;
                self.list();
            }
        }
        Ok(())
    }

    fn load(&mut self, doc: DocId) {
        let result = self.storage.load(&doc).map_err(StoreFault::from);
        (self.report)(StoreEvent::Loaded { doc, result });
    }

    fn list(&mut self) {
        let listed = self.storage.documents().map_err(StoreFault::from);
        (self.report)(StoreEvent::Listed(listed));
    }

    fn flush(&mut self) -> Result<(), StoreFault> {
        if self.pending.writes.is_empty() {
            return Ok(());
        }
        let mut started = Instant::now();
        if let Err(error) = self.storage.commit(&self.pending.writes) {
            tracing::warn!(%error, writes = self.pending.writes.len(), "a commit failed; its writes are kept");
            (self.report)(StoreEvent::Failed(error.into()));
            started = self.retry()?;
            (self.report)(StoreEvent::Ready);
        }
        let written = mem::take(&mut self.pending);
        let commit = Commit { writes: written.writes.len(), took: started.elapsed() };
        (self.report)(StoreEvent::Written(written.last, commit));
        Ok(())
    }

    /// Commits what could not be committed. Returns when the attempt was begun that worked.
    fn retry(&mut self) -> Result<Instant, StoreFault> {
        let mut pause = FIRST_PAUSE;
        loop {
            let until = Instant::now() + pause;
            while let Some(question) = self.shared.pop_question(&self.pending, until) {
                match question {
                    Question::Load(doc) => self.load(doc),
                    Question::List => self.list(),
                }
            }
            let closed = self.shared.lock().closed;
            let started = Instant::now();
            match self.storage.reopen().and_then(|()| self.storage.commit(&self.pending.writes)) {
                Ok(()) => return Ok(started),
                Err(error) if closed => return Err(error.into()),
                Err(error) => tracing::warn!(%error, "the store still fails"),
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}
