//! The other way into a link: batches that leave at once and whole, or not at all.

use bytes::Bytes;
use futures_util::FutureExt;
use syncline_transports::websocket::{self, PASSED_BYTES, WHOLE_FRAME_BYTES, WebSocketSettings};
use syncline_transports::{Batch, Frame, Link, LinkError, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::support::Server;

/// How often something leaves beside the answers to pings.
const BATCHES: u8 = 50;

/// Both ends of a WebSocket: the server's, and the client's.
async fn pair() -> (Link, Link) {
    let server = Server::plain().await;
    let client = server.client();
    let (link, client) = tokio::join!(server.accept(), client.connect());
    (link, client.unwrap())
}

fn frame(number: u8, bytes: usize) -> Bytes {
    vec![number; bytes].into()
}

/// Receives a frame while the other end, which has something to send, is attended to by its owner.
async fn hears(client: &mut Link, link: &mut Link) -> Frame {
    tokio::select! {
        frame = client.receive() => frame.unwrap().unwrap(),
        end = link.receive() => panic!("the client has said nothing: {end:?}"),
    }
}

#[tokio::test]
async fn what_leaves_by_it_comes_between_what_is_sent_otherwise() {
    let (mut link, mut client) = pair().await;
    let outlet = link.outlet();
    let batch = Batch::new(vec![frame(1, 10), frame(2, 0), frame(3, 70_000)]);
    assert!(outlet.try_send(&batch).unwrap());
    link.send(Frame::Text("four".into())).await.unwrap();
    assert!(outlet.try_send(&Batch::new(vec![frame(5, 1)])).unwrap());
    for expected in [frame(1, 10), frame(2, 0), frame(3, 70_000)] {
        assert_eq!(hears(&mut client, &mut link).await, Frame::Binary(expected));
    }
    assert_eq!(hears(&mut client, &mut link).await, Frame::Text("four".into()));
    assert_eq!(hears(&mut client, &mut link).await, Frame::Binary(frame(5, 1)));
}

#[tokio::test]
async fn a_peer_that_does_not_read_has_room_for_so_much_and_then_for_nothing_until_it_reads() {
    let (mut link, mut client) = pair().await;
    let outlet = link.outlet();
    let batch = |number: u8| Batch::new(vec![frame(number, 60_000), frame(number, 7)]);
    let mut taken = 0;
    while outlet.try_send(&batch(taken)).unwrap() {
        taken += 1;
    }
    assert!(!outlet.try_send(&batch(taken)).unwrap(), "there is still no room");
    for number in 0..taken {
        assert_eq!(hears(&mut client, &mut link).await, Frame::Binary(frame(number, 60_000)));
        assert_eq!(hears(&mut client, &mut link).await, Frame::Binary(frame(number, 7)));
    }
    assert!(outlet.try_send(&batch(taken)).unwrap());
    assert_eq!(hears(&mut client, &mut link).await, Frame::Binary(frame(taken, 60_000)));
}

#[tokio::test]
async fn what_is_large_or_has_to_be_masked_is_for_the_sender() {
    let (link, client) = pair().await;
    let large = Batch::new(vec![frame(1, WHOLE_FRAME_BYTES), frame(2, 1)]);
    assert!(!link.outlet().try_send(&large).unwrap());
    assert!(!client.outlet().try_send(&Batch::new(vec![frame(1, 1)])).unwrap());
    let too_large = Batch::new(vec![frame(1, link.max_frame_bytes() + 1)]);
    assert!(matches!(link.outlet().try_send(&too_large), Err(LinkError::TooLarge { .. })));
}

/// A frame of the server as it comes over the wire: the first byte of its header, and what it carries.
async fn raw_frame(socket: &mut DuplexStream) -> (u8, Vec<u8>) {
    let first = socket.read_u8().await.unwrap();
    let length = match socket.read_u8().await.unwrap() {
        126 => socket.read_u16().await.unwrap().into(),
        127 => socket.read_u64().await.unwrap(),
        length => length.into(),
    };
    let mut payload = vec![0; length.try_into().unwrap()];
    socket.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

#[tokio::test]
async fn pings_are_answered_between_frames_and_their_pieces_and_within_none() {
    // Two bytes leave at once: fewer than the smallest frame has.
    let (near, mut far) = tokio::io::duplex(2);
    let mut link = websocket::accept(near, Vec::new(), "far", WebSocketSettings::default()).await;
    let outlet = link.outlet();
    let large = frame(3, PASSED_BYTES + 1);
    let sends = async {
        for number in 0..BATCHES {
            // Its owner attends to it meanwhile.
            while !outlet.try_send(&Batch::new(vec![frame(number, 9), frame(number, 1)])).unwrap() {
                assert!(link.receive().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
        }
        // The other end may be gone before the answer to its last ping has left.
        _ = link.send(Frame::Binary(large.clone())).await;
        link.receive().await
    };
    let reads = async {
        let (mut pings, mut pongs, mut messages, mut message) = (0, 0, Vec::new(), Vec::new());
        while messages.len() < 2 * usize::from(BATCHES) + 1 {
            // There is always one on its way.
            if pings == pongs {
                far.write_all(&[0x89, 0x81, 0, 0, 0, 0, b'?']).await.unwrap();
                pings += 1;
            }
            let (first, payload) = raw_frame(&mut far).await;
            if first & 0x0f == 0x0a {
                assert_eq!(payload, b"?");
                pongs += 1;
                continue;
            }
            message.extend(payload);
            if first & 0x80 != 0 {
                messages.push(Bytes::from(std::mem::take(&mut message)));
            }
        }
        drop(far);
        (pongs, messages)
    };
    let (ended, (pongs, messages)) = tokio::join!(sends, reads);
    assert!(ended.is_err(), "the other end is gone");
    assert!(pongs > usize::from(BATCHES), "{pongs}");
    let small = (0..BATCHES).flat_map(|number| [frame(number, 9), frame(number, 1)]);
    assert_eq!(messages, small.chain([large]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_link_that_is_gone_takes_nothing() {
    let (link, _client) = pair().await;
    let outlet = link.outlet();
    drop(link);
    assert!(outlet.try_send(&Batch::new(vec![frame(1, 1)])).is_err());
}
