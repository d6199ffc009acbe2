//! Misfortune on order.

use std::sync::{Arc, Mutex, Weak};

use super::{Pipe, SharedPipe, lock};

/// What goes wrong on the links of one listener. Clones act on the same links.
///
/// As on a real network, links stay ordered and reliable while they last: loss is a link that is cut.
#[derive(Clone, Default)]
pub struct Faults {
    net: Arc<Mutex<Net>>,
}

#[derive(Default)]
struct Net {
    pipes: Vec<Weak<Mutex<Pipe>>>,
    refusing: bool,
    held: bool,
    cut_after: Option<u64>,
    connects: u64,
}

impl Faults {
    /// Loses every open link at this moment, with what is under way on it.
    pub fn cut_all(&self) {
        self.each_pipe(Pipe::cut);
    }

    /// While set, connects fail; open links go on.
    pub fn refuse(&self, refusing: bool) {
        lock(&self.net).refusing = refusing;
    }

    /// Stalls every link, open or new: nothing arrives, so senders fill the little there is and wait. A link
    /// that is held can still be cut.
    pub fn hold(&self) {
        self.set_held(true);
    }

    /// Lets everything arrive that [`Faults::hold`] kept.
    pub fn release(&self) {
        self.set_held(false);
    }

    /// Loses every link, open or new, when this many more frames have been sent on it, in both directions
    /// together; those frames still arrive. `None` puts an end to that.
    pub fn cut_after(&self, frames: Option<u64>) {
        lock(&self.net).cut_after = frames;
        self.each_pipe(|pipe| pipe.cut_after(frames));
    }

    /// Links that still exist on at least one side.
    pub fn open_links(&self) -> usize {
        lock(&self.net).pipes.iter().filter(|pipe| pipe.strong_count() > 0).count()
    }

    /// Connects that succeeded since the listener was made.
    pub fn connects(&self) -> u64 {
        lock(&self.net).connects
    }

    /// A new pipe under the faults in force, or `None` while connects are refused.
    pub(super) fn connect(&self) -> Option<SharedPipe> {
        let mut net = lock(&self.net);
        if net.refusing {
            return None;
        }
        let mut pipe = Pipe::default();
        pipe.hold(net.held);
        pipe.cut_after(net.cut_after);
        let pipe = Arc::new(Mutex::new(pipe));
        net.pipes.retain(|known| known.strong_count() > 0);
        net.pipes.push(Arc::downgrade(&pipe));
        net.connects += 1;
        Some(pipe)
    }

    fn set_held(&self, held: bool) {
        lock(&self.net).held = held;
        self.each_pipe(|pipe| pipe.hold(held));
    }

    fn each_pipe(&self, act: impl Fn(&mut Pipe)) {
        let pipes = lock(&self.net).pipes.clone();
        pipes.iter().filter_map(Weak::upgrade).for_each(|pipe| act(&mut lock(&pipe)));
    }
}
