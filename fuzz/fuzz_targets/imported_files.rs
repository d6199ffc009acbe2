//! Files of other programs, of any bytes: an error, or a document that is the same when it is written and read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| syncline_core::fuzzing::imported_files(data));
