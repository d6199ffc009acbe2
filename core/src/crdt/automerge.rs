//! Automerge documents.

mod change;
mod chunk;
mod column;
mod contain;
mod document;
mod edit;
mod exchange;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod inflate;
mod judge;
mod known;
mod read;
mod reader;
mod roots;
mod snapshot;
mod sync;

pub use document::Automerge;
pub use gate::AutomergeGate;
pub use sync::{Conversation, Heard};
