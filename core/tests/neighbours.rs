//! A document whose blocks are all neighbours takes memory in proportion to its size, however they come.
//!
//! So that nothing else is counted, this file is one test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::alloc::System;

use cap::Cap;
use syncline_core::crdt::{Crdt, Writer, create};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::id::Have;
use yrs::{Array, Doc, Transact, merge_updates_v1};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Updates of one who adds a few letters at a time to a list, and the size of each.
const UPDATES: usize = 20_000;
const LETTERS: &str = "a few letters";

/// What it may take at most, in bytes.
const MAX_TAKEN: usize = 64 << 20;

#[test]
fn neighbours_take_memory_in_proportion() {
    let author = Doc::with_client_id(1);
    let list = author.get_or_insert_array("list");
    let add = |_| {
        let mut txn = author.transact_mut();
        _ = list.push_back(&mut txn, LETTERS);
        txn.encode_update_v1()
    };
    let updates: Vec<Vec<u8>> = (0..UPDATES).map(add).collect();
    let merged = merge_updates_v1(updates.clone()).unwrap();
    within_bounds(|document| {
        document.exchange().unwrap().receive(Have::NONE, &merged).unwrap();
    });
    within_bounds(|document| {
        document.admit_snapshot(&merged).unwrap();
        document.merge(&merged).unwrap();
    });
    within_bounds(|document| {
        let updates: Vec<&[u8]> = updates.iter().map(|update| &**update).collect();
        updates.iter().for_each(|update| document.admit(&Writer::STRANGER, update).unwrap());
        document.apply(&updates).unwrap();
    });
}

/// Does some work with an empty document, of which the whole list comes. If it takes too much, memory ends.
fn within_bounds(work: impl FnOnce(&mut dyn Crdt)) {
    let mut document = create(SPEC);
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + MAX_TAKEN).unwrap();
    work(&mut *document);
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    assert_eq!(document.len(&"/list".parse().unwrap()), Some(UPDATES));
}
