//! Who is present in a document, between real processes: `syncline presence`.

use serde_json::{Value as Json, json};
use syncline_tests::process::child::{Running, Signal};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

const FAMILIES: [&str; 2] = ["yjs", "automerge"];

/// What one who looks on is told of the name next, of this sort.
fn told(onlooker: &mut Running, change: &str, name: &str) -> Json {
    onlooker.wait_for("who comes, moves and goes", |line| {
        let told: Json = serde_json::from_str(line).expect("lines are JSON");
        (told["change"] == change && told["name"] == name).then_some(told)
    })
}

fn present(terminal: &Terminal, arguments: &[&str]) -> Running {
    terminal.start(["presence", "d", "--json"].iter().chain(arguments))
}

#[test]
fn everybody_sees_who_comes_moves_and_goes_with_all_that_is_shown() {
    for crdt in FAMILIES {
        let relay = Relay::start();
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
        ada.ok(["create", "d", "--crdt", crdt]);
        ada.ok(["text", "splice", "d", "/body", "0", "0", "some words"]);
        ada.ok(["sync"]);
        ben.ok(["sync", "d"]);
        let mut ben_looks = present(&ben, &["--name", "Ben"]);
        let mut ada_looks = present(
            &ada,
            &[
                "--name",
                "Ada",
                "--color",
                "#2a7de1",
                "--away",
                "--at",
                "/body:5",
                "--metadata",
                r#"{"in":"a test"}"#,
            ],
        );
        let shown = told(&mut ben_looks, "join", "Ada");
        assert_eq!((&shown["color"], &shown["status"]), (&json!("#2a7de1"), &json!("away")));
        assert_eq!(shown["selection"], json!({"path": "/body", "anchor": 5, "head": 5}));
        assert_eq!((&shown["metadata"], &shown["you"]), (&json!({"in": "a test"}), &json!(false)));
        assert!(shown["active"].as_str().is_some_and(|time| time.starts_with("20")), "{shown}");
        told(&mut ada_looks, "join", "Ben");

        // The cursor stays in front of its character.
        let cai = Terminal::with_relay(relay.url());
        cai.ok(["sync", "d"]);
        cai.ok(["text", "splice", "d", "--", "/body", "0", "0", "now "]);
        cai.ok(["sync"]);
        assert_eq!(told(&mut ben_looks, "update", "Ada")["selection"]["head"], 9);

        ada_looks.signal(Signal::INT);
        told(&mut ben_looks, "leave", "Ada");
        assert!(ada_looks.wait().status.success());
        let mut again = present(&ada, &["--name", "Ada"]);
        told(&mut ben_looks, "join", "Ada");
        again.kill();
        told(&mut ben_looks, "leave", "Ada");
    }
}

#[test]
fn who_is_there_is_seen_again_after_the_relay_was_away() {
    let mut relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    ada.ok(["create", "d"]);
    ada.ok(["sync"]);
    ben.ok(["sync", "d"]);
    let mut ben_looks = present(&ben, &["--name", "Ben"]);
    let mut ada_looks = present(&ada, &["--name", "Ada"]);
    told(&mut ben_looks, "join", "Ada");
    told(&mut ada_looks, "join", "Ben");
    relay.kill();
    told(&mut ben_looks, "leave", "Ada");
    relay.restart();
    told(&mut ben_looks, "join", "Ada");
}
