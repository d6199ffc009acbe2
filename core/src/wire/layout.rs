//! The bytes of a value in the layout of bincode 2: integers of variable length, little endian; a sequence
//! after its length; the fields of a struct one after the other; an enum after the number of its variant.
//!
//! Reading is bounded by the bytes there are: a length that lies is found out before anything is allocated for
//! it. A byte string that is most of its frame is not copied but shares the frame's memory.

use std::sync::Arc;

use bytes::Bytes;
use wincode::config::Configuration;
use wincode::int_encoding::{LittleEndian, VarInt};
use wincode::len::BincodeLen;

use super::WireError;

/// bincode's `config::standard()`. Nothing is preallocated, as only integers and slices are read through it.
type Standard = Configuration<
    true,
    { wincode::config::PREALLOCATION_SIZE_LIMIT_DISABLED },
    BincodeLen,
    LittleEndian,
    VarInt,
>;

/// A byte string shares the memory of its frame if it is at least one part in so many of it, and is copied
/// otherwise: a few bytes of an entry must not keep megabytes of a frame alive for as long as a log holds them. So
/// what is kept never takes more than twice its own size, and a copy costs no more than half of the frame.
const SHARED_FROM_ONE_IN: usize = 2;

/// What has a place in the layout.
pub(super) trait Layout: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes the value from the front.
    fn read(input: &mut Reader) -> Result<Self, WireError>;
}

/// What is held in sequences, none of which is longer than a limit.
pub(super) trait Element: Layout {
    /// Most elements in one sequence.
    const MOST: usize;
    /// What the sequence is called when there are more.
    const WHAT: &'static str;
}

/// Bytes that are read from the front.
pub(super) struct Reader {
    source: Bytes,
    at: usize,
    /// What is kept in memory by a slice of the source.
    whole: usize,
}

impl Reader {
    pub(super) const fn new(source: Bytes) -> Self {
        let whole = source.len();
        Self { source, at: 0, whole }
    }

    pub(super) const fn remaining(&self) -> usize {
        self.source.len() - self.at
    }

    /// The length of a sequence, each element of which takes at least one byte.
    pub(super) fn length(&mut self) -> Result<usize, WireError> {
        let length = u64::read(self)?;
        usize::try_from(length).ok().filter(|length| *length <= self.remaining()).ok_or_else(|| {
            WireError::malformed(format_args!("{length} elements do not fit into what is left"))
        })
    }

    /// A byte string to keep.
    pub(super) fn bytes(&mut self) -> Result<Bytes, WireError> {
        let bytes = self.slice()?;
        let shares = bytes.len() >= self.whole / SHARED_FROM_ONE_IN;
        Ok(if shares { bytes } else { Bytes::copy_from_slice(&bytes) })
    }

    /// A text; `parse` makes of it what it should be.
    pub(super) fn text<T, E: ToString>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, WireError> {
        let bytes = self.slice()?;
        let text = std::str::from_utf8(&bytes).map_err(WireError::malformed)?;
        parse(text).map_err(WireError::malformed)
    }

    /// A byte string that is a reading of its own.
    pub(super) fn part(&mut self) -> Result<Self, WireError> {
        Ok(Self { source: self.slice()?, at: 0, whole: self.whole })
    }

    fn slice(&mut self) -> Result<Bytes, WireError> {
        let length = self.length()?;
        let bytes = self.source.slice(self.at..self.at + length);
        self.at += length;
        Ok(bytes)
    }

    /// Ends the reading; every byte must have been read.
    pub(super) fn finish(self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(WireError::malformed(format_args!("{left} bytes too many"))),
        }
    }

    fn primitive<T>(&mut self) -> Result<T, WireError>
    where
        T: for<'a> wincode::SchemaRead<'a, Standard, Dst = T>,
    {
        let mut rest = &self.source[self.at..];
        let value = T::get(&mut rest).map_err(WireError::malformed)?;
        self.at = self.source.len() - rest.len();
        Ok(value)
    }
}

macro_rules! primitives {
    ($($name:ty),*) => {$(
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                <$name as wincode::SchemaWrite<Standard>>::write(out, self).expect("a vector takes every number");
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                input.primitive()
            }
        }
    )*};
}

primitives!(u8, u16, u32, u64, i64, f64, bool, [u8; 16]);

pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    (length as u64).write(out);
}

pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

impl Layout for Bytes {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        input.bytes()
    }
}

impl Layout for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        input.text(|text| Ok::<_, WireError>(text.to_owned()))
    }
}

impl<T: Layout> Layout for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        Ok(if bool::read(input)? { Some(T::read(input)?) } else { None })
    }
}

impl<T: Element> Layout for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        self.iter().for_each(|element| element.write(out));
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        let length = input.length()?;
        if length > T::MOST {
            return Err(WireError::TooLarge { what: T::WHAT, limit: T::MOST });
        }
        (0..length).map(|_| T::read(input)).collect()
    }
}

impl<T: Layout> Layout for Arc<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        T::read(input).map(Self::new)
    }
}

/// A struct: its fields, one after the other.
macro_rules! record {
    ($name:ident { $($field:ident),* }) => {
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                Ok(Self { $($field: Layout::read(input)?),* })
            }
        }
    };
}

/// An enum without fields: the number of the variant.
macro_rules! choice {
    ($name:ident { $($number:literal => $variant:ident),* }) => {
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let number: u32 = match self { $(Self::$variant => $number),* };
                number.write(out);
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                match u32::read(input)? {
                    $($number => Ok(Self::$variant),)*
                    number => Err(unknown(stringify!($name), number)),
                }
            }
        }
    };
}

/// A number that stands for no variant of an enum.
pub(super) fn unknown(name: &str, number: impl std::fmt::Display) -> WireError {
    WireError::malformed(format_args!("{number} is no {name}"))
}

pub(super) use {choice, record};
