//! Randomness as an argument: a small generator that gives the same numbers for the same seed on every
//! machine, so that whoever names the seed can repeat the run.
//!
//! It is SplitMix64 (Steele, Lea and Flood, 2014): one addition and one mixing step a number. It is good enough
//! for jitter and simulated worlds. It is predictable, so it must never make secrets; where names have to be
//! unguessable the driver supplies a seed from the operating system.

/// The distance between two states: the golden ratio in 64 bits, odd, so that every state is visited.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of numbers that is wholly decided by its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The source that this seed names. Any seed is as good as any other.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `n`, all about equally likely; zero if `n` is zero.
    pub const fn below(&mut self, n: u64) -> u64 {
        ((self.next_u64() as u128 * n as u128) >> 64) as u64
    }

    /// A position in something of `len` elements; zero if it has none.
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True with probability `p`: never at 0.0, always at 1.0.
    pub fn chance(&mut self, p: f64) -> bool {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.next_u64() >> 11) as f64) < p * STEPS
    }

    /// Random bytes, for ids.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// A second source that shares nothing with what this one goes on to give.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_numbers_for_ever() {
        let mut random = Random::new(0);
        let first: [u64; 3] = std::array::from_fn(|_| random.next_u64());
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn below_reaches_every_number_and_no_other() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 6];
        (0..6_000).for_each(|_| seen[random.index(6)] += 1);
        assert!(seen.iter().all(|times| (800..1_200).contains(times)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn chance_keeps_its_ends() {
        let mut random = Random::new(1);
        assert!((0..1_000).all(|_| !random.chance(0.0) && random.chance(1.0)));
        let heads = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&heads), "{heads}");
    }

    #[test]
    fn bytes_of_any_length_are_filled() {
        let bytes: [u8; 19] = Random::new(3).bytes();
        assert!(bytes[16..].iter().any(|byte| *byte != 0));
        assert_ne!(Random::new(3).bytes::<16>(), Random::new(4).bytes::<16>());
    }
}
