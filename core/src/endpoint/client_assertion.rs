//! `private_key_jwt`: a JWT that the client signed to say who it is (RFC 7523 sections 2.2 and 3, with the audience of
//! draft-ietf-oauth-rfc7523bis).

use std::cell::RefCell;

use super::client_auth::Door;
use crate::assertion::{Kind, Presented, Slot};
use crate::config::AssertionAudience;
use crate::json::Parser;
use crate::jwks::{KeySet, NoKey};
use crate::reason::Reason;
use crate::replay::{Claim, Purpose, ReplayKey};

/// How long a client assertion may still live, in seconds: so long its `jti` is remembered.
const MAX_LIFETIME_S: i64 = 3_600;

/// The memory that one client assertion needs while it is looked at. Reused.
#[derive(Default)]
struct Desk {
    parser: Parser,
    slot: Slot,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Who must have signed.
pub(super) struct Signer<'k, C> {
    pub(super) client: C,
    /// Its keys, where they are to be had.
    pub(super) keys: Option<&'k KeySet>,
    /// What it is told for a key that the set lacks: there may be a newer set, or there is none.
    pub(super) without_key: Reason,
    /// The audience that it writes.
    pub(super) audience: AssertionAudience,
}

/// The client that signed `jwt`, and the claim of its `jti`, which is to be made before anything else is.
///
/// `named` gets `sub` before it is believed, and says who that is, or refuses it.
pub(super) fn verify<'k, C>(
    jwt: &str,
    door: &Door<'_>,
    now: i64,
    named: impl FnOnce(&str) -> Result<Signer<'k, C>, Reason>,
) -> Result<(C, Claim), Reason> {
    // Nothing in there calls back: the store is asked afterwards, and the clock was.
    DESK.with_borrow_mut(|desk| verify_at(desk, jwt, door, now, named))
}

fn verify_at<'k, C>(
    desk: &mut Desk,
    jwt: &str,
    door: &Door<'_>,
    now: i64,
    named: impl FnOnce(&str) -> Result<Signer<'k, C>, Reason>,
) -> Result<(C, Claim), Reason> {
    let limits = door.limits;
    let malformed = |_| Reason::ClientAssertionMalformed;
    let Desk { parser, slot } = desk;
    let limit = limits.max_assertion_bytes;
    let presented =
        Presented::read(jwt.as_bytes(), Kind::ClientAssertion, limit, parser, slot).map_err(malformed)?;
    let claims = presented.claims();

    let subject = claims.subject().map_err(malformed)?;
    let Signer { client, keys, without_key, audience } = named(subject)?;
    if claims.issuer().map_err(malformed)? != subject {
        return Err(Reason::ClientAssertionMalformed);
    }
    let expected = match audience {
        AssertionAudience::Issuer => door.issuer,
        AssertionAudience::TokenEndpoint => door.token_endpoint,
    };
    if claims.audience().map_err(malformed)? != expected {
        return Err(Reason::ClientAssertionAudience);
    }
    let jti = claims.jti(limits.max_jti_chars).map_err(malformed)?;
    let expires = claims.expires().map_err(malformed)?;
    let latest = now.saturating_add(limits.leeway_s);
    let not_before = claims.not_before().map_err(malformed)?;
    if expires.floor() <= now.saturating_sub(limits.leeway_s)
        || expires.ceil() > latest.saturating_add(MAX_LIFETIME_S)
        || not_before.is_some_and(|date| date.ceil() > latest)
        || claims.issued_if_present().map_err(malformed)?.is_some_and(|date| date.ceil() > latest)
    {
        return Err(Reason::ClientAssertionTime);
    }
    let keys = keys.ok_or(Reason::ClientKeysUnavailable)?;
    let header = presented.header();
    let key = keys.select(header.kid, header.alg).map_err(|why| match why {
        NoKey::Unknown => without_key,
        NoKey::Unsuitable | NoKey::Ambiguous => Reason::ClientAssertionSignature,
    })?;
    if !presented.is_signed_by(key) {
        return Err(Reason::ClientAssertionSignature);
    }
    let claim = Claim {
        key: ReplayKey::new(Purpose::ClientAssertion, subject, None, jti),
        expires_at: expires.ceil().saturating_add(limits.leeway_s.saturating_mul(2)),
    };
    Ok((client, claim))
}
