//! What keeps a command from running: a sentence for people. The exit status is 2 then.
//!
//! That the answer is no, is no problem: see [`crate::Answer`].

use std::fmt;
use std::io;

/// Why a command could not run.
#[derive(Debug)]
pub(crate) enum Problem {
    /// What is wrong, and what to do about it.
    Said(String),
    /// Nobody reads standard output any more; there is nothing to say and nobody to hear it.
    Unread,
}

/// What a command gives back, or why it could not run.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A problem in words: lower case, no full stop, what the user wrote in back-ticks.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

impl From<io::Error> for Problem {
    /// An error of writing to standard output; files have their own, which name the file.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Said(format!("cannot write the answer: {error}")),
        }
    }
}

impl From<idjag::Error> for Problem {
    fn from(error: idjag::Error) -> Self {
        Self::Said(error.to_string())
    }
}

impl From<idjag_log::Error> for Problem {
    fn from(error: idjag_log::Error) -> Self {
        Self::Said(error.to_string())
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            return io::Error::from(error).into();
        }
        Self::Said(error.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            Self::Unread => Ok(()),
        }
    }
}
