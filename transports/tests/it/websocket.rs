//! What WebSocket links do with peers that are dead, absent, unwilling or rude.

use std::time::Duration;

use syncline_transports::{
    Close, Frame, Link, LinkError, Transport, TransportError, WebSocket,
    websocket::{self, WebSocketSettings},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::support::{Server, header};

const INTERVAL: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_millis(300);

/// Far longer than anything here takes, far shorter than a hang.
const SOON: Duration = Duration::from_secs(10);

async fn linked(server: &Server, client: WebSocket) -> (Link, Link) {
    let (here, there) = tokio::join!(client.connect(), server.accept());
    (here.unwrap(), there)
}

/// A frame as a client would send it: masked with zeros, header by hand.
fn raw_frame(opcode: u8, claimed: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode, 0x80 | 127];
    bytes.extend(claimed.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn the_heartbeat_finds_a_server_that_stops_answering() {
    let server = Server::plain().await;
    let client = server.client().heartbeat(INTERVAL, TIMEOUT);
    let (link, (_socket, _)) = tokio::join!(client.connect(), server.upgraded());
    let start = Instant::now();
    let end = timeout(SOON, link.unwrap().receive()).await.unwrap().unwrap_err();
    assert!(matches!(end, LinkError::Silent { silence } if silence >= TIMEOUT), "{end}");
    assert!(start.elapsed() >= TIMEOUT);
}

#[tokio::test]
async fn the_heartbeat_finds_a_client_that_stops_answering() {
    let server = Server::plain().await;
    let client = server.client();
    let (here, (socket, _)) = tokio::join!(client.connect(), server.upgraded());
    let settings = server.settings.heartbeat(INTERVAL, TIMEOUT);
    let mut there = websocket::accept(socket, Vec::new(), "client", settings).await;
    // The client is connected, but nobody drives it: a suspended laptop.
    let _suspended = here.unwrap();
    let end = timeout(SOON, there.receive()).await.unwrap();
    assert!(matches!(end, Err(LinkError::Silent { .. })), "{end:?}");
}

#[tokio::test]
async fn idle_peers_that_answer_stay_linked() {
    let mut server = Server::plain().await;
    server.settings = server.settings.heartbeat(INTERVAL, TIMEOUT);
    let client = server.client().heartbeat(INTERVAL, TIMEOUT);
    let (mut here, mut there) = linked(&server, client).await;
    let idle = async { tokio::join!(here.receive(), there.receive()) };
    assert!(timeout(TIMEOUT * 5, idle).await.is_err(), "an idle link ended");
    here.send(Frame::text("still here")).await.unwrap();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("still here"))));
}

#[tokio::test]
async fn a_slow_frame_is_a_sign_of_life() {
    let server = Server::plain().await;
    let client = server.client();
    let (_here, (socket, _)) = tokio::join!(client.connect(), server.upgraded());
    drop(socket);
    let (near, mut far) = tokio::io::duplex(64);
    let settings = server.settings.heartbeat(INTERVAL, TIMEOUT);
    let mut link = websocket::accept(near, Vec::new(), "slow", settings).await;
    let payload = [b'x'; 20];
    let dribble = async {
        let mut tick = tokio::time::interval(INTERVAL);
        for byte in raw_frame(2, payload.len() as u64, &payload) {
            tick.tick().await;
            far.write_all(&[byte]).await.unwrap();
        }
    };
    let (received, ()) = tokio::join!(link.receive(), dribble);
    assert_eq!(received, Ok(Some(Frame::binary(payload.to_vec()))));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_does_not_hold_its_sender_for_ever() {
    let server = Server::plain().await;
    let client = server.client().heartbeat(INTERVAL, TIMEOUT);
    let (link, (_socket, _)) = tokio::join!(client.connect(), server.upgraded());
    let mut link = link.unwrap();
    let frame = Frame::binary(vec![0; 1 << 20]);
    let fill = async { while link.send(frame.clone()).await.is_ok() {} };
    timeout(SOON, fill).await.unwrap();
    assert!(matches!(link.receive().await, Err(LinkError::Silent { .. })));
}

#[tokio::test]
async fn pings_are_answered_while_the_owner_only_sends() {
    let server = Server::plain().await;
    let client = server.client();
    let (link, (mut socket, _)) = tokio::join!(client.connect(), server.upgraded());
    let (mut sender, _receiver) = link.unwrap().split();
    socket.write_all(&[0x89, 2, b'h', b'i']).await.unwrap();
    let pong = async {
        let mut head = [0; 2];
        socket.read_exact(&mut head).await.unwrap();
        head
    };
    let send = async {
        loop {
            sender.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        head = timeout(SOON, pong) => assert_eq!(head.unwrap(), [0x8a, 0x82]),
        () = send => {}
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_that_may_pass() {
    let server = Server::plain().await;
    let client = server.client();
    drop(server);
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_server_that_does_not_answer_times_out() {
    let server = Server::plain().await;
    let client = server.client().connect_timeout(INTERVAL);
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, TransportError::TimedOut { .. }), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (answer, permanent, retry_after, said) in [
        ("401 Unauthorized\r\ncontent-length: 12\r\n\r\nwrong token\n", true, None, "wrong token"),
        ("403 Forbidden\r\n\r\n", true, None, "403"),
        ("404 Not Found\r\n\r\n", true, None, "404"),
        ("426 Upgrade Required\r\n\r\nspeak version 2", true, None, "speak version 2"),
        ("429 Too Many Requests\r\nretry-after: 7\r\n\r\n", false, Some(7), "429"),
        ("503 Service Unavailable\r\n\r\n", false, None, "503"),
    ] {
        let server = Server::plain().await;
        let client = server.client();
        let answer = format!("HTTP/1.1 {answer}");
        let (result, ()) = tokio::join!(client.connect(), server.refuse(&answer));
        let error = result.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{error}");
        assert_eq!(error.retry_after(), retry_after.map(Duration::from_secs), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn something_else_listening_there_is_named_so() {
    let server = Server::plain().await;
    let client = server.client();
    let (result, ()) = tokio::join!(client.connect(), server.refuse("220 mail.example ESMTP\r\n"));
    let error = result.unwrap_err();
    assert!(matches!(error, TransportError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn credentials_headers_and_protocol_reach_the_server() {
    let server = Server::plain().await;
    let client = server.client().token("secret").header("x-trace", "7");
    let (link, (_socket, request)) = tokio::join!(client.connect(), server.upgraded());
    link.unwrap();
    assert_eq!(header(&request, "authorization"), Some("Bearer secret"));
    assert_eq!(header(&request, "x-trace"), Some("7"));
    assert_eq!(header(&request, "sec-websocket-protocol"), Some(websocket::SUBPROTOCOL));
    assert!(request.starts_with("GET /sync HTTP/1.1"), "{request}");
}

#[tokio::test]
async fn an_unknown_certificate_is_not_trusted() {
    let (server, _certificate) = Server::secure().await;
    let client = server.client();
    let (result, _) = tokio::join!(client.connect(), server.socket());
    let error = result.unwrap_err();
    assert!(matches!(error, TransportError::Untrusted { .. }), "{error}");
}

#[tokio::test]
async fn roots_that_are_none_are_named_as_the_cause() {
    let server = Server::secure().await.0;
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no pem"] {
        let client = server.client().tls_roots(pem);
        let (result, _) = tokio::join!(client.connect(), server.socket());
        let error = result.unwrap_err();
        let named = error.to_string().contains("tls_roots");
        assert_eq!(named, !pem.is_empty(), "{error}");
        assert!(error.is_permanent());
    }
}

#[tokio::test]
async fn an_oversized_frame_ends_the_link_with_a_reason_on_both_sides() {
    let mut server = Server::plain().await;
    server.settings = server.settings.max_frame_bytes(1000);
    let (mut here, mut there) = linked(&server, server.client()).await;
    let large = Frame::binary(vec![0; 500_000]);
    let (sent, received) = tokio::join!(
        async {
            // Taken by the kernel or cut off by the end, depending on who is faster.
            let _sent = here.send(large).await;
            let received = here.receive().await;
            (received, here.end())
        },
        async {
            let received = there.receive().await;
            drop(there);
            received
        }
    );
    let end = received.unwrap_err();
    assert!(end.to_string().contains("bytes is over the limit of 1000"), "{end}");
    assert!(matches!(end, LinkError::Misbehaved { .. }), "{end}");
    let (Ok(None), Some(LinkError::Closed(close))) = sent else { panic!("{sent:?}") };
    assert_eq!(close.code, Close::TOO_LARGE);
    assert!(close.reason.contains("over the limit of 1000"), "{close}");
}

#[tokio::test]
async fn the_limit_is_that_of_all_fragments_together() {
    let settings = WebSocketSettings::default().max_frame_bytes(1000);
    let mut first = raw_frame(2, 600, &[0; 600]);
    first[0] &= 0x7f;
    for (last, fits) in [(400, true), (401, false)] {
        let bytes = [first.clone(), raw_frame(0, last, &vec![0; last as usize])].concat();
        let (near, far) = tokio::io::duplex(64);
        let mut link = websocket::accept(near, bytes, "client", settings).await;
        drop(far);
        let received = link.receive().await;
        assert_eq!(received.is_ok(), fits, "{received:?}");
        assert_eq!(matches!(received, Err(LinkError::Misbehaved { .. })), !fits, "{received:?}");
    }
}

#[tokio::test]
async fn rude_frames_are_the_peers_fault() {
    for (bytes, code) in [
        (raw_frame(1, 2, &[0xc3, 0x28]), Close::NOT_UTF8),
        (raw_frame(2, u64::MAX >> 1, &[]), Close::TOO_LARGE),
        (raw_frame(3, 0, &[]), Close::PROTOCOL),
        (raw_frame(0, 0, &[]), Close::PROTOCOL),
        (vec![0xf2, 0x80, 0, 0, 0, 0], Close::PROTOCOL),
        (vec![0x82, 0x01, 0], Close::PROTOCOL),
    ] {
        let server = Server::plain().await;
        let (near, mut far) = tokio::io::duplex(4096);
        let mut link = websocket::accept(near, bytes.clone(), "rude", server.settings).await;
        let hear = async {
            let mut answer = [0; 4];
            far.read_exact(&mut answer).await.unwrap();
            drop(far);
            answer
        };
        let (end, answer) = tokio::join!(link.receive(), hear);
        assert!(matches!(end, Err(LinkError::Misbehaved { .. })), "{bytes:x?}: {end:?}");
        assert_eq!(answer[0], 0x88, "{bytes:x?}");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{bytes:x?}");
    }
}

#[tokio::test]
async fn what_a_rude_peer_still_sends_is_thrown_away_until_it_hangs_up() {
    let (near, mut far) = tokio::io::duplex(4096);
    let mut link = websocket::accept(near, vec![0xf2, 0x80], "rude", Default::default()).await;
    let send_on = async {
        far.write_all(&[0; 100_000]).await.unwrap();
        let mut goodbye = [0; 2];
        far.read_exact(&mut goodbye).await.unwrap();
        assert_eq!(goodbye[0], 0x88);
        drop(far);
    };
    let (end, ()) = tokio::join!(link.receive(), send_on);
    assert!(matches!(end, Err(LinkError::Misbehaved { .. })), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rude_peer_that_does_not_hang_up_is_dropped_in_bounded_time() {
    let (near, mut far) = tokio::io::duplex(4096);
    let rude = vec![0xf2, 0x80, 0, 0, 0, 0];
    let mut link = websocket::accept(near, rude, "rude", Default::default()).await;
    let start = Instant::now();
    assert!(matches!(link.receive().await, Err(LinkError::Misbehaved { .. })));
    assert_eq!(start.elapsed(), websocket::CLOSE_TIMEOUT);
    let hung_up = timeout(SOON, far.read_to_end(&mut Vec::new())).await;
    hung_up.expect("an ended link has no socket, even while it is held").unwrap();
    assert!(link.end().is_some());
}

#[tokio::test]
async fn a_flood_of_pings_whose_answers_nobody_reads_ends() {
    let (near, mut far) = tokio::io::duplex(4096);
    let settings = WebSocketSettings::default().heartbeat(INTERVAL, TIMEOUT);
    let mut link = websocket::accept(near, Vec::new(), "flood", settings).await;
    let flood = async {
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        loop {
            tick.tick().await;
            if far.write_all(&[0x89, 0x80, 0, 0, 0, 0].repeat(100)).await.is_err() {
                return;
            }
        }
    };
    let watch = async {
        let end = timeout(SOON, link.receive()).await.unwrap();
        drop(link);
        end
    };
    let (end, ()) = tokio::join!(watch, flood);
    assert!(matches!(end, Err(LinkError::Silent { .. })), "{end:?}");
}

#[tokio::test]
async fn bytes_read_with_the_request_are_not_lost() {
    let server = Server::plain().await;
    let leftover = raw_frame(1, 5, b"early");
    let (near, _far) = tokio::io::duplex(64);
    let mut link = websocket::accept(near, leftover, "eager", server.settings).await;
    assert_eq!(link.receive().await, Ok(Some(Frame::text("early"))));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_in_bounded_time() {
    let (near, far) = tokio::io::duplex(64);
    let link = websocket::accept(near, Vec::new(), "deaf", Default::default()).await;
    let start = Instant::now();
    link.close("bye").await;
    assert_eq!(start.elapsed(), websocket::CLOSE_TIMEOUT);
    drop(far);
}

#[tokio::test]
async fn a_dropped_link_frees_its_socket() {
    let server = Server::plain().await;
    let client = server.client();
    let (link, (mut socket, _)) = tokio::join!(client.connect(), server.upgraded());
    let (sender, receiver) = link.unwrap().split();
    drop(receiver);
    drop(sender);
    let mut rest = Vec::new();
    timeout(SOON, socket.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"", "a dropped link says nothing");
}

#[tokio::test]
async fn the_end_of_one_half_reaches_the_other_in_another_task() {
    let server = Server::plain().await;
    let (here, there) = linked(&server, server.client()).await;
    let (mut sender, mut receiver) = here.split();
    let sending = tokio::spawn(async move {
        let frame = Frame::binary(vec![0; 1 << 20]);
        loop {
            if let Err(end) = sender.send(frame.clone()).await {
                return end;
            }
        }
    });
    let receiving = tokio::spawn(async move { receiver.receive().await });
    drop(there);
    assert!(timeout(SOON, receiving).await.unwrap().unwrap().is_err());
    assert!(timeout(SOON, sending).await.unwrap().unwrap().is_end());
}
