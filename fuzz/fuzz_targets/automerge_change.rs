//! Automerge changes and documents, damaged: refused, or merged, saved and loaded.
#![no_main]

use syncline_core::fuzzing::automerge_change;

libfuzzer_sys::fuzz_target!(init: syncline_fuzz::allow_contained_panics(), |data: &[u8]| {
    syncline_fuzz::escaping_panics_abort(|| {
        automerge_change(data);
    });
});
