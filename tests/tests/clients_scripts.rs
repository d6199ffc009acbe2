//! Random scripts of other people's clients and a store of ours; `cargo xtask clients --scripts N` plays more.

use syncline::Family;
use syncline_tests::process::clients::script::Stage;

/// Scripts of each family.
const SCRIPTS: u64 = 20;

/// Scripts that have found something.
///
/// 36: a y-sweet client connected again that was told to leave, as its library finishes what it has begun.
/// 111: Automerge's library in JavaScript showed a text of a map otherwise than the document that it held.
const FOUND: [u64; 2] = [36, 111];

async fn end_equal(family: Family) {
    let Some(mut stage) = Stage::set(family).await else { return };
    for seed in (1..=SCRIPTS).chain(FOUND) {
        println!("{family} script {seed}: {:?}", stage.play(seed).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn yjs_clients_of_several_protocols_and_a_store_end_equal() {
    end_equal(Family::Yjs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn automerge_clients_and_a_store_end_equal() {
    end_equal(Family::Automerge).await;
}
