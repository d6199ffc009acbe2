//! The world: nodes, the network between them, and the one loop in which everything happens.

use std::collections::BTreeMap;

use syncline_core::entry::{Entry, Spec};
use syncline_core::event::{Event, Input, Output, Side};
use syncline_core::id::{ConnectionId, DocId, Principal};
use syncline_core::random::Random;
use syncline_core::replica::{Config, Merged, Policy, Replica};
use syncline_core::wire::{Codec, Frame, Message};

use super::disk::Disk;
use super::fault::{Counts, Fault};
use super::guests::{Guests, Visit};
use super::network::{LinkId, Network, NodeId, RouteId, STRANGER, connection, link_of};
use super::node::Node;
use super::options::Options;
use super::oracle::Oracle;
use super::plant::Plant;
use super::queue::Queue;
use super::store::{Request, Work};
use super::trace::Trace;
use super::workload::is_forbidden;

/// What a relay says to whoever writes where it does not want it.
pub(super) const FORBIDDEN_REASON: &str = "nobody writes there";

/// Most happenings in a world; a hundred thousand are many.
const MAX_STEPS: u64 = 300_000;

/// Something that will happen.
pub(super) enum Happening {
    /// A fault of a kind strikes, unless faults are over.
    Strike(Fault),
    /// Somebody edits.
    Edit,
    /// Somebody reads.
    Read,
    /// A process starts.
    Start(NodeId),
    /// A paused process goes on.
    Resume(NodeId),
    /// Something inside a process, if it is still the same one.
    Inside(NodeId, u32, Local),
    /// A node dials, if no newer attempt was planned.
    Dial(RouteId, u64),
    /// The link takes another frame.
    Writable(LinkId, usize),
    /// A frame reaches a side.
    Arrive(LinkId, usize, Frame),
    /// A side learns that the link is gone.
    Lost(LinkId, usize),
    /// Something between guests and relays.
    Visit(Visit),
}

/// What happens inside a process.
pub(super) enum Local {
    Tick,
    /// The disk is done with what it was doing.
    Done,
    /// The disk takes writes again.
    Mended,
    /// The beginning of a log was merged.
    Merged(Box<Merged>),
    /// The application opens a document.
    Open(DocId),
}

/// A simulated world.
pub(super) struct World {
    pub now: u64,
    pub plans: Queue<Happening>,
    pub nodes: Vec<Node>,
    pub network: Network,
    pub guests: Guests,
    pub oracle: Oracle,
    pub options: Options,
    pub documents: BTreeMap<DocId, Spec>,
    pub random: Random,
    pub counts: Counts,
    pub trace: Trace,
    pub plant: Option<Plant>,
    /// Whether faults and edits are over.
    pub calm: bool,
    /// How many happenings there have been, and when the last frame arrived.
    pub steps: u64,
    pub last_frame: u64,
}

fn policy(options: &Options, relay: bool) -> Policy {
    fn accepts(_: &DocId, entry: &Entry) -> Result<(), String> {
        let forbidden = entry.touched.iter().any(|touch| is_forbidden(&touch.path));
        if forbidden { Err(FORBIDDEN_REASON.to_owned()) } else { Ok(()) }
    }
    let (policy, compaction) = match relay {
        true => {
            let loaded_bytes = options.loaded_bytes;
            (Policy { accepts, loaded_bytes, ..Policy::relay() }, options.relay_compaction)
        }
        false => (Policy::client(), options.compaction),
    };
    Policy { compaction: compaction.unwrap_or_default(), batching: options.batching, ..policy }
}

/// Whether a frame holds what the protocol answers one for one, so that a link must not repeat it.
fn is_counted(frame: &Frame) -> bool {
    let is_shut = |message: &Message| matches!(message, Message::Shut { .. });
    Codec::decode(frame).is_ok_and(|messages| messages.iter().any(is_shut))
}

impl World {
    /// The world of a seed, before anything has happened.
    pub fn new(
        options: Options,
        random: Random,
        chance: Random,
        plant: Option<Plant>,
        with_lines: bool,
    ) -> Self {
        let names = 0..options.specs.len();
        let documents = names.map(|n| DocId::new(&format!("doc{n}")).expect("a short name"));
        let mut world = Self {
            now: 0,
            plans: Queue::default(),
            nodes: Vec::new(),
            network: Network::new(chance),
            guests: Guests::default(),
            oracle: Oracle::default(),
            documents: documents.zip(options.specs.iter().copied()).collect(),
            options,
            random,
            counts: Counts::default(),
            trace: Trace::new(with_lines),
            plant,
            calm: false,
            steps: 0,
            last_frame: 0,
        };
        (0..world.options.relays).for_each(|_| world.add_node(true, Disk::default()));
        (0..world.options.clients).for_each(|_| world.add_node(false, Disk::default()));
        world.lay_routes();
        world
    }

    pub fn add_node(&mut self, relay: bool, disk: Disk) {
        let id = self.nodes.len();
        let (encoding, compression) = self.options.dialects[id % self.options.dialects.len()].clone();
        let config = Config {
            agent: format!("sim {id}"),
            principal: Principal::new(&format!("user{id}")).expect("a short name"),
            encoding,
            compression,
            seed: self.random.next_u64(),
            policy: policy(&self.options, relay),
        };
        let mut node = Node::new(relay, config, disk);
        if !relay {
            node.apps = self.documents.keys().map(|doc| (doc.clone(), Default::default())).collect();
        }
        self.nodes.push(node);
        let start = self.now + self.random.below(200);
        self.plans.plan(start, Happening::Start(id));
    }

    /// Lets everything happen that is planned before `end`.
    pub fn run_until(&mut self, end: u64) -> Result<(), String> {
        while let Some((time, happening)) = self.plans.next_before(end) {
            self.now = self.now.max(time);
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err("it does not come to an end".to_owned());
            }
            self.happen(happening)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let Some(happening) = self.defer(happening) else { return Ok(()) };
        match happening {
            Happening::Strike(fault) => self.strike(fault),
            Happening::Edit => self.edit_somewhere(),
            Happening::Read => self.read_somewhere(),
            Happening::Start(node) => self.start(node),
            Happening::Resume(node) => self.resume(node),
            Happening::Inside(node, incarnation, local) if self.nodes[node].incarnation == incarnation => {
                self.inside(node, local)
            }
            Happening::Inside(..) => Ok(()),
            Happening::Dial(route, attempt) => self.dial(route, attempt),
            Happening::Writable(link, side) => self.writable(link, side),
            Happening::Arrive(link, side, frame) => self.arrive(link, side, frame),
            Happening::Lost(link, side) => self.lost(link, side),
            Happening::Visit(visit) => self.visit(visit),
        }
    }

    /// Keeps for later what concerns a paused process.
    fn defer(&mut self, happening: Happening) -> Option<Happening> {
        let node = match &happening {
            Happening::Inside(node, ..) => *node,
            Happening::Dial(route, _) => self.network.routes[*route].dialer,
            Happening::Writable(link, side)
            | Happening::Arrive(link, side, _)
            | Happening::Lost(link, side) => self.network.links.get(link)?.ends[*side].node,
            Happening::Visit(Visit::News(node, _)) => *node,
            Happening::Visit(Visit::ToRelay(guest, line, _) | Visit::Left(guest, line)) => {
                self.guests.relay_of(*guest, *line)
            }
            Happening::Visit(_)
            | Happening::Strike(_)
            | Happening::Edit
            | Happening::Read
            | Happening::Start(_)
            | Happening::Resume(_) => return Some(happening),
        };
        let waiting = self.nodes.get_mut(node).and_then(|node| node.paused.as_mut());
        match waiting {
            Some(waiting) => {
                waiting.push(happening);
                None
            }
            None => Some(happening),
        }
    }

    fn resume(&mut self, node: NodeId) -> Result<(), String> {
        let waiting = self.nodes[node].paused.take().unwrap_or_default();
        waiting.into_iter().try_for_each(|happening| self.happen(happening))
    }

    fn inside(&mut self, node: NodeId, local: Local) -> Result<(), String> {
        match local {
            Local::Tick => {
                self.nodes[node].tick_at = 0;
                self.input(node, Input::Tick)
            }
            Local::Done => self.disk_done(node),
            Local::Mended => {
                self.nodes[node].store.work = Work::Idle;
                self.input(node, Input::StoreReady)
            }
            Local::Merged(merged) => self.input(node, Input::Merged(*merged)),
            Local::Open(doc) => self.open(node, &doc),
        }
    }

    /// Gives a replica an input and performs what it asks for.
    pub fn input(&mut self, node: NodeId, input: Input) -> Result<(), String> {
        let now = self.nodes[node].time(self.now);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.handle(now, input);
        }
        self.perform(node)
    }

    /// Performs everything a replica asks for. What it says is saved is looked at last: tickets of edits that are
    /// reported lost in the same breath count as done.
    pub fn perform(&mut self, node: NodeId) -> Result<(), String> {
        let mut saved = Vec::new();
        while let Some(output) = self.nodes[node].replica.as_mut().and_then(Replica::poll) {
            match output {
                Output::Write { id, write } => {
                    self.note(node, &[1, id.0], &[], || format!("writes {}", super::show::write(&write)));
                    self.oracle_on_write(node, &write)?;
                    self.nodes[node].store.requests.push_back(Request::Write(id, write));
                    self.planted_write(node, id)?;
                }
                Output::Load { doc } => {
                    if let Some(app) = self.nodes[node].apps.get_mut(&doc) {
                        app.fresh = true;
                    }
                    self.nodes[node].store.requests.push_back(Request::Load(doc));
                }
                Output::Send { connection, frame, .. } => self.send(node, connection, frame),
                Output::Close { connection, reason } => self.close(node, connection, &reason),
                Output::Merge(merge) => {
                    self.note(node, &[4], &[], || "merges the beginning of a log".to_owned());
                    // Not drawn, so that worlds in which nothing is merged stay what they were for their seeds.
                    let takes = 1 + self.steps % (4 * self.options.commit);
                    self.plan_inside(self.now + takes, node, Local::Merged(Box::new(merge.run())));
                }
                Output::Event(event) => {
                    self.note(node, &[2], &[], || format!("tells {event:?}"));
                    match event {
                        Event::Saved { .. } => saved.push(event),
                        event => self.on_event(node, event)?,
                    }
                }
            }
        }
        self.check_lost(node)?;
        saved.into_iter().try_for_each(|event| self.on_event(node, event))?;
        self.begin_disk(node);
        self.plan_tick(node);
        Ok(())
    }

    pub fn note(&mut self, node: NodeId, parts: &[u64], bytes: &[u8], line: impl FnOnce() -> String) {
        let name = |node: NodeId| match self.nodes.get(node) {
            Some(Node { relay: true, .. }) => format!("relay {node}"),
            Some(Node { relay: false, .. }) => format!("client {node}"),
            None => "world".to_owned(),
        };
        self.trace.note(self.now, &[&[node as u64], parts].concat(), bytes, || {
            format!("{}: {}", name(node), line())
        });
    }

    fn plan_tick(&mut self, node: NodeId) {
        let Some(due) = self.nodes[node].replica.as_ref().and_then(Replica::next_timeout) else { return };
        let time = self.nodes[node].when(due).max(self.now + 1);
        let planned = self.nodes[node].tick_at;
        if planned == 0 || time < planned {
            self.nodes[node].tick_at = time;
            self.plan_inside(time, node, Local::Tick);
        }
    }

    pub fn plan_inside(&mut self, time: u64, node: NodeId, local: Local) {
        let incarnation = self.nodes[node].incarnation;
        self.plans.plan(time, Happening::Inside(node, incarnation, local));
    }
}

/// Links.
impl World {
    pub fn dial(&mut self, route: RouteId, attempt: u64) -> Result<(), String> {
        let Some(wish) =
            self.network.routes.get(route).filter(|wish| wish.attempt == attempt && wish.link.is_none())
        else {
            return Ok(());
        };
        let (dialer, target) = (wish.dialer, wish.target());
        if self.nodes[dialer].replica.is_none() {
            return Ok(());
        }
        if self.nodes[target].replica.is_none() || self.network.is_blocked(dialer, target, self.now) {
            self.redial(route);
            return Ok(());
        }
        let link = self.network.link(Some(route), dialer, target);
        self.network.routes[route].link = Some(link);
        self.note(dialer, &[3, link], &[], || format!("is linked to {target}"));
        self.connected(link)
    }

    /// Tells both nodes of a new link. A paused node has it accepted by its system.
    pub fn connected(&mut self, link: LinkId) -> Result<(), String> {
        for (side, says) in [(1, Side::Accepted), (0, Side::Dialed)] {
            let Some(node) = self.network.links.get(&link).map(|link| link.ends[side].node) else { continue };
            if node == STRANGER {
                continue;
            }
            if self.nodes[node].paused.is_some() {
                self.cut(link, 0, 10);
                continue;
            }
            self.input(
                node,
                Input::Connected { connection: connection(link, side), side: says, visitor: None },
            )?;
        }
        Ok(())
    }

    /// Plans the next attempt after a failed or lost link.
    pub fn redial(&mut self, route: RouteId) {
        let wish = &mut self.network.routes[route];
        wish.link = None;
        wish.attempt += 1;
        let wait = wish.next_wait(&mut self.random);
        self.plans.plan(self.now + wait, Happening::Dial(route, wish.attempt));
    }

    fn send(&mut self, node: NodeId, connection: ConnectionId, frame: Frame) {
        let (link, side) = link_of(connection);
        let sending = self.random.below(self.options.sending + 1);
        let delay = 1 + self.random.below(self.options.delay);
        let carried = self.network.carry(link, side, self.now, sending, delay);
        self.note(node, &[4, link], &frame.bytes, || {
            format!("on link {link} says {}", super::show::frame(&frame))
        });
        let Some((leaves, arrives)) = carried else { return };
        self.plans.plan(leaves, Happening::Writable(link, side));
        self.plans.plan(arrives, Happening::Arrive(link, 1 - side, frame.clone()));
        let likely = if self.calm || is_counted(&frame) { 0.0 } else { self.options.repeated };
        if let Some(arrives) = self.network.repeat(link, side, likely, self.options.delay) {
            self.counts.add("frame repeated", 1);
            self.note(STRANGER, &[21, link], &[], || format!("repeats this on link {link}"));
            self.plans.plan(arrives, Happening::Arrive(link, 1 - side, frame));
        }
    }

    fn writable(&mut self, link: LinkId, side: usize) -> Result<(), String> {
        let Some(end) = self.network.links.get(&link).map(|link| &link.ends[side]).filter(|end| end.up)
        else {
            return Ok(());
        };
        match end.node {
            STRANGER => Ok(()),
            node => self.input(node, Input::Writable { connection: connection(link, side) }),
        }
    }

    fn arrive(&mut self, link: LinkId, side: usize, frame: Frame) -> Result<(), String> {
        let Some(found) = self.network.links.get(&link) else { return Ok(()) };
        let end = &found.ends[side];
        if !end.up || end.horizon < self.now {
            self.counts.add("frame lost", 1);
            return Ok(());
        }
        let node = end.node;
        if node == STRANGER {
            return Ok(());
        }
        // Rubbish that is late says nothing about those who keep to the protocol; nor do the last words of a dead link.
        if found.route.is_some() && found.is_whole() {
            self.last_frame = self.now;
        }
        let frame = self.planted_frame(link, side, frame)?;
        self.counts.add("frame received", 1);
        self.note(node, &[5, link], &[], || format!("hears on link {link} {}", super::show::frame(&frame)));
        self.input(node, Input::Received { connection: connection(link, side), frame })
    }

    fn lost(&mut self, link: LinkId, side: usize) -> Result<(), String> {
        let Some(gone) = self.network.links.get_mut(&link) else { return Ok(()) };
        if !std::mem::take(&mut gone.ends[side].up) {
            return Ok(());
        }
        let node = gone.ends[side].node;
        self.note(node, &[6, link], &[], || format!("loses link {link}"));
        self.forget_end(link, side);
        match node {
            STRANGER => Ok(()),
            node => self.input(node, Input::Disconnected { connection: connection(link, side) }),
        }
    }

    /// A side no longer has the link: its node dials again if it was the one that did, and once both have
    /// lost it the link is forgotten.
    fn forget_end(&mut self, link: LinkId, side: usize) {
        let Some(gone) = self.network.links.get(&link) else { return };
        let route = gone.route.filter(|_| side == 0);
        if gone.ends.iter().all(|end| !end.up || end.node == STRANGER) {
            self.network.links.remove(&link);
        }
        if let Some(route) = route.filter(|route| self.network.routes[*route].link == Some(link)) {
            self.redial(route);
        }
    }

    /// A replica ends a link, once what it said has been heard.
    fn close(&mut self, node: NodeId, connection: ConnectionId, reason: &str) {
        let (link, side) = link_of(connection);
        self.note(node, &[7, link], &[], || format!("closes link {link}: {reason}"));
        let Some(gone) = self.network.links.get_mut(&link) else { return };
        gone.ends[side].up = false;
        let there = &mut gone.ends[1 - side];
        let last = there.last_arrival.max(self.now);
        there.horizon = there.horizon.min(last);
        self.plans.plan(last + 1, Happening::Lost(link, 1 - side));
        self.forget_end(link, side);
    }

    /// Ends a link: of what is on its way each side still hears a little. `late` is when each side learns of it.
    pub fn cut(&mut self, link: LinkId, early: u64, late: u64) {
        let Some(gone) = self.network.links.get_mut(&link) else { return };
        for side in [0, 1] {
            let heard = self.now + self.random.below(early + 1);
            gone.ends[side].horizon = gone.ends[side].horizon.min(heard);
            let learns = heard + 1 + self.random.below(late + 1);
            self.plans.plan(learns, Happening::Lost(link, side));
        }
    }
}
