//! What a log keeps of an edit: its update, and no more than that takes.
//!
//! So that nothing else is counted, this file is one test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::alloc::System;

use bytes::Bytes;
use cap::Cap;
use syncline_core::crdt::{Crdt, create};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::id::ReplicaId;
use syncline_core::operation::Operation;
use syncline_core::wire::encode_operations;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const EDITS: usize = 256;

#[test]
fn an_edit_keeps_what_it_brings_and_no_more() {
    for family in [Family::Yjs, Family::Automerge] {
        let mut document = create(Spec { family, kind: Kind::Text });
        document.write_as(ReplicaId::new([7; 16]));
        let kept: Vec<Bytes> = (0..EDITS).flat_map(|at| type_at(&mut *document, at)).collect();
        let bytes: usize = kept.iter().map(Bytes::len).sum();
        let handles = kept.capacity() * size_of::<Bytes>();
        let before = ALLOCATOR.allocated();
        drop(kept);
        let taken = before - ALLOCATOR.allocated();
        assert_eq!(taken, bytes + handles, "{family}");
    }
}

/// One character more, as its author's log keeps it: the update, and the operation.
fn type_at(document: &mut dyn Crdt, at: usize) -> [Bytes; 2] {
    let path = [Kind::TEXT_KEY].into_iter().collect();
    let operation = Operation::Splice { path, at, delete: 0, insert: "x".to_owned() };
    document.perform(&operation).unwrap();
    [document.take_local().unwrap().unwrap(), encode_operations(&[operation])]
}
