//! What other people's clients report as confirmed survives the relay; `cargo xtask clients --kills N` kills it more often.

use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::kept::Keeping;

/// How often the relay is killed for each kind of client.
const KILLS: usize = 5;

fn is_kept(kind: Kind) {
    let Some(mut keeping) = Keeping::of(kind) else { return };
    (1..=KILLS).for_each(|number| keeping.is_kept(number));
}

#[test]
fn what_a_hocuspocus_client_counts_as_synced_survives_the_relay() {
    is_kept(Kind::Hocuspocus);
}

#[test]
fn what_a_hocuspocus_client_of_version_3_counts_as_synced_survives_the_relay() {
    is_kept(Kind::Hocuspocus3);
}

#[test]
fn what_is_no_local_change_of_a_y_sweet_client_any_more_survives_the_relay() {
    is_kept(Kind::YSweet);
}

#[test]
fn what_an_automerge_repo_client_is_told_the_relay_holds_survives_the_relay() {
    is_kept(Kind::Automerge);
}
