//! Planted defects are found: a simulator that finds nothing must be one that could.

use syncline_tests::sim::Plant;

/// Within how many worlds a defect must be found.
const SEEDS: u64 = 2_000;

fn is_found(plant: Plant) {
    let fails = |seed: &u64| plant.world(*seed).play_once(false).is_err();
    let found = (1..=SEEDS).find(fails);
    assert!(found.is_some(), "{plant:?} was not found in {SEEDS} worlds");
}

#[test]
fn acknowledging_before_the_commit_is_found() {
    is_found(Plant::AckBeforeCommit);
}

#[test]
fn a_cursor_on_disk_before_its_entries_is_found() {
    is_found(Plant::CursorBeforeEntries);
}

#[test]
fn entries_dropped_on_reconnect_are_found() {
    is_found(Plant::DropOnReconnect);
}

#[test]
fn an_echo_that_counts_as_an_acknowledgement_is_found() {
    is_found(Plant::EchoAsAck);
}

#[test]
fn a_counter_used_twice_after_a_restore_is_found() {
    is_found(Plant::CounterReused);
}

#[test]
fn an_answer_to_a_guest_before_the_commit_is_found() {
    is_found(Plant::AnswerBeforeCommit);
}

#[test]
fn a_delete_that_a_snapshot_forgets_is_found() {
    is_found(Plant::DeleteForgotten);
}
