//! idjag beside the libraries that people use today. All of it in one run: those that are compared take turns on the
//! same bytes, and each goes first in turn. Ratios are taken within a turn; what is printed are medians.
//!
//! Before anything is measured, everyone shows that it accepts the good token and refuses a forged one, and one for
//! somebody else. A target that is missed is no error: it stands beside what was measured.
//!
//! BoringSSL and OpenSSL give the same names to their functions, so one program holds one of them: josekit has a run of
//! its own, with jsonwebtoken in both.

#[cfg(all(feature = "josekit", feature = "jwt-simple"))]
compile_error!("OpenSSL and BoringSSL cannot be linked into one program: choose `josekit` or `jwt-simple`");

mod bare;
mod claims;
mod contest;
mod exchange;
mod forge;
#[cfg(feature = "josekit")]
mod josekit;
mod json_web_token;
#[cfg(feature = "jwt-simple")]
mod jwt_simple;
mod minting;
mod peer;
mod setup;
mod text;
mod verification;

use idjag::Algorithm;
use idjag_benches::Failure;

use crate::contest::{BLOCK, BLOCKS};

/// What is compared, in the order of the tables.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn main() -> Result<(), Failure> {
    println!("medians of {BLOCKS} blocks of {BLOCK} operations that take turns, one thread");
    println!("beside idjag: how many times as long it takes as idjag, on the same bytes, in the same turn");
    verification::of_assertions()?;
    verification::of_access_tokens()?;
    minting::of_assertions()?;
    exchange::whole()?;
    if cfg!(feature = "josekit") {
        return Ok(()); // no other library than in the other run
    }
    text::json()?;
    text::base64()
}
