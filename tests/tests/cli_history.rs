//! Who did what to a document, as the command line tells it on two stores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

#[test]
fn own_edits_are_told_by_their_operations_and_those_of_others_by_what_they_touched() {
    for crdt in ["yjs", "automerge"] {
        let relay = Relay::start();
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
        ada.ok(["create", "d", "--crdt", crdt]);
        ada.ok(["set", "d", "/title", r#""Plan""#, "--user", "ada"]);
        ada.ok(["inc", "d", "/votes", "3", "--user", "ada"]);
        ada.ok(["sync", "d"]);
        ben.ok(["sync", "d"]);
        ben.ok(["rm", "d", "/title", "--user", "ben"]);

        let (mine, theirs) = (ada.json(["history", "d"]), ben.json(["history", "d"]));
        assert_eq!(mine[0]["operations"], json!([{"op": "set", "path": "/title", "value": "Plan"}]));
        assert_eq!(mine[1]["operations"], json!([{"op": "inc", "path": "/votes", "by": 3}]));
        assert_eq!(theirs.len(), 3);
        for (mine, theirs) in mine.iter().zip(&theirs) {
            assert_eq!(
                (&mine["id"], &mine["user"], &mine["time"]),
                (&theirs["id"], &json!("ada"), &theirs["time"])
            );
            assert!(theirs["bytes"].as_u64().unwrap() > 0, "{theirs}");
        }
        assert_eq!(theirs[0]["touched"], json!([{"path": "/title", "what": "wrote"}]));
        assert_eq!(theirs[2]["user"], "ben");
        assert_eq!(theirs[2]["operations"], json!([{"op": "rm", "path": "/title"}]));
    }
}

#[test]
fn edits_that_were_merged_are_counted() {
    let terminal = Terminal::new();
    terminal.ok(["create", "d"]);
    terminal.ok(["inc", "d", "/n"]);
    assert!(terminal.json(["history", "d"])[0]["time"].as_str().unwrap().ends_with('Z'));
    assert!(terminal.fails(1, ["history", "nothing"]).contains("no document"));
    let relay = Relay::start();
    terminal.ok(["sync", "d", "--relay", &relay.url()]);
    terminal.ok(["compact", "d"]);
    terminal.ok(["inc", "d", "/n"]);
    let told = terminal.json(["history", "d"]);
    assert_eq!(told[0], json!({"merged": 1}));
    assert_eq!(told[1]["operations"], json!([{"op": "inc", "path": "/n", "by": 1}]));
}
