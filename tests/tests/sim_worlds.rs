//! Some simulated worlds of every family hold, and a world is the same every time it is played.

use syncline_core::entry::Family;
use syncline_tests::sim::{Cast, Run};

/// How many worlds of each family are played here; `cargo xtask sim` plays more.
const SEEDS: u64 = 25;

/// How many worlds are played twice.
const TWICE: u64 = 20;

fn play(cast: Cast, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Err(failure) = (Run { seed, cast, plant: None }).play() {
            panic!("{failure}");
        }
    }
}

#[test]
fn worlds_of_toys_hold() {
    play(Cast::Replicas(Family::Toy), 1..=SEEDS);
}

#[test]
fn worlds_of_yjs_documents_hold() {
    play(Cast::Replicas(Family::Yjs), 1..=SEEDS);
}

#[test]
fn worlds_of_automerge_documents_hold() {
    play(Cast::Replicas(Family::Automerge), 1..=SEEDS);
}

#[test]
fn worlds_with_guests_hold() {
    play(Cast::Guests, 1..=2 * SEEDS);
}

#[test]
fn a_seed_names_everything_that_happens() {
    for cast in Cast::ALL {
        for seed in 1..=TWICE {
            let run = Run { seed, cast, plant: None };
            let [first, second] = [false, true].map(|lines| match run.play_once(lines) {
                Ok(report) => report,
                Err(failure) => panic!("{failure}"),
            });
            assert_eq!(first, second, "seed {seed} of {cast} was not the same twice");
        }
    }
}
