//! The one driver loop: a replica, its store and its links.
//!
//! Everything that happens - frames, reports of the store, time - comes in through queues. Each turn of the
//! loop takes what there is, lets the replica handle it, and performs the replica's outputs in their order:
//! frames go to links, writes to the store as one batch, events to whoever embeds the node. So what was edited
//! between two turns leaves in one commit and one frame a link; where nobody waits for edits, there is a least time
//! between the turns for their sake, a *tick*. A [`Rhythm`] may also have what links bring wait for more, and commits.

mod commits;
mod merges;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as StdInstant};

use bytes::Bytes;
use futures_channel::mpsc as queue;
use syncline_core::event::{Event, Input, Output, StoreFault};
use syncline_core::id::{ConnectionId, DocId};
use syncline_core::replica::Merge;
use syncline_core::time::Time;
use syncline_core::wire::Frame;
use syncline_storage::{Closed, DocumentSummary, StoreEvent, Writer};
use syncline_transports::{Batch, Link, Outlet};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout};

use crate::link::{self, Order, Waiting};
use crate::meters::Unwritten;
use crate::node::{Control, Node, OnEvent, Shared};
use crate::pace::{Pace, Rhythm};
use commits::Commits;
use merges::Merges;

/// Most inputs handled in one turn, so that the store and edits get their turn too.
pub const MAX_INPUTS_PER_TURN: usize = 256;

/// How long peers may take to hear that this node closes, before their links are dropped.
pub const LINKS_CLOSING_TIME: Duration = Duration::from_secs(1);

/// How often in one turn links that have taken a frame at once are asked for the next one.
const MAX_ROUNDS_PER_TURN: usize = 8;

/// Bytes of what others have written that may wait for the disk: with more, what links bring waits where it comes from. A disk that
/// stands still is waited for; one that fails is not, as nothing is taken in then that would have to be written.
pub const MAX_UNWRITTEN_BYTES: u64 = 64 << 20;

/// Frames and closing orders that wait for one link: the replica sends a frame only after the last was taken.
const LINK_ORDERS: usize = 4;

/// The loop and what only it touches.
pub(crate) struct Driver {
    node: Node,
    writer: Writer,
    rhythm: Rhythm,
    links: HashMap<ConnectionId, Way>,
    /// Links that have taken a frame at once, which the replica has not been told.
    taken: Vec<ConnectionId>,
    /// Writes that wait for others to be committed with, and when they are.
    commits: Commits,
    /// Who waits for the end of a link: dropped when everything that came from it has been attended to.
    ends: HashMap<ConnectionId, oneshot::Sender<()>>,
    /// The links at work, and who waits for a merge.
    tasks: JoinSet<()>,
    on_event: OnEvent,
    /// What the store has been asked for and not answered.
    loads: Vec<DocId>,
    lists: Vec<oneshot::Sender<Result<Vec<DocumentSummary>, StoreFault>>>,
    merges: Merges,
    unwritten: Unwritten,
    /// Whether the store has said that it cannot write.
    failing: bool,
    /// Dropped last of all.
    end: End,
}

/// The ways to a link: frames that have room at once leave by the outlet, and the others in their turn.
struct Way {
    orders: queue::Sender<Order>,
    outlet: Outlet,
}

/// When what happened is attended to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// With the edits that wait, if any do.
    WithEdits,
    /// With what links bring.
    WithInputs,
    Now,
    /// Now, and nothing after it.
    Last,
}

/// However the loop ends, those who wait hear of it.
struct End(Node);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end_edits();
        self.0.shared.closed.send_replace(true);
    }
}

/// One link that is up.
struct Up(Arc<Shared>);

impl Up {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.links.fetch_add(1, Ordering::Relaxed);
        shared.counters.opened.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.0.counters.links.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Driver {
    pub fn new(node: Node, writer: Writer, rhythm: Rhythm, on_event: OnEvent) -> Self {
        Self {
            end: End(node.clone()),
            node,
            writer,
            rhythm,
            links: HashMap::new(),
            taken: Vec::new(),
            commits: Commits::new(),
            ends: HashMap::new(),
            tasks: JoinSet::new(),
            on_event,
            loads: Vec::new(),
            lists: Vec::new(),
            merges: Merges::new(),
            unwritten: Unwritten::default(),
            failing: false,
        }
    }

    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Waiting>,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) {
        let mut waiting = Vec::with_capacity(MAX_INPUTS_PER_TURN);
        let mut next_timeout = None;
        let mut pace = Pace::new(self.rhythm, Instant::now());
        loop {
            let mut due = tokio::select! {
                biased;
                Some(message) = control.recv() => self.on_control(message, &mut waiting),
                count = inputs.recv_many(&mut waiting, MAX_INPUTS_PER_TURN), if self.takes_inputs(waiting.len()) => {
                    tracing::trace!(count, "inputs");
                    Due::WithInputs
                }
                () = self.node.shared.wake.notified() => {
                    pace.hurry();
                    Due::Now
                }
                () = self.node.shared.edited.notified(), if !pace.edits => {
                    pace.edits = self.node.has_edits();
                    if !pace.edits {
                        // They went along with something else.
                        continue;
                    }
                    Due::WithEdits
                }
                () = sleep_until(pace.waits) => Due::Now,
                () = sleep_until(self.commits.due()) => {
                    self.commit();
                    continue;
                }
                () = sleep_to(&self.node, next_timeout) => Due::Now,
            };
            while let Ok(message) = control.try_recv() {
                due = due.max(self.on_control(message, &mut waiting));
            }
            match due {
                Due::WithEdits if pace.holds_back(Instant::now()) => continue,
                Due::WithInputs
                    if waiting.len() < MAX_INPUTS_PER_TURN && pace.holds_inputs_back(Instant::now()) =>
                {
                    continue;
                }
                Due::WithEdits | Due::WithInputs | Due::Now => {}
                Due::Last => break,
            }
            pace.turn(Instant::now());
            next_timeout = unconstrained(async { self.turn(&mut waiting) }).await;
            while self.tasks.try_join_next().is_some() {}
            self.node.shared.turns.send_replace(());
        }
        self.finish(&mut waiting, inputs).await;
    }

    /// The last turn: what is still to be written is, and whoever waits on a link sees it end. If the store could
    /// not take what was left, that is the last event.
    async fn finish(mut self, waiting: &mut Vec<Waiting>, inputs: mpsc::Receiver<Waiting>) {
        self.turn(waiting);
        self.commit();
        self.links.clear();
        let Self { node, writer, mut on_event, mut tasks, end, .. } = self;
        let fault = match tokio::task::spawn_blocking(move || writer.close()).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(panic) => Some(StoreFault(panic.to_string())),
        };
        // Those who are in time part in good order.
        let _late = timeout(LINKS_CLOSING_TIME, all_ended(&mut tasks, inputs)).await;
        tasks.shutdown().await;
        let last = match fault.clone() {
            Some(fault) => Some(Input::WriteFailed { fault }),
            None => node.look(|replica| replica.fault().is_some()).then_some(Input::StoreReady),
        };
        if let Some(last) = last {
            node.with(|replica, now| replica.handle(now, last));
            on_event(&node, Event::Store { fault });
        }
        drop(end);
    }

    /// Whether what links bring is taken where so much of it waits for its turn.
    fn takes_inputs(&self, waiting: usize) -> bool {
        let unwritten = self.node.shared.meters.unwritten_bytes();
        waiting < MAX_INPUTS_PER_TURN && (self.failing || unwritten < MAX_UNWRITTEN_BYTES)
    }

    fn on_control(&mut self, control: Control, inputs: &mut Vec<Waiting>) -> Due {
        match control {
            Control::Store(event) => return self.on_store(event, inputs),
            Control::Merged(merged) => inputs.push(Input::Merged(merged).into()),
            Control::Attach(id, link, side, visitor, ends) => {
                inputs.push(Input::Connected { connection: id, side, visitor }.into());
                self.run_link(id, link, ends);
            }
            Control::List(answer) => {
                self.lists.push(answer);
                self.commit();
                self.heed(self.writer.list());
            }
            Control::Run(work) => work(&self.node),
            Control::Close => return Due::Last,
        }
        Due::Now
    }

    fn on_store(&mut self, event: StoreEvent, inputs: &mut Vec<Waiting>) -> Due {
        match event {
            StoreEvent::Written(write, commit) => {
                self.unwritten.written(write, commit, &self.node.shared.meters);
                inputs.push(Input::Written { write }.into());
                return Due::WithEdits;
            }
            StoreEvent::Failed(fault) => {
                self.failing = true;
                inputs.push(Input::WriteFailed { fault: fault.clone() }.into());
                if self.writer.is_closed() {
                    self.on_store_gone(&fault);
                }
            }
            StoreEvent::Ready => {
                self.failing = false;
                inputs.push(Input::StoreReady.into());
            }
            StoreEvent::Loaded { doc, result } => {
                if let Some(index) = self.loads.iter().position(|asked| *asked == doc) {
                    self.loads.swap_remove(index);
                }
                inputs.push(Input::Loaded { doc, result }.into());
            }
            StoreEvent::Listed(result) => answer_all(&mut self.lists, &result),
        }
        Due::Now
    }

    fn run_link(&mut self, id: ConnectionId, link: Link, ends: oneshot::Sender<()>) {
        let (orders, waiting) = queue::channel(LINK_ORDERS);
        self.links.insert(id, Way { orders, outlet: link.outlet() });
        self.ends.insert(id, ends);
        let shared = &self.node.shared;
        let (inputs, up) = (shared.inputs.clone(), Up::new(shared));
        self.tasks.spawn(async move {
            link::run(id, link, waiting, inputs, &up.0.meters).await;
            drop(up);
        });
    }

    /// Lets the replica handle what came in and what is late, and does what it wants done, as long as links take all of it.
    /// Returns when it wants its next [`Input::Tick`]; whatever could change that wakes the loop.
    fn turn(&mut self, inputs: &mut Vec<Waiting>) -> Option<Time> {
        let mut next_timeout = self.round(inputs);
        for _ in 1..MAX_ROUNDS_PER_TURN {
            if self.taken.is_empty() {
                return next_timeout;
            }
            next_timeout = self.round(inputs);
        }
        if !self.taken.is_empty() {
            self.node.hurry();
        }
        next_timeout
    }

    fn round(&mut self, inputs: &mut Vec<Waiting>) -> Option<Time> {
        let now = self.node.now();
        let mut since = inputs.iter().filter_map(|waiting| waiting.arrived).min();
        let (mut outputs, mut ended) = (Vec::new(), Vec::new());
        let mut next_timeout;
        {
            let mut replica = self.node.lock_for_turn();
            for connection in self.taken.drain(..) {
                replica.handle(now, Input::Writable { connection });
            }
            since = since.into_iter().chain(self.node.shared.meters.arrived.take()).min();
            for Waiting { input, room, .. } in inputs.drain(..) {
                if let Input::Received { frame, .. } = &input {
                    self.node.shared.heard(frame.bytes.len(), now);
                }
                if let Input::Disconnected { connection } = &input {
                    self.links.remove(connection);
                    ended.push(*connection);
                }
                replica.handle(now, input);
                drop(room);
            }
            outputs.extend(std::iter::from_fn(|| replica.poll()));
            next_timeout = replica.next_timeout();
            // However much comes in, what is late is not put off.
            if next_timeout.is_some_and(|time| time <= now) {
                replica.handle(now, Input::Tick);
                outputs.extend(std::iter::from_fn(|| replica.poll()));
                next_timeout = replica.next_timeout();
            }
        }
        self.perform(outputs, since.unwrap_or_else(StdInstant::now));
        ended.iter().for_each(|id| drop(self.ends.remove(id)));
        next_timeout
    }

    /// Does what the replica wants done for what has come in `since` then.
    fn perform(&mut self, outputs: Vec<Output>, since: StdInstant) {
        let mut last = LastFrame::default();
        for output in outputs {
            match output {
                Output::Write { id, write } => self.commits.push(id, write, since),
                Output::Load { doc } => {
                    self.commit();
                    self.loads.push(doc.clone());
                    self.heed(self.writer.load(doc));
                }
                Output::Send { connection, frame, entries, waited } => {
                    let meters = &self.node.shared.meters;
                    let updates = (entries > 0).then(|| meters.sent_since(since, waited));
                    self.send(connection, frame, updates, &mut last);
                }
                Output::Close { connection, reason } => {
                    if let Some(mut link) = self.links.remove(&connection) {
                        // A link whose queue is full or gone ends as its sender is dropped here.
                        drop(link.orders.try_send(Order::Close(reason)));
                    }
                }
                Output::Merge(merge) => self.merge(merge),
                Output::Event(event) => (self.on_event)(&self.node, event),
            }
        }
        if self.commits.due().is_some_and(|due| due <= Instant::now()) {
            self.commit();
        }
    }

    /// Has a merge run beside everything else.
    fn merge(&mut self, merge: Merge) {
        let (node, merges) = (self.node.clone(), self.merges.clone());
        self.tasks.spawn(async move {
            if let Some(merged) = merges.run(&node, merge).await {
                node.tell(Control::Merged(merged));
            }
        });
    }

    /// Gives the store what waits for it.
    fn commit(&mut self) {
        if let Some((writes, since)) = self.commits.take(self.rhythm.commits) {
            self.unwritten.push(&writes, since, &self.node.shared.meters);
            self.heed(self.writer.submit(writes));
        }
    }

    /// A store whose thread has panicked takes nothing any more: as with a full disk, nothing is reported saved.
    fn heed(&mut self, asked: Result<(), Closed>) {
        if let Err(closed) = asked {
            let fault = StoreFault(closed.to_string());
            self.failing = true;
            self.on_store_gone(&fault);
            self.node.with(|replica, now| replica.handle(now, Input::WriteFailed { fault }));
        }
    }

    /// Answers whoever waits for a store that will never answer.
    fn on_store_gone(&mut self, fault: &StoreFault) {
        answer_all(&mut self.lists, &Err(fault.clone()));
        for doc in std::mem::take(&mut self.loads) {
            let result = Err(fault.clone());
            self.node.with(|replica, now| replica.handle(now, Input::Loaded { doc, result }));
        }
    }

    /// Most links have room: they take a frame here and now, and no task has to wake up for it.
    fn send(
        &mut self,
        connection: ConnectionId,
        frame: Frame,
        updates: Option<StdInstant>,
        last: &mut LastFrame,
    ) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        let counters = &self.node.shared.counters;
        counters.frames_out.fetch_add(1, Ordering::Relaxed);
        counters.bytes_out.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
        // What goes wrong here does again where it is sent in its turn.
        if !frame.text && link.outlet.try_send(last.batch(&frame)).unwrap_or(false) {
            let meters = &self.node.shared.meters;
            updates.into_iter().for_each(|since| meters.sent.observe_time(since.elapsed(), 1));
            self.taken.push(connection);
        } else if link.orders.try_send(Order::Send(frame, updates)).is_err() {
            // The link has ended; its `Disconnected` is on the way.
            self.links.remove(&connection);
        }
    }
}

/// The frame that was sent last, as links take it: the next one is often the same.
#[derive(Default)]
struct LastFrame(Batch);

impl LastFrame {
    fn batch(&mut self, frame: &Frame) -> &Batch {
        let same = |known: &Bytes| known.as_ptr() == frame.bytes.as_ptr() && known.len() == frame.bytes.len();
        if !self.0.frames().first().is_some_and(same) {
            self.0 = Batch::new(vec![frame.bytes.clone()]);
        }
        &self.0
    }
}

/// Waits for tasks, and takes what links still bring, so that none waits to be rid of it.
async fn all_ended(tasks: &mut JoinSet<()>, mut inputs: mpsc::Receiver<Waiting>) {
    loop {
        tokio::select! {
            ended = tasks.join_next() => if ended.is_none() {
                return;
            },
            Some(_unheard) = inputs.recv() => {}
        }
    }
}

async fn sleep_to(node: &Node, time: Option<Time>) {
    let wait = |time: Time| Instant::now() + Duration::from_millis(time.since(node.now()));
    sleep_until(time.map(wait)).await;
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn answer_all<T: Clone>(waiting: &mut Vec<oneshot::Sender<T>>, answer: &T) {
    // Somebody who no longer waits needs no answer.
    waiting.drain(..).for_each(|waiting| _ = waiting.send(answer.clone()));
}
