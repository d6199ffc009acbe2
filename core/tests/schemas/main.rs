//! Boards and charts: what their operations do to documents of both families, alone and at the same time, and what
//! their formats keep.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod board_formats;
mod board_outcomes;
mod chart_formats;
mod chart_outcomes;
#[path = "../real_data/mod.rs"]
mod real_data;
mod replicas;
mod single_writer;
mod versions;
