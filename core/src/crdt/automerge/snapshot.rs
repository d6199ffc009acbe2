//! Snapshots from outside: how large they are before Automerge inflates them, and what they hold.
//!
//! A document chunk keeps its columns deflated one by one:
//!
//! ```text
//! actors | heads | columns of the changes | columns of the operations | cells | cells | places of the heads
//! ```
//!
//! Automerge verifies what it loads by rebuilding every change and comparing hashes, so what loads is sound; what
//! it lacks is a bound on the work, which is set here.

use automerge::{Automerge, ReadDoc};

use super::change::{Action, Change, MAX_OPS, Scalar, VALUE_TYPES, VALUES};
use super::chunk::{Chunk, ChunkKind, Chunks};
use super::column::{Delta, Rle};
use super::contain::{contained, read_document};
use super::inflate::{Budget, MAX_INFLATED_BYTES};
use super::judge::made;
use super::known::{Admitted, Knowledge, Known, OpId};
use super::reader::{Reader, malformed};
use super::roots;
use crate::crdt::{Damaged, GateError};

/// Most operations of a document that is taken over as a whole.
pub const MAX_DOCUMENT_OPS: u64 = 1 << 23;

/// The bit of a column's number that says it is deflated, and those that tell its type.
const DEFLATED: u64 = 8;
const TYPE: u64 = 7;

const ID_ACTOR: u64 = 33;
const ID_COUNTER: u64 = 35;
const ACTION: u64 = 66;

/// Loads a snapshot made by somebody else, if it is within the limits.
pub fn load(snapshot: &[u8]) -> Result<Automerge, GateError> {
    if snapshot.len() > MAX_INFLATED_BYTES {
        return Err(GateError::Limit { what: "the snapshot", limit: MAX_INFLATED_BYTES as u64 });
    }
    let mut only_documents = true;
    let mut budget = Budget::of_snapshot();
    let chunks = Chunks::new(snapshot, &mut budget).collect::<Result<Vec<_>, _>>()?;
    for chunk in &chunks {
        check_size(chunk, &mut budget)?;
        only_documents &= chunk.kind == ChunkKind::Document;
    }
    let document = read_document(snapshot).map_err(refused)?;
    if !document.get_missing_deps(&[]).is_empty() {
        return Err(GateError::Gap { reason: "a change that the snapshot builds on".to_owned() });
    }
    if !only_documents {
        verify(&document)?;
    }
    check_roots(&document)?;
    Ok(document)
}

/// What loads from changes may still not load from what it is saved as.
fn verify(document: &Automerge) -> Result<(), GateError> {
    let saved = contained(|| Ok(document.save())).map_err(refused)?;
    read_document(&saved).map(drop).map_err(refused)
}

fn refused(error: Damaged) -> GateError {
    malformed(error.reason)
}

fn check_roots(document: &Automerge) -> Result<(), GateError> {
    for change in document.get_changes_meta(&[]) {
        if roots::is_reserved(change.actor.to_bytes()) {
            let change = contained(|| Ok(document.get_change_by_hash(&change.hash))).map_err(refused)?;
            let change = change.ok_or_else(|| malformed("a change that is not there"))?;
            for chunk in Chunks::new(change.raw_bytes(), &mut Budget::new(0)) {
                let body = chunk?.body;
                roots::check(&Change::parse(&body)?, &body)?;
            }
        }
    }
    Ok(())
}

fn check_size(chunk: &Chunk<'_>, budget: &mut Budget) -> Result<(), GateError> {
    match chunk.kind {
        ChunkKind::Document => {
            let document = DocumentChunk::parse(&chunk.body)?;
            document.columns.iter().try_for_each(|column| column.check_size(budget))
        }
        ChunkKind::Change => {
            let mut ops = Change::parse(&chunk.body)?.ops;
            for _ in 0..MAX_OPS {
                if ops.next()?.is_none() {
                    return Ok(());
                }
            }
            Err(GateError::Limit { what: "the operations of a change", limit: MAX_OPS as u64 })
        }
    }
}

/// A document chunk, its columns not yet inflated.
struct DocumentChunk<'a> {
    actors: Vec<&'a [u8]>,
    columns: Vec<Column<'a>>,
    /// How many of the columns belong to the changes; the others belong to the operations.
    of_changes: usize,
}

struct Column<'a> {
    spec: u64,
    cells: &'a [u8],
}

impl<'a> DocumentChunk<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, GateError> {
        let mut reader = Reader::new(body);
        let mut actors = Vec::new();
        for _ in 0..reader.length()? {
            actors.push(reader.bytes()?);
        }
        for _ in 0..reader.length()? {
            reader.array::<32>()?;
        }
        let mut specs = specs(&mut reader)?;
        let of_changes = specs.len();
        specs.append(&mut self::specs(&mut reader)?);
        let mut columns = Vec::new();
        for (spec, len) in specs {
            columns.push(Column { spec, cells: reader.take(len)? });
        }
        Ok(Self { actors, columns, of_changes })
    }

    fn of_operations(&self, spec: u64) -> &'a [u8] {
        let column = self.columns[self.of_changes..].iter().find(|column| column.spec == spec);
        column.map_or(&[], |column| column.cells)
    }
}

fn specs(reader: &mut Reader<'_>) -> Result<Vec<(u64, usize)>, GateError> {
    let mut specs = Vec::new();
    for _ in 0..reader.length()? {
        specs.push((reader.unsigned()?, reader.length()?));
    }
    Ok(specs)
}

impl Column<'_> {
    fn check_size(&self, budget: &mut Budget) -> Result<(), GateError> {
        let inflated;
        let cells = match self.spec & DEFLATED {
            0 => self.cells,
            _ => {
                inflated = budget.inflate(self.cells)?;
                &inflated
            }
        };
        let mut reader = Reader::new(cells);
        let mut count = 0_u64;
        while !reader.is_empty() && self.spec & TYPE != 7 {
            count = count.saturating_add(skip_run(&mut reader, self.spec & TYPE)?);
            if count > MAX_DOCUMENT_OPS {
                return Err(GateError::Limit {
                    what: "the operations of a document",
                    limit: MAX_DOCUMENT_OPS,
                });
            }
        }
        Ok(())
    }
}

/// Passes over one run of a column of this type; tells how many cells it has.
fn skip_run(reader: &mut Reader<'_>, kind: u64) -> Result<u64, GateError> {
    if kind == 4 {
        return reader.unsigned();
    }
    let count = reader.signed()?;
    match count {
        0 => return reader.unsigned(),
        1.. => skip_cell(reader, kind)?,
        ..0 => {
            for _ in count..0 {
                skip_cell(reader, kind)?;
            }
        }
    }
    Ok(count.unsigned_abs())
}

fn skip_cell(reader: &mut Reader<'_>, kind: u64) -> Result<(), GateError> {
    match kind {
        3 => reader.signed().map(drop),
        5 => reader.bytes().map(drop),
        _ => reader.unsigned().map(drop),
    }
}

/// Takes note of all that a loaded document holds, in addition to what is `known` already.
pub fn knowledge(document: &Automerge, known: &mut Known) -> Result<(), GateError> {
    for change in document.get_changes_meta(&[]) {
        if known.change(&change.hash.0).is_some() {
            continue;
        }
        let actor = change.actor.to_bytes().to_vec();
        if change.seq != known.progress(&actor).seq + 1 {
            return Err(malformed(format!("a second change {} of one actor", change.seq)));
        }
        let range = |op: u64| u32::try_from(op).map_err(|_| malformed("a counter is out of range"));
        let (start_op, ops) = (range(change.start_op)?, range(change.max_op + 1 - change.start_op)?);
        known.insert(Admitted {
            hash: change.hash.0,
            actor,
            seq: change.seq,
            start_op,
            ops,
            objects: Vec::new(),
        });
    }
    let saved = contained(|| Ok(document.save_nocompress())).map_err(refused)?;
    insert_objects(&saved, known)
}

/// The objects of a document and the bounds of its counters, from its operations as the library itself has just written them.
fn insert_objects(saved: &[u8], known: &mut Known) -> Result<(), GateError> {
    for chunk in Chunks::new(saved, &mut Budget::new(0)) {
        let chunk = chunk?;
        let document = DocumentChunk::parse(&chunk.body)?;
        let mut actions = Rle::<u64>::new(document.of_operations(ACTION));
        let mut counters = Delta::new(document.of_operations(ID_COUNTER));
        let mut actors = Rle::<u64>::new(document.of_operations(ID_ACTOR));
        let mut value_types = Rle::<u64>::new(document.of_operations(VALUE_TYPES));
        let mut values = Reader::new(document.of_operations(VALUES));
        while !actions.is_done() {
            let (action, counter, actor) = (actions.value()?, counters.value()?, actors.value()?);
            let action = Action::try_from(action)?;
            Scalar::read(value_types.value()?, &mut values)?.check_count(action)?;
            let Some(kind) = made(action) else { continue };
            let actor = usize::try_from(actor).ok().and_then(|actor| document.actors.get(actor).copied());
            let actor = actor.ok_or_else(|| malformed("an actor that is not there"))?;
            let counter = u32::try_from(counter).map_err(|_| malformed("a counter is out of range"))?;
            known.insert_object(OpId { counter, actor }, kind);
        }
    }
    Ok(())
}
