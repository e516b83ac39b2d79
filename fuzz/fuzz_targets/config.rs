//! See `idjag_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::config(data));
