//! See `idjag_fuzz::jwk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::jwk(data));
