//! The documents by which clients find the way, and what a resource answers without a token.

use std::ffi::c_char;

use idjag::Challenge;

use crate::boundary::boundary;
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Handle;
use crate::reply::Reply;

/// No token came: answer with 401.
pub const IDJAG_CHALLENGE_MISSING: u32 = 1;
/// The token that came is not valid: answer with 401.
pub const IDJAG_CHALLENGE_INVALID: u32 = 2;
/// The token is valid and lacks scopes: answer with 403.
pub const IDJAG_CHALLENGE_INSUFFICIENT_SCOPE: u32 = 3;
/// The token is bound to a key, and came without a proof or with one by another key: answer with 401.
pub const IDJAG_CHALLENGE_NOT_PROVEN: u32 = 4;
/// The DPoP proof is not acceptable: answer with 401.
pub const IDJAG_CHALLENGE_INVALID_PROOF: u32 = 5;
/// The DPoP proof needs a nonce: answer with 401, and with idjag_dpop_nonce as `DPoP-Nonce`.
pub const IDJAG_CHALLENGE_USE_NONCE: u32 = 6;

/// The authorization server metadata, JSON (RFC 8414 section 2): for `/.well-known/oauth-authorization-server`, with the path
/// of the issuer identifier behind it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_metadata(
    exchange: *const Handle,
    metadata: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("metadata", metadata)?;
        place.put(Reply::text(&caller.engine(exchange)?.metadata()));
        Ok(())
    })
}

/// The URL of an authorization endpoint, in characters that need no escapes in JSON. Nothing is authorized there, and
/// idjag_metadata does not name it: for clients that cannot read metadata without one (the MCP SDKs'), put the member
/// `authorization_endpoint` in, and answer there with 400 and `unauthorized_client` (RFC 6749 section 4.1.2.1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_authorization_endpoint(
    exchange: *const Handle,
    url: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("url", url)?;
        place.put(Reply::text(&caller.engine(exchange)?.authorization_endpoint()));
        Ok(())
    })
}

/// Our public keys, a JWK set (RFC 7517 section 5): for `jwks_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_jwks(
    exchange: *const Handle,
    jwks: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("jwks", jwks)?;
        place.put(Reply::text(&caller.engine(exchange)?.jwks()));
        Ok(())
    })
}

/// The metadata of a resource, JSON (RFC 9728 section 2): for the URL that idjag_challenge names.
///
/// IDJAG_NOT_FOUND: no enabled connector serves it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_resource_metadata(
    exchange: *const Handle,
    resource: *const c_char,
    resource_length: usize,
    metadata: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("metadata", metadata)?;
        let resource = caller.words("resource", resource, resource_length)?;
        let document = caller.engine(exchange)?.protected_resource_metadata(&resource);
        place.put(Reply::text(&document.ok_or(Failure::NotFound)?));
        Ok(())
    })
}

/// The value of `WWW-Authenticate` for a resource (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1).
///
/// `challenge` is one of the IDJAG_CHALLENGE_ numbers; `scope` are the scopes that are needed, separated by spaces, for
/// IDJAG_CHALLENGE_INSUFFICIENT_SCOPE, otherwise NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_challenge(
    exchange: *const Handle,
    resource: *const c_char,
    resource_length: usize,
    challenge: u32,
    scope: *const c_char,
    scope_length: usize,
    value: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("value", value)?;
        let resource = caller.words("resource", resource, resource_length)?;
        let scope = caller.optional_words("scope", scope, scope_length)?;
        let challenge = match (challenge, &scope) {
            (IDJAG_CHALLENGE_MISSING, None) => Challenge::Missing,
            (IDJAG_CHALLENGE_INVALID, None) => Challenge::Invalid,
            (IDJAG_CHALLENGE_NOT_PROVEN, None) => Challenge::NotProven,
            (IDJAG_CHALLENGE_INVALID_PROOF, None) => Challenge::InvalidProof,
            (IDJAG_CHALLENGE_USE_NONCE, None) => Challenge::UseNonce,
            (IDJAG_CHALLENGE_INSUFFICIENT_SCOPE, Some(scope)) => Challenge::InsufficientScope(scope),
            _ => return Err(Failure::misuse("challenge", "is no such number, or does not go with `scope`")),
        };
        place.put(Reply::text(&caller.engine(exchange)?.challenge(&resource, challenge)));
        Ok(())
    })
}

/// The nonce for `DPoP-Nonce` (RFC 9449 section 9).
///
/// IDJAG_NOT_FOUND: the configuration asks for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_dpop_nonce(
    exchange: *const Handle,
    nonce: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("nonce", nonce)?;
        place.put(Reply::text(&caller.engine(exchange)?.dpop_nonce().ok_or(Failure::NotFound)?));
        Ok(())
    })
}
