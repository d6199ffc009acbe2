//! Syncline: a local-first sync engine to embed in an application.
//!
//! An application opens an [`Engine`] over a store and, if it likes, over links to relays. It edits
//! [`Document`]s, sees its edits at once, and never waits for a network: edits are stored durably, queue while
//! there is no connection, and merge as CRDTs with those of everybody else.
//!
//! ```
//! use syncline::{Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, Value};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let engine = Engine::builder(MemoryStorage::new()).user("ada").open()?;
//! let board = engine.document("team/board", Spec { family: Family::Yjs, kind: Kind::Tree }).await?;
//!
//! board.edit(|edit| edit.perform(Operation::Put {
//!     path: "/tasks".parse()?,
//!     value: Value::Map([("t1".to_owned(), Value::String("Ship it".to_owned()))].into()),
//! }).map_err(syncline::BoxError::from))?;
//! board.saved(Saved::Local).await?;
//!
//! assert_eq!(board.value(&"/tasks/t1".parse()?), Some(Value::String("Ship it".to_owned())));
//! engine.close().await;
//! # Ok::<(), syncline::BoxError>(()) }).unwrap();
//! ```
//!
//! Three layers, from the inside out: [`node`] runs `syncline-core`'s replica over a storage
//! and links (`driver` is the loop), and serves relays too; `dial` keeps links up; [`Engine`] and [`Document`] are the
//! handles that applications hold.

mod dial;
mod document;
mod driver;
mod engine;
mod error;
mod histogram;
mod history;
mod link;
mod meters;
pub mod node;
mod observers;
mod pace;
mod presence;
mod servers;
mod status;
mod typed;

pub use document::{Document, Saved};
pub use engine::{Builder, Engine};
pub use error::{BoxError, EditError, OpenError, SaveError};
pub use history::{Deed, History, PastEdit};
pub use observers::{Loss, MAX_LOST_OPERATIONS};
pub use presence::{Excess, Session};
pub use servers::{AddressError, OtherServer};
pub use status::{Connection, Promise, Status};
pub use typed::Typed;

pub use syncline_core::entry::{Family, Kind, Spec};
pub use syncline_core::event::Progress;
pub use syncline_core::id::{DocId, EntryId, Principal};
pub use syncline_core::operation::Operation;
pub use syncline_core::path::Path;
pub use syncline_core::presence::{self as present, Presence, SessionId};
pub use syncline_core::replica::{Batching, Compaction, Editor};
pub use syncline_core::schema::{Edit, Schema};
pub use syncline_core::value::{NodeKind, Value};
pub use syncline_core::wire::{Compression, Encoding};
pub use syncline_core::{board, chart, diff, fractional_index, import, json};
pub use syncline_storage::{self as storage, Durability, MemoryStorage, SqliteStorage, Storage};
pub use syncline_transports::{self as transports, Transport};
