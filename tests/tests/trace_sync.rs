//! Durable means durable: relay and client sync what they wrote before they say that it is saved.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_tests::process::child::Running;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::trace::{self, Trace};
use syncline_tests::process::{binary, load};
use tempfile::TempDir;

/// Edits made one by one, so that each has a commit of its own.
const EDITS: u64 = 20;

/// A relay and a client at work, and what the system was asked for meanwhile.
struct Traced {
    relay: Trace,
    client: Trace,
    /// Entries of the document before the client's first.
    before: u64,
}

async fn traced(family: &str, durability: &str) -> Traced {
    let mut relay = Relay::with(&["--durability", durability]);
    load::prepare(&relay.url(), "d", load::spec(family).unwrap()).await.unwrap();
    let before = relay.status()["documents"][0]["entries"].as_u64().unwrap();
    let folder = TempDir::new().unwrap();
    let (relay_log, client_log) = (folder.path().join("relay.trace"), folder.path().join("client.trace"));
    assert!(relay.stop().status.success());
    relay.restart_under(trace::tracer(&relay_log));
    assert_eq!(relay.status()["durability"], durability, "the status says so");
    let relay_pid = relay.process().pid();
    let mut command = trace::tracer(&client_log);
    command.arg(binary::path("load")).arg("--store").arg(folder.path().join("app.db"));
    command.args(["--relay", &relay.url(), "--user", "ada", "--doc", "d", "--family", family]);
    command.args([
        "--generation",
        "1",
        "--one-by-one",
        "--durability",
        durability,
        "--edits",
        &EDITS.to_string(),
    ]);
    let mut client = Running::start(&mut command);
    client.wait_for("its last state", |line| line.starts_with("state ").then_some(()));
    client.tell("end");
    let client_pid = client.pid();
    assert!(client.wait().status.success());
    assert!(relay.stop().status.success());
    let (relay, client) = (Trace::read(&relay_log, relay_pid), Trace::read(&client_log, client_pid));
    Traced { relay, client, before }
}

impl Traced {
    /// What was said too early, if anything was: at the relay, by the client to the relay, and to its user.
    fn findings(&self) -> [Vec<String>; 3] {
        let numbers = || (1..=EDITS).map(|number| (number, format!("ada.1.{number}")));
        let relay =
            numbers().map(|(number, id)| self.relay.acknowledged_after_sync(&id, self.before + number));
        let sent = numbers().map(|(_, id)| self.client.sent_after_sync(&id));
        let printed = numbers().map(|(number, id)| {
            let reports = |line: &str| reported(line).is_some_and(|reported| reported >= number);
            self.client.printed_after_sync(&id, reports)
        });
        [
            relay.filter_map(Result::err).collect(),
            sent.filter_map(Result::err).collect(),
            printed.filter_map(Result::err).collect(),
        ]
    }
}

/// The edit that a line reports saved here.
fn reported(line: &str) -> Option<u64> {
    line.strip_prefix("local ")?.parse().ok()
}

async fn is_synced_first(family: &str) {
    let traced = traced(family, "full").await;
    println!(
        "{family}: {} syncs of the relay, {} of the client",
        traced.relay.syncs(),
        traced.client.syncs()
    );
    assert_eq!(traced.findings(), [const { Vec::<String>::new() }; 3]);
}

#[tokio::test]
async fn yjs_edits_are_synced_before_they_are_acknowledged() {
    if trace::is_possible() {
        is_synced_first("yjs").await;
    }
}

#[tokio::test]
async fn automerge_edits_are_synced_before_they_are_acknowledged() {
    if trace::is_possible() {
        is_synced_first("automerge").await;
    }
}

#[tokio::test]
async fn without_syncs_the_trace_says_so() {
    if !trace::is_possible() {
        return;
    }
    let traced = traced("yjs", "normal").await;
    for findings in traced.findings() {
        let early = findings.iter().filter(|finding| finding.contains("no sync had ended before"));
        assert!(early.count() > 15, "acknowledged without a sync, and not noticed: {findings:?}");
    }
}
