//! Two entries under one name, which only come about where somebody writes as somebody else.
//!
//! Whichever a relay took first stands. Whoever holds the other one leaves it out, and its author makes it again
//! under a new name: so neither is lost, and all end equal.

use super::context::Context;
use super::live::Live;
use super::peer::Sending;
use super::sync::{Misbehaviour, refused};
use crate::event::{Fence, Refusal};
use crate::id::{ConnectionId, EntryId};
use crate::wire::{Message, Numbered};

impl Live {
    /// Takes an entry for what it is although another one has its name here. What a relay took first stands.
    pub(super) fn on_contradiction(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        numbered: &Numbered,
    ) -> Result<(), Misbehaviour> {
        let entry = numbered.entry.id;
        let taken = Refusal::Taken(entry);
        if context.config.policy.relay || !self.is_relay(id) {
            self.refuse_namesake(context, id, entry, &taken);
            return Ok(());
        }
        self.merge_taken(context);
        self.on_refused(context, id, Fence::from(entry, taken.blame(), taken.to_string()))?;
        match self.log.have().covers(&entry) {
            true => Ok(()),
            false => self.on_entry(context, id, numbered),
        }
    }

    /// Refuses an entry whose name is taken, and offers the one that has it once the sender has dropped its own.
    /// Nothing more is accepted of that replica: there is no telling who writes it.
    fn refuse_namesake(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        entry: EntryId,
        refusal: &Refusal,
    ) {
        let next = EntryId { counter: self.log.have().counter(&entry.replica) + 1, ..entry };
        let write = self.set_fence(context, Fence::from(next, refusal.blame(), refusal.to_string()));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.refused = true;
        peer.uncover(0);
        peer.sending = Sending::AskedHave;
        let told = refused(&self.doc, Fence::from(entry, refusal.blame(), refusal.to_string()));
        self.tell_after(write, id, told);
        self.tell_after(write, id, Message::NeedHave { doc: self.doc.clone() });
    }
}
