//! Tests that need more than one crate: the simulator, and what scenario tests share.

pub mod process;
pub mod sim;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
