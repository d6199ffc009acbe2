//! Plays simulated worlds: `sim --seeds 200 --seed 1 --family all`.

use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use syncline_core::entry::Family;
use syncline_tests::sim::{Cast, Counts, Failure, Plant, Report, Run};

/// How many worlds are played at a time.
const THREADS: usize = 2;

/// How often progress is shown, in worlds.
const SHOWN_EVERY: u64 = 100;

/// Plays simulated worlds in which everything fails, and checks that no promise is broken.
#[derive(Parser)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What documents are made of, or that there are guests
    #[arg(long, value_enum, default_value_t = Families::All)]
    family: Families,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
    /// A defect that must be found, or `all` of them
    #[arg(long, value_parser = plants)]
    plant: Option<Plants>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Families {
    Yjs,
    Automerge,
    Toy,
    Guests,
    All,
}

impl Families {
    fn list(self) -> Vec<Cast> {
        match self {
            Self::Yjs => vec![Cast::Replicas(Family::Yjs)],
            Self::Automerge => vec![Cast::Replicas(Family::Automerge)],
            Self::Toy => vec![Cast::Replicas(Family::Toy)],
            Self::Guests => vec![Cast::Guests],
            Self::All => Cast::ALL.to_vec(),
        }
    }
}

/// Planted defects with their names.
#[derive(Clone)]
struct Plants(Vec<(&'static str, Plant)>);

fn plants(name: &str) -> Result<Plants, String> {
    let found: Vec<_> = Plant::ALL.into_iter().filter(|(known, _)| name == "all" || *known == name).collect();
    if found.is_empty() {
        let known: Vec<&str> = Plant::ALL.iter().map(|(known, _)| *known).collect();
        return Err(format!("known are {}, and all", known.join(", ")));
    }
    Ok(Plants(found))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let good = match &arguments.plant {
        Some(plants) => plants.0.iter().all(|(name, plant)| finds(&arguments, name, *plant)),
        None => arguments.family.list().into_iter().all(|cast| holds(&arguments, cast)),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether every world of a family holds.
fn holds(arguments: &Arguments, cast: Cast) -> bool {
    let begun = Instant::now();
    let stop = !arguments.keep_going;
    let world = |seed| Run { seed, cast, plant: None };
    let (counts, failures, played) = play(arguments, cast, world, stop, |failure| eprintln!("{failure}\n"));
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{cast}: {played} seeds from {} in {seconds:.1} s, {:.0} a second",
        arguments.seed,
        played as f64 / seconds
    );
    print!("{counts}");
    if failures > 0 {
        println!("{cast}: {failures} seeds FAILED");
    }
    failures == 0
}

/// Whether a planted defect is found.
fn finds(arguments: &Arguments, name: &str, plant: Plant) -> bool {
    let mut found = None;
    let (_, failures, played) = play(
        arguments,
        name,
        |seed| plant.world(seed),
        true,
        |failure| {
            found = Some(failure.reason.clone());
        },
    );
    match found {
        Some(reason) => println!("{name}: found within {played} seeds: {reason}"),
        None => println!("{name}: NOT FOUND in {played} seeds"),
    }
    failures > 0
}

fn play(
    arguments: &Arguments,
    name: impl fmt::Display,
    world: impl Fn(u64) -> Run + Send + Copy,
    stop_at_failure: bool,
    mut on_failure: impl FnMut(&Failure),
) -> (Counts, u64, u64) {
    let (next, stop) = (AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let end = arguments.seed.saturating_add(arguments.seeds);
    let (mut counts, mut failures, mut played) = (Counts::default(), 0, 0);
    let (results, finished) = channel();
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(usize::try_from(arguments.seeds).unwrap_or(THREADS)) {
            let (results, next, stop) = (results.clone(), &next, &stop);
            scope.spawn(move || player(next, end, stop, &results, |seed| world(seed).play()));
        }
        drop(results);
        for result in finished {
            played += 1;
            match result {
                Ok(Report { counts: of_one, .. }) => counts.merge(&of_one),
                Err(failure) if failures == 0 || !stop_at_failure => {
                    failures += 1;
                    on_failure(&failure);
                    stop.store(stop_at_failure, Ordering::Relaxed);
                }
                Err(_) => {}
            }
            if played % SHOWN_EVERY == 0 {
                eprintln!("{name}: {played} of {} seeds", arguments.seeds);
            }
        }
    });
    (counts, failures, played)
}

type Played = Result<Report, Box<Failure>>;

fn player(
    next: &AtomicU64,
    end: u64,
    stop: &AtomicBool,
    results: &Sender<Played>,
    play: impl Fn(u64) -> Played,
) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || results.send(play(seed)).is_err() {
            return;
        }
    }
}
