//! Cuts a large update into smaller ones, each of which can be applied after those before it.
//!
//! A gate plays an update through block by block, each after what it refers to. Cut anywhere in that order, the part before
//! the cut stands on its own. Between two cuts the blocks of one client follow each other, as they do in the update itself; so
//! a part is made of stretches of the update's bytes, with a head for each client. Deletions, which can be most of an update,
//! come behind all blocks and are cut in the same way.

use std::collections::BTreeMap;

use super::YjsGate;
use super::reader::Reader;
use crate::crdt::GateError;
use crate::id::Have;
use crate::protocol::lib0::write_number as number;

/// How large a part becomes that is not one block alone, in bytes.
pub(super) const FULL_PART_BYTES: usize = 2 << 20;

/// What a part takes besides blocks, for itself and for each client: up to three numbers of up to eight bytes.
pub(super) const HEAD_BYTES: usize = 24;

/// No deletions, or blocks of no client.
const NOTHING: u8 = 0;

/// The blocks of an update in the order in which they are integrated, or the ranges that it deletes: runs of one client.
#[derive(Clone, Debug)]
pub(super) struct Order {
    full: usize,
    runs: Vec<Run>,
}

/// Blocks of one client that follow each other in the update, or ranges of them.
#[derive(Clone, Copy, Debug)]
struct Run {
    client: u64,
    clock: u32,
    count: u64,
    /// Where they are in the update.
    start: usize,
    end: usize,
}

/// What is written together, by clients.
type Part = BTreeMap<u64, Run>;

impl Order {
    /// An order of nothing yet, to be cut into parts of this size.
    pub(super) const fn new(full: usize) -> Self {
        Self { full, runs: Vec::new() }
    }

    /// Notes what comes next.
    pub(super) fn note(&mut self, client: u64, clock: u32, start: usize, end: usize) {
        let most = self.full.saturating_sub(2 * HEAD_BYTES);
        match self.runs.last_mut() {
            Some(last) if last.client == client && last.end == start && end - last.start <= most => {
                (last.end, last.count) = (end, last.count + 1);
            }
            _ => self.runs.push(Run { client, clock, count: 1, start, end }),
        }
    }

    /// The runs of each part, those of one client joined.
    fn parts(&self) -> Vec<Part> {
        let (mut parts, mut part, mut bytes) = (Vec::new(), Part::new(), HEAD_BYTES);
        for run in &self.runs {
            let more = HEAD_BYTES + run.end - run.start;
            if bytes + more > self.full && !part.is_empty() {
                parts.push(std::mem::take(&mut part));
                bytes = HEAD_BYTES;
            }
            bytes += more;
            let joined = part.entry(run.client).or_insert(Run { count: 0, ..*run });
            (joined.end, joined.count) = (run.end, joined.count + run.count);
        }
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        parts
    }
}

impl YjsGate {
    /// Checks an update of a client of another protocol as a whole, and cuts it into parts of that size, but for blocks that are larger
    /// alone. Takes no note of it.
    pub(super) fn cut(
        &mut self,
        replicas: &Have,
        update: &[u8],
        full: usize,
    ) -> Result<Vec<Vec<u8>>, GateError> {
        let blocks = self.order_of(replicas, update, full)?;
        let deletions = deletions(update, self.deletions_at, full)?;
        let blocks =
            blocks.parts().into_iter().map(|part| [write(&part, update, true), vec![NOTHING]].concat());
        let deletions =
            deletions.parts().into_iter().map(|part| [vec![NOTHING], write(&part, update, false)].concat());
        Ok(blocks.chain(deletions).collect())
    }
}

/// The ranges that an admitted update deletes.
fn deletions(update: &[u8], at: usize, full: usize) -> Result<Order, GateError> {
    let (mut reader, mut order) = (Reader::new(update, at), Order::new(full));
    for _ in 0..reader.number()? {
        let (client, ranges) = (reader.number()?, reader.number()?);
        for _ in 0..ranges {
            let start = reader.position();
            let clock = reader.clock()?;
            reader.clock()?;
            order.note(client, clock, start, reader.position());
        }
    }
    Ok(order)
}

/// Blocks have the clock of the first one in front of them, ranges do not.
fn write(part: &Part, update: &[u8], clocks: bool) -> Vec<u8> {
    let mut out = Vec::new();
    number(part.len() as u64, &mut out);
    for (client, Run { clock, count, start, end, .. }) in part.iter().rev() {
        if clocks {
            number(*count, &mut out);
            number(*client, &mut out);
            number(u64::from(*clock), &mut out);
        } else {
            number(*client, &mut out);
            number(*count, &mut out);
        }
        out.extend_from_slice(&update[*start..*end]);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use yrs::updates::decoder::Decode;
    use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

    use super::*;
    use crate::crdt::yjs::Yjs;
    use crate::crdt::{Crdt, Exchange, Gate};
    use crate::entry::{Kind, MAX_UPDATE_BYTES};
    use crate::path::Path;

    /// Two who write by turns in each other's text, a little and a lot.
    fn written(words: usize, size: usize) -> Vec<u8> {
        let docs = [Doc::with_client_id(1), Doc::with_client_id(2)];
        for turn in 0..words {
            let [from, to] = if turn % 2 == 0 { [&docs[0], &docs[1]] } else { [&docs[1], &docs[0]] };
            let text = from.get_or_insert_text("text");
            let update = {
                let mut txn = from.transact_mut();
                let at = text.len(&txn) / 2;
                text.insert(&mut txn, at, &turn.to_string().repeat(size));
                if turn % 5 == 4 {
                    text.remove_range(&mut txn, at, 1);
                }
                txn.encode_update_v1()
            };
            to.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        }
        docs[0].transact().encode_state_as_update_v1(&StateVector::default())
    }

    #[test]
    fn the_parts_of_an_update_make_the_same_document() {
        let update = written(60, 100_000);
        let mut whole = Yjs::create(Kind::Tree);
        whole.receive(Have::NONE, &update).unwrap();
        let parts = YjsGate::new().cut(Have::NONE, &update, FULL_PART_BYTES).unwrap();
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= FULL_PART_BYTES));
        let mut again = Yjs::create(Kind::Tree);
        for part in &parts {
            again.receive(Have::NONE, part).unwrap();
        }
        assert_eq!(again.value(&Path::root()), whole.value(&Path::root()));
        assert_eq!(again.version(), whole.version());
    }

    #[test]
    fn a_large_block_does_not_make_a_part_of_small_ones_too_large() {
        const FULL: usize = 1_000;
        let author = Doc::with_client_id(1);
        let text = author.get_or_insert_text("text");
        for words in [300, 500, 950, 300, 2_000, 10] {
            // One behind the other in time, in front of it in the text: none is joined with the next.
            text.insert(&mut author.transact_mut(), 0, &"x".repeat(words));
        }
        let update = author.transact().encode_state_as_update_v1(&StateVector::default());
        let parts = YjsGate::new().cut(Have::NONE, &update, FULL).unwrap();
        let sizes: Vec<bool> = parts.iter().map(|part| part.len() <= FULL).collect();
        assert_eq!(sizes, [true, true, true, false, true]);
    }

    #[test]
    fn deletions_are_cut_as_well() {
        const RANGES: u32 = 2_000_000;
        let mut update = vec![1, 1, 7, 0, 0];
        number(u64::from(2 * RANGES), &mut update);
        update.extend([1, 7]);
        number(RANGES.into(), &mut update);
        for range in 0..RANGES {
            number(u64::from(2 * range), &mut update);
            update.push(1);
        }
        assert!(update.len() > MAX_UPDATE_BYTES);
        let parts = YjsGate::new().cut(Have::NONE, &update, FULL_PART_BYTES).unwrap();
        assert!(parts.len() > 4 && parts.iter().all(|part| part.len() <= FULL_PART_BYTES));
        assert!(Yjs::create(Kind::Tree).receive(Have::NONE, &update).is_ok());
    }

    #[test]
    fn an_update_that_is_refused_leaves_no_trace() {
        let mut update = written(10, 10);
        update.push(0);
        let mut gate = YjsGate::new();
        assert!(gate.cut(Have::NONE, &update, FULL_PART_BYTES).is_err());
        assert!(gate.knows_the_same_as(&YjsGate::new()));
    }
}
