//! The documents under test, and what all tests do with them.

use bytes::Bytes;
use syncline_core::crdt::{Crdt, Writer, create, load};
use syncline_core::entry::{Family, Kind, Spec};
use syncline_core::id::ReplicaId;
use syncline_core::path::Path;
use syncline_core::scripts::{Scripts, Shape};
use syncline_core::value::Value;

use crate::strings;

/// Every sort of document.
pub const SPECS: [Spec; 5] = [
    Spec { family: Family::Toy, kind: Kind::Tree },
    Spec { family: Family::Yjs, kind: Kind::Tree },
    Spec { family: Family::Automerge, kind: Kind::Tree },
    Spec { family: Family::Yjs, kind: Kind::Text },
    Spec { family: Family::Automerge, kind: Kind::Text },
];

/// The two families that applications use.
pub const REAL: [Spec; 2] = [SPECS[1], SPECS[2]];

/// Scripts that such a document can follow.
pub fn scripts(spec: Spec) -> Scripts {
    let shape = match (spec.family, spec.kind) {
        (Family::Toy, _) => Shape::Flat,
        (Family::Yjs | Family::Automerge, Kind::Tree | Kind::Board | Kind::Chart) => Shape::Tree,
        (Family::Yjs | Family::Automerge, Kind::Text) => Shape::Text,
    };
    Scripts::new(shape).with_texts(strings::naughty().iter().cloned())
}

/// One test per sort of document of a property: a function of the spec, a seed and a length, that panics.
macro_rules! for_every_family {
    ($property:ident) => {
        $crate::families::for_every_family!($property: toy 0, yjs 1, automerge 2, yjs_text 3, automerge_text 4);
    };
    ($property:ident: $($name:ident $spec:literal),*) => {
        $(#[test]
        fn $name() {
            fn property(seed: u64, len: u8) {
                super::$property($crate::families::SPECS[$spec], seed, usize::from(len) % $crate::families::MAX_LEN);
            }
            ::quickcheck::quickcheck(property as fn(u64, u8));
        })*
    };
}
pub(crate) use for_every_family;

/// Longest script; long enough for a document to become intricate, short enough to be read.
pub const MAX_LEN: usize = 80;

/// A replica id that a small number stands for.
pub fn replica(number: u64) -> ReplicaId {
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&(number + 1).to_le_bytes());
    ReplicaId::new(bytes)
}

/// A new document with a writer.
pub fn document(spec: Spec, writer: u64) -> Box<dyn Crdt> {
    let mut document = create(spec);
    document.write_as(replica(writer));
    document
}

/// What the whole document reads as.
pub fn read(document: &dyn Crdt) -> Value {
    document.value(&Path::root()).expect("a document can always be read")
}

/// Admits and applies an update of `writer`.
pub fn receive(document: &mut dyn Crdt, writer: u64, update: &Bytes) {
    document.admit(&Writer::Replica(replica(writer)), update).expect("an update in causal order is admitted");
    document.apply(&[update]).expect("an admitted update is applied");
}

/// The document that its snapshot loads as.
pub fn reloaded(spec: Spec, document: &dyn Crdt) -> Box<dyn Crdt> {
    load(spec, &document.snapshot().expect("a document can be saved")).expect("a snapshot loads")
}
