//! Automerge documents.

mod change;
mod chunk;
mod column;
mod contain;
mod document;
mod edit;
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

pub use document::Automerge;
pub use gate::AutomergeGate;
