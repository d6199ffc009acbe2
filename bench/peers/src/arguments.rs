//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::BoxError;
use crate::side::{Missing, Side};
use crate::workload::Workload;

/// Measures the relay beside its peers and beside a floor, a server that only broadcasts.
#[derive(Parser)]
#[command(name = "bench peers", after_help = after_help())]
pub struct Settings {
    /// Letters of workloads, as below; without any, all but the hour
    pub workloads: Vec<String>,
    /// Sides, by their names as below, with commas between them; without it, all that are installed
    #[arg(long, value_delimiter = ',')]
    pub sides: Vec<String>,
    /// How often each is measured; the sides take turns, and medians are reported
    #[arg(long, default_value_t = 5)]
    pub turns: usize,
    /// How long each measurement lasts, where that is for us to say
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// (a): how often each client types in a second
    #[arg(long, value_delimiter = ',', default_value = "10,20,60,200")]
    pub rates: Vec<f64>,
    /// (b): how many read
    #[arg(long, default_value_t = 1_000)]
    pub readers: usize,
    /// (c): how many documents there are
    #[arg(long, default_value_t = 1_000)]
    pub documents: usize,
    /// (d): how many are present
    #[arg(long, default_value_t = 500)]
    pub present: usize,
    /// (e): how many connections there are
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    pub idle: Vec<usize>,
    /// (f): how large the documents are, in MiB
    #[arg(long, value_delimiter = ',', default_value = "1,4,20")]
    pub sizes: Vec<usize>,
    /// (f): how many join at once
    #[arg(long, default_value_t = 150)]
    pub joins: usize,
    /// (h): how long it lasts
    #[arg(long, default_value_t = 60.0)]
    pub minutes: f64,
    /// Where report.html and report.json are written
    #[arg(long, default_value = "target/peers/report")]
    pub out: PathBuf,
}

impl Settings {
    /// How long a measurement lasts.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Which workloads are asked for.
    pub fn wanted(&self) -> Result<Vec<Workload>, BoxError> {
        let known = |letter: &String| {
            let found = Workload::ALL.into_iter().find(|workload| workload.words().0 == letter);
            found.ok_or_else(|| format!("there is no workload {letter:?}; --help lists them").into())
        };
        match self.workloads.is_empty() {
            true => Ok(Workload::ALL.into_iter().filter(|workload| *workload != Workload::Hour).collect()),
            false => self.workloads.iter().map(known).collect(),
        }
    }

    /// Which sides are measured. Those that are missing are said aloud and returned, with the reason.
    pub fn sides(&self) -> Result<(Vec<Side>, Vec<Missing>), BoxError> {
        let known = |name: &String| {
            let found = Side::ALL.into_iter().find(|side| side.name() == name);
            found.ok_or_else(|| format!("there is no side {name:?}; --help lists them"))
        };
        let named: Vec<Side> = self.sides.iter().map(known).collect::<Result<_, _>>()?;
        let wanted = if named.is_empty() { Side::ALL.to_vec() } else { named };
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for side in wanted {
            match side.missing() {
                None => there.push(side),
                Some(one) => missing.push(one),
            }
        }
        Ok((there, missing))
    }
}

fn after_help() -> String {
    let workloads = Workload::ALL.map(Workload::words).map(|(letter, what)| format!("  {letter:<8} {what}"));
    let sides = Side::ALL.map(Side::name).join(", ");
    format!("Workloads:\n{}\n\nSides:\n  {sides}", workloads.join("\n"))
}
