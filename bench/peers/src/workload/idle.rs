//! People who are there and do nothing: the workload (e), and what documents cost beside connections.

use std::time::Duration;

use super::{Case, kibibytes, mebibytes};
use crate::BoxError;
use crate::arguments::Settings;
use crate::figures::{Figures, Metric};
use crate::side::Side;
use crate::team::{NOBODY, Shape, Team};

/// How many come first and go again, so that the server has its code in memory.
const EARLIER: usize = 10;

/// How long everybody does nothing before memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// In how many documents so many people are, where it is about documents.
const DOCUMENTS: usize = 1_000;

/// Which figures are shown.
pub const COLUMNS: &[Metric] = &[
    Metric::PerConnection,
    Metric::PerDocument,
    Metric::Idle,
    Metric::Connected,
    Metric::Peak,
    Metric::CpuCores,
];

pub fn cases(settings: &Settings) -> Vec<Case> {
    let connections = settings.idle.iter().map(|clients| Case {
        name: clients.to_string(),
        sides: Side::ALL.to_vec(),
        run: {
            let clients = *clients;
            Box::new(move |side| connections(side, shape(1, clients)))
        },
    });
    let documents =
        Case { name: format!("{DOCUMENTS} documents"), sides: Side::ALL.to_vec(), run: Box::new(documents) };
    connections.chain([documents]).collect()
}

const fn shape(documents: usize, clients: usize) -> Shape {
    Shape { documents, clients, ..NOBODY }
}

fn connections(side: Side, shape: Shape) -> Result<Figures, BoxError> {
    let server = side.start()?;
    drop(Team::open(&server, self::shape(1, EARLIER))?);
    let idle = server.process().resident()?;
    let mut team = Team::open(&server, shape)?;
    let cpu = server.process().cpu()?;
    team.rest(REST)?;
    let cpu = (server.process().cpu()? - cpu).as_secs_f64() / REST.as_secs_f64();
    let connected = server.process().resident()?;
    let clients = shape.documents * shape.clients;
    Ok(Figures::default()
        .with(Metric::PerConnection, kibibytes(connected.saturating_sub(idle)) / clients as f64)
        .with(Metric::Idle, mebibytes(idle))
        .with(Metric::Connected, mebibytes(connected))
        .with(Metric::Peak, mebibytes(server.process().peak()?))
        .with(Metric::CpuCores, cpu))
}

/// As many connections to one document are what the rest costs.
fn documents(side: Side) -> Result<Figures, BoxError> {
    let of_one = connections(side, shape(1, DOCUMENTS))?;
    let of_many = connections(side, shape(DOCUMENTS, 1))?;
    let more =
        of_many.of(Metric::PerConnection).zip(of_one.of(Metric::PerConnection)).map(|(many, one)| many - one);
    Ok(of_many.with(Metric::PerDocument, more.unwrap_or_default()))
}
