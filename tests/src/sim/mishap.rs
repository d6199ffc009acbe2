//! How each kind of fault strikes.

use bytes::Bytes;

use syncline_core::event::Side;
use syncline_core::id::DocId;
use syncline_core::wire::Frame;

use super::fault::Fault;
use super::network::{NodeId, STRANGER, connection};
use super::node::Phase;
use super::options::Topology;
use super::world::{Happening, Local, World};

/// Most nodes in a world, copies included.
const MAX_NODES: usize = 10;

/// How many older copies of a disk are kept.
const MAX_BACKUPS: usize = 4;

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

impl World {
    /// Plans the first fault of each kind that this world has.
    pub fn plan_faults(&mut self) {
        for (fault, mean) in self.options.faults.clone() {
            let first = self.random.below(2 * mean);
            self.plans.plan(first, Happening::Strike(fault));
        }
    }

    pub fn strike(&mut self, fault: Fault) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let mean = self.options.faults.get(&fault).copied().unwrap_or(u64::MAX / 4);
        let again = self.now + 1 + self.random.below(2 * mean);
        self.plans.plan(again, Happening::Strike(fault));
        let struck = match fault {
            Fault::Cut => self.cut_some(),
            Fault::Partition => self.part(),
            Fault::Clog => self.clog(),
            Fault::Switch => self.switch(),
            Fault::Crash => self.crash_some()?,
            Fault::Leave => self.leave()?,
            Fault::Pause => self.pause(),
            Fault::ClockJump => self.jump(),
            Fault::DiskFull => self.fill_disk(),
            Fault::Unreadable => self.unreadable(),
            Fault::Restore => self.restore()?,
            Fault::Copy => self.copy(),
            Fault::Garbage => self.talk_rubbish()?,
            Fault::Compact => self.compact_some()?,
            Fault::Close => self.close_some(false)?,
            Fault::Forget => self.close_some(true)?,
            Fault::TakeBack => match self.somebody_awake() {
                Some((node, doc)) => self.edit(node, &doc, true).map(|()| true)?,
                None => false,
            },
        };
        if struck {
            self.note(STRANGER, &[20, fault as u64], &[], || fault.name().to_owned());
            self.counts.add(fault.name(), 1);
        }
        Ok(())
    }

    fn some_link(&mut self) -> Option<u64> {
        let links = self.network.whole_links();
        links.get(self.random.index(links.len())).copied()
    }

    fn some_node(&mut self, wanted: impl Fn(&super::node::Node) -> bool) -> Option<NodeId> {
        let nodes: Vec<NodeId> = (0..self.nodes.len()).filter(|id| wanted(&self.nodes[*id])).collect();
        nodes.get(self.random.index(nodes.len())).copied()
    }

    fn cut_some(&mut self) -> bool {
        let Some(link) = self.some_link() else { return false };
        let late = [10, self.options.delay, 10_000][self.random.index(3)];
        self.cut(link, self.options.delay, late);
        true
    }

    fn part(&mut self) -> bool {
        let routes = self.network.routes.len();
        let route = &self.network.routes[self.random.index(routes)];
        let (dialer, target, link) = (route.dialer, route.target(), route.link);
        let until = self.now + 1_000 + self.random.below(20_000);
        self.network.blocked.insert((dialer, target), until);
        if let Some(link) = link {
            self.cut(link, 0, 15_000);
        }
        true
    }

    fn clog(&mut self) -> bool {
        let Some(link) = self.some_link() else { return false };
        let until = self.now + 500 + self.random.below(8_000);
        let side = self.random.index(2);
        if let Some(link) = self.network.links.get_mut(&link) {
            link.ends[side].clogged_until = until;
        }
        true
    }

    /// The link to the present relay is given up for one to another.
    fn switch(&mut self) -> bool {
        let routes = &self.network.routes;
        let several: Vec<usize> = (0..routes.len()).filter(|id| routes[*id].targets.len() > 1).collect();
        let Some(route) = several.get(self.random.index(several.len())) else { return false };
        let Some(link) = self.network.routes[*route].link else { return false };
        self.cut(link, self.options.delay, 10);
        true
    }

    fn crash_some(&mut self) -> Result<bool, String> {
        let Some(node) = self.some_node(|node| node.replica.is_some()) else { return Ok(false) };
        self.crash(node)?;
        self.check_saved(node)?;
        self.restart_later(node);
        Ok(true)
    }

    fn restart_later(&mut self, node: NodeId) {
        let down = [50, 1_000, 15_000][self.random.index(3)];
        let start = self.now + 1 + self.random.below(down);
        self.plans.plan(start, Happening::Start(node));
    }

    fn leave(&mut self) -> Result<bool, String> {
        let Some(node) = self.some_node(|node| node.relay && node.is_awake()) else { return Ok(false) };
        let retry_after = self.random.below(2_000);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.goodbye(retry_after);
        }
        self.perform(node)?;
        self.crash(node)?;
        self.restart_later(node);
        Ok(true)
    }

    fn pause(&mut self) -> bool {
        let Some(node) = self.some_node(super::node::Node::is_awake) else { return false };
        self.nodes[node].paused = Some(Vec::new());
        let until = self.now + 1 + self.random.below(10_000);
        self.plans.plan(until, Happening::Resume(node));
        true
    }

    fn jump(&mut self) -> bool {
        let node = self.random.index(self.nodes.len());
        let by = self.random.below(2 * HOUR as u64 + 1) as i64 - HOUR;
        let node = &mut self.nodes[node];
        node.clock = (node.clock + by).clamp(-HOUR, HOUR);
        true
    }

    fn fill_disk(&mut self) -> bool {
        let node = self.random.index(self.nodes.len());
        self.nodes[node].store.full_until = self.now + 100 + self.random.below(5_000);
        true
    }

    fn unreadable(&mut self) -> bool {
        let node = self.random.index(self.nodes.len());
        self.nodes[node].store.unreadable = true;
        true
    }

    /// Copies a node's disk away, or brings such a copy back.
    fn restore(&mut self) -> Result<bool, String> {
        let id = self.random.index(self.nodes.len());
        // What a relay has lost that replicas wrote comes back from guests, under names that it can no longer tell from forged
        // ones: it refuses them, or the replica when that sends it again. No relay with guests can go back in time unharmed.
        if self.nodes[id].relay && self.options.guests > 0 {
            return Ok(false);
        }
        if self.nodes[id].backups.is_empty() || self.random.chance(0.6) {
            let node = &mut self.nodes[id];
            node.backups.push((node.store.disk.clone(), node.saved.clone()));
            if node.backups.len() > MAX_BACKUPS {
                node.backups.remove(0);
            }
            return Ok(false);
        }
        let which = self.random.index(self.nodes[id].backups.len());
        if self.nodes[id].replica.is_some() {
            self.crash(id)?;
            self.restart_later(id);
        }
        self.disown_logs(id);
        let (disk, saved) = self.nodes[id].backups[which].clone();
        let node = &mut self.nodes[id];
        node.store.disk = disk;
        node.saved = saved;
        self.oracle.restored |= node.relay;
        self.disown_logs(id);
        Ok(true)
    }

    fn disown_logs(&mut self, id: NodeId) {
        let logs = self.nodes[id].store.disk.documents();
        logs.for_each(|(_, held)| self.oracle.disown(held.stored.epoch));
    }

    fn copy(&mut self) -> bool {
        if self.nodes.len() >= MAX_NODES {
            return false;
        }
        let Some(id) = self.some_node(|node| !node.relay) else { return false };
        self.disown_logs(id);
        self.add_node(false, self.nodes[id].store.disk.clone());
        let copy = self.nodes.len() - 1;
        self.nodes[copy].saved = self.nodes[id].saved.clone();
        let routes: Vec<_> = self
            .network
            .routes
            .iter()
            .filter(|route| route.dialer == id)
            .map(|route| route.targets.clone())
            .collect();
        routes.into_iter().for_each(|targets| self.lay_route(copy, targets));
        true
    }

    /// Somebody who is no replica connects. The link must be closed, and nothing else may happen.
    fn talk_rubbish(&mut self) -> Result<bool, String> {
        let Some(node) = self.some_node(super::node::Node::is_awake) else { return Ok(false) };
        let link = self.network.link(None, STRANGER, node);
        let connection = connection(link, 1);
        self.input(
            node,
            syncline_core::event::Input::Connected { connection, side: Side::Accepted, visitor: None },
        )?;
        let frame = self.rubbish();
        let arrives = self.now + 1 + self.random.below(self.options.delay);
        self.plans.plan(arrives, Happening::Arrive(link, 1, frame));
        if self.random.chance(0.5) {
            self.plans.plan(arrives + self.random.below(20_000), Happening::Lost(link, 1));
        }
        Ok(true)
    }

    fn rubbish(&mut self) -> Frame {
        const STARTS: [&[u8]; 6] = [
            b"",
            b"\xF5\x01\x00",
            b"\xF5\x01\x01\x1f\x8b\x08",
            b"\xF5\x02\x00",
            b"[{\"type\":\"ack\",",
            b"[[[[[[",
        ];
        let mut bytes = STARTS[self.random.index(STARTS.len())].to_vec();
        for _ in 0..self.random.index(40) {
            bytes.push(self.random.below(256) as u8);
        }
        Frame { bytes: Bytes::from(bytes), text: self.random.chance(0.2) }
    }

    fn compact_some(&mut self) -> Result<bool, String> {
        let Some(node) = self.some_node(super::node::Node::is_awake) else { return Ok(false) };
        let documents: Vec<DocId> = self.documents.keys().cloned().collect();
        let doc = &documents[self.random.index(documents.len())];
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.compact(doc);
        }
        self.perform(node).map(|()| true)
    }

    fn close_some(&mut self, forget: bool) -> Result<bool, String> {
        let opening = if forget { self.somebody_opening() } else { None };
        let Some((id, doc)) = opening.or_else(|| self.somebody_awake()) else { return Ok(false) };
        self.note(id, &[21], &[], || format!("closes {doc}, forgets it: {forget}"));
        let node = &mut self.nodes[id];
        let (Some(replica), Some(app)) = (&mut node.replica, node.apps.get_mut(&doc)) else {
            return Ok(false);
        };
        app.phase = Phase::Closed;
        if forget {
            replica.delete(&doc);
            let oracle = &self.oracle;
            node.saved.retain(|marker| oracle.document_of(*marker) != Some(&doc));
            node.backups.clear();
        } else {
            replica.close(&doc);
        }
        self.perform(id)?;
        let reopens = self.now + 1 + self.random.below(5_000);
        self.plan_inside(reopens, id, Local::Open(doc));
        Ok(true)
    }

    /// Who dials whom.
    pub fn lay_routes(&mut self) {
        let (relays, clients) = (self.options.relays, self.options.clients);
        for n in 0..clients {
            let id = relays + n;
            let before = relays + self.random.index(n);
            match self.options.topology {
                Topology::Chain if n > 0 => self.lay_route(id, vec![id - 1]),
                Topology::Mesh if n > 0 => {
                    self.lay_route(id, vec![before]);
                    if self.random.chance(0.6) {
                        self.lay_uplinks(id);
                    }
                }
                Topology::Star | Topology::Chain | Topology::Mesh => self.lay_uplinks(id),
            }
        }
    }
}
