//! People who type and delete for an hour: the workload (h). What a server has in memory at the end is what it had early on.

use std::time::Duration;

use super::typing::SHAPE;
use super::{Case, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::Side;
use crate::team::{Shape, Team};

/// How often each types in a second, and how many of his characters he leaves: of 50 together less than 100 kB.
const RATE: f64 = 20.0;
const LEAVES: u64 = 1_000;

/// What early is; of less than an hour the same part.
const EARLY: f64 = 1.0 / 12.0;

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Early,
    Metric::AtEnd,
    Metric::Growth,
    Metric::Peak,
    Metric::Delivered,
    Metric::Expected,
    Metric::Twice,
    Metric::Lost,
    Metric::LatencyHalf,
    Metric::Latency99,
    Metric::LatencyMost,
    Metric::Cpu,
    Metric::GeneratorCpu,
];

pub fn cases(settings: &Settings) -> Vec<Case> {
    let time = Duration::from_secs_f64(settings.minutes * 60.0);
    let run = move |side| run(side, time);
    vec![Case {
        name: format!("{} minutes", settings.minutes),
        sides: Side::ALL.to_vec(),
        run: Box::new(run),
    }]
}

fn run(side: Side, time: Duration) -> Result<Figures, BoxError> {
    let server = side.start()?;
    let mut team = Team::open(&server, Shape { typing: RATE, leaves: LEAVES, ..SHAPE })?;
    team.play(time.mul_f64(EARLY))?;
    let early = server.process().resident()?;
    let figures = team.measure(server.process(), Duration::ZERO, time.mul_f64(1.0 - EARLY))?;
    let late = server.process().resident()?;
    Ok(figures
        .with(Metric::Early, mebibytes(early))
        .with(Metric::AtEnd, mebibytes(late))
        .with(Metric::Growth, (late as f64 / early as f64 - 1.0) * 100.0)
        .with(Metric::Peak, mebibytes(server.process().peak()?)))
}
