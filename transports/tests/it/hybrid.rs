//! The hybrid falls back, returns, and does not dance between the two.

use std::time::Duration;

use syncline_transports::{
    Close, Frame, Hybrid, Link, LinkError, Transport, WebSocket,
    memory::{self, Faults, MemoryListener},
};
use tokio::time::{Instant, timeout};

use crate::support::Server;

const PROBE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(10);

struct Place {
    faults: Faults,
    listener: MemoryListener,
}

impl Place {
    /// Keeps the other side of every link, for as long as the test runs.
    fn accept_all(mut self) -> Faults {
        tokio::spawn(async move {
            let mut links = Vec::new();
            while let Some(link) = self.listener.accept().await {
                links.push(link);
            }
        });
        self.faults
    }
}

/// A hybrid of in-memory places, the best one first.
fn hybrid<const N: usize>(names: [&'static str; N]) -> (Hybrid, [Place; N]) {
    let mut transports: Vec<Box<dyn Transport>> = Vec::new();
    let places = names.map(|name| {
        let (transport, listener) = memory::listen();
        let faults = transport.faults();
        transports.push(Box::new(transport.named(name)));
        Place { faults, listener }
    });
    (Hybrid::new(transports).probe_interval(PROBE), places)
}

fn preferred(end: Result<Option<Frame>, LinkError>, name: &str) -> bool {
    end == Err(LinkError::Preferred { endpoint: name.to_owned() })
}

async fn connect(hybrid: &Hybrid, expected: &str) -> Link {
    let link = hybrid.connect().await.unwrap();
    assert_eq!(link.endpoint(), expected);
    assert_eq!(hybrid.endpoint(), expected);
    link
}

#[tokio::test(start_paused = true)]
async fn the_best_one_is_taken_and_not_left() {
    let (hybrid, [first, second]) = hybrid(["first", "second"]);
    assert_eq!(hybrid.endpoint(), "first, second");
    let mut link = connect(&hybrid, "first").await;
    assert!(timeout(PROBE * 20, link.receive()).await.is_err());
    assert_eq!((first.faults.connects(), second.faults.connects()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn it_falls_back_and_returns() {
    let (hybrid, [mut first, mut second]) = hybrid(["first", "second"]);
    first.faults.refuse(true);
    let mut link = connect(&hybrid, "second").await;
    let mut there = second.listener.accept().await.unwrap();
    link.send(Frame::text("over the second")).await.unwrap();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("over the second"))));

    assert!(timeout(PROBE * 10, link.receive()).await.is_err(), "it left for nothing");
    first.faults.refuse(false);
    let start = Instant::now();
    assert!(preferred(link.receive().await, "first"));
    assert!(start.elapsed() <= hybrid_pause_ceiling());
    assert_eq!(there.receive().await, Ok(None), "the old peer is told goodbye");

    let mut link = connect(&hybrid, "first").await;
    assert_eq!(first.faults.connects(), 1, "the trial's link is the one in use");
    let mut there = first.listener.accept().await.unwrap();
    link.send(Frame::text("over the first")).await.unwrap();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("over the first"))));
}

fn hybrid_pause_ceiling() -> Duration {
    syncline_transports::hybrid::PROBE_INTERVAL_CEILING
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_return_is_received_first() {
    let (hybrid, [first, mut second]) = hybrid(["first", "second"]);
    first.faults.refuse(true);
    let mut link = connect(&hybrid, "second").await;
    let mut there = second.listener.accept().await.unwrap();
    first.faults.refuse(false);
    there.send(Frame::text("before")).await.unwrap();
    tokio::time::advance(PROBE * 2).await;
    assert_eq!(link.receive().await, Ok(Some(Frame::text("before"))));
    assert!(preferred(link.receive().await, "first"));
}

#[tokio::test(start_paused = true)]
async fn a_transport_whose_link_failed_stands_behind_for_a_while() {
    let (hybrid, [first, _second]) = hybrid(["first", "second"]);
    let mut link = connect(&hybrid, "first").await;
    first.faults.cut_all();
    assert!(matches!(link.receive().await, Err(LinkError::Lost { .. })));
    let mut link = connect(&hybrid, "second").await;
    assert!(preferred(link.receive().await, "first"), "it returns once the penalty is over");
    drop(connect(&hybrid, "first").await);
    connect(&hybrid, "first").await;
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_again_and_again_is_tried_less_and_less() {
    let (hybrid, [first, second]) = hybrid(["first", "second"]);
    let [first, _second] = [first.accept_all(), second.accept_all()];
    first.cut_after(Some(0));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(600) {
        let mut link = hybrid.connect().await.unwrap();
        assert!(link.receive().await.is_err());
    }
    let connects = first.connects();
    assert!((10..=40).contains(&connects), "{connects} connects in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn all_penalised_is_no_reason_to_give_up() {
    let (hybrid, [only]) = hybrid(["only"]);
    for _ in 0..5 {
        let mut link = connect(&hybrid, "only").await;
        only.faults.cut_all();
        assert!(link.receive().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn closing_is_no_failure() {
    let (hybrid, [mut first, _second]) = hybrid(["first", "second"]);
    for _ in 0..3 {
        let link = connect(&hybrid, "first").await;
        let there = first.listener.accept().await.unwrap();
        link.close("done").await;
        drop(there);
    }
}

#[tokio::test(start_paused = true)]
async fn giving_a_link_up_is_a_failure() {
    let (hybrid, [mut first, _second]) = hybrid(["first", "second"]);
    let link = connect(&hybrid, "first").await;
    let there = first.listener.accept().await.unwrap();
    link.close(Close::new(Close::POLICY, "no greeting in time")).await;
    drop(there);
    connect(&hybrid, "second").await;
}

#[tokio::test(start_paused = true)]
async fn a_trial_whose_result_nobody_fetched_is_not_used_late() {
    let (hybrid, [first, _second]) = hybrid(["first", "second"]);
    first.faults.refuse(true);
    let mut link = connect(&hybrid, "second").await;
    first.faults.refuse(false);
    assert!(preferred(link.receive().await, "first"));
    tokio::time::advance(syncline_transports::hybrid::HANDOVER_AGE).await;
    connect(&hybrid, "first").await;
    assert_eq!(first.faults.connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_link_ends_the_trials() {
    let (hybrid, [first, mut second]) = hybrid(["first", "second"]);
    first.faults.refuse(true);
    let mut link = connect(&hybrid, "second").await;
    let mut there = second.listener.accept().await.unwrap();
    assert!(timeout(PROBE * 2, link.receive()).await.is_err());
    first.faults.refuse(false);
    drop(link);
    tokio::time::sleep(PROBE * 10).await;
    assert_eq!(first.faults.connects(), 0);
    assert!(there.receive().await.is_err());
}

#[tokio::test]
async fn no_transport_at_all_says_what_each_one_said() {
    let (hybrid, [first, second]) = hybrid(["first", "second"]);
    first.faults.refuse(true);
    second.faults.refuse(true);
    let error = hybrid.connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("first cannot") && text.contains("second cannot"), "{text}");
    assert!(!error.is_permanent());
    assert!(Hybrid::new(Vec::new()).connect().await.unwrap_err().is_permanent());
}

#[tokio::test]
async fn a_transport_that_hangs_does_not_keep_the_next_one_waiting() {
    let silent = Server::plain().await;
    let hanging = silent.client().connect_timeout(SOON * 6);
    let (memory, _listener) = memory::listen();
    let hybrid = Hybrid::new(vec![Box::new(hanging), Box::new(memory)]).patience(Duration::from_millis(50));
    let link = timeout(SOON, hybrid.connect()).await.unwrap().unwrap();
    assert_eq!(link.endpoint(), "memory");
}

#[tokio::test]
async fn two_relays_killed_in_turn_are_left_and_returned_to() {
    let [mut first, second] = [Server::plain().await, Server::plain().await];
    let address = first.url();
    let hybrid = Hybrid::new(vec![Box::new(WebSocket::new(&address)), Box::new(second.client())])
        .probe_interval(Duration::from_millis(20));
    let (link, there) = tokio::join!(hybrid.connect(), first.accept());
    let mut link = link.unwrap();
    assert_eq!(link.endpoint(), address);

    drop((first, there));
    assert!(link.receive().await.is_err());
    let (link, mut there) = tokio::join!(hybrid.connect(), second.accept());
    let mut link = link.unwrap();
    assert_eq!(link.endpoint(), second.url());

    first = Server::at(&address).await;
    let (end, (said, accepted)) = tokio::join!(timeout(SOON, link.receive()), async {
        let accepted = first.accept().await;
        (there.receive().await, accepted)
    });
    assert!(preferred(end.unwrap(), &address));
    assert_eq!(said, Ok(None));

    let mut link = hybrid.connect().await.unwrap();
    let mut there = accepted;
    link.send(Frame::text("back")).await.unwrap();
    assert_eq!(there.receive().await, Ok(Some(Frame::text("back"))));
}
