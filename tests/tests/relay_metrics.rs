//! What a relay shows to Prometheus: in its format, to whom it may, and moved by exactly what was done.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use syncline::transports::WebSocket;
use syncline::{
    DocId, Document, Encoding, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value,
};
use syncline_core::crdt::automerge::DocumentId;
use syncline_core::id::Epoch;
use syncline_core::protocol::y_websocket::Message;
use syncline_core::random::Random;
use syncline_core::wire;
use syncline_tests::process::guests::automerge_repo::Peer;
use syncline_tests::process::guests::yjs::{Editor, awareness, update};
use syncline_tests::process::guests::{Behaved, Guest};
use syncline_tests::process::metrics::{Metrics, read_by_prometheus};
use syncline_tests::process::raw::Raw;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;
use syncline_tests::process::tokens::Tokens;
use syncline_tests::process::{http, metrics};

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

const Y: &str = "y-websocket";
const NATIVE: &str = "syncline";
const AUTOMERGE: &str = "automerge-repo";

/// How many edits are made where it does not matter how many.
const EDITS: i64 = 7;

/// Edits for somebody who does not read, and their size: more than the buffers of the system take.
const UNREAD_EDITS: usize = 300;
const UNREAD_BYTES: usize = 64 << 10;

/// How much a relay with a small cache may keep, in MiB, and a text that takes more than half of it once it is built.
const SMALL_MEMORY: &str = "1";
const LARGE_TEXT: usize = 40_000;

async fn engine(relay: &Relay) -> (Engine, Document) {
    let engine = Engine::builder(MemoryStorage::new()).relay(WebSocket::new(relay.url())).open().unwrap();
    let document = engine.document("d", SPEC).await.unwrap();
    document.in_sync().await.unwrap();
    (engine, document)
}

async fn put(document: &Document, path: &str, value: Value) {
    document.perform(Operation::Put { path: path.parse().unwrap(), value }).unwrap();
    document.saved(Saved::Relay).await.unwrap();
}

/// How many observations a histogram has.
fn observed(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> f64 {
    metrics.get(&format!("{name}_count"), labels)
}

#[tokio::test]
async fn it_is_what_prometheus_reads() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    ada.put("n", 1).await;
    ada.sync().await;
    let answer = http::get(relay.address(), "/metrics");
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        answer.head
    );
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let read = Metrics::read(&answer.body);
    println!(
        "{} metrics, {} samples, {} bytes",
        read.names().count(),
        read.samples().len(),
        answer.body.len()
    );
    assert!(read.names().all(|name| name.starts_with("syncline_")));
    if let Some(samples) = read_by_prometheus(&answer.body) {
        assert_eq!(&samples, read.samples());
    }
}

#[tokio::test]
async fn every_metric_is_in_the_documentation_and_no_other() {
    let relay = Relay::start();
    let page = include_str!("../../docs/relay.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `syncline_"));
    let mut told: Vec<String> =
        rows.map(|row| format!("syncline_{}", row.split(['`', '{']).next().unwrap_or_default())).collect();
    told.sort();
    assert_eq!(told, Metrics::of(&relay).names().collect::<Vec<_>>());
}

#[test]
fn only_who_shows_a_token_is_told_where_tokens_are_asked_for() {
    let mut tokens = Tokens::none();
    let ada = tokens.make("ada", ["--write", "*"]);
    let prometheus = tokens.make("prometheus", ["--read", "nothing"]);
    let relay = tokens.relay();
    let asked = |token| http::ask(relay.address(), "GET /metrics", token, b"");
    for token in [None, Some("guess")] {
        let answer = asked(token);
        assert!(answer.code == 401 && !answer.body.contains("syncline_"), "{answer:?}");
        assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
    }
    for token in [&ada, &prometheus] {
        assert_eq!(asked(Some(token)).code, 200);
    }
    assert_eq!(http::get(relay.address(), &format!("/metrics?token={prometheus}")).code, 200);
    assert_eq!(http::ask(relay.address(), "POST /metrics", Some(&ada), b"").code, 405);
}

#[test]
fn the_page_links_it() {
    let relay = Relay::start();
    assert!(http::get(relay.address(), "/").body.contains("href=\"metrics\""));
}

#[tokio::test]
async fn edits_of_yjs_clients_move_the_counters_by_what_was_done() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    let mut ben = Editor::join(relay.address(), "/yjs/d").await;
    // Both have answered by now what the relay asked them when they came.
    ada.sync().await;
    ben.sync().await;
    let before = Metrics::when(&relay, "syncline_connections", &[("protocol", Y)], 2.0);
    for n in 1..=EDITS {
        ada.put("n", n).await;
    }
    ben.sees("n", EDITS).await;
    ada.sync().await;
    let edits = EDITS as f64;
    let sent = before.of_protocol("syncline_updates_sent_total", Y) + edits;
    let after = Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", Y)], sent);
    let moved = |name| after.of_protocol(name, Y) - before.of_protocol(name, Y);
    assert_eq!(moved("syncline_updates_received_total"), edits);
    assert_eq!(moved("syncline_updates_sent_total"), edits, "to one of two, as nobody is sent his own");
    assert_eq!(moved("syncline_update_delivery_seconds_count"), edits, "each was timed");
    assert_eq!(moved("syncline_messages_received_total"), edits + 1.0, "and one that asks");
    assert!(moved("syncline_messages_sent_total") >= edits + 1.0);
    assert!(moved("syncline_received_bytes_total") > 10.0 * edits);
    assert!(moved("syncline_sent_bytes_total") > 10.0 * edits);
    let durable = observed(&after, "syncline_update_durable_seconds", &[]);
    assert_eq!(
        durable - observed(&before, "syncline_update_durable_seconds", &[]),
        edits,
        "sync waits for that"
    );
    assert!(
        observed(&after, "syncline_commit_seconds", &[]) > observed(&before, "syncline_commit_seconds", &[])
    );
    let writes = |metrics: &Metrics| metrics.get("syncline_commit_writes_sum", &[]);
    assert!(writes(&after) - writes(&before) >= edits, "each is a write");
    assert_eq!(after.get("syncline_writes_waiting", &[]), 0.0);
    assert_eq!(after.get("syncline_write_bytes_waiting", &[]), 0.0);
    for other in [NATIVE, AUTOMERGE, "hocuspocus", "y-sweet"] {
        assert_eq!(after.of_protocol("syncline_updates_received_total", other), 0.0, "{other}");
        assert_eq!(after.of_protocol("syncline_connections", other), 0.0, "{other}");
    }
    drop(ben);
    let gone = Metrics::when(&relay, "syncline_connections", &[("protocol", Y)], 1.0);
    assert_eq!(gone.of_protocol("syncline_connections_opened_total", Y), 2.0);
    assert_eq!(gone.of_protocol("syncline_updates_sent_total", Y), sent, "what was counted stays");
}

#[tokio::test]
async fn edits_of_synclines_clients_are_counted_and_so_is_who_gets_them() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    ada.put("n", 0).await;
    ada.sync().await;
    let (one, written) = engine(&relay).await;
    let (other, _read) = engine(&relay).await;
    let before = Metrics::when(&relay, "syncline_connections", &[("protocol", NATIVE)], 2.0);
    for n in 1..=EDITS {
        put(&written, "/map/n", Value::Int(n)).await;
    }
    ada.sees("n", EDITS).await;
    let edits = EDITS as f64;
    let sent = before.of_protocol("syncline_updates_sent_total", NATIVE) + edits;
    let after = Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", NATIVE)], sent);
    let after_both = Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", Y)], edits);
    let moved = |name, protocol| after_both.of_protocol(name, protocol) - before.of_protocol(name, protocol);
    assert_eq!(moved("syncline_updates_received_total", NATIVE), edits);
    assert_eq!(moved("syncline_update_delivery_seconds_count", Y), edits);
    let frames = moved("syncline_update_delivery_seconds_count", NATIVE);
    assert!((1.0..=edits).contains(&frames), "{frames} frames for {edits} edits");
    assert!(moved("syncline_messages_received_total", NATIVE) >= edits);
    assert!(moved("syncline_sent_bytes_total", NATIVE) > 0.0);
    assert_eq!(after.of_protocol("syncline_slow_consumers_total", NATIVE), 0.0);
    one.close().await;
    other.close().await;
    Metrics::when(&relay, "syncline_connections", &[("protocol", NATIVE)], 0.0);
}

#[tokio::test]
async fn edits_of_automerge_clients_are_counted() {
    let relay = Relay::start();
    let id = DocumentId(*b"everybody counts");
    let mut ada = Peer::make(relay.address(), "/automerge", "ada", id).await;
    let mut ben = Peer::open(relay.address(), "/automerge", "ben", id).await;
    ben.sees("n", 0).await;
    ben.kept().await;
    let before = Metrics::when(&relay, "syncline_connections", &[("protocol", AUTOMERGE)], 2.0);
    for n in 1..=EDITS {
        ada.put("n", n).await;
        ada.kept().await;
    }
    ben.sees("n", EDITS).await;
    let edits = EDITS as f64;
    let sent = before.of_protocol("syncline_updates_sent_total", AUTOMERGE) + edits;
    let after = Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", AUTOMERGE)], sent);
    let moved = |name| after.of_protocol(name, AUTOMERGE) - before.of_protocol(name, AUTOMERGE);
    assert_eq!(moved("syncline_updates_received_total"), edits);
    assert_eq!(moved("syncline_update_delivery_seconds_count"), edits);
}

#[tokio::test]
async fn an_update_over_http_is_counted_and_is_no_connection() {
    let relay = Relay::start();
    let ada = Editor::join(relay.address(), "/yjs/d").await;
    let doc = yrs::Doc::new();
    let update = syncline_tests::process::guests::yjs::put(&doc, "n", 1);
    assert_eq!(http::ask(relay.address(), "POST /d/d/update", None, &update).code, 200);
    let after = Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", Y)], 1.0);
    let counted = |name| after.of_protocol(name, "y-sweet");
    assert_eq!(
        (counted("syncline_updates_received_total"), counted("syncline_connections_opened_total")),
        (1.0, 0.0)
    );
    assert_eq!(counted("syncline_received_bytes_total"), update.len() as f64);
    drop(ada);
}

#[tokio::test]
async fn who_is_present_is_counted_apart_from_updates() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    let mut ben = Editor::join(relay.address(), "/yjs/d").await;
    ada.guest().say(awareness(&[(7, 1, "{\"user\":{\"name\":\"ada\"}}")])).await;
    let is_shown = |message: &[u8]| matches!(Message::read(message), Ok(Message::Awareness(_))).then_some(());
    ben.wait_for(is_shown).await;
    let after = Metrics::when(&relay, "syncline_presence_sent_total", &[("protocol", Y)], 1.0);
    assert_eq!(after.of_protocol("syncline_presence_received_total", Y), 1.0);
    assert_eq!(after.of_protocol("syncline_updates_received_total", Y), 0.0);
    assert_eq!(after.of_protocol("syncline_updates_sent_total", Y), 0.0);
}

#[tokio::test]
async fn documents_are_found_in_memory_or_asked_of_the_store() {
    let relay = Relay::start();
    let lookups = |metrics: &Metrics, name: &str| {
        let of = |result| metrics.get(name, &[("result", result)]);
        (of("hit"), of("miss"))
    };
    let (documents, built) = ("syncline_document_lookups_total", "syncline_built_lookups_total");
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    let first = Metrics::of(&relay);
    assert_eq!((lookups(&first, documents), lookups(&first, built)), ((0.0, 1.0), (0.0, 0.0)));
    assert_eq!(first.get("syncline_documents", &[("state", "stored")]), 1.0);
    assert_eq!(first.get("syncline_documents", &[("state", "built")]), 0.0, "nobody needs it to be");
    // The first update has it built, the others find it so.
    for n in 1..=EDITS {
        ada.put("n", n).await;
    }
    let (_engine, _document) = engine(&relay).await;
    ada.sync().await;
    let second = Metrics::of(&relay);
    assert_eq!(lookups(&second, documents), (1.0, 1.0), "the engine finds it in memory");
    // The question at the end is about what it holds, for which it is needed as well.
    assert_eq!(lookups(&second, built), (EDITS as f64, 1.0));
    assert_eq!(second.get("syncline_documents_built_total", &[]), 1.0);
    let state = |state| second.get("syncline_documents", &[("state", state)]);
    assert_eq!((state("open"), state("loaded"), state("built")), (1.0, 1.0, 1.0));
}

#[tokio::test]
async fn documents_that_are_built_for_clients_are_a_cache_with_a_bound() {
    let relay = Relay::with(&["--memory", SMALL_MEMORY]);
    let room = |number: usize| format!("/yjs/room{number}");
    let mut editors = Vec::new();
    for number in 0..4 {
        let mut editor = Editor::join(relay.address(), &room(number)).await;
        let text = "x".repeat(LARGE_TEXT);
        editor.guest().say(update(&large(&text))).await;
        editor.sync().await;
        editors.push(editor);
    }
    let (built, evicted) = ([("state", "built")], "syncline_documents_evicted_total");
    let full = Metrics::of(&relay);
    assert_eq!(full.get("syncline_documents", &built), 1.0, "there is room for one");
    assert_eq!(full.get(evicted, &built), 3.0);
    assert_eq!(full.get("syncline_documents", &[("state", "loaded")]), 4.0, "the logs of all stay");
    let (memory, limit) = ("syncline_document_memory_bytes", "syncline_document_memory_limit_bytes");
    assert!(full.get(memory, &[]) <= full.get(limit, &[]), "{}", full.get(memory, &[]));
    // All of them are there for who needs them, one after the other.
    for (number, editor) in editors.iter_mut().enumerate() {
        editor.put("n", number as i64).await;
        editor.sync().await;
        let mut reader = Editor::join(relay.address(), &room(number)).await;
        reader.sees("n", number as i64).await;
    }
    let after = Metrics::of(&relay);
    assert_eq!(after.get("syncline_documents", &built), 1.0);
    let misses = |metrics: &Metrics| metrics.get("syncline_built_lookups_total", &[("result", "miss")]);
    assert_eq!(misses(&after) - misses(&full), 4.0, "none of them was built when it was needed again");
    assert_eq!(after.get("syncline_documents_built_total", &[]), 8.0);
    assert_eq!(after.get(evicted, &built), 7.0);
}

/// An update with a text.
fn large(text: &str) -> Vec<u8> {
    use yrs::{Doc, Text, Transact};
    let doc = Doc::new();
    let root = doc.get_or_insert_text("text");
    let mut txn = doc.transact_mut();
    root.insert(&mut txn, 0, text);
    txn.encode_update_v1()
}

#[tokio::test]
async fn what_goes_wrong_is_counted_by_what_it_is() {
    let relay = Relay::start();
    let mut ada = Editor::join(relay.address(), "/yjs/d").await;
    ada.put("n", 1).await;
    ada.sync().await;
    let closed = |reason| ("syncline_closed_total", [("protocol", Y), ("reason", reason)]);
    let (bad, forbidden) = (closed("bad_message"), closed("forbidden"));
    let none = Metrics::of(&relay);
    assert_eq!((none.get(bad.0, &bad.1), none.get(forbidden.0, &forbidden.1)), (0.0, 0.0));
    // An update that means nothing is refused.
    let mut guest = Guest::connect(relay.address(), "/yjs/d").await;
    guest.say(update(&[1, 2, 3])).await;
    assert_eq!(guest.goodbye().await.0, 4400);
    let refused = Metrics::when(&relay, "syncline_updates_refused_total", &[("protocol", Y)], 1.0);
    assert_eq!(refused.get(bad.0, &bad.1), 1.0);
    // A message that means nothing has no update.
    let mut guest = Guest::connect(relay.address(), "/yjs/d").await;
    guest.say(vec![0, 9]).await;
    assert_eq!(guest.goodbye().await.0, 4400);
    let malformed = Metrics::when(&relay, bad.0, &bad.1, 2.0);
    assert_eq!(malformed.of_protocol("syncline_updates_refused_total", Y), 1.0);
    // A room that cannot be.
    let mut guest = Guest::connect(relay.address(), "/yjs/a%00b").await;
    assert_eq!(guest.goodbye().await.0, 4403);
    Metrics::when(&relay, forbidden.0, &forbidden.1, 1.0);
    // One of Syncline's clients that makes no sense.
    let mut raw = Raw::connect(relay.address(), Encoding::Binary).await;
    raw.send(vec![0xff; 8].into(), false).await;
    while raw.frame().await.is_some() {}
    let native = [("protocol", NATIVE), ("reason", "bad_message")];
    let after = Metrics::when(&relay, "syncline_closed_total", &native, 1.0);
    assert_eq!(after.get("syncline_store_faults_total", &[]), 0.0);
    assert_eq!(after.get("syncline_document_failures_total", &[]), 0.0);
    ada.put("n", 2).await;
    ada.sync().await;
}

#[tokio::test]
async fn an_entry_of_a_client_that_may_only_read_is_refused_and_counted() {
    let mut tokens = Tokens::none();
    let (ada, eve) = (tokens.make("ada", ["--write", "*"]), tokens.make("eve", ["--read", "*"]));
    let relay = tokens.relay();
    let store = Terminal::with_relay(relay.url());
    store.ok(["--token", &ada, "create", "d"]);
    store.ok(["--token", &ada, "sync"]);
    let reader = Terminal::with_relay(relay.url());
    reader.ok(["--token", &eve, "sync", "d"]);
    reader.run(["--token", &eve, "set", "d", "/a", "1"]);
    reader.run(["--token", &eve, "sync"]);
    let answer = http::ask(relay.address(), "GET /metrics", Some(&ada), b"");
    assert!(
        metrics::Metrics::read(&answer.body).of_protocol("syncline_updates_refused_total", NATIVE) >= 1.0
    );
}

#[test]
fn a_store_that_cannot_be_written_is_counted_and_shown() {
    let mut relay = Relay::start();
    relay.kill();
    // It may write files of 200 KB, and its log goes where no room is left.
    let script = "trap '' XFSZ; ulimit -S -f 400; exec \"$0\" \"$@\" 2>/dev/full";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script);
    relay.restart_under(shell);
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d"]);
    for number in 0..4 {
        ada.ok(["set", "d", &format!("/large{number}"), &format!("\"{}\"", "x".repeat(90_000))]);
    }
    assert_eq!(ada.run(["sync", "--timeout", "2"]).code, Some(3));
    let metrics = Metrics::of(&relay);
    assert_eq!(metrics.get("syncline_store_faulty", &[]), 1.0);
    assert!(metrics.get("syncline_store_faults_total", &[]) >= 1.0);
    assert!(metrics.get("syncline_writes_waiting", &[]) >= 1.0);
    assert!(metrics.get("syncline_write_bytes_waiting", &[]) >= 90_000.0);
    let closed = [("protocol", NATIVE), ("reason", "unavailable")];
    assert!(metrics.get("syncline_closed_total", &closed) >= 1.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_behind_until_it_does() {
    let relay = Relay::with(&["--durability", "normal"]);
    let (writer, document) = engine(&relay).await;
    let mut slow = Raw::greeted(relay.address(), Encoding::Binary).await;
    slow.open(&DocId::new("d").unwrap(), SPEC, Epoch::new([1; 16])).await;
    let mut random = Random::new(9);
    for number in 0..UNREAD_EDITS {
        let noise: String = (0..UNREAD_BYTES).map(|_| char::from(b' ' + random.below(90) as u8)).collect();
        put(&document, &format!("/k{number}"), Value::String(noise)).await;
    }
    let behind = Metrics::when(&relay, "syncline_links_behind", &[], 1.0);
    let sent = behind.of_protocol("syncline_updates_sent_total", NATIVE);
    assert!(sent < UNREAD_EDITS as f64, "{sent}");
    let mut entries = 0;
    while entries < UNREAD_EDITS {
        for message in slow.hear().await.expect("a slow client is not cut off") {
            if let wire::Message::Entries { entries: more, .. } = message {
                entries += more.len();
            }
        }
    }
    Metrics::when(&relay, "syncline_updates_sent_total", &[("protocol", NATIVE)], UNREAD_EDITS as f64);
    let after = Metrics::when(&relay, "syncline_links_behind", &[], 0.0);
    assert!(after.of_protocol("syncline_slow_consumers_total", NATIVE) > 0.0, "it has kept edits waiting");
    writer.close().await;
}
