//! Drafts updates that are well-formed and may contradict themselves, each other, and what is there.
//!
//! Most of what is drafted fits: the clocks follow, the neighbours are in one place, the parents are types. Each
//! of these is wrong once in a while, so that an update has few faults and the gate is asked about every one.

use std::collections::BTreeMap;

use super::content::{self, Content};
use super::write::{
    Block, COLLECTED, Draft, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Id, Parent, SKIPPED, Section,
};
use crate::fuzzing::Choices;

/// Few, so that they get in each other's way; the smallest and the largest among them.
pub const CLIENTS: [u64; 6] = [1, 2, 3, 127, 300, (1 << 53) - 1];

const ROOTS: [&str; 5] = ["text", "map", "list", "", "a"];

const KEYS: [&str; 4] = ["k", "count", "", "0"];

/// Clocks near the ends of what can be counted.
const FAR: [u32; 5] = [1 << 20, (1 << 31) - 3, (1 << 31) - 1, 1 << 31, u32::MAX];

/// Most blocks that are remembered to be referred to.
const MAX_REMEMBERED: usize = 200;

/// What was written so far, as far as later blocks refer to it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    clocks: BTreeMap<u64, u32>,
    blocks: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    id: Id,
    len: u32,
    is_type: bool,
    place: Place,
}

/// What a block is inside of, and whether under a key.
type Place = Option<(Parent, bool)>;

impl Known {
    /// A clock of it: usually the last or the first one, as of neighbours.
    fn any(&self, choices: &mut Choices<'_>, last: bool) -> Id {
        let inside =
            if choices.once_in(4) { choices.few(self.len) } else { u32::from(last) * (self.len - 1) };
        Id { client: self.id.client, clock: self.id.clock.saturating_add(inside) }
    }
}

impl Written {
    fn clock(&self, client: u64) -> u32 {
        self.clocks.get(&client).copied().unwrap_or(0)
    }

    /// An update by some of the clients.
    pub fn draft(&self, choices: &mut Choices<'_>) -> (Draft, Self) {
        let mut after = self.clone();
        let mut draft = Draft::default();
        let count = if choices.once_in(3) { 1 + choices.index(3) } else { 1 };
        for _ in 0..count {
            let client = choices.one_of(&CLIENTS);
            if choices.once_in(40) || draft.sections.iter().all(|section| section.client != client) {
                draft.sections.push(after.section(choices, client));
            }
        }
        if !choices.once_in(4) {
            // As clients write them; yrs must not care.
            draft.sections.sort_by_key(|section| std::cmp::Reverse(section.client));
        }
        if choices.once_in(2) {
            draft.deletions = after.deletions(choices);
        }
        if choices.once_in(50) {
            draft.sections.clear();
        }
        draft.lie = if choices.once_in(100) { choices.below(8) } else { 0 };
        draft.rest = if choices.once_in(100) { choices.bytes(3) } else { Vec::new() };
        after.blocks.truncate(MAX_REMEMBERED);
        (draft, after)
    }

    fn section(&mut self, choices: &mut Choices<'_>, client: u64) -> Section {
        let start = match choices.below(24) {
            20 => 0,
            21 => self.clock(client).saturating_sub(1 + choices.few(4)),
            22 => self.clock(client).saturating_add(u32::from(choices.once_in(4))),
            23 if choices.once_in(4) => choices.one_of(&FAR),
            _ => self.clock(client),
        };
        let mut clock = start;
        let mut blocks = Vec::new();
        for _ in 0..=choices.below(5) {
            let block = self.block(choices, Id { client, clock });
            clock = clock.saturating_add(block.len);
            blocks.push(block);
        }
        let known = self.clocks.entry(client).or_default();
        *known = clock.max(*known);
        Section { client, clock: start, blocks }
    }

    fn block(&mut self, choices: &mut Choices<'_>, id: Id) -> Block {
        if choices.once_in(24) {
            let info = if choices.once_in(8) { SKIPPED } else { COLLECTED };
            let len = content::length(choices);
            self.remember(Known { id, len, is_type: false, place: None });
            return Block::bare(info, len);
        }
        let Content { kind, len, bytes } = content::content(choices);
        let mut block = Block { len, content: bytes, ..Block::bare(kind, len) };
        let place = self.put(choices, id, &mut block);
        if choices.once_in(100) {
            block.info ^= 1 << choices.below(8);
        }
        self.remember(Known { id, len, is_type: kind == 7 || kind == 1, place });
        block
    }

    /// Puts a block somewhere: beside others, or first in something.
    fn put(&self, choices: &mut Choices<'_>, id: Id, block: &mut Block) -> Place {
        if choices.once_in(30) {
            return self.put_anywhere(choices, id, block);
        }
        let left = if choices.once_in(3) { None } else { self.pick(choices, |_| true) };
        let Some(left) = left else { return self.put_first(choices, block) };
        let keyed = left.place.as_ref().is_some_and(|(_, keyed)| *keyed);
        let inside = left.any(choices, true);
        (block.origin, block.info) = (Some(inside), block.info | HAS_ORIGIN);
        let right = match choices.below(4) {
            0..2 => None,
            _ if keyed => None,
            2 => Some(Id { clock: inside.clock.saturating_add(1), ..inside }),
            _ => self.pick(choices, |known| known.place == left.place).map(|right| right.any(choices, false)),
        };
        if right.is_some() {
            (block.right_origin, block.info) = (right, block.info | HAS_RIGHT_ORIGIN);
            if choices.once_in(4) {
                (block.origin, block.info) = (None, block.info & !HAS_ORIGIN);
            }
        }
        left.place.clone()
    }

    fn put_first(&self, choices: &mut Choices<'_>, block: &mut Block) -> Place {
        let inside = if choices.once_in(2) { self.pick(choices, |known| known.is_type) } else { None };
        block.parent = inside
            .map_or(Parent::Root(choices.one_of(&ROOTS)), |known| Parent::Item(known.any(choices, false)));
        let keyed = choices.once_in(3);
        if keyed {
            (block.key, block.info) = (Some(choices.one_of(&KEYS).to_owned()), block.info | HAS_KEY);
        }
        Some((block.parent.clone(), keyed))
    }

    fn put_anywhere(&self, choices: &mut Choices<'_>, id: Id, block: &mut Block) -> Place {
        block.parent = Parent::Item(self.any(choices, id));
        block.key = Some(choices.one_of(&KEYS).to_owned());
        (block.origin, block.right_origin) = (Some(self.any(choices, id)), Some(self.any(choices, id)));
        block.info |=
            choices.one_of(&[HAS_ORIGIN, HAS_RIGHT_ORIGIN, HAS_ORIGIN | HAS_RIGHT_ORIGIN, HAS_KEY, 0]);
        None
    }

    /// An id that may be there, may come, or may never be.
    fn any(&self, choices: &mut Choices<'_>, own: Id) -> Id {
        match choices.below(8) {
            0 => own,
            1 => Id { clock: own.clock.saturating_sub(1), ..own },
            2 => Id { clock: own.clock.saturating_add(1 + choices.few(4)), ..own },
            3 => Id { client: choices.one_of(&CLIENTS), clock: choices.few(40) },
            4 => Id { client: choices.below(1 << 53), clock: choices.few(4) },
            5 => Id { client: choices.one_of(&CLIENTS), clock: choices.one_of(&FAR) },
            _ => self.pick(choices, |_| true).map_or(own, |known| known.any(choices, true)),
        }
    }

    /// One of the blocks, the last ones most often.
    fn pick(&self, choices: &mut Choices<'_>, fits: impl Fn(&Known) -> bool) -> Option<&Known> {
        let fitting: Vec<_> = self.blocks.iter().filter(|known| known.len > 0 && fits(known)).collect();
        let back = if choices.once_in(2) { fitting.len() } else { 4.min(fitting.len()) };
        let index = fitting.len().checked_sub(1 + choices.index(back))?;
        fitting.get(index).copied()
    }

    fn remember(&mut self, known: Known) {
        if self.blocks.len() >= MAX_REMEMBERED {
            self.blocks.remove(0);
        }
        self.blocks.push(known);
    }

    fn deletions(&self, choices: &mut Choices<'_>) -> Vec<(u64, Vec<(u32, u32)>)> {
        let mut all: BTreeMap<u64, Vec<(u32, u32)>> = BTreeMap::new();
        for _ in 0..=choices.below(3) {
            let Some(known) = self.pick(choices, |_| true) else { break };
            let whole = (known.id.clock, known.len);
            let part = (known.any(choices, false).clock, 1 + choices.few(known.len));
            let range = if choices.once_in(2) { part } else { whole };
            all.entry(known.id.client).or_default().push(range);
        }
        for ranges in all.values_mut() {
            if !choices.once_in(20) {
                ranges.sort_unstable();
                ranges.dedup_by(|later, earlier| later.0 < earlier.0.saturating_add(earlier.1));
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        if choices.once_in(60) {
            all.push((choices.one_of(&CLIENTS), vec![(choices.few(9), content::length(choices))]));
        }
        all
    }
}

impl Block {
    fn bare(info: u8, len: u32) -> Self {
        Self {
            info,
            origin: None,
            right_origin: None,
            parent: Parent::Root(""),
            key: None,
            len,
            content: Vec::new(),
        }
    }
}
