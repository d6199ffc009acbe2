//! Readers that stand still while many edit: `slow --family yjs`. See `syncline_tests::process::slow`.

use std::process::ExitCode;

use clap::Parser;
use syncline_tests::process::slow::{Figures, Run};

/// What each reader that stands still may cost the relay, in bytes.
const MAX_COST: u64 = 8 << 20;

/// Has many replicas edit one document over a relay, once with readers that read along and once with readers that stand
/// still, and compares what memory the relay takes: its resident set at its largest, which is what an operator has to
/// have. That varies from run to run by tens of megabytes, as compactions come when they come: runs of both sorts take
/// turns, and medians are compared. Several readers tell more of what one costs.
#[derive(Parser)]
struct Arguments {
    /// yjs or automerge; both unless told
    #[arg(long)]
    family: Option<String>,
    /// How many replicas there are, the readers among them
    #[arg(long, default_value_t = 50)]
    replicas: usize,
    /// How many of them only read
    #[arg(long, default_value_t = 5)]
    readers: usize,
    /// How many edits they make together
    #[arg(long, default_value_t = 100_000)]
    edits: u64,
    /// How many edits of each replica wait for the relay at the same time
    #[arg(long, default_value_t = 8)]
    in_flight: usize,
    /// How many runs of either sort are made
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |family: &&str| arguments.family.as_deref().is_none_or(|only| only == *family);
    for family in ["yjs", "automerge"].into_iter().filter(wanted) {
        if let Err(broken) = compare(&arguments, family).await {
            eprintln!("{broken}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn compare(arguments: &Arguments, family: &'static str) -> Result<(), String> {
    let Arguments { replicas, readers, edits, in_flight, runs, .. } = *arguments;
    let run = Run { family, replicas, readers, edits, in_flight, suspended: false };
    println!(
        "{family}, {replicas} replicas, {readers} of them readers, {edits} edits, {in_flight} of each in flight"
    );
    let (mut reading, mut suspended) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        for (peaks, stand_still, how) in
            [(&mut reading, false, "read along: "), (&mut suspended, true, "stand still:")]
        {
            let figures = Run { suspended: stand_still, ..run }.play().await?;
            println!("  readers {how} {}", shown(&figures));
            peaks.push(figures.peak);
        }
    }
    let cost = median(suspended).saturating_sub(median(reading)) / readers.max(1) as u64;
    println!("  on account of each reader that stands still: {:.1} MiB", mib(cost));
    match cost < MAX_COST {
        true => Ok(()),
        false => Err(format!("{family}: a reader cost the relay {cost} bytes, more than {MAX_COST}")),
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn shown(figures: &Figures) -> String {
    let per_second = |count: u64, time: std::time::Duration| count as f64 / time.as_secs_f64();
    format!(
        "{} edits acknowledged durably in {:.1} s ({:.0}/s, p50 {:.1} ms, p99 {:.1} ms), everywhere after {:.1} s ({:.0} \
         deliveries/s); relay {:.1} MiB before, {:.1} mean, {:.1} peak, {:.1} after, {} links; readers equal after {:.2} s",
        figures.edits,
        figures.acknowledged.as_secs_f64(),
        per_second(figures.edits, figures.acknowledged),
        figures.latency.0.as_secs_f64() * 1e3,
        figures.latency.1.as_secs_f64() * 1e3,
        figures.delivered.as_secs_f64(),
        per_second(figures.deliveries, figures.delivered),
        mib(figures.before),
        mib(figures.mean),
        mib(figures.peak),
        mib(figures.after),
        figures.links,
        figures.caught_up.as_secs_f64(),
    )
}
