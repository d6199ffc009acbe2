//! The rules that every store keeps, whatever it is made of: which writes make sense, and which are known already.
//!
//! A batch whose outcome is unknown is committed again, so each rule has three answers: apply it, it is known,
//! or it is a mistake. They are functions of the few facts a store looks up, so that no two stores can differ.

use std::collections::BTreeMap;

use syncline_core::entry::{Digest, Spec};
use syncline_core::event::{Snapshot, StoredDocument, StoredEntry, Write};
use syncline_core::id::Epoch;

/// What to do with a write that makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new.
    Apply,
    /// It was committed before.
    Known,
}

/// Why a write makes no sense.
pub(crate) type Mistake = String;

/// What is wrong with a write about a document that was never created.
pub(crate) const NO_SUCH_DOCUMENT: &str = "there is no such document";

/// The end of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) offset: u64,
    pub(crate) digest: Digest,
}

/// The writes whose effect outlives the batch: not those that a later delete of the same document undoes.
/// Leaving those out is what makes a batch with a delete in it safe to commit again.
pub(crate) fn lasting(writes: &[Write]) -> impl Iterator<Item = &Write> {
    let mut deleted = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        if matches!(write, Write::Delete { .. }) {
            deleted.insert(write.doc(), index);
        }
    }
    let lasts = move |index, write: &Write| deleted.get(write.doc()).is_none_or(|last| index >= *last);
    writes.iter().enumerate().filter(move |(index, write)| lasts(*index, write)).map(|(_, write)| write)
}

/// Begins a log, unless this very log has begun.
pub(crate) fn create(existing: Option<(Spec, Epoch)>, wanted: (Spec, Epoch)) -> Result<Verdict, Mistake> {
    match existing {
        None => Ok(Verdict::Apply),
        Some(existing) if existing == wanted => Ok(Verdict::Known),
        Some((spec, epoch)) => Err(format!("created twice: it is a {spec} document with log {epoch}")),
    }
}

/// Appends the entry that comes next; `stored` is the digest of the entry already at its offset, if it is there.
pub(crate) fn append(head: Head, stored: Option<Digest>, entry: &StoredEntry) -> Result<Verdict, Mistake> {
    let offset = entry.offset;
    match stored {
        Some(digest) if digest == entry.digest => return Ok(Verdict::Known),
        Some(_) => return Err(format!("another entry is at offset {offset}")),
        None if offset <= head.offset => return Ok(Verdict::Known),
        None => follows(head, entry)?,
    };
    Ok(Verdict::Apply)
}

/// The end of the log with this entry, which must come right behind its old end.
pub(crate) fn follows(head: Head, entry: &StoredEntry) -> Result<Head, Mistake> {
    if entry.offset != head.offset + 1 {
        return Err(format!("entry {} follows entry {}: the log has a hole", entry.offset, head.offset));
    }
    if entry.digest != head.digest.chain(&entry.entry.id) {
        return Err(format!("the digest of entry {} does not fit the log", entry.offset));
    }
    Ok(Head { offset: entry.offset, digest: entry.digest })
}

/// Compacts, unless that or more was compacted; `there` is the log's digest at the snapshot's offset.
pub(crate) fn compact(
    stored: Option<u64>,
    there: Option<Digest>,
    snapshot: &Snapshot,
) -> Result<Verdict, Mistake> {
    let offset = snapshot.offset;
    match (stored, there) {
        (Some(stored), _) if stored >= offset => Ok(Verdict::Known),
        (_, Some(digest)) if digest == snapshot.digest => Ok(Verdict::Apply),
        (_, Some(_)) => Err(format!("the snapshot at offset {offset} is not one of this log")),
        (_, None) => Err(format!("the snapshot at offset {offset} lies behind the end of the log")),
    }
}

/// Replaces the log, unless that was done.
pub(crate) fn replace(
    stored: Option<u64>,
    head: Head,
    snapshot: &Snapshot,
    entries: &[StoredEntry],
) -> Result<Verdict, Mistake> {
    let start = Head { offset: snapshot.offset, digest: snapshot.digest };
    entries.iter().try_fold(start, follows)?;
    match stored {
        Some(stored) if stored >= snapshot.offset => Ok(Verdict::Known),
        _ if snapshot.offset > head.offset => Ok(Verdict::Apply),
        _ => Err(format!("offset {} does not lie behind the log it replaces", snapshot.offset)),
    }
}

/// Whether a document is whole: from its snapshot to its head without holes, each entry under the right digest.
pub(crate) fn whole(head: Head, document: &StoredDocument) -> Result<(), Mistake> {
    let start = document
        .snapshot
        .as_ref()
        .map_or_else(Head::default, |snapshot| Head { offset: snapshot.offset, digest: snapshot.digest });
    let end = document.entries.iter().try_fold(start, follows)?;
    if end != head {
        return Err(format!("the log should end at offset {} and ends at {}", head.offset, end.offset));
    }
    Ok(())
}
