//! Yjs documents, by the `yrs` library.
//!
//! Nothing reaches the library that the gate has not read first ([`YjsGate`]). Behind it a [`Yjs`] shows the
//! document as the value tree that all families share and turns operations on that tree into Yjs updates, so
//! that unmodified Yjs clients see texts as `Y.Text`, lists as `Y.Array` and maps as `Y.Map`.

mod block;
mod brought;
mod cut;
mod document;
mod edit;
mod exchange;
mod gate;
mod holdings;
mod known;
mod node;
mod reader;
mod shape;
mod squash;
mod text;
mod xml;

pub use document::Yjs;
pub use gate::YjsGate;
pub use holdings::Holdings;
