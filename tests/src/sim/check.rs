//! What must hold once faults have stopped: soon everybody is in sync, and everything is where it should be.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::crdt::Crdt;
use syncline_core::event::Input;
use syncline_core::id::{DocId, EntryId, Have};
use syncline_core::json::to_canonical_json;
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::replica::{Config, Policy, Replica};
use syncline_core::time::Time;
use syncline_core::value::Value;

use super::disk::Disk;
use super::guests::Client;
use super::network::{NodeId, Route, connection};
use super::options::Uplink;
use super::store::Work;
use super::workload;
use super::world::{Happening, World};

/// How long after the last fault everybody must be in sync, in simulated milliseconds.
pub const PATIENCE: u64 = 60_000;

/// How often that is looked for.
const GLANCE: u64 = 500;

/// How long nothing may be said once everybody is in sync.
const SILENCE: u64 = 2_000;

impl World {
    /// From the beginning to the end of a world.
    pub fn play(&mut self) -> Result<(), String> {
        self.plan_faults();
        self.plans.plan(300, Happening::Edit);
        self.plans.plan(700, Happening::Read);
        self.invite();
        self.run_until(self.options.duration)?;
        let survivors = self.calm_down()?;
        self.settle()?;
        self.check_silence()?;
        self.check_everything(&survivors)
    }

    /// Ends all faults. Returns what is on disks and must not be lost from now on.
    fn calm_down(&mut self) -> Result<BTreeMap<DocId, Have>, String> {
        self.calm = true;
        (self.options.delay, self.options.sending, self.options.commit) = (20, 2, 5);
        self.network.blocked.clear();
        self.network
            .links
            .values_mut()
            .for_each(|link| link.ends.iter_mut().for_each(|end| end.clogged_until = 0));
        for id in 0..self.nodes.len() {
            self.nodes[id].store.full_until = 0;
            self.nodes[id].store.unreadable = false;
            if self.nodes[id].paused.is_some() {
                self.plans.plan(self.now, Happening::Resume(id));
            }
            self.check_saved(id)?;
            self.plans.plan(self.now, Happening::Start(id));
        }
        self.check_relays_kept()?;
        self.bridge_relays();
        if self.options.late_client {
            self.add_node(false, Disk::default());
            self.lay_uplinks(self.nodes.len() - 1);
        }
        Ok(self.on_disks())
    }

    /// One client is linked to both relays at the end, so that what only one of them has gets to the other.
    fn bridge_relays(&mut self) {
        if self.options.relays > 1 && self.options.uplink == Uplink::Preferred {
            (0..self.options.relays).for_each(|relay| self.lay_route(self.options.relays, vec![relay]));
        }
    }

    pub fn lay_uplinks(&mut self, id: NodeId) {
        let relays: Vec<NodeId> = (0..self.options.relays).collect();
        match self.options.uplink {
            Uplink::Preferred => self.lay_route(id, relays),
            Uplink::Both => relays.into_iter().for_each(|relay| self.lay_route(id, vec![relay])),
        }
    }

    pub fn lay_route(&mut self, dialer: NodeId, targets: Vec<NodeId>) {
        self.network.routes.push(Route::new(dialer, targets));
        let route = self.network.routes.len() - 1;
        self.plans.plan(self.now + 1, Happening::Dial(route, 0));
    }

    /// What relays were ever said to hold is there, unless one of them went back in time.
    fn check_relays_kept(&self) -> Result<(), String> {
        if self.oracle.restored {
            return Ok(());
        }
        let relays = || self.nodes.iter().filter(|node| node.relay);
        for marker in &self.oracle.acked {
            let doc = self.oracle.document_of(*marker);
            let held = |node: &super::node::Node| {
                let have = doc.and_then(|doc| node.store.disk.get(doc)).map(|held| &held.have);
                self.oracle.holds(have, *marker)
            };
            if !relays().any(held) {
                return Err(format!("edit {marker} was acknowledged and is on no relay's disk"));
            }
        }
        Ok(())
    }

    /// Every entry on any disk, but for documents that are about to be forgotten there.
    fn on_disks(&self) -> BTreeMap<DocId, Have> {
        let mut all: BTreeMap<DocId, Have> = BTreeMap::new();
        for store in self.nodes.iter().map(|node| &node.store) {
            for (doc, held) in store.disk.documents().filter(|(doc, _)| !store.forgets(doc)) {
                all.entry(doc.clone()).or_default().merge(&held.have);
            }
        }
        all
    }

    /// Waits until everybody is in sync, once what is on its way has arrived.
    fn settle(&mut self) -> Result<(), String> {
        let end = self.now.max(self.network.last_arrival()) + PATIENCE;
        loop {
            self.run_until(self.now + GLANCE)?;
            match self.unsettled() {
                None => return Ok(()),
                Some(reason) if self.now >= end => return Err(format!("stalled: {reason}")),
                Some(_) => {}
            }
            if self.options.poison > 0.0 {
                self.compact_relays()?;
            }
        }
    }

    /// Relays find poison when they compact.
    fn compact_relays(&mut self) -> Result<(), String> {
        let documents: Vec<DocId> = self.documents.keys().cloned().collect();
        let poisoned: Vec<DocId> = documents.into_iter().filter(|doc| self.has_poison(doc)).collect();
        for id in 0..self.options.relays {
            if let Some(replica) = &mut self.nodes[id].replica {
                poisoned.iter().for_each(|doc| replica.compact(doc));
            }
            self.perform(id)?;
        }
        Ok(())
    }

    /// Why this world is not at rest, if it is not.
    fn unsettled(&self) -> Option<String> {
        let whole = self.network.whole_links();
        let parted = |route: &&Route| route.link.is_none_or(|link| !whole.contains(&link));
        if let Some(route) = self.network.routes.iter().find(parted) {
            return Some(format!("node {} is not linked to {}", route.dialer, route.target()));
        }
        for (id, node) in self.nodes.iter().enumerate() {
            let Some(replica) = &node.replica else { return Some(format!("node {id} is down")) };
            if node.store.work != Work::Idle || !node.store.requests.is_empty() {
                return Some(format!("node {id} waits for its disk"));
            }
            if let Some((doc, _)) = node.apps.iter().find(|(_, app)| app.phase != super::node::Phase::Open) {
                return Some(format!("node {id} does not have {doc} open"));
            }
            if let Some(reason) = self.documents.keys().find_map(|doc| self.out_of_sync(id, replica, doc)) {
                return Some(reason);
            }
        }
        let away = |guest: &Client| guest.line.is_none() || guest.saved < guest.edits.len();
        if let Some(guest) = self.guests.all.iter().position(away) {
            return Some(format!("guest {guest} has edits that are not saved, or no line"));
        }
        self.documents.keys().find_map(|doc| self.divided(doc))
    }

    fn out_of_sync(&self, id: NodeId, replica: &Replica, doc: &DocId) -> Option<String> {
        if self.nodes[id].relay {
            return None;
        }
        let mut links = self.network.links_of(id);
        links.retain(|(link, _)| self.network.links[link].route.is_some());
        let relay =
            |(link, side): &(u64, usize)| self.nodes[self.network.links[link].ends[1 - side].node].relay;
        let progress = replica.progress(doc)?;
        if links.iter().any(relay) && progress.pending > 0 {
            return Some(format!("node {id} has {} edits of {doc} pending", progress.pending));
        }
        let out = |(link, side): &&(u64, usize)| !replica.in_sync(connection(*link, *side), doc);
        let (link, _) = links.iter().find(out)?;
        let ends = &self.network.links[link].ends;
        Some(format!(
            "node {id} is not in sync about {doc} on link {link} from {} to {}",
            ends[0].node, ends[1].node
        ))
    }

    /// Who holds other entries, or reads something else.
    fn divided(&self, doc: &DocId) -> Option<String> {
        let mut logs = (0..self.nodes.len()).filter_map(|id| Some((id, self.held(id, doc)?)));
        let (first, have) = logs.next()?;
        if let Some((other, theirs)) = logs.find(|(_, theirs)| *theirs != have) {
            return Some(format!(
                "nodes {first} and {other} hold other entries of {doc}: {have:?} and {theirs:?}"
            ));
        }
        let clients = self.nodes.iter().enumerate().skip(self.options.relays);
        let mut texts =
            clients.filter_map(|(id, node)| Some((id, read(node.replica.as_ref()?.document(doc)?))));
        let (first, text) = texts.next()?;
        let guests = self.guests.all.iter().filter(|guest| guest.doc == *doc);
        if let Some(theirs) = guests.map(|guest| read(&*guest.document)).find(|theirs| *theirs != text) {
            return Some(format!("a guest and node {first} read {doc} differently:\n{theirs}\n{text}"));
        }
        let (other, theirs) = texts.find(|(_, theirs)| *theirs != text)?;
        Some(format!("nodes {first} and {other} read {doc} differently:\n{text}\n{theirs}"))
    }

    /// The entries of a document that is open at a node, in memory or, where it was unloaded, on its disk.
    fn held(&self, id: NodeId, doc: &DocId) -> Option<Have> {
        let node = &self.nodes[id];
        let replica = node.replica.as_ref()?;
        if let Some(log) = replica.log(doc) {
            return Some(log.have().clone());
        }
        replica.documents().find(|open| *open == doc)?;
        let stored = &node.store.disk.get(doc)?.stored;
        let mut have = stored.snapshot.as_ref().map(|base| base.covers.clone()).unwrap_or_default();
        stored.entries.iter().for_each(|stored| have.insert(stored.entry.id));
        Some(have)
    }

    /// Whoever is in sync has nothing more to say.
    fn check_silence(&mut self) -> Result<(), String> {
        // The last updates may wait for others before they leave, and what is said of them as well.
        self.run_until(self.now + SILENCE + 4 * self.options.batching.delay)?;
        let last = self.last_frame;
        self.run_until(self.now + SILENCE)?;
        if self.last_frame > last {
            return Err("everybody is in sync, and they go on talking".to_owned());
        }
        match self.unsettled() {
            Some(reason) => Err(format!("everybody was in sync, and now: {reason}")),
            None => Ok(()),
        }
    }

    fn check_everything(&self, survivors: &BTreeMap<DocId, Have>) -> Result<(), String> {
        (0..self.nodes.len()).try_for_each(|id| self.check_saved(id))?;
        let documents: Vec<&DocId> = self.documents.keys().collect();
        for doc in documents {
            let log =
                |node: &super::node::Node| node.replica.as_ref()?.log(doc).map(|log| log.have().clone());
            let Some(have) = self.nodes.iter().find_map(log) else { continue };
            self.check_survivors(doc, survivors.get(doc), &have)?;
            for (id, node) in self.nodes.iter().enumerate() {
                let text = self.reload(id, doc)?;
                if let Some(document) = node.replica.as_ref().and_then(|replica| replica.document(doc))
                    && read(document) != text
                {
                    return Err(format!(
                        "{doc} at node {id} reads differently from disk:\n{text}\n{}",
                        read(document)
                    ));
                }
            }
            self.check_content(doc, &have)?;
        }
        Ok(())
    }

    fn check_survivors(&self, doc: &DocId, survivors: Option<&Have>, have: &Have) -> Result<(), String> {
        for last in survivors.into_iter().flat_map(Have::iter) {
            for counter in 1..=last.counter {
                let id = EntryId { counter, ..last };
                if !have.covers(&id) && !self.oracle.is_fenced(doc, &id) {
                    return Err(format!("entry {id} of {doc} was on a disk, and nobody has it any more"));
                }
            }
        }
        let lost = |marker: &&u64| {
            self.oracle.document_of(**marker) == Some(doc) && !self.oracle.holds(Some(have), **marker)
        };
        match self.oracle.acked.iter().find(lost).filter(|_| !self.oracle.restored) {
            Some(marker) if !self.oracle.refused.contains(marker) => {
                Err(format!("edit {marker} of {doc} was acknowledged by a relay and is lost"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What a node's disk holds, read by a process that never saw it before.
    fn reload(&self, id: NodeId, doc: &DocId) -> Result<String, String> {
        let config = Config { policy: Policy::client(), ..self.nodes[id].config.clone() };
        let (mut replica, now) = (Replica::new(config), Time(0));
        let stored = self.nodes[id].store.disk.get(doc).map(|held| held.stored.clone());
        replica.open(now, doc, self.documents.get(doc).copied());
        replica.handle(now, Input::Loaded { doc: doc.clone(), result: Ok(stored) });
        let document =
            replica.document(doc).ok_or_else(|| format!("{doc} on the disk of node {id} does not load"))?;
        Ok(read(document))
    }

    /// Every entry took effect once: all of what it did is there, and nothing else.
    fn check_content(&self, doc: &DocId, have: &Have) -> Result<(), String> {
        let Some(family) = self.documents.get(doc).map(|spec| spec.family) else { return Ok(()) };
        let clients = self.nodes.iter().skip(self.options.relays);
        let Some(document) = clients.filter_map(|node| node.replica.as_ref()?.document(doc)).next() else {
            return Ok(());
        };
        let (expected, unclear) = self.expected(doc, have)?;
        let mut found = Effects {
            markers: count(workload::numbered(document, family, 'e')),
            unique: count(workload::numbered(document, family, 'd')),
            counters: std::array::from_fn(|n| match document.value(&workload::counter(n)) {
                Some(Value::Counter(sum)) => sum,
                Some(_) | None => 0,
            }),
        };
        found.unique.retain(|unique, _| !unclear.contains(unique));
        if read(document).contains(workload::FORBIDDEN) {
            return Err(format!("{doc} holds what relays refuse"));
        }
        if expected == found {
            return Ok(());
        }
        Err(format!(
            "{doc} does not hold what its entries did, each once:\nexpected {expected:?}\nfound {found:?}"
        ))
    }

    /// What must be there, and which values may be there or not: those that were put by several entries, as two
    /// copies of a store made the same refused edit again, and were removed by somebody who knew only one of them.
    fn expected(&self, doc: &DocId, have: &Have) -> Result<(Effects, BTreeSet<u64>), String> {
        let (mut effects, mut guests) = (Effects::default(), BTreeSet::new());
        let (mut removed, mut unclear) = (BTreeSet::new(), BTreeSet::new());
        for last in have.iter() {
            for counter in 1..=last.counter {
                let key = (doc.clone(), EntryId { counter, ..last });
                let known =
                    self.oracle.entries.get(&key).ok_or_else(|| format!("{} was never written", key.1))?;
                if self.oracle.skipped.contains_key(&key) {
                    continue;
                }
                effects.markers.extend(known.marker.map(|marker| (marker, 1)));
                guests.extend(known.guests.iter().copied());
                for put in known.operations.iter().filter_map(workload::unique_put) {
                    if effects.unique.insert(put, 1).is_some() {
                        unclear.insert(put);
                    }
                }
                removed.extend(known.operations.iter().filter_map(workload::unique_removed));
                known.operations.iter().for_each(|operation| effects.count(operation));
            }
        }
        // However often a guest's edit came, and by whomever, it is one edit.
        for edit in guests.into_iter().map(|index| &self.oracle.guest_edits[index]) {
            effects.markers.insert(edit.marker, 1);
            effects
                .unique
                .extend(edit.operations.iter().filter_map(workload::unique_put).map(|put| (put, 1)));
            removed.extend(edit.operations.iter().filter_map(workload::unique_removed));
            edit.operations.iter().for_each(|operation| effects.count(operation));
        }
        unclear.retain(|unique| removed.contains(unique));
        effects.unique.retain(|unique, _| !removed.contains(unique));
        Ok((effects, unclear))
    }
}

/// What of a document's content follows from which entries it was made of, in whatever order.
#[derive(Debug, Default, PartialEq)]
struct Effects {
    markers: BTreeMap<u64, u64>,
    unique: BTreeMap<u64, u64>,
    counters: [i64; workload::COUNTERS],
}

impl Effects {
    fn count(&mut self, operation: &Operation) {
        if let Operation::Increment { path, by } = operation
            && let Some(n) = (0..workload::COUNTERS).find(|n| workload::counter(*n) == *path)
        {
            self.counters[n] += by;
        }
    }
}

fn count(numbers: Vec<u64>) -> BTreeMap<u64, u64> {
    numbers.into_iter().map(|number| (number, 1)).collect()
}

fn read(document: &dyn Crdt) -> String {
    document.value(&Path::root()).map_or_else(String::new, |value| to_canonical_json(&value))
}
