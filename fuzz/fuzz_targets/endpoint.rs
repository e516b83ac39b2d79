//! See `idjag_fuzz::endpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::endpoint(data));
