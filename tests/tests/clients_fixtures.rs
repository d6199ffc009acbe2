//! What Yjs and Automerge have written long ago goes in through the relay's endpoints and comes out as it should;
//! `cargo xtask clients --fixtures` passes all of it.

use std::time::Instant;

use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::fixtures::{Passage, automerge, yjs};
use syncline_tests::process::real_data;

/// Every so manieth run of Yjs's data set.
const EVERY: usize = 100;

/// Largest document of Automerge.
const MOST_BYTES: u64 = 100_000;

/// One kind of client for each endpoint.
const ENDPOINTS: [Kind; 3] = [Kind::YWebsocket, Kind::Hocuspocus, Kind::YSweet];

#[test]
fn documents_of_yjs_come_out_as_they_went_in() {
    let Some(folder) = real_data("fixtures/yjs") else { return };
    for kind in ENDPOINTS {
        let Some(mut passage) = Passage::of(kind) else { return };
        let started = Instant::now();
        let passed = (yjs::payloads(&mut passage, &folder), yjs::old_documents(&mut passage, &folder));
        println!("{kind}: {passed:?} payloads and old documents, {:.1?}", started.elapsed());
        let runs = yjs::data_set(&mut passage, &folder, EVERY);
        println!("{kind}: {runs} runs, {:.1?}", started.elapsed());
    }
}

#[test]
fn long_documents_of_yjs_come_out_as_they_went_in() {
    let (Some(folder), Some(streams), Some(traces)) =
        (real_data("fixtures/yjs"), real_data("streams"), real_data("traces/sequential"))
    else {
        return;
    };
    let Some(mut passage) = Passage::of(Kind::YWebsocket) else { return };
    let started = Instant::now();
    yjs::long_text(&mut passage, &folder, &traces.join("automerge-paper.json.gz"));
    println!("a long text, {:.1?}", started.elapsed());
    let updates = yjs::session(&mut passage, &streams);
    println!("a session of {updates} updates, {:.1?}", started.elapsed());
}

#[test]
fn documents_of_automerge_come_out_as_they_went_in() {
    let (Some(folder), Some(streams)) = (real_data("fixtures/automerge"), real_data("streams")) else {
        return;
    };
    let Some(mut passage) = Passage::of(Kind::Automerge) else { return };
    let started = Instant::now();
    let passed = automerge::documents(&mut passage, &folder, MOST_BYTES);
    println!("{passed} documents, {:.1?}", started.elapsed());
    automerge::saved_session(&mut passage, &streams);
    println!("a session of two, {:.1?}", started.elapsed());
    let changes = automerge::session(&mut passage, &streams);
    println!("a session of {changes} changes, {:.1?}", started.elapsed());
}
