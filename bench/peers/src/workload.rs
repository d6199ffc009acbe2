//! What is done to the servers. Each workload has cases, such as rates or sizes, and says for which sides it makes sense.

mod ceiling;
mod hour;
mod idle;
pub mod joins;
pub mod presence;
mod restart;
mod typing;

use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::Side;

/// A workload, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    Typing,
    Readers,
    Documents,
    Presence,
    Idle,
    Joins,
    Restart,
    Hour,
    Ceiling,
}

/// One thing to be measured, for each side.
pub struct Case {
    /// What tells it from the other cases of the workload, such as `60/s`.
    pub name: String,
    /// For whom it makes sense.
    pub sides: Vec<Side>,
    /// Measures it once, with a fresh server.
    pub run: Box<dyn Fn(Side) -> Result<Figures, BoxError>>,
}

impl Workload {
    pub const ALL: [Self; 9] = [
        Self::Typing,
        Self::Readers,
        Self::Documents,
        Self::Presence,
        Self::Idle,
        Self::Joins,
        Self::Restart,
        Self::Hour,
        Self::Ceiling,
    ];

    /// Its letter, and what it is.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Typing => ("a", "1 document, 50 clients who all type"),
            Self::Readers => ("b", "1 document, 1 client who types, 1000 who read"),
            Self::Documents => ("c", "1000 documents of 2 clients, who type"),
            Self::Presence => ("d", "1 document, 500 clients who show where they are once a second"),
            Self::Idle => ("e", "1,000 and 10,000 clients who do nothing"),
            Self::Joins => ("f", "joins of Yjs documents of 1, 4 and 20 MiB, alone and 150 at once"),
            Self::Restart => {
                ("g", "the relay comes back to 1,000 clients who have made 100 edits each without it")
            }
            Self::Hour => ("h", "(a) at 20/s for an hour, with as much deleted as typed"),
            Self::Ceiling => ("ceiling", "the most deliveries in a second"),
        }
    }

    /// What is measured.
    pub fn cases(self, settings: &Settings) -> Vec<Case> {
        match self {
            Self::Typing => typing::typing(settings),
            Self::Readers => typing::readers(settings),
            Self::Documents => typing::documents(settings),
            Self::Presence => presence::cases(settings),
            Self::Idle => idle::cases(settings),
            Self::Joins => joins::cases(settings),
            Self::Restart => restart::cases(settings),
            Self::Hour => hour::cases(settings),
            Self::Ceiling => ceiling::cases(settings),
        }
    }

    /// Which figures are shown, in this order.
    pub const fn columns(self) -> &'static [Metric] {
        match self {
            Self::Typing | Self::Readers | Self::Documents => typing::COLUMNS,
            Self::Presence => presence::COLUMNS,
            Self::Idle => idle::COLUMNS,
            Self::Joins => joins::COLUMNS,
            Self::Restart => restart::COLUMNS,
            Self::Hour => hour::COLUMNS,
            Self::Ceiling => ceiling::COLUMNS,
        }
    }

    /// Which figures are drawn.
    pub const fn plots(self) -> &'static [Metric] {
        match self {
            Self::Typing | Self::Readers | Self::Documents => &[Metric::Latency99, Metric::Cpu],
            Self::Presence => &[Metric::CpuCores, Metric::LatencyHalf],
            Self::Idle => &[Metric::PerConnection],
            Self::Joins => &[Metric::JoinAll, Metric::Extra],
            Self::Restart => &[Metric::Recovery],
            Self::Hour => &[Metric::Early, Metric::AtEnd],
            Self::Ceiling => &[Metric::Rate],
        }
    }
}

fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

fn mebibytes(bytes: u64) -> f64 {
    kibibytes(bytes) / 1024.0
}
