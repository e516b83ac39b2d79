//! The one error of this crate: the record cannot be opened, read or written, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a record could not be opened or read. The text names the file and says what to do.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Io(io::Error),
    Unusable(String),
    Damaged(String),
}

impl Error {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), kind: Kind::Io(error) }
    }

    /// Something that is not as it has to be, and was perhaps never.
    pub(crate) fn unusable(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), kind: Kind::Unusable(what.into()) }
    }

    /// Something that was there, and is gone or changed.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), kind: Kind::Damaged(what.into()) }
    }

    /// Whether what a checkpoint covers is gone or changed.
    pub const fn is_damage(&self) -> bool {
        matches!(self.kind, Kind::Damaged(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: ", self.path.display())?;
        match &self.kind {
            Kind::Io(error) => error.fmt(f),
            Kind::Unusable(what) | Kind::Damaged(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Io(error) => Some(error),
            Kind::Unusable(_) | Kind::Damaged(_) => None,
        }
    }
}
