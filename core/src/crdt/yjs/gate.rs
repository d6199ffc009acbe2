//! The gate in front of yrs: which Yjs v1 updates are allowed to reach it.
//!
//! yrs trusts its input. An update whose clocks, origins or parents contradict each other is accepted by its
//! safe interface and corrupts memory, overflows the stack, or leaves a document that can never be saved
//! again. So an update is first read here, twice. The first reading is about form: every length lies within
//! the bytes, every client occurs once, every block is of a known kind and takes at least one clock. The second
//! one plays the update through in the order in which yrs will: each block after everything it refers to. It
//! refuses what refers to something unknown or to itself, what is inside of something that holds nothing, and
//! what is nested so deep that yrs would run out of stack. An admitted update therefore integrates
//! completely; nothing is ever left pending. Where all blocks are of one client, as in every update of a replica, there
//! is one order only, and both readings are one. An update with several faults is refused for whichever is met first.
//!
//! Honest clients send nothing that is refused here, with three exceptions that yrs cannot read either: the
//! JSON content of Yjs before version 13, XML hooks and weak links.

use bytes::Bytes;

use super::block::{self, Block, Body, Content, Links, MIN_BLOCK_BYTES, Parent};
use super::brought::Brought;
use super::cut::Order;
use super::known::{Container, Known, MAX_TYPE_DEPTH, Mark, Place, Roots, Runs};
use super::reader::{Id, MAX_CLOCK, Reader, malformed};
use crate::crdt::{Gate, GateError, Writer};
use crate::entry::MAX_UPDATE_BYTES;
use crate::id::Have;

/// The shortest section of one client: number of blocks, client, clock and a block.
const MIN_SECTION_BYTES: usize = 3 + MIN_BLOCK_BYTES;

/// The shortest part of a delete set: client, number of ranges and a range.
const MIN_DELETIONS_BYTES: usize = 2 + MIN_RANGE_BYTES;

const MIN_RANGE_BYTES: usize = 2;

/// Most clients in one update. yrs recurses over them when all of them are done out of turn.
const MAX_CLIENTS: usize = 1 << 16;

/// Most steps that yrs may spend on finding the next block: while it waits for a block of one client, each
/// block of another costs it a look at everything that waits.
const MAX_WAITING_STEPS: u64 = 1 << 27;

/// How many sections and deletions are kept as working memory between updates.
const KEPT_SECTIONS: usize = 64;

/// Admits Yjs v1 updates. On its own it knows no document, only how far each client's history is held and
/// how deep its blocks lie.
#[derive(Clone, Debug, Default)]
pub struct YjsGate {
    known: Known,
    roots: Roots,
    /// Whether any update brought a document inside of the document.
    documents: bool,
    /// Working memory, without meaning between updates.
    sections: Vec<Section>,
    bodies: Vec<Body>,
    clients: Vec<u64>,
    waiting: Vec<(usize, u32)>,
    brought: Brought,
    /// Whether the update brings something, and nothing of it was known before, as far as that can be told without the document.
    all_new: bool,
    /// Where the deletions of an update begin.
    pub(super) deletions_at: usize,
    /// The order of the blocks, while somebody wants to know it.
    order: Option<Order>,
}

/// The blocks of one client in the update that is being read.
#[derive(Clone, Debug)]
struct Section {
    client: u64,
    /// The clock behind its last block, as far as it was read.
    end: u32,
    /// From which clock on it was not known before.
    new_from: u32,
    /// How far it was played through: the next clock, where its block begins, and which of the bodies it has.
    clock: u32,
    at: usize,
    body: usize,
    /// The marks of what was not known before, as far as it was played through.
    runs: Runs,
    waits: bool,
}

impl Section {
    /// Notes that its next block is integrated.
    #[inline(always)]
    fn integrated(&mut self, body: &Body, mark: Mark) {
        let start = self.clock.max(self.new_from);
        self.clock += body.len;
        self.at = body.end;
        if self.clock > start {
            self.runs.push(start, self.clock, mark);
        }
    }

    /// Where a block is that stands between blocks of this section which are all in one place, as in most of a text. Those
    /// from `new_from` on are in no other place, as they were not known before.
    #[inline]
    fn only_place(&self, links: &Links<'_>) -> Option<Option<Place>> {
        let new = self.new_from..self.clock;
        let here = |id: Option<Id>| id.is_none_or(|id| id.client == self.client && new.contains(&id.clock));
        if links.parent.is_none() && here(links.origin) && here(links.right_origin) {
            self.runs.only_place()
        } else {
            None
        }
    }
}

/// Whether a block can be integrated now.
enum Step {
    Integrated(Mark),
    /// After a block of another section.
    After(Id),
}

impl YjsGate {
    /// A gate that knows an empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the update that was admitted last brought with it.
    pub(super) const fn brought(&self) -> Brought {
        self.brought
    }

    /// Whether the update that was admitted last brings something, and all of it is new. Of deletions only the document knows.
    pub(super) const fn brings_only_new(&self) -> bool {
        self.all_new
    }

    /// Whether there are or were documents inside of the document.
    pub(super) const fn holds_documents(&self) -> bool {
        self.documents
    }

    /// Whether both hold the same blocks at the same places, as far as gates know.
    pub(crate) fn knows_the_same_as(&self, other: &Self) -> bool {
        self.known == other.known
    }

    fn check(&mut self, author: Option<u64>, update: &[u8]) -> Result<(), GateError> {
        let mut reader = Reader::new(update, 0);
        self.read_sections(&mut reader, author)?;
        self.deletions_at = reader.position();
        self.read_deletions(&mut reader)?;
        if reader.left() > 0 {
            return Err(malformed("something follows its end"));
        }
        self.play(update)
    }

    /// Checks an update and takes note of it, or leaves everything as it was.
    fn take(&mut self, author: Option<u64>, replicas: &Have, update: &[u8]) -> Result<(), GateError> {
        let verdict = self.check(author, update).and_then(|()| self.check_strangers(replicas));
        self.roots.settle(verdict.is_ok());
        if verdict.is_ok() {
            self.note();
        }
        verdict
    }

    /// The order in which the blocks of an update of somebody else are integrated, for parts of a size. Takes no note of it.
    pub(super) fn order_of(
        &mut self,
        replicas: &Have,
        update: &[u8],
        full: usize,
    ) -> Result<Order, GateError> {
        self.order = Some(Order::new(full));
        let verdict = self.check(None, update).and_then(|()| self.check_strangers(replicas));
        self.roots.settle(false);
        let order = self.order.take().unwrap_or_else(|| Order::new(full));
        verdict.map(|()| order)
    }

    #[inline]
    fn note_order(&mut self, section: &Section, body: &Body) {
        if let Some(order) = &mut self.order {
            order.note(section.client, section.clock, section.at, body.end);
        }
    }

    /// Nobody but a replica itself brings what is new under its client id.
    fn check_strangers(&self, replicas: &Have) -> Result<(), GateError> {
        let new = self.sections.iter().filter(|section| section.end > section.new_from);
        match new.filter_map(|section| replicas.yjs_writers(section.client).next()).next() {
            None => Ok(()),
            Some(replica) => {
                Err(GateError::Impostor { reason: format!("a block of replica {replica}, by somebody else") })
            }
        }
    }

    fn note(&mut self) {
        self.documents |= self.brought.documents;
        for section in &mut self.sections {
            self.known.extend(section.client, section.end, &mut section.runs);
        }
        self.sections.truncate(KEPT_SECTIONS);
        self.bodies.truncate(KEPT_SECTIONS);
        self.bodies.shrink_to(KEPT_SECTIONS);
        self.clients.truncate(KEPT_SECTIONS);
        self.waiting.truncate(KEPT_SECTIONS);
    }

    fn read_sections(&mut self, reader: &mut Reader<'_>, author: Option<u64>) -> Result<(), GateError> {
        self.sections.clear();
        self.bodies.clear();
        self.brought = Brought::default();
        let count = reader.count(MIN_SECTION_BYTES)?;
        self.all_new = count > 0;
        if count > MAX_CLIENTS {
            return Err(GateError::Limit {
                what: "the number of clients in an update",
                limit: MAX_CLIENTS as u64,
            });
        }
        for _ in 0..count {
            let (mut section, blocks) = self.begin_section(reader, author)?;
            self.all_new &= section.clock == section.new_from;
            match count {
                1 => self.play_alone(&mut section, blocks, reader, author)?,
                _ => self.read_blocks(&mut section, blocks, reader, author)?,
            }
            self.sections.push(section);
        }
        self.sections.sort_unstable_by_key(|section| section.client);
        if self.sections.windows(2).any(|pair| pair[0].client == pair[1].client) {
            return Err(malformed("a client occurs twice"));
        }
        Ok(())
    }

    /// The blocks of a client, and how many there are, before the first of them is read.
    fn begin_section(
        &self,
        reader: &mut Reader<'_>,
        author: Option<u64>,
    ) -> Result<(Section, usize), GateError> {
        let blocks = reader.count(MIN_BLOCK_BYTES)?;
        let client = reader.number()?;
        let clock = reader.clock()?;
        self.check_start(client, clock, author)?;
        if blocks == 0 {
            return Err(malformed("a client without blocks"));
        }
        let (at, body, runs) = (reader.position(), self.bodies.len(), Runs::default());
        let new_from = self.known.clock(client);
        Ok((Section { client, end: clock, new_from, clock, at, body, runs, waits: false }, blocks))
    }

    /// Reads blocks that may have to wait for those of other clients.
    fn read_blocks(
        &mut self,
        section: &mut Section,
        blocks: usize,
        reader: &mut Reader<'_>,
        author: Option<u64>,
    ) -> Result<(), GateError> {
        (0..blocks).try_for_each(|_| {
            let block = self.read_block(section, reader, author)?;
            self.bodies.push(block.body);
            Ok(())
        })
    }

    /// Reads blocks and plays each of them through at once, as there are no others that it could wait for.
    fn play_alone(
        &mut self,
        section: &mut Section,
        blocks: usize,
        reader: &mut Reader<'_>,
        author: Option<u64>,
    ) -> Result<(), GateError> {
        (0..blocks).try_for_each(|_| {
            let block = self.read_block(section, reader, author)?;
            let root = self.root(&block.links);
            match self.step(section, &block, root)? {
                Step::Integrated(mark) => {
                    self.note_order(section, &block.body);
                    section.integrated(&block.body, mark);
                }
                Step::After(_) => return Err(malformed("a block refers to itself")),
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn read_block<'a>(
        &mut self,
        section: &mut Section,
        reader: &mut Reader<'a>,
        author: Option<u64>,
    ) -> Result<Block<'a>, GateError> {
        let block = block::read(reader)?;
        if author.is_some() && block.body.content == Content::Collected {
            return Err(malformed("a replica does not send what it has forgotten"));
        }
        self.brought.note(block.body.content);
        section.end += block.body.len;
        if section.end >= MAX_CLOCK {
            return Err(malformed("a clock is too large"));
        }
        Ok(block)
    }

    fn check_start(&self, client: u64, start: u32, author: Option<u64>) -> Result<(), GateError> {
        let known = self.known.clock(client);
        if start > known {
            return Err(GateError::Gap { reason: format!("clocks {known} to {start} of client {client}") });
        }
        match author {
            Some(author) if author != client => {
                Err(GateError::Impostor { reason: format!("its author is client {author}, not {client}") })
            }
            Some(_) if start < known => Err(malformed("it repeats an earlier one")),
            Some(_) | None => Ok(()),
        }
    }

    fn read_deletions(&mut self, reader: &mut Reader<'_>) -> Result<(), GateError> {
        self.clients.clear();
        for _ in 0..reader.count(MIN_DELETIONS_BYTES)? {
            let client = reader.number()?;
            let end = self.section(client).map_or(0, |section| section.end).max(self.known.clock(client));
            read_ranges(reader, client, end)?;
            self.clients.push(client);
        }
        self.all_new &= self.clients.is_empty();
        self.clients.sort_unstable();
        if self.clients.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed("deletions of a client occur twice"));
        }
        Ok(())
    }

    fn section(&self, client: u64) -> Option<&Section> {
        self.section_index(client).map(|index| &self.sections[index])
    }

    fn section_index(&self, client: u64) -> Option<usize> {
        match &*self.sections {
            [only] => (only.client == client).then_some(0),
            sections => sections.binary_search_by_key(&client, |section| section.client).ok(),
        }
    }

    /// Integrates every block after what it refers to, highest client first, as yrs does.
    fn play(&mut self, update: &[u8]) -> Result<(), GateError> {
        let mut steps = 0;
        for first in (0..self.sections.len()).rev() {
            self.waiting.clear();
            self.wait_for(first, self.sections[first].end);
            while let Some(&(index, until)) = self.waiting.last() {
                if self.sections[index].clock >= until {
                    self.sections[index].waits = false;
                    self.waiting.pop();
                    continue;
                }
                self.advance(index, update)?;
                steps += self.waiting.len() as u64 - 1;
                if steps > MAX_WAITING_STEPS {
                    return Err(GateError::Limit {
                        what: "the disorder of an update",
                        limit: MAX_WAITING_STEPS,
                    });
                }
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, index: usize, until: u32) {
        self.sections[index].waits = true;
        self.waiting.push((index, until));
    }

    /// Integrates the next block of a section, or turns to the section it waits for.
    fn advance(&mut self, index: usize, update: &[u8]) -> Result<(), GateError> {
        let Section { at, body, .. } = self.sections[index];
        let links = block::read_again(&mut Reader::new(update, at))?;
        let block = Block { links, body: self.bodies[body] };
        let root = self.root(&block.links);
        match self.step(&self.sections[index], &block, root)? {
            Step::Integrated(mark) => {
                if let Some(order) = &mut self.order {
                    order.note(self.sections[index].client, self.sections[index].clock, at, block.body.end);
                }
                self.sections[index].integrated(&block.body, mark);
                self.sections[index].body += 1;
            }
            Step::After(id) => {
                let Some(other) = self.section_index(id.client).filter(|other| !self.sections[*other].waits)
                else {
                    return Err(malformed("blocks wait for each other"));
                };
                self.wait_for(other, id.clock + 1);
            }
        }
        Ok(())
    }

    /// The number of the top-level type that a block says it is in.
    fn root(&mut self, links: &Links<'_>) -> Option<u32> {
        match links.parent {
            Some(Parent::Root(name)) => Some(self.roots.number(name)),
            Some(Parent::Item(_)) | None => None,
        }
    }

    #[inline(always)]
    fn step(&self, section: &Section, block: &Block<'_>, root: Option<u32>) -> Result<Step, GateError> {
        let Block { links, body } = block;
        if body.content == Content::Collected {
            return Ok(Step::Integrated(Mark { place: None, may_be_parent: false }));
        }
        let mut place = match section.only_place(links) {
            Some(only) => {
                debug_assert_eq!(
                    self.place_beside(section, links),
                    Ok(Ok(only)),
                    "the same by a shorter way"
                );
                only
            }
            None => match self.place_beside(section, links)? {
                Ok(place) => place,
                Err(id) => return Ok(Step::After(id)),
            },
        };
        if let Some(Parent::Item(parent)) = links.parent {
            let Some(runs) = self.look_up(section, parent)? else { return Ok(Step::After(parent)) };
            agree(&mut place, inside_of(parent, runs, links.keyed)?)?;
        }
        if let Some(root) = root {
            agree(&mut place, Some(Place { parent: Container::Root(root), keyed: links.keyed, depth: 1 }))?;
        }
        self.agree_with_known_half(section, body.len, &mut place)?;
        check_entry(block, place)?;
        let may_be_parent = place.is_some() && matches!(body.content, Content::Type | Content::Deleted);
        Ok(Step::Integrated(Mark { place, may_be_parent }))
    }

    /// Where the neighbours of a block are, or the one that must be integrated first.
    fn place_beside(
        &self,
        section: &Section,
        links: &Links<'_>,
    ) -> Result<Result<Option<Place>, Id>, GateError> {
        let mut place = None;
        for id in [links.origin, links.right_origin].into_iter().flatten() {
            let Some(runs) = self.look_up(section, id)? else { return Ok(Err(id)) };
            agree(&mut place, runs.place(id.clock))?;
        }
        Ok(Ok(place))
    }

    /// If the first half of a block is known and the second one is not, yrs puts the second one behind it; what is
    /// behind something collected is collected too once the document is loaded again.
    fn agree_with_known_half(
        &self,
        section: &Section,
        len: u32,
        place: &mut Option<Place>,
    ) -> Result<(), GateError> {
        let known = section.new_from;
        if section.clock >= known || known >= section.clock + len {
            return Ok(());
        }
        let half = Id { client: section.client, clock: known - 1 };
        let half = self.known.runs(half).and_then(|runs| runs.place(half.clock));
        if half.is_none() && place.is_some() {
            return Err(malformed("a block has a place, and its first half has none"));
        }
        agree(place, half)
    }

    /// The marks of a block that another one refers to; `None` if it must be integrated first.
    fn look_up<'a>(&'a self, from: &'a Section, id: Id) -> Result<Option<&'a Runs>, GateError> {
        if let Some(runs) = self.known.runs(id) {
            return Ok(Some(runs));
        }
        let to = if id.client == from.client { Some(from) } else { self.section(id.client) };
        let to = to.filter(|to| id.clock < to.end).ok_or_else(|| missing(id))?;
        Ok((id.clock < to.clock).then_some(&to.runs))
    }
}

/// The place of what is directly inside of a type; `None` if nothing is left of the type.
fn inside_of(parent: Id, runs: &Runs, keyed: bool) -> Result<Option<Place>, GateError> {
    let Some(place) = runs.place(parent.clock) else { return Ok(None) };
    if !runs.may_be_parent(parent.clock) {
        return Err(malformed("a block is inside of plain content"));
    }
    if place.depth >= MAX_TYPE_DEPTH {
        return Err(too_deep());
    }
    Ok(Some(Place { parent: Container::Type(parent.into()), keyed, depth: place.depth + 1 }))
}

/// Notes that a block is at a place too, if that is one; there is only one.
fn agree(place: &mut Option<Place>, too: Option<Place>) -> Result<(), GateError> {
    match (*place, too) {
        (Some(place), Some(too)) if place != too => Err(malformed("a block is in two places")),
        (None, Some(_)) => {
            *place = too;
            Ok(())
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Entries of maps hold one value and have nothing to their right.
fn check_entry(block: &Block<'_>, place: Option<Place>) -> Result<(), GateError> {
    let keyed = place.is_some_and(|place| place.keyed);
    if keyed && (block.links.right_origin.is_some() || !block.body.may_be_entry()) {
        return Err(malformed("an entry of a map that no map holds"));
    }
    Ok(())
}

impl Gate for YjsGate {
    fn admit(&mut self, writer: &Writer<'_>, update: &[u8]) -> Result<(), GateError> {
        if update.len() > MAX_UPDATE_BYTES {
            return Err(GateError::Limit { what: "an update", limit: MAX_UPDATE_BYTES as u64 });
        }
        match writer {
            Writer::Replica(replica) => self.take(Some(replica.yjs_client()), Have::NONE, update),
            Writer::Foreign(replicas) => self.take(None, replicas, update),
        }
    }

    fn admit_snapshot(&mut self, snapshot: &[u8]) -> Result<(), GateError> {
        self.take(None, Have::NONE, snapshot)
    }

    fn version(&self) -> Option<Bytes> {
        Some(self.known.state_vector())
    }

    fn bytes(&self) -> usize {
        self.known.bytes()
    }
}

/// Ranges of one client, in order, within what is known.
fn read_ranges(reader: &mut Reader<'_>, client: u64, known: u32) -> Result<(), GateError> {
    let mut last_end = 0;
    for _ in 0..reader.count(MIN_RANGE_BYTES)? {
        let start = reader.clock()?;
        let len = reader.clock()?;
        if len == 0 || start < last_end {
            return Err(malformed("deleted ranges are empty or out of order"));
        }
        last_end = start + len;
        if last_end > known {
            return Err(missing(Id { client, clock: last_end - 1 }));
        }
    }
    Ok(())
}

fn missing(id: Id) -> GateError {
    GateError::Gap { reason: format!("clock {} of client {}", id.clock, id.client) }
}

fn too_deep() -> GateError {
    GateError::Limit { what: "the nesting of shared types", limit: u64::from(MAX_TYPE_DEPTH) }
}
