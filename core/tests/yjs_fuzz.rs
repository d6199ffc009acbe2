//! Updates that are well-formed and contradict themselves: what the gate admits does no harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_core::crdt::yjs::{Yjs, YjsGate};
use syncline_core::crdt::{Crdt, Gate, GateError, Writer};
use syncline_core::entry::Kind;
use syncline_core::fuzzing::{Tally, yjs_updates};
use syncline_core::path::Path;

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
    gate.admit(&Writer::STRANGER, &[1, 1, 1, 0, 0, 4, 0]).unwrap();
    let text = |clock| [1, 1, 1, clock, 4, 1, 1, b't', 2, b'a', b'b', 0];
    assert!(matches!(gate.admit(&Writer::STRANGER, &text(3)), Err(GateError::Malformed { .. })));
    assert_eq!(gate.clone().admit(&Writer::STRANGER, &[1, 1, 1, 3, 0, 4, 0]), Ok(()));
    assert_eq!(gate.admit(&Writer::STRANGER, &text(4)), Ok(()));
}

/// yrs reads memory that it has freed when a container goes with a document in it; only a sanitizer sees it.
#[test]
fn a_container_is_deleted_with_a_document_in_it() {
    let mut document = Yjs::create(Kind::Tree);
    let inner = [1, 2, 1, 0, 7, 1, 1, b'm', 1, 0x29, 0, 1, 0, 1, b'k', 1, b'g', 118, 0, 0];
    let deleted = [0, 1, 1, 1, 0, 1];
    for update in [&inner[..], &deleted] {
        assert_eq!(document.admit(&Writer::STRANGER, update), Ok(()));
        document.apply(&[update]).unwrap();
    }
    assert_eq!(document.value(&Path::root()).unwrap().to_json().to_string(), "{}");
    let saved = document.snapshot().unwrap();
    assert_eq!(*saved, [1, 2, 1, 0, 1, 1, 1, b'm', 1, 0, 1, 1, 1, 1, 0, 2], "nothing of it is left");
}
