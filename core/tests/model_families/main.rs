//! Every family of documents against the reference model.
//!
//! The model says what operations mean; here every family must mean the same by them, alone (`sequential`)
//! and, as far as writers do not get in each other's way, together (`concurrent`). Properties take a seed and
//! a length, so that a failure names a short script; `QUICKCHECK_TESTS` says how many seeds are tried.

mod concurrent;
mod families;
#[path = "../real_data/mod.rs"]
mod real_data;
mod sequential;
mod strings;
mod values;
