//! Operations as they are stored beside the entry they made, so that they can be performed again.
//!
//! The layout is that of the wire, behind the number of the format. What was stored is read back as it was:
//! whether an operation can be performed is asked when it is, not here.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::WireError;
use super::layout::{Element, Layout, Reader, unknown, write_bytes, write_length};
use super::stored::of_format;
use crate::operation::Operation;
use crate::path::MAX_DEPTH;
use crate::value::Value;

/// The newest form of stored operations.
pub const OPERATIONS_FORMAT: u8 = 1;

/// Operations as they are stored.
#[must_use]
pub fn encode_operations(operations: &[Operation]) -> Bytes {
    let mut out = vec![OPERATIONS_FORMAT];
    write_length(operations.len(), &mut out);
    operations.iter().for_each(|operation| operation.write(&mut out));
    // Kept with each entry, so without room to grow.
    Bytes::copy_from_slice(&out)
}

/// The operations that were stored.
pub fn decode_operations(bytes: &[u8]) -> Result<Vec<Operation>, WireError> {
    of_format(OPERATIONS_FORMAT, bytes)
}

/// They were limited when the edit was made, and come from our own store: here is no limit but the bytes there are.
impl Element for Operation {
    const MOST: usize = usize::MAX;
    const WHAT: &'static str = "the number of operations";
}

impl Layout for Operation {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put { path, value } => {
                0u32.write(out);
                path.write(out);
                value.write(out);
            }
            Self::Remove { path } => {
                1u32.write(out);
                path.write(out);
            }
            Self::Insert { path, values } => {
                2u32.write(out);
                path.write(out);
                write_list(values, out);
            }
            Self::Splice { path, at, delete, insert } => {
                3u32.write(out);
                path.write(out);
                write_length(*at, out);
                write_length(*delete, out);
                insert.write(out);
            }
            Self::Increment { path, by } => {
                4u32.write(out);
                path.write(out);
                by.write(out);
            }
        }
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        let number = u32::read(input)?;
        let path = Layout::read(input)?;
        Ok(match number {
            0 => Self::Put { path, value: Layout::read(input)? },
            1 => Self::Remove { path },
            2 => Self::Insert { path, values: read_list(input, 0)? },
            3 => {
                let (at, delete) = (read_position(input)?, read_position(input)?);
                Self::Splice { path, at, delete, insert: Layout::read(input)? }
            }
            4 => Self::Increment { path, by: Layout::read(input)? },
            _ => return Err(unknown("operation", number)),
        })
    }
}

/// A position in a text is as large as the program's memory allows, which may be less than where it was written.
fn read_position(input: &mut Reader) -> Result<usize, WireError> {
    usize::try_from(u64::read(input)?).map_err(WireError::malformed)
}

impl Layout for Value {
    fn write(&self, out: &mut Vec<u8>) {
        number(self).write(out);
        match self {
            Self::Null => {}
            Self::Bool(truth) => truth.write(out),
            Self::Int(number) | Self::Counter(number) => number.write(out),
            Self::Float(number) => number.write(out),
            Self::String(text) | Self::Text(text) | Self::Opaque(text) => text.write(out),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::List(list) => write_list(list, out),
            Self::Map(map) => write_map(map, out),
        }
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        read_value(input, 0)
    }
}

const fn number(value: &Value) -> u32 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Float(_) => 3,
        Value::String(_) => 4,
        Value::Bytes(_) => 5,
        Value::Counter(_) => 6,
        Value::Text(_) => 7,
        Value::List(_) => 8,
        Value::Map(_) => 9,
        Value::Opaque(_) => 10,
    }
}

/// Reads a value that lies inside `depth` containers.
fn read_value(input: &mut Reader, depth: usize) -> Result<Value, WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::TooLarge { what: "the nesting of a value", limit: MAX_DEPTH });
    }
    Ok(match u32::read(input)? {
        0 => Value::Null,
        1 => Value::Bool(Layout::read(input)?),
        2 => Value::Int(Layout::read(input)?),
        3 => Value::Float(Layout::read(input)?),
        4 => Value::String(Layout::read(input)?),
        5 => Value::Bytes(input.bytes()?.into()),
        6 => Value::Counter(Layout::read(input)?),
        7 => Value::Text(Layout::read(input)?),
        8 => Value::List(read_list(input, depth + 1)?),
        9 => Value::Map(read_map(input, depth + 1)?),
        10 => Value::Opaque(Layout::read(input)?),
        number => return Err(unknown("value", number)),
    })
}

fn write_list(list: &[Value], out: &mut Vec<u8>) {
    write_length(list.len(), out);
    list.iter().for_each(|value| value.write(out));
}

fn read_list(input: &mut Reader, depth: usize) -> Result<Vec<Value>, WireError> {
    let length = input.length()?;
    (0..length).map(|_| read_value(input, depth)).collect()
}

fn write_map(map: &BTreeMap<String, Value>, out: &mut Vec<u8>) {
    write_length(map.len(), out);
    for (key, value) in map {
        key.write(out);
        value.write(out);
    }
}

fn read_map(input: &mut Reader, depth: usize) -> Result<BTreeMap<String, Value>, WireError> {
    let length = input.length()?;
    (0..length).map(|_| Ok((Layout::read(input)?, read_value(input, depth)?))).collect()
}
