//! Frames of any bytes: an error, or messages that can be sent again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| syncline_core::fuzzing::frame_decode(data));
