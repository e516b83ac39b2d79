//! What one exchange leaves behind, and the trait that takes it.
//!
//! Every exchange, accepted or refused, is offered to the record before anything leaves. A record that cannot take it
//! makes the answer `temporarily_unavailable`; the jti is then spent and nothing is issued.

use std::time::Instant;

use crate::config::State;
use crate::notices::Notice;
use crate::reason::{Reason, Refusal};
use crate::replay::{Claim, Purpose};
use crate::revoked::Revocation;

/// One exchange, in borrowed fields. No assertion and no token is ever among them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When it was decided, in milliseconds since 1970, by the engine's clock.
    pub at_ms: i64,
    /// When the engine began with it, so that the record can say how long it took up to its line; of a batch, when the
    /// engine began with its chunk.
    pub began: Option<Instant>,
    /// Who connected, as the host said ([`TokenRequest::peer`](crate::TokenRequest::peer)).
    pub peer: Option<&'a str>,
    /// The endpoint whose request was refused, where it is not the token endpoint: `revoke` or `introspect`; else empty.
    pub endpoint: &'static str,
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
    /// `sub` of `act`: who acts for the person, an agent for one.
    pub actor: Option<&'a str>,
    /// The client that asked.
    pub client_id: &'a str,
    /// The connector's name on the checklist.
    pub connector: &'a str,
    /// The authorization server that an ID-JAG is for; empty for access tokens, which are for this one.
    pub audience: &'a str,
    /// The resource that the token is for.
    pub resource: &'a str,
    /// The `scope` that the assertion asks for; `None`: whatever the policy gives.
    pub scope_asserted: Option<&'a str>,
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
    /// `iat` of the assertion, in seconds since 1970, rounded down.
    pub issued_at: Option<i64>,
    /// `exp` of the assertion.
    pub expires_at: Option<i64>,
    /// `alg` of the header.
    pub alg: &'static str,
    /// `kid` of the header.
    pub kid: Option<&'a str>,
    /// What the token is bound to: `jkt`, `x5t#S256`, both with a space between, or nothing.
    pub bound_to: &'static str,
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
    /// Another configuration, or the first.
    Config {
        /// What its text is called.
        file: &'a str,
        /// The SHA-256 of the text before, in hexadecimal; `None`: this one is the first.
        before: Option<&'a str>,
        /// The SHA-256 of its text.
        digest: &'a str,
        /// The `kid` of the key that signs access tokens.
        kid: &'a str,
        /// IdPs that it trusts and that are switched on.
        idps: usize,
        /// Clients that it lists.
        clients: usize,
    },
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
        /// Whom it reaches by all of those; `None`: the directory does not know, or too much would have to be counted.
        reach: Option<Reach>,
    },
    /// Another directory, or the first.
    Directory {
        /// People in the one before; `None`: this one is the first.
        before: Option<usize>,
        /// People in it.
        people: usize,
        /// The digest of the one before; `None`: this one is the first.
        digest_before: Option<&'a str>,
        /// Its digest: see [`Directory::digest`](crate::Directory::digest).
        digest: &'a str,
    },
    /// Other keys for an IdP.
    Keys {
        /// The IdP.
        issuer: &'a str,
        /// How many can be used.
        usable: usize,
    },
    /// An access token was refused at a resource. Anybody can present one.
    VerifyRefused {
        /// Why.
        reason: Reason,
        /// The resource that it was presented for.
        resource: &'a str,
    },
}

/// What has to outlive the process: the next one gets it back ([`Builder::spent`](crate::Builder::spent),
/// [`Builder::revoked`](crate::Builder::revoked)).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// A `jti` was spent that is no ID-JAG's: that of an ID-JAG stands in its [`Event`].
    Spent {
        /// What it was presented for.
        purpose: Purpose,
        /// Which, and until when it holds.
        claim: Claim,
        /// Who presented it.
        client_id: &'a str,
    },
    /// Something was revoked, or let through again.
    Revocation {
        /// What.
        of: &'a Revocation<'a>,
        /// It was lifted.
        lifted: bool,
        /// How it stands now; `None`: what was lifted had not been revoked.
        notice: Option<&'a Notice>,
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
    /// Whom that reaches; `None` as in [`Note::Policy`].
    pub reach: Option<Reach>,
}

/// People whom a change of the policy reaches, of those whom the directory lists as active, by the groups that it lists.
/// People of IdPs that are configured without the directory are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// Who get something now.
    pub people: usize,
    /// Who get a scope, or a type of `authorization_details`, that they did not get before.
    pub gained: usize,
    /// Who no longer get one that they got.
    pub lost: usize,
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

/// Waits for what has a receipt; who kept nothing gave none.
pub(crate) fn waited(record: &dyn Record, receipt: Receipt) -> Result<(), RecordUnavailable> {
    if receipt == Receipt::default() { Ok(()) } else { record.wait(receipt) }
}

/// Takes every exchange. Called on the request's thread: `queue` is expected to return within microseconds.
pub trait Record: Send + Sync {
    /// Takes the event, or says that it cannot.
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable>;

    /// Returns when the event is as durable as this record promises.
    fn wait(&self, receipt: Receipt) -> Result<(), RecordUnavailable>;

    /// Takes what has to outlive the process, at `at_ms` in milliseconds since 1970, or says that it cannot. By default it is
    /// not kept, and there is nothing to wait for: `Receipt(0)`.
    fn keep(&self, at_ms: i64, fact: &Fact<'_>) -> Result<Receipt, RecordUnavailable> {
        let _ = (at_ms, fact);
        Ok(Receipt(0))
    }

    /// Takes what happened beside exchanges, at `at_ms` in milliseconds since 1970. It has happened whether it can be taken or not:
    /// nobody waits, and nothing is undone. Does nothing by default.
    fn note(&self, at_ms: i64, note: &Note<'_>) {
        let _ = (at_ms, note);
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
