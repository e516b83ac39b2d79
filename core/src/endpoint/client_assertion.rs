//! `private_key_jwt`: a JWT that the client signed to say who it is (RFC 7523 sections 2.2 and 3, with the audience of
//! draft-ietf-oauth-rfc7523bis).

use std::cell::RefCell;

use crate::base64url;
use crate::claims::Claims;
use crate::config::{AssertionAudience, Keys};
use crate::json::{Document, Memory, PADDING, Parser};
use crate::jws::{Compact, Header};
use crate::reason::Reason;
use crate::replay::{Claim, Purpose, ReplayKey};
use crate::state::State;

/// How long a client assertion may still live, in seconds: so long its `jti` is remembered.
const MAX_LIFETIME_S: i64 = 3_600;

/// The values of `typ` that a client assertion may have beside none. An ID-JAG or an access token is never one.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// The memory that one client assertion needs while it is looked at. Reused.
#[derive(Default)]
struct Desk {
    parser: Parser,
    header_memory: Memory,
    memory: Memory,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Who must have signed: the client, its keys, and the audience that it writes.
pub(super) type Signer<'k, C> = (C, &'k Keys, AssertionAudience);

/// The client that signed `jwt`, and the claim of its `jti`, which is to be made before anything else is.
///
/// `named` gets `sub` before it is believed, and says who that is, or refuses it.
pub(super) fn verify<'k, C>(
    jwt: &str,
    state: &State,
    now: i64,
    named: impl FnOnce(&str) -> Result<Signer<'k, C>, Reason>,
) -> Result<(C, Claim), Reason> {
    // Nothing in there calls back: the store is asked afterwards, and the clock was.
    DESK.with_borrow_mut(|desk| verify_at(desk, jwt, state, now, named))
}

fn verify_at<'k, C>(
    desk: &mut Desk,
    jwt: &str,
    state: &State,
    now: i64,
    named: impl FnOnce(&str) -> Result<Signer<'k, C>, Reason>,
) -> Result<(C, Claim), Reason> {
    let limits = &state.server.limits;
    if jwt.len() > limits.max_assertion_bytes {
        return Err(Reason::ClientAssertionMalformed);
    }
    let malformed = |_| Reason::ClientAssertionMalformed;
    let compact = Compact::split(jwt.as_bytes()).map_err(malformed)?;
    let Desk { parser, header_memory, memory, header, payload, signature } = desk;
    let decode = |part, out: &mut Vec<u8>| {
        base64url::decode_into(part, out, PADDING).map_err(|_| Reason::ClientAssertionMalformed)
    };
    let header_length = decode(compact.header, header)?;
    let length = decode(compact.payload, payload)?;
    let signature_length = decode(compact.signature, signature)?;
    let header = Document::read(header, header_length, parser, header_memory)
        .map_err(|_| Reason::ClientAssertionMalformed)?;
    let header =
        Header::read(&header, |typ| typ.is_none_or(|typ| TYPES.contains(&typ))).map_err(malformed)?;
    let document =
        Document::read(payload, length, parser, memory).map_err(|_| Reason::ClientAssertionMalformed)?;
    let claims = Claims::find(document.object());

    let subject = claims.subject().map_err(malformed)?;
    let (client, keys, audience) = named(subject)?;
    if claims.issuer().map_err(malformed)? != subject {
        return Err(Reason::ClientAssertionMalformed);
    }
    let expected = match audience {
        AssertionAudience::Issuer => &state.server.issuer,
        AssertionAudience::TokenEndpoint => &state.server.endpoints.token,
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
    let Keys::Static(keys) = keys else {
        return Err(Reason::ClientKeysUnavailable);
    };
    let key = keys.select(header.kid, header.alg).map_err(|_| Reason::ClientAssertionSignature)?;
    let signature = signature.get(..signature_length).unwrap_or_default();
    if !key.verify(header.alg, compact.signing_input, signature) {
        return Err(Reason::ClientAssertionSignature);
    }
    let claim = Claim {
        key: ReplayKey::new(Purpose::ClientAssertion, subject, None, jti),
        expires_at: expires.ceil().saturating_add(limits.leeway_s.saturating_mul(2)),
    };
    Ok((client, claim))
}
