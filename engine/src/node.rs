//! The one driver loop: a replica, its store and its links.
//!
//! Everything that happens - frames, reports of the store, time - comes in through queues. Each turn of the
//! loop takes what there is, lets the replica handle it, and performs the replica's outputs in their order:
//! frames go to links, writes to the store as one batch, events to whoever embeds the node. A turn is
//! therefore a *tick*: what was edited during it leaves in one commit and one frame a link.
//!
//! Applications edit under the lock of the replica, on their own thread; the loop takes that lock only to
//! handle and poll, never while anything waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use syncline_core::event::{Event, Input, Output, Side, StoreFault, Write};
use syncline_core::id::{ConnectionId, DocId, WriteId};
use syncline_core::replica::{Config, Merge, Merged, Replica};
use syncline_core::time::Time;
use syncline_core::wire::Frame;
use syncline_storage::{Closed, DocumentSummary, Storage, StorageError, StoreEvent, Writer};
use syncline_transports::Link;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::link::{self, Order};

/// Most inputs of links that wait for the loop; links wait when it is full.
pub const MAX_WAITING_INPUTS: usize = 1_024;

/// Most inputs handled in one turn, so that the store and edits get their turn too.
pub const MAX_INPUTS_PER_TURN: usize = 256;

/// Frames and closing orders that wait for one link: the replica sends a frame only after the last was taken.
const LINK_ORDERS: usize = 4;

/// A running replica. Cheap to clone; it runs until [`Node::close`].
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    replica: Mutex<Replica>,
    clock: Clock,
    wake: Notify,
    inputs: mpsc::Sender<Input>,
    control: mpsc::UnboundedSender<Control>,
    last_connection: AtomicU64,
    last_contact: AtomicU64,
    task: Mutex<Option<JoinHandle<()>>>,
    closed: watch::Sender<bool>,
    /// Marked after every turn of the loop.
    turns: watch::Sender<()>,
    counters: Counters,
}

/// What has gone through a node's links since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Links that are up.
    pub links: u64,
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
struct Counters {
    links: AtomicU64,
    frames_in: AtomicU64,
    bytes_in: AtomicU64,
    frames_out: AtomicU64,
    bytes_out: AtomicU64,
}

/// What reaches the loop besides the inputs of links. The queue is bounded by what the store was asked for and
/// by the links that exist.
enum Control {
    Store(StoreEvent),
    Merged(Merged),
    Attach(ConnectionId, Link, Side, oneshot::Sender<()>),
    List(oneshot::Sender<Result<Vec<DocumentSummary>, StoreFault>>),
    Close,
}

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
        let (inputs, waiting_inputs) = mpsc::channel(MAX_WAITING_INPUTS);
        let (control, waiting_control) = mpsc::unbounded_channel();
        let reports = control.clone();
        // A report that comes after the loop has ended is of no interest to anybody.
        let writer = Writer::spawn(storage, move |event| drop(reports.send(Control::Store(event))))?;
        let shared = Arc::new(Shared {
            replica: Mutex::new(Replica::new(config)),
            clock: Clock::start(),
            wake: Notify::new(),
            inputs,
            control,
            last_connection: AtomicU64::new(0),
            last_contact: AtomicU64::new(0),
            task: Mutex::new(None),
            closed: watch::Sender::new(false),
            turns: watch::Sender::new(()),
            counters: Counters::default(),
        });
        let node = Self { shared };
        let driver = Driver {
            node: node.clone(),
            writer,
            links: HashMap::new(),
            on_event,
            lists: Vec::new(),
            merges: Arc::new(Semaphore::new(1)),
        };
        let task = tokio::spawn(driver.run(waiting_inputs, waiting_control));
        *node.shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(node)
    }

    /// Works on the replica; what it leaves to do is done soon after. Keep it short: everybody waits meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Replica, Time) -> T) -> T {
        let result = work(&mut self.lock(), self.now());
        self.shared.wake.notify_one();
        result
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
            frames_in: read(&counters.frames_in),
            bytes_in: read(&counters.bytes_in),
            frames_out: read(&counters.frames_out),
            bytes_out: read(&counters.bytes_out),
        }
    }

    /// Runs a link until it ends or [`Node::close`].
    pub fn attach(&self, link: Link, side: Side) -> Attached {
        let id = ConnectionId(self.shared.last_connection.fetch_add(1, Ordering::Relaxed) + 1);
        let (ends, ended) = oneshot::channel();
        self.tell(Control::Attach(id, link, side, ends));
        Attached { id, ended }
    }

    /// What documents the store holds.
    pub async fn list(&self) -> Result<Vec<DocumentSummary>, StoreFault> {
        self.ask(Control::List).await
    }

    /// Writes what is to be written, drops the links and ends the loop.
    pub async fn close(&self) {
        self.tell(Control::Close);
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // An error means that the loop panicked, which the runtime has reported.
            let _reported = task.await;
        }
    }

    /// Waits until every link has taken what it was given.
    pub async fn drained(&self) {
        let mut turns = self.shared.turns.subscribe();
        // The sender lives as long as this node.
        drop(turns.wait_for(|()| self.look(Replica::is_drained)).await);
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

    /// Nobody listens once the loop has ended; whoever waits for an answer then finds its channel closed.
    fn tell(&self, control: Control) {
        drop(self.shared.control.send(control));
    }

    /// A panic inside an edit leaves the replica whole (it takes the edit back), so poison says nothing here.
    fn lock(&self) -> MutexGuard<'_, Replica> {
        self.shared.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn heard(&self, frame: &Frame, now: Time) {
        self.last_contact.store(now.0, Ordering::Relaxed);
        self.counters.frames_in.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes_in.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
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

/// The loop and what only it touches.
struct Driver {
    node: Node,
    writer: Writer,
    links: HashMap<ConnectionId, mpsc::Sender<Order>>,
    on_event: OnEvent,
    lists: Vec<oneshot::Sender<Result<Vec<DocumentSummary>, StoreFault>>>,
    merges: Arc<Semaphore>,
}

impl Driver {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut control: mpsc::UnboundedReceiver<Control>) {
        let mut waiting = Vec::with_capacity(MAX_INPUTS_PER_TURN);
        loop {
            let next_timeout = self.node.look(Replica::next_timeout);
            tokio::select! {
                biased;
                Some(message) = control.recv() => {
                    if self.on_control(message, &mut waiting) {
                        break;
                    }
                }
                count = inputs.recv_many(&mut waiting, MAX_INPUTS_PER_TURN) => {
                    tracing::trace!(count, "inputs");
                }
                () = self.node.shared.wake.notified() => {}
                () = sleep_until(&self.node, next_timeout) => waiting.push(Input::Tick),
            }
            while let Ok(message) = control.try_recv() {
                if self.on_control(message, &mut waiting) {
                    return self.finish(&mut waiting).await;
                }
            }
            self.turn(&mut waiting);
            self.node.shared.turns.send_replace(());
        }
        self.finish(&mut waiting).await;
    }

    /// The last turn: what is still to be written is, and whoever waits on a link sees it end. If the store could
    /// not take what was left, that is the last event.
    async fn finish(mut self, waiting: &mut Vec<Input>) {
        self.turn(waiting);
        self.links.clear();
        let Self { node, writer, mut on_event, .. } = self;
        let fault = match tokio::task::spawn_blocking(move || writer.close()).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(panic) => Some(StoreFault(panic.to_string())),
        };
        if fault.is_some() || node.look(|replica| replica.fault().is_some()) {
            on_event(&node, Event::Store { fault });
        }
        node.shared.closed.send_replace(true);
    }

    /// True if the loop is to end.
    fn on_control(&mut self, control: Control, inputs: &mut Vec<Input>) -> bool {
        match control {
            Control::Store(event) => self.on_store(event, inputs),
            Control::Merged(merged) => inputs.push(Input::Merged(merged)),
            Control::Attach(id, link, side, ends) => {
                inputs.push(Input::Connected { connection: id, side });
                self.run_link(id, link, ends);
            }
            Control::List(answer) => {
                self.lists.push(answer);
                self.heed(self.writer.list());
            }
            Control::Close => return true,
        }
        false
    }

    fn on_store(&mut self, event: StoreEvent, inputs: &mut Vec<Input>) {
        match event {
            StoreEvent::Written(write) => inputs.push(Input::Written { write }),
            StoreEvent::Failed(fault) => inputs.push(Input::WriteFailed { fault }),
            StoreEvent::Ready => inputs.push(Input::StoreReady),
            StoreEvent::Loaded { doc, result } => inputs.push(Input::Loaded { doc, result }),
            StoreEvent::Listed(result) => answer_all(&mut self.lists, &result),
        }
    }

    fn run_link(&mut self, id: ConnectionId, link: Link, ends: oneshot::Sender<()>) {
        let (orders, waiting) = mpsc::channel(LINK_ORDERS);
        self.links.insert(id, orders);
        let shared = self.node.shared.clone();
        shared.counters.links.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            link::run(id, link, waiting, shared.inputs.clone()).await;
            shared.counters.links.fetch_sub(1, Ordering::Relaxed);
            drop(ends);
        });
    }

    fn turn(&mut self, inputs: &mut Vec<Input>) {
        let now = self.node.now();
        let mut outputs = Vec::new();
        {
            let mut replica = self.node.lock();
            for input in inputs.drain(..) {
                if let Input::Received { frame, .. } = &input {
                    self.node.shared.heard(frame, now);
                }
                if let Input::Disconnected { connection } = &input {
                    self.links.remove(connection);
                }
                replica.handle(now, input);
            }
            outputs.extend(std::iter::from_fn(|| replica.poll()));
        }
        self.perform(outputs);
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        let mut batch = Vec::new();
        for output in outputs {
            match output {
                Output::Write { id, write } => batch.push((id, write)),
                Output::Load { doc } => {
                    self.submit(&mut batch);
                    self.heed(self.writer.load(doc));
                }
                Output::Send { connection, frame } => self.send(connection, frame),
                Output::Close { connection, reason } => {
                    if let Some(link) = self.links.remove(&connection) {
                        // A link whose queue is full or gone ends as its sender is dropped here.
                        drop(link.try_send(Order::Close(reason)));
                    }
                }
                Output::Merge(merge) => self.merge(merge),
                Output::Event(event) => (self.on_event)(&self.node, event),
            }
        }
        self.submit(&mut batch);
    }

    /// Has a merge run on a thread of its own, one at a time: each holds its document twice.
    fn merge(&self, merge: Merge) {
        let (node, turns) = (self.node.clone(), self.merges.clone());
        tokio::spawn(async move {
            let turn = turns.acquire_owned().await;
            match tokio::task::spawn_blocking(move || merge.run()).await {
                Ok(merged) => node.tell(Control::Merged(merged)),
                // A panic that no document contains; or the runtime ends, and the node with it.
                Err(error) => tracing::error!(%error, "a log could not be merged"),
            }
            drop(turn);
        });
    }

    fn submit(&mut self, batch: &mut Vec<(WriteId, Write)>) {
        if !batch.is_empty() {
            self.heed(self.writer.submit(std::mem::take(batch)));
        }
    }

    /// A store whose thread has panicked takes nothing any more: as with a full disk, nothing is reported saved.
    fn heed(&self, asked: Result<(), Closed>) {
        if let Err(closed) = asked {
            let fault = StoreFault(closed.to_string());
            self.node.with(|replica, now| replica.handle(now, Input::WriteFailed { fault }));
        }
    }

    fn send(&mut self, connection: ConnectionId, frame: Frame) {
        let Some(link) = self.links.get(&connection) else {
            return;
        };
        let counters = &self.node.shared.counters;
        counters.frames_out.fetch_add(1, Ordering::Relaxed);
        counters.bytes_out.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
        if link.try_send(Order::Send(frame)).is_err() {
            // The link has ended; its `Disconnected` is on the way.
            self.links.remove(&connection);
        }
    }
}

async fn sleep_until(node: &Node, time: Option<Time>) {
    match time {
        Some(time) => tokio::time::sleep(Duration::from_millis(time.since(node.now()))).await,
        None => std::future::pending().await,
    }
}

fn answer_all<T: Clone>(waiting: &mut Vec<oneshot::Sender<T>>, answer: &T) {
    // Somebody who no longer waits needs no answer.
    waiting.drain(..).for_each(|waiting| _ = waiting.send(answer.clone()));
}

impl Node {
    /// Opens a document; the event tells how it went.
    pub(crate) fn open(&self, doc: &DocId, spec: Option<syncline_core::entry::Spec>) {
        self.with(|replica, now| replica.open(now, doc, spec));
    }
}
