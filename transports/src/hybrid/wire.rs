//! One link of a hybrid: the link of the transport in use, with an eye on the better ones.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{Hybrid, Shared};
use crate::{Close, Frame, Link, LinkError, Wire};

const MOVING: &str = "moving to a preferred endpoint";

pub(super) struct HybridWire {
    shared: Arc<Shared>,
    index: usize,
    link: Link,
    opened: Instant,
    /// Ready with the index of a better transport that answers; none over the best one.
    probe: Option<Pin<Box<dyn Future<Output = usize> + Send>>>,
    closed_here: bool,
    /// Closed here, for another reason than being done.
    given_up: bool,
}

impl HybridWire {
    pub(super) fn new(hybrid: Hybrid, index: usize, link: Link) -> Self {
        let Hybrid { shared, probe_interval, .. } = hybrid;
        let probe = shared.clone().probe(index, probe_interval);
        Self {
            shared,
            index,
            link,
            opened: Instant::now(),
            probe: (index > 0).then(|| Box::pin(probe) as Pin<Box<_>>),
            closed_here: false,
            given_up: false,
        }
    }

    /// Says goodbye as far as that is possible at once; the cursors of the layer above do the rest.
    fn leave(&mut self, better: usize) -> LinkError {
        self.link.start_close(Close::new(Close::GOING_AWAY, MOVING));
        self.shared.preferred(better)
    }
}

impl Wire for HybridWire {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.link.poll_ready(cx)
    }

    fn push(&mut self, frame: Frame) -> Result<(), LinkError> {
        self.link.push(frame)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.link.poll_flush(cx)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        if let Poll::Ready(received) = self.link.poll_receive(cx) {
            if received.is_err() && !self.closed_here {
                self.shared.failed(self.index, self.opened.elapsed());
            }
            return Poll::Ready(received);
        }
        let Some(probe) = &mut self.probe else {
            return Poll::Pending;
        };
        let better = ready!(probe.as_mut().poll(cx));
        self.probe = None;
        Poll::Ready(Err(self.leave(better)))
    }

    fn close(&mut self, close: Close) {
        self.closed_here = true;
        self.given_up |= !matches!(close.code, Close::NORMAL | Close::GOING_AWAY);
        self.link.start_close(close);
    }
}

/// Whoever gives a link up did not get what he wanted there, however long that took. It counts from here, as saying
/// goodbye to somebody who does not answer takes time as well.
impl Drop for HybridWire {
    fn drop(&mut self) {
        if self.given_up {
            self.shared.failed(self.index, Duration::ZERO);
        }
    }
}
