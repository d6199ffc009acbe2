//! Updates that are well-formed and contradict themselves: what the gate admits does no harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_core::crdt::yjs::YjsGate;
use syncline_core::crdt::{Gate, GateError, Writer};
use syncline_core::fuzzing::{Tally, yjs_updates};

/// How many updates are tried, unless `SYNCLINE_FUZZ_RUNS` says otherwise; `cargo xtask asan` tries a million.
const UPDATES: u64 = 20_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn generated_updates_do_no_harm() {
    let updates = setting("SYNCLINE_FUZZ_RUNS", UPDATES);
    let tally = yjs_updates(setting("SYNCLINE_FUZZ_SEED", 7), updates);
    println!("{tally:#?}");
    let Tally { generated, admitted, refused } = tally;
    assert_eq!(admitted + refused.values().sum::<u64>(), generated);
    assert!(generated >= updates);
    assert!(admitted * 4 > generated, "many updates get behind the gate");
    assert!(refused.len() > 20, "the gate is asked about most of what it refuses: {refused:#?}");
}

/// Its second half would be shown until the document is saved and loaded, and then be gone.
#[test]
fn nothing_goes_on_where_nothing_is_left() {
    let mut gate = YjsGate::new();
    gate.admit(&Writer::Foreign, &[1, 1, 1, 0, 0, 4, 0]).unwrap();
    let text = |clock| [1, 1, 1, clock, 4, 1, 1, b't', 2, b'a', b'b', 0];
    assert!(matches!(gate.admit(&Writer::Foreign, &text(3)), Err(GateError::Malformed { .. })));
    assert_eq!(gate.clone().admit(&Writer::Foreign, &[1, 1, 1, 3, 0, 4, 0]), Ok(()));
    assert_eq!(gate.admit(&Writer::Foreign, &text(4)), Ok(()));
}
