//! Takes chunks apart, damages them, and puts them together so that they are chunks again.

use crate::crdt::GateError;
use crate::crdt::automerge::chunk::{ChunkKind, Chunks, frame, unsigned};
use crate::crdt::automerge::inflate::Budget;
use crate::crdt::automerge::reader::Reader;

/// A chunk taken apart.
#[derive(Clone)]
pub struct Parts {
    kind: ChunkKind,
    /// What comes before the columns.
    header: Vec<u8>,
    /// Numbers and cells. Those of a document's operations follow those of its changes.
    columns: Vec<(u64, Vec<u8>)>,
    /// How many columns belong to the changes of a document.
    of_changes: usize,
    /// What comes behind the columns.
    rest: Vec<u8>,
}

impl Parts {
    /// Takes apart a real chunk whose columns are not deflated.
    pub fn of(chunk: &[u8]) -> Self {
        let mut budget = Budget::of_snapshot();
        let chunk = Chunks::new(chunk, &mut budget).next().expect("one chunk").expect("a real chunk");
        let parts = match chunk.kind {
            ChunkKind::Change => Self::parse_change(&chunk.body),
            ChunkKind::Document => Self::parse_document(&chunk.body),
        };
        parts.expect("a real chunk")
    }

    fn parse_change(body: &[u8]) -> Result<Self, GateError> {
        let mut reader = Reader::new(body);
        let dependencies = reader.length()?;
        reader.take(32 * dependencies)?;
        reader.bytes()?;
        reader.unsigned()?;
        reader.unsigned()?;
        reader.signed()?;
        reader.bytes()?;
        for _ in 0..reader.length()? {
            reader.bytes()?;
        }
        Self::parse_columns(ChunkKind::Change, body, reader)
    }

    fn parse_document(body: &[u8]) -> Result<Self, GateError> {
        let mut reader = Reader::new(body);
        for _ in 0..reader.length()? {
            reader.bytes()?;
        }
        let heads = reader.length()?;
        reader.take(32 * heads)?;
        Self::parse_columns(ChunkKind::Document, body, reader)
    }

    fn parse_columns(kind: ChunkKind, body: &[u8], mut reader: Reader<'_>) -> Result<Self, GateError> {
        let header = body[..body.len() - reader.rest().len()].to_vec();
        let mut specs = specs(&mut reader)?;
        let of_changes = specs.len();
        if kind == ChunkKind::Document {
            specs.append(&mut self::specs(&mut reader)?);
        }
        let mut columns = Vec::new();
        for (spec, len) in specs {
            columns.push((spec, reader.take(len)?.to_vec()));
        }
        Ok(Self { kind, header, columns, of_changes, rest: reader.rest().to_vec() })
    }

    /// Puts the chunk together, with the lengths and the checksum that fit.
    pub fn assemble(&self) -> Vec<u8> {
        let mut body = self.header.clone();
        let (of_changes, of_operations) = self.columns.split_at(self.of_changes);
        body.extend(written_specs(of_changes));
        if self.kind == ChunkKind::Document {
            body.extend(written_specs(of_operations));
        }
        self.columns.iter().for_each(|(_, cells)| body.extend(cells));
        body.extend(&self.rest);
        frame(self.kind, &body)
    }

    /// Damages the chunk. Four bytes say where, how, and with what.
    pub fn injure(&mut self, injury: &[u8]) {
        let &[part, place, how, with] = injury else { return };
        let parts = self.columns.len() + 3;
        let bytes = match usize::from(part) % parts {
            0 => &mut self.header,
            1 => &mut self.rest,
            2 => return self.rename_column(usize::from(place), with),
            column => &mut self.columns[column - 3].1,
        };
        let place = usize::from(place) % (bytes.len() + 1);
        match (how % 6, bytes.get_mut(place)) {
            (0, Some(byte)) => *byte = with,
            (1, Some(byte)) => *byte ^= 1 << (with % 8),
            (2, Some(byte)) => *byte = byte.wrapping_add(if with % 2 == 0 { 1 } else { 0xff }),
            (3, Some(_)) => drop(bytes.remove(place)),
            (4, Some(byte)) => {
                let copy = *byte;
                bytes.insert(place, copy);
            }
            (_, _) => bytes.insert(place, with),
        }
    }

    fn rename_column(&mut self, column: usize, with: u8) {
        let count = self.columns.len().max(1);
        if let Some((spec, _)) = self.columns.get_mut(column % count) {
            *spec = with.into();
        }
    }
}

fn specs(reader: &mut Reader<'_>) -> Result<Vec<(u64, usize)>, GateError> {
    let mut specs = Vec::new();
    for _ in 0..reader.length()? {
        specs.push((reader.unsigned()?, reader.length()?));
    }
    Ok(specs)
}

fn written_specs(columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let kept = || columns.iter().filter(|(_, cells)| !cells.is_empty());
    let mut bytes = unsigned(kept().count());
    for (spec, cells) in kept() {
        bytes.extend(unsigned(usize::try_from(*spec).unwrap_or(usize::MAX)));
        bytes.extend(unsigned(cells.len()));
    }
    bytes
}
