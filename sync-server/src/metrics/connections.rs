//! Connections of other protocols, each of which counts what goes over it by itself.
//!
//! A connection is served by one task, so its counters have one writer and take no more than a load and a store each. They
//! are added up when somebody asks, and when the connection is gone. What rooms pass on to many connections at once is counted
//! once for all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_core::crdt::GateError;
use syncline_core::replica::{ContributeError, Contributed};

use super::{Metrics, Protocol, Reason, Spoken, reason_of};
use crate::guests::End;
use crate::rooms::Piece;

/// What has gone over a connection, or over all of a protocol.
#[derive(Debug, Default)]
pub(super) struct Traffic([AtomicU64; Counter::ALL.len()]);

/// What of it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    MessagesIn,
    BytesIn,
    UpdatesIn,
    PresenceIn,
    MessagesOut,
    BytesOut,
    UpdatesOut,
    PresenceOut,
}

impl Counter {
    /// All of them; each at the index that it is as a number.
    pub const ALL: [Self; 8] = [
        Self::MessagesIn,
        Self::BytesIn,
        Self::UpdatesIn,
        Self::PresenceIn,
        Self::MessagesOut,
        Self::BytesOut,
        Self::UpdatesOut,
        Self::PresenceOut,
    ];
}

impl Traffic {
    /// Adds to a counter that others write at the same time.
    pub fn add_among(&self, counter: Counter, number: u64) {
        self.0[counter as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// Adds to a counter that nobody else writes at the same time.
    fn add(&self, counter: Counter, number: usize) {
        let counter = &self.0[counter as usize];
        counter.store(counter.load(Ordering::Relaxed) + number as u64, Ordering::Relaxed);
    }

    fn read(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

/// The connections of a protocol.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// What has gone over them past their sessions.
    pub passed_on: Traffic,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What is counted now, by numbers of their own.
    counted: BTreeMap<u64, Arc<Traffic>>,
    last: u64,
    open: u64,
    opened: u64,
    /// What has gone over connections that are gone.
    before: Traffic,
}

/// The connections of a protocol, added up.
pub(super) struct Sum {
    pub open: u64,
    pub opened: u64,
    traffic: [u64; Counter::ALL.len()],
}

impl Sum {
    pub const fn get(&self, counter: Counter) -> u64 {
        self.traffic[counter as usize]
    }
}

impl Connections {
    /// Adds up what all connections have counted so far.
    pub fn sum(&self) -> Sum {
        let inner = self.lock();
        let all = || inner.counted.values().map(|traffic| &**traffic).chain([&inner.before, &self.passed_on]);
        let traffic = Counter::ALL.map(|counter| all().map(|traffic| traffic.read(counter)).sum());
        Sum { open: inner.open, opened: inner.opened, traffic }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, or a request, as it is counted while it lasts.
pub(crate) struct Connection {
    metrics: Arc<Metrics>,
    protocol: Protocol,
    number: u64,
    /// Whether it is a connection that stays.
    stays: bool,
    traffic: Arc<Traffic>,
    /// Whether it was noted why it ends.
    ended: AtomicBool,
}

impl Metrics {
    /// A client has connected.
    pub(crate) fn connection(self: &Arc<Self>, protocol: Protocol) -> Arc<Connection> {
        self.counted(protocol, true)
    }

    /// A client asks for something over HTTP.
    pub(crate) fn request(self: &Arc<Self>, protocol: Protocol) -> Arc<Connection> {
        self.counted(protocol, false)
    }

    fn counted(self: &Arc<Self>, protocol: Protocol, stays: bool) -> Arc<Connection> {
        let traffic = Arc::<Traffic>::default();
        let mut inner = self.spoken(protocol).connections.lock();
        inner.last += 1;
        inner.open += u64::from(stays);
        inner.opened += u64::from(stays);
        let number = inner.last;
        inner.counted.insert(number, traffic.clone());
        drop(inner);
        let ended = AtomicBool::new(false);
        Arc::new(Connection { metrics: self.clone(), protocol, number, stays, traffic, ended })
    }
}

impl Connection {
    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn spoken(&self) -> &Spoken {
        self.metrics.spoken(self.protocol)
    }

    /// A message of so many bytes has come in.
    pub(crate) fn received(&self, bytes: usize) {
        self.traffic.add(Counter::MessagesIn, 1);
        self.traffic.add(Counter::BytesIn, bytes);
    }

    /// So many messages of so many bytes are sent.
    pub(crate) fn sent(&self, messages: usize, bytes: usize) {
        self.traffic.add(Counter::MessagesOut, messages);
        self.traffic.add(Counter::BytesOut, bytes);
    }

    /// The client tells who is present, or something else that is not kept.
    pub(crate) fn heard_presence(&self) {
        self.traffic.add(Counter::PresenceIn, 1);
    }

    /// The client is told so many times who is present, or something else that is not kept.
    pub(crate) fn told_presence(&self, messages: usize) {
        self.traffic.add(Counter::PresenceOut, messages);
    }

    /// An update of the client was taken in, or not. What only lacks something that it builds on comes again.
    pub(crate) fn contributed<T>(&self, contributed: &Result<Contributed<T>, ContributeError>) {
        match contributed {
            Ok(contributed) => self.traffic.add(Counter::UpdatesIn, contributed.entries),
            Err(ContributeError::Refused(GateError::Gap { .. })) => {}
            Err(ContributeError::Refused(_)) => _ = self.spoken().refused.fetch_add(1, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    /// The client was just given these updates.
    pub(crate) fn passed_on(&self, pieces: &[Arc<Piece>]) {
        if !pieces.is_empty() {
            // Whoever reads that they were sent finds that they were timed.
            self.spoken().note_sent(pieces);
            self.traffic.add(Counter::UpdatesOut, pieces.len());
        }
    }

    /// The client was given so many updates of which it is no longer known when they came.
    pub(crate) fn passed_on_late(&self, updates: usize) {
        self.traffic.add(Counter::UpdatesOut, updates);
    }

    /// The client is so far behind that it is sent everything anew.
    pub(crate) fn overtaken(&self) {
        self.spoken().overtaken.fetch_add(1, Ordering::Relaxed);
    }

    /// The session ends, as it is told once or several times.
    pub(crate) fn ends(&self, end: &End) {
        if let Some(reason) = reason_of(end)
            && !self.ended.swap(true, Ordering::Relaxed)
        {
            self.metrics.note_closed(self.protocol, reason);
        }
    }

    /// A document is closed for the client, or was not opened.
    pub(crate) fn closes(&self, code: u16) {
        self.metrics.note_closed(self.protocol, Reason::of_close(code));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut inner = self.spoken().connections.lock();
        inner.counted.remove(&self.number);
        inner.open -= u64::from(self.stays);
        for counter in Counter::ALL {
            inner.before.add_among(counter, self.traffic.read(counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connections_have_counted_is_added_up_whether_they_are_there_or_gone() {
        assert!(Counter::ALL.iter().enumerate().all(|(index, counter)| *counter as usize == index));
        let metrics = Metrics::new();
        let sum = || metrics.spoken(Protocol::YSweet).connections.sum();
        let (one, other) = (metrics.connection(Protocol::YSweet), metrics.connection(Protocol::YSweet));
        one.received(10);
        other.received(5);
        other.sent(1, 7);
        metrics.spoken(Protocol::YSweet).connections.passed_on.add_among(Counter::MessagesOut, 2);
        assert_eq!((sum().open, sum().opened), (2, 2));
        drop(one);
        let request = metrics.request(Protocol::YSweet);
        request.received(1);
        let counted = |counter| sum().get(counter);
        assert_eq!((sum().open, sum().opened), (1, 2));
        assert_eq!((counted(Counter::MessagesIn), counted(Counter::BytesIn)), (3, 16));
        assert_eq!((counted(Counter::MessagesOut), counted(Counter::BytesOut)), (3, 7));
        drop((other, request));
        assert_eq!((sum().open, counted(Counter::BytesIn)), (0, 16));
    }

    #[test]
    fn the_end_of_a_connection_is_counted_once_and_that_of_each_document_on_it() {
        let metrics = Metrics::new();
        let connection = metrics.connection(Protocol::Hocuspocus);
        let closed =
            || metrics.spoken(Protocol::Hocuspocus).closed.each_ref().map(|n| n.load(Ordering::Relaxed));
        connection.ends(&End::Gone);
        connection.closes(4403);
        connection.closes(4403);
        connection.ends(&End::closed(4400, "why"));
        connection.ends(&End::closed(4400, "why"));
        assert_eq!(closed(), [1, 0, 2, 0, 0, 0, 0]);
    }
}
