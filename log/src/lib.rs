//! The record of an ID-JAG exchange on disk.
//!
//! Every exchange, granted or refused, is one line of JSON in a file that any collector of logs can follow. The lines are
//! the leaves of a Merkle tree (RFC 6962), and a log signs its size and its root every second that something happens
//! (C2SP signed-note and tlog-checkpoint): who changes, drops or inserts a line afterwards is found out, by whoever kept a
//! checkpoint or has the key that verifies it.
//!
//! [`Log`] is the record that the engine takes. One thread writes; with [`Durability::Sync`](idjag::Durability), which is
//! the default, nothing is handed out before its line is on disk, and everything that came meanwhile shares one wait.
//!
//! What the folder alone cannot prove: that its newest lines are all there. Who holds the machine can cut a log back to an
//! older checkpoint, or sign another history with its key. Copies of `checkpoints` elsewhere prove it.
#![forbid(unsafe_code)]

mod checkpoints;
mod crypto;
mod error;
mod export;
mod folder;
mod handed;
mod host;
mod line;
mod log;
mod note;
mod note_line;
mod proof;
mod queue;
mod read;
mod rebuild;
mod recover;
mod retain;
mod sampler;
mod segment;
mod standing;
mod sync;
mod tiles;
mod timestamp;
mod tree;
mod verify;
mod writer;

pub use error::Error;
pub use export::{Format, export};
pub use folder::own_verifier;
pub use handed::{Handed, Keeper};
pub use host::{Kept, open};
pub use log::{Log, Opened, Options, record_freeze};
pub use note::Verifier;
pub use proof::{Proven, check_proof, prove};
pub use read::{Line, lines};
pub use rebuild::{Remembered, remembered};
pub use tiles::write_tiles;
pub use timestamp::parse_timestamp;
pub use verify::{Checked, Finding, verified, verify};
