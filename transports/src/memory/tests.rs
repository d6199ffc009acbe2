//! What the fault handle promises; the behaviour of links in general is the conformance suite's.

use futures_util::FutureExt;

use super::*;
use crate::{Frame, LinkError};

async fn connected() -> (Faults, Link, Link) {
    let (transport, mut listener) = listen();
    let here = transport.connect().await.unwrap();
    let there = listener.accept().await.unwrap();
    (transport.faults(), here, there)
}

fn lost(result: Result<Option<Frame>, LinkError>) -> bool {
    matches!(result, Err(LinkError::Lost { .. }))
}

#[tokio::test]
async fn a_cut_loses_what_is_under_way_on_both_sides() {
    let (faults, mut here, mut there) = connected().await;
    here.send(Frame::text("never arrives")).await.unwrap();
    faults.cut_all();
    assert!(lost(there.receive().await));
    assert!(lost(here.receive().await));
    assert!(matches!(here.send(Frame::text("late")).await, Err(LinkError::Lost { .. })));
}

#[tokio::test]
async fn a_cut_wakes_whoever_waits() {
    let (faults, mut here, mut there) = connected().await;
    for _ in 0..LINK_FRAMES {
        here.send(Frame::text("full")).await.unwrap();
    }
    let (sent, ()) = tokio::join!(here.send(Frame::text("waits")), async { faults.cut_all() });
    assert!(matches!(sent, Err(LinkError::Lost { .. })));
    assert!(lost(there.receive().await));
}

#[tokio::test]
async fn refused_connects_leave_open_links_alone() {
    let (transport, mut listener) = listen();
    let mut here = transport.connect().await.unwrap();
    let mut there = listener.accept().await.unwrap();
    transport.faults().refuse(true);
    let error = transport.connect().await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    here.send(Frame::text("still there")).await.unwrap();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("still there"))));
    transport.faults().refuse(false);
    transport.connect().await.unwrap();
    assert_eq!(transport.faults().connects(), 2);
}

#[tokio::test]
async fn held_frames_arrive_on_release_and_not_before() {
    let (faults, mut here, mut there) = connected().await;
    faults.hold();
    for i in 0..LINK_FRAMES {
        here.send(Frame::text(i.to_string())).await.unwrap();
    }
    assert_eq!(here.send(Frame::text("too many")).now_or_never(), None);
    assert_eq!(there.receive().now_or_never(), None);
    let (first, ()) = tokio::join!(there.receive(), async { faults.release() });
    assert_eq!(first, Ok(Some(Frame::text("0"))));
}

#[tokio::test]
async fn links_opened_while_held_are_held_but_can_be_closed() {
    let (transport, mut listener) = listen();
    transport.faults().hold();
    let mut here = transport.connect().await.unwrap();
    let mut there = listener.accept().await.unwrap();
    here.send(Frame::text("held")).await.unwrap();
    assert_eq!(there.receive().now_or_never(), None);
    here.close("over").await;
    assert_eq!(there.receive().now_or_never(), None);
    transport.faults().release();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("held"))));
    assert_eq!(there.receive().await, Ok(None));
}

#[tokio::test]
async fn a_link_is_lost_after_the_ordered_number_of_frames() {
    let (transport, mut listener) = listen();
    transport.faults().cut_after(Some(2));
    for _ in 0..2 {
        let mut here = transport.connect().await.unwrap();
        let mut there = listener.accept().await.unwrap();
        here.send(Frame::text("one")).await.unwrap();
        there.send(Frame::text("two")).await.unwrap();
        assert!(here.send(Frame::text("three")).await.is_err());
        assert_eq!(there.receive().await, Ok(Some(Frame::text("one"))));
        assert!(lost(there.receive().await));
        assert_eq!(here.receive().await, Ok(Some(Frame::text("two"))));
        assert!(lost(here.receive().await));
    }
}

#[tokio::test]
async fn nobody_listening_is_an_error_that_may_pass() {
    let (transport, listener) = listen();
    drop(listener);
    let error = transport.named("fallback").connect().await.unwrap_err();
    assert!(error.to_string().starts_with("fallback cannot be reached"), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_listener_that_does_not_accept_refuses_in_the_end() {
    let (transport, mut listener) = listen();
    let mut links = Vec::new();
    for _ in 0..BACKLOG {
        links.push(transport.connect().await.unwrap());
    }
    let error = transport.connect().await.unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
    listener.accept().await.unwrap();
    transport.connect().await.unwrap();
}

#[tokio::test]
async fn dropped_links_leave_nothing_behind() {
    let (faults, here, there) = connected().await;
    assert_eq!(faults.open_links(), 1);
    drop(here);
    drop(there);
    assert_eq!(faults.open_links(), 0);
}
