//! Every call into the library that can panic on what others wrote.
//!
//! Automerge has many assertions about what it merges and loads. Where one fails, the panic ends here: the
//! document is dropped and rebuilt from its log, and the process goes on.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge, AutomergeError, LoadOptions, TextEncoding};

use crate::crdt::Damaged;
use crate::entry::Family;

/// Indices in texts count code points, as in the whole of Syncline.
pub const ENCODING: TextEncoding = TextEncoding::UnicodeCodePoint;

/// Runs a call into the library. After an error, whatever the call could change must be dropped.
pub fn contained<T>(call: impl FnOnce() -> Result<T, AutomergeError>) -> Result<T, Damaged> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(damaged),
        Err(panic) => Err(damaged(format!("the library panicked: {}", message(&*panic)))),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without saying why")
}

/// What the library said, as an error of ours.
pub fn damaged(reason: impl Display) -> Damaged {
    Damaged { family: Family::Automerge, reason: reason.to_string() }
}

/// An empty document that nobody writes to yet.
pub fn new_document() -> Automerge {
    Automerge::new_with_encoding(ENCODING).with_actor(nobody())
}

/// The document that these bytes hold.
pub fn read_document(bytes: &[u8]) -> Result<Automerge, Damaged> {
    let options = LoadOptions::new().text_encoding(ENCODING);
    contained(|| Ok(Automerge::load_with_options(bytes, options)?.with_actor(nobody())))
}

fn nobody() -> ActorId {
    ActorId::from([0; 16])
}
