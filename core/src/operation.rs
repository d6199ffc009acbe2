//! What an application can do to a document: five operations, the same over both families.
//!
//! Operations are also what is kept beside an unacknowledged entry, so that they can be replayed on a
//! document rebuilt without entries that the relay refused.

mod check;

use thiserror::Error;

use crate::crdt::Damaged;
use crate::path::Path;
use crate::value::{NodeKind, Value};

/// Most operations in one edit; yrs slows down beyond any larger transaction.
pub const MAX_OPERATIONS: usize = 1_000;

/// One change of a document. Indices and lengths in texts count Unicode code points.
///
/// A top-level container that is not there yet is made by the first operation inside it: a map by `Put`, a
/// list by `Insert`, a text by `Splice`, a counter by `Increment`; made this way by two replicas at once it is
/// one container. Below the top level, `Splice` and `Increment` make the text or counter they name when its
/// container exists; every other missing parent is an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Gives a key of a map, or an element of a list, a value; what was there is replaced.
    Put {
        /// The key or element.
        path: Path,
        /// Its new value; maps, lists, texts and counters are made as such.
        value: Value,
    },
    /// Takes a key out of a map, or an element out of a list. A top-level container is emptied.
    Remove {
        /// What goes.
        path: Path,
    },
    /// Puts values into a list.
    Insert {
        /// The element they go in front of; `-` for the end.
        path: Path,
        /// What goes in, in order.
        values: Vec<Value>,
    },
    /// Replaces a range of a text.
    Splice {
        /// The text.
        path: Path,
        /// Where the range starts, in code points.
        at: usize,
        /// How many code points go.
        delete: usize,
        /// What comes in their place.
        insert: String,
    },
    /// Adds to a counter.
    Increment {
        /// The counter.
        path: Path,
        /// How much; negative to count down.
        by: i64,
    },
}

impl Operation {
    /// What the operation is about.
    #[must_use]
    pub const fn path(&self) -> &Path {
        match self {
            Self::Put { path, .. }
            | Self::Remove { path }
            | Self::Insert { path, .. }
            | Self::Splice { path, .. }
            | Self::Increment { path, .. } => path,
        }
    }
}

/// The caller asked for something the document cannot do; the document is as before.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// Nothing is there.
    #[error("there is nothing at {path:?}")]
    NotFound {
        /// The first missing part of the path.
        path: String,
    },
    /// Something is there already.
    #[error("there is something at {path:?} already")]
    Exists {
        /// Where.
        path: String,
    },
    /// Something else is there.
    #[error("{path:?} is {found}, not {expected}")]
    WrongKind {
        /// Where.
        path: String,
        /// What is there.
        found: NodeKind,
        /// What the operation needs.
        expected: NodeKind,
    },
    /// The list or text is shorter than that.
    #[error("{path:?} has {len} elements, position {index} is beyond its end")]
    OutOfBounds {
        /// The list or text.
        path: String,
        /// The position asked for.
        index: usize,
        /// What there is.
        len: usize,
    },
    /// A token that should be a list index is none.
    #[error("{token:?} is not an index into the list {path:?}")]
    NotAnIndex {
        /// The list.
        path: String,
        /// What was given.
        token: String,
    },
    /// The document itself cannot be replaced, removed or spliced.
    #[error("name a key: the document as a whole cannot be replaced")]
    IsRoot,
    /// A value of this sort cannot be stored.
    #[error("{reason}")]
    Unsupported {
        /// Why.
        reason: String,
    },
    /// A limit was reached.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The counter would leave the range of 64-bit integers.
    #[error("the counter {path:?} would overflow")]
    Overflow {
        /// The counter.
        path: String,
    },
    /// The library failed during the edit; the document in memory must be dropped and rebuilt from its log.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}
