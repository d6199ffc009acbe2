//! The relay beside its peers, under one load generator, on one machine: `cargo xtask bench peers`.
//!
//! A *side* is a server and the protocol that is spoken to it: the relay by each that it knows, other people's servers as they come,
//! and the floor, which only broadcasts. A *workload* has cases, and measures each with a server that has just been started on an
//! empty store. Sides take turns, so that noise of the machine falls on all alike; what is reported are medians.
//!
//! Clients are *sessions*: they speak the protocol and hold no document, so that what is measured is the server. What the generator
//! itself takes is measured and printed, so that nobody mistakes its limits for the server's.

mod arguments;
mod awareness;
mod crowd;
mod figures;
mod floor;
mod http;
mod process;
mod report;
mod session;
mod side;
mod socket;
mod tally;
mod team;
mod update;
mod workload;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use arguments::Settings;
use report::Report;
use workload::{Case, Workload};

/// An error of any sort, for whoever reads it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The hidden task of the process that is the floor.
const FLOOR: &str = "floor";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match &arguments[..] {
        [task, address] if task == FLOOR => address.parse().map_err(Into::into).and_then(floor::serve),
        _ => measure(&Settings::parse()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(settings: &Settings) -> Result<(), BoxError> {
    allow_many_sockets()?;
    let (sides, missing) = settings.sides()?;
    let mut report = Report::new(missing);
    for workload in settings.wanted()? {
        for mut case in workload.cases(settings) {
            case.sides.retain(|side| sides.contains(side));
            turns(workload, &case, settings.turns, &mut report);
        }
        report.print(workload);
        // It takes an hour: what there is by then is not lost where it is stopped.
        report.write(&settings.out)?;
    }
    report.conclude(&settings.out);
    Ok(())
}

/// Every side once, and again, each time beginning with another one.
fn turns(workload: Workload, case: &Case, turns: usize, report: &mut Report) {
    for turn in 1..=turns {
        let (first, then) = case.sides.split_at((turn - 1) % case.sides.len().max(1));
        for side in then.iter().chain(first) {
            let figures = (case.run)(*side).map_err(|error| error.to_string());
            report.add(workload, &case.name, *side, turn, figures);
        }
    }
}

/// As many as the system lets us have; servers inherit that.
fn allow_many_sockets() -> Result<(), BoxError> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
