//! What every machine of a replica works with: the time, the one queue of effects, and the mail to peers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::event::{Event, Output, Write};
use crate::id::{ConnectionId, DocId, WriteId};
use crate::random::Random;
use crate::replica::Config;
use crate::replica::memory::Loads;
use crate::replica::statistics::Counts;
use crate::time::Time;
use crate::wire::Message;

/// Which documents may have something for their peers, and how many milliseconds that may wait for more.
#[derive(Default)]
pub(super) struct Wakes {
    /// For all of them.
    pub all: BTreeMap<DocId, u64>,
    /// For single ones.
    pub single: BTreeMap<(ConnectionId, DocId), u64>,
}

/// The surroundings of one call into the replica.
pub(super) struct Context {
    /// The driver's clock.
    pub clock: Time,
    /// A time that never goes back, for everything that waits.
    pub now: Time,
    pub random: Random,
    pub config: Config,
    pub counts: Counts,
    effects: VecDeque<Output>,
    last_write: WriteId,
    unwritten: VecDeque<(WriteId, DocId)>,
    mail: VecDeque<(ConnectionId, Message)>,
    wakes: Wakes,
    loads: Loads,
}

impl Context {
    pub fn new(config: Config) -> Self {
        Self {
            clock: Time(0),
            now: Time(0),
            random: Random::new(config.seed),
            config,
            counts: Counts::default(),
            effects: VecDeque::new(),
            last_write: WriteId(0),
            unwritten: VecDeque::new(),
            mail: VecDeque::new(),
            wakes: Wakes::default(),
            loads: Loads::default(),
        }
    }

    /// Takes note of the driver's clock. Where that was set back, time goes on from where it was.
    pub fn set_clock(&mut self, clock: Time) {
        let passed = if clock >= self.clock { clock.since(self.clock) } else { 0 };
        self.now = self.now.after(passed);
        self.clock = clock;
    }

    /// What the driver's clock will show at a time to come, if nobody sets it.
    pub fn on_clock(&self, time: Time) -> Time {
        self.clock.after(time.since(self.now))
    }

    /// Queues an effect behind all earlier ones.
    pub fn emit(&mut self, output: Output) {
        self.effects.push_back(output);
    }

    /// Tells the application.
    pub fn tell(&mut self, event: Event) {
        self.emit(Output::Event(event));
    }

    /// Queues a write and returns its number.
    pub fn write(&mut self, write: Write) -> WriteId {
        self.last_write = WriteId(self.last_write.0 + 1);
        self.unwritten.push_back((self.last_write, write.doc().clone()));
        self.emit(Output::Write { id: self.last_write, write });
        self.last_write
    }

    /// Asks the store for a document, as soon as it is its turn.
    pub fn load(&mut self, doc: &DocId) {
        self.counts.loaded += 1;
        self.loads.push(doc.clone());
        self.ask_for_loads();
    }

    /// Does not ask for a document after all; false if that was done.
    pub fn cancel_load(&mut self, doc: &DocId) -> bool {
        self.loads.cancel(doc)
    }

    /// The store has answered one question, and may be asked another.
    pub fn load_answered(&mut self) {
        self.loads.answered();
        self.ask_for_loads();
    }

    fn ask_for_loads(&mut self) {
        while let Some(doc) = self.loads.next() {
            self.emit(Output::Load { doc });
        }
    }

    /// Notes that everything up to `write` is on disk, and returns the documents it was about.
    pub fn settle(&mut self, write: WriteId) -> BTreeSet<DocId> {
        let settled = self.unwritten.partition_point(|(id, _)| *id <= write);
        self.unwritten.drain(..settled).map(|(_, doc)| doc).collect()
    }

    /// How many writes are not known to be on disk.
    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Says something to a peer, with the next frame it is sent.
    pub fn post(&mut self, connection: ConnectionId, message: Message) {
        self.mail.push_back((connection, message));
    }

    /// Notes that a document may have entries for a peer.
    pub fn wake(&mut self, connection: ConnectionId, doc: &DocId) {
        self.wakes.single.insert((connection, doc.clone()), self.config.policy.batching.delay);
    }

    /// Notes that a document may have something for all its peers, which may wait for so many milliseconds.
    pub fn wake_all(&mut self, doc: &DocId, delay: u64) {
        let known = self.wakes.all.entry(doc.clone()).or_insert(delay);
        *known = delay.min(*known);
    }

    pub fn next_effect(&mut self) -> Option<Output> {
        self.effects.pop_front()
    }

    pub fn next_mail(&mut self) -> Option<(ConnectionId, Message)> {
        self.mail.pop_front()
    }

    pub fn take_wakes(&mut self) -> Option<Wakes> {
        let any = !self.wakes.all.is_empty() || !self.wakes.single.is_empty();
        any.then(|| std::mem::take(&mut self.wakes))
    }
}
