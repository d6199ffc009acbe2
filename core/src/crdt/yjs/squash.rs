//! What it takes yrs to join neighbouring blocks, and how that is bounded.
//!
//! At the end of a transaction yrs joins blocks that follow each other, as they do where somebody types. It goes from right to
//! left, copies what each block holds behind what its left neighbour holds, and frees nothing before it is done: the last of a
//! thousand is copied a thousand times. A megabyte of blocks of one character would take gigabytes, and the process with it. So
//! what is integrated in one transaction is small, or brings few neighbours; and a large update that brings many is cut.

use super::block::{self, Body, Content};
use super::reader::{Id, Reader};
use crate::crdt::GateError;

/// How much is integrated in one transaction, in bytes: so much makes yrs copy some megabytes at most, whatever it is. A larger
/// update is integrated by itself.
pub(super) const AT_ONCE_BYTES: usize = 4 << 10;

/// How much yrs may have to copy of an update that is integrated in one transaction, in bytes.
pub(super) const MAX_COPIED_BYTES: u64 = 16 << 20;

/// What a value takes in memory, about, however short it is in an update.
const VALUE_BYTES: u64 = 32;

/// Updates that are integrated together, in their order.
pub(super) fn together<'a>(updates: &'a [&'a [u8]]) -> impl Iterator<Item = &'a [&'a [u8]]> {
    let mut bytes = 0;
    updates.chunk_by(move |update, next| {
        bytes += update.len();
        let fits = bytes + next.len() <= AT_ONCE_BYTES;
        bytes *= usize::from(fits);
        fits
    })
}

/// Whether an update brings so many neighbours that it has to be cut. One that cannot be read does not: it is refused.
pub(super) fn is_costly(update: &[u8]) -> bool {
    update.len() > AT_ONCE_BYTES && costs(update).unwrap_or(false)
}

/// Most large updates have few blocks that could be neighbours; of the others, many have something between them.
fn costs(update: &[u8]) -> Result<bool, GateError> {
    if copied(update, |_| true)? <= MAX_COPIED_BYTES {
        return Ok(false);
    }
    let parted = parted(update)?;
    Ok(copied(update, |pair| parted.binary_search(&pair).is_err())? > MAX_COPIED_BYTES)
}

/// How many bytes are copied to join those that follow each other, of whom each pair is asked for by the end of the one and the beginning
/// of the other.
fn copied(update: &[u8], are_neighbours: impl Fn((Id, Id)) -> bool) -> Result<u64, GateError> {
    let mut copied = 0_u64;
    let mut reader = Reader::new(update, 0);
    for _ in 0..reader.number()? {
        let (blocks, client, mut clock) = (reader.number()?, reader.number()?, reader.clock()?);
        let (mut last, mut to_the_left) = (None, 0);
        for _ in 0..blocks {
            let begin = reader.position();
            let block = block::read(&mut reader)?;
            let kind = std::mem::discriminant(&block.body.content);
            let pair = block.links.origin.map(|origin| (origin, Id { client, clock }));
            let follows = last == Some((clock, block.links.right_origin, kind))
                && pair
                    .is_some_and(|(origin, here)| is_before(origin, here) && are_neighbours((origin, here)));
            to_the_left = if follows { to_the_left + 1 } else { 0 };
            copied = copied.saturating_add(to_the_left * held(&block.body, block.body.end - begin));
            clock = clock.saturating_add(block.body.len);
            last = Some((clock, block.links.right_origin, kind));
        }
    }
    Ok(copied)
}

/// Whether one position is the one before another, of the same client.
fn is_before(one: Id, other: Id) -> bool {
    one.client == other.client && one.clock.checked_add(1) == Some(other.clock)
}

/// What is copied of a block that takes so many bytes in its update.
fn held(body: &Body, bytes: usize) -> u64 {
    match body.content {
        Content::Text { .. } => bytes as u64,
        Content::Values => bytes as u64 + VALUE_BYTES * u64::from(body.len),
        // Others are not joined, or have nothing that would be copied.
        _ => 0,
    }
}

/// Pairs that have something between them, in order.
fn parted(update: &[u8]) -> Result<Vec<(Id, Id)>, GateError> {
    let mut parted = Vec::new();
    let mut reader = Reader::new(update, 0);
    for _ in 0..reader.number()? {
        let (blocks, _client, _clock) = (reader.number()?, reader.number()?, reader.clock()?);
        for _ in 0..blocks {
            let links = block::read(&mut reader)?.links;
            parted.extend(links.origin.zip(links.right_origin));
        }
    }
    parted.sort_unstable();
    Ok(parted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use yrs::updates::decoder::Decode;
    use yrs::{Array, Doc, ReadTxn, StateVector, Text, Transact, Update, merge_updates_v1};

    use super::*;
    use crate::crdt::yjs::Yjs;
    use crate::crdt::{Crdt, Exchange, Gate};
    use crate::entry::Kind;
    use crate::id::Have;
    use crate::path::Path;

    const BLOCKS: u32 = 4_000;

    /// What one types, a few letters or a few values at a time, as one update of as many blocks.
    fn typed(values: bool) -> Vec<u8> {
        let doc = Doc::with_client_id(1);
        let (text, array) = (doc.get_or_insert_text("text"), doc.get_or_insert_array("list"));
        let mut type_once = |at| {
            let mut txn = doc.transact_mut();
            match values {
                true => drop(array.push_back(&mut txn, at)),
                false => text.push(&mut txn, "letters"),
            };
            txn.encode_update_v1()
        };
        merge_updates_v1((0..BLOCKS).map(&mut type_once).collect::<Vec<_>>()).unwrap()
    }

    /// The same text, in as many blocks, with something of somebody else between any two of them.
    fn interspersed() -> Vec<u8> {
        let (one, other) = (Doc::with_client_id(1), Doc::with_client_id(2));
        one.get_or_insert_text("text").push(&mut one.transact_mut(), &"letters".repeat(BLOCKS as usize));
        let text = one.transact().encode_state_as_update_v1(&StateVector::default());
        other.transact_mut().apply_update(Update::decode_v1(&text).unwrap()).unwrap();
        let text = other.get_or_insert_text("text");
        for word in 1..BLOCKS {
            text.insert(&mut other.transact_mut(), word * 8 - 1, " ");
        }
        other.transact().encode_state_as_update_v1(&StateVector::default())
    }

    #[test]
    fn many_neighbours_cost_much_and_those_that_are_none_cost_nothing() {
        assert!(is_costly(&typed(false)) && is_costly(&typed(true)));
        assert!(
            copied(&interspersed(), |_| true).unwrap() > MAX_COPIED_BYTES,
            "this is told by what is between"
        );
        assert!(!is_costly(&interspersed()));
        let joined = {
            let doc = Doc::with_client_id(1);
            doc.transact_mut().apply_update(Update::decode_v1(&interspersed()).unwrap()).unwrap();
            doc.transact().encode_state_as_update_v1(&StateVector::default())
        };
        assert!(!is_costly(&joined) && !is_costly(&[7; 2 * AT_ONCE_BYTES]));
    }

    #[test]
    fn a_costly_update_makes_the_same_document_in_parts() {
        for update in [typed(false), typed(true)] {
            let expected = Doc::with_client_id(9);
            expected.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
            let expected = expected.transact().encode_state_as_update_v1(&StateVector::default());
            let mut merged = Yjs::create(Kind::Tree);
            merged.admit_snapshot(&update).unwrap();
            merged.merge(&update).unwrap();
            assert_eq!(merged.snapshot().unwrap(), expected);
            let mut received = Yjs::create(Kind::Tree);
            let parts = received.receive(Have::NONE, &update).unwrap();
            assert!(parts.iter().all(|part| part.len() <= AT_ONCE_BYTES));
            assert_eq!(received.value(&Path::root()), merged.value(&Path::root()));
            assert_eq!(received.snapshot().unwrap(), expected);
        }
    }

    #[test]
    fn small_updates_are_integrated_together_as_far_as_they_fit() {
        let small = vec![0_u8; AT_ONCE_BYTES / 2];
        let large = vec![0_u8; 3 * AT_ONCE_BYTES];
        let updates = [&small[..], &small, &small, &large, &small];
        let sizes: Vec<usize> = together(&updates).map(<[_]>::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(together(&[]).count(), 0);
    }
}
