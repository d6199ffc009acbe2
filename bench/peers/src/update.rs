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

/// The client id of a typist.
pub const fn client(typist: usize) -> u64 {
    FIRST_CLIENT + typist as u64
}

/// Which typist has a client id, if it is one of theirs.
pub fn typist(client: u64) -> Option<usize> {
    usize::try_from(client.checked_sub(FIRST_CLIENT)?).ok()
}

/// Somebody who types.
#[derive(Clone, Copy, Debug)]
pub struct Typist {
    client: u64,
    typed: u64,
    /// How many of his characters he leaves standing; older ones he deletes, each with a new one.
    leaves: u64,
}

impl Typist {
    /// The one of a number, who has typed nothing.
    pub const fn new(number: usize, leaves: u64) -> Self {
        Self { client: client(number), typed: 0, leaves }
    }

    /// How many characters he has typed.
    pub const fn typed(&self) -> u64 {
        self.typed
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
        match self.typed.checked_sub(self.leaves) {
            None => write_number(0, &mut update),
            // Of one client one stretch, which begins there and is one character long.
            Some(old) => {
                [1, self.client, 1, old, 1].into_iter().for_each(|number| write_number(number, &mut update));
            }
        }
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
pub fn read(update: &[u8], bring: &mut dyn FnMut(Brought)) -> Result<(), Malformed> {
    let mut reader = Reader::new(update);
    for _ in 0..reader.number()? {
        let structs = reader.number()?;
        let (client, mut clock) = (reader.number()?, reader.number()?);
        let mut from = clock;
        for _ in 0..structs {
            let (length, is_there) = length(&mut reader)?;
            if !is_there {
                tell(client, from, clock, bring);
                from = clock + length;
            }
            clock += length;
        }
        tell(client, from, clock, bring);
    }
    Ok(())
}

fn tell(client: u64, from: u64, to: u64, bring: &mut dyn FnMut(Brought)) {
    if let Some(typist) = typist(client).filter(|_| from < to) {
        bring(Brought { typist, from, to });
    }
}

/// How many clocks a struct takes, and whether it has them.
fn length(reader: &mut Reader<'_>) -> Result<(u64, bool), Malformed> {
    let info = byte(reader)?;
    if matches!(info & KIND, GC | SKIP) {
        return Ok((reader.number()?, info & KIND == GC));
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
        STRING => Ok((reader.text()?.encode_utf16().count() as u64, true)),
        DELETED => Ok((reader.number()?, true)),
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

    fn brought(update: &[u8]) -> Result<Vec<Brought>, Malformed> {
        let mut brought = Vec::new();
        read(update, &mut |one| brought.push(one)).map(|()| brought)
    }

    #[test]
    fn what_is_typed_is_read() {
        for leaves in [u64::MAX, 2] {
            let mut typist = Typist::new(7, leaves);
            for number in 0..300 {
                let expected = [Brought { typist: 7, from: number, to: number + 1 }];
                assert_eq!(brought(&typist.types()).as_deref(), Ok(&expected[..]));
            }
        }
    }

    #[test]
    fn merged_updates_bring_what_all_of_them_bring() {
        // Of two clients: a text of three behind a collected five; two deleted behind an origin, and one skipped in front.
        let first = [2, 0xea, 7, 0, 0, 5, 4 | 0x80, 0xea, 7, 4, 3, b'a', b'b', b'c'];
        let second = [3, 0xe9, 7, 0, 10, 1, 1 | 0xc0, 0xe9, 7, 0, 0xea, 7, 1, 2, 10, 4];
        let update = [&[2][..], &first, &second, &[0]].concat();
        let expected = [Brought { typist: 2, from: 0, to: 8 }, Brought { typist: 1, from: 1, to: 3 }];
        assert_eq!(brought(&update).as_deref(), Ok(&expected[..]));
    }

    #[test]
    fn what_nobody_types_is_not_read() {
        let mut update = Typist::new(1, u64::MAX).types();
        update[5] = 8;
        assert!(brought(&update).is_err());
        assert!(brought(&[1, 1, 0xe9]).is_err());
    }
}
