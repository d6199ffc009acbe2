//! One link at work: frames in, frames out, until either side ends it.

use std::time::Duration;

use syncline_core::event::Input;
use syncline_core::id::ConnectionId;
use syncline_core::wire::Frame;
use syncline_transports::{Link, LinkReceiver, LinkSender, Utf8Bytes};
use tokio::sync::mpsc;

/// How long a peer may take to hear that the link is closed.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// A transport that is not told otherwise takes every frame that a replica makes.
const _: () = assert!(syncline_transports::DEFAULT_MAX_FRAME_BYTES >= syncline_core::wire::MAX_FRAME_BYTES);

/// What the driver wants of a link.
pub(crate) enum Order {
    /// Send this frame, then say `Writable`.
    Send(Frame),
    /// End the link, for this reason.
    Close(String),
}

/// Runs a link to its end and reports it. Dropping the orders' sender ends it too.
pub(crate) async fn run(
    id: ConnectionId,
    link: Link,
    orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
) {
    let endpoint = link.endpoint().to_owned();
    let (mut sender, mut receiver) = link.split();
    let ended_here = tokio::select! {
        ended_here = send_all(id, &mut sender, orders, &inputs) => ended_here,
        () = receive_all(id, &mut receiver, &inputs) => false,
    };
    if ended_here {
        // The peer hears the reason while we listen for its answer; after that the link is dropped.
        let _late =
            tokio::time::timeout(CLOSING_TIME, async { while let Ok(Some(_)) = receiver.receive().await {} })
                .await;
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
    mut orders: mpsc::Receiver<Order>,
    inputs: &mpsc::Sender<Input>,
) -> bool {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Send(frame) => {
                if sender.send(to_link(frame)).await.is_err() {
                    return false;
                }
                if inputs.send(Input::Writable { connection: id }).await.is_err() {
                    return false;
                }
            }
            Order::Close(reason) => {
                sender.close(reason.as_str()).await;
                return true;
            }
        }
    }
    sender.close("this side is closing").await;
    true
}

async fn receive_all(id: ConnectionId, receiver: &mut LinkReceiver, inputs: &mpsc::Sender<Input>) {
    while let Ok(Some(frame)) = receiver.receive().await {
        if inputs.send(Input::Received { connection: id, frame: from_link(frame) }).await.is_err() {
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
