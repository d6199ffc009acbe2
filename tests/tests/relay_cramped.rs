//! A relay that runs out of room, on the disk or for what it says: it tells, loses nothing, and goes on by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use syncline_tests::process::http;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

/// Size of the files that a cramped relay may write, in blocks of 512 bytes: a store and a few small edits.
const CRAMPED_BLOCKS: u64 = 400;

/// A value that fits into a command line, and not often into a cramped store.
const LARGE_BYTES: usize = 90_000;

/// A relay that may not write large files, and whose log goes where no room is left.
fn cramped() -> Relay {
    let mut relay = Relay::start();
    relay.kill();
    let script = format!("trap '' XFSZ; ulimit -S -f {CRAMPED_BLOCKS}; exec \"$0\" \"$@\" 2>/dev/full");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script);
    relay.restart_under(shell);
    relay
}

/// Lets it write files of any size from now on.
fn make_room(relay: &mut Relay) {
    let pid = Pid::from_raw(relay.process().pid().cast_signed());
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
}

#[test]
fn a_full_disk_is_told_and_work_goes_on_when_there_is_room() {
    let mut relay = cramped();
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/small", "1"]);
    ada.ok(["sync"]);
    for number in 0..4 {
        ada.ok(["set", "d", &format!("/large{number}"), &format!("\"{}\"", "x".repeat(LARGE_BYTES))]);
    }
    let said = ada.run(["sync", "--timeout", "2"]);
    assert!(said.code == Some(3) && said.err.contains("nothing is lost"), "{said:?}");
    assert_eq!(http::get(relay.address(), "/healthz").code, 503);
    let status = relay.status();
    assert!(status["fault"].is_string() && status["documents"][0]["name"] == "d", "{status}");
    assert!(ada.ok(["status"]).contains("pending"));
    make_room(&mut relay);
    ada.ok(["sync"]);
    assert_eq!(http::get(relay.address(), "/healthz").body, "ok\n");
    relay.kill();
    relay.restart();
    let ben = Terminal::with_relay(relay.url());
    ben.ok(["sync", "d"]);
    assert_eq!(ben.ok(["show", "d"]), ada.ok(["show", "d"]));
}

#[test]
fn a_relay_that_nobody_listens_to_serves_and_stops_well() {
    let mut relay = Relay::start();
    relay.kill();
    // Where it listens is still wanted; then nobody reads its output, and there is no room for its log.
    let pipe = relay.folder().join("pipe");
    let script = "mkfifo \"$PIPE\"; head -n 2 <\"$PIPE\" & exec \"$0\" \"$@\" >\"$PIPE\" 2>/dev/full";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).env("PIPE", pipe);
    relay.restart_under(shell);
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/a", "1"]);
    ada.ok(["sync"]);
    ada.ok(["set", "d", "/a", "2"]);
    ada.ok(["sync"]);
    assert_eq!(relay.count("updates"), 2);
    let log = relay.data().join("relay.db-wal");
    assert!(log.exists(), "it runs");
    assert!(relay.stop().status.success());
    assert!(!log.exists(), "its store was closed");
}
