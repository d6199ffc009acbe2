//! What every client library reports of the relay, and what its author publishes to try servers with, from `tests/clients`.

use std::process::Command;

use syncline_tests::process::child::{Ended, Running};
use syncline_tests::process::clients::Kind;
use syncline_tests::process::clients::kind::{NODE, program};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::tokens::Tokens;

/// Runs a program to its end, which tells by its status whether all went well. It says something for every case.
fn passes(command: &mut Command) {
    let mut running = Running::start(command);
    let mut report = Vec::new();
    while let Some(line) = running.line() {
        report.push(line);
    }
    let Ended { status, errors, .. } = running.wait();
    assert!(status.success(), "{status}:\n{}\n{errors}", report.join("\n"));
}

/// What all clients of a kind must manage, and at a relay that asks for tokens what this kind has beyond the others:
/// `check.mjs` with the relay as their server.
fn reports_what_it_should(kind: Kind) {
    let Some(mut check) = program(NODE, "check.mjs") else { return };
    // Its driver is started by the script.
    if kind.driver().is_none() {
        return;
    }
    let mut tokens = Tokens::none();
    let (writer, reader) = (tokens.make("ada", ["--write", "*"]), tokens.make("bob", ["--read", "*"]));
    let (open, guarded) = (Relay::start(), tokens.relay());
    let place = |relay: &Relay| format!("{kind}={}", kind.url(relay.address()));
    passes(check.arg(place(&open)).arg(format!("{},{writer},{reader}", place(&guarded))));
}

#[test]
fn y_websocket_3() {
    reports_what_it_should(Kind::YWebsocket);
}

#[test]
fn y_websocket_2() {
    reports_what_it_should(Kind::YWebsocket2);
}

#[test]
fn pycrdt() {
    reports_what_it_should(Kind::Pycrdt);
}

#[test]
fn hocuspocus_4() {
    reports_what_it_should(Kind::Hocuspocus);
}

#[test]
fn hocuspocus_3() {
    reports_what_it_should(Kind::Hocuspocus3);
}

#[test]
fn hocuspocus_2() {
    reports_what_it_should(Kind::Hocuspocus2);
}

#[test]
fn y_sweet() {
    reports_what_it_should(Kind::YSweet);
}

#[test]
fn automerge_repo() {
    reports_what_it_should(Kind::Automerge);
}

/// The tests that automerge-repo publishes for network adapters, as far as they make sense through a server.
#[test]
fn the_tests_of_automerge_repo_for_network_adapters() {
    let Some(mut suite) = program(NODE, "adapter-suite.mjs") else { return };
    let relay = Relay::start();
    passes(suite.arg(Kind::Automerge.url(relay.address())));
}
