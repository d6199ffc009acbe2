//! People who type, and people who read: the workloads (a), (b) and (c).
//!
//! Everything typed is delivered once to everybody else at the document. A second later the server is killed, and somebody new is told
//! what it has kept.

use std::time::Duration;

use super::{Case, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::Side;
use crate::team::{self, Shape, Team};

/// How long people type before it counts.
const WARMING: Duration = Duration::from_secs(1);

/// How long after the last delivery the server is killed: what was typed a second ago is what people take to be there.
const GRACE: Duration = Duration::from_secs(1);

/// How often the only one who types in (b), and each in (c), does so in a second.
const READERS_RATE: f64 = 20.0;
const DOCUMENTS_RATE: f64 = 2.0;

/// The shape of (a), but for the rate.
pub const SHAPE: Shape =
    Shape { documents: 1, clients: 50, typists: 50, typing: 0.0, leaves: u64::MAX, showing: 0.0 };

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Delivered,
    Metric::Expected,
    Metric::Missing,
    Metric::Twice,
    Metric::Kept,
    Metric::Typed,
    Metric::Unkept,
    Metric::Lost,
    Metric::LatencyHalf,
    Metric::Latency95,
    Metric::Latency99,
    Metric::LatencyMost,
    Metric::Cpu,
    Metric::CpuCores,
    Metric::Idle,
    Metric::Connected,
    Metric::Peak,
    Metric::GeneratorCpu,
    Metric::GeneratorCores,
    Metric::Late,
];

pub fn typing(settings: &Settings) -> Vec<Case> {
    settings
        .rates
        .iter()
        .map(|rate| case(format!("{rate}/s"), settings, Shape { typing: *rate, ..SHAPE }))
        .collect()
}

pub fn readers(settings: &Settings) -> Vec<Case> {
    let shape = Shape { clients: 1 + settings.readers, typists: 1, typing: READERS_RATE, ..SHAPE };
    vec![case(format!("{} readers", settings.readers), settings, shape)]
}

pub fn documents(settings: &Settings) -> Vec<Case> {
    let shape =
        Shape { documents: settings.documents, clients: 2, typists: 2, typing: DOCUMENTS_RATE, ..SHAPE };
    vec![case(format!("{} documents", settings.documents), settings, shape)]
}

fn case(name: String, settings: &Settings, shape: Shape) -> Case {
    let time = settings.time();
    Case { name, sides: Side::ALL.to_vec(), run: Box::new(move |side| run(side, shape, time)) }
}

fn run(side: Side, shape: Shape, time: Duration) -> Result<Figures, BoxError> {
    let mut server = side.start()?;
    let idle = server.process().resident()?;
    let mut team = Team::open(&server, shape)?;
    let connected = server.process().resident()?;
    let mut figures = team
        .measure(server.process(), WARMING, time)?
        .with(Metric::Idle, mebibytes(idle))
        .with(Metric::Connected, mebibytes(connected))
        .with(Metric::Peak, mebibytes(server.process().peak()?))
        .with(Metric::Typed, team.all_typed() as f64);
    let typed = team.all_typed();
    if server.stores() {
        team.rest(GRACE)?;
        drop(team);
        server.crash()?;
        let kept = team::count(&server, shape)?;
        let unkept = typed.saturating_sub(kept);
        figures = figures.with(Metric::Kept, kept as f64).with(Metric::Unkept, unkept as f64);
    }
    Ok(figures)
}
