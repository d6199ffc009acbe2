//! Kills real processes: `kill --runs 20 --seed 1`. See `syncline_tests::process::kill`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use syncline_tests::process::kill::{Figures, Run};

/// Within which time after the last restart all clients must be equal.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// Runs a relay and three clients under load, kills them at random with SIGKILL, and checks that nothing that was
/// reported saved is lost.
#[derive(Parser)]
struct Arguments {
    /// How many runs; both CRDT families alternate
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The first run's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { runs, seed } = Arguments::parse();
    let mut all = Vec::new();
    for seed in seed..seed.saturating_add(runs) {
        let family = if seed % 2 == 0 { "yjs" } else { "automerge" };
        match (Run { seed, family }).play().await {
            Ok(figures) if figures.settled <= SETTLED_WITHIN => {
                println!("seed {seed}, {family}: {}", shown(&figures));
                all.push(figures);
            }
            Ok(figures) => {
                eprintln!("seed {seed}, {family}: not equal within {SETTLED_WITHIN:?}: {}", shown(&figures));
                return ExitCode::FAILURE;
            }
            Err(broken) => {
                eprintln!("{broken}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", summary(&all));
    ExitCode::SUCCESS
}

fn shown(figures: &Figures) -> String {
    let Figures { edits, kills, relay_kills, settled } = figures;
    format!(
        "{edits} edits, {kills} kills ({relay_kills} of the relay), equal after {} ms",
        settled.as_millis()
    )
}

fn summary(all: &[Figures]) -> String {
    let total = |of: fn(&Figures) -> u64| all.iter().map(of).sum::<u64>();
    let slowest = all.iter().map(|figures| figures.settled).max().unwrap_or_default();
    format!(
        "{} runs: {} edits, {} kills ({} of the relay), nothing reported saved was lost, all equal {} ms after the \
         last restart at the latest",
        all.len(),
        total(|figures| figures.edits as u64),
        total(|figures| figures.kills),
        total(|figures| figures.relay_kills),
        slowest.as_millis()
    )
}
