//! See `idjag_fuzz::batch_equals_single`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| idjag_fuzz::batch_equals_single(data));
