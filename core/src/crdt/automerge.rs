//! Automerge documents.

mod change;
mod chunk;
mod column;
mod contain;
mod document;
mod document_id;
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
pub use document_id::{DocumentId, NotADocumentId, from_base58check, to_base58check};
pub use gate::AutomergeGate;
pub use sync::{Conversation, Heard, check_message};
