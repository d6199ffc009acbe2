//! Other people's clients, unmodified, with the relay: the libraries that run on Node and Python, driven by the programs in
//! `tests/clients`.

pub mod client;
pub mod driver;
pub mod edit;
pub mod fixtures;
pub mod kept;
pub mod kind;
pub mod presence;
pub mod round;
pub mod script;
pub mod seed;

pub use client::{Client, Status};
pub use driver::Driver;
pub use edit::Edit;
pub use kind::Kind;
