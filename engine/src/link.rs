//! One link at work: frames in, frames out, until either side ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_channel::mpsc as queue;
use futures_util::StreamExt;
use syncline_core::event::Input;
use syncline_core::id::ConnectionId;
use syncline_core::wire::Frame;
use syncline_transports::{Close, Link, LinkReceiver, LinkSender, Utf8Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::meters::{Meters, Queues};

/// Most inputs of links that wait for the loop; links wait when it is full.
pub const MAX_WAITING_INPUTS: usize = 1_024;

/// Most bytes of all frames that wait for the loop: a few of the largest ones. Every link may hold one more, for which
/// it waits for room, in turn; so nobody who sends faster than the loop takes keeps the others out.
pub const MAX_WAITING_INPUT_BYTES: usize = 64 << 20;

/// Most frames of one link among them: a frame of a few bytes may take long to understand, and others want their turn.
pub const MAX_WAITING_FRAMES_OF_A_LINK: usize = 8;

/// How long a peer may take to hear that the link is closed.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// A transport that is not told otherwise takes every frame that a replica makes.
const _: () = assert!(syncline_transports::DEFAULT_MAX_FRAME_BYTES >= syncline_core::wire::MAX_FRAME_BYTES);

const _: () = assert!(MAX_WAITING_INPUT_BYTES >= 2 * syncline_core::wire::MAX_FRAME_BYTES);

/// What waits for the loop, and what it takes of the room there is until it has been dealt with.
pub(crate) struct Waiting {
    pub input: Input,
    /// When a frame arrived.
    pub arrived: Option<Instant>,
    pub room: Option<Room>,
}

/// What a frame takes: a place among those of its link, and its bytes among those of all.
pub(crate) struct Room(#[expect(dead_code, reason = "held until it is dropped")] [OwnedSemaphorePermit; 2]);

impl From<Input> for Waiting {
    fn from(input: Input) -> Self {
        Self { input, arrived: None, room: None }
    }
}

/// Where links hand over what happens on them.
#[derive(Clone)]
pub(crate) struct Inputs {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// The loop is gone.
struct Gone;

/// The queue between all links and the loop.
pub(crate) fn inputs() -> (Inputs, mpsc::Receiver<Waiting>) {
    let (queue, waiting) = mpsc::channel(MAX_WAITING_INPUTS);
    (Inputs { queue, room: Arc::new(Semaphore::new(MAX_WAITING_INPUT_BYTES)) }, waiting)
}

impl Inputs {
    async fn send(&self, input: Input) -> Result<(), Gone> {
        self.queue.send(input.into()).await.map_err(|_| Gone)
    }

    /// What waits for the loop, or is being dealt with.
    pub fn queues(&self) -> Queues {
        Queues {
            inputs: self.queue.max_capacity() - self.queue.capacity(),
            input_bytes: MAX_WAITING_INPUT_BYTES - self.room.available_permits(),
        }
    }

    /// Waits for room for the frame.
    async fn received(
        &self,
        connection: ConnectionId,
        of_link: &Arc<Semaphore>,
        frame: Frame,
    ) -> Result<(), Gone> {
        let arrived = Some(Instant::now());
        let bytes = u32::try_from(frame.bytes.len().min(MAX_WAITING_INPUT_BYTES)).map_err(|_| Gone)?;
        let place = of_link.clone().acquire_owned().await.map_err(|_| Gone)?;
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| Gone)?;
        let room = Some(Room([place, room]));
        let waiting = Waiting { input: Input::Received { connection, frame }, arrived, room };
        self.queue.send(waiting).await.map_err(|_| Gone)
    }
}

/// The places for frames of a link.
fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_WAITING_FRAMES_OF_A_LINK))
}

/// What the driver wants of a link.
pub(crate) enum Order {
    /// Send this frame, then say `Writable`. If it has updates, since when they have been on their way.
    Send(Frame, Option<Instant>),
    /// Give the link up, for this reason.
    Close(String),
}

/// Runs a link to its end and reports it. Dropping the orders' sender ends it too. There are many, most of them idle: what is done
/// for a while is in memory of its own for as long.
pub(crate) async fn run(
    id: ConnectionId,
    link: Link,
    orders: queue::Receiver<Order>,
    inputs: Inputs,
    meters: &Meters,
) {
    let endpoint = link.endpoint().to_owned();
    let (mut sender, mut receiver) = link.split();
    let ended_here = tokio::select! {
        ended_here = send_all(id, &mut sender, orders, &inputs, meters) => ended_here,
        () = receive_all(id, &mut receiver, &inputs) => false,
    };
    if ended_here {
        // The peer hears the reason while we listen for its answer; after that the link is dropped.
        let answers = async { while let Ok(Some(_)) = receiver.receive().await {} };
        let _late = Box::pin(tokio::time::timeout(CLOSING_TIME, answers)).await;
    }
    let end = receiver.end().map(|end| end.to_string()).unwrap_or_default();
    tracing::debug!(connection = id.0, endpoint, end, "link ended");
    // The driver has ended if it does not listen.
    let _ended = inputs.send(Input::Disconnected { connection: id }).await;
}

/// True if the link was closed by order, false if it broke.
async fn send_all(
    id: ConnectionId,
    sender: &mut LinkSender,
    mut orders: queue::Receiver<Order>,
    inputs: &Inputs,
    meters: &Meters,
) -> bool {
    while let Some(order) = orders.next().await {
        match order {
            Order::Send(frame, since) => {
                if Box::pin(sender.send(to_link(frame))).await.is_err() {
                    return false;
                }
                since.into_iter().for_each(|since| meters.sent.observe_time(since.elapsed(), 1));
                if inputs.send(Input::Writable { connection: id }).await.is_err() {
                    return false;
                }
            }
            Order::Close(reason) => {
                sender.close(Close::new(Close::POLICY, reason)).await;
                return true;
            }
        }
    }
    sender.close("this side is closing").await;
    true
}

async fn receive_all(id: ConnectionId, receiver: &mut LinkReceiver, inputs: &Inputs) {
    let of_link = places();
    while let Ok(Some(frame)) = receiver.receive().await {
        if Box::pin(inputs.received(id, &of_link, from_link(frame))).await.is_err() {
            return;
        }
    }
}

fn to_link(frame: Frame) -> syncline_transports::Frame {
    if !frame.text {
        return syncline_transports::Frame::Binary(frame.bytes);
    }
    match Utf8Bytes::try_from(frame.bytes.clone()) {
        Ok(text) => syncline_transports::Frame::Text(text),
        Err(_) => syncline_transports::Frame::Binary(frame.bytes),
    }
}

fn from_link(frame: syncline_transports::Frame) -> Frame {
    let text = matches!(frame, syncline_transports::Frame::Text(_));
    Frame { bytes: frame.into_bytes(), text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use futures_util::FutureExt;
    use syncline_core::wire::MAX_FRAME_BYTES;

    use super::*;

    #[tokio::test]
    async fn frames_wait_outside_when_those_that_wait_are_large_enough() {
        let (inputs, mut waiting) = inputs();
        let frame = || Frame { bytes: vec![0; MAX_FRAME_BYTES].into(), text: false };
        let fits = MAX_WAITING_INPUT_BYTES / MAX_FRAME_BYTES;
        let (one, other) = (places(), places());
        for _ in 0..fits {
            assert!(inputs.received(ConnectionId(1), &one, frame()).now_or_never().is_some());
        }
        let outside = inputs.received(ConnectionId(2), &other, frame());
        tokio::pin!(outside);
        assert!(outside.as_mut().now_or_never().is_none(), "more than {MAX_WAITING_INPUT_BYTES} bytes wait");
        assert!(inputs.send(Input::Tick).now_or_never().is_some(), "what has no bytes passes");
        let taken = waiting.recv().await.unwrap();
        assert!(outside.as_mut().now_or_never().is_none(), "one is being dealt with");
        drop(taken);
        assert!(outside.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_link_leaves_others_their_turn() {
        let (inputs, mut waiting) = inputs();
        let frame = || Frame { bytes: vec![0].into(), text: false };
        let (one, other) = (places(), places());
        for _ in 0..MAX_WAITING_FRAMES_OF_A_LINK {
            assert!(inputs.received(ConnectionId(1), &one, frame()).now_or_never().is_some());
        }
        let more = inputs.received(ConnectionId(1), &one, frame());
        tokio::pin!(more);
        assert!(more.as_mut().now_or_never().is_none(), "it has its share");
        assert!(inputs.received(ConnectionId(2), &other, frame()).now_or_never().is_some());
        drop(waiting.recv().await.unwrap());
        assert!(more.as_mut().now_or_never().is_some());
    }
}
