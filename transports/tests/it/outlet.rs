//! The other way into a link: batches that leave at once and whole, or not at all.

use bytes::Bytes;
use syncline_transports::{Batch, Frame, Link, LinkError, Transport, websocket::WHOLE_FRAME_BYTES};

use crate::support::Server;

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

#[tokio::test]
async fn a_link_that_is_gone_takes_nothing() {
    let (link, _client) = pair().await;
    let outlet = link.outlet();
    drop(link);
    assert!(outlet.try_send(&Batch::new(vec![frame(1, 1)])).is_err());
}
