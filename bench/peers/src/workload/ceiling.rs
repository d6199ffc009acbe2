//! How much a server can deliver in a second, at most: the rate of (a) is raised until that helps no more.

use std::time::Duration;

use super::Case;
use super::typing::SHAPE;
use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::{Maker, Side};
use crate::team::{Shape, Team};

/// How often each types in a second, at first, and how much more each time.
const FIRST_RATE: f64 = 200.0;
const STEP: f64 = 1.4;

/// A higher rate helps if it brings so much more.
const HELPS: f64 = 1.03;

/// Rates beyond this one are none that the generator could keep up.
const LAST_RATE: f64 = 5_000.0;

const WARMING: Duration = Duration::from_millis(500);
const TIME: Duration = Duration::from_secs(3);

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::Rate,
    Metric::Cpu,
    Metric::CpuCores,
    Metric::LatencyHalf,
    Metric::Latency99,
    Metric::Delivered,
    Metric::Expected,
    Metric::GeneratorCpu,
    Metric::GeneratorCores,
];

pub fn cases(_settings: &Settings) -> Vec<Case> {
    let sides = Side::ALL.into_iter().filter(|side| side.maker() != Maker::Peer).collect();
    vec![Case { name: "50 clients".to_owned(), sides, run: Box::new(run) }]
}

/// The figures at the rate at which most was delivered.
fn run(side: Side) -> Result<Figures, BoxError> {
    let mut best = at_rate(side, FIRST_RATE)?;
    let mut rate = FIRST_RATE * STEP;
    while rate < LAST_RATE {
        let figures = at_rate(side, rate)?;
        let deliveries = |figures: &Figures| figures.of(Metric::Rate).unwrap_or_default();
        let helps = deliveries(&figures) > deliveries(&best) * HELPS;
        if deliveries(&figures) > deliveries(&best) {
            best = figures;
        }
        if !helps {
            break;
        }
        rate *= STEP;
    }
    Ok(best)
}

fn at_rate(side: Side, rate: f64) -> Result<Figures, BoxError> {
    let server = side.start()?;
    Team::open(&server, Shape { typing: rate, ..SHAPE })?.measure(server.process(), WARMING, TIME)
}
