//! One block of a Yjs v1 update: a run of one client's operations, with what it refers to.
//!
//! A document has a hundred thousand of them, and opening it waits for each to be read. A block returned through memory
//! takes longer than reading it, so the functions that return one are inlined by order, here and in the gate; that
//! halves the time.

use super::reader::{Id, Reader, malformed, utf8};
use crate::crdt::GateError;

/// The shortest block: a kind and a length.
pub(super) const MIN_BLOCK_BYTES: usize = 2;

/// In UTF-8, characters beyond U+FFFF are those that start with such a byte or a higher one.
const FIRST_ASTRAL_BYTE: u8 = 0xf0;

/// The first byte of a block of which nothing is left.
const COLLECTED: u8 = 0;

const HAS_ORIGIN: u8 = 0b1000_0000;
const HAS_RIGHT_ORIGIN: u8 = 0b0100_0000;
const HAS_PARENT_SUB: u8 = 0b0010_0000;
const UNUSED_BIT: u8 = 0b0001_0000;
const CONTENT: u8 = 0b0000_1111;

/// What a gate must know of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub links: Links<'a>,
    pub body: Body,
}

/// What a block refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Links<'a> {
    pub origin: Option<Id>,
    pub right_origin: Option<Id>,
    /// What it is inside of; `None` if its neighbours are to be asked.
    pub parent: Option<Parent<'a>>,
    /// Whether it says itself that it is an entry of a map.
    pub keyed: bool,
}

/// What a block holds, and where it ends: what need not be read a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// How many clocks it takes; never zero.
    pub len: u32,
    pub content: Content,
    /// Where the next block begins.
    pub end: usize,
}

/// What a block is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent<'a> {
    /// A top-level type.
    Root(&'a str),
    /// The type that this block holds.
    Item(Id),
}

/// What a block holds, as far as it matters to other blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing is left of it, not even where it was.
    Collected,
    /// Its content is gone; it still has a place.
    Deleted,
    /// A shared type, which other blocks may be inside of.
    Type,
    /// Characters, some of them beyond U+FFFF or not.
    Text { astral: bool },
    /// Formatting, which takes no place in a text.
    Format,
    /// JSON-like values.
    Values,
    /// A document inside of the document.
    Document,
    /// Anything else that takes one place.
    Object,
}

impl Body {
    /// Whether clients make entries of maps of such a block: of one value, or of any number that are gone.
    pub(super) const fn may_be_entry(&self) -> bool {
        match self.content {
            Content::Values | Content::Object | Content::Document | Content::Type => self.len == 1,
            Content::Deleted => true,
            Content::Collected | Content::Text { .. } | Content::Format => false,
        }
    }
}

/// Reads one block. Its first byte decides how the rest is read.
#[inline(always)]
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Block<'a>, GateError> {
    match reader.byte()? {
        COLLECTED => {
            let (len, content) = (length(reader)?, Content::Collected);
            Ok(Block { links: Links::default(), body: Body { len, content, end: reader.position() } })
        }
        // Whoever made it lacked something himself, or left out what he takes to be here.
        10 => Err(GateError::Gap { reason: "it has holes".to_owned() }),
        info if info & UNUSED_BIT != 0 => Err(malformed("an unknown kind of block")),
        info => {
            let links = read_links(reader, info)?;
            let (len, content) = read_content(reader, info & CONTENT)?;
            Ok(Block { links, body: Body { len, content, end: reader.position() } })
        }
    }
}

/// What a block refers to whose body was read before.
pub(super) fn read_again<'a>(reader: &mut Reader<'a>) -> Result<Links<'a>, GateError> {
    match reader.byte()? {
        COLLECTED => Ok(Links::default()),
        info => read_links(reader, info),
    }
}

#[inline(always)]
fn read_links<'a>(reader: &mut Reader<'a>, info: u8) -> Result<Links<'a>, GateError> {
    let origin = (info & HAS_ORIGIN != 0).then(|| reader.id()).transpose()?;
    let right_origin = (info & HAS_RIGHT_ORIGIN != 0).then(|| reader.id()).transpose()?;
    let alone = origin.is_none() && right_origin.is_none();
    let parent = alone.then(|| read_parent(reader)).transpose()?;
    let keyed = alone && info & HAS_PARENT_SUB != 0;
    if keyed {
        reader.string()?;
    }
    Ok(Links { origin, right_origin, parent, keyed })
}

fn read_parent<'a>(reader: &mut Reader<'a>) -> Result<Parent<'a>, GateError> {
    match reader.number()? {
        0 => reader.id().map(Parent::Item),
        1 => reader.string().map(Parent::Root),
        _ => Err(malformed("an unknown kind of parent")),
    }
}

#[inline(always)]
fn read_content(reader: &mut Reader<'_>, kind: u8) -> Result<(u32, Content), GateError> {
    match kind {
        1 => return Ok((length(reader)?, Content::Deleted)),
        // yrs reads one string more than Yjs wrote.
        2 => {
            return Err(malformed("content in the JSON encoding of old Yjs versions, which yrs cannot read"));
        }
        3 => drop(reader.buffer()?),
        4 => return read_text(reader),
        5 => reader.json()?,
        6 => {
            reader.string()?;
            reader.json()?;
            return Ok((1, Content::Format));
        }
        7 => {
            read_type(reader)?;
            return Ok((1, Content::Type));
        }
        8 => return Ok((read_values(reader)?, Content::Values)),
        9 => {
            reader.string()?;
            reader.value()?;
            return Ok((1, Content::Document));
        }
        _ => return Err(malformed("an unknown kind of content")),
    }
    Ok((1, Content::Object))
}

/// Array, map, text, XML element with its name, fragment, XML text. Hooks are written by Yjs with a name that
/// yrs does not read; weak links are not compiled in.
fn read_type(reader: &mut Reader<'_>) -> Result<(), GateError> {
    match reader.byte()? {
        0 | 1 | 2 | 4 | 6 => Ok(()),
        3 => reader.string().map(drop),
        _ => Err(malformed("an unknown kind of shared type")),
    }
}

fn read_values(reader: &mut Reader<'_>) -> Result<u32, GateError> {
    let count = reader.count(1)?;
    (0..count).try_for_each(|_| reader.value())?;
    not_empty(u32::try_from(count).map_err(|_| malformed("too many values"))?)
}

#[inline(always)]
fn length(reader: &mut Reader<'_>) -> Result<u32, GateError> {
    not_empty(reader.clock()?)
}

/// Yjs counts the positions of a text in UTF-16 units: one for a character, two for one beyond U+FFFF.
fn read_text(reader: &mut Reader<'_>) -> Result<(u32, Content), GateError> {
    let text = reader.buffer()?;
    if text.is_ascii() {
        let len = u32::try_from(text.len()).map_err(|_| malformed("a text is too long"))?;
        return Ok((not_empty(len)?, Content::Text { astral: false }));
    }
    let text = utf8(text)?;
    let astral = text.bytes().any(|byte| byte >= FIRST_ASTRAL_BYTE);
    let units = |byte: u8| u32::from(byte & 0xc0 != 0x80) + u32::from(byte >= FIRST_ASTRAL_BYTE);
    Ok((not_empty(text.bytes().map(units).sum())?, Content::Text { astral }))
}

fn not_empty(len: u32) -> Result<u32, GateError> {
    if len == 0 { Err(malformed("an empty block")) } else { Ok(len) }
}
