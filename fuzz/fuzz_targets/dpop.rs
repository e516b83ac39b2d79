//! See `idjag_fuzz::dpop`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::dpop(data));
