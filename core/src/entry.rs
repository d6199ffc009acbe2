//! What a log is made of: entries, and the positions and tokens that name parts of a log.

use std::fmt;
use std::num::ParseIntError;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::id::{EntryId, Epoch, Have, Principal};
use crate::path::Path;
use crate::time::Time;

/// Largest update one entry may carry, in bytes. Larger edits are split by the application.
pub const MAX_UPDATE_BYTES: usize = 8 << 20;

/// Most ids that a causal context may name beyond its cursor.
pub const MAX_SEEN_BEYOND: usize = 64;

/// Most registers one entry may name as touched; an entry that touches more names none of the rest.
pub const MAX_TOUCHED: usize = 256;

/// Most bytes that the paths of an entry may have together; what is touched beyond is not named.
pub const MAX_TOUCHED_BYTES: usize = 64 << 10;

/// Which CRDT a document is made of. It is chosen when the document is created and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Yjs, by the `yrs` library.
    Yjs,
    /// Automerge.
    Automerge,
    /// A small CRDT of our own, for simulations.
    Toy,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yjs => "yjs",
            Self::Automerge => "automerge",
            Self::Toy => "toy",
        })
    }
}

/// What a document is for; with the family it fixes the genesis, the state that every replica starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any tree of maps, lists, texts, counters and registers.
    Tree,
    /// One collaborative text, under the top-level key [`Kind::TEXT_KEY`].
    Text,
    /// A task board; see [`board`](crate::board).
    Board,
    /// A chart; see [`chart`](crate::chart).
    Chart,
}

impl Kind {
    /// The top-level key that holds the text of a [`Kind::Text`] document.
    pub const TEXT_KEY: &'static str = "text";

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tree, Self::Text, Self::Board, Self::Chart];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "tree",
            Self::Text => "text",
            Self::Board => "board",
            Self::Chart => "chart",
        })
    }
}

/// What must agree between everybody who opens a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The CRDT.
    pub family: Family,
    /// The purpose.
    pub kind: Kind,
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.kind)
    }
}

/// What is at fault when an entry is refused, and so what becomes of it at its author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The entry itself: what it does is lost.
    Entry,
    /// Something that it follows or builds on: what it does is made again without that.
    Context,
}

/// One update in a log: what it does, who did it, and what its author had seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The idempotence key.
    pub id: EntryId,
    /// The responsible principal.
    pub author: Principal,
    /// When it was made, by the author's clock.
    pub time: Time,
    /// The causal context: what the author's log held.
    pub seen: Seen,
    /// Registers written and things created or removed, in the document's own terms.
    #[serde(deserialize_with = "crate::wire::at_most::<_, _, MAX_TOUCHED>")]
    pub touched: Vec<Touch>,
    /// The update itself.
    pub body: Body,
}

impl Entry {
    /// Roughly how much memory and link the entry costs, in bytes.
    #[must_use]
    pub fn cost(&self) -> usize {
        const FIXED: usize = 96;
        let update = self.body.update().map_or(0, Bytes::len);
        FIXED + update + self.touched.iter().map(Touch::cost).sum::<usize>()
    }
}

/// What an entry does to the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// A Yjs v1 update or Automerge changes.
    Update(#[serde(with = "crate::wire::base64")] Bytes),
    /// The named entry cannot be applied by anybody and is skipped by everybody.
    Void(EntryId),
    /// An update that a relay took from a client of another protocol: written under any client ids or actors but those of
    /// replicas, and perhaps held already, in part or as a whole.
    Foreign(#[serde(with = "crate::wire::base64")] Bytes),
}

impl Body {
    /// The Yjs update or Automerge changes, if it brings any.
    #[must_use]
    pub const fn update(&self) -> Option<&Bytes> {
        match self {
            Self::Update(update) | Self::Foreign(update) => Some(update),
            Self::Void(_) => None,
        }
    }
}

/// The causal context of an entry; the author's own earlier entries are implied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The relay's log as far as the author held it.
    pub cursor: Option<Cursor>,
    /// Entries held beyond that, at most [`MAX_SEEN_BEYOND`]: the highest of each replica.
    #[serde(deserialize_with = "crate::wire::at_most::<_, _, MAX_SEEN_BEYOND>")]
    pub beyond: Vec<EntryId>,
}

/// One thing that an entry did to a register or container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Where.
    pub path: Path,
    /// What.
    pub what: TouchKind,
}

impl Touch {
    /// Roughly how many bytes it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        const FIXED: usize = 8;
        FIXED + self.path.tokens().iter().map(|token| FIXED + token.len()).sum::<usize>()
    }
}

/// What was done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TouchKind {
    /// A register was given a value.
    Wrote,
    /// A container was made.
    Created,
    /// A register or container was removed.
    Removed,
}

/// Stands for the contents of a log up to some offset, to its owner; opaque to everybody else.
///
/// It is a chain of hashes over entry ids, so two logs that share an epoch (a restored backup and the log
/// it was taken from) have equal digests exactly as far as they hold the same entries in the same order.
///
/// In JSON it is a text of hexadecimal digits, as JavaScript holds integers exactly only up to 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub u64);

/// An entry's id, as bytes.
const ID_BYTES: usize = 24;

impl Digest {
    /// The digest after one more entry.
    #[must_use]
    pub fn chain(self, id: &EntryId) -> Self {
        let (replica, counter) = (id.replica.as_bytes(), id.counter.to_le_bytes());
        let mut bytes = [0; ID_BYTES];
        bytes[..replica.len()].copy_from_slice(replica);
        bytes[replica.len()..].copy_from_slice(&counter);
        Self(XxHash3_64::oneshot_with_seed(self.0, &bytes))
    }

    /// The digest after the log was replaced by a snapshot that holds `covers`.
    #[must_use]
    pub fn replaced(self, covers: &Have) -> Self {
        covers.iter().fold(Self(!self.0), |digest, id| digest.chain(&id))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        format!("{:016x}", digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseIntError;

    fn try_from(digits: String) -> Result<Self, ParseIntError> {
        u64::from_str_radix(&digits, 16).map(Self)
    }
}

/// A position in one log, with the owner's token for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which log.
    pub epoch: Epoch,
    /// How many of its entries lie before this position.
    pub offset: u64,
    /// What the owner calls that position.
    pub digest: Digest,
}
