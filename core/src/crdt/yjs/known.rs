//! What a gate knows of a document: how far each client's history is held, and for every block what it is
//! inside of, how deep, and whether other blocks may be inside of it. Equal neighbours are one run, so a text
//! of any length costs a few bytes and a board a few a card.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::reader::Id;
use crate::protocol::lib0::write_number;

/// Deepest nesting of shared types. yrs recurses when it deletes one; Syncline's own documents stay within
/// [`crate::path::MAX_DEPTH`], and so does whatever people write by hand.
pub(super) const MAX_TYPE_DEPTH: u8 = 100;

/// What is known of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where it is; `None` if nothing is left of it, nor of anything in it.
    pub place: Option<Place>,
    /// Whether other blocks may be inside of it: it is a shared type, or was one.
    pub may_be_parent: bool,
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub parent: Container,
    /// Whether it is an entry of a map, and not an element of a sequence.
    pub keyed: bool,
    /// How many types it is inside of.
    pub depth: u8,
}

/// What a block is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// A top-level type, by its number in [`Roots`].
    Root(u32),
    /// The type in this block.
    Type(Id),
}

/// Numbers for the names of top-level types.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    numbers: BTreeMap<String, u32>,
    /// The names that the update at hand brought.
    new: Vec<String>,
}

impl Roots {
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).expect("every name takes bytes in an update");
        self.numbers.insert(name.to_owned(), number);
        self.new.push(name.to_owned());
        number
    }

    /// Keeps the names of an update that is admitted, or forgets those of one that is refused.
    pub(super) fn settle(&mut self, admitted: bool) {
        for name in self.new.drain(..) {
            if !admitted {
                self.numbers.remove(&name);
            }
        }
    }
}

/// The marks of consecutive clocks, from some clock on. Where blocks are is apart from what may be inside of them:
/// a text is one place, however much of it was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// Up to which clock blocks are where.
    places: Vec<(u32, Option<Place>)>,
    /// From which clock to which blocks may be parents.
    parents: Vec<(u32, u32)>,
}

impl Runs {
    fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<(u32, Option<Place>)>()
            + self.parents.capacity() * size_of::<(u32, u32)>()
    }

    /// Notes that the clocks from `start`, where the last ones ended, up to `end` have this mark.
    pub(super) fn push(&mut self, start: u32, end: u32, mark: Mark) {
        self.push_place(end, mark.place);
        if mark.may_be_parent {
            self.push_parents(start, end);
        }
    }

    fn push_place(&mut self, end: u32, place: Option<Place>) {
        match self.places.last_mut() {
            Some((last, same)) if *same == place => *last = end,
            _ => self.places.push((end, place)),
        }
    }

    fn push_parents(&mut self, start: u32, end: u32) {
        match self.parents.last_mut() {
            Some((_, last)) if *last == start => *last = end,
            _ => self.parents.push((start, end)),
        }
    }

    /// Where the block of a clock is that was noted.
    pub(super) fn place(&self, clock: u32) -> Option<Place> {
        match &*self.places {
            [(_, one)] => *one,
            runs => runs.get(runs.partition_point(|(end, _)| *end <= clock))?.1,
        }
    }

    /// Where all blocks are that were noted, if that is one place.
    pub(super) const fn only_place(&self) -> Option<Option<Place>> {
        match *self.places.as_slice() {
            [(_, one)] => Some(one),
            _ => None,
        }
    }

    /// Whether the block of a clock may be a parent.
    pub(super) fn may_be_parent(&self, clock: u32) -> bool {
        let run = self.parents.partition_point(|(_, end)| *end <= clock);
        self.parents.get(run).is_some_and(|(start, _)| *start <= clock)
    }

    fn append(&mut self, later: &Self) {
        later.places.iter().for_each(|(end, place)| self.push_place(*end, *place));
        later.parents.iter().for_each(|(start, end)| self.push_parents(*start, *end));
    }
}

/// The state vector of a document, with marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known(BTreeMap<u64, Client>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Client {
    clock: u32,
    runs: Runs,
}

impl Known {
    /// Memory that it takes, in bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let client = |client: &Client| size_of::<(u64, Client)>() + client.runs.bytes();
        self.0.values().map(client).sum()
    }

    /// How far the history of each client is held, the highest client first, as Yjs writes it.
    pub(super) fn state_vector(&self) -> Bytes {
        let mut vector = Vec::new();
        write_number(self.0.len() as u64, &mut vector);
        for (client, Client { clock, .. }) in self.0.iter().rev() {
            write_number(*client, &mut vector);
            write_number(u64::from(*clock), &mut vector);
        }
        vector.into()
    }

    /// The first clock of a client that is not held.
    pub(super) fn clock(&self, client: u64) -> u32 {
        self.0.get(&client).map_or(0, |client| client.clock)
    }

    /// The marks of a client's blocks, if this one is held.
    pub(super) fn runs(&self, id: Id) -> Option<&Runs> {
        self.0.get(&id.client).filter(|client| id.clock < client.clock).map(|client| &client.runs)
    }

    /// Notes that a client's history is held up to `clock`; `runs` are the marks of what is new.
    pub(super) fn extend(&mut self, client: u64, clock: u32, runs: &Runs) {
        let client = self.0.entry(client).or_default();
        if clock > client.clock {
            client.clock = clock;
            client.runs.append(runs);
        }
    }
}
