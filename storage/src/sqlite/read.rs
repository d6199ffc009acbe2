//! Documents out of their rows, each row checked against its checksum and all of them against the document's.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use syncline_core::entry::{Blame, Cursor, Digest};
use syncline_core::event::{Fence, PeerCursor, Snapshot, StoredDocument, StoredEntry};
use syncline_core::id::{DocId, EntryId, Epoch, ReplicaId};
use syncline_core::wire::{decode_entry, decode_have};

use super::fault::Fault;
use super::pack::unpack;
use super::row::{
    BAD_SUM, DOCUMENT_COLUMNS, DocumentRow, entry_sum, fence_sum, peer_sum, quarantine_sum, snapshot_sum,
    unsigned,
};
use crate::{DocumentSummary, rules};

/// Everything about a document.
pub(super) fn document(connection: &Connection, doc: &DocId) -> Result<Option<StoredDocument>, Fault> {
    DocumentRow::find(connection, doc)?.map(|row| body(connection, &row)).transpose()
}

/// Everything about the document of a row.
pub(super) fn body(connection: &Connection, row: &DocumentRow) -> Result<StoredDocument, Fault> {
    let document = StoredDocument {
        spec: row.spec,
        epoch: row.epoch,
        snapshot: newest_snapshot(connection, row)?.map(Arc::new),
        entries: entries(connection, row)?,
        peers: peers(connection, row)?,
        fences: fences(connection, row)?,
        quarantined: quarantined(connection, row)?,
    };
    let notes = (document.peers.len() + document.fences.len() + document.quarantined.len()) as u64;
    if notes != row.notes {
        return Err(Fault::damaged(&row.doc, format!("{notes} rows belong to it, not {}", row.notes)));
    }
    rules::whole(row.head, &document).map_err(|mistake| Fault::damaged(&row.doc, mistake))?;
    Ok(document)
}

/// What there is, without reading any log.
pub(super) fn documents(connection: &Connection) -> Result<Vec<DocumentSummary>, Fault> {
    let summary = |row: DocumentRow| DocumentSummary {
        doc: row.doc,
        spec: row.spec,
        head: row.head.offset,
        bytes: row.bytes,
    };
    let mut found: Vec<_> = rows(connection)?.into_iter().map(summary).collect();
    found.sort_by(|left, right| left.doc.cmp(&right.doc));
    Ok(found)
}

/// Every row of a document, and surely every one.
pub(super) fn rows(connection: &Connection) -> Result<Vec<DocumentRow>, Fault> {
    let sql = format!("SELECT {DOCUMENT_COLUMNS} FROM documents NOT INDEXED ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = collect(statement.query([])?, DocumentRow::read)?;
    let count: i64 = connection.query_row("SELECT documents FROM store", [], |row| row.get(0))?;
    if count.cast_unsigned() != found.len() as u64 {
        return Err(Fault::Damaged(format!(
            "{} documents can be read, there should be {count}",
            found.len()
        )));
    }
    Ok(found)
}

fn newest_snapshot(connection: &Connection, row: &DocumentRow) -> Result<Option<Snapshot>, Fault> {
    let mut statement = connection.prepare_cached("SELECT position FROM snapshots WHERE doc = ?1")?;
    let offsets = collect(statement.query([row.id])?, |found| unsigned(found, 0))?;
    match *offsets.as_slice() {
        [] => Ok(None),
        [offset] => snapshot(connection, row, offset),
        [..] => Err(Fault::damaged(&row.doc, "it has several snapshots")),
    }
}

/// The snapshot at an offset.
pub(super) fn snapshot(
    connection: &Connection,
    row: &DocumentRow,
    offset: u64,
) -> Result<Option<Snapshot>, Fault> {
    const HEAD: &str = "SELECT digest, covers, bytes, sum FROM snapshots WHERE doc = ?1 AND position = ?2";
    let damaged = |what: String| Fault::damaged(&row.doc, format!("the snapshot at offset {offset}: {what}"));
    let mut statement = connection.prepare_cached(HEAD)?;
    let mut heads = statement.query((row.id, offset.cast_signed()))?;
    let Some(head) = heads.next()? else {
        return Ok(None);
    };
    let (digest, covers) = (Digest(unsigned(head, 0)?), head.get_ref(1)?.as_blob().unwrap_or_default());
    let size = unsigned(head, 2)?;
    let state = unpack(state(connection, row.id, offset, size)?, size);
    let state = Bytes::from(state.map_err(|error| damaged(error.to_string()))?);
    if head.get::<_, i64>(3)? != snapshot_sum(row.id, offset, digest, covers, &state) {
        return Err(damaged(BAD_SUM.into()));
    }
    let covers = decode_have(covers).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(Snapshot { offset, digest, covers, state }))
}

/// The state of a snapshot of some size, as it stands in the database.
fn state(connection: &Connection, id: i64, offset: u64, size: u64) -> Result<Vec<u8>, Fault> {
    /// The size is believed only so far before the bytes are there.
    const MAX_RESERVED_BYTES: u64 = 64 << 20;
    const SQL: &str = "SELECT state FROM snapshot_parts WHERE doc = ?1 AND position = ?2 ORDER BY part";
    let mut state = Vec::with_capacity(size.min(MAX_RESERVED_BYTES) as usize);
    let mut statement = connection.prepare_cached(SQL)?;
    let mut parts = statement.query((id, offset.cast_signed()))?;
    while let Some(part) = parts.next()? {
        state.extend_from_slice(part.get_ref(0)?.as_blob().unwrap_or_default());
    }
    Ok(state)
}

fn entries(connection: &Connection, row: &DocumentRow) -> Result<Vec<StoredEntry>, Fault> {
    const SQL: &str =
        "SELECT position, digest, entry, operations, sum FROM entries WHERE doc = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(SQL)?;
    collect(statement.query([row.id])?, |found| entry(found, row))
}

fn entry(found: &Row<'_>, row: &DocumentRow) -> Result<StoredEntry, Fault> {
    let (offset, digest) = (unsigned(found, 0)?, Digest(unsigned(found, 1)?));
    let damaged = |what: String| Fault::damaged(&row.doc, format!("entry {offset}: {what}"));
    let bytes = found.get_ref(2)?.as_blob().unwrap_or_default();
    let operations = found.get_ref(3)?.as_blob_or_null().unwrap_or_default();
    if found.get::<_, i64>(4)? != entry_sum(row.id, offset, digest, bytes, operations) {
        return Err(damaged(BAD_SUM.into()));
    }
    let entry = Arc::new(decode_entry(bytes).map_err(|error| damaged(error.to_string()))?);
    Ok(StoredEntry { offset, digest, entry, operations: operations.map(Bytes::copy_from_slice) })
}

fn peers(connection: &Connection, row: &DocumentRow) -> Result<Vec<PeerCursor>, Fault> {
    const SQL: &str = "SELECT epoch, position, digest, relay, acked, covered, sum FROM peers WHERE doc = ?1
                       ORDER BY epoch";
    let mut statement = connection.prepare_cached(SQL)?;
    collect(statement.query([row.id])?, |found| {
        let (epoch, offset, digest) =
            (Epoch::new(found.get(0)?), unsigned(found, 1)?, Digest(unsigned(found, 2)?));
        let theirs = Cursor { epoch, offset, digest };
        let cursor = PeerCursor {
            theirs,
            relay: found.get(3)?,
            acked: unsigned(found, 4)?,
            covered: unsigned(found, 5)?,
        };
        checked(found.get(6)?, peer_sum(row.id, &cursor), row, "a peer")?;
        Ok(cursor)
    })
}

fn fences(connection: &Connection, row: &DocumentRow) -> Result<Vec<Fence>, Fault> {
    const SQL: &str =
        "SELECT replica, counter, blame, reason, sum FROM fences WHERE doc = ?1 ORDER BY replica";
    let mut statement = connection.prepare_cached(SQL)?;
    collect(statement.query([row.id])?, |found| {
        let fence = Fence {
            replica: ReplicaId::new(found.get(0)?),
            counter: unsigned(found, 1)?,
            blame: if found.get(2)? { Blame::Context } else { Blame::Entry },
            reason: found.get(3)?,
        };
        checked(found.get(4)?, fence_sum(row.id, &fence), row, "a fence")?;
        Ok(fence)
    })
}

fn quarantined(connection: &Connection, row: &DocumentRow) -> Result<Vec<EntryId>, Fault> {
    const SQL: &str = "SELECT replica, counter, sum FROM quarantine WHERE doc = ?1";
    let mut statement = connection.prepare_cached(SQL)?;
    let mut ids = collect(statement.query([row.id])?, |found| {
        let id = EntryId { replica: ReplicaId::new(found.get(0)?), counter: unsigned(found, 1)? };
        checked(found.get(2)?, quarantine_sum(row.id, &id), row, "a quarantined entry")?;
        Ok(id)
    })?;
    ids.sort_unstable();
    Ok(ids)
}

fn checked(stored: i64, sum: i64, row: &DocumentRow, what: &str) -> Result<(), Fault> {
    if stored == sum { Ok(()) } else { Err(Fault::damaged(&row.doc, format!("{what}: {BAD_SUM}"))) }
}

fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
