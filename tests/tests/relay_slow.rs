//! Clients that do not read, or stand still, cost the relay next to nothing and miss nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use syncline::transports::WebSocket;
use syncline::{DocId, Encoding, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value};
use syncline_core::id::Epoch;
use syncline_core::random::Random;
use syncline_core::wire::Message;
use syncline_tests::process::child::{Running, Signal};
use syncline_tests::process::guests::Behaved;
use syncline_tests::process::guests::yjs::{Editor, updates_of_a_join};
use syncline_tests::process::metrics::Metrics;
use syncline_tests::process::raw::Raw;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::slow::Run;
use syncline_tests::process::{binary, load, memory};
use tempfile::TempDir;

const SLOW_CLIENTS: usize = 30;

/// Edits made while they do not read, and the size of each: much more than the system's socket buffers take.
const EDITS: u64 = 300;
const EDIT_BYTES: usize = 64 << 10;

/// The same for clients of Yjs, whose edits may be larger: these hardly fit into the tail that a room keeps.
const YJS_EDITS: i64 = 16;
const YJS_EDIT_BYTES: usize = 900 << 10;

/// Edits of which the relay merges all but the last ones, and the size of each: what it keeps is less than what a slow client has not been
/// sent, whatever the system's socket buffers take.
const MERGED_EDITS: usize = 1_500;
const MERGED_EDIT_BYTES: usize = 24 << 10;

/// What such a slow client may cost, beside its share of that.
const MAX_YJS_COST: u64 = 256 << 10;

/// What a slow client may cost: a frame on its way, and what is made of it.
const MAX_COST: u64 = 1 << 20;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Text that no compression makes small.
fn noise(random: &mut Random) -> Value {
    let letters: String = (0..EDIT_BYTES).map(|_| char::from(b' ' + random.below(90) as u8)).collect();
    Value::String(letters)
}

/// Memory that the relay grows by while somebody writes and these clients do not read.
async fn growth(slow: usize) -> u64 {
    let mut relay = Relay::start();
    let doc = DocId::new("d").unwrap();
    let engine = Engine::builder(MemoryStorage::new()).relay(WebSocket::new(relay.url())).open().unwrap();
    let document = engine.document("d", SPEC).await.unwrap();
    document.in_sync().await.unwrap();
    let mut clients = Vec::new();
    for number in 0..slow {
        let mut client = Raw::greeted(relay.address(), Encoding::Binary).await;
        client.open(&doc, SPEC, Epoch::new([number as u8 + 1; 16])).await;
        clients.push(client);
    }
    let before = memory::resident(relay.process().pid());
    let mut random = Random::new(8);
    for number in 0..EDITS {
        let path = format!("/k{number}").parse().unwrap();
        document.perform(Operation::Put { path, value: noise(&mut random) }).unwrap();
        document.saved(Saved::Relay).await.unwrap();
    }
    let growth = memory::peak(relay.process().pid()) - before;
    for client in &mut clients {
        reads_everything(client).await;
    }
    growth
}

/// The same with clients of Yjs, one of whom writes.
async fn growth_with_yjs(slow: usize) -> u64 {
    let mut relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    let mut clients = Vec::new();
    for _ in 0..slow {
        clients.push(Editor::join(relay.address(), "/yjs/d").await);
    }
    let before = memory::resident(relay.process().pid());
    for number in 0..YJS_EDITS {
        ada.put_letters(&format!("k{number}"), YJS_EDIT_BYTES).await;
        // The relay has taken it in.
        ada.sync().await;
    }
    ada.put("n", YJS_EDITS).await;
    ada.sync().await;
    let growth = memory::peak(relay.process().pid()) - before;
    for client in &mut clients {
        while client.operations() < ada.operations() {
            client.hear().await;
        }
    }
    let yjs = [("protocol", "y-websocket")];
    let sent = (slow as i64 * (YJS_EDITS + 1)) as f64;
    let metrics = Metrics::when(&relay, "syncline_updates_sent_total", &yjs, sent);
    assert_eq!(metrics.get("syncline_slow_consumers_total", &yjs), 0.0, "nobody is sent again what he has");
    growth
}

/// A client that reads again is sent all that it missed.
async fn reads_everything(client: &mut Raw) {
    let mut entries = 0;
    let mut durable = 0;
    while entries < EDITS || durable < EDITS {
        for message in client.hear().await.expect("a slow client is not cut off") {
            match message {
                Message::Entries { entries: more, .. } => entries += more.len() as u64,
                Message::Durable { cursor, .. } => durable = cursor.offset,
                _ => {}
            }
        }
    }
    assert_eq!(entries, EDITS, "each once");
}

#[tokio::test]
async fn clients_that_do_not_read_cost_the_relay_little_and_miss_nothing() {
    let (without, with) = (growth(0).await, growth(SLOW_CLIENTS).await);
    let each = with.saturating_sub(without) / SLOW_CLIENTS as u64;
    println!(
        "relay grows by {} KiB, with {SLOW_CLIENTS} slow clients by {} KiB more for each",
        without >> 10,
        each >> 10
    );
    assert!(each < MAX_COST, "{each} bytes for each slow client");
}

#[tokio::test]
async fn clients_of_yjs_that_do_not_read_share_what_waits_for_them_and_miss_nothing() {
    let (without, with) = (growth_with_yjs(0).await, growth_with_yjs(SLOW_CLIENTS).await);
    let each = with.saturating_sub(without) / SLOW_CLIENTS as u64;
    println!("each of {SLOW_CLIENTS} slow clients takes {} KiB", each >> 10);
    assert!(each < MAX_YJS_COST, "{each} bytes for each slow client");
}

#[tokio::test]
async fn a_client_of_yjs_that_reads_on_after_the_log_was_merged_is_sent_everything_anew() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    let mut slow = Editor::join(relay.address(), "/yjs/d").await;
    for number in 0..MERGED_EDITS {
        ada.put_letters(&format!("k{}", number % 8), MERGED_EDIT_BYTES).await;
        if number % 100 == 0 {
            // The relay has taken it in.
            ada.sync().await;
        }
    }
    ada.sync().await;
    // As soon as the log has been merged, newcomers are told of it in fewer updates.
    while updates_of_a_join(relay.address(), "/yjs/d").await >= MERGED_EDITS {}
    while slow.operations() < ada.operations() {
        slow.hear().await;
    }
    assert_eq!(slow.json(), ada.json());
    let yjs = [("protocol", "y-websocket")];
    Metrics::when(&relay, "syncline_slow_consumers_total", &yjs, 1.0);
}

#[tokio::test]
async fn a_client_that_stood_still_catches_up() {
    for family in ["yjs", "automerge"] {
        let relay = Relay::start();
        let spec = load::spec(family).unwrap();
        load::prepare(&relay.url(), "d", spec).await.unwrap();
        let folder = TempDir::new().unwrap();
        let start = |user: &str, edits: &str| {
            let mut command = Command::new(binary::path("load"));
            command.arg("--store").arg(folder.path().join(user)).args(["--user", user, "--doc", "d"]);
            command.args([
                "--relay",
                &relay.url(),
                "--family",
                family,
                "--generation",
                "1",
                "--edits",
                edits,
            ]);
            let mut client = Running::start(&mut command);
            client.wait_for("ready", |line| (line == "ready").then_some(()));
            client
        };
        let mut still = start("still", "0");
        still.signal(Signal::STOP);
        let mut busy = start("busy", "200");
        let wanted = busy.wait_for("its last state", |line| line.strip_prefix("state ").map(str::to_owned));
        assert!(wanted.ends_with(" 201"), "{wanted}");
        still.signal(Signal::CONT);
        still
            .wait_for("the same state", |line| (line.strip_prefix("state ") == Some(&*wanted)).then_some(()));
    }
}

/// A small version of `cargo xtask slow`, too small to tell of memory.
#[tokio::test]
async fn readers_that_stand_still_end_equal() {
    for family in ["yjs", "automerge"] {
        let run = Run { family, replicas: 8, readers: 2, edits: 1_000, in_flight: 8, suspended: false };
        let reading = run.play().await.unwrap();
        let suspended = Run { suspended: true, ..run }.play().await.unwrap();
        println!("{family}: {reading:?}, {suspended:?}");
        assert_eq!((reading.edits, suspended.edits, suspended.links), (1_000, 1_000, 8));
    }
}
