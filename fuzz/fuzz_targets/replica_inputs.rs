//! What drivers and peers may do to a relay and to a client, in any order.
#![no_main]

use syncline_core::fuzzing::replica_inputs;

libfuzzer_sys::fuzz_target!(init: syncline_fuzz::allow_contained_panics(), |data: &[u8]| {
    syncline_fuzz::escaping_panics_abort(|| replica_inputs(data));
});
