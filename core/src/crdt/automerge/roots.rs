//! How top-level containers come into being.
//!
//! In Automerge an object is named by the operation that made it, so two people who each make a text called
//! "notes" make two, of which one is hidden. A top-level container is therefore made by a change that is the
//! same whoever makes it: its actor is derived from the key and the sort of container, it depends on nothing
//! and carries no time. Made twice, offline, it is one change and one container.
//!
//! Actors of that form are reserved: a change by one of them is refused unless it is exactly that change, or
//! somebody could make another in its place and so keep the real one out.

use automerge::{ActorId, ObjId};
use sha2::{Digest, Sha256};

use super::change::{Action, Change, Key, Scalar};
use super::chunk::{ChunkKind, frame, unsigned};
use super::reader::malformed;
use crate::crdt::GateError;

/// What the actors of these changes start with, before 16 bytes of hash.
const PREFIX: [u8; 8] = *b"syncline";
const HASH_BYTES: usize = 16;
const ACTOR_BYTES: usize = PREFIX.len() + HASH_BYTES;

/// A column that holds one cell, as a literal run.
const ONE: u8 = 0x7f;
const NONE: u8 = 0;
/// The sequence number of the change and the counter of its operation.
const FIRST: u8 = 1;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// An empty map.
    Map,
    /// An empty list.
    List,
    /// An empty text.
    Text,
    /// A counter at zero.
    Counter,
}

impl Root {
    /// The action, the type of the value and the value of the operation that makes it.
    const fn code(self) -> (u8, u8, &'static [u8]) {
        match self {
            Self::Map => (0, 0, &[]),
            Self::List => (2, 0, &[]),
            Self::Text => (4, 0, &[]),
            Self::Counter => (1, 0x18, &[0]),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::List => "list",
            Self::Text => "text",
            Self::Counter => "counter",
        }
    }
}

/// The change that makes the container, as an Automerge chunk. Written here and not by the library: these bytes
/// must never change.
pub fn creation(root: Root, key: &str) -> Vec<u8> {
    let (action, value_type, value) = root.code();
    let name = [&[ONE], &unsigned(key.len())[..], key.as_bytes()].concat();
    let mut body = vec![NONE];
    body.extend(unsigned(ACTOR_BYTES));
    body.extend(actor(root, key));
    body.extend([FIRST, FIRST, NONE, NONE, NONE]);
    let columns: [(u8, &[u8]); _] = [
        (21, &name),
        (52, &[1]),
        (66, &[ONE, action]),
        (86, &[ONE, value_type]),
        (87, value),
        (112, &[ONE, NONE]),
    ];
    let columns = columns.into_iter().filter(|(_, cells)| !cells.is_empty());
    body.extend(unsigned(columns.clone().count()));
    for (spec, cells) in columns.clone() {
        body.extend([&unsigned(spec.into())[..], &unsigned(cells.len())].concat());
    }
    columns.for_each(|(_, cells)| body.extend(cells));
    frame(ChunkKind::Change, &body)
}

/// The operation that [`creation`] consists of; unless it makes a counter, it is an object.
pub fn object(root: Root, key: &str) -> ObjId {
    ObjId::Id(1, ActorId::from(&actor(root, key)[..]), 0)
}

/// Whether an actor may only make a top-level container.
pub fn is_reserved(actor: &[u8]) -> bool {
    actor.starts_with(&PREFIX) && actor.len() == ACTOR_BYTES
}

/// Refuses a change by a reserved actor that is not the one the actor stands for; tells whether it is one.
pub fn check(change: &Change<'_>, chunk_body: &[u8]) -> Result<bool, GateError> {
    if !is_reserved(change.actor()) {
        return Ok(false);
    }
    let Some((root, key)) = read(change.clone())? else { return Err(reserved()) };
    if creation(root, key) == frame(ChunkKind::Change, chunk_body) { Ok(true) } else { Err(reserved()) }
}

/// What a change makes, if it could be one of these.
fn read<'a>(mut change: Change<'a>) -> Result<Option<(Root, &'a str)>, GateError> {
    let Some(op) = change.ops.next()? else { return Ok(None) };
    let root = match (op.action, op.value) {
        (Action::MakeMap, _) => Root::Map,
        (Action::MakeList, _) => Root::List,
        (Action::MakeText, _) => Root::Text,
        (Action::Set, Scalar::Counter(0)) => Root::Counter,
        _ => return Ok(None),
    };
    match op.key {
        Key::Text(key) => Ok(Some((root, key))),
        Key::Head | Key::Element(_) => Ok(None),
    }
}

fn actor(root: Root, key: &str) -> [u8; ACTOR_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update(b"syncline: top-level ");
    hasher.update(root.name());
    hasher.update([0]);
    hasher.update(key);
    let mut actor = [0; ACTOR_BYTES];
    let (prefix, hash) = actor.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    hash.copy_from_slice(&hasher.finalize()[..HASH_BYTES]);
    actor
}

fn reserved() -> GateError {
    malformed("an actor that is reserved for making a top-level container")
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{Automerge, ObjType, ROOT, ScalarValue};

    use super::*;

    fn by_the_library(root: Root, key: &str) -> Vec<u8> {
        let mut document = Automerge::new().with_actor(ActorId::from(&actor(root, key)[..]));
        let mut transaction = document.transaction();
        match root {
            Root::Map => transaction.put_object(ROOT, key, ObjType::Map).map(drop),
            Root::List => transaction.put_object(ROOT, key, ObjType::List).map(drop),
            Root::Text => transaction.put_object(ROOT, key, ObjType::Text).map(drop),
            Root::Counter => transaction.put(ROOT, key, ScalarValue::counter(0)),
        }
        .unwrap();
        transaction.commit();
        document.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    #[test]
    fn the_library_would_write_the_same() {
        for root in [Root::Map, Root::List, Root::Text, Root::Counter] {
            for key in ["", "text", "\u{1f980}", &"k".repeat(4096)] {
                assert_eq!(creation(root, key), by_the_library(root, key), "{root:?} {key:?}");
            }
        }
    }

    #[test]
    fn the_bytes_never_change() {
        let hash = |root| {
            let chunk = creation(root, "text");
            chunk[4..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(
            [Root::Map, Root::List, Root::Text, Root::Counter].map(hash),
            ["e215bd17", "7b68cc3d", "7e763035", "1a6bb187"]
        );
    }
}
