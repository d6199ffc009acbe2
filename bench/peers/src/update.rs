//! Yjs updates as somebody types them, written and read without a document: what is measured is the server.
//!
//! A typist appends one character an update to the text `text`, behind his own last one, so the number of his updates is his
//! clock. A server may send several merged into one; what counts is how far the clock of each typist has come.

use syncline_core::protocol::lib0::{Malformed, Reader, write_number, write_text};

/// The text that everybody types in.
const TEXT: &str = "text";

/// What is typed.
const CHARACTER: &str = "x";

/// The kinds of structs of an update (`yjs/src/structs`).
const GC: u8 = 0;
const DELETED: u8 = 1;
const STRING: u8 = 4;
const SKIP: u8 = 10;
const KIND: u8 = 0x1f;

/// What the first byte of an item says of what follows.
const ORIGIN: u8 = 0x80;
const RIGHT_ORIGIN: u8 = 0x40;
const PARENT_KEY: u8 = 0x20;

/// The client ids of typists are their numbers from here on.
const FIRST_CLIENT: u64 = 1_000;

/// Somebody who types.
#[derive(Clone, Copy, Debug)]
pub struct Typist {
    client: u64,
    typed: u64,
}

impl Typist {
    /// The one of a number, who has typed nothing.
    pub const fn new(number: usize) -> Self {
        Self { client: FIRST_CLIENT + number as u64, typed: 0 }
    }

    /// The next character, as an update.
    pub fn types(&mut self) -> Vec<u8> {
        let mut update = Vec::with_capacity(32);
        for number in [1, 1, self.client, self.typed] {
            write_number(number, &mut update);
        }
        match self.typed.checked_sub(1) {
            None => {
                update.push(STRING);
                write_number(1, &mut update);
                write_text(TEXT, &mut update);
            }
            Some(last) => {
                update.push(STRING | ORIGIN);
                write_number(self.client, &mut update);
                write_number(last, &mut update);
            }
        }
        write_text(CHARACTER, &mut update);
        write_number(0, &mut update);
        self.typed += 1;
        update
    }
}

/// What an update brings: of the typist of a number the characters from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    pub typist: usize,
    pub from: u64,
    pub to: u64,
}

/// Reads what an update brings of typists.
pub fn read(update: &[u8], mut bring: impl FnMut(Brought)) -> Result<(), Malformed> {
    let mut reader = Reader::new(update);
    for _ in 0..reader.number()? {
        let structs = reader.number()?;
        let (client, from) = (reader.number()?, reader.number()?);
        let mut to = from;
        for _ in 0..structs {
            to += length(&mut reader)?;
        }
        if let Some(typist) = client.checked_sub(FIRST_CLIENT) {
            bring(Brought { typist: usize::try_from(typist).unwrap_or(usize::MAX), from, to });
        }
    }
    Ok(())
}

/// How many clocks a struct takes.
fn length(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let info = byte(reader)?;
    if matches!(info & KIND, GC | SKIP) {
        return reader.number();
    }
    for _ in 0..(info & (ORIGIN | RIGHT_ORIGIN)).count_ones() {
        reader.number()?;
        reader.number()?;
    }
    if info & (ORIGIN | RIGHT_ORIGIN) == 0 {
        match reader.number()? {
            1 => drop(reader.text()?),
            _ => drop((reader.number()?, reader.number()?)),
        }
        if info & PARENT_KEY != 0 {
            reader.text()?;
        }
    }
    match info & KIND {
        STRING => Ok(reader.text()?.encode_utf16().count() as u64),
        DELETED => reader.number(),
        _ => Err(Malformed("nobody types that")),
    }
}

fn byte(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    let (byte, rest) = reader.rest().split_first().ok_or(Malformed("an update ends too early"))?;
    *reader = Reader::new(rest);
    Ok(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read() {
        let mut typist = Typist::new(7);
        for number in 0..300 {
            let mut brought = Vec::new();
            read(&typist.types(), |one| brought.push(one)).expect("an update");
            assert_eq!(brought, [Brought { typist: 7, from: number, to: number + 1 }]);
        }
    }
}
