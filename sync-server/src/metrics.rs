//! What a relay counts of itself, and shows to Prometheus at `/metrics`.
//!
//! Counting costs the work that is counted next to nothing: a connection of another protocol counts what goes over it by
//! itself ([`Connection`]), and whoever asks adds all of them up. What the node and the replica measure is read from there.

mod connections;
mod passed_on;
mod scrape;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use syncline::node::Histogram;
use syncline::transports::Close;
use syncline_core::event::{DocumentError, Event};
use syncline_core::wire::ErrorCode;

use crate::guests::{BAD_MESSAGE, End, FORBIDDEN, RESTART, UNAUTHORIZED};
use crate::rooms::Piece;
pub(crate) use connections::Connection;
use connections::Connections;
pub(crate) use passed_on::PassedOn;
pub(crate) use scrape::show;

/// What somebody speaks with the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Syncline,
    YWebsocket,
    Hocuspocus,
    YSweet,
    AutomergeRepo,
}

impl Protocol {
    /// All of them; each at the index that it is as a number.
    const ALL: [Self; 5] =
        [Self::Syncline, Self::YWebsocket, Self::Hocuspocus, Self::YSweet, Self::AutomergeRepo];

    const fn name(self) -> &'static str {
        match self {
            Self::Syncline => "syncline",
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
            Self::YSweet => "y-sweet",
            Self::AutomergeRepo => "automerge-repo",
        }
    }
}

/// Why the relay closes a connection, or a document on it, or lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    BadMessage,
    Unauthorized,
    Forbidden,
    TooLarge,
    TooMany,
    Unavailable,
    Restart,
}

impl Reason {
    /// All of them; each at the index that it is as a number.
    const ALL: [Self; 7] = [
        Self::BadMessage,
        Self::Unauthorized,
        Self::Forbidden,
        Self::TooLarge,
        Self::TooMany,
        Self::Unavailable,
        Self::Restart,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
            Self::Restart => "restart",
        }
    }

    /// What a client of another protocol is told in a number.
    const fn of_close(code: u16) -> Self {
        match code {
            BAD_MESSAGE => Self::BadMessage,
            UNAUTHORIZED => Self::Unauthorized,
            FORBIDDEN => Self::Forbidden,
            Close::TOO_LARGE => Self::TooLarge,
            RESTART => Self::Restart,
            _ => Self::Unavailable,
        }
    }

    /// What a client of Syncline's is told.
    const fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Malformed | ErrorCode::Version | ErrorCode::Unexpected | ErrorCode::Gap => {
                Self::BadMessage
            }
            ErrorCode::TooLarge => Self::TooLarge,
            ErrorCode::SpecMismatch | ErrorCode::NotFound | ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::TooMany => Self::TooMany,
            _ => Self::Unavailable,
        }
    }
}

/// Everything that is counted outside the node.
pub(crate) struct Metrics {
    started: SystemTime,
    protocols: [Spoken; Protocol::ALL.len()],
    /// How many documents the store holds.
    stored: AtomicU64,
    /// How often a document that was needed as a CRDT was one, and was not.
    found_built: AtomicU64,
    missed_built: AtomicU64,
    store_faults: AtomicU64,
    document_failures: AtomicU64,
}

/// What is counted of one protocol.
struct Spoken {
    connections: Connections,
    /// From the arrival of an update until a connection was given it.
    sent: Histogram,
    refused: AtomicU64,
    /// How often a client was so far behind that it was sent everything anew.
    overtaken: AtomicU64,
    closed: [AtomicU64; Reason::ALL.len()],
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let spoken = |_| Spoken {
            connections: Connections::default(),
            sent: Histogram::of_times(),
            refused: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            closed: Default::default(),
        };
        Arc::new(Self {
            started: SystemTime::now(),
            protocols: Protocol::ALL.map(spoken),
            stored: AtomicU64::new(0),
            found_built: AtomicU64::new(0),
            missed_built: AtomicU64::new(0),
            store_faults: AtomicU64::new(0),
            document_failures: AtomicU64::new(0),
        })
    }

    /// The store holds more documents.
    pub(crate) fn note_stored(&self, documents: usize) {
        self.stored.fetch_add(documents as u64, Ordering::Relaxed);
    }

    /// A document was needed as a CRDT, and was one, or had to be built.
    pub(crate) fn note_built(&self, found: bool) {
        let counter = if found { &self.found_built } else { &self.missed_built };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody is sent away, or a document is closed for him.
    pub(crate) fn note_closed(&self, protocol: Protocol, reason: Reason) {
        self.spoken(protocol).closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The replica tells something.
    pub(crate) fn on_event(&self, event: &Event) {
        match event {
            Event::Created { .. } => self.note_stored(1),
            Event::GaveUp { code, .. } => self.note_closed(Protocol::Syncline, Reason::of_error(*code)),
            Event::Store { fault: Some(_) } => _ = self.store_faults.fetch_add(1, Ordering::Relaxed),
            Event::Failed { error: DocumentError::NotFound { .. }, .. } => {}
            Event::Failed { .. } => _ = self.document_failures.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
    }

    const fn spoken(&self, protocol: Protocol) -> &Spoken {
        &self.protocols[protocol as usize]
    }
}

impl Spoken {
    /// A connection was just given these updates.
    fn note_sent(&self, pieces: &[Arc<Piece>]) {
        let now = Instant::now();
        for piece in pieces {
            self.sent.observe_time(now.saturating_duration_since(piece.came), 1);
        }
    }
}

/// Why a session ends, if the relay ends it.
fn reason_of(end: &End) -> Option<Reason> {
    match end {
        End::Gone => None,
        End::Closed(close) => Some(Reason::of_close(close.code)),
        End::Misbehaved(_) => Some(Reason::BadMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_at_its_own_index() {
        assert!(Protocol::ALL.iter().enumerate().all(|(index, protocol)| *protocol as usize == index));
        assert!(Reason::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
    }

    #[test]
    fn a_number_stands_for_a_reason() {
        let reasons = [4400, 4401, 4403, 1009, 1011, 1012, 1013].map(|code| Reason::of_close(code).name());
        let names = ["bad_message", "unauthorized", "forbidden", "too_large", "unavailable", "restart"];
        assert_eq!(reasons, [&names[..], &["unavailable"]].concat()[..]);
    }
}
