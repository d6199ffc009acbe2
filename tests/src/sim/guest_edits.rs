//! What guests have written, and in which entries it is. A guest's edits have no operations beside them in any store, so the
//! oracle knows them by what they are made of.

use syncline_core::entry::{Body, Family};
use syncline_core::id::DocId;
use syncline_core::operation::Operation;
use yrs::updates::decoder::Decode;
use yrs::{ID, IdSet, Update};

use super::guests::GuestId;
use super::oracle::Oracle;
use super::world::World;

/// An edit of a guest.
pub(super) struct GuestEdit {
    pub doc: DocId,
    pub marker: u64,
    pub operations: Vec<Operation>,
    mark: Mark,
}

/// By what an edit is known in an update.
enum Mark {
    /// The first of its blocks.
    Block(ID),
    /// How the chunk of its change begins: what all chunks begin with, and the beginning of its hash.
    Change([u8; 8]),
}

/// What all chunks of Automerge begin with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

fn inserted(update: &[u8]) -> Result<IdSet, String> {
    Update::decode_v1(update).map(|update| update.insertions(true)).map_err(|error| error.to_string())
}

impl Oracle {
    /// A guest has written: an update, and the version of its document with it.
    pub fn note_guest_edit(
        &mut self,
        doc: &DocId,
        family: Family,
        marker: u64,
        operations: Vec<Operation>,
        update: &[u8],
        version: &[u8],
    ) -> Result<(), String> {
        let mark = match family {
            Family::Yjs => {
                let inserted = inserted(update)?;
                let mut clients = inserted.iter();
                let first =
                    clients.next().and_then(|(client, ranges)| Some((*client, ranges.iter().next()?.start)));
                let (client, clock) = first.ok_or("an edit with a marker has blocks")?;
                Mark::Block(ID::new(client, clock))
            }
            Family::Automerge | Family::Toy => {
                let hash = version.first_chunk::<4>().ok_or("a document with an edit has a head")?;
                Mark::Change([MAGIC, *hash].concat().try_into().expect("twice four bytes"))
            }
        };
        self.guest_edits.push(GuestEdit { doc: doc.clone(), marker, operations, mark });
        Ok(())
    }

    /// Which edits of guests are in an entry.
    pub fn guest_edits_in(&self, doc: &DocId, body: &Body) -> Vec<usize> {
        let Body::Foreign(update) = body else { return Vec::new() };
        let edits = || self.guest_edits.iter().enumerate().filter(|(_, edit)| edit.doc == *doc);
        let has_blocks = edits().any(|(_, edit)| matches!(edit.mark, Mark::Block(_)));
        let blocks = if has_blocks { inserted(update).unwrap_or_default() } else { IdSet::default() };
        let holds = |edit: &GuestEdit| match &edit.mark {
            Mark::Block(first) => blocks.contains(first),
            Mark::Change(change) => update.windows(change.len()).any(|window| window == change),
        };
        edits().filter(|(_, edit)| holds(edit)).map(|(index, _)| index).collect()
    }
}

impl World {
    /// A guest is told that an edit is on a relay's disk; that must be true at that moment.
    pub fn on_guest_saved(&mut self, guest: GuestId, doc: &DocId, marker: u64) -> Result<(), String> {
        if !self.oracle.was_at_relay(doc, marker) {
            return Err(format!(
                "guest {guest} was told that edit {marker} of {doc} is saved, and no relay has it"
            ));
        }
        self.oracle.acked.insert(marker);
        Ok(())
    }

    /// A guest sees an edit: it is one that somebody made, and what a replica made is on a relay's disk.
    pub fn check_shown(&self, guest: GuestId, doc: &DocId, marker: u64) -> Result<(), String> {
        let of_guest = |edit: &GuestEdit| edit.marker == marker && edit.doc == *doc;
        match self.oracle.was_at_relay(doc, marker) || self.oracle.guest_edits.iter().any(of_guest) {
            true => Ok(()),
            false => Err(format!("guest {guest} sees edit {marker} of {doc}, which is on no relay's disk")),
        }
    }
}
