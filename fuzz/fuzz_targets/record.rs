//! See `idjag_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::record(data));
