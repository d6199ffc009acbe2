//! One run of the kill test for each family; `cargo xtask kill` makes more.

use syncline_tests::process::kill::Run;

async fn keeps_every_promise(family: &'static str) {
    let figures = Run { seed: 1, family }.play().await;
    println!("{figures:?}");
    assert!(figures.is_ok_and(|figures| figures.edits > 1 && figures.kills > 0));
}

#[tokio::test]
async fn killed_yjs_processes_lose_nothing_they_reported_saved() {
    keeps_every_promise("yjs").await;
}

#[tokio::test]
async fn killed_automerge_processes_lose_nothing_they_reported_saved() {
    keeps_every_promise("automerge").await;
}
