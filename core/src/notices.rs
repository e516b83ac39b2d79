//! Notices: what engines that share a store tell each other beside claims. Each is a revocation as it stands.
//!
//! The store keeps them by key until they expire, and counts its changes; it does not read them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::replay::ReplayKey;
use crate::revoked::{Revocation, Standing};

/// What is told. The one that was told last for a key counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub key: ReplayKey,
    /// What it says, for engines.
    pub text: Vec<u8>,
    /// Unix seconds. It may be forgotten when that is over.
    pub expires_at: i64,
}

/// The notices could not be reached: what was to be told may or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardUnavailable;

/// Where engines that share a store leave notices for each other.
pub trait Board: Send + Sync {
    /// Puts `notice` in the place of what has its key.
    fn post(&self, notice: &Notice, now: i64) -> Result<(), BoardUnavailable>;

    /// All notices, and the number of the last change; `None` where that is `known`. `now` is Unix seconds.
    fn read(&self, known: Option<u64>, now: i64) -> Result<Option<(u64, Vec<Notice>)>, BoardUnavailable>;
}

/// A notice in writing.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    kind: Kind,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Cow<'a, str>>,
    not_before: i64,
    blocked: bool,
    expires_at: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Token,
    Person,
    Client,
    Connector,
    Issuer,
}

impl Notice {
    /// That `revocation` stands as it does. A mark that no longer blocks may be forgotten `ttl_s` after `now`: no token
    /// lives longer.
    pub(crate) fn of(revocation: &Revocation<'_>, standing: Standing, now: i64, ttl_s: i64) -> Self {
        let (kind, name, issuer, tenant) = match *revocation {
            Revocation::Token { jti, .. } => (Kind::Token, jti, None, None),
            Revocation::Person { issuer, tenant, subject } => (Kind::Person, subject, Some(issuer), tenant),
            Revocation::Client(name) => (Kind::Client, name, None, None),
            Revocation::Connector(name) => (Kind::Connector, name, None, None),
            Revocation::Issuer(name) => (Kind::Issuer, name, None, None),
        };
        let expires_at = match *revocation {
            Revocation::Token { expires_at, .. } => expires_at,
            _ if standing.blocked => i64::MAX,
            _ => now.saturating_add(ttl_s),
        };
        let written = Written {
            kind,
            name: name.into(),
            issuer: issuer.map(Into::into),
            tenant: tenant.map(Into::into),
            not_before: standing.not_before,
            blocked: standing.blocked,
            expires_at,
        };
        Self {
            key: ReplayKey::of_notice(kind as u8, issuer, tenant, name),
            // Text, numbers and names: there is nothing in it that JSON cannot say.
            text: serde_json::to_vec(&written).unwrap_or_default(),
            expires_at,
        }
    }

    /// The notice that says `text`; none where that says nothing.
    pub fn read(text: &[u8]) -> Option<Self> {
        let Written { kind, name, issuer, tenant, expires_at, .. } = serde_json::from_slice(text).ok()?;
        Some(Self {
            key: ReplayKey::of_notice(kind as u8, issuer.as_deref(), tenant.as_deref(), &name),
            text: text.to_vec(),
            expires_at,
        })
    }

    /// What it says, given to `told`. One that cannot be read says nothing.
    pub fn tell(&self, told: impl FnOnce(&Revocation<'_>, Standing)) {
        let Ok(written) = serde_json::from_slice::<Written<'_>>(&self.text) else {
            return;
        };
        let name = &*written.name;
        let revocation = match (written.kind, written.issuer.as_deref()) {
            (Kind::Token, _) => Revocation::Token { jti: name, expires_at: written.expires_at },
            (Kind::Person, Some(issuer)) => {
                Revocation::Person { issuer, tenant: written.tenant.as_deref(), subject: name }
            }
            (Kind::Person, None) => return,
            (Kind::Client, _) => Revocation::Client(name),
            (Kind::Connector, _) => Revocation::Connector(name),
            (Kind::Issuer, _) => Revocation::Issuer(name),
        };
        told(&revocation, Standing { not_before: written.not_before, blocked: written.blocked });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_was_written_and_has_a_key_of_its_own() {
        let kinds = [
            Revocation::Token { jti: "a\"\u{0}\u{1f600}", expires_at: 70 },
            Revocation::Person { issuer: "i", tenant: None, subject: "a" },
            Revocation::Person { issuer: "i", tenant: Some(""), subject: "a" },
            Revocation::Person { issuer: "i", tenant: Some("a"), subject: "" },
            Revocation::Person { issuer: "ia", tenant: None, subject: "" },
            Revocation::Client("a"),
            Revocation::Connector("a"),
            Revocation::Issuer("a"),
        ];
        let mut keys = Vec::new();
        for revocation in kinds {
            for blocked in [true, false] {
                let standing = Standing { not_before: 50, blocked };
                let notice = Notice::of(&revocation, standing, 100, 30);
                assert_eq!(Notice::read(&notice.text).as_ref(), Some(&notice));
                let mut heard = false;
                notice.tell(|said, stands| {
                    assert_eq!((*said, stands), (revocation, standing));
                    heard = true;
                });
                assert!(heard, "{revocation:?}");
                let is_token = matches!(revocation, Revocation::Token { .. });
                let expires_at = if is_token {
                    70
                } else if blocked {
                    i64::MAX
                } else {
                    130
                };
                assert_eq!(notice.expires_at, expires_at, "{revocation:?}");
                keys.push(notice.key);
            }
        }
        keys.dedup();
        assert_eq!(
            keys.len(),
            kinds.len(),
            "a lifted block takes the place of the block, and of nothing else"
        );
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in [
            "",
            "{}",
            "{\"kind\":\"person\",\"name\":\"a\",\"not_before\":1,\"blocked\":true,\"expires_at\":1}",
        ] {
            let notice = Notice { key: ReplayKey::from_bytes([0; 16]), text: text.into(), expires_at: 0 };
            notice.tell(|said, _| panic!("{said:?}"));
        }
    }
}
