//! What must hold at every moment, whatever fails: the oracle knows every edit, everything anybody was promised
//! about it, and every entry ever written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_core::entry::{Body, Entry};
use syncline_core::event::{PeerCursor, Progress, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch, Have, ReplicaId};
use syncline_core::operation::Operation;
use syncline_core::wire::decode_operations;

use super::guest_edits::GuestEdit;
use super::network::NodeId;
use super::workload::{self, is_forbidden, is_poison};
use super::world::World;

/// What the oracle knows.
#[derive(Default)]
pub(super) struct Oracle {
    last_marker: u64,
    /// Every entry ever written.
    pub entries: BTreeMap<(DocId, EntryId), Known>,
    /// The entries that carry each edit; more than one if it was made again after a refusal.
    carriers: BTreeMap<u64, Vec<(DocId, EntryId)>>,
    /// Every edit of a guest.
    pub guest_edits: Vec<GuestEdit>,
    /// What was ever on the disk of a relay.
    at_relays: BTreeMap<DocId, Have>,
    /// How far each log has ever been on disk, and whose it is; `None` if the log was copied or restored.
    logs: BTreeMap<Epoch, (u64, Option<NodeId>)>,
    /// What each node last wrote down of each log.
    cursors: BTreeMap<(NodeId, Epoch), PeerCursor>,
    /// From which counter on relays refuse entries of a replica.
    pub fences: BTreeMap<(DocId, ReplicaId), u64>,
    /// Entries that somebody could not apply, and who.
    pub skipped: BTreeMap<(DocId, EntryId), BTreeSet<NodeId>>,
    /// Edits that a relay was said to hold.
    pub acked: BTreeSet<u64>,
    /// Edits that were refused, with notice to their author.
    pub refused: BTreeSet<u64>,
    /// Whether a relay went back in time.
    pub restored: bool,
}

/// An entry and what it was made of.
pub(super) struct Known {
    entry: Arc<Entry>,
    pub operations: Vec<Operation>,
    pub marker: Option<u64>,
    /// Which edits of guests it holds.
    pub guests: Vec<usize>,
}

impl Oracle {
    pub const fn next_marker(&mut self) -> u64 {
        self.last_marker += 1;
        self.last_marker
    }

    pub fn skip(&mut self, node: NodeId, doc: &DocId, id: EntryId) {
        self.skipped.entry((doc.clone(), id)).or_default().insert(node);
    }

    /// A node has applied an entry after all.
    pub fn unskip(&mut self, node: NodeId, doc: &DocId, id: EntryId) {
        let key = (doc.clone(), id);
        let nobody = self.skipped.get_mut(&key).is_some_and(|nodes| {
            nodes.remove(&node);
            nodes.is_empty()
        });
        if nobody {
            self.skipped.remove(&key);
        }
    }

    pub fn is_fenced(&self, doc: &DocId, id: &EntryId) -> bool {
        self.fences.get(&(doc.clone(), id.replica)).is_some_and(|counter| *counter <= id.counter)
    }

    /// Whether relays refused any entry of a document.
    pub fn has_fences(&self, doc: &DocId) -> bool {
        self.fences.keys().any(|(fenced, _)| fenced == doc)
    }

    /// Whether any entry that carries an edit is among these.
    pub fn holds(&self, have: Option<&Have>, marker: u64) -> bool {
        let carriers = self.carriers.get(&marker).map_or(&[][..], Vec::as_slice);
        have.is_some_and(|have| carriers.iter().any(|(_, id)| have.covers(id)))
    }

    /// Whether somebody found that an edit cannot be applied. Whoever has it from a snapshot does not hear of that.
    pub fn is_skipped(&self, marker: u64) -> bool {
        let carriers = self.carriers.get(&marker).map_or(&[][..], Vec::as_slice);
        carriers.iter().any(|key| self.skipped.contains_key(key))
    }

    pub fn document_of(&self, marker: u64) -> Option<&DocId> {
        self.carriers.get(&marker)?.first().map(|(doc, _)| doc)
    }

    /// Whether an edit did what relays refuse.
    fn is_forbidden(&self, marker: u64) -> bool {
        let carriers = self.carriers.get(&marker).map_or(&[][..], Vec::as_slice);
        let known = carriers.iter().filter_map(|key| self.entries.get(key));
        known.flat_map(|known| &known.operations).any(|operation| is_forbidden(operation.path()))
    }

    pub fn was_at_relay(&self, doc: &DocId, marker: u64) -> bool {
        self.holds(self.at_relays.get(doc), marker)
    }

    /// The log of a node was copied or goes back in time, so what others know of it may not fit.
    pub fn disown(&mut self, epoch: Epoch) {
        self.logs.entry(epoch).or_insert((0, None)).1 = None;
    }

    fn register(&mut self, doc: &DocId, stored: &StoredEntry) -> Result<(), String> {
        let entry = &stored.entry;
        let key = (doc.clone(), entry.id);
        if let Some(known) = self.entries.get(&key) {
            let same = Arc::ptr_eq(&known.entry, entry) || known.entry == *entry;
            return if same { Ok(()) } else { Err(format!("{} names two entries of {doc}", entry.id)) };
        }
        let operations = stored.operations.as_ref().map_or(Ok(Vec::new()), |bytes| decode_operations(bytes));
        let operations =
            operations.map_err(|error| format!("operations of {} are unreadable: {error}", entry.id))?;
        let marker = workload::marker_of(&operations);
        if let Some(marker) = marker {
            self.carriers.entry(marker).or_default().push(key.clone());
        }
        let guests = self.guest_edits_in(doc, &entry.body);
        for index in &guests {
            self.carriers.entry(self.guest_edits[*index].marker).or_default().push(key.clone());
        }
        if let (Body::Update(_), true) = (&entry.body, operations.is_empty()) {
            return Err(format!("{} of {doc} has no author", entry.id));
        }
        self.entries.insert(key, Known { entry: entry.clone(), operations, marker, guests });
        Ok(())
    }

    /// Whether a relay may refuse an entry: it writes where it must not, follows one that was void, needs one
    /// that was refused, or voids one on behalf of the relay as it was before it was restored, or lost what it had not
    /// written down when it voided that.
    fn may_be_fenced(&self, doc: &DocId, id: EntryId, reason: &str) -> bool {
        if reason.contains("missing") && self.has_fences(doc) {
            return true;
        }
        let voided = || self.at_relays.get(doc).is_some_and(|have| have.covers(&id));
        if reason.contains("only a relay voids") && (self.restored || !voided()) {
            return true;
        }
        let known = self.entries.get(&(doc.clone(), id));
        let forbidden =
            |known: &Known| known.operations.iter().any(|operation| is_forbidden(operation.path()));
        let skipped = |(of, skipped): &(DocId, EntryId)| of == doc && skipped.replica == id.replica;
        known.is_some_and(forbidden) || self.skipped.keys().any(skipped)
    }
}

impl World {
    /// A replica writes something down.
    pub fn oracle_on_write(&mut self, node: NodeId, write: &Write) -> Result<(), String> {
        match write {
            Write::Append { doc, entry } => self.oracle.register(doc, entry),
            Write::Replace { doc, entries, .. } => {
                entries.iter().try_for_each(|entry| self.oracle.register(doc, entry))
            }
            Write::Fence { doc, fence } => {
                let id = EntryId { replica: fence.replica, counter: fence.counter };
                if self.oracle.is_fenced(doc, &id) {
                    return Ok(());
                }
                let made_again = !self.nodes[node].relay && fence.reason.starts_with("made again");
                if !made_again && !self.oracle.may_be_fenced(doc, id, &fence.reason) {
                    return Err(format!("{id} of {doc} is refused for no reason: {}", fence.reason));
                }
                let counter = self.oracle.fences.entry((doc.clone(), fence.replica)).or_insert(fence.counter);
                *counter = (*counter).min(fence.counter);
                Ok(())
            }
            Write::Peer { doc, cursor } => self.check_cursor(node, doc, cursor),
            Write::Compact { .. } => {
                self.counts.add("log compacted", 1);
                Ok(())
            }
            Write::Create { .. }
            | Write::Quarantine { .. }
            | Write::Release { .. }
            | Write::ForgetPeer { .. }
            | Write::Delete { .. } => Ok(()),
        }
    }

    /// A disk changed.
    pub fn oracle_on_disk(&mut self, node: NodeId) -> Result<(), String> {
        let relay = self.nodes[node].relay;
        for (doc, held) in self.nodes[node].store.disk.documents() {
            let log = self.oracle.logs.entry(held.stored.epoch).or_insert((0, Some(node)));
            log.0 = log.0.max(held.head());
            if relay {
                let before = self.oracle.at_relays.entry(doc.clone()).or_default();
                before.merge(&held.have);
            }
        }
        Ok(())
    }

    /// A cursor never names more of a log than is on its owner's disk, and whoever has it holds all that.
    fn check_cursor(&mut self, node: NodeId, doc: &DocId, cursor: &PeerCursor) -> Result<(), String> {
        let epoch = cursor.epoch();
        let before = self.oracle.cursors.insert((node, epoch), *cursor);
        // The very beginning of a log may be named before the log is on disk: there is nothing in it to be lost.
        if cursor.theirs.offset == 0 {
            return Ok(());
        }
        let Some((head, owner)) = self.oracle.logs.get(&epoch) else {
            return Err(format!("node {node} has a cursor in the unknown log {epoch}"));
        };
        if cursor.theirs.offset > *head {
            return Err(format!(
                "node {node} has a cursor at {} of {doc}, whose log ends at {head}",
                cursor.theirs.offset
            ));
        }
        let Some(owner) = owner.filter(|owner| *owner != node) else { return Ok(()) };
        let theirs = self.nodes[owner].store.disk.get(doc).filter(|held| held.stored.epoch == epoch);
        let Some(theirs) = theirs else { return Ok(()) };
        let Some(log) = self.nodes[node].replica.as_ref().and_then(|replica| replica.log(doc)) else {
            return Ok(());
        };
        let known = before.map_or(0, |before| before.theirs.offset.min(cursor.theirs.offset));
        let behind = theirs.stored.entries.iter().skip_while(|entry| entry.offset <= known);
        let claimed = behind.take_while(|entry| entry.offset <= cursor.theirs.offset);
        let missing = |id: &EntryId| !log.have().covers(id) && !self.oracle.is_fenced(doc, id);
        if let Some(id) = claimed.map(|entry| entry.entry.id).find(missing) {
            return Err(format!("node {node} has a cursor behind {id} of node {owner} and lacks it"));
        }
        let acked = log.after(before.map_or(0, |before| before.covered.min(cursor.covered)));
        let acked = acked.take_while(|entry| entry.offset <= cursor.covered).map(|entry| entry.entry.id);
        let lost = |id: &EntryId| !theirs.have.covers(id) && !self.oracle.is_fenced(doc, id);
        match acked.into_iter().find(lost) {
            Some(id) => Err(format!("node {node} thinks that node {owner} holds {id}")),
            None => Ok(()),
        }
    }

    /// An application is told how far its edits are saved; that must be true at that moment.
    pub fn on_saved(&mut self, id: NodeId, doc: &DocId, progress: Progress) -> Result<(), String> {
        let node = &mut self.nodes[id];
        let have = node.store.disk.get(doc).map(|held| held.have.clone());
        let Some(app) = node.apps.get_mut(doc) else { return Ok(()) };
        let told = |from: u64, to: u64| {
            app.tickets[from as usize..(to as usize).clamp(from as usize, app.tickets.len())].to_vec()
        };
        let (local, relayed) = (told(app.local, progress.local), told(app.relayed, progress.relay));
        (app.local, app.relayed) = (app.local.max(progress.local), app.relayed.max(progress.relay));
        for marker in local {
            if !self.oracle.holds(have.as_ref(), marker) && !self.oracle.refused.contains(&marker) {
                return Err(format!(
                    "edit {marker} of {doc} is said to be saved at node {id} and is not on its disk"
                ));
            }
            self.nodes[id].saved.insert(marker);
            self.counts.add("edit saved here", 1);
        }
        for marker in relayed {
            // Where another copy of the store made it again, too, the edit is still in the log of the one that was told.
            if self.oracle.refused.contains(&marker) || self.nodes[id].told_lost.contains(&marker) {
                continue;
            }
            if !self.oracle.was_at_relay(doc, marker) {
                return Err(format!(
                    "node {id} was told that edit {marker} of {doc} is at a relay, and no relay has it"
                ));
            }
            self.oracle.acked.insert(marker);
            self.counts.add("edit saved at a relay", 1);
        }
        Ok(())
    }

    /// A replica says that a relay refused edits.
    pub fn on_refused(
        &mut self,
        id: NodeId,
        doc: DocId,
        entry: EntryId,
        lost: &[Operation],
    ) -> Result<(), String> {
        self.counts.add("edit refused", 1);
        if !self.oracle.is_fenced(&doc, &entry) {
            return Err(format!("node {id} dropped {entry} of {doc}, which no relay refused"));
        }
        let node = &mut self.nodes[id];
        node.told_lost.extend(workload::markers(lost));
        *node.lost.entry(doc).or_default() += lost.len();
        Ok(())
    }

    /// Of what was made after refused edits, everything must have been made again or be reported as lost.
    pub fn check_lost(&mut self, id: NodeId) -> Result<(), String> {
        let lost = std::mem::take(&mut self.nodes[id].lost);
        lost.into_iter().try_for_each(|(doc, lost)| self.check_lost_of(id, &doc, lost))
    }

    fn check_lost_of(&mut self, id: NodeId, doc: &DocId, lost: usize) -> Result<(), String> {
        let node = &mut self.nodes[id];
        let lost = lost + node.surplus.remove(doc).unwrap_or_default();
        let (Some(app), Some(log)) =
            (node.apps.get(doc), node.replica.as_ref().and_then(|replica| replica.log(doc)))
        else {
            return Ok(());
        };
        let gone = |marker: &&u64| {
            !self.oracle.holds(Some(log.have()), **marker) && !self.oracle.refused.contains(*marker)
        };
        let gone: Vec<u64> = app.tickets.iter().filter(gone).copied().collect();
        if gone.len() > lost {
            return Err(format!(
                "node {id} lost {} edits of {doc} and reported {lost} operations: {gone:?}",
                gone.len()
            ));
        }
        if let Some(marker) =
            gone.iter().find(|marker| self.options.poison == 0.0 && !self.oracle.is_forbidden(**marker))
        {
            return Err(format!("node {id} lost edit {marker} of {doc}, which did nothing forbidden"));
        }
        // What was reported of an edit that a copy of this store made again, too, may be gone only later.
        node.surplus.insert(doc.clone(), lost - gone.len());
        self.oracle.refused.extend(gone);
        self.read_again(id, doc)
    }

    /// Everything that was saved here is on the disk.
    pub fn check_saved(&self, id: NodeId) -> Result<(), String> {
        let node = &self.nodes[id];
        for marker in &node.saved {
            let doc = self.oracle.document_of(*marker);
            let have = doc.and_then(|doc| node.store.disk.get(doc)).map(|held| &held.have);
            if !self.oracle.holds(have, *marker) && !self.oracle.refused.contains(marker) {
                return Err(format!("edit {marker} was saved at node {id} and is gone from its disk"));
            }
        }
        Ok(())
    }

    /// Whether any edit of the document is one that others cannot apply.
    pub fn has_poison(&self, doc: &DocId) -> bool {
        let poison = |known: &Known| known.operations.iter().any(is_poison);
        self.oracle.entries.iter().any(|((of, _), known)| of == doc && poison(known))
    }
}
