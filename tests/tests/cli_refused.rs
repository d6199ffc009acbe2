//! A relay that refuses an edit: `sync` does not say that all is well.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use syncline::MemoryStorage;
use syncline::node::Node;
use syncline::transports::websocket::{WebSocketSettings, accept};
use syncline_core::entry::{Entry, Touch};
use syncline_core::event::Side;
use syncline_core::id::{DocId, Principal};
use syncline_core::replica::{Config, Policy};
use syncline_core::wire::{Encoding, MAX_FRAME_BYTES};
use syncline_tests::process::terminal::Terminal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Refuses every edit of `/forbidden`.
fn accepts(_: &DocId, entry: &Entry) -> Result<(), String> {
    let forbidden = |touch: &Touch| touch.path.to_string() == "/forbidden";
    if entry.touched.iter().any(forbidden) { Err("that is forbidden".to_owned()) } else { Ok(()) }
}

fn relay() -> Node {
    let config = Config {
        agent: "test relay".to_owned(),
        principal: Principal::new("relay").unwrap(),
        encoding: Encoding::Binary,
        compression: Vec::new(),
        seed: 7,
        policy: Policy { accepts, ..Policy::relay() },
    };
    Node::start(Box::new(MemoryStorage::new()), config, Box::new(|_, _| {})).unwrap()
}

async fn serve(node: Node, listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        upgrade(&mut stream).await;
        let settings = WebSocketSettings::default().max_frame_bytes(MAX_FRAME_BYTES);
        let _up = node.attach(accept(stream, Vec::new(), "a client", settings).await, Side::Accepted);
    }
}

/// Answers the request of a client that says nothing more until it is answered.
async fn upgrade(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name));
        line.map(|line| line.split_once(':').unwrap().1.trim().to_owned())
    };
    let key = derive_accept_key(header("sec-websocket-key").unwrap().as_bytes());
    let protocol = header("sec-websocket-protocol").map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{}Sec-WebSocket-Accept: {key}\r\n\r\n",
        protocol.unwrap_or_default()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(relay(), listener));
    address
}

#[test]
fn sync_fails_and_says_what_was_lost_when_the_relay_refuses_an_edit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(start());
    for crdt in ["yjs", "automerge"] {
        let ada = Terminal::new();
        let sync = ["sync".to_owned(), "--relay".to_owned(), format!("ws://{address}/sync")];
        ada.ok(["create", crdt, "--crdt", crdt]);
        ada.ok(["set", crdt, "/a", "1"]);
        ada.ok(["set", crdt, "/forbidden", "2"]);
        ada.ok(["set", crdt, "/b", "3"]);
        let complaint = ada.fails(1, &sync);
        let told =
            ["that is forbidden", crdt, "1 operations are lost"].iter().all(|word| complaint.contains(word));
        assert!(told, "{complaint}");
        assert_eq!(ada.ok(["show", crdt]), r#"{"a":1,"b":3}"#);
        ada.ok(&sync);
        assert_eq!(ada.json(["status", "--json"])[0]["pending"].as_u64(), Some(0));
    }
}
