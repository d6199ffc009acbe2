//! Many Yjs clients come at once to a large document, most of which is in the log as it was written: everybody is given all of it, and
//! the relay holds it for all of them together.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_tests::process::joins::{Figures, Host, Run};

const RUN: Run = Run { joins: 24, bytes: 4 << 20 };

/// Memory that the relay may take besides what it had, in documents: it has the log, and what it reads that from. A copy for each
/// client would be more.
const DOCUMENTS: u64 = 6;

async fn plays(host: Host) {
    let Figures { document, idle, peak, .. } = RUN.play(host).await.unwrap();
    println!("{host:?}: a document of {} KiB, {} KiB more memory", document >> 10, (peak - idle) >> 10);
    assert!(peak - idle < DOCUMENTS * document, "{} KiB", (peak - idle) >> 10);
}

#[tokio::test]
async fn a_crowd_of_y_websocket_clients_is_given_a_large_document() {
    plays(Host::RelayYjs).await;
}

#[tokio::test]
async fn a_crowd_of_hocuspocus_clients_is_given_a_large_document() {
    plays(Host::RelayHocuspocus).await;
}
