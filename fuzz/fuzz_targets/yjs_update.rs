//! Yjs updates: refused, or merged, saved and loaded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| syncline_core::fuzzing::yjs_update(data));
