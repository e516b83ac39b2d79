//! See `idjag_fuzz::never_forged`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::never_forged(data));
