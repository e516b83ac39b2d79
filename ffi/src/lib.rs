//! The C library: `include/idjag.h` is written from these files, and its opening comment is the manual.
//!
//! A skin: it turns pointers into slices, calls the core, and turns answers into objects that C owns. Nothing is decided
//! here. It is also where files are read, since the core opens none.
#![allow(unsafe_code, reason = "the edge to C; everywhere else it stays denied")]
#![allow(
    clippy::missing_safety_doc,
    reason = "what a caller promises is the same for every function, and stands in the manual"
)]
#![allow(unreachable_pub, reason = "`pub` is what goes into the header; nothing here is a Rust API")]

mod boundary;
mod caller;
#[cfg(any(test, feature = "panicking-clock"))]
mod panicking;
mod process;
mod source;
mod terminated;
mod versioned;

// What is in the header, in its order. Blank lines keep it.
mod version;

mod error;

mod exchange;

mod callbacks;

mod keeping;

mod reply;

mod token;

mod verified;

mod endpoint;

mod documents;

mod identity_provider;

mod swaps;

mod revocation;

mod stats;

mod sources;
