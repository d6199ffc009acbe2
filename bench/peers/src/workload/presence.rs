//! People who show where they are, by what their protocol has for that: the workload (d).
//!
//! What it costs by itself, and what it makes of edits: the same edits are made without and with it.

use std::time::Duration;

use super::{Case, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::Side;
use crate::team::{Shape, Team};

/// How often in a second each shows where he is.
const SHOWING: f64 = 1.0;

/// So many of them type, each so often in a second.
const TYPISTS: usize = 10;
const TYPING: f64 = 1.0;

/// Everybody has shown himself once before it counts.
const WARMING: Duration = Duration::from_secs(2);

/// The names of the cases.
pub const ALONE: &str = "presence";
pub const EDITS: &str = "edits";
pub const BOTH: &str = "edits and presence";

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Delivered,
    Metric::Expected,
    Metric::Lost,
    Metric::LatencyHalf,
    Metric::Latency95,
    Metric::Latency99,
    Metric::LatencyMost,
    Metric::CpuCores,
    Metric::Cpu,
    Metric::Connected,
    Metric::Peak,
    Metric::GeneratorCores,
];

pub fn cases(settings: &Settings) -> Vec<Case> {
    let shape = |typists, showing| Shape {
        documents: 1,
        clients: settings.present,
        typists,
        typing: TYPING,
        leaves: u64::MAX,
        showing,
    };
    let cases = [(ALONE, shape(0, SHOWING)), (EDITS, shape(TYPISTS, 0.0)), (BOTH, shape(TYPISTS, SHOWING))];
    let time = settings.time();
    let case = |(name, shape): (&str, Shape)| Case {
        name: name.to_owned(),
        sides: Side::ALL.to_vec(),
        run: Box::new(move |side| run(side, shape, time)),
    };
    cases.map(case).into()
}

fn run(side: Side, shape: Shape, time: Duration) -> Result<Figures, BoxError> {
    let server = side.start()?;
    let mut team = Team::open(&server, shape)?;
    let connected = server.process().resident()?;
    Ok(team
        .measure(server.process(), WARMING, time)?
        .with(Metric::Connected, mebibytes(connected))
        .with(Metric::Peak, mebibytes(server.process().peak()?)))
}
