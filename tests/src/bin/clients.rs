//! Other people's clients with the relay, at length: `cargo xtask clients`. The gate plays a little of each part.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use syncline::Family;
use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::fixtures::{Passage, automerge, yjs};
use syncline_tests::process::clients::kept::{CONFIRMED, Keeping};
use syncline_tests::process::clients::round::Meeting;
use syncline_tests::process::clients::script::Stage;
use syncline_tests::process::real_data;

/// Drives unmodified clients of other protocols against the relay. Parts that are not named are left out, unless none is:
/// then all are played, as long as docs/features.md promises.
#[derive(Clone, Default, Parser)]
struct Arguments {
    /// Rounds of two clients and a store, for each kind of client.
    #[arg(long)]
    rounds: Option<u64>,
    /// Random scripts, for each family.
    #[arg(long)]
    scripts: Option<u64>,
    /// Times that the relay is killed on having confirmed something, for each kind of client that counts what it has.
    #[arg(long)]
    kills: Option<usize>,
    /// All documents and updates of Yjs and Automerge in the real data.
    #[arg(long)]
    fixtures: bool,
    /// The family of random scripts and of what is killed; both, if none is named.
    #[arg(long)]
    family: Option<String>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn or_everything(self) -> Self {
        match self {
            Self { rounds: None, scripts: None, kills: None, fixtures: false, family, seed } => Self {
                rounds: Some(50),
                scripts: Some(2_000),
                kills: Some(200),
                fixtures: true,
                family,
                seed,
            },
            some => some,
        }
    }
}

/// Why a part cannot be played.
type Missing = &'static str;

const NOT_INSTALLED: Missing = "clients are not installed";
const NO_DATA: Missing = "there is no real data";

#[tokio::main]
async fn main() -> ExitCode {
    match play(Arguments::parse().or_everything()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(missing) => {
            println!("{missing}");
            ExitCode::FAILURE
        }
    }
}

async fn play(
    Arguments { rounds, scripts, kills, fixtures, family, seed }: Arguments,
) -> Result<(), Missing> {
    if let Some(rounds) = rounds {
        play_rounds(seed, rounds)?;
    }
    if let Some(scripts) = scripts {
        play_scripts(family.as_deref(), seed, scripts).await?;
    }
    if let Some(kills) = kills {
        kill(family.as_deref(), kills)?;
    }
    if fixtures {
        pass_yjs()?;
        pass_automerge()?;
    }
    Ok(())
}

fn is_wanted(family: Family, only: Option<&str>) -> bool {
    only.is_none_or(|only| family.to_string() == only)
}

fn play_rounds(seed: u64, rounds: u64) -> Result<(), Missing> {
    for kind in Kind::ALL {
        let started = Instant::now();
        let mut meeting = Meeting::of(kind).ok_or(NOT_INSTALLED)?;
        (seed..seed + rounds).for_each(|seed| println!("{}", meeting.play(seed)));
        println!("{kind}: {rounds} rounds held, {:.1?}", started.elapsed());
    }
    Ok(())
}

async fn play_scripts(only: Option<&str>, seed: u64, scripts: u64) -> Result<(), Missing> {
    for family in [Family::Yjs, Family::Automerge].into_iter().filter(|family| is_wanted(*family, only)) {
        let started = Instant::now();
        let mut stage = Stage::set(family).await.ok_or(NOT_INSTALLED)?;
        for seed in seed..seed + scripts {
            println!("{family} script {seed}: {:?}", stage.play(seed).await);
        }
        println!("{family}: {scripts} scripts held, {:.1?}", started.elapsed());
    }
    Ok(())
}

fn kill(only: Option<&str>, kills: usize) -> Result<(), Missing> {
    for kind in CONFIRMED.into_iter().filter(|kind| is_wanted(kind.family(), only)) {
        let started = Instant::now();
        let mut keeping = Keeping::of(kind).ok_or(NOT_INSTALLED)?;
        (1..=kills).for_each(|number| keeping.is_kept(number));
        println!("{kind}: {kills} of {kills} kept, {:.1?}", started.elapsed());
    }
    Ok(())
}

fn pass_yjs() -> Result<(), Missing> {
    let data = |folder| real_data(folder).ok_or(NO_DATA);
    let (folder, streams, traces) = (data("fixtures/yjs")?, data("streams")?, data("traces/sequential")?);
    for kind in Kind::ALL.into_iter().filter(|kind| kind.family() == Family::Yjs) {
        let started = Instant::now();
        let mut passage = Passage::of(kind).ok_or(NOT_INSTALLED)?;
        let payloads = yjs::payloads(&mut passage, &folder);
        let documents = yjs::old_documents(&mut passage, &folder);
        let runs = yjs::data_set(&mut passage, &folder, 1);
        yjs::long_text(&mut passage, &folder, &traces.join("automerge-paper.json.gz"));
        let updates = yjs::session(&mut passage, &streams);
        println!(
            "{kind}: {payloads} payloads, {documents} old documents, {runs} runs, a long text and a session of {updates} \
             updates passed, {:.1?}",
            started.elapsed()
        );
    }
    Ok(())
}

fn pass_automerge() -> Result<(), Missing> {
    let data = |folder| real_data(folder).ok_or(NO_DATA);
    let (folder, streams) = (data("fixtures/automerge")?, data("streams")?);
    let started = Instant::now();
    let mut passage = Passage::of(Kind::Automerge).ok_or(NOT_INSTALLED)?;
    let documents = automerge::documents(&mut passage, &folder, u64::MAX);
    automerge::saved_session(&mut passage, &streams);
    let changes = automerge::session(&mut passage, &streams);
    println!(
        "{}: {documents} documents and a session of {changes} changes passed, {:.1?}",
        Kind::Automerge,
        started.elapsed()
    );
    Ok(())
}
