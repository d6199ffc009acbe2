//! Damaged changes with right checksums: the gate refuses nearly all, and nothing of the rest does harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use syncline_core::fuzzing::{Verdict, automerge_change};
use syncline_core::random::Random;

/// How many damaged changes are tried, unless `SYNCLINE_FUZZ_RUNS` says otherwise.
const RUNS: u64 = 2_000;

/// What of a document's is damaged, by the first byte of the input.
const CHANGE: u8 = 0;
const SNAPSHOT: u8 = 1;

fn injuries(what: u8, random: &mut Random) -> Vec<u8> {
    let len = 1 + 4 * (1 + random.index(3));
    std::iter::once(what).chain((0..len).map(|_| u8::try_from(random.below(256)).unwrap())).collect()
}

/// Tries many inputs; counts what became of them.
fn try_all(what: u8) -> (u64, BTreeMap<Verdict, u64>) {
    let runs = std::env::var("SYNCLINE_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let seed = std::env::var("SYNCLINE_FUZZ_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let mut verdicts = BTreeMap::new();
    for _ in 0..runs {
        let data = injuries(what, &mut random);
        let verdict = std::panic::catch_unwind(|| automerge_change(&data));
        let verdict = verdict.unwrap_or_else(|_| panic!("a promise is broken for {data:?}"));
        *verdicts.entry(verdict).or_insert(0_u64) += 1;
    }
    println!("{runs} damaged inputs: {verdicts:?}");
    (runs, verdicts)
}

#[test]
fn damaged_changes_do_no_harm() {
    let (runs, verdicts) = try_all(CHANGE);
    assert!(verdicts.contains_key(&Verdict::Merged), "some injuries are harmless");
    let contained = verdicts.get(&Verdict::Contained).copied().unwrap_or(0);
    assert!(contained * 50 < runs, "the gate refuses what can be told without the document");
}

#[test]
fn damaged_snapshots_do_no_harm() {
    let (runs, verdicts) = try_all(SNAPSHOT);
    assert!(verdicts.get(&Verdict::Refused).is_some_and(|refused| refused * 2 > runs));
}
