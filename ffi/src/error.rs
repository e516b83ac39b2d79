//! How a call ended, and the detail of it that the caller keeps.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int};
use std::mem::offset_of;
use std::ptr;
use std::sync::LazyLock;

use idjag::{OAuthError, Reason, Refusal};

use crate::terminated::{Terminated, Texts};
use crate::versioned::Versioned;

/// How a call ended. New values may be added; none is ever used for something else.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the names that C sees")]
pub enum Status {
    /// It is done, and what was asked for is written.
    IDJAG_OK = 0,
    /// The answer is no. What to tell the client is in `oauth_error` and `message`; `slug` is for your log.
    IDJAG_REFUSED = 1,
    /// It cannot be known at the moment: keys, single-use store or record are out of reach. Answer with 503.
    IDJAG_UNAVAILABLE = 2,
    /// A configuration, policy, directory or key set cannot be used; `message` says where and why. What was there before
    /// stays.
    IDJAG_LOAD_FAILED = 3,
    /// There is nothing of that name.
    IDJAG_NOT_FOUND = 4,
    /// The call is wrong: NULL where there must be something, a structure that was not set with its _INIT. A fault of the
    /// program that calls.
    IDJAG_MISUSE = 5,
    /// The library is wrong: it stopped in the middle of this call. Nothing is written; the handle can be used on.
    IDJAG_PANIC = 6,
}

/// Why a call did not end with IDJAG_OK, which leaves it as it is.
///
/// The caller's own, set with IDJAG_ERROR_INIT; nothing in it is ever freed. For one thread at a time. Every function takes
/// NULL in its place.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ErrorDetail {
    /// The size of this structure: IDJAG_ERROR_INIT sets it.
    pub struct_size: usize,
    /// The code for the `error` member of the answer (RFC 6749 section 5.2). NULL where there is nothing to answer.
    pub oauth_error: *const c_char,
    /// Why, for logs and metrics; never to be sent. NULL where it was no refusal. Slugs never change once released.
    pub slug: *const c_char,
    /// The HTTP status of the answer. 0 where there is nothing to answer.
    pub http_status: c_int,
    /// Seconds for `Retry-After`. 0: no such header.
    pub retry_after_s: c_int,
    /// A sentence in UTF-8, ending in NUL, cut where it is longer. After a refusal it may be sent as `error_description`.
    pub message: [c_char; 200],
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for ErrorDetail {
    // Up to the last member of today: one that is added must not shut out older programs.
    const LEAST: usize = offset_of!(ErrorDetail, message) + size_of::<[c_char; 200]>();
    const NAME: &'static str = "error";
}

/// What a body of ours ends with, where it is not done.
pub(crate) enum Failure {
    Refused(Refusal),
    Load(String),
    NotFound,
    Misuse(String),
    Panic,
}

impl Failure {
    pub(crate) fn misuse(name: &str, what: &str) -> Self {
        Self::Misuse(format!("`{name}` {what}"))
    }

    pub(crate) const fn status(&self) -> Status {
        match self {
            Self::Refused(refusal) => match refusal.oauth_error() {
                OAuthError::TemporarilyUnavailable => Status::IDJAG_UNAVAILABLE,
                _ => Status::IDJAG_REFUSED,
            },
            Self::Load(_) => Status::IDJAG_LOAD_FAILED,
            Self::NotFound => Status::IDJAG_NOT_FOUND,
            Self::Misuse(_) => Status::IDJAG_MISUSE,
            Self::Panic => Status::IDJAG_PANIC,
        }
    }

    /// The detail, all but its size.
    pub(crate) fn detail(&self) -> ErrorDetail {
        let server_error = Some(Terminated::from(c"server_error"));
        let (oauth_error, slug, http_status, message) = match self {
            Self::Refused(refusal) => (
                word(refusal.oauth_error().as_str()),
                word(refusal.slug()),
                refusal.http_status(),
                refusal.description(),
            ),
            Self::Load(why) => (None, None, 0, why.as_str()),
            Self::NotFound => (None, None, 404, "there is nothing of that name"),
            Self::Misuse(why) => (server_error, None, 500, why.as_str()),
            Self::Panic => (server_error, None, 500, "a fault in idjag; what it says is on standard error"),
        };
        let retry_after_s = match self {
            Self::Refused(refusal) => refusal.retry_after_s().and_then(|seconds| seconds.try_into().ok()),
            _ => None,
        };
        let start = |word: Option<Terminated<'_>>| word.map_or(ptr::null(), |word| word.into_parts().0);
        ErrorDetail {
            struct_size: 0,
            oauth_error: start(oauth_error),
            slug: start(slug),
            http_status: http_status.into(),
            retry_after_s: retry_after_s.unwrap_or(0),
            message: cut(message),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<idjag::Error> for Failure {
    fn from(error: idjag::Error) -> Self {
        Self::Load(error.to_string())
    }
}

/// A slug or an OAuth code with a NUL behind it, for good.
pub(crate) fn word(text: &str) -> Option<Terminated<'static>> {
    /// Sorted, and the same with their NULs. No hash table: valgrind takes the memory of one for lost.
    static WORDS: LazyLock<(Vec<&'static str>, Texts)> = LazyLock::new(|| {
        let reasons = Reason::ALL.iter();
        let words = reasons.flat_map(|reason| [reason.slug(), reason.oauth_error().as_str()]);
        let words: Vec<_> = words.collect::<BTreeSet<_>>().into_iter().collect();
        let texts = Texts::of(&words);
        (words, texts)
    });
    let (words, texts) = &*WORDS;
    texts.text(words.binary_search(&text).ok()?)
}

/// As much of a text as has room before a NUL, no character in halves.
fn cut<const ROOM: usize>(text: &str) -> [c_char; ROOM] {
    let mut copy = [0; ROOM];
    let end = (0..ROOM).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (copied, byte) in copy.iter_mut().zip(text.bytes().take(end)) {
        *copied = c_char::from_ne_bytes([byte]);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_a_refusal_has_is_found() {
        for reason in Reason::ALL {
            let code = Refusal::from(*reason).oauth_error().as_str();
            for text in [reason.slug(), code] {
                let found = word(text).map(Terminated::bytes);
                assert_eq!(found, Some(text.as_bytes()));
            }
        }
        // What `[compat]` may put in their place.
        assert!(word("invalid_target").is_some() && word("invalid_grant").is_some());
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text: [c_char; 5] = cut("abcö");
        assert_eq!(text.map(c_char::to_ne_bytes).concat(), b"abc\0\0");
        let text: [c_char; 5] = cut("abö");
        assert_eq!(text.map(c_char::to_ne_bytes).concat(), "abö\0".as_bytes());
    }
}
