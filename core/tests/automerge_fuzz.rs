//! Damaged changes with right checksums: the gate refuses nearly all, and nothing of the rest does harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::panic::RefUnwindSafe;

use syncline_core::fuzzing::{Verdict, automerge_change, automerge_snapshot};
use syncline_core::random::Random;

/// How many damaged changes are tried, unless `SYNCLINE_FUZZ_RUNS` says otherwise.
const RUNS: u64 = 2_000;

fn injuries(random: &mut Random) -> Vec<u8> {
    let len = 1 + 4 * (1 + random.index(3));
    (0..len).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

/// Tries a target on many inputs; counts what became of them.
fn try_all(name: &str, target: impl Fn(&[u8]) -> Verdict + RefUnwindSafe) -> (u64, BTreeMap<Verdict, u64>) {
    let runs = std::env::var("SYNCLINE_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let seed = std::env::var("SYNCLINE_FUZZ_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let mut verdicts = BTreeMap::new();
    for _ in 0..runs {
        let data = injuries(&mut random);
        let verdict = std::panic::catch_unwind(|| target(&data));
        let verdict = verdict.unwrap_or_else(|_| panic!("{name} breaks a promise for {data:?}"));
        *verdicts.entry(verdict).or_insert(0_u64) += 1;
    }
    println!("{runs} damaged inputs, {name}: {verdicts:?}");
    (runs, verdicts)
}

#[test]
fn damaged_changes_do_no_harm() {
    let (runs, verdicts) = try_all("changes", automerge_change);
    assert!(verdicts.contains_key(&Verdict::Merged), "some injuries are harmless");
    let contained = verdicts.get(&Verdict::Contained).copied().unwrap_or(0);
    assert!(contained * 50 < runs, "the gate refuses what can be told without the document");
}

#[test]
fn damaged_snapshots_do_no_harm() {
    let (runs, verdicts) = try_all("snapshots", automerge_snapshot);
    assert!(verdicts.get(&Verdict::Refused).is_some_and(|refused| refused * 2 > runs));
}
