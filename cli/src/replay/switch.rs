//! A transport with a switch: off, its link is cut and connecting fails, as without a network.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::transports::{Link, LinkError, Transport, TransportError, memory};
use tokio::sync::watch;

/// Turns the network off and on.
#[derive(Clone)]
pub struct Switch(Arc<watch::Sender<Position>>);

/// Where a switch stands, and how often it was turned off.
#[derive(Clone, Copy)]
struct Position {
    on: bool,
    cuts: u64,
}

/// A transport behind a [`Switch`].
pub struct Switched<T> {
    inner: T,
    position: watch::Receiver<Position>,
}

impl Switch {
    /// The transport, switched on.
    pub fn new<T: Transport>(inner: T) -> (Self, Switched<T>) {
        let (sender, position) = watch::channel(Position { on: true, cuts: 0 });
        (Self(Arc::new(sender)), Switched { inner, position })
    }

    /// Cuts the link; there is no other until [`Switch::on`].
    pub fn off(&self) {
        self.0.send_modify(|position| *position = Position { on: false, cuts: position.cuts + 1 });
    }

    /// Lets links be made again.
    pub fn on(&self) {
        self.0.send_modify(|position| position.on = true);
    }
}

#[async_trait]
impl<T: Transport> Transport for Switched<T> {
    async fn connect(&self) -> Result<Link, TransportError> {
        let mut position = self.position.clone();
        // Whoever dials while the network is off waits for it, as a browser would.
        let cuts = match position.wait_for(|position| position.on).await {
            Ok(position) => position.cuts,
            Err(gone) => {
                return Err(TransportError::Unreachable {
                    endpoint: self.endpoint(),
                    cause: gone.to_string(),
                });
            }
        };
        let outer = self.inner.connect().await?;
        let (near, far) = memory::pair();
        tokio::spawn(carry(outer, far, position, cuts));
        Ok(near)
    }

    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }
}

/// Passes frames both ways until either side ends or the switch is turned off; then both are dropped.
async fn carry(outer: Link, far: Link, mut position: watch::Receiver<Position>, cuts: u64) {
    let (outer_out, outer_in) = outer.split();
    let (far_out, far_in) = far.split();
    tokio::select! {
        _ = pass(far_in, outer_out) => {}
        _ = pass(outer_in, far_out) => {}
        _ = position.wait_for(|position| position.cuts > cuts) => {}
    }
}

async fn pass(
    mut from: syncline::transports::LinkReceiver,
    mut to: syncline::transports::LinkSender,
) -> Result<(), LinkError> {
    while let Some(frame) = from.receive().await? {
        to.send(frame).await?;
    }
    Ok(())
}
