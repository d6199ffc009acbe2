//! The relay as an operator meets it: starting, looking, stopping, and everything that can be in its way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use syncline_tests::process::child::{Ended, Running};
use syncline_tests::process::relay::{self, Relay};
use syncline_tests::process::terminal::Terminal;
use syncline_tests::process::{binary, http, load, store};
use tempfile::TempDir;

/// Runs a relay that must refuse to start, and returns its complaint.
fn refuses(command: &mut Command) -> String {
    let Ended { status, lines, errors } = Running::start(command).wait();
    assert_eq!(status.code(), Some(1), "{lines:?} {errors}");
    errors
}

#[test]
fn it_starts_without_configuration_in_the_folder_where_it_stands() {
    let folder = TempDir::new().unwrap();
    // Only the port is named, as the usual one may be taken.
    for words in [
        &["--listen", "127.0.0.1:0"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["--listen", "127.0.0.1:0", "serve"],
    ] {
        let mut process = Running::start(relay::command().args(words).current_dir(folder.path()));
        let address = process.wait_for("its address", |line| {
            line.trim().strip_prefix("page     http://")?.strip_suffix('/')?.parse().ok()
        });
        process
            .wait_for("its store", |line| line.contains("./syncline-data (durability full)").then_some(()));
        assert_eq!(http::get(address, "/healthz").body, "ok\n");
        process.kill();
    }
    assert!(folder.path().join("syncline-data/relay.db").is_file());
    let mode = folder.path().join("syncline-data").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "others cannot read the documents");
}

#[test]
fn its_environment_configures_it_and_options_are_stronger() {
    let folder = TempDir::new().unwrap();
    let mut command = relay::command();
    command.env("SYNCLINE_LISTEN", "127.0.0.1:0").env("SYNCLINE_DURABILITY", "normal");
    command
        .env("SYNCLINE_DATA_DIR", folder.path().join("nowhere"))
        .arg("--data")
        .arg(folder.path().join("here"));
    let mut process = Running::start(&mut command);
    process.wait_for("its store", |line| line.contains("here (durability normal)").then_some(()));
    assert!(folder.path().join("here/relay.db").is_file() && !folder.path().join("nowhere").exists());
}

#[test]
fn it_shows_what_is_going_on() {
    let relay = Relay::with(&["--durability", "normal"]);
    let health = http::get(relay.address(), "/healthz");
    assert_eq!((health.code, health.body.as_str()), (200, "ok\n"));
    let page = http::get(relay.address(), "/");
    assert_eq!(page.code, 200);
    assert!(
        page.body.contains("Syncline relay")
            && page.head.contains("content-security-policy: default-src 'none'")
    );
    assert!(
        !page.body.contains("src=") && !page.body.contains("http://www.w3.org/1999"),
        "nothing is loaded from elsewhere"
    );
    let told = relay.status();
    let shown = page
        .body
        .split("now.")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next());
    let shown: Vec<&str> = shown.collect();
    assert!(
        shown.len() > 5 && shown.iter().all(|name| !told[name].is_null() || *name == "fault"),
        "{shown:?} {told}"
    );
    assert_eq!(http::get(relay.address(), "/nothing").code, 404);
    let upgrade = http::get(relay.address(), "/sync");
    assert!(upgrade.code == 426 && upgrade.body.contains("WebSocket"), "{upgrade:?}");

    let terminal = Terminal::with_relay(relay.url());
    terminal.ok(["create", "team/board", "--crdt", "automerge"]);
    terminal.ok(["set", "team/board", "/a", "1"]);
    terminal.ok(["sync"]);
    let watching = terminal.start(["watch", "team/board"]);
    watching.line();
    let status = loop {
        let status = relay.status();
        if status["links"] == 1 && status["documents"][0]["links"] == 1 {
            break status;
        }
        std::thread::yield_now();
    };
    assert_eq!(status["durability"], "normal");
    assert_eq!(status["fault"], serde_json::Value::Null);
    assert_eq!((status["updates"].as_u64(), status["documents_stored"].as_u64()), (Some(1), Some(1)));
    let document = &status["documents"][0];
    assert_eq!(
        (document["name"].as_str(), document["spec"].as_str()),
        (Some("team/board"), Some("automerge tree"))
    );
    assert_eq!(document["entries"], 1);
    assert!(status["bytes_in"].as_u64() > Some(100) && status["bytes_out"].as_u64() > Some(50), "{status}");
}

#[test]
fn asked_to_stop_it_tells_clients_to_come_back_and_loses_nothing() {
    for crdt in ["yjs", "automerge"] {
        let mut relay = Relay::start();
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
        ada.ok(["create", "d", "--crdt", crdt]);
        ada.ok(["set", "d", "/a", "1"]);
        ada.ok(["sync"]);
        let mut watching = ben.start(["watch", "d"]);
        watching.wait_for("what is there", |line| line.contains("/a").then_some(()));
        let ended = relay.stop();
        assert!(ended.status.success(), "{ended:?}");
        assert!(ended.lines.iter().any(|line| line.contains("clients are told to come back")), "{ended:?}");
        relay.restart();
        assert_eq!(relay.status()["documents"][0]["entries"], 1);
        ada.ok(["set", "d", "/b", "2"]);
        ada.ok(["sync"]);
        watching.wait_for("what was written after the restart", |line| line.contains("/b").then_some(()));
    }
}

#[tokio::test]
async fn stopped_under_load_it_keeps_what_it_acknowledged_and_ends_well() {
    for family in ["yjs", "automerge"] {
        let mut relay = Relay::start();
        load::prepare(&relay.url(), "d", load::spec(family).unwrap()).await.unwrap();
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(binary::path("load"));
        command.arg("--store").arg(folder.path().join("app.db")).args([
            "--relay",
            &relay.url(),
            "--user",
            "ada",
        ]);
        command.args(["--doc", "d", "--family", family, "--generation", "1", "--pause", "500"]);
        let mut client = Running::start(&mut command);
        let relayed = |line: &str| line.strip_prefix("relay ").and_then(|number| number.parse::<u64>().ok());
        client.wait_for("many edits saved", |line| relayed(line).filter(|number| *number > 100));
        let ended = relay.stop();
        assert!(ended.status.success(), "{ended:?}");
        let acknowledged = client.lines().filter_map(|line| relayed(&line)).max().unwrap_or(100);
        let held = load::edits(&store::read(&relay.store(), "d").await.unwrap()).unwrap();
        let lost = (1..=acknowledged).find(|number| !held.contains(&format!("ada.1.{number}")));
        assert_eq!(lost, None, "{family}: {acknowledged} were acknowledged");
        relay.restart();
        client.tell("stop");
        let state = client.wait_for("its last state", |line| line.strip_prefix("state ").map(str::to_owned));
        let entries = relay.status()["documents"][0]["entries"].as_u64().unwrap();
        assert!(entries > held.len() as u64, "{state}: it went on after the restart");
    }
}

#[test]
fn a_second_relay_on_the_same_folder_is_told_who_has_it() {
    let mut relay = Relay::start();
    let (data, pid) = (relay.data(), relay.process().pid());
    let complaint = refuses(relay::command().args(["--listen", "127.0.0.1:0"]).arg("--data").arg(&data));
    assert!(complaint.contains(&format!("in use by sync-server (process {pid}")), "{complaint}");
    assert!(complaint.contains("close that first, or use another store"), "{complaint}");
    assert_eq!(http::get(relay.address(), "/healthz").code, 200, "the first one goes on");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = refuses(relay::command().args(["--listen", &address]).arg("--data").arg(folder.path()));
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    assert!(complaint.contains("choose another --listen"), "{complaint}");
}

#[test]
fn a_folder_that_cannot_be_one_and_a_store_that_is_not_ours_are_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "Dear diary").unwrap();
    let complaint = refuses(relay::command().args(["--listen", "127.0.0.1:0"]).arg("--data").arg(&file));
    assert!(complaint.contains("choose another --data"), "{complaint}");
    fs::write(folder.path().join("relay.db"), "Dear diary").unwrap();
    let complaint =
        refuses(relay::command().args(["--listen", "127.0.0.1:0"]).arg("--data").arg(folder.path()));
    assert!(complaint.contains("is not a Syncline store"), "{complaint}");
    assert_eq!(fs::read_to_string(folder.path().join("relay.db")).unwrap(), "Dear diary");
}

#[test]
fn it_raises_its_limit_of_open_files_as_far_as_it_may() {
    let folder = TempDir::new().unwrap();
    let mut shell = Command::new("sh");
    // A shell gives its limits to what it becomes.
    shell.args(["-c", "ulimit -S -n 64 && exec \"$0\" \"$@\""]).arg(binary::path("sync-server"));
    shell.args(["--listen", "127.0.0.1:0"]).arg("--data").arg(folder.path());
    let mut process = Running::start(&mut shell);
    process.wait_for("its address", |line| line.contains("clients").then_some(()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut columns = files.split_whitespace();
    let (soft, hard) = (columns.next(), columns.next());
    assert_eq!(soft, hard, "{files}");
    assert_ne!(soft, Some("64"), "this test needs a system that allows more");
}
