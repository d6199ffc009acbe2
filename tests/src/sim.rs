//! A deterministic simulator: whole worlds of replicas on one thread, made from one number.
//!
//! A seed draws a world (`options`): who is linked to whom, how slow everything is, and which faults strike how
//! often. The replicas in it are the real ones, with the real wire format between them; the network, the disks
//! and the clocks are simulated. Applications edit, faults strike, and an `oracle` that sees everything checks
//! after every step that no promise was broken. Then the faults stop, and within a minute of simulated time
//! everybody must be in sync, hold everything that was ever on a disk, and read the same (`check`).
//!
//! Nothing here looks at a clock or draws a random number of its own, so a seed that failed fails again:
//! `cargo xtask sim --seeds 1 --seed S --family F`.

mod check;
mod disk;
mod fault;
mod guest_edits;
mod guests;
mod life;
mod mishap;
mod network;
mod node;
mod options;
mod oracle;
mod plant;
mod queue;
mod room;
mod show;
mod store;
mod trace;
mod workload;
mod world;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use syncline_core::entry::Family;
use syncline_core::random::Random;

pub use check::PATIENCE;
pub use fault::{Counts, Fault};
pub use plant::Plant;

use options::Options;
use world::World;

/// How many lines of a failed run are shown.
const SHOWN_LINES: usize = 60;

/// Makes the chance of repeated frames another one than that of the world. With this number those seeds that are
/// named in `tests/tests/sim_regressions.rs` name the same worlds as before there were such frames.
const REPEATED_SALT: u64 = 0x7265_7065_6174_000f;

/// Who is in a world, by which families of worlds are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Replicas alone, whose documents are made of this CRDT.
    Replicas(Family),
    /// Clients of other protocols as well, which are guests at the relays; with Yjs for odd seeds, Automerge for even ones.
    Guests,
}

impl Cast {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Replicas(Family::Toy),
        Self::Replicas(Family::Yjs),
        Self::Replicas(Family::Automerge),
        Self::Guests,
    ];

    const fn family(self, seed: u64) -> Family {
        match self {
            Self::Replicas(family) => family,
            Self::Guests if seed % 2 == 1 => Family::Yjs,
            Self::Guests => Family::Automerge,
        }
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas(family) => family.fmt(f),
            Self::Guests => f.write_str("guests"),
        }
    }
}

/// Which world, and what is wrong with it on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Which world.
    pub seed: u64,
    /// Who is in it.
    pub cast: Cast,
    /// A defect that must be found.
    pub plant: Option<Plant>,
}

/// What a world that held went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Stands for everything that happened, in order.
    pub trace: u64,
    /// How often what happened.
    pub counts: Counts,
    /// How many things happened.
    pub steps: u64,
}

/// A world that did not hold, and how to see it again.
#[derive(Debug)]
pub struct Failure {
    run: Run,
    /// What was wrong.
    pub reason: String,
    options: String,
    time: u64,
    lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { seed, cast, .. } = self.run;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(
            f,
            "seed {seed} of {cast} failed after {:.3} s: {}",
            self.time as f64 / 1000.0,
            self.reason
        )?;
        writeln!(f, "the world: {}", self.options)?;
        write!(f, "again: cargo xtask sim --seeds 1 --seed {seed} --family {cast}")
    }
}

impl Run {
    /// Plays the world; if it fails, plays it again to show how that came about.
    pub fn play(self) -> Result<Report, Box<Failure>> {
        self.play_once(false).map_err(|failure| self.play_once(true).err().unwrap_or(failure))
    }

    /// Plays the world, keeping lines of what happens if they are wanted.
    pub fn play_once(self, with_lines: bool) -> Result<Report, Box<Failure>> {
        let mut random = Random::new(self.seed);
        let mut options = Options::draw(&mut random, self.cast.family(self.seed));
        let mut chance = Random::new(self.seed ^ REPEATED_SALT);
        options.draw_repeated(&mut chance);
        options.draw_batching(self.seed);
        options.draw_schema(self.seed);
        options.draw_memory(self.seed);
        if self.cast == Cast::Guests {
            options.draw_guests(self.seed);
        }
        let drawn = options.to_string();
        let mut world = World::new(options, random, chance, self.plant, with_lines);
        let played = catch_unwind(AssertUnwindSafe(|| world.play()));
        let reason = match played {
            Ok(Ok(())) => {
                return Ok(Report { trace: world.trace.hash(), counts: world.counts, steps: world.steps });
            }
            Ok(Err(reason)) => reason,
            Err(panic) => format!("a panic: {}", words_of(&*panic)),
        };
        let mut lines = world.trace.into_lines();
        let shown =
            std::env::var("SIM_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(SHOWN_LINES);
        lines.drain(..lines.len().saturating_sub(shown));
        Err(Box::new(Failure { run: self, reason, options: drawn, time: world.now, lines }))
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
