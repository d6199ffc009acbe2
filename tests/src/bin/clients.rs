//! Other people's clients with the relay, at length: `cargo xtask clients`. The gate plays a little of each part.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use syncline::Family;
use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::round::Meeting;
use syncline_tests::process::clients::script::Stage;

/// Drives unmodified clients of other protocols against the relay. Parts that no number is named for are left out, unless
/// none is named: then all are played, as long as docs/features.md promises.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// Rounds of two clients and a store, for each kind of client.
    #[arg(long)]
    rounds: Option<u64>,
    /// Random scripts, for each family.
    #[arg(long)]
    scripts: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn or_everything(self) -> Self {
        match self {
            Self { rounds: None, scripts: None, .. } => {
                Self { rounds: Some(50), scripts: Some(2_000), ..self }
            }
            _ => self,
        }
    }
}

/// What a part ends with where the clients are not installed.
const NOT_INSTALLED: &str = "clients are not installed";

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { rounds, scripts, seed } = Arguments::parse().or_everything();
    let mut played = Ok(());
    if let Some(rounds) = rounds {
        played = played.and(play_rounds(seed, rounds));
    }
    if let Some(scripts) = scripts {
        played = played.and(play_scripts(seed, scripts).await);
    }
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn play_rounds(seed: u64, rounds: u64) -> Result<(), &'static str> {
    for kind in Kind::ALL {
        let started = Instant::now();
        let mut meeting = Meeting::of(kind).ok_or(NOT_INSTALLED)?;
        (seed..seed + rounds).for_each(|seed| println!("{}", meeting.play(seed)));
        println!("{kind}: {rounds} rounds held, {:.1?}", started.elapsed());
    }
    Ok(())
}

async fn play_scripts(seed: u64, scripts: u64) -> Result<(), &'static str> {
    for family in [Family::Yjs, Family::Automerge] {
        let started = Instant::now();
        let mut stage = Stage::set(family).await.ok_or(NOT_INSTALLED)?;
        for seed in seed..seed + scripts {
            println!("{family} script {seed}: {:?}", stage.play(seed).await);
        }
        println!("{family}: {scripts} scripts held, {:.1?}", started.elapsed());
    }
    Ok(())
}
