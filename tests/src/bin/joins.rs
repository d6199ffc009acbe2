//! Many Yjs clients that join one document at once, at the relay and at the Hocuspocus server: `joins --joins 150`. See
//! `syncline_tests::process::joins`.

use std::process::ExitCode;

use clap::Parser;
use syncline_tests::process::joins::{Figures, Host, Run};

/// What of the relay's memory may come on top of what it takes when it is idle, in times the document's size.
const MAX_TIMES: u64 = 3;

/// Has clients join a document that is on disk alone, all at once, and tells what time, processor time and memory that takes
/// the relay and, beside it, the Hocuspocus server.
#[derive(Parser)]
struct Arguments {
    /// How many join
    #[arg(long, default_value_t = 150)]
    joins: usize,
    /// How large the document is, in bytes, about
    #[arg(long, default_value_t = 4 << 20)]
    bytes: usize,
    /// How many runs of each sort are made
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match compare(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(arguments: &Arguments) -> Result<(), String> {
    let Arguments { joins, bytes, runs } = *arguments;
    let mut excess = 0.0_f64;
    for _ in 0..runs.max(1) {
        for host in [Host::RelayYjs, Host::RelayHocuspocus, Host::Hocuspocus] {
            let figures =
                Run { joins, bytes }.play(host).await.map_err(|broken| format!("{host:?}: {broken}"))?;
            println!("{:<16} {}", format!("{host:?}:"), shown(&figures, joins));
            if host != Host::Hocuspocus {
                excess = excess.max(times(&figures));
            }
        }
    }
    match excess <= MAX_TIMES as f64 {
        true => Ok(()),
        false => Err(format!("the relay took {excess:.1} times the document, more than {MAX_TIMES}")),
    }
}

fn times(figures: &Figures) -> f64 {
    figures.peak.saturating_sub(figures.idle) as f64 / figures.document as f64
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn shown(figures: &Figures, joins: usize) -> String {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    format!(
        "{joins} joins of {:.1} MiB in {:.2} s (each {:.0} ms at half, {:.0} ms at most), {:.1} ms of CPU per join; {:.1} \
         MiB idle, {:.1} peak: {:.1} times the document",
        mib(figures.document),
        figures.all.as_secs_f64(),
        milliseconds(figures.each.0),
        milliseconds(figures.each.1),
        milliseconds(figures.cpu) / joins as f64,
        mib(figures.idle),
        mib(figures.peak),
        times(figures),
    )
}
