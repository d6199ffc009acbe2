//! Messages of other people's protocols, of any bytes: an error, or a message that can be written again.
#![no_main]

use syncline_core::fuzzing::guest_messages;

libfuzzer_sys::fuzz_target!(init: syncline_fuzz::allow_contained_panics(), |data: &[u8]| {
    syncline_fuzz::escaping_panics_abort(|| guest_messages(data));
});
