//! What every storage owes, as a suite. Run it over your own:
//!
//! ```
//! use syncline_storage::{MemoryStorage, conformance};
//!
//! conformance::run(|| {
//!     let storage = MemoryStorage::new();
//!     Box::new(move || Box::new(storage.clone()))
//! });
//! ```
//!
//! A violation panics with the name of the check and what was expected.

mod checks;
mod history;

use syncline_core::event::StoredDocument;
use syncline_core::id::DocId;

pub use history::History;

use crate::Storage;

/// Opens one store: empty the first time, with what was committed every later time. The value it gave before has
/// been dropped by then.
pub type Opener = Box<dyn FnMut() -> Box<dyn Storage>>;

/// Runs every check, each on a store of its own that `fresh` makes.
///
/// # Panics
/// If the storage breaks a promise.
pub fn run(mut fresh: impl FnMut() -> Opener) {
    for (name, check) in checks::ALL {
        println!("storage conformance: {name}");
        check(&mut fresh());
    }
}

/// Asserts that two stores hold the same document, or both hold none.
///
/// # Panics
/// If they do not; the message is the [`difference`].
pub fn assert_same(doc: &DocId, left: Option<&StoredDocument>, right: Option<&StoredDocument>) {
    if let Some(difference) = difference(left, right) {
        panic!("document {doc:?}: {difference}");
    }
}

/// In what two documents differ first, if they do.
#[must_use]
pub fn difference(left: Option<&StoredDocument>, right: Option<&StoredDocument>) -> Option<String> {
    let (left, right) = match (left, right) {
        (None, None) => return None,
        (Some(left), Some(right)) => (left, right),
        (Some(_), None) => return Some("it is missing on the right".into()),
        (None, Some(_)) => return Some("it is missing on the left".into()),
    };
    let entries = left.entries.iter().zip(&right.entries).find(|(left, right)| left != right);
    let parts = [
        ("kind", (left.spec, left.epoch) == (right.spec, right.epoch)),
        ("snapshot", left.snapshot == right.snapshot),
        ("number of entries", left.entries.len() == right.entries.len()),
        ("peers", left.peers == right.peers),
        ("fences", left.fences == right.fences),
        ("quarantine", left.quarantined == right.quarantined),
    ];
    let part = parts.iter().find(|(_, same)| !same).map(|(part, _)| format!("the {part} differs"));
    entries.map(|(left, right)| format!("{left:?} against {right:?}")).or(part)
}
