//! What goes on at a node: its process starts and dies, its disk works, its applications edit and read.

use syncline_core::event::{DocumentError, Event, Input, StoreFault};
use syncline_core::id::{DocId, EntryId};
use syncline_core::operation::EditError;
use syncline_core::replica::{EditFailure, Replica};
use syncline_core::wire::ErrorCode;

use super::network::{NodeId, link_of};
use super::node::Phase;
use super::plant::Plant;
use super::store::{Request, Work};
use super::workload::{self, Taste};
use super::world::{Happening, Local, World};

/// How long a full disk that nobody empties stays full, in milliseconds.
const RETRY: u64 = 1_000;

impl World {
    /// A process starts over what its disk holds.
    pub fn start(&mut self, id: NodeId) -> Result<(), String> {
        if self.nodes[id].replica.is_some() {
            return Ok(());
        }
        let seed = self.random.next_u64();
        let node = &mut self.nodes[id];
        if self.plant != Some(Plant::CounterReused) {
            node.config.seed = seed;
        }
        node.replica = Some(Replica::new(node.config.clone()));
        node.incarnation += 1;
        node.tick_at = 0;
        self.note(id, &[10], &[], || "starts".to_owned());
        let documents: Vec<DocId> = self.nodes[id].apps.keys().cloned().collect();
        documents.iter().try_for_each(|doc| self.open(id, doc))?;
        for route in 0..self.network.routes.len() {
            if self.network.routes[route].dialer == id {
                self.network.routes[route].attempt += 1;
                let soon = self.now + self.random.below(100);
                self.plans.plan(soon, Happening::Dial(route, self.network.routes[route].attempt));
            }
        }
        Ok(())
    }

    /// A process dies at once.
    pub fn crash(&mut self, id: NodeId) -> Result<(), String> {
        self.note(id, &[11], &[], || "dies".to_owned());
        let early = self.options.delay;
        for (link, side) in self.network.links_of(id) {
            self.cut(link, early, early);
            if let Some(gone) = self.network.links.get_mut(&link) {
                gone.ends[side].up = false;
                if let (0, Some(route)) = (side, gone.route) {
                    self.network.routes[route].link = None;
                }
            }
        }
        self.planted_crash(id);
        let node = &mut self.nodes[id];
        node.replica = None;
        node.paused = None;
        node.incarnation += 1;
        node.store.crash(&mut self.random)?;
        for app in node.apps.values_mut() {
            app.phase = Phase::Closed;
        }
        self.close_rooms(id, None);
        self.oracle_on_disk(id)
    }

    pub fn open(&mut self, id: NodeId, doc: &DocId) -> Result<(), String> {
        let node = &mut self.nodes[id];
        let now = node.time(self.now);
        let (Some(replica), Some(app)) = (&mut node.replica, node.apps.get_mut(doc)) else { return Ok(()) };
        if app.phase == Phase::Closed {
            app.phase = Phase::Opening;
        }
        replica.open(now, doc, self.documents.get(doc).copied());
        self.perform(id)
    }

    /// Takes up what waits for the disk.
    pub fn begin_disk(&mut self, id: NodeId) {
        if self.nodes[id].store.begin(&mut self.random) {
            let takes = 1 + self.random.below(self.options.commit);
            self.plan_inside(self.now + takes, id, Local::Done);
        }
    }

    /// The disk is done with the first requests, or found that it is full.
    pub fn disk_done(&mut self, id: NodeId) -> Result<(), String> {
        let store = &mut self.nodes[id].store;
        let Work::Busy(count) = store.work else { return Ok(()) };
        if let Some(Request::Load(doc)) = store.requests.front().cloned() {
            store.requests.pop_front();
            store.work = Work::Idle;
            return self.loaded(id, doc);
        }
        if self.now < store.full_until {
            return self.disk_full(id, count);
        }
        let written = store.commit(count)?;
        store.again = store.again.saturating_sub(count);
        store.requests.drain(..count);
        store.work = Work::Idle;
        self.oracle_on_disk(id)?;
        match written {
            Some(write) => self.input(id, Input::Written { write }),
            None => Ok(()),
        }
    }

    /// The commit fails; whether it took place all the same is not known.
    fn disk_full(&mut self, id: NodeId, count: usize) -> Result<(), String> {
        self.counts.add("commit failed", 1);
        if self.random.chance(0.3) {
            self.nodes[id].store.commit(count)?;
            self.oracle_on_disk(id)?;
        }
        let store = &mut self.nodes[id].store;
        (store.work, store.again) = (Work::Failed, store.again.max(count));
        let mended = self.nodes[id].store.full_until.max(self.now + RETRY);
        self.plan_inside(mended, id, Local::Mended);
        self.input(id, Input::WriteFailed { fault: StoreFault("the disk is full".to_owned()) })
    }

    fn loaded(&mut self, id: NodeId, doc: DocId) -> Result<(), String> {
        let store = &mut self.nodes[id].store;
        let result = match std::mem::take(&mut store.unreadable) {
            true => Err(StoreFault("the disk cannot be read".to_owned())),
            false => Ok(store.disk.get(&doc).map(|document| document.stored.clone())),
        };
        if result.is_err() {
            self.counts.add("load failed", 1);
        }
        self.note(id, &[12], &[], || format!("has read {doc}"));
        self.input(id, Input::Loaded { doc, result })
    }

    pub fn on_event(&mut self, id: NodeId, event: Event) -> Result<(), String> {
        match event {
            Event::Opened { doc } => self.on_opened(id, &doc),
            Event::Failed { doc, error } => self.on_failed(id, doc, &error),
            Event::Changed { local, .. } => {
                self.counts.add(if local { "edit" } else { "change received" }, 1);
                Ok(())
            }
            Event::Saved { doc, progress } => self.on_saved(id, &doc, progress),
            Event::Refused { doc, id: entry, lost, .. } => self.on_refused(id, doc, entry, &lost),
            Event::Quarantined { doc, id: entry, reason } => self.on_skipped(id, &doc, entry, &reason),
            Event::Waiting { doc, id: entry } => self.on_skipped(id, &doc, entry, "it waits"),
            Event::WaitedEnough { doc, id: entry } => {
                self.oracle.unskip(id, &doc, entry);
                self.counts.add("entry waited enough", 1);
                Ok(())
            }
            Event::Peer { connection, peer } => {
                let (link, side) = link_of(connection);
                let route = self.network.links.get(&link).and_then(|link| link.route).filter(|_| side == 0);
                if let (Some(route), true) = (route, peer.is_some()) {
                    self.network.routes[route].backoff.reset();
                }
                Ok(())
            }
            Event::PeerError { code, message, doc, .. } => self.on_peer_error(id, code, doc, &message),
            Event::Goodbye { connection, retry_after } => {
                let route = self.network.links.get(&link_of(connection).0).and_then(|link| link.route);
                if let Some(route) = route {
                    self.network.routes[route].retry_after = retry_after;
                }
                Ok(())
            }
            Event::Hosted { doc } => {
                self.open_room(id, &doc);
                Ok(())
            }
            Event::Built { doc } | Event::Durable { doc, .. } => {
                self.plan_news(id, &doc);
                Ok(())
            }
            Event::Store { fault } => {
                if fault.is_some() {
                    self.close_rooms(id, None);
                }
                Ok(())
            }
            Event::InSync { .. }
            | Event::Compacted { .. }
            | Event::Described { .. }
            | Event::Created { .. }
            | Event::Present { .. }
            | Event::GaveUp { .. } => Ok(()),
        }
    }

    /// A document is there; tickets begin with the edits that no relay has acknowledged.
    fn on_opened(&mut self, id: NodeId, doc: &DocId) -> Result<(), String> {
        let node = &mut self.nodes[id];
        let (Some(replica), Some(app)) = (&node.replica, node.apps.get_mut(doc)) else { return Ok(()) };
        app.phase = Phase::Open;
        if std::mem::take(&mut app.fresh) {
            let (Some(log), Some(progress)) = (replica.log(doc), replica.progress(doc)) else {
                return Err(format!("{doc} was opened and is not there"));
            };
            let own = log.after(log.base_offset()).filter_map(|stored| stored.operations.as_ref());
            let own: Vec<u64> = own.filter_map(|bytes| workload::marker_in(bytes)).collect();
            let recalled =
                own.len().checked_sub(progress.made as usize).ok_or("recalled edits that are not there")?;
            app.tickets = own[recalled..].to_vec();
            (app.local, app.relayed) = (progress.local, progress.relay);
        }
        self.read_again(id, doc)
    }

    fn on_failed(&mut self, id: NodeId, doc: DocId, error: &DocumentError) -> Result<(), String> {
        let DocumentError::Store { .. } = error else {
            return Err(format!("node {id} cannot have {doc}: {error}"));
        };
        self.close_rooms(id, Some(&doc));
        if let Some(app) = self.nodes[id].apps.get_mut(&doc) {
            app.phase = Phase::Closed;
            self.plan_inside(self.now + RETRY, id, Local::Open(doc));
        }
        Ok(())
    }

    /// Honest peers do not err about each other; documents may be closed, though, and stores unreadable or full. Who
    /// hears a greeting or another beginning twice must take it for an error.
    fn on_peer_error(
        &self,
        id: NodeId,
        code: ErrorCode,
        doc: Option<DocId>,
        message: &str,
    ) -> Result<(), String> {
        match (code, &doc) {
            (ErrorCode::Unavailable, _) | (ErrorCode::NotFound, Some(_)) => Ok(()),
            (ErrorCode::Unexpected, _) if self.options.repeated > 0.0 => Ok(()),
            _ => Err(format!("node {id} was told {code:?} of {doc:?}: {message}")),
        }
    }

    /// Somebody who can edits something.
    pub fn edit_somewhere(&mut self) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let wait = 1 + self.random.below(2 * self.options.edit_every);
        self.plans.plan(self.now + wait, Happening::Edit);
        match self.somebody_awake() {
            Some((node, doc)) => self.edit(node, &doc, false),
            None => Ok(()),
        }
    }

    /// A document that is open at a process that runs.
    pub fn somebody_awake(&mut self) -> Option<(NodeId, DocId)> {
        let awake = self.nodes.iter().enumerate().filter(|(_, node)| node.is_awake());
        let open: Vec<_> = awake
            .flat_map(|(id, node)| node.open_documents().into_iter().map(move |doc| (id, doc)))
            .collect();
        open.get(self.random.index(open.len())).cloned()
    }

    /// A document that is about to be open.
    pub fn somebody_opening(&self) -> Option<(NodeId, DocId)> {
        let awake = self.nodes.iter().enumerate().filter(|(_, node)| node.is_awake());
        let mut apps = awake.flat_map(|(id, node)| node.apps.iter().map(move |(doc, app)| (id, doc, app)));
        let (id, doc, _) = apps.find(|(.., app)| app.phase == Phase::Opening)?;
        Some((id, doc.clone()))
    }

    /// An application edits a document; `taken_back` means that it fails in the middle.
    pub fn edit(&mut self, id: NodeId, doc: &DocId, taken_back: bool) -> Result<(), String> {
        let marker = self.oracle.next_marker();
        let Some(spec) = self.documents.get(doc).copied() else { return Ok(()) };
        let (forbidden, poison) = (self.options.forbidden, self.options.poison);
        let taste = Taste { family: spec.family, kind: spec.kind, forbidden, poison };
        let node = &mut self.nodes[id];
        let now = node.time(self.now);
        let Some(replica) = &mut node.replica else { return Ok(()) };
        let random = &mut self.random;
        let edited = replica.edit(now, doc, |editor| {
            for operation in workload::operations(random, editor.document(), &taste, marker) {
                match editor.perform(operation) {
                    // An operation before it in the same edit removed it.
                    Err(EditError::NotFound { .. }) => {}
                    other => other?,
                }
            }
            if taken_back { Err(EditError::IsRoot) } else { Ok(()) }
        });
        self.note(id, &[13, marker], &[], || format!("edits {doc} with marker {marker}: {edited:?}"));
        match edited {
            Ok(edited) => self.edited(id, doc, marker, edited.ticket)?,
            Err(EditFailure::Rejected(EditError::IsRoot)) if taken_back => {
                self.perform(id)?;
                return self.read(id, doc);
            }
            Err(EditFailure::Stopped(_)) if self.nodes[id].store.work == Work::Failed => {}
            Err(other) => return Err(format!("node {id} could not edit {doc}: {other}")),
        }
        self.perform(id)
    }

    fn edited(&mut self, id: NodeId, doc: &DocId, marker: u64, ticket: Option<u64>) -> Result<(), String> {
        let Some(app) = self.nodes[id].apps.get_mut(doc) else { return Ok(()) };
        app.tickets.push(marker);
        app.seen.insert(marker);
        if ticket != Some(app.tickets.len() as u64) {
            return Err(format!(
                "edit {marker} of {doc} at {id} has ticket {ticket:?}, {} expected",
                app.tickets.len()
            ));
        }
        Ok(())
    }

    pub fn read_somewhere(&mut self) -> Result<(), String> {
        self.plans.plan(self.now + 700, Happening::Read);
        match self.somebody_awake() {
            Some((node, doc)) => self.read(node, &doc),
            None => Ok(()),
        }
    }

    /// What was visible stays visible.
    pub fn read(&mut self, id: NodeId, doc: &DocId) -> Result<(), String> {
        let seen = self.markers(id, doc);
        let Some(app) = self.nodes[id].apps.get_mut(doc) else { return Ok(()) };
        let missing =
            |marker: &&u64| seen.binary_search(marker).is_err() && !self.oracle.is_skipped(**marker);
        if let Some(missing) = app.seen.iter().find(missing) {
            return Err(format!("edit {missing} was visible in {doc} at node {id} and is not any more"));
        }
        app.seen = seen.into_iter().collect();
        Ok(())
    }

    /// Reads a document where earlier reads may not hold: it was reopened, or edits were refused.
    pub fn read_again(&mut self, id: NodeId, doc: &DocId) -> Result<(), String> {
        let seen = self.markers(id, doc).into_iter().collect();
        if let Some(app) = self.nodes[id].apps.get_mut(doc) {
            app.seen = seen;
        }
        Ok(())
    }

    /// The markers visible in a document, in order.
    fn markers(&self, id: NodeId, doc: &DocId) -> Vec<u64> {
        let document = self.nodes[id].replica.as_ref().and_then(|replica| replica.document(doc));
        let family = self.documents.get(doc).map(|spec| spec.family);
        let (Some(document), Some(family)) = (document, family) else { return Vec::new() };
        let mut markers = workload::numbered(document, family, 'e');
        markers.sort_unstable();
        markers
    }

    fn on_skipped(&mut self, id: NodeId, doc: &DocId, entry: EntryId, reason: &str) -> Result<(), String> {
        if self.options.poison == 0.0 && !self.oracle.has_fences(doc) {
            return Err(format!("node {id} cannot apply {entry} of {doc}: {reason}"));
        }
        self.counts.add("entry skipped", 1);
        self.oracle.skip(id, doc, entry);
        self.read_again(id, doc)
    }
}
