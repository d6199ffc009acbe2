//! One change: who made it, what it depends on, and its operations.
//!
//! ```text
//! dependencies | actor | seq | first counter | time | message | other actors | columns | cells | extra bytes
//! ```

use super::chunk::Hash;
use super::column::{Bools, Delta, Rle};
use super::known::OpId;
use super::reader::{Reader, malformed};
use crate::crdt::GateError;
use crate::value::{MAX_COUNTER_START, MAX_COUNTER_STEP};

/// Most operations of one update. Typing or deleting a character is one; Automerge needs some 250 bytes for
/// each while it merges them.
pub const MAX_OPS: usize = 1 << 21;

/// Longest actor id, in bytes. Automerge itself uses 16.
const MAX_ACTOR_BYTES: usize = 128;

/// Marks the part of the extra bytes that names an author.
const AUTHOR_FOOTER: u8 = 1;
const LONG_AUTHOR_FOOTER: u8 = 0x81;

/// The columns of a change: numbered, and of a type that the low three bits name. Bit 3 would say that the
/// column is deflated, which only documents do.
const OBJECT_ACTOR: u64 = 1;
const OBJECT_COUNTER: u64 = 2;
const KEY_ACTOR: u64 = 17;
const KEY_COUNTER: u64 = 19;
const KEY_TEXT: u64 = 21;
const INSERT: u64 = 52;
const ACTION: u64 = 66;
pub const VALUE_TYPES: u64 = 86;
pub const VALUES: u64 = 87;
const PREDECESSORS: u64 = 112;
const PREDECESSOR_ACTOR: u64 = 113;
const PREDECESSOR_COUNTER: u64 = 115;
const EXPAND: u64 = 148;
const MARK_NAME: u64 = 165;

/// A change, its header read and its operations still to be.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The changes it was made on top of.
    pub dependencies: Vec<Hash>,
    /// Who made it, and behind that everybody whose operations it names.
    pub actors: Vec<&'a [u8]>,
    /// The how-manieth of its actor it is.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u32,
    /// Its operations.
    pub ops: Ops<'a>,
}

impl<'a> Change<'a> {
    /// Reads the body of a change chunk.
    pub fn parse(body: &'a [u8]) -> Result<Self, GateError> {
        let mut reader = Reader::new(body);
        let dependencies = dependencies(&mut reader)?;
        let actor = actor(&mut reader)?;
        let seq = reader.unsigned()?;
        let start_op = reader.unsigned()?;
        let _time = reader.signed()?;
        let _message = reader.text()?;
        let actors = actors(&mut reader, actor)?;
        let ops = Ops::parse(&mut reader)?;
        check_extra(reader.rest(), seq)?;
        let start_op = u32::try_from(start_op).ok().filter(|op| *op > 0);
        let start_op = start_op.ok_or_else(|| malformed("the first counter of a change is out of range"))?;
        if seq == 0 || u32::try_from(seq).is_err() {
            return Err(malformed("the sequence number of a change is out of range"));
        }
        Ok(Self { dependencies, actors, seq, start_op, ops })
    }

    /// Who made it.
    pub fn actor(&self) -> &'a [u8] {
        self.actors[0]
    }
}

fn dependencies(reader: &mut Reader<'_>) -> Result<Vec<Hash>, GateError> {
    let count = reader.length()?;
    let mut hashes = Vec::new();
    for _ in 0..count {
        hashes.push(reader.array()?);
    }
    if hashes.is_sorted_by(|a, b| a < b) {
        Ok(hashes)
    } else {
        Err(malformed("dependencies are not in order"))
    }
}

fn actor<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], GateError> {
    let actor = reader.bytes()?;
    if actor.len() > MAX_ACTOR_BYTES {
        return Err(GateError::Limit { what: "an actor id", limit: MAX_ACTOR_BYTES as u64 });
    }
    Ok(actor)
}

fn actors<'a>(reader: &mut Reader<'a>, own: &'a [u8]) -> Result<Vec<&'a [u8]>, GateError> {
    let count = reader.length()?;
    let mut actors = vec![own];
    for _ in 0..count {
        actors.push(actor(reader)?);
    }
    let others = &actors[1..];
    if others.is_sorted_by(|a, b| a < b) && !others.contains(&own) {
        return Ok(actors);
    }
    Err(malformed("the actors of a change are not in order"))
}

/// Automerge takes extra bytes that start with a 1, in any length of LEB128, for the author of the change, and
/// panics where it is not the actor's first one.
fn check_extra(extra: &[u8], seq: u64) -> Result<(), GateError> {
    let author = match extra.split_first() {
        Some((&AUTHOR_FOOTER, _)) => true,
        Some((&LONG_AUTHOR_FOOTER, rest)) => rest.iter().find(|byte| **byte != 0x80) == Some(&0),
        Some(_) | None => false,
    };
    if author && seq != 1 {
        return Err(malformed("only the first change of an actor names its author"));
    }
    Ok(())
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    MakeMap,
    Set,
    MakeList,
    Delete,
    MakeText,
    Increment,
    MakeTable,
    Mark,
}

impl TryFrom<u64> for Action {
    type Error = GateError;

    fn try_from(code: u64) -> Result<Self, GateError> {
        Ok(match code {
            0 => Self::MakeMap,
            1 => Self::Set,
            2 => Self::MakeList,
            3 => Self::Delete,
            4 => Self::MakeText,
            5 => Self::Increment,
            6 => Self::MakeTable,
            7 => Self::Mark,
            _ => return Err(malformed("an operation of an unknown sort")),
        })
    }
}

/// Where in its object an operation takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A key of a map.
    Text(&'a str),
    /// In front of the first element of a sequence.
    Head,
    /// An element of a sequence.
    Element(OpId<u32>),
}

/// A value, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Null,
    Integer(i128),
    Counter(i64),
    Other,
}

impl Scalar {
    /// Reads a value; `kind` tells its type and its length.
    pub fn read(kind: u64, values: &mut Reader<'_>) -> Result<Self, GateError> {
        let len = usize::try_from(kind >> 4).map_err(|_| malformed("a value is too long"))?;
        let mut value = Reader::new(values.take(len)?);
        let scalar = match kind & 0xf {
            0 => Self::Null,
            1 | 2 => Self::Other,
            3 => Self::Integer(value.unsigned()?.into()),
            4 => Self::Integer(value.signed()?.into()),
            5 => value.array::<8>().map(|_| Self::Other)?,
            6 => {
                str::from_utf8(value.take(len)?).map_err(|_| malformed("a text is not UTF-8"))?;
                Self::Other
            }
            8 => Self::Counter(value.signed()?),
            9 => value.signed().map(|_| Self::Other)?,
            _ => value.take(len).map(|_| Self::Other)?,
        };
        if value.is_empty() { Ok(scalar) } else { Err(malformed("a value is longer than its type")) }
    }

    /// Keeps counters from leaving 64 bits, where Automerge panics while it merges and while it reads.
    pub fn check_count(self, action: Action) -> Result<(), GateError> {
        let (what, number, limit) = match (action, self) {
            (Action::Increment, Self::Integer(by)) => ("a step of a counter", by, MAX_COUNTER_STEP),
            (_, Self::Counter(start)) => ("the start of a counter", start.into(), MAX_COUNTER_START),
            (_, Self::Null | Self::Integer(_) | Self::Other) => return Ok(()),
        };
        let limit = limit.unsigned_abs();
        if number.unsigned_abs() > limit.into() { Err(GateError::Limit { what, limit }) } else { Ok(()) }
    }
}

/// One operation. Actors are numbered in the order of [`Change::actors`].
#[derive(Clone, Debug)]
pub struct Op<'a> {
    /// What it changes; `None` is the root.
    pub object: Option<OpId<u32>>,
    pub key: Key<'a>,
    pub insert: bool,
    pub action: Action,
    pub value: Scalar,
    /// The operations it replaces.
    pub predecessors: Vec<OpId<u32>>,
    pub expand: bool,
    pub mark: Option<&'a str>,
}

/// The operations of a change.
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    object_actor: Rle<'a, u64>,
    object_counter: Rle<'a, u64>,
    key_actor: Rle<'a, u64>,
    key_counter: Delta<'a>,
    key_text: Rle<'a, &'a str>,
    insert: Bools<'a>,
    action: Rle<'a, u64>,
    value_types: Rle<'a, u64>,
    values: Reader<'a>,
    predecessors: Rle<'a, u64>,
    predecessor_actor: Rle<'a, u64>,
    predecessor_counter: Delta<'a>,
    expand: Bools<'a>,
    mark_name: Rle<'a, &'a str>,
    any_expand: Option<bool>,
    /// How many more predecessors the operations may name.
    budget: u64,
}

impl<'a> Ops<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, GateError> {
        let mut specs = Vec::new();
        for _ in 0..reader.length()? {
            specs.push((reader.unsigned()?, reader.length()?));
        }
        if !specs.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(malformed("the columns of a change are not in order"));
        }
        let mut ops = Self::none();
        for (spec, len) in specs {
            ops.set_column(spec, reader.take(len)?)?;
        }
        Ok(ops)
    }

    const fn none() -> Self {
        Self {
            object_actor: Rle::new(&[]),
            object_counter: Rle::new(&[]),
            key_actor: Rle::new(&[]),
            key_counter: Delta::new(&[]),
            key_text: Rle::new(&[]),
            insert: Bools::new(&[]),
            action: Rle::new(&[]),
            value_types: Rle::new(&[]),
            values: Reader::new(&[]),
            predecessors: Rle::new(&[]),
            predecessor_actor: Rle::new(&[]),
            predecessor_counter: Delta::new(&[]),
            expand: Bools::new(&[]),
            mark_name: Rle::new(&[]),
            any_expand: None,
            budget: MAX_OPS as u64,
        }
    }

    fn set_column(&mut self, spec: u64, cells: &'a [u8]) -> Result<(), GateError> {
        if cells.is_empty() {
            return Err(malformed("an empty column was not left out"));
        }
        match spec {
            OBJECT_ACTOR => self.object_actor = Rle::new(cells),
            OBJECT_COUNTER => self.object_counter = Rle::new(cells),
            KEY_ACTOR => self.key_actor = Rle::new(cells),
            KEY_COUNTER => self.key_counter = Delta::new(cells),
            KEY_TEXT => self.key_text = Rle::new(cells),
            INSERT => self.insert = Bools::new(cells),
            ACTION => self.action = Rle::new(cells),
            VALUE_TYPES => self.value_types = Rle::new(cells),
            VALUES => self.values = Reader::new(cells),
            PREDECESSORS => self.predecessors = Rle::new(cells),
            PREDECESSOR_ACTOR => self.predecessor_actor = Rle::new(cells),
            PREDECESSOR_COUNTER => self.predecessor_counter = Delta::new(cells),
            EXPAND => (self.expand, self.any_expand) = (Bools::new(cells), Some(false)),
            MARK_NAME => self.mark_name = Rle::new(cells),
            other => return Err(malformed(format!("column {other} is not one that changes have"))),
        }
        Ok(())
    }

    /// The next operation; after the last one, whether all columns end with it.
    pub fn next(&mut self) -> Result<Option<Op<'a>>, GateError> {
        if self.action.is_done() {
            return self.finish().map(|()| None);
        }
        let action = self.action.value()?.try_into()?;
        let op = Op {
            object: self.object()?,
            key: self.key()?,
            insert: self.insert.next_stored()?,
            action,
            value: self.scalar()?,
            predecessors: self.predecessors()?,
            expand: self.expand.next()?,
            mark: self.mark_name.next()?,
        };
        if let Some(any) = &mut self.any_expand {
            *any |= op.expand;
        }
        Ok(Some(op))
    }

    fn object(&mut self) -> Result<Option<OpId<u32>>, GateError> {
        match (self.object_counter.next()?, self.object_actor.next()?) {
            (None, None) => Ok(None),
            (Some(counter), Some(actor)) => op_id(counter, actor).map(Some),
            (Some(_), None) | (None, Some(_)) => Err(malformed("half an object id")),
        }
    }

    fn key(&mut self) -> Result<Key<'a>, GateError> {
        match (self.key_counter.next()?, self.key_actor.next()?, self.key_text.next()?) {
            (None, None, Some(text)) => Ok(Key::Text(text)),
            (Some(0), None, None) => Ok(Key::Head),
            (Some(counter), Some(actor), None) => op_id(counter, actor).map(Key::Element),
            _ => Err(malformed("an operation needs one key or element")),
        }
    }

    fn predecessors(&mut self) -> Result<Vec<OpId<u32>>, GateError> {
        let count = self.predecessors.value()?;
        let exceeded = GateError::Limit { what: "the number of replaced operations", limit: MAX_OPS as u64 };
        self.budget = self.budget.checked_sub(count).ok_or(exceeded)?;
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(op_id(self.predecessor_counter.value()?, self.predecessor_actor.value()?)?);
        }
        Ok(ids)
    }

    fn scalar(&mut self) -> Result<Scalar, GateError> {
        Scalar::read(self.value_types.value()?, &mut self.values)
    }

    fn finish(&self) -> Result<(), GateError> {
        for column in [
            &self.object_actor,
            &self.object_counter,
            &self.key_actor,
            &self.value_types,
            &self.predecessors,
            &self.predecessor_actor,
        ] {
            column.finish()?;
        }
        self.key_text.finish()?;
        self.mark_name.finish()?;
        self.key_counter.finish()?;
        self.predecessor_counter.finish()?;
        self.insert.finish()?;
        self.expand.finish()?;
        if self.any_expand == Some(false) || !self.values.is_empty() {
            return Err(malformed("a column is longer than the others"));
        }
        Ok(())
    }
}

fn op_id(counter: u64, actor: u64) -> Result<OpId<u32>, GateError> {
    match (u32::try_from(counter), u32::try_from(actor)) {
        (Ok(counter @ 1..), Ok(actor)) => Ok(OpId { counter, actor }),
        _ => Err(malformed("an operation id is out of range")),
    }
}
