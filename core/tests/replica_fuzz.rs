//! A relay and a client among applications, stores and peers that do anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_core::fuzzing::{
    TARGETS, automerge_change, frame_decode, guest_messages, guest_updates, imported_files, replica_inputs,
    seeds, yjs_update,
};
use syncline_core::random::Random;

/// How many runs of random decisions, unless `SYNCLINE_FUZZ_RUNS` says otherwise.
const RUNS: u64 = 300;

/// Bytes of decisions in each.
const BYTES: usize = 1_500;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn replicas_stand_whatever_is_done_to_them() {
    let mut random = Random::new(setting("SYNCLINE_FUZZ_SEED", 7));
    for run in 0..setting("SYNCLINE_FUZZ_RUNS", RUNS) {
        let data: Vec<u8> = (0..BYTES).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        let outcome = std::panic::catch_unwind(|| replica_inputs(&data));
        assert!(outcome.is_ok(), "run {run}");
    }
}

#[test]
fn every_target_has_seeds_and_stands_them() {
    for target in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() > 20, "{target}");
        for seed in seeds {
            match target {
                "automerge_change" => drop(automerge_change(&seed)),
                "frame_decode" => frame_decode(&seed),
                "guest_messages" => guest_messages(&seed),
                "guest_updates" => guest_updates(&seed),
                "imported_files" => imported_files(&seed),
                "replica_inputs" => replica_inputs(&seed),
                "yjs_update" => yjs_update(&seed),
                other => panic!("nothing is known of {other}"),
            }
        }
    }
}
