//! What one exchange leaves behind, and the trait that takes it.
//!
//! Every exchange, accepted or refused, is offered to the record before anything leaves. A record that cannot take it
//! makes the answer `temporarily_unavailable`; the jti is then spent and nothing is issued.

use crate::config::State;
use crate::reason::{Reason, Refusal};
use crate::revoked::Revocation;

/// One exchange, in borrowed fields. No assertion and no token is ever among them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When it was decided, in seconds since 1970.
    pub at: i64,
    /// Why it was refused; `None`: it was accepted.
    pub refusal: Option<Refusal>,
    /// Whether the signature was checked: the fields below are then facts, before that only what the caller wrote.
    pub signature_valid: bool,
    /// `iss`, the IdP.
    pub issuer: &'a str,
    /// `tenant`.
    pub tenant: Option<&'a str>,
    /// `sub`.
    pub subject: &'a str,
    /// The client that asked.
    pub client_id: &'a str,
    /// The connector's name on the checklist.
    pub connector: &'a str,
    /// The authorization server that an ID-JAG is for; empty for access tokens, which are for this one.
    pub audience: &'a str,
    /// The resource that the token is for.
    pub resource: &'a str,
    /// The `scope` that the request asked for.
    pub scope_requested: Option<&'a str>,
    /// The scope that was granted.
    pub scope_granted: &'a str,
    /// The groups that a grant matched, at most 16.
    pub groups_matched: &'a [&'a str],
    /// The file and line of the first grant that matched.
    pub rule: Option<(&'a str, u32)>,
    /// The SHA-256 of the policy's text, in hexadecimal.
    pub policy_digest: &'a str,
    /// SHA-256 of purpose, issuer, tenant and jti, cut to 128 bits; zero before those were read.
    pub jti_hash: [u8; 16],
    /// Until when that is spent, in seconds since 1970; zero before it was.
    pub spent_until: i64,
    /// `kid` of the header.
    pub kid: Option<&'a str>,
    /// The assertion had been used before, and this IdP's assertions may be (`single_use = false`).
    pub reused: bool,
    /// `jti` of the minted token.
    pub token_jti: &'a str,
    /// `exp` of the minted token, in seconds since 1970.
    pub token_expires_at: i64,
}

/// What happened beside exchanges.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Note<'a> {
    /// Another policy, or the first.
    Policy {
        /// The file that its lines count in.
        file: &'a str,
        /// The SHA-256 of the text before, in hexadecimal; `None`: this one is the first.
        before: Option<&'a str>,
        /// The SHA-256 of its text.
        digest: &'a str,
        /// What it changes; of the first, every connector.
        changes: &'a [ConnectorChange],
    },
    /// Another directory, or the first.
    Directory {
        /// People in the one before; `None`: this one is the first.
        before: Option<usize>,
        /// People in it.
        people: usize,
    },
    /// Other keys for an IdP.
    Keys {
        /// The IdP.
        issuer: &'a str,
        /// How many can be used.
        usable: usize,
    },
    /// Something was revoked, or let through again.
    Revocation {
        /// What.
        of: &'a Revocation<'a>,
        /// It was lifted.
        lifted: bool,
    },
    /// An access token was refused at a resource. Anybody can present one.
    VerifyRefused {
        /// Why.
        reason: Reason,
        /// The resource that it was presented for.
        resource: &'a str,
    },
}

/// What a policy changes of one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorChange {
    /// Its name on the checklist.
    pub id: String,
    /// As it was; `None`: it was not there.
    pub before: Option<ConnectorSummary>,
    /// As it is; `None`: it is gone.
    pub after: Option<ConnectorSummary>,
}

/// Who gets what by one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorSummary {
    /// Whether it is on.
    pub state: State,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its grants, each as a line of text.
    pub grants: Vec<String>,
}

/// The record could not take an event, or could not keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordUnavailable;

/// A place in the record: what to wait for before a token is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// Takes every exchange. Called on the request's thread: `queue` is expected to return within microseconds.
pub trait Record: Send + Sync {
    /// Takes the event, or says that it cannot.
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable>;

    /// Returns when the event is as durable as this record promises.
    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable>;

    /// Takes what happened beside exchanges, at `at` in seconds since 1970. It has happened whether it can be taken or not:
    /// nobody waits, and nothing is undone. Does nothing by default.
    fn note(&self, at: i64, note: &Note<'_>) {
        let _ = (at, note);
    }
}

/// Keeps nothing. For tests, benchmarks, and hosts that take their own notes from the answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecord;

impl Record for NoRecord {
    fn queue(&self, _: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        Ok(Receipt(0))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        Ok(())
    }
}
