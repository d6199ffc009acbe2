//! The state two ends of a memory link share: a short queue each way, and how it ends.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{LINK_FRAMES, SharedPipe, lock};
use crate::{Close, Frame, LinkError, Wire};

/// One connection. What is queued can still be received after an end, except after a cut.
#[derive(Default)]
pub(super) struct Pipe {
    /// `lanes[side]` carries what that side sent.
    lanes: [Lane; 2],
    /// Why nothing can be sent any more.
    end: Option<LinkError>,
    held: bool,
    /// Frames that still pass before the link is lost.
    frames_left: Option<u64>,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Frame>,
    sender: Option<Waker>,
    receiver: Option<Waker>,
}

impl Pipe {
    /// A broken cable: what is queued is lost too.
    pub(super) fn cut(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.queue.clear());
        self.held = false;
        self.end(LinkError::lost("the link was cut"));
    }

    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
        self.wake();
    }

    pub(super) fn cut_after(&mut self, frames: Option<u64>) {
        self.frames_left = frames;
        if frames == Some(0) {
            self.end(LinkError::lost("the link was cut"));
        }
    }

    fn push(&mut self, side: usize, frame: Frame) -> Result<(), LinkError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        self.lanes[side].queue.push_back(frame);
        wake(&mut self.lanes[side].receiver);
        let left = self.frames_left.map(|left| left.saturating_sub(1));
        self.cut_after(left);
        Ok(())
    }

    fn receive(&mut self, side: usize, closed_here: bool) -> Option<Result<Frame, LinkError>> {
        if self.held {
            return self.end.clone().filter(|_| closed_here).map(Err);
        }
        let lane = &mut self.lanes[1 - side];
        if let Some(frame) = lane.queue.pop_front() {
            wake(&mut lane.sender);
            return Some(Ok(frame));
        }
        self.end.clone().map(Err)
    }

    /// The first end is the one that both sides see.
    fn end(&mut self, end: LinkError) {
        self.end.get_or_insert(end);
        self.wake();
    }

    fn wake(&mut self) {
        for lane in &mut self.lanes {
            wake(&mut lane.sender);
            wake(&mut lane.receiver);
        }
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

/// One end of a pipe.
pub(super) struct MemoryWire {
    pipe: SharedPipe,
    side: usize,
    /// A link that was closed here ends here even while the network stalls.
    closed: bool,
}

impl MemoryWire {
    pub(super) fn ends(pipe: &SharedPipe) -> [Self; 2] {
        [0, 1].map(|side| Self { pipe: Arc::clone(pipe), side, closed: false })
    }
}

impl Wire for MemoryWire {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let mut pipe = lock(&self.pipe);
        if let Some(end) = &pipe.end {
            return Poll::Ready(Err(end.clone()));
        }
        let lane = &mut pipe.lanes[self.side];
        if lane.queue.len() < LINK_FRAMES {
            return Poll::Ready(Ok(()));
        }
        lane.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    fn push(&mut self, frame: Frame) -> Result<(), LinkError> {
        lock(&self.pipe).push(self.side, frame)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, LinkError>> {
        let mut pipe = lock(&self.pipe);
        if let Some(received) = pipe.receive(self.side, self.closed) {
            return Poll::Ready(received);
        }
        pipe.lanes[1 - self.side].receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn close(&mut self, close: Close) {
        self.closed = true;
        lock(&self.pipe).end(LinkError::Closed(close));
    }
}

impl Drop for MemoryWire {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.lanes[1 - self.side].queue.clear();
        pipe.end(LinkError::lost("the peer is gone"));
    }
}
