//! A replica at work, with its store and its links, as it is held by those who embed it.
//!
//! The loop that drives it is a task of its own. Applications edit under the lock of the replica, on their own
//! thread; the loop takes that lock only to handle and poll, never while anything waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use syncline_core::entry::Spec;
use syncline_core::event::{Event, Side, StoreFault};
use syncline_core::id::{ConnectionId, DocId};
use syncline_core::replica::{Config, Merged, Replica};
use syncline_core::time::Time;
use syncline_core::visitor::Visitor;
use syncline_storage::{DocumentSummary, Storage, StorageError, StoreEvent, Writer};
use syncline_transports::Link;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::driver::{Driver, MAX_UNWRITTEN_BYTES};
pub use crate::driver::{LINKS_CLOSING_TIME, MAX_INPUTS_PER_TURN};
pub use crate::histogram::{Distribution, Histogram};
use crate::link;
pub use crate::link::{MAX_WAITING_FRAMES_OF_A_LINK, MAX_WAITING_INPUT_BYTES, MAX_WAITING_INPUTS};
pub use crate::meters::{FirstArrival, Meters, Queues, SLOW_LINK_TIME};
pub use crate::pace::{Rhythm, SHORTEST_TICK};

/// How long the loop tries the lock before it sleeps over it: longer than most edits take.
const SPINNING_TIME: Duration = Duration::from_micros(200);

/// A running replica. Cheap to clone; it runs until [`Node::close`].
#[derive(Clone)]
pub struct Node {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    replica: Mutex<Replica>,
    /// Set under the lock of the replica: every edit comes either before, and is written, or is none.
    closing: AtomicBool,
    clock: Clock,
    pub wake: Notify,
    /// As `wake`, for edits, which have time until the next tick.
    pub edited: Notify,
    /// Whether there are any that no turn has attended to. Set and taken under the lock of the replica.
    edits: AtomicBool,
    pub inputs: link::Inputs,
    control: mpsc::UnboundedSender<Control>,
    last_connection: AtomicU64,
    last_contact: AtomicU64,
    last_edit: AtomicU64,
    task: Mutex<Option<JoinHandle<()>>>,
    pub closed: watch::Sender<bool>,
    /// Marked after every turn of the loop.
    pub turns: watch::Sender<()>,
    pub counters: Counters,
    pub meters: Meters,
}

/// What has gone through a node's links since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Links that are up.
    pub links: u64,
    /// Links that have come up.
    pub opened: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Their size in bytes.
    pub bytes_in: u64,
    /// Frames handed to links.
    pub frames_out: u64,
    /// Their size in bytes.
    pub bytes_out: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub links: AtomicU64,
    pub opened: AtomicU64,
    frames_in: AtomicU64,
    bytes_in: AtomicU64,
    pub frames_out: AtomicU64,
    pub bytes_out: AtomicU64,
}

/// What reaches the loop besides the inputs of links.
///
/// The queue has no limit of its own because everything in it has one elsewhere, and because those who tell must not
/// wait: the store's thread would wait for the loop that waits for it. Each turn takes all there is. No peer can
/// lengthen the queue beyond its one link.
pub(crate) enum Control {
    /// At most one for each request in the writer's queue, which is bounded, and one for each change of its health.
    Store(StoreEvent),
    /// One, as merges are done one at a time.
    Merged(Merged),
    /// One for each link: whoever accepts links bounds how many there are.
    Attach(ConnectionId, Link, Side, Option<Visitor>, oneshot::Sender<()>),
    /// One for each caller, who waits.
    List(oneshot::Sender<Result<Vec<DocumentSummary>, StoreFault>>),
    /// One for each document that the application has let go of.
    Run(Work),
    /// One for each caller, who waits.
    Close,
}

/// What is to be done on the driver's task.
pub(crate) type Work = Box<dyn FnOnce(&Node) + Send>;

/// A link that a node runs.
pub struct Attached {
    /// What its events call it.
    pub id: ConnectionId,
    /// Resolves, with an error, when it has ended.
    pub ended: oneshot::Receiver<()>,
}

/// Receives what the replica tells, in order, on the driver's task. Must not block.
pub type OnEvent = Box<dyn FnMut(&Node, Event) + Send>;

impl Node {
    /// Starts a replica over a store. `config.seed` should come from the operating system.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(storage: Box<dyn Storage>, config: Config, on_event: OnEvent) -> Result<Self, StorageError> {
        Self::start_with(storage, config, Rhythm::APPLICATION, on_event)
    }

    /// As [`Node::start`], with the times that things may wait for each other.
    pub fn start_with(
        storage: Box<dyn Storage>,
        config: Config,
        rhythm: Rhythm,
        on_event: OnEvent,
    ) -> Result<Self, StorageError> {
        let (inputs, waiting_inputs) = link::inputs();
        let (control, waiting_control) = mpsc::unbounded_channel();
        let reports = control.clone();
        // A report that comes after the loop has ended is of no interest to anybody.
        let writer = Writer::spawn(storage, move |event| drop(reports.send(Control::Store(event))))?;
        let clock = Clock::start();
        let started = clock.now();
        let shared = Arc::new(Shared {
            replica: Mutex::new(Replica::new(config)),
            closing: AtomicBool::new(false),
            clock,
            wake: Notify::new(),
            edited: Notify::new(),
            edits: AtomicBool::new(false),
            inputs,
            control,
            last_connection: AtomicU64::new(0),
            last_contact: AtomicU64::new(0),
            last_edit: AtomicU64::new(started.0),
            task: Mutex::new(None),
            closed: watch::Sender::new(false),
            turns: watch::Sender::new(()),
            counters: Counters::default(),
            meters: Meters::default(),
        });
        let node = Self { shared };
        let driver = Driver::new(node.clone(), writer, rhythm, on_event);
        let task = tokio::spawn(driver.run(waiting_inputs, waiting_control));
        *node.shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(node)
    }

    /// Works on the replica; what it leaves to do is done soon after. Keep it short: everybody waits meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Replica, Time) -> T) -> T {
        let result = work(&mut self.lock(), self.now());
        self.hurry();
        result
    }

    /// As [`Node::with`], for edits: `None` once the node is closing. They leave with the next turn, for which they wait
    /// a tick at most, and which anybody who is in a [hurry](Node::hurry) brings about.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Replica, Time) -> T) -> Option<T> {
        let closing = &self.shared.closing;
        self.with_leisure(|replica, now| (!closing.load(Ordering::Relaxed)).then(|| edit(replica, now)))
    }

    /// As [`Node::with`], where what is left to do waits a tick at most for more to be done with it.
    pub fn with_leisure<T>(&self, work: impl FnOnce(&mut Replica, Time) -> T) -> T {
        let mut replica = self.lock();
        let now = self.now();
        let result = work(&mut replica, now);
        self.shared.edits.store(true, Ordering::Relaxed);
        self.shared.last_edit.store(now.0, Ordering::Relaxed);
        drop(replica);
        self.shared.edited.notify_one();
        result
    }

    /// For how many milliseconds nobody has edited here, since it was started: the application, or clients of other protocols.
    pub(crate) fn quiet(&self) -> u64 {
        self.now().since(Time(self.shared.last_edit.load(Ordering::Relaxed)))
    }

    /// Whether there are to be no more edits.
    pub(crate) fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// Has what was done to the replica attended to at once: somebody waits for it.
    pub fn hurry(&self) {
        self.shared.wake.notify_one();
    }

    /// From now on there are no more edits. Those made before are written by [`Node::close`].
    pub fn end_edits(&self) {
        let _replica = self.lock();
        self.shared.closing.store(true, Ordering::Relaxed);
    }

    /// Looks at the replica without giving it anything to do.
    pub fn look<T>(&self, look: impl FnOnce(&Replica) -> T) -> T {
        look(&self.lock())
    }

    /// The node's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// When anything was last heard from a peer; `None` if nothing was.
    #[must_use]
    pub fn last_contact(&self) -> Option<Time> {
        let time = self.shared.last_contact.load(Ordering::Relaxed);
        (time > 0).then_some(Time(time))
    }

    /// What has gone through the links so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        Traffic {
            links: read(&counters.links),
            opened: read(&counters.opened),
            frames_in: read(&counters.frames_in),
            bytes_in: read(&counters.bytes_in),
            frames_out: read(&counters.frames_out),
            bytes_out: read(&counters.bytes_out),
        }
    }

    /// Waits until no more waits for the disk than may: whoever takes something in for others waits for this first, as what links bring
    /// does. A store that fails is not waited for: nothing is taken in then.
    pub async fn has_room(&self) {
        let waits = || self.shared.meters.unwritten_bytes() >= MAX_UNWRITTEN_BYTES;
        if !waits() {
            return;
        }
        let mut turns = self.shared.turns.subscribe();
        while waits() && turns.changed().await.is_ok() {}
    }

    /// What has been measured so far.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// What waits for the loop.
    #[must_use]
    pub fn queues(&self) -> Queues {
        self.shared.inputs.queues()
    }

    /// What is being done to the replica, under its lock, comes of something that arrived at this time: from then on it is
    /// measured how long it takes.
    pub fn note_arrival(&self, at: Instant) {
        self.shared.meters.arrived.note(at);
    }

    /// Runs a link until it ends or [`Node::close`].
    pub fn attach(&self, link: Link, side: Side) -> Attached {
        self.attach_with(link, side, None)
    }

    /// As [`Node::attach`], for somebody who was asked who he is and may not do everything.
    pub fn attach_visitor(&self, link: Link, visitor: Visitor) -> Attached {
        self.attach_with(link, Side::Accepted, Some(visitor))
    }

    fn attach_with(&self, link: Link, side: Side, visitor: Option<Visitor>) -> Attached {
        let id = self.new_connection();
        let (ends, ended) = oneshot::channel();
        self.tell(Control::Attach(id, link, side, visitor, ends));
        Attached { id, ended }
    }

    /// A number for a connection.
    pub(crate) fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.shared.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A server that is no peer has sent so many bytes.
    pub(crate) fn heard(&self, bytes: usize) {
        self.shared.heard(bytes, self.now());
    }

    /// What documents the store holds.
    pub async fn list(&self) -> Result<Vec<DocumentSummary>, StoreFault> {
        self.ask(Control::List).await
    }

    /// Ends edits, writes what is to be written, closes the links and ends the loop. Nothing is left then: no task, no
    /// socket, no lock on the store. A merge under way goes on to its end on its thread, to no effect.
    pub async fn close(&self) {
        self.end_edits();
        self.tell(Control::Close);
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // An error means that the loop panicked, which the runtime has reported.
            let _reported = task.await;
        }
        self.closed().await;
    }

    /// Waits until every link has taken what it was given.
    pub async fn drained(&self) {
        let mut turns = self.shared.turns.subscribe();
        // The sender lives as long as this node.
        drop(turns.wait_for(|()| self.look(Replica::is_drained)).await);
    }

    /// Whether the loop has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }

    /// Waits until the loop has ended.
    pub async fn closed(&self) {
        let mut closed = self.shared.closed.subscribe();
        // The sender lives as long as this node.
        drop(closed.wait_for(|closed| *closed).await);
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, StoreFault>>) -> Control,
    ) -> Result<T, StoreFault> {
        let (answer, waiting) = oneshot::channel();
        self.tell(question(answer));
        waiting.await.unwrap_or_else(|_| Err(StoreFault("the store is closed".to_owned())))
    }

    /// Opens a document; the event tells how it went.
    pub(crate) fn open(&self, doc: &DocId, spec: Option<Spec>) {
        self.with(|replica, now| replica.open(now, doc, spec));
    }

    /// Has something done on the driver's task.
    pub(crate) fn later(&self, work: impl FnOnce(&Self) + Send + 'static) {
        self.tell(Control::Run(Box::new(work)));
    }

    /// Nobody listens once the loop has ended; whoever waits for an answer then finds its channel closed.
    pub(crate) fn tell(&self, control: Control) {
        drop(self.shared.control.send(control));
    }

    /// Whether edits were made that the loop has not attended to.
    pub(crate) fn has_edits(&self) -> bool {
        self.shared.edits.load(Ordering::Relaxed)
    }

    /// As [`Node::lock`], for a turn of the loop, which attends to all edits made before. It looks in on an application
    /// that may edit without pause: if it went to sleep over each short edit, the application would have to wake it each
    /// time, for longer than the edit takes.
    pub(crate) fn lock_for_turn(&self) -> MutexGuard<'_, Replica> {
        let replica = self.lock_soon().unwrap_or_else(|| self.lock());
        self.shared.edits.store(false, Ordering::Relaxed);
        replica
    }

    /// The lock, if it is free within [`SPINNING_TIME`].
    fn lock_soon(&self) -> Option<MutexGuard<'_, Replica>> {
        let started = Instant::now();
        loop {
            match self.shared.replica.try_lock() {
                Ok(replica) => return Some(replica),
                Err(TryLockError::Poisoned(_)) => return None,
                Err(TryLockError::WouldBlock) if started.elapsed() > SPINNING_TIME => return None,
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
    }

    /// A panic inside an edit leaves the replica whole (it takes the edit back), so poison says nothing here.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Replica> {
        let replica = &self.shared.replica;
        replica.lock().unwrap_or_else(|poisoned| {
            replica.clear_poison();
            poisoned.into_inner()
        })
    }
}

impl Shared {
    pub fn heard(&self, bytes: usize, now: Time) {
        self.last_contact.store(now.0, Ordering::Relaxed);
        self.counters.frames_in.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Wall time that never runs backwards: read once, then carried on by the monotonic clock.
struct Clock {
    started: Instant,
    epoch_millis: u64,
}

impl Clock {
    fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), epoch_millis: millis(since_epoch) }
    }

    fn now(&self) -> Time {
        Time(self.epoch_millis + millis(self.started.elapsed()))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
