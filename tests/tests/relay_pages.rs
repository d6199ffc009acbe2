//! Pages that somebody opens in a browser on this machine, at a relay that asks for no tokens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use syncline_tests::process::PATIENCE;
use syncline_tests::process::http::{ask_with, get};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::tokens::Tokens;

const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The first line with which the relay answers a page that comes from there and wants a WebSocket.
fn upgraded(relay: &Relay, path: &str, origin: &str) -> String {
    let mut stream = TcpStream::connect(relay.address()).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let host = relay.address();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\n{UPGRADE}\r\n");
    stream.write_all(head.as_bytes()).expect("the relay listens");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}

fn written(relay: &Relay, from: &str) -> u16 {
    let fields = format!("{from}connection: close\r\n");
    ask_with(relay.address(), "POST /d/page/update", &fields, &[0, 0]).code
}

#[test]
fn pages_from_elsewhere_are_turned_away_and_those_of_this_machine_are_not() {
    let mut relay = Relay::start();
    for path in ["/sync", "/yjs/d", "/hocuspocus", "/automerge", "/d/d/ws/d"] {
        for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
            let answer = upgraded(&relay, path, origin);
            assert!(answer.contains(" 403 "), "{path} from {origin}: {answer}");
        }
        let answer = upgraded(&relay, path, "http://localhost:3000");
        assert!(answer.contains(" 101 "), "{path}: {answer}");
    }
    let host = format!("host: {}\r\n", relay.address());
    assert_eq!(written(&relay, &format!("{host}origin: https://evil.example\r\n")), 403);
    assert_eq!(written(&relay, "host: evil.example\r\n"), 403, "a name that leads here");
    assert_eq!(written(&relay, &format!("{host}origin: http://127.0.0.1:8080\r\n")), 200);
    assert_eq!(get(relay.address(), "/status.json").code, 200);
    let errors = relay.stop().errors;
    assert!(errors.contains("a page is turned away"), "{errors}");
}

/// Whether a request is for a WebSocket is told at the socket, so clients and proxies that keep connections must take a new one.
#[test]
fn a_connection_is_good_for_one_request() {
    let relay = Relay::start();
    for path in ["/healthz", "/status.json", "/nope"] {
        let mut stream = TcpStream::connect(relay.address()).expect("the relay listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", relay.address());
        stream.write_all(head.as_bytes()).expect("the relay listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer, and the end of the connection");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{path}: {answer}");
    }
}

#[test]
fn where_tokens_are_asked_for_pages_may_come_from_anywhere() {
    let mut tokens = Tokens::none();
    let ada = tokens.make("ada", ["--write", "*"]);
    let relay = tokens.relay();
    let path = format!("/yjs/d?token={ada}");
    let answer = upgraded(&relay, &path, "https://app.example");
    assert!(answer.contains(" 101 "), "{answer}");
}
