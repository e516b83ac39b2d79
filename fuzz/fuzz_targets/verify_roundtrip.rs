//! See `idjag_fuzz::verify_roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::verify_roundtrip(data));
