//! Cuts a large update into smaller ones, each of which can be applied after those before it.
//!
//! A gate plays an update through block by block, each after what it refers to. Cut anywhere in that order, the part before
//! the cut stands on its own. Between two cuts the blocks of one client follow each other, as they do in the update itself; so
//! a part is made of stretches of the update's bytes, with a head for each client.

use super::YjsGate;
use crate::crdt::GateError;
use crate::entry::MAX_UPDATE_BYTES;
use crate::id::Have;
use crate::protocol::lib0::write_number as number;

/// Size from which on a part is full, in bytes.
const FULL_PART_BYTES: usize = 2 << 20;

/// What a part without deletions ends with.
const NO_DELETIONS: &[u8] = &[0];

/// The blocks of an update in the order in which they are integrated: runs of blocks of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Order(Vec<Run>);

/// Blocks of one client that follow each other in the update.
#[derive(Clone, Copy, Debug)]
struct Run {
    client: u64,
    clock: u32,
    blocks: u64,
    /// Where they are in the update.
    start: usize,
    end: usize,
}

impl Order {
    /// Notes that a block is integrated.
    pub(super) fn note(&mut self, client: u64, clock: u32, start: usize, end: usize) {
        match self.0.last_mut() {
            Some(last)
                if last.client == client && last.end == start && last.end - last.start < FULL_PART_BYTES =>
            {
                (last.end, last.blocks) = (end, last.blocks + 1);
            }
            _ => self.0.push(Run { client, clock, blocks: 1, start, end }),
        }
    }

    /// The runs of each part, those of one client joined.
    fn parts(&self) -> Vec<Vec<Run>> {
        let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::<Run>::new(), 0);
        for run in &self.0 {
            if bytes >= FULL_PART_BYTES {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            bytes += run.end - run.start;
            match part.iter_mut().find(|known| known.client == run.client) {
                Some(known) => (known.end, known.blocks) = (run.end, known.blocks + run.blocks),
                None => part.push(*run),
            }
        }
        parts.push(part);
        parts
    }
}

impl YjsGate {
    /// Checks an update of a client of another protocol as a whole, and cuts it. Takes no note of it.
    pub(super) fn cut(&mut self, replicas: &Have, update: &[u8]) -> Result<Vec<Vec<u8>>, GateError> {
        let order = self.order_of(replicas, update)?;
        let deletions = &update[self.deletions_at..];
        let parts = order.parts();
        let last = parts.len() - 1;
        let written = parts
            .iter()
            .enumerate()
            .map(|(index, part)| write(part, update, if index == last { deletions } else { NO_DELETIONS }));
        let written: Vec<Vec<u8>> = written.collect();
        match written.iter().all(|part| part.len() <= MAX_UPDATE_BYTES) {
            true => Ok(written),
            false => Err(GateError::Limit { what: "one block of an update", limit: MAX_UPDATE_BYTES as u64 }),
        }
    }
}

fn write(part: &[Run], update: &[u8], deletions: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(part.len() as u64, &mut out);
    for Run { client, clock, blocks, start, end } in part {
        number(*blocks, &mut out);
        number(*client, &mut out);
        number(u64::from(*clock), &mut out);
        out.extend_from_slice(&update[*start..*end]);
    }
    out.extend_from_slice(deletions);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use yrs::updates::decoder::Decode;
    use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

    use super::*;
    use crate::crdt::yjs::Yjs;
    use crate::crdt::{Crdt, Exchange};
    use crate::entry::Kind;
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
        let parts = YjsGate::new().cut(Have::NONE, &update).unwrap();
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() < 2 * FULL_PART_BYTES));
        let mut again = Yjs::create(Kind::Tree);
        for part in &parts {
            again.receive(Have::NONE, part).unwrap();
        }
        assert_eq!(again.value(&Path::root()), whole.value(&Path::root()));
        assert_eq!(again.version(), whole.version());
    }

    #[test]
    fn an_update_that_is_refused_leaves_no_trace() {
        let mut update = written(10, 10);
        update.push(0);
        let mut gate = YjsGate::new();
        assert!(gate.cut(Have::NONE, &update).is_err());
        assert!(gate.knows_the_same_as(&YjsGate::new()));
    }
}
