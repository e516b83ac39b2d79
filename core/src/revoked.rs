//! What an administrator or a client took back before it ended (RFC 7009 for tokens).
//!
//! A revoked token is remembered by its `jti` until it would have ended anyway. A revoked person, client, connector or
//! issuer gets a not-before mark (what was issued until then is void) and a block on new exchanges until it is lifted.
//! The value is immutable: a change makes the next one, and a snapshot replaces it. It is not kept on disk here; what is
//! told to other engines, and heard from them, is how each revocation stands.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation<'a> {
    /// One access token of ours. It cannot be lifted.
    Token {
        /// The token's `jti`.
        jti: &'a str,
        /// Unix seconds until which the token could be accepted: its `exp` and the leeway.
        expires_at: i64,
    },
    /// One person: never a subject alone, since two issuers or tenants may use the same one.
    Person {
        /// The IdP's issuer identifier.
        issuer: &'a str,
        /// The IdP's tenant, where it has several.
        tenant: Option<&'a str>,
        /// The person's `sub` at that issuer.
        subject: &'a str,
    },
    /// One client, by `client_id`.
    Client(&'a str),
    /// One connector, by its name in the policy.
    Connector(&'a str),
    /// One IdP, by issuer identifier, with all its tenants.
    Issuer(&'a str),
}

/// Whom and what an exchange or a token concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) connector: &'a str,
}

/// All revocations at one time. A clone shares the names: some nanoseconds an entry.
#[derive(Clone, Default)]
pub(crate) struct Revoked {
    /// Whether there is anything below: nearly always not, and then every question is this one test.
    any: bool,
    tokens: Map<Arc<str>, i64>,
    people: Map<PersonKey, Mark>,
    clients: Map<Arc<str>, Mark>,
    connectors: Map<Arc<str>, Mark>,
    issuers: Map<Arc<str>, Mark>,
}

type Map<K, V> = HashMap<K, V, RandomState>;

#[derive(Clone, Copy)]
struct Mark {
    /// What was issued at or before this time (Unix seconds) is void, also after the block is lifted.
    not_before: i64,
    blocked: bool,
}

impl Revoked {
    /// These and `revocation`, made at `at` (Unix seconds). Revoking again moves the mark forward, never back.
    pub(crate) fn with(&self, revocation: &Revocation<'_>, at: i64) -> Self {
        let mut next = self.clone();
        next.any = true;
        match *revocation {
            Revocation::Token { jti, expires_at } => {
                let until = next.tokens.entry(jti.into()).or_insert(expires_at);
                *until = expires_at.max(*until);
            }
            Revocation::Person { issuer, tenant, subject } => {
                let key = PersonKey(issuer.into(), tenant.map(Into::into), subject.into());
                next.people.entry(key).or_insert(Mark::at(at)).block(at);
            }
            Revocation::Client(name) => next.clients.entry(name.into()).or_insert(Mark::at(at)).block(at),
            Revocation::Connector(name) => {
                next.connectors.entry(name.into()).or_insert(Mark::at(at)).block(at);
            }
            Revocation::Issuer(name) => next.issuers.entry(name.into()).or_insert(Mark::at(at)).block(at),
        }
        next
    }

    /// These without the block on new exchanges that `revocation` made. Its not-before mark stays: what was issued
    /// before does not come back. A token stays revoked, and what was never revoked stays so.
    pub(crate) fn lifted(&self, revocation: &Revocation<'_>) -> Self {
        let mut next = self.clone();
        let mark = match *revocation {
            Revocation::Token { .. } => None,
            Revocation::Person { issuer, tenant, subject } => {
                next.people.get_mut(&PersonRef(issuer, tenant, subject))
            }
            Revocation::Client(name) => next.clients.get_mut(name),
            Revocation::Connector(name) => next.connectors.get_mut(name),
            Revocation::Issuer(name) => next.issuers.get_mut(name),
        };
        if let Some(mark) = mark {
            mark.blocked = false;
        }
        next
    }

    /// These without the tokens that ended before `now` (Unix seconds) on their own.
    pub(crate) fn expired_dropped(&self, now: i64) -> Self {
        let mut next = self.clone();
        next.tokens.retain(|_, expires_at| now <= *expires_at);
        next.any = !(next.tokens.is_empty()
            && next.people.is_empty()
            && next.clients.is_empty()
            && next.connectors.is_empty()
            && next.issuers.is_empty());
        next
    }

    /// Whether a new exchange for `party` is blocked. Allocates nothing.
    pub(crate) fn blocks(&self, party: &Party<'_>) -> bool {
        self.any && self.marks(party).into_iter().flatten().any(|mark| mark.blocked)
    }

    /// Whether the token `jti`, issued to `party` at `iat` (Unix seconds), is revoked. Allocates nothing.
    ///
    /// A block voids every token, also one that was decided just before the revocation and minted just after it.
    pub(crate) fn revokes(&self, jti: &str, iat: i64, party: &Party<'_>) -> bool {
        self.any
            && (self.tokens.contains_key(jti)
                || self.marks(party).into_iter().flatten().any(|mark| mark.blocked || iat <= mark.not_before))
    }

    fn marks(&self, party: &Party<'_>) -> [Option<&Mark>; 4] {
        [
            self.people.get(&PersonRef(party.issuer, party.tenant, party.subject)),
            self.clients.get(party.client_id),
            self.connectors.get(party.connector),
            self.issuers.get(party.issuer),
        ]
    }
}

/// How a revocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// What was issued at or before this time (Unix seconds) is void.
    pub not_before: i64,
    /// Whether new exchanges are refused. Of a token: always.
    pub blocked: bool,
}

impl Revoked {
    /// How `revocation` stands, if it was ever made.
    pub(crate) fn standing(&self, revocation: &Revocation<'_>) -> Option<Standing> {
        let mark = match *revocation {
            Revocation::Token { jti, .. } => {
                return self.tokens.contains_key(jti).then_some(Standing { not_before: 0, blocked: true });
            }
            Revocation::Person { issuer, tenant, subject } => {
                self.people.get(&PersonRef(issuer, tenant, subject))
            }
            Revocation::Client(name) => self.clients.get(name),
            Revocation::Connector(name) => self.connectors.get(name),
            Revocation::Issuer(name) => self.issuers.get(name),
        };
        mark.map(Mark::standing)
    }

    /// Lets `revocation` stand as another engine says. A mark moves forward, never back.
    pub(crate) fn set(&mut self, revocation: &Revocation<'_>, standing: Standing) {
        *self = self.with(revocation, standing.not_before);
        if !standing.blocked {
            *self = self.lifted(revocation);
        }
    }

    /// Gives each, and how it stands, to `to`.
    pub(crate) fn each(&self, mut to: impl FnMut(&Revocation<'_>, Standing)) {
        for (jti, expires_at) in &self.tokens {
            let token = Revocation::Token { jti, expires_at: *expires_at };
            to(&token, Standing { not_before: 0, blocked: true });
        }
        for (PersonKey(issuer, tenant, subject), mark) in &self.people {
            to(&Revocation::Person { issuer, tenant: tenant.as_deref(), subject }, mark.standing());
        }
        for (name, mark) in &self.clients {
            to(&Revocation::Client(name), mark.standing());
        }
        for (name, mark) in &self.connectors {
            to(&Revocation::Connector(name), mark.standing());
        }
        for (name, mark) in &self.issuers {
            to(&Revocation::Issuer(name), mark.standing());
        }
    }
}

impl Mark {
    fn standing(&self) -> Standing {
        Standing { not_before: self.not_before, blocked: self.blocked }
    }

    fn at(at: i64) -> Self {
        Self { not_before: at, blocked: true }
    }

    fn block(&mut self, at: i64) {
        self.not_before = self.not_before.max(at);
        self.blocked = true;
    }
}

/// Issuer, tenant and subject of a person, to keep.
#[derive(Clone, PartialEq, Eq)]
struct PersonKey(Arc<str>, Option<Arc<str>>, Arc<str>);

/// The same, to ask with.
#[derive(Hash)]
struct PersonRef<'a>(&'a str, Option<&'a str>, &'a str);

impl PersonKey {
    fn borrowed(&self) -> PersonRef<'_> {
        PersonRef(&self.0, self.1.as_deref(), &self.2)
    }
}

impl Hash for PersonKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<PersonKey> for PersonRef<'_> {
    fn equivalent(&self, key: &PersonKey) -> bool {
        let PersonRef(issuer, tenant, subject) = key.borrowed();
        self.0 == issuer && self.1 == tenant && self.2 == subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTY: Party<'_> = Party {
        issuer: "https://a.example",
        tenant: Some("t"),
        subject: "ann",
        client_id: "c",
        connector: "chat",
    };

    const ANN: Revocation<'_> =
        Revocation::Person { issuer: "https://a.example", tenant: Some("t"), subject: "ann" };

    #[test]
    fn nothing_is_revoked_at_first() {
        let none = Revoked::default();
        assert!(!none.any);
        assert!(!none.blocks(&PARTY));
        assert!(!none.revokes("j", i64::MIN, &PARTY));
        assert!(!none.lifted(&ANN).any);
    }

    #[test]
    fn a_block_ends_when_lifted_and_the_mark_stays() {
        let kinds = [
            ANN,
            Revocation::Client("c"),
            Revocation::Connector("chat"),
            Revocation::Issuer("https://a.example"),
        ];
        for kind in kinds {
            let revoked = Revoked::default().with(&kind, 100);
            assert!(revoked.blocks(&PARTY), "{kind:?}");
            assert!(revoked.revokes("j", 100, &PARTY) && revoked.revokes("j", 101, &PARTY));
            let lifted = revoked.lifted(&kind);
            assert!(!lifted.blocks(&PARTY), "{kind:?}");
            assert!(lifted.revokes("j", 100, &PARTY), "{kind:?}");
            assert!(!lifted.revokes("j", 101, &PARTY), "{kind:?}");
            // An older revocation blocks again and does not move the mark back.
            let again = lifted.with(&kind, 50);
            assert!(again.blocks(&PARTY), "{kind:?}");
            assert!(again.lifted(&kind).revokes("j", 100, &PARTY), "{kind:?}");
            assert!(revoked.blocks(&PARTY), "the earlier value changed");
        }
    }

    #[test]
    fn what_another_engine_says_stands_as_it_does_there() {
        let kinds = [
            ANN,
            Revocation::Client("c"),
            Revocation::Connector("chat"),
            Revocation::Issuer("https://a.example"),
            Revocation::Token { jti: "j", expires_at: 900 },
        ];
        let mut there = Revoked::default();
        for kind in kinds {
            assert_eq!(there.standing(&kind), None);
            there = there.with(&kind, 100);
        }
        there = there.lifted(&ANN);
        let mut here = Revoked::default().with(&ANN, 50).with(&Revocation::Client("c"), 200);
        let mut count = 0;
        there.each(|revocation, standing| {
            count += 1;
            assert_eq!(there.standing(revocation), Some(standing));
            here.set(revocation, standing);
        });
        assert_eq!(count, kinds.len());
        assert_eq!(here.standing(&ANN), Some(Standing { not_before: 100, blocked: false }));
        assert_eq!(
            here.standing(&Revocation::Client("c")),
            Some(Standing { not_before: 200, blocked: true })
        );
        assert!(here.revokes("j", 1_000, &Party { client_id: "x", connector: "x", issuer: "x", ..PARTY }));
    }

    #[test]
    fn another_party_is_not_concerned() {
        let others = [
            Party { issuer: "https://b.example", ..PARTY },
            Party { tenant: None, ..PARTY },
            Party { tenant: Some("u"), ..PARTY },
            Party { subject: "bob", ..PARTY },
        ];
        let revoked = Revoked::default().with(&ANN, 100);
        for other in others {
            assert!(!revoked.blocks(&other) && !revoked.revokes("j", 0, &other), "{other:?}");
        }
        let revoked = Revoked::default()
            .with(&Revocation::Client("chat"), 100)
            .with(&Revocation::Connector("c"), 100)
            .with(&Revocation::Issuer("https://a.example/"), 100);
        assert!(!revoked.blocks(&PARTY) && !revoked.revokes("j", 0, &PARTY));
    }

    #[test]
    fn a_token_is_forgotten_once_it_has_ended() {
        let token = |expires_at| Revocation::Token { jti: "j", expires_at };
        let revoked = Revoked::default().with(&token(200), 100).with(&token(150), 100);
        assert!(revoked.revokes("j", 300, &PARTY) && !revoked.revokes("k", 0, &PARTY));
        assert!(!revoked.blocks(&PARTY));
        assert!(revoked.lifted(&token(200)).revokes("j", 0, &PARTY));
        assert!(revoked.expired_dropped(200).revokes("j", 0, &PARTY));
        let dropped = revoked.expired_dropped(201);
        assert!(!dropped.revokes("j", 0, &PARTY) && !dropped.any);
        let kept = revoked.with(&ANN, 100).lifted(&ANN).expired_dropped(201);
        assert!(kept.revokes("k", 100, &PARTY) && !kept.revokes("j", 101, &PARTY));
    }
}
