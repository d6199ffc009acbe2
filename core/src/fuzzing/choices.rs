//! Decisions, taken from the bytes of a fuzzer or from a seed.
//!
//! A fuzzer that changes one byte changes one decision, and sees by the coverage what came of it; a seed gives
//! as many decisions as are wanted.

use crate::random::Random;

/// A source of decisions.
#[derive(Clone, Debug)]
pub struct Choices<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    Bytes(&'a [u8]),
    Random(Random),
}

impl<'a> Choices<'a> {
    /// As many decisions as there are bytes; after those, always the first alternative.
    #[must_use]
    pub const fn of_bytes(bytes: &'a [u8]) -> Self {
        Self(Source::Bytes(bytes))
    }

    /// Decisions without an end.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self(Source::Random(Random::new(seed)))
    }

    /// Whether there are no more decisions.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.0, Source::Bytes(bytes) if bytes.is_empty())
    }

    /// A number below `n`; zero if `n` is zero.
    pub fn below(&mut self, n: u64) -> u64 {
        match &mut self.0 {
            Source::Random(random) => random.below(n),
            Source::Bytes(_) if n <= 1 => 0,
            Source::Bytes(bytes) => {
                let needed = (u64::BITS - (n - 1).leading_zeros()).div_ceil(8) as usize;
                let (taken, rest) = bytes.split_at(needed.min(bytes.len()));
                *bytes = rest;
                taken.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) % n
            }
        }
    }

    /// A position in something of `len` elements; zero if it has none.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A small number.
    pub fn few(&mut self, n: u32) -> u32 {
        u32::try_from(self.below(n.into())).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// A source for whoever needs numbers.
    pub fn random(&mut self) -> Random {
        Random::new(self.below(u64::MAX))
    }

    /// Up to `most` bytes.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.index(most + 1);
        (0..len).map(|_| u8::try_from(self.below(256)).unwrap_or(0)).collect()
    }
}
