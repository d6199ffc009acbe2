//! Random scripts of other people's clients and a store of ours; `cargo xtask clients --scripts N` plays more.

use syncline::Family;
use syncline_tests::process::clients::script::Stage;

/// Scripts of each family.
const SCRIPTS: u64 = 20;

async fn end_equal(family: Family) {
    let Some(mut stage) = Stage::set(family).await else { return };
    for seed in 1..=SCRIPTS {
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
