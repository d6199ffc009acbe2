//! How values stand in columns, and the checksum that every row carries.

use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use syncline_core::entry::{Blame, Digest, Family, Kind, Spec};
use syncline_core::event::{Fence, PeerCursor};
use syncline_core::id::{DocId, EntryId, Epoch};
use twox_hash::XxHash3_64;

use super::fault::Fault;
use crate::rules::Head;

/// A checksum over the parts of a row, place included, so that neither a flipped bit nor a row in the wrong
/// place goes unnoticed. It guards against accidents, not against people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum(u64);

impl Sum {
    /// Begins with what tells the tables apart.
    pub(super) fn of(table: &str) -> Self {
        Self(0).bytes(table.as_bytes())
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        Self(XxHash3_64::oneshot_with_seed(self.0, bytes))
    }

    /// As it stands in a column. SQLite's integers are signed: all 64 bits are kept.
    pub(super) const fn finish(self) -> i64 {
        self.0.cast_signed()
    }
}

/// The row of a document.
#[derive(Clone, Debug)]
pub(super) struct DocumentRow {
    pub(super) id: i64,
    pub(super) doc: DocId,
    pub(super) spec: Spec,
    pub(super) epoch: Epoch,
    pub(super) head: Head,
    /// Size of entries and snapshot.
    pub(super) bytes: u64,
    /// How many rows of peers, fences and quarantine belong to it.
    pub(super) notes: u64,
}

/// The columns that [`DocumentRow::read`] expects.
pub(super) const DOCUMENT_COLUMNS: &str = "id, name, family, kind, epoch, head, digest, bytes, notes, sum";

impl DocumentRow {
    pub(super) fn find(connection: &Connection, doc: &DocId) -> Result<Option<Self>, Fault> {
        const SQL: &str = "SELECT id, name, family, kind, epoch, head, digest, bytes, notes, sum
                           FROM documents WHERE name = ?1";
        let mut statement = connection.prepare_cached(SQL)?;
        let found = statement.query_row([doc.as_str()], |row| Ok(Self::read(row))).optional()?.transpose()?;
        match found {
            Some(row) if row.doc != *doc => Err(Fault::damaged(doc, "the index of names leads elsewhere")),
            found => Ok(found),
        }
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Self, Fault> {
        let name: String = row.get(1)?;
        let nonsense = |what: &str| Fault::Damaged(format!("the row of document {name:?}: {what}"));
        let found = Self {
            id: row.get(0)?,
            doc: DocId::new(&name).map_err(|error| nonsense(&error.to_string()))?,
            spec: Spec {
                family: family(row.get_ref(2)?.as_str().unwrap_or_default())
                    .ok_or_else(|| nonsense("its family"))?,
                kind: kind(row.get_ref(3)?.as_str().unwrap_or_default())
                    .ok_or_else(|| nonsense("its kind"))?,
            },
            epoch: Epoch::new(row.get(4)?),
            head: Head { offset: unsigned(row, 5)?, digest: Digest(unsigned(row, 6)?) },
            bytes: unsigned(row, 7)?,
            notes: unsigned(row, 8)?,
        };
        if row.get::<_, i64>(9)? != found.sum() {
            return Err(nonsense(BAD_SUM));
        }
        Ok(found)
    }

    pub(super) fn insert(&self, connection: &Connection) -> Result<(), Fault> {
        const SQL: &str =
            "INSERT INTO documents (id, name, family, kind, epoch, head, digest, bytes, notes, sum)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let (family, kind) = (self.spec.family.to_string(), self.spec.kind.to_string());
        let (head, digest) = (self.head.offset.cast_signed(), self.head.digest.0.cast_signed());
        let (bytes, notes, sum) = (self.bytes.cast_signed(), self.notes.cast_signed(), self.sum());
        let name = self.doc.as_str();
        let epoch = self.epoch.as_bytes();
        let values: [&dyn ToSql; 10] =
            [&self.id, &name, &family, &kind, epoch, &head, &digest, &bytes, &notes, &sum];
        connection.prepare_cached(SQL)?.execute(values)?;
        Ok(())
    }

    pub(super) fn update(&self, connection: &Connection) -> Result<(), Fault> {
        const SQL: &str =
            "UPDATE documents SET head = ?2, digest = ?3, bytes = ?4, notes = ?5, sum = ?6 WHERE id = ?1";
        let (head, digest) = (self.head.offset.cast_signed(), self.head.digest.0.cast_signed());
        let (bytes, notes) = (self.bytes.cast_signed(), self.notes.cast_signed());
        match connection.prepare_cached(SQL)?.execute((self.id, head, digest, bytes, notes, self.sum()))? {
            1 => Ok(()),
            _ => Err(Fault::damaged(&self.doc, "its row is gone")),
        }
    }

    fn sum(&self) -> i64 {
        let Spec { family, kind } = self.spec;
        Sum::of("documents")
            .number(self.id.cast_unsigned())
            .bytes(self.doc.as_str().as_bytes())
            .bytes(family.to_string().as_bytes())
            .bytes(kind.to_string().as_bytes())
            .bytes(self.epoch.as_bytes())
            .number(self.head.offset)
            .number(self.head.digest.0)
            .number(self.bytes)
            .number(self.notes)
            .finish()
    }
}

/// What is wrong with a row whose checksum does not fit.
pub(super) const BAD_SUM: &str = "its checksum does not fit";

/// A number of 64 bits, kept as SQLite's signed integer of the same bits.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, Fault> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn family(name: &str) -> Option<Family> {
    [Family::Yjs, Family::Automerge, Family::Toy].into_iter().find(|family| family.to_string() == name)
}

fn kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.to_string() == name)
}

/// The checksum of a row of `entries`.
pub(super) fn entry_sum(
    id: i64,
    offset: u64,
    digest: Digest,
    entry: &[u8],
    operations: Option<&[u8]>,
) -> i64 {
    let sum = Sum::of("entries").number(id.cast_unsigned()).number(offset).number(digest.0).bytes(entry);
    operations.map_or(sum, |operations| sum.bytes(operations)).finish()
}

/// The checksum of a row of `snapshots`, which is also that of its parts.
pub(super) fn snapshot_sum(id: i64, offset: u64, digest: Digest, covers: &[u8], state: &[u8]) -> i64 {
    let place = Sum::of("snapshots").number(id.cast_unsigned()).number(offset).number(digest.0);
    place.bytes(covers).bytes(state).finish()
}

/// The checksum of a row of `peers`.
pub(super) fn peer_sum(id: i64, cursor: &PeerCursor) -> i64 {
    let place = Sum::of("peers").number(id.cast_unsigned()).bytes(cursor.epoch().as_bytes());
    let theirs = place.number(cursor.theirs.offset).number(cursor.theirs.digest.0);
    theirs.number(cursor.relay.into()).number(cursor.acked).number(cursor.covered).finish()
}

/// Whether what an entry builds on is at fault, as `fences` holds it.
pub(super) const fn blamed(fence: &Fence) -> bool {
    matches!(fence.blame, Blame::Context)
}

/// The checksum of a row of `fences`.
pub(super) fn fence_sum(id: i64, fence: &Fence) -> i64 {
    let place = Sum::of("fences").number(id.cast_unsigned()).bytes(fence.replica.as_bytes());
    place.number(fence.counter).number(blamed(fence).into()).bytes(fence.reason.as_bytes()).finish()
}

/// The checksum of a row of `quarantine`.
pub(super) fn quarantine_sum(id: i64, entry: &EntryId) -> i64 {
    let place = Sum::of("quarantine").number(id.cast_unsigned()).bytes(entry.replica.as_bytes());
    place.number(entry.counter).finish()
}
