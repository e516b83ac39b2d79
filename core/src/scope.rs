//! Scopes (RFC 6749 section 3.3): the grammar, and sets of them over the vocabulary of one connector.
//!
//! A set is a bit for each scope that the connector has, so it cannot name anything else, and narrowing is `&`.

use std::ops::{BitAnd, BitOr};

/// Scopes that one connector may have, at most.
pub(crate) const MAX_SCOPES: usize = 256;

/// Whether `token` is one scope-token: printable ASCII but space, `"` and `\`.
pub(crate) fn is_scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// A `scope` value: scope-tokens with one space between each two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope<'a>(&'a str);

impl<'a> Scope<'a> {
    /// `None` when `text` is empty or off-grammar.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        // No way out in between: so these take many bytes at a time.
        let bytes = text.as_bytes();
        let strange = |b: u8| !(0x20..=0x7e).contains(&b) || b == b'"' || b == b'\\';
        let strange = bytes.iter().fold(0, |found, b| found | u8::from(strange(*b)));
        let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
        let doubled = pairs.fold(0, |found, (a, b)| found | u8::from(*a == b' ' && *b == b' '));
        let inside = bytes.first().is_some_and(|b| *b != b' ') && bytes.last() != Some(&b' ');
        (strange | doubled == 0 && inside).then_some(Self(text))
    }

    /// One that [`read`](Self::read) took before, and that was kept as it was written.
    pub(crate) fn known(text: &'a str) -> Self {
        debug_assert!(Self::read(text).is_some(), "{text:?}");
        Self(text)
    }

    /// As it was written.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// Its tokens.
    pub(crate) fn tokens(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.as_bytes().split(|byte| *byte == b' ')
    }
}

/// Some of a connector's scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeSet([u64; MAX_SCOPES / 64]);

impl ScopeSet {
    /// No scope.
    pub(crate) const EMPTY: Self = Self([0; MAX_SCOPES / 64]);

    /// The set of those of `scope`'s tokens that `vocabulary` has.
    pub(crate) fn of(scope: Scope<'_>, vocabulary: &[String]) -> Self {
        let mut set = Self::EMPTY;
        for token in scope.tokens() {
            if let Some(at) = vocabulary.iter().position(|known| known.as_bytes() == token) {
                set.insert(at);
            }
        }
        set
    }

    /// Every scope of a vocabulary of `length`.
    pub(crate) fn all(length: usize) -> Self {
        (0..length).collect()
    }

    pub(crate) fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(crate) fn contains(self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Those that `other` does not have.
    pub(crate) fn without(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine &= !theirs);
        self
    }

    pub(crate) fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The scopes in the connector's order, separated by spaces.
    pub(crate) fn print(self, vocabulary: &[String]) -> String {
        let mut out = String::new();
        self.print_into(vocabulary, &mut out);
        out
    }

    /// The same, in place of what `out` holds.
    pub(crate) fn print_into(self, vocabulary: &[String], out: &mut String) {
        out.clear();
        for name in self.names(vocabulary) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(name);
        }
    }

    /// The scopes in the connector's order.
    pub(crate) fn names(self, vocabulary: &[String]) -> impl Iterator<Item = &str> {
        vocabulary.iter().enumerate().filter(move |(at, _)| self.contains(*at)).map(|(_, name)| name.as_str())
    }
}

impl FromIterator<usize> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(positions: I) -> Self {
        let mut set = Self::EMPTY;
        positions.into_iter().for_each(|at| set.insert(at));
        set
    }
}

impl BitAnd for ScopeSet {
    type Output = Self;

    fn bitand(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine &= theirs);
        self
    }
}

impl BitOr for ScopeSet {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vec<String> {
        (0..MAX_SCOPES).map(|at| format!("s{at}")).collect()
    }

    #[test]
    fn the_grammar_is_that_of_rfc_6749() {
        for scope in ["a", "a b", "chat.read !#[]~"] {
            assert_eq!(Scope::read(scope).map(Scope::as_str), Some(scope));
        }
        for scope in ["", " ", " a", "a ", "a  b", "a\tb", "a\"", "a\\b", "é", "a\nb", "\u{7f}"] {
            assert_eq!(Scope::read(scope), None, "{scope:?}");
        }
    }

    fn set(scope: &str, vocabulary: &[String]) -> ScopeSet {
        ScopeSet::of(Scope::read(scope).unwrap(), vocabulary)
    }

    #[test]
    fn a_set_prints_what_it_parsed_in_the_connectors_order() {
        let vocabulary = vocabulary();
        assert_eq!(set("nothing", &vocabulary), ScopeSet::EMPTY);
        let set = set("s255 s0 nothing s64 s0", &vocabulary);
        assert_eq!(set.print(&vocabulary), "s0 s64 s255");
        assert_eq!(ScopeSet::all(256) & set, set);
        assert_eq!(ScopeSet::EMPTY | set, set);
        assert_eq!(set.without(ScopeSet::all(64)).print(&vocabulary), "s64 s255");
        assert_eq!((ScopeSet::all(64) & set).print(&vocabulary), "s0");
    }
}
