//! The vector table (`vectors/`): one list of cases as data, which Rust, C and Python run with the same result.
//!
//! This crate reads the table and builds the engine that a case asks for; the tests beside it run the cases. What the
//! fields mean stands in `vectors/README.md`. A field that is not known here is an error.

mod access_token;
pub mod base64url;
mod case;
mod down;
mod idp;
mod request;
pub mod steps;
mod world;

pub use access_token::claims;
pub use case::{Assertion, Case, Expect, Granted, OneOrMore, Part, Refused, Step, Table, Valid, Verify};
pub use down::Down;
pub use idp::{ExpectedIdJag, IdpCase, IdpWorld};
pub use request::{Documents, Endpoint, Expected, RequestCase, Token};
pub use world::{SetClock, World};

use std::path::PathBuf;

/// Where the table lies.
pub fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}
