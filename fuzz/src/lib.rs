//! Panics under libFuzzer, which takes every one for a finding. Core contains those of Automerge; only what
//! escapes from a target is a finding.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what the last panic said instead of ending the process.
pub fn allow_contained_panics() {
    set_hook(Box::new(|panic| LAST.with(|last| *last.borrow_mut() = panic.to_string())));
}

/// Runs a target; a panic that comes out of it is shown and ends the process.
pub fn escaping_panics_abort(target: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(target)).is_err() {
        LAST.with(|last| eprintln!("{}", last.borrow()));
        std::process::abort();
    }
}
