//! Guests of a relay that send what they like: nothing is appended that does harm, and nothing they wrote is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use quickcheck::quickcheck;
use syncline_core::fuzzing::{guest_messages, guests_of_seed, seeds};

/// How many worlds of each kind, unless `SYNCLINE_FUZZ_RUNS` says otherwise.
const RUNS: u64 = 150;

/// What a world is of, by the first byte of its decisions.
const CUT: u8 = 0;
const YJS: u8 = 1;
const AUTOMERGE: u8 = 2;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn play(what: u8, times: u64) {
    let first = setting("SYNCLINE_FUZZ_SEED", 1);
    for seed in first..first + times * setting("SYNCLINE_FUZZ_RUNS", RUNS) {
        let played = std::panic::catch_unwind(|| guests_of_seed(what, seed));
        assert!(played.is_ok(), "a promise is broken for seed {seed}");
    }
}

#[test]
fn a_cut_update_is_the_same_as_the_whole_one() {
    play(CUT, 20);
}

#[test]
fn a_relay_takes_of_yjs_clients_what_everybody_can_take() {
    play(YJS, 1);
}

#[test]
fn a_relay_takes_of_automerge_clients_what_everybody_can_take() {
    play(AUTOMERGE, 1);
}

quickcheck! {
    fn any_bytes_are_an_error_or_a_message_that_is_read_again(bytes: Vec<u8>) -> bool {
        guest_messages(&bytes);
        true
    }

    fn an_injured_message_is_an_error_or_one_that_is_read_again(which: usize, at: usize, with: u8, end: usize) -> bool {
        let messages = seeds("guest_messages");
        let mut message = messages[which % messages.len()].clone();
        let len = message.len();
        message[at % len] ^= with;
        guest_messages(&message);
        message.truncate(end % len);
        guest_messages(&message);
        true
    }
}
