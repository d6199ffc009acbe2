//! The simulated network: routes along which nodes dial each other, and the links they get.
//!
//! A link is ordered and reliable while it lasts, and bounded: it says that it takes another frame only once
//! the last one has left. It ends with everything that is on it; each side learns of that in its own time.
//! In some worlds it does more than a link should: a frame arrives there a second time, before the next one.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::id::ConnectionId;
use syncline_core::random::Random;
use syncline_core::replica::Backoff;

/// Which node.
pub(super) type NodeId = usize;

/// Which route.
pub(super) type RouteId = usize;

/// Which link.
pub(super) type LinkId = u64;

/// A node that is none: whoever talks rubbish.
pub(super) const STRANGER: NodeId = usize::MAX;

/// A node's wish to be linked to one of some others.
pub(super) struct Route {
    pub dialer: NodeId,
    /// In order of preference.
    pub targets: Vec<NodeId>,
    /// Which of the targets is tried, or linked to.
    pub current: usize,
    pub link: Option<LinkId>,
    /// Tells the planned dialling from older plans.
    pub attempt: u64,
    pub backoff: Backoff,
    /// What the peer asked for when it left.
    pub retry_after: u64,
}

impl Route {
    pub fn new(dialer: NodeId, targets: Vec<NodeId>) -> Self {
        Self {
            dialer,
            targets,
            current: 0,
            link: None,
            attempt: 0,
            backoff: Backoff::default(),
            retry_after: 0,
        }
    }

    pub fn target(&self) -> NodeId {
        self.targets[self.current % self.targets.len()]
    }

    /// How long to wait before dialling the next target.
    pub fn next_wait(&mut self, random: &mut Random) -> u64 {
        let wait = self.backoff.after_failure(random) + std::mem::take(&mut self.retry_after);
        self.current = (self.current + 1) % self.targets.len();
        wait
    }
}

/// One side of a link.
pub(super) struct End {
    pub node: NodeId,
    /// Whether the node has been told of the link and not of its loss.
    pub up: bool,
    /// Frames that arrive here later are lost.
    pub horizon: u64,
    /// When the last frame on its way here arrives; none overtakes another.
    pub last_arrival: u64,
    /// Frames from here leave after this time.
    pub clogged_until: u64,
    /// For planted defects: whether entries arrived here, or that they follow.
    pub had_entries: bool,
}

impl End {
    const fn new(node: NodeId) -> Self {
        let (last_arrival, clogged_until) = (0, 0);
        Self { node, up: true, horizon: u64::MAX, last_arrival, clogged_until, had_entries: false }
    }
}

/// A link. Side 0 dialled, side 1 accepted.
pub(super) struct Link {
    pub route: Option<RouteId>,
    /// Whether the same two nodes were linked before.
    pub again: bool,
    pub ends: [End; 2],
}

impl Link {
    /// Whether both ends are up, and nothing on its way is going to be lost.
    pub fn is_whole(&self) -> bool {
        self.ends.iter().all(|end| end.up && end.horizon == u64::MAX)
    }
}

/// All routes and links.
pub(super) struct Network {
    pub routes: Vec<Route>,
    pub links: BTreeMap<LinkId, Link>,
    /// Pairs of dialer and target that cannot reach each other, until when.
    pub blocked: BTreeMap<(NodeId, NodeId), u64>,
    /// Decides which frames are repeated.
    pub chance: Random,
    met: BTreeSet<(NodeId, NodeId)>,
    last_link: LinkId,
}

/// What a link's side is called by the replica there.
pub(super) const fn connection(link: LinkId, side: usize) -> ConnectionId {
    ConnectionId(link * 2 + side as u64)
}

/// The side of a link that a replica means.
pub(super) const fn link_of(connection: ConnectionId) -> (LinkId, usize) {
    (connection.0 / 2, (connection.0 % 2) as usize)
}

impl Network {
    /// Without routes and links.
    pub const fn new(chance: Random) -> Self {
        Self {
            routes: Vec::new(),
            links: BTreeMap::new(),
            blocked: BTreeMap::new(),
            chance,
            met: BTreeSet::new(),
            last_link: 0,
        }
    }

    /// A new link; the caller tells both nodes.
    pub fn link(&mut self, route: Option<RouteId>, dialer: NodeId, target: NodeId) -> LinkId {
        self.last_link += 1;
        let again = !self.met.insert((dialer, target));
        self.links.insert(self.last_link, Link { route, again, ends: [End::new(dialer), End::new(target)] });
        self.last_link
    }

    /// When a frame given to this side leaves, and when it arrives.
    pub fn carry(
        &mut self,
        link: LinkId,
        side: usize,
        now: u64,
        sending: u64,
        delay: u64,
    ) -> Option<(u64, u64)> {
        let link = self.links.get_mut(&link).filter(|link| link.ends[side].up)?;
        let leaves = now.max(link.ends[side].clogged_until) + sending;
        let there = &mut link.ends[1 - side];
        there.last_arrival = there.last_arrival.max(leaves + delay);
        Some((leaves, there.last_arrival))
    }

    /// When the frame that was given last to this side arrives once more, if it does.
    pub fn repeat(&mut self, link: LinkId, side: usize, likely: f64, delay: u64) -> Option<u64> {
        let repeated = likely > 0.0 && self.chance.chance(likely);
        let there = &mut self.links.get_mut(&link).filter(|_| repeated)?.ends[1 - side];
        there.last_arrival += self.chance.below(delay);
        Some(there.last_arrival)
    }

    /// When the last frame arrives that is on its way somewhere.
    pub fn last_arrival(&self) -> u64 {
        let up = self.links.values().flat_map(|link| &link.ends).filter(|end| end.up);
        up.map(|end| end.last_arrival).max().unwrap_or_default()
    }

    pub fn is_blocked(&self, dialer: NodeId, target: NodeId, now: u64) -> bool {
        self.blocked.get(&(dialer, target)).is_some_and(|until| now < *until)
    }

    /// Links that a node has an end of, and which.
    pub fn links_of(&self, node: NodeId) -> Vec<(LinkId, usize)> {
        let side = |link: &Link| link.ends.iter().position(|end| end.node == node && end.up);
        self.links.iter().filter_map(|(id, link)| Some((*id, side(link)?))).collect()
    }

    /// Links between two nodes that both ends know of.
    pub fn whole_links(&self) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.is_whole()).map(|(id, _)| *id).collect()
    }
}
