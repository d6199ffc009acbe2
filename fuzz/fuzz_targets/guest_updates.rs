//! Guests of a relay: what is refused changes nothing, and what is taken everybody can take.
#![no_main]

use syncline_core::fuzzing::guest_updates;

libfuzzer_sys::fuzz_target!(init: syncline_fuzz::allow_contained_panics(), |data: &[u8]| {
    syncline_fuzz::escaping_panics_abort(|| guest_updates(data));
});
