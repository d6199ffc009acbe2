//! Writes as SQL, inside one transaction.
//!
//! The rows of the documents that a batch touches are read once and written once, however many entries it
//! appends to them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use syncline_core::entry::{Digest, Spec};
use syncline_core::event::{Fence, PeerCursor, Snapshot, StoredEntry, Write};
use syncline_core::id::{DocId, EntryId, Epoch};
use syncline_core::wire::{encode_entry, encode_have};

use super::fault::Fault;
use super::pack::pack;
use super::read;
use super::row::{DocumentRow, blamed, entry_sum, fence_sum, peer_sum, quarantine_sum, snapshot_sum};
use super::schema;
use crate::rules::{self, Head, Verdict};

/// Size of the parts in which the state of a snapshot is kept.
const SNAPSHOT_PART_BYTES: usize = 1 << 20;

/// Writes of one transaction.
pub(super) struct Batch<'c> {
    connection: &'c Connection,
    rows: BTreeMap<DocId, Touched>,
}

struct Touched {
    row: DocumentRow,
    changed: bool,
}

impl<'c> Batch<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, rows: BTreeMap::new() }
    }

    pub(super) fn apply(&mut self, write: &Write) -> Result<(), Fault> {
        match write {
            Write::Create { doc, spec, epoch } => self.create(doc, *spec, *epoch),
            Write::Append { doc, entry } => self.append(doc, entry),
            Write::Peer { doc, cursor } => self.peer(doc, cursor),
            Write::ForgetPeer { doc, epoch } => self.forget_peer(doc, *epoch),
            Write::Fence { doc, fence } => self.fence(doc, fence),
            Write::Quarantine { doc, id } => self.quarantine(doc, id),
            Write::Release { doc, id } => self.release(doc, id),
            Write::Compact { doc, snapshot } => self.compact(doc, snapshot),
            Write::Replace { doc, snapshot, entries } => self.replace(doc, snapshot, entries),
            Write::Delete { doc } => self.delete(doc),
        }
    }

    /// Writes the rows of the documents; to be called last.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let changed = self.rows.into_values().filter(|touched| touched.changed);
        changed.map(|touched| touched.row).try_for_each(|row| row.update(self.connection))
    }

    fn find(&mut self, doc: &DocId) -> Result<Option<&mut Touched>, Fault> {
        if !self.rows.contains_key(doc)
            && let Some(row) = DocumentRow::find(self.connection, doc)?
        {
            self.rows.insert(doc.clone(), Touched { row, changed: false });
        }
        Ok(self.rows.get_mut(doc))
    }

    fn known(&mut self, doc: &DocId) -> Result<(&'c Connection, &mut Touched), Fault> {
        let connection = self.connection;
        let touched = self.find(doc)?.ok_or_else(|| Fault::misuse(doc, rules::NO_SUCH_DOCUMENT))?;
        Ok((connection, touched))
    }

    fn create(&mut self, doc: &DocId, spec: Spec, epoch: Epoch) -> Result<(), Fault> {
        let existing = self.find(doc)?.map(|touched| (touched.row.spec, touched.row.epoch));
        if rules::create(existing, (spec, epoch)).map_err(|what| Fault::misuse(doc, what))? == Verdict::Known
        {
            return Ok(());
        }
        let id = self
            .connection
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM documents", [], |row| row.get(0))?;
        let row =
            DocumentRow { id, doc: doc.clone(), spec, epoch, head: Head::default(), bytes: 0, notes: 0 };
        row.insert(self.connection)?;
        self.rows.insert(doc.clone(), Touched { row, changed: false });
        count_documents(self.connection, 1)
    }

    fn delete(&mut self, doc: &DocId) -> Result<(), Fault> {
        let Some(id) = self.find(doc)?.map(|touched| touched.row.id) else {
            return Ok(());
        };
        for table in schema::OWNED_TABLES {
            self.connection.prepare_cached(&format!("DELETE FROM {table} WHERE doc = ?1"))?.execute([id])?;
        }
        self.connection.prepare_cached("DELETE FROM documents WHERE id = ?1")?.execute([id])?;
        self.rows.remove(doc);
        count_documents(self.connection, -1)
    }

    fn append(&mut self, doc: &DocId, entry: &StoredEntry) -> Result<(), Fault> {
        let (connection, Touched { row, changed }) = self.known(doc)?;
        // The usual entry is the next one: only for another is it worth looking what is there.
        let stored = if entry.offset > row.head.offset {
            None
        } else {
            entry_digest(connection, row.id, entry.offset)?
        };
        if rules::append(row.head, stored, entry).map_err(|what| Fault::misuse(doc, what))? == Verdict::Apply
        {
            push(connection, row, entry)?;
            *changed = true;
        }
        Ok(())
    }

    fn peer(&mut self, doc: &DocId, cursor: &PeerCursor) -> Result<(), Fault> {
        const UPDATE: &str =
            "UPDATE peers SET position = ?3, digest = ?4, relay = ?5, acked = ?6, covered = ?7, sum = ?8
                              WHERE doc = ?1 AND epoch = ?2";
        const INSERT: &str = "INSERT INTO peers (doc, epoch, position, digest, relay, acked, covered, sum)
                              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let (offset, digest) = (cursor.theirs.offset.cast_signed(), cursor.theirs.digest.0.cast_signed());
        let (acked, covered) = (cursor.acked.cast_signed(), cursor.covered.cast_signed());
        let epoch = cursor.epoch();
        let sum = peer_sum(row.id, cursor);
        let values = (row.id, epoch.as_bytes(), offset, digest, cursor.relay, acked, covered, sum);
        if connection.prepare_cached(UPDATE)?.execute(values)? == 0 {
            connection.prepare_cached(INSERT)?.execute(values)?;
            row.notes += 1;
            *changed = true;
        }
        Ok(())
    }

    fn forget_peer(&mut self, doc: &DocId, epoch: Epoch) -> Result<(), Fault> {
        const SQL: &str = "DELETE FROM peers WHERE doc = ?1 AND epoch = ?2";
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let forgotten = connection.prepare_cached(SQL)?.execute((row.id, epoch.as_bytes()))?;
        row.notes -= forgotten as u64;
        *changed |= forgotten > 0;
        Ok(())
    }

    fn fence(&mut self, doc: &DocId, fence: &Fence) -> Result<(), Fault> {
        const UPDATE: &str = "UPDATE fences SET counter = ?3, blame = ?4, reason = ?5, sum = ?6
                              WHERE doc = ?1 AND replica = ?2";
        const INSERT: &str = "INSERT INTO fences (doc, replica, counter, blame, reason, sum)
                              VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let (counter, sum) = (fence.counter.cast_signed(), fence_sum(row.id, fence));
        let values = (row.id, fence.replica.as_bytes(), counter, blamed(fence), &fence.reason, sum);
        if connection.prepare_cached(UPDATE)?.execute(values)? == 0 {
            connection.prepare_cached(INSERT)?.execute(values)?;
            row.notes += 1;
            *changed = true;
        }
        Ok(())
    }

    fn quarantine(&mut self, doc: &DocId, id: &EntryId) -> Result<(), Fault> {
        const SQL: &str =
            "INSERT OR IGNORE INTO quarantine (doc, replica, counter, sum) VALUES (?1, ?2, ?3, ?4)";
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let (counter, sum) = (id.counter.cast_signed(), quarantine_sum(row.id, id));
        let added = connection.prepare_cached(SQL)?.execute((row.id, id.replica.as_bytes(), counter, sum))?;
        row.notes += added as u64;
        *changed |= added > 0;
        Ok(())
    }

    fn release(&mut self, doc: &DocId, id: &EntryId) -> Result<(), Fault> {
        const SQL: &str = "DELETE FROM quarantine WHERE doc = ?1 AND replica = ?2 AND counter = ?3";
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let key = (row.id, id.replica.as_bytes(), id.counter.cast_signed());
        let released = connection.prepare_cached(SQL)?.execute(key)?;
        row.notes -= released as u64;
        *changed |= released > 0;
        Ok(())
    }

    fn compact(&mut self, doc: &DocId, snapshot: &Snapshot) -> Result<(), Fault> {
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let stored = snapshot_offset(connection, row.id)?;
        let there = entry_digest(connection, row.id, snapshot.offset)?;
        if rules::compact(stored, there, snapshot).map_err(|what| Fault::misuse(doc, what))? == Verdict::Apply
        {
            put_snapshot(connection, row, snapshot)?;
            *changed = true;
        }
        Ok(())
    }

    fn replace(&mut self, doc: &DocId, snapshot: &Snapshot, entries: &[StoredEntry]) -> Result<(), Fault> {
        let (connection, Touched { row, changed }) = self.known(doc)?;
        let stored = snapshot_offset(connection, row.id)?;
        let verdict = rules::replace(stored, row.head, snapshot, entries);
        if verdict.map_err(|what| Fault::misuse(doc, what))? == Verdict::Apply {
            put_snapshot(connection, row, snapshot)?;
            row.head = Head { offset: snapshot.offset, digest: snapshot.digest };
            entries.iter().try_for_each(|entry| push(connection, row, entry))?;
            *changed = true;
        }
        Ok(())
    }
}

fn count_documents(connection: &Connection, by: i64) -> Result<(), Fault> {
    match connection.prepare_cached("UPDATE store SET documents = documents + ?1")?.execute([by])? {
        1 => Ok(()),
        _ => Err(Fault::Damaged("the row of the store is gone".into())),
    }
}

fn entry_digest(connection: &Connection, id: i64, offset: u64) -> Result<Option<Digest>, Fault> {
    const SQL: &str = "SELECT digest FROM entries WHERE doc = ?1 AND position = ?2";
    let found =
        connection.prepare_cached(SQL)?.query_row((id, offset.cast_signed()), |row| row.get(0)).optional()?;
    Ok(found.map(|digest: i64| Digest(digest.cast_unsigned())))
}

fn snapshot_offset(connection: &Connection, id: i64) -> Result<Option<u64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT max(position) FROM snapshots WHERE doc = ?1")?;
    Ok(statement.query_row([id], |row| row.get::<_, Option<i64>>(0))?.map(i64::cast_unsigned))
}

fn push(connection: &Connection, row: &mut DocumentRow, stored: &StoredEntry) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO entries (doc, position, digest, entry, operations, sum)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let StoredEntry { offset, digest, entry, operations } = stored;
    let (entry, operations) = (encode_entry(entry), operations.as_deref());
    let sum = entry_sum(row.id, *offset, *digest, &entry, operations);
    let values = (row.id, offset.cast_signed(), digest.0.cast_signed(), &*entry, operations, sum);
    connection.prepare_cached(SQL)?.execute(values)?;
    row.head = Head { offset: *offset, digest: *digest };
    row.bytes += (entry.len() + operations.map_or(0, <[u8]>::len)) as u64;
    Ok(())
}

/// Writes a snapshot, reads it back, and only then drops what it stands for. Entries behind it are not touched.
fn put_snapshot(connection: &Connection, row: &mut DocumentRow, snapshot: &Snapshot) -> Result<(), Fault> {
    let covers = encode_have(&snapshot.covers);
    let sum = snapshot_sum(row.id, snapshot.offset, snapshot.digest, &covers, &snapshot.state);
    let (offset, digest) = (snapshot.offset.cast_signed(), snapshot.digest.0.cast_signed());
    let size = snapshot.state.len() as u64;
    let dropped = size_up_to(connection, row.id, offset)?;
    const HEAD: &str =
        "INSERT INTO snapshots (doc, position, digest, covers, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(HEAD)?.execute((row.id, offset, digest, &*covers, size.cast_signed(), sum))?;
    const PART: &str = "INSERT INTO snapshot_parts (doc, position, part, state) VALUES (?1, ?2, ?3, ?4)";
    for (part, state) in pack(&snapshot.state).chunks(SNAPSHOT_PART_BYTES).enumerate() {
        connection.prepare_cached(PART)?.execute((row.id, offset, part as i64, state))?;
    }
    if read::snapshot(connection, row, snapshot.offset)?.as_ref() != Some(snapshot) {
        return Err(Fault::damaged(&row.doc, "a new snapshot does not read back as it was written"));
    }
    drop_merged(connection, row.id, offset)?;
    row.bytes = (row.bytes + size).saturating_sub(dropped);
    Ok(())
}

fn size_up_to(connection: &Connection, id: i64, offset: i64) -> Result<u64, Fault> {
    const SQL: &str = "SELECT (SELECT coalesce(sum(length(entry) + coalesce(length(operations), 0)), 0)
                               FROM entries WHERE doc = ?1 AND position <= ?2)
                            + (SELECT coalesce(sum(bytes), 0) FROM snapshots WHERE doc = ?1)";
    let size: i64 = connection.prepare_cached(SQL)?.query_row((id, offset), |row| row.get(0))?;
    Ok(size.cast_unsigned())
}

fn drop_merged(connection: &Connection, id: i64, offset: i64) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM entries WHERE doc = ?1 AND position <= ?2",
        "DELETE FROM snapshots WHERE doc = ?1 AND position < ?2",
        "DELETE FROM snapshot_parts WHERE doc = ?1 AND position < ?2",
    ] {
        connection.prepare_cached(sql)?.execute((id, offset))?;
    }
    Ok(())
}
