//! Taking in a snapshot from a peer whose log no longer has the entries we lack.

use bytes::Bytes;

use super::content::{Content, Skipped};
use super::context::Context;
use super::intake::MAX_SNAPSHOT_BYTES;
use super::live::{Live, MAX_WRITERS};
use super::peer::{Peer, Receiving};
use super::refusal::Line;
use super::sync::Misbehaviour;
use crate::crdt;
use crate::entry::{Cursor, Entry};
use crate::event::{Event, Snapshot, StoredEntry};
use crate::id::{ConnectionId, EntryId, Have};
use crate::wire::ErrorCode;

impl Live {
    pub(super) fn on_snapshot_part(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        cursor: Cursor,
        covers: Option<Have>,
        total: u64,
        bytes: &Bytes,
    ) -> Result<(), Misbehaviour> {
        let may_write = self.may_write(id);
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if !may_write {
            // Nothing of it is taken, nor of what follows, which builds on it.
            peer.receiving = Receiving::Waiting { told_have: true };
        }
        match (&peer.receiving, covers) {
            (Receiving::Waiting { told_have: true }, _) => return Ok(()),
            (Receiving::Live { told_have: true }, Some(covers)) if total <= MAX_SNAPSHOT_BYTES => {
                peer.receiving = Receiving::Snapshot { cursor, covers, total, state: Vec::new() };
            }
            (Receiving::Snapshot { cursor: begun, .. }, None) if *begun == cursor => {}
            (Receiving::Live { told_have: true }, Some(_)) => {
                let message = format!("a snapshot of {total} bytes, {MAX_SNAPSHOT_BYTES} are taken in");
                return Err(Misbehaviour::new(ErrorCode::TooLarge, message));
            }
            _ => return Err(Misbehaviour::new(ErrorCode::Unexpected, "a snapshot nobody asked for")),
        }
        let Receiving::Snapshot { covers, total, state, .. } = &mut peer.receiving else { return Ok(()) };
        if (state.len() + bytes.len()) as u64 > *total {
            return Err(Misbehaviour::new(ErrorCode::Malformed, "a snapshot longer than announced"));
        }
        state.extend_from_slice(bytes);
        if state.len() as u64 == *total {
            let covers = std::mem::take(covers);
            let state = Bytes::from(std::mem::take(state));
            peer.receiving = Receiving::Live { told_have: true };
            peer.held.merge(&covers);
            // What it holds may have come over another link in the meantime.
            if !self.log.have().includes(&covers) {
                self.install(context, state, &covers)?;
                self.tell_progress(context);
            }
        }
        Ok(())
    }

    /// Bytes of a snapshot that is coming in on a link.
    pub(super) fn incoming_on(&self, id: ConnectionId) -> u64 {
        self.peers.get(&id).map_or(0, Peer::incoming)
    }

    /// Bytes of all snapshots that are coming in.
    pub(super) fn incoming(&self) -> u64 {
        self.peers.values().map(Peer::incoming).sum()
    }

    /// Merges the snapshot under the log: a new base of the old base, the entries that the snapshot is said to hold,
    /// and the snapshot; then the other entries, own unacknowledged ones among them. So nothing that is here can get
    /// lost by it, whatever it really holds.
    fn install(&mut self, context: &mut Context, state: Bytes, covers: &Have) -> Result<(), Misbehaviour> {
        let behind = self.log.after(self.log.base_offset());
        let (covered, kept): (Vec<_>, Vec<_>) = behind.partition(|stored| covers.covers(&stored.entry.id));
        let merged = match self.log.base().map(|base| &**base) {
            None if covered.is_empty() => self.verify(&state).map(|()| (state, covers.clone())),
            base => self.merge_under(base, &covered, &state, covers),
        };
        let (state, covers) = merged
            .map_err(|error| Misbehaviour::new(ErrorCode::Malformed, format!("a bad snapshot: {error}")))?;
        if context.config.policy.relay && covers.len() > MAX_WRITERS {
            let message = format!("a snapshot of what more than {MAX_WRITERS} replicas have written");
            return Err(Misbehaviour::new(ErrorCode::TooMany, message));
        }
        let kept = kept.into_iter().cloned().map(Line::from).collect();
        self.renumber(context, state, covers, kept);
        self.rebuild(context);
        context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: 0 });
        Ok(())
    }

    /// Whether the state may be loaded as it is.
    fn verify(&self, state: &[u8]) -> Result<(), String> {
        crdt::gate(self.spec).admit_snapshot(state).map_err(|error| error.to_string())?;
        crdt::load(self.spec, state).map(drop).map_err(|error| error.to_string())
    }

    fn merge_under(
        &self,
        base: Option<&Snapshot>,
        covered: &[&StoredEntry],
        state: &[u8],
        covers: &Have,
    ) -> Result<(Bytes, Have), String> {
        let entries: Vec<&Entry> = covered.iter().map(|stored| &*stored.entry).collect();
        let mut skipped = self.skipped.clone();
        let mut content = Content::replay(self.spec, true, base, &entries, &mut skipped)
            .map_err(|damaged| damaged.to_string())?;
        if let Some(id) = self.torn_out(base, &skipped)? {
            return Err(format!("it holds entry {id} without what that builds on"));
        }
        if let Some(document) = content.document_mut() {
            document.admit_snapshot(state).map_err(|error| error.to_string())?;
            document.merge(state).map_err(|error| error.to_string())?;
        }
        // What waited is in the snapshot, or can be applied behind it, or still waits there as well.
        for entry in entries.into_iter().filter(|entry| skipped.waiting.contains(&entry.id)) {
            if content.admit(entry).is_ok() {
                content.merge(&[entry]).map_err(|error| error.to_string())?;
            }
        }
        let mut all = base.map(|base| base.covers.clone()).unwrap_or_default();
        all.merge(covers);
        let state = content.document().map_or_else(|| Ok(Bytes::new()), |document| document.snapshot());
        Ok((state.map_err(|error| error.to_string())?, all))
    }

    /// An entry that could not be applied among those that a snapshot is said to hold, although it can be in this log.
    /// A log holds everything that its entries build on, and so does an honest snapshot of its beginning.
    fn torn_out(&self, base: Option<&Snapshot>, skipped: &Skipped) -> Result<Option<EntryId>, String> {
        if skipped.beyond(&self.skipped).next().is_none() {
            return Ok(None);
        }
        let all: Vec<&Entry> = self.log.after(self.log.base_offset()).map(|stored| &*stored.entry).collect();
        let mut usual = self.skipped.clone();
        Content::replay(self.spec, true, base, &all, &mut usual).map_err(|damaged| damaged.to_string())?;
        Ok(skipped.beyond(&usual).next())
    }
}
