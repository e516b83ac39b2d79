//! See `idjag_fuzz::policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::policy(data));
