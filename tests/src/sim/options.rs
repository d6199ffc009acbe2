//! What kind of world a seed makes.
//!
//! Rates are drawn too: a world in which everything fails a little finds less than many worlds in each of which
//! a few things fail all the time.

use std::collections::BTreeMap;
use std::fmt;

use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::random::Random;
use syncline_core::replica::{Batching, Compaction};
use syncline_core::wire::{Compression, Encoding};

use super::fault::Fault;

/// Who is linked to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// Every client to a relay.
    Star,
    /// Every client to the one before it, the first to a relay.
    Chain,
    /// Some clients to relays, all of them to others.
    Mesh,
}

/// How a client with two relays is linked to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uplink {
    /// To one at a time, to the other when that fails.
    Preferred,
    /// To both.
    Both,
}

/// Everything about a world that is drawn before it starts.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub topology: Topology,
    pub relays: usize,
    pub uplink: Uplink,
    pub clients: usize,
    pub specs: Vec<Spec>,
    /// How long faults go on, in milliseconds.
    pub duration: u64,
    /// Milliseconds between two edits, on average.
    pub edit_every: u64,
    /// Longest delay of a frame, in milliseconds.
    pub delay: u64,
    /// Longest time a link needs to take a frame.
    pub sending: u64,
    /// Longest commit and longest load.
    pub commit: u64,
    pub compaction: Option<Compaction>,
    pub relay_compaction: Option<Compaction>,
    pub dialects: Vec<(Encoding, Vec<Compression>)>,
    /// Mean milliseconds between two faults of a kind; kinds that are missing do not happen.
    pub faults: BTreeMap<Fault, u64>,
    /// How likely an edit writes where the relay refuses it.
    pub forbidden: f64,
    /// How likely an edit is one that nobody else can apply.
    pub poison: f64,
    /// Whether a client without a store joins when the faults stop.
    pub late_client: bool,
    /// How likely a frame arrives twice.
    pub repeated: f64,
    /// How updates share frames.
    pub batching: Batching,
    /// How much memory documents may take at relays.
    pub loaded_bytes: usize,
    /// How many guests there are, and the mean milliseconds between two mishaps of theirs.
    pub guests: usize,
    pub guest_mishaps: u64,
}

impl Options {
    pub fn draw(random: &mut Random, family: Family) -> Self {
        let pick = |random: &mut Random, choices: &[u64]| choices[random.index(choices.len())];
        let clients = 2 + random.index(3) + random.index(3);
        let relays = if random.chance(0.3) { 2 } else { 1 };
        let kind = if random.chance(0.7) { Kind::Tree } else { Kind::Text };
        let documents = 1 + random.index(2) * random.index(3);
        let duration = 20_000 + pick(random, &[5_000, 20_000, 80_000]);
        Self {
            topology: [Topology::Star, Topology::Star, Topology::Chain, Topology::Mesh][random.index(4)],
            relays,
            uplink: if random.chance(0.6) { Uplink::Preferred } else { Uplink::Both },
            clients,
            specs: vec![Spec { family, kind }; documents],
            duration,
            edit_every: pick(random, &[150, 400, 1_000, 2_000]),
            delay: pick(random, &[3, 30, 300, 1_000, 5_000]),
            sending: pick(random, &[1, 5, 50, 500]),
            commit: pick(random, &[1, 10, 100, 1_000]),
            compaction: compaction(random),
            relay_compaction: compaction(random),
            dialects: (0..clients + relays).map(|_| dialect(random)).collect(),
            faults: faults(random),
            forbidden: if random.chance(0.2) { 0.03 } else { 0.0 },
            // Two relays with a log each would have to agree from where on nothing of its author is taken.
            poison: if family == Family::Toy && relays == 1 && random.chance(0.15) { 0.01 } else { 0.0 },
            late_client: random.chance(0.3),
            repeated: 0.0,
            batching: Batching::default(),
            loaded_bytes: usize::MAX,
            guests: 0,
            guest_mishaps: u64::MAX / 4,
        }
    }

    /// Draws how often frames are repeated. What is drawn is not drawn from the world's chance, so that worlds without
    /// repeated frames are what they were before there were any.
    pub fn draw_repeated(&mut self, chance: &mut Random) {
        if chance.chance(0.15) {
            self.repeated = [0.002, 0.02, 0.1, 0.5][chance.index(4)];
        }
    }

    /// Has guests come to the relays.
    pub fn draw_guests(&mut self, seed: u64) {
        let mut random = Random::new(seed);
        self.guests = 1 + random.index(4);
        self.guest_mishaps = 1_000 << random.below(6);
        // Guests write as often as all replicas together, and most of what happens is followed by work for each of them.
        self.duration = self.duration.min(40_000);
        self.edit_every = self.edit_every.max(400);
    }

    /// Makes boards and charts of the documents in every sixth world of which the family can hold them; none of those is a
    /// seed that found something before there were any.
    pub fn draw_schema(&mut self, seed: u64) {
        if seed % 6 == 4 {
            let kind = if (seed / 6).is_multiple_of(2) { Kind::Board } else { Kind::Chart };
            let can_nest = self.specs.iter_mut().filter(|spec| spec.family != Family::Toy);
            can_nest.for_each(|spec| spec.kind = kind);
        }
    }

    /// Sets how updates share frames in every ninth world, of which none is a seed that found something before there was
    /// a choice.
    pub fn draw_batching(&mut self, seed: u64) {
        if seed % 9 == 3 {
            let mut random = Random::new(seed);
            let (bytes, delay) = ([1, 500, 64 << 10][random.index(3)], [5, 50, 500, 3_000][random.index(4)]);
            self.batching = Batching { bytes, delay };
        }
    }

    /// Has relays unload documents in every seventh world, of which none is a seed that found something before they could.
    pub fn draw_memory(&mut self, seed: u64) {
        if seed % 7 == 2 {
            let mut random = Random::new(seed);
            self.loaded_bytes = [0, 10_000, 30_000][random.index(3)];
            // The one used last stays, so there must be more.
            self.specs = vec![self.specs[0]; 2 + random.index(3)];
        }
    }
}

/// Mostly eager, as worlds are too short for the compaction of real life.
fn compaction(random: &mut Random) -> Option<Compaction> {
    random.chance(0.5).then(|| Compaction {
        least_bytes: random.index(4_000),
        ratio: random.index(2),
        keep_entries: random.below(8),
    })
}

fn dialect(random: &mut Random) -> (Encoding, Vec<Compression>) {
    let encoding = if random.chance(0.2) { Encoding::Json } else { Encoding::Binary };
    let compression = match random.index(8) {
        0 => vec![Compression::Gzip],
        1 => vec![Compression::Brotli, Compression::Gzip],
        _ => Vec::new(),
    };
    (encoding, compression)
}

fn faults(random: &mut Random) -> BTreeMap<Fault, u64> {
    let share = [0.0, 0.15, 0.3, 0.6][random.index(4)];
    let mut faults = BTreeMap::new();
    for fault in Fault::ALL {
        if random.chance(share) {
            faults.insert(fault, 1_500 << random.below(5));
        }
    }
    faults
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {} clients, {} relay(s) {:?}, ",
            self.topology, self.clients, self.relays, self.uplink
        )?;
        write!(f, "{} x {}, ", self.specs.len(), self.specs[0])?;
        write!(f, "{} ms, an edit every {} ms, ", self.duration, self.edit_every)?;
        write!(f, "delay {} sending {} commit {}, ", self.delay, self.sending, self.commit)?;
        write!(f, "compaction {:?} relay's {:?}, ", self.compaction, self.relay_compaction)?;
        write!(f, "forbidden {} poison {} late client {}, ", self.forbidden, self.poison, self.late_client)?;
        write!(f, "repeated frames {}, {:?}, ", self.repeated, self.batching)?;
        write!(f, "memory of relays {}, ", self.loaded_bytes)?;
        write!(f, "{} guests, a mishap every {} ms, ", self.guests, self.guest_mishaps)?;
        write!(f, "faults {:?}", self.faults)
    }
}
