//! The command line and a real relay: sync, watch and status across processes.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use syncline::transports::websocket::SUBPROTOCOL;
use syncline_core::wire::{Codec, Compression, Encoding, Hello, Message, VERSION};
use syncline_tests::process::binary;
use syncline_tests::process::child::Signal;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, WebSocket};

#[test]
fn two_terminals_meet_through_a_relay_in_both_families() {
    let relay = Relay::start();
    for crdt in ["yjs", "automerge"] {
        let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
        ada.ok(["create", crdt, "--crdt", crdt]);
        ada.ok(["set", crdt, "/tasks", r#"{"ship":"Ship it"}"#]);
        ada.ok(["sync"]);
        ben.ok(["sync", crdt]);
        assert_eq!(ben.ok(["show", crdt]), r#"{"tasks":{"ship":"Ship it"}}"#);
        let listed = ben.json(["list", "--json"]);
        assert_eq!(listed[0]["crdt"], crdt, "family and kind are taken from the relay");
        ben.ok(["set", crdt, "/tasks/praise", "true"]);
        ben.ok(["sync", crdt]);
        ada.ok(["sync", crdt, "--encoding", "json", "--compression", "brotli"]);
        assert_eq!(ada.ok(["show", crdt]), ben.ok(["show", crdt]));
    }
}

#[test]
fn sync_without_names_means_every_document_and_many_can_be_named() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    for doc in ["a", "b", "c"] {
        ada.ok(["create", doc, "--kind", "text", "--crdt", "automerge"]);
        ada.ok(["text", "splice", doc, "0", "0", doc]);
    }
    ada.ok(["sync"]);
    ben.ok(["sync", "a", "c"]);
    assert_eq!(ben.ok(["list"]), "a\nc\n");
    assert_eq!(ben.ok(["export", "c", "--format", "text"]), "c");
    let documents = relay.status()["documents_stored"].as_u64();
    assert_eq!(documents, Some(3));
}

#[test]
fn what_was_edited_while_the_relay_was_down_comes_together_afterwards() {
    let mut relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/tasks", "{}"]);
    ada.ok(["sync"]);
    ben.ok(["sync", "d"]);
    relay.kill();
    ada.ok(["set", "d", "/tasks/ada", "1"]);
    ben.ok(["set", "d", "/tasks/ben", "2"]);
    let status = ben.json(["status", "--json"]);
    assert_eq!((status[0]["pending"].as_u64(), status[1]["connected"].as_bool()), (Some(1), Some(false)));
    relay.restart();
    for terminal in [&ada, &ben, &ada] {
        terminal.ok(["sync"]);
    }
    assert_eq!(ada.ok(["show", "d"]), r#"{"tasks":{"ada":1,"ben":2}}"#);
    assert_eq!(ben.ok(["show", "d"]), ada.ok(["show", "d"]));
    let status = ada.ok(["status"]);
    assert!(status.contains("connected to ws://") && status.contains("heard      0 s ago"), "{status}");
    assert!(status.contains("pending    0 edits"), "{status}");
}

#[test]
fn the_next_relay_is_used_where_the_first_is_not_there() {
    let relay = Relay::start();
    let gone = Relay::start().url();
    let ada = Terminal::with_relay(format!("{gone},{}", relay.url()));
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/a", "1"]);
    ada.ok(["sync"]);
    let ben = Terminal::new();
    ben.ok(["sync", "d", "--relay", &gone, "--relay", &relay.url()]);
    assert_eq!(ben.ok(["show", "d"]), r#"{"a":1}"#);
}

/// How a relay of these versions greets.
fn hello(oldest: u16, newest: u16) -> tungstenite::Message {
    let (agent, compression) = ("a relay".to_owned(), Vec::new());
    let hello = Hello { oldest, newest, agent, relay: true, acks: false, compression };
    let codec = Codec { encoding: Encoding::Binary, compression: Compression::None };
    codec.frame(&[codec.encode(&Message::Hello(hello))]).bytes.into()
}

/// The address of something that shakes hands as a relay does; what comes after that is `goes_on`'s.
#[allow(clippy::result_large_err, reason = "the library's own type")]
fn pretender(goes_on: impl Fn(WebSocket<TcpStream>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    let polite = |_: &Request, mut response: Response| {
        let name = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert("sec-websocket-protocol", name);
        Ok(response)
    };
    let accepted = move |stream| tungstenite::accept_hdr(stream, polite).ok();
    std::thread::spawn(move || listener.incoming().flatten().filter_map(accepted).for_each(goes_on));
    format!("ws://{address}/sync")
}

/// It takes connections and never says a word, so it is given up when its greeting is overdue.
#[test]
fn the_next_relay_is_used_where_the_first_is_none() {
    let relay = Relay::start();
    let (answer, answers) = std::sync::mpsc::channel();
    let silent = pretender(move |socket| drop(answer.send(socket)));
    let ada = Terminal::with_relay(format!("{silent},{}", relay.url()));
    ada.ok(["create", "d"]);
    ada.ok(["sync", "--timeout", "50"]);
    assert_eq!(answers.try_iter().count(), 1, "the silent one is tried once");
}

#[test]
fn an_edit_that_a_relay_does_not_confirm_is_said_to_be_pending() {
    // It greets, and takes no document.
    let relay = pretender(|mut socket| {
        drop(socket.read().and_then(|_| socket.send(hello(VERSION, VERSION))));
        while socket.read().is_ok() {}
    });
    let terminal = Terminal::with_relay(relay);
    terminal.ok(["create", "d"]);
    let said = terminal.run(["set", "d", "/a", "1"]);
    assert!(said.code == Some(0) && said.err.contains("did not confirm it in time"), "{said:?}");
}

#[test]
fn why_the_relay_cannot_serve_a_document_is_told() {
    let mut relay = Relay::start();
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/conspicuous", "1"]);
    ada.ok(["sync"]);
    relay.stop();
    let mut content = std::fs::read(relay.store()).expect("the store is there");
    let at = content.windows(11).position(|window| window == b"conspicuous").expect("it holds the key");
    content[at] ^= 0x40;
    std::fs::write(relay.store(), content).expect("the store can be written");
    relay.restart();
    let said = ada.run(["set", "d", "/b", "2"]);
    assert!(said.code == Some(0) && said.err.contains("did not confirm it in time"), "{said:?}");
    let late = ada.fails(3, ["sync", "--timeout", "2"]);
    assert!(late.contains("1 edit pending; d: document \"d\"") && late.contains("damaged"), "{late}");
    let status = ada.json(["status", "--json"]);
    assert!(status[0]["trouble"].as_str().is_some_and(|words| words.contains("damaged")), "{status:?}");
}

#[test]
fn a_relay_of_another_time_is_named_as_what_it_is() {
    let relay = pretender(|mut socket| {
        drop(socket.read().and_then(|_| socket.send(hello(VERSION + 1, VERSION + 2))));
        // Until the client goes.
        while socket.read().is_ok() {}
    });
    let terminal = Terminal::with_relay(relay);
    terminal.ok(["create", "d"]);
    let complaint = terminal.fails(1, ["sync", "--timeout", "50"]);
    assert!(complaint.contains("update the older one"), "{complaint}");
}

/// As when a relay is just being started behind a balancer.
#[test]
fn a_server_that_hangs_up_is_tried_again() {
    let relay = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = relay.local_addr().expect("it has one");
    std::thread::spawn(move || relay.incoming().for_each(drop));
    let terminal = Terminal::with_relay(format!("ws://{address}/sync"));
    terminal.ok(["create", "d"]);
    let late = terminal.fails(3, ["sync", "--timeout", "1"]);
    assert!(late.contains("not synchronised within 1 s"), "{late}");
}

#[test]
fn a_sync_that_cannot_be_done_says_so_with_its_code() {
    let mut relay = Relay::start();
    let terminal = Terminal::with_relay(relay.url());
    let unknown = terminal.fails(1, ["sync", "nothing"]);
    assert!(unknown.contains("neither this store nor the relay has a document \"nothing\""), "{unknown}");
    relay.kill();
    terminal.ok(["create", "d"]);
    terminal.ok(["set", "d", "/a", "1"]);
    let late = terminal.fails(3, ["sync", "--timeout", "1"]);
    assert!(late.contains("not synchronised within 1 s") && late.contains("1 edit pending"), "{late}");
    let late = terminal.fails(3, ["sync", "--timeout", "1", "--json"]);
    assert!(late.contains(r#""code":"not-synced""#), "{late}");
    assert!(Terminal::new().fails(1, ["sync"]).contains("no relay is named"));
}

#[test]
fn an_address_that_can_never_work_is_an_error_at_once() {
    let relay = Relay::start();
    let (host, url) = (relay.url().replace("ws://", "").replace("/sync", ""), relay.url());
    let elsewhere = format!("ws://{host}/elsewhere");
    let cases = [
        (format!("http://{host}/sync"), "neither ws:// nor wss://"),
        (host.clone(), "is not an address"),
        (elsewhere, "clients connect at /sync, not at /elsewhere"),
        (format!("ws://{host}"), "clients connect at /sync, not at /"),
    ];
    for (address, words) in cases {
        let terminal = Terminal::with_relay(&address);
        terminal.ok(["create", "d"]);
        let said = terminal.run(["set", "d", "/a", "-1"]);
        assert!(said.code == Some(0) && said.err.contains(words), "{said:?}");
        // Nobody waits for the minute that `sync` has.
        let complaint = terminal.fails(1, ["sync"]);
        assert!(complaint.contains("no relay can be reached") && complaint.contains(words), "{complaint}");
        terminal.ok(["sync", "--relay", &format!("{address},{url}")]);
    }
}

#[test]
fn long_work_shows_a_bar_to_a_terminal_and_nothing_to_a_pipe() {
    let relay = Relay::start();
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/a", "1"]);
    let mut attended = Command::new("script");
    attended.args(["-qec", &format!("{} sync", binary::path("syncline").display()), "/dev/null"]);
    attended.current_dir(ada.folder()).env("SYNCLINE_RELAY", relay.url()).env("TERM", "xterm");
    let Ok(shown) = attended.output() else {
        return println!("SKIPPED: there is no `script` (Debian's bsdutils) to give the command a terminal");
    };
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("1/1 documents in sync"), "{shown:?}");
    // `ok` sees to it that nothing is said on the standard error of a pipe.
    assert_eq!(ada.ok(["sync"]), "");
}

#[test]
fn a_document_of_another_family_is_not_mixed_with_ours() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    ada.ok(["create", "d", "--crdt", "yjs"]);
    ada.ok(["set", "d", "/a", "1"]);
    ada.ok(["sync"]);
    ben.ok(["create", "d", "--crdt", "automerge"]);
    let said = ben.run(["set", "d", "/b", "2"]);
    assert!(said.code == Some(0) && said.err.contains("saved here, but no relay takes it: "), "{said:?}");
    let mixed = ben.fails(1, ["sync", "--timeout", "20"]);
    assert!(mixed.contains("yjs tree") && mixed.contains("automerge tree"), "{mixed}");
    assert!(mixed.contains("`export` what is here"), "{mixed}");
    let status = ben.json(["status", "--json"]);
    assert!(status[0]["trouble"].as_str().is_some_and(|words| mixed.contains(words)), "{status:?} {mixed}");
    assert_eq!(ben.ok(["show", "d"]), r#"{"b":2}"#);
}

#[test]
fn watch_follows_a_document_of_the_relay() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    ada.ok(["create", "d", "--crdt", "automerge"]);
    ada.ok(["set", "d", "/note", r#"{"y":0}"#]);
    ada.ok(["sync"]);
    let mut watching = ben.start(["watch", "d"]);
    watching.wait_for("what is there", |line| line.contains(r#""path":"/note""#).then_some(()));
    ada.ok(["set", "d", "/note/x", "[1,2]"]);
    ada.ok(["sync"]);
    watching.wait_for("the change", |line| {
        (line == r#"{"op":"set","path":"/note/x","value":[1,2]}"#).then_some(())
    });
    ada.ok(["rm", "d", "/note/x/0"]);
    ada.ok(["sync"]);
    watching.wait_for("the removal", |line| (line == r#"{"op":"rm","path":"/note/x/0"}"#).then_some(()));
    watching.signal(Signal::TERM);
    let ended = watching.wait();
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    assert_eq!(ben.ok(["show", "d"]), ada.ok(["show", "d"]));
}

#[test]
fn watching_a_relay_that_is_not_there_can_be_stopped() {
    let gone = Relay::start().url();
    let terminal = Terminal::with_relay(gone);
    terminal.ok(["create", "other"]);
    let mut watching = terminal.start(["watch", "d", "--json"]);
    let lock = terminal.folder().join("syncline.db.lock");
    let holder = format!("{}", watching.pid());
    while !std::fs::read_to_string(&lock).is_ok_and(|told| told.contains(&holder)) {
        std::thread::yield_now();
    }
    watching.signal(Signal::INT);
    assert!(watching.wait().status.success());
}
