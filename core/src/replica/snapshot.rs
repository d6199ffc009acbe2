//! Taking in a snapshot from a peer whose log no longer has the entries we lack.

use bytes::Bytes;

use super::context::Context;
use super::live::Live;
use super::peer::Receiving;
use super::sync::Misbehaviour;
use crate::crdt;
use crate::entry::Cursor;
use crate::event::Event;
use crate::id::{ConnectionId, Have};
use crate::wire::ErrorCode;

/// Largest snapshot taken in.
pub const MAX_SNAPSHOT_BYTES: u64 = 256 << 20;

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
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
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
        if state.len() + bytes.len() > usize::try_from(*total).unwrap_or(0) {
            return Err(Misbehaviour::new(ErrorCode::Malformed, "a snapshot longer than announced"));
        }
        state.extend_from_slice(bytes);
        if state.len() as u64 == *total {
            let (state, covers) = (Bytes::from(std::mem::take(state)), std::mem::take(covers));
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

    /// Merges the snapshot under the log: a new base of the old base and the snapshot, then the entries that
    /// the snapshot does not hold, own unacknowledged ones among them.
    fn install(&mut self, context: &mut Context, state: Bytes, covers: &Have) -> Result<(), Misbehaviour> {
        let invalid =
            |error: String| Misbehaviour::new(ErrorCode::Malformed, format!("a bad snapshot: {error}"));
        let (state, covers) = match self.log.base() {
            Some(base) => {
                let mut document =
                    crdt::load(self.spec, &base.state).map_err(|error| invalid(error.to_string()))?;
                document.admit_snapshot(&state).map_err(|error| invalid(error.to_string()))?;
                document.merge(&state).map_err(|error| invalid(error.to_string()))?;
                let mut all = base.covers.clone();
                all.merge(covers);
                (document.snapshot().map_err(|error| invalid(error.to_string()))?, all)
            }
            None => {
                let mut gate = crdt::gate(self.spec);
                gate.admit_snapshot(&state).map_err(|error| invalid(error.to_string()))?;
                crdt::load(self.spec, &state).map_err(|error| invalid(error.to_string()))?;
                (state, covers.clone())
            }
        };
        let kept = self.log.after(self.log.base_offset()).filter(|stored| !covers.covers(&stored.entry.id));
        let kept: Vec<_> = kept.map(|s| (s.offset, s.entry.clone(), s.operations.clone())).collect();
        self.renumber(context, state, covers, kept);
        self.rebuild(context);
        context.tell(Event::Changed { doc: self.doc.clone(), local: false, entries: 0 });
        Ok(())
    }
}
