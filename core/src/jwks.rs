//! A JSON Web Key Set (RFC 7517 section 5): the keys of one issuer, found by `kid` and algorithm.
//!
//! A key that cannot be used is left out and the others stay; what was left out, and why, is kept for the operator. A
//! set is parsed as a whole and never changes. Fetching it, and how long it is fresh, is not done here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::alg::Algorithm;
use crate::crypto;
use crate::jwk::{Jwk, KeyProblem, Object};
use crate::key::VerifyingKey;

/// The longest document that is parsed, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

/// Why a document is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetProblem {
    /// It is longer than 1 MiB.
    TooLarge,
    /// It is not a JSON object in UTF-8.
    NotAnObject,
    /// A member stands twice.
    DuplicateMember,
    /// `keys` is missing or is not an array.
    NoKeys,
    /// No key in it can be used, where one is needed.
    NoUsableKey,
}

impl fmt::Display for KeySetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the key set is longer than 1 MiB",
            Self::NotAnObject => "the key set is not a JSON object",
            Self::DuplicateMember => "a member of the key set stands twice",
            Self::NoKeys => "`keys` is missing or is not an array",
            Self::NoUsableKey => "the key set has no key that can be used",
        })
    }
}

impl std::error::Error for KeySetProblem {}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// No usable key has this `kid`.
    Unknown,
    /// The key with this `kid`, or every key, is for other algorithms.
    Unsuitable,
    /// More than one key has this `kid`, or fits where no `kid` is given.
    Ambiguous,
}

/// The keys of one issuer that can verify its assertions. A clone shares them.
#[derive(Clone)]
pub struct KeySet {
    /// In the order of their `kid`s; those without one come first. Two lie in the set itself: more are seldom, and each read
    /// of memory that is far counts where a server trusts thousands of issuers.
    keys: SmallVec<[VerifyingKey; 2]>,
    rest: Arc<Rest>,
}

/// What is not needed to find a key by its name.
struct Rest {
    /// Of the text that each key was read from.
    marks: Box<[Mark]>,
    by_algorithm: Box<[(Algorithm, Choice)]>,
    problems: Box<[(Option<String>, KeyProblem)]>,
    /// Of the whole document.
    mark: Mark,
}

/// What came of putting a key set in the place of another.
#[derive(Clone, Copy)]
pub(crate) struct Put {
    /// Keys that can be used now.
    pub(crate) usable: usize,
    /// Whether anything is other than before.
    pub(crate) is_new: bool,
}

/// 128 bits of a SHA-256.
type Mark = [u8; 16];

#[derive(Clone, Copy)]
enum Choice {
    One(u32),
    Many,
}

impl KeySet {
    /// Parses a document and keeps each key that is for at least one algorithm of `allowed`. A symmetric key is never
    /// kept, whatever `allowed` says. A set without a usable key is not an error: see [`KeySet::is_empty`].
    ///
    /// # Errors
    ///
    /// The document as a whole is broken.
    pub fn parse(json: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetProblem> {
        Self::read(json, allowed, None)
    }

    /// The same for a set that is to replace `before`, which was parsed with the same `allowed`: one without a usable key is
    /// an error, too. A key that stands there to the byte as it does here is the same key, and not parsed again.
    pub(crate) fn succeed(
        before: Option<&Self>,
        json: &[u8],
        allowed: &[Algorithm],
    ) -> Result<Self, KeySetProblem> {
        let set = Self::read(json, allowed, before)?;
        if set.is_empty() { Err(KeySetProblem::NoUsableKey) } else { Ok(set) }
    }

    /// What it would come to if `json` took the place of `before`, where nothing would change by it: where `before` was read
    /// from this very document, or there is none before or after. As with [`succeed`](Self::succeed), `before` was parsed with the
    /// algorithms that are allowed now.
    pub(crate) fn same(before: Option<&Self>, json: Option<&[u8]>) -> Option<Put> {
        let is_same = match (before, json) {
            (Some(before), Some(json)) => json.len() <= MAX_DOCUMENT && mark(json) == before.rest.mark,
            (before, json) => before.is_none() && json.is_none(),
        };
        is_same.then(|| Put { usable: before.map_or(0, Self::len), is_new: false })
    }

    fn read(json: &[u8], allowed: &[Algorithm], before: Option<&Self>) -> Result<Self, KeySetProblem> {
        if json.len() > MAX_DOCUMENT {
            return Err(KeySetProblem::TooLarge);
        }
        let document = Object::parse(json).ok_or(KeySetProblem::NotAnObject)?;
        if document.duplicate {
            return Err(KeySetProblem::DuplicateMember);
        }
        let texts: Vec<&RawValue> = document
            .members
            .get("keys")
            .and_then(|keys| serde_json::from_str(keys.get()).ok())
            .ok_or(KeySetProblem::NoKeys)?;

        let known: HashMap<Mark, &VerifyingKey> =
            before.iter().flat_map(|before| before.rest.marks.iter().copied().zip(&before.keys)).collect();
        let (mut keys, mut problems) = (Vec::with_capacity(texts.len()), Vec::new());
        for text in texts {
            let text = text.get().as_bytes();
            let mark = mark(text);
            if let Some(key) = known.get(&mark) {
                keys.push(((*key).clone(), mark));
                continue;
            }
            match Jwk::parse(text) {
                Ok(jwk) => match jwk.verifying_key(allowed) {
                    Ok(key) => keys.push((key, mark)),
                    Err(problem) => {
                        let kid = jwk.kid().ok().flatten().map(|kid| kid.as_str().to_owned());
                        problems.push((kid, problem));
                    }
                },
                Err(problem) => problems.push((None, problem)),
            }
        }
        keys.sort_by(|(one, _), (other, _)| one.kid_octets().cmp(&other.kid_octets()));
        let (keys, marks): (SmallVec<_>, Vec<_>) = keys.into_iter().unzip();
        let rest = Rest {
            marks: marks.into(),
            by_algorithm: choices(&keys),
            problems: problems.into(),
            mark: mark(json),
        };
        Ok(Self { keys, rest: Arc::new(rest) })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that were left out: `kid`, where it can be read, and why.
    pub fn problems(&self) -> &[(Option<String>, KeyProblem)] {
        &self.rest.problems
    }

    /// The one key for a token with this `kid` and `alg`. Does not allocate; in a set of ten thousand keys it looks at
    /// fourteen.
    ///
    /// With a `kid`, it is the one usable key of that name, and never another that would fit; without, the one usable
    /// key that is for `algorithm`. Where there is a choice, there is no key: which one signed is not found out by
    /// trying.
    pub(crate) fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, NoKey> {
        let key = match kid {
            Some(kid) => self.named(kid)?,
            None => self.only(algorithm)?,
        };
        if key.supports(algorithm) { Ok(key) } else { Err(NoKey::Unsuitable) }
    }

    fn named(&self, kid: &str) -> Result<&VerifyingKey, NoKey> {
        let kid = Some(kid.as_bytes());
        let first = self.keys.partition_point(|key| key.kid_octets() < kid);
        let mut named = self.keys.iter().skip(first).take_while(|key| key.kid_octets() == kid);
        match (named.next(), named.next()) {
            (None, _) => Err(NoKey::Unknown),
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
        }
    }

    fn only(&self, algorithm: Algorithm) -> Result<&VerifyingKey, NoKey> {
        let choice =
            self.rest.by_algorithm.iter().find(|(of, _)| *of == algorithm).map(|(_, choice)| *choice);
        match choice.ok_or(NoKey::Unsuitable)? {
            Choice::One(at) => self.keys.get(at as usize).ok_or(NoKey::Unknown),
            Choice::Many => Err(NoKey::Ambiguous),
        }
    }
}

fn mark(text: &[u8]) -> Mark {
    crypto::sha256(&[text]).first_chunk().copied().unwrap_or_default()
}

/// Of each algorithm that any of `keys` is for, which one that is.
fn choices(keys: &[VerifyingKey]) -> Box<[(Algorithm, Choice)]> {
    let mut choices: Vec<(Algorithm, Choice)> = Vec::new();
    for (at, key) in (0..).zip(keys) {
        for algorithm in key.algorithms() {
            match choices.iter_mut().find(|(of, _)| *of == algorithm) {
                Some((_, choice)) => *choice = Choice::Many,
                None => choices.push((algorithm, Choice::One(at))),
            }
        }
    }
    choices.into()
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.keys)
            .field("problems", &self.rest.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::MAX_SIGNATURE;
    use crate::jwk::examples::{ED25519, ES256, HS256, RS256, edited, public};
    use crate::key::SigningKey;

    fn with_kid(text: &str, kid: &str) -> String {
        edited(text, &[("kid", json!(kid))])
    }

    fn set(keys: &[&str]) -> KeySet {
        let text = format!("{{\"keys\":[{}]}}", keys.join(","));
        KeySet::parse(text.as_bytes(), Algorithm::ALL).unwrap()
    }

    fn selected(set: &KeySet, kid: Option<&str>, algorithm: Algorithm) -> Result<Option<String>, NoKey> {
        set.select(kid, algorithm).map(|key| key.kid().map(str::to_owned))
    }

    #[test]
    fn an_unusable_key_is_left_out_and_the_others_stay() {
        let good = with_kid(&public(ES256), "good");
        let set = set(&[
            &edited(&public(RS256), &[("kid", json!("small")), ("n", json!("AQAB"))]),
            "17",
            "null",
            "{\"kty\":\"\\ud800\",\"kid\":\"surrogate\"}",
            &good,
            &edited(&public(RS256), &[("kid", json!("enc")), ("use", json!("enc"))]),
            &with_kid(HS256, "secret"),
            &with_kid(RS256, "private"),
            "{\"kty\":\"EC\",\"kid\":\"twice\",\"kid\":\"twice\"}",
            "{\"kid\":[],\"kty\":\"EC\"}",
            "{\"kty\":\"AKP\",\"kid\":\"future\",\"alg\":\"ML-DSA-44\"}",
        ]);
        assert_eq!(set.len(), 1);
        assert_eq!(selected(&set, Some("good"), Algorithm::ES256), Ok(Some("good".into())));
        assert_eq!(selected(&set, None, Algorithm::ES256), Ok(Some("good".into())));
        for kid in ["small", "enc", "secret", "private", "twice", "future", "", "goo", "good "] {
            assert_eq!(selected(&set, Some(kid), Algorithm::ES256), Err(NoKey::Unknown), "{kid}");
        }
        let problems: Vec<_> =
            set.problems().iter().map(|(kid, problem)| (kid.as_deref(), *problem)).collect();
        assert_eq!(
            problems,
            [
                (Some("small"), KeyProblem::ModulusTooSmall),
                (None, KeyProblem::NotAnObject),
                (None, KeyProblem::NotAnObject),
                (Some("surrogate"), KeyProblem::WrongType("kty")),
                (Some("enc"), KeyProblem::Use),
                (Some("secret"), KeyProblem::Symmetric),
                (Some("private"), KeyProblem::Private),
                (None, KeyProblem::DuplicateMember),
                (None, KeyProblem::Missing("crv")),
                (Some("future"), KeyProblem::KeyType),
            ]
        );
    }

    #[test]
    fn a_kid_finds_its_key_and_never_another() {
        let set = set(&[&with_kid(&public(RS256), "rsa"), &with_kid(&public(ES256), "ec"), &public(ED25519)]);
        assert_eq!(selected(&set, Some("rsa"), Algorithm::RS256), Ok(Some("rsa".into())));
        assert_eq!(selected(&set, Some("rsa"), Algorithm::PS512), Ok(Some("rsa".into())));
        assert_eq!(selected(&set, Some("ec"), Algorithm::ES256), Ok(Some("ec".into())));
        assert_eq!(selected(&set, Some("ec"), Algorithm::RS256), Err(NoKey::Unsuitable));
        assert_eq!(selected(&set, Some("rsa"), Algorithm::HS256), Err(NoKey::Unsuitable));
        assert_eq!(selected(&set, Some("EC"), Algorithm::ES256), Err(NoKey::Unknown));
        assert_eq!(selected(&set, Some("okp"), Algorithm::EdDSA), Err(NoKey::Unknown));
        // Without a `kid`: the one key that fits, whether or not it has a name.
        assert_eq!(selected(&set, None, Algorithm::EdDSA), Ok(None));
        assert_eq!(selected(&set, None, Algorithm::RS384), Ok(Some("rsa".into())));
        assert_eq!(selected(&set, None, Algorithm::ES384), Err(NoKey::Unsuitable));
        assert_eq!(selected(&set, None, Algorithm::HS256), Err(NoKey::Unsuitable));
    }

    #[test]
    fn a_choice_is_no_key() {
        let (rsa, ec) = (public(RS256), public(ES256));
        let twins =
            set(&[&with_kid(&rsa, "a"), &with_kid(&ec, "a"), &with_kid(&rsa, "b"), &with_kid(&rsa, "b")]);
        assert_eq!(twins.len(), 4);
        for (kid, algorithm) in [
            (Some("a"), Algorithm::RS256),
            (Some("a"), Algorithm::ES256),
            (Some("b"), Algorithm::RS256),
            (None, Algorithm::RS256),
        ] {
            assert_eq!(selected(&twins, kid, algorithm), Err(NoKey::Ambiguous), "{kid:?} {algorithm}");
        }
        assert_eq!(selected(&twins, None, Algorithm::ES256), Ok(Some("a".into())));

        // A twin that cannot be used is no choice, on whichever side it stands.
        let unusable = edited(&rsa, &[("kid", json!("a")), ("use", json!("enc"))]);
        for keys in [[&*unusable, &with_kid(&ec, "a")], [&with_kid(&ec, "a"), &unusable]] {
            let set = set(&keys);
            assert_eq!(selected(&set, Some("a"), Algorithm::ES256), Ok(Some("a".into())));
            assert_eq!(selected(&set, Some("a"), Algorithm::RS256), Err(NoKey::Unsuitable));
        }
    }

    #[test]
    fn keys_are_for_the_allowed_algorithms_only() {
        let text =
            format!("{{\"keys\":[{},{}]}}", with_kid(&public(RS256), "rsa"), with_kid(HS256, "secret"));
        let parse = |allowed: &[Algorithm]| KeySet::parse(text.as_bytes(), allowed).unwrap();
        let set = parse(&[Algorithm::PS256, Algorithm::HS256]);
        assert!(set.select(Some("rsa"), Algorithm::PS256).is_ok());
        assert_eq!(selected(&set, Some("rsa"), Algorithm::RS256), Err(NoKey::Unsuitable));
        assert_eq!(selected(&set, Some("secret"), Algorithm::HS256), Err(NoKey::Unknown));
        let set = parse(&[Algorithm::HS256]);
        assert!(set.is_empty());
        assert_eq!(set.problems().len(), 2);
    }

    #[test]
    fn only_a_broken_document_is_an_error() {
        let parse = |text: &[u8]| KeySet::parse(text, Algorithm::ALL);
        for empty in [&b"{\"keys\":[]}"[..], b" {\"keys\":[{}],\"other\":1} "] {
            assert!(parse(empty).unwrap().is_empty());
        }
        for (text, expected) in [
            (&b""[..], KeySetProblem::NotAnObject),
            (b"[]", KeySetProblem::NotAnObject),
            (b"[[{}]]", KeySetProblem::NotAnObject),
            (b"<html>", KeySetProblem::NotAnObject),
            (b"{\"keys\":[]", KeySetProblem::NotAnObject),
            (b"{\"keys\":[]} x", KeySetProblem::NotAnObject),
            (b"{\"keys\":[\"\xff\"]}", KeySetProblem::NotAnObject),
            (b"{}", KeySetProblem::NoKeys),
            (b"{\"Keys\":[]}", KeySetProblem::NoKeys),
            (b"{\"keys\":{}}", KeySetProblem::NoKeys),
            (b"{\"keys\":null}", KeySetProblem::NoKeys),
            (b"{\"keys\":[],\"keys\":[]}", KeySetProblem::DuplicateMember),
        ] {
            assert_eq!(parse(text).err(), Some(expected), "{}", String::from_utf8_lossy(text));
        }
        let padded = |length: usize| format!("{{\"keys\":[]{}}}", " ".repeat(length - 11)).into_bytes();
        assert!(parse(&padded(MAX_DOCUMENT)).is_ok());
        assert_eq!(parse(&padded(MAX_DOCUMENT + 1)).err(), Some(KeySetProblem::TooLarge));
    }

    #[test]
    fn nesting_does_not_overflow_the_stack() {
        let deep =
            [&b"{\"keys\":[{\"a\":"[..], &b"[".repeat(500_000), &b"]".repeat(500_000), b"}]}"].concat();
        assert_eq!(KeySet::parse(&deep, Algorithm::ALL).unwrap().problems().len(), 1);
        let unclosed = [&b"{\"keys\":"[..], &b"[".repeat(1_000_000)].concat();
        assert!(KeySet::parse(&unclosed, Algorithm::ALL).is_err());
    }

    #[test]
    fn a_key_that_stays_is_the_same_and_one_that_changed_is_not() {
        let (rsa, ec) = (with_kid(&public(RS256), "rsa"), with_kid(&public(ES256), "ec"));
        let document = |keys: &[&str]| format!("{{\"keys\":[{}]}}", keys.join(",")).into_bytes();
        let succeed = |before: Option<&KeySet>, keys: &[&str]| {
            KeySet::succeed(before, &document(keys), Algorithm::ALL).unwrap()
        };
        let parsed = |set: &KeySet, kid: &str, algorithm| {
            let key = set.select(Some(kid), algorithm).unwrap();
            std::ptr::from_ref(key.public_key(algorithm).unwrap())
        };
        let first = succeed(None, &[&rsa, &ec]);
        let second = succeed(Some(&first), &[&ec, &rsa]);
        assert_eq!(parsed(&second, "rsa", Algorithm::RS256), parsed(&first, "rsa", Algorithm::RS256));
        assert_eq!(parsed(&second, "ec", Algorithm::ES256), parsed(&first, "ec", Algorithm::ES256));
        // The other one's key under this one's name.
        let swapped = with_kid(&public(ES256), "rsa");
        let third = succeed(Some(&second), &[&swapped]);
        assert_eq!(selected(&third, Some("rsa"), Algorithm::RS256), Err(NoKey::Unsuitable));
        assert_eq!(selected(&third, Some("ec"), Algorithm::ES256), Err(NoKey::Unknown));
        assert_ne!(parsed(&third, "rsa", Algorithm::ES256), parsed(&second, "ec", Algorithm::ES256));
        for none in [&[][..], &["17"]] {
            let problem = KeySet::succeed(Some(&first), &document(none), Algorithm::ALL).err();
            assert_eq!(problem, Some(KeySetProblem::NoUsableKey));
        }
    }

    #[test]
    fn each_of_many_keys_is_found() {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let public = edited(&key.public_jwk().unwrap(), &[("use", json!(null)), ("alg", json!(null))]);
        let keys: Vec<String> = (0..6_000).map(|index| with_kid(&public, &format!("key-{index}"))).collect();
        let set = set(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(set.len(), 6_000);
        let mut out = [0; MAX_SIGNATURE];
        let signature = key.sign(b"message", &mut out).unwrap();
        for index in [0, 1, 2_999, 5_999] {
            let found = set.select(Some(&format!("key-{index}")), Algorithm::EdDSA).unwrap();
            assert!(found.verify(Algorithm::EdDSA, b"message", signature));
        }
        assert_eq!(selected(&set, Some("key-6000"), Algorithm::EdDSA), Err(NoKey::Unknown));
        assert_eq!(selected(&set, None, Algorithm::EdDSA), Err(NoKey::Ambiguous));
    }
}
