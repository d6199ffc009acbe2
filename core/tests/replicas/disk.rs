//! What a replica's disk holds of the document.

use syncline_core::event::{StoredDocument, Write};

/// Does to a disk what a replica asks for.
pub fn commit(disk: &mut Option<StoredDocument>, write: Write) {
    if let Write::Create { spec, epoch, .. } = write {
        let (entries, peers, fences, quarantined) = Default::default();
        *disk = Some(StoredDocument { spec, epoch, snapshot: None, entries, peers, fences, quarantined });
        return;
    }
    let stored = disk.as_mut().expect("what is changed was created");
    match write {
        Write::Create { .. } => {}
        Write::Append { entry, .. } => stored.entries.push(entry),
        Write::Peer { cursor, .. } => {
            stored.peers.retain(|known| known.epoch() != cursor.epoch());
            stored.peers.push(cursor);
        }
        Write::ForgetPeer { epoch, .. } => stored.peers.retain(|known| known.epoch() != epoch),
        Write::Fence { fence, .. } => {
            stored.fences.retain(|known| known.replica != fence.replica);
            stored.fences.push(fence);
        }
        Write::Quarantine { id, .. } => stored.quarantined.push(id),
        Write::Release { id, .. } => stored.quarantined.retain(|known| *known != id),
        Write::Compact { snapshot, .. } => {
            stored.entries.retain(|entry| entry.offset > snapshot.offset);
            stored.snapshot = Some(snapshot);
        }
        Write::Replace { snapshot, entries, .. } => {
            (stored.snapshot, stored.entries) = (Some(snapshot), entries);
        }
        Write::Delete { .. } => *disk = None,
    }
}
