//! The one error of everything that is not an answer to a request: text that was loaded and could not be used.
//!
//! A refused assertion is not an error, it is an answer: see [`crate::Refusal`].

use std::fmt;

/// Something that was to be loaded (a configuration, a policy, a directory, a key) could not be used.
///
/// Nothing that was loaded before is touched when a load fails. The text names the file, the line and the key
/// where they are known, and says what is allowed: ``idjag.toml:12: `idps[0].algorithms`: unknown algorithm `RS1`; allowed: ...``.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Box<Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    file: String,
    line: Option<u32>,
    key: String,
    message: String,
}

impl Error {
    /// A fault in what `file` says. `line` counts from 1; `key` is the dotted path, empty where none applies.
    pub(crate) fn new(
        file: impl Into<String>,
        line: Option<u32>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind: Box::new(Kind { file: file.into(), line, key: key.into(), message: message.into() }) }
    }

    /// The file or source that holds the fault, as the caller named it.
    pub fn file(&self) -> &str {
        &self.kind.file
    }

    /// The line of the fault, counted from 1, where the source has lines.
    pub fn line(&self) -> Option<u32> {
        self.kind.line
    }

    /// The dotted path of the faulty member (`idps[0].issuer`), empty where none applies.
    pub fn key(&self) -> &str {
        &self.kind.key
    }

    /// What is wrong and what is allowed, without the place.
    pub fn message(&self) -> &str {
        &self.kind.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind { file, line, key, message } = &*self.kind;
        f.write_str(file)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        if !file.is_empty() || line.is_some() {
            f.write_str(": ")?;
        }
        if !key.is_empty() {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_place_and_leaves_out_what_is_not_known() {
        let all = Error::new("a.toml", Some(3), "idps[0].issuer", "is empty");
        assert_eq!(all.to_string(), "a.toml:3: `idps[0].issuer`: is empty");
        let bare = Error::new("", None, "", "is empty");
        assert_eq!(bare.to_string(), "is empty");
    }
}
