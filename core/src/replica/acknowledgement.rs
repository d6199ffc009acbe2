//! What each side durably holds of the other's log, as they tell each other.

use std::collections::BTreeSet;

use super::context::Context;
use super::live::Live;
use super::peer::Receiving;
use super::sync::Misbehaviour;
use crate::entry::Cursor;
use crate::event::{PeerCursor, Write};
use crate::id::{ConnectionId, Epoch, WriteId};
use crate::wire::{ErrorCode, Message};

/// Most logs of others that a document remembers, apart from those of the peers that have it open.
pub const MAX_KNOWN_LOGS: usize = 16_384;

impl Live {
    /// The peer's log is durable there up to the cursor, and all of it is here: remember that behind the entries.
    pub(super) fn on_durable_there(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        cursor: Cursor,
    ) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        match peer.receiving {
            Receiving::Live { .. } if peer.refused => return Ok(()),
            Receiving::Live { .. } => {}
            Receiving::Waiting { told_have: true } => return Ok(()),
            Receiving::Waiting { told_have: false } | Receiving::Snapshot { .. } => {
                return Err(Misbehaviour::unexpected("durable"));
            }
        }
        if cursor.epoch != peer.cursor.theirs.epoch || cursor.offset < peer.cursor.theirs.offset {
            return Err(Misbehaviour::new(ErrorCode::Unexpected, "the log went backwards"));
        }
        peer.cursor.theirs = cursor;
        while let Some((_, ours, entry)) =
            peer.unsettled.pop_front_if(|(theirs, ..)| *theirs <= cursor.offset)
        {
            peer.settle(ours);
            if peer.cursor.relay && self.recent.get(&entry.replica) == Some(&entry.counter) {
                self.recent.remove(&entry.replica);
            }
        }
        let wants_ack = peer.greeted.wants_acks;
        let write = self.remember(context, id);
        if let (Some(write), true) = (write, wants_ack) {
            self.tell_after(write, id, Message::Ack { doc: self.doc.clone(), offset: cursor.offset });
        }
        Ok(())
    }

    /// Writes down what is known of the peer's log.
    fn remember(&mut self, context: &mut Context, id: ConnectionId) -> Option<WriteId> {
        let cursor = self.peers.get(&id)?.cursor;
        Some(self.note_cursor(context, cursor))
    }

    /// Writes down what is known of a log of others.
    pub(super) fn note_cursor(&mut self, context: &mut Context, cursor: PeerCursor) -> WriteId {
        self.known.insert(cursor.epoch(), cursor);
        if self.known.len() > MAX_KNOWN_LOGS {
            self.forget_a_log(context, cursor.epoch());
        }
        context.write(Write::Peer { doc: self.doc.clone(), cursor })
    }

    /// Makes room for what is remembered of a log: whoever is forgotten says once more what it holds.
    fn forget_a_log(&mut self, context: &mut Context, but: Epoch) {
        let peers = self.peers.values().map(|peer| peer.cursor.epoch());
        let used: BTreeSet<Epoch> =
            peers.chain(self.servers.values().map(|standing| standing.epoch)).chain([but]).collect();
        let unused = self.known.values().filter(|cursor| !used.contains(&cursor.epoch()));
        let least = unused.min_by_key(|cursor| (cursor.relay, cursor.covered)).map(PeerCursor::epoch);
        if let Some(epoch) = least {
            self.known.remove(&epoch);
            context.write(Write::ForgetPeer { doc: self.doc.clone(), epoch });
        }
    }

    pub(super) fn on_ack(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        offset: u64,
    ) -> Result<(), Misbehaviour> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        // An answer to what was said before the log was renumbered or the peer asked to start again. It is
        // given once more to what is said now.
        if offset > peer.confirmed() {
            return Ok(());
        }
        peer.cursor.acked = peer.cursor.acked.max(offset);
        peer.cover_to(offset);
        if peer.cursor.relay && self.pending.on_relay(offset) {
            self.made_in_vain = 0;
            self.tell_progress(context);
        }
        self.remember(context, id);
        Ok(())
    }
}
