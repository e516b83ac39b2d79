//! The bodies of the fuzz targets: bytes in, a panic where the library breaks a promise.
//!
//! Each target has an oracle beside "no crash": another parser, another signer, or the library by another way. Most
//! go through public doors; `jws` and `claims` through those that the feature `fuzzing` opens. `fuzz_targets/` hands them to libFuzzer; `tests/replay.rs` runs them over `corpus/`
//! and `regressions/` without it.

mod batch;
mod dpop;
mod endpoint;
mod exchange;
mod parsers;
mod policy;
mod record;
mod tokens;
mod tree;
mod world;

pub use batch::batch_equals_single;
pub use dpop::dpop;
pub use endpoint::{answer, endpoint};
pub use exchange::{exchange, never_forged, verify_roundtrip};
pub use parsers::{config, directory, jwk, jwks};
pub use policy::policy;
pub use record::record;
pub use tokens::{claims, jws};

/// A target.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 14] = [
    ("jws", jws),
    ("claims", claims),
    ("exchange", exchange),
    ("never_forged", never_forged),
    ("batch_equals_single", batch_equals_single),
    ("endpoint", endpoint),
    ("dpop", dpop),
    ("config", config),
    ("jwks", jwks),
    ("directory", directory),
    ("policy", policy),
    ("jwk", jwk),
    ("verify_roundtrip", verify_roundtrip),
    ("record", record),
];
