//! Two unmodified clients of every kind and a store of ours at one document; `cargo xtask clients --rounds N` plays more.

use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::round::Meeting;

/// Rounds of every kind.
const ROUNDS: u64 = 3;

fn end_equal(kind: Kind) {
    let Some(mut meeting) = Meeting::of(kind) else { return };
    for seed in 1..=ROUNDS {
        println!("{}", meeting.play(seed));
    }
}

#[test]
fn y_websocket_clients_and_a_store_end_equal() {
    end_equal(Kind::YWebsocket);
}

#[test]
fn y_websocket_clients_of_version_2_and_a_store_end_equal() {
    end_equal(Kind::YWebsocket2);
}

#[test]
fn pycrdt_clients_and_a_store_end_equal() {
    end_equal(Kind::Pycrdt);
}

#[test]
fn hocuspocus_clients_and_a_store_end_equal() {
    end_equal(Kind::Hocuspocus);
}

#[test]
fn hocuspocus_clients_of_version_3_and_a_store_end_equal() {
    end_equal(Kind::Hocuspocus3);
}

#[test]
fn hocuspocus_clients_of_version_2_and_a_store_end_equal() {
    end_equal(Kind::Hocuspocus2);
}

#[test]
fn y_sweet_clients_and_a_store_end_equal() {
    end_equal(Kind::YSweet);
}

#[test]
fn automerge_repo_clients_and_a_store_end_equal() {
    end_equal(Kind::Automerge);
}
