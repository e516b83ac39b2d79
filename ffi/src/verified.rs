//! The way back: an access token is presented at a resource.

use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr;
use std::sync::OnceLock;

use idjag::{ResourceRequest, VerifiedToken};

use crate::boundary::boundary;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Status};
use crate::exchange::Handle;
use crate::terminated::{Terminated, Texts};
use crate::versioned::Versioned;

/// An access token and the request that presents it.
///
/// The caller's own, set with IDJAG_PRESENTED_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Presented {
    /// The size of this structure: IDJAG_PRESENTED_INIT sets it.
    pub struct_size: usize,
    /// The token, without `Bearer` or `DPoP`.
    pub token: *const c_char,
    /// Its length.
    pub token_length: usize,
    /// The resource at which it is presented: yours, never one that the request names.
    pub resource: *const c_char,
    /// Its length.
    pub resource_length: usize,
    /// The `DPoP` header (RFC 9449), where the token came with that scheme. NULL: it came as `Bearer`.
    pub dpop: *const c_char,
    /// Its length.
    pub dpop_length: usize,
    /// With `dpop`: the method of the request.
    pub method: *const c_char,
    /// Its length.
    pub method_length: usize,
    /// With `dpop`: the URL of the request, as the client wrote it.
    pub url: *const c_char,
    /// Its length.
    pub url_length: usize,
    /// The client's certificate in DER, where TLS asked for one (RFC 8705). NULL: none.
    pub client_certificate: *const c_char,
    /// Its length.
    pub client_certificate_length: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for Presented {
    const LEAST: usize = offset_of!(Presented, dpop);
    const NAME: &'static str = "presented";
}

/// Who presents a token, and what they may do, as of the call that gave it.
///
/// A person is issuer, tenant and subject together, never the subject alone. Given by idjag_verify; yours to free with
/// idjag_verified_free. Threads: any number may read it.
pub struct Verified {
    token: VerifiedToken,
    /// By the numbers below; then the groups.
    texts: Texts,
    has_tenant: bool,
    /// Written when they are asked for.
    claims: OnceLock<Texts>,
    act: OnceLock<Option<Texts>>,
    cnf: OnceLock<Option<Texts>>,
}

const SUBJECT: usize = 0;
const IDP: usize = 1;
const TENANT: usize = 2;
const CLIENT_ID: usize = 3;
const SCOPE: usize = 4;
const RESOURCE: usize = 5;
const JTI: usize = 6;
const TOKEN_TYPE: usize = 7;
const GROUPS: usize = 8;

impl From<VerifiedToken> for Verified {
    fn from(token: VerifiedToken) -> Self {
        let own = [
            token.subject(),
            token.idp(),
            token.tenant().unwrap_or_default(),
            token.client_id(),
            token.scope(),
            token.resource(),
            token.jti(),
            token.token_type(),
        ];
        let texts = Texts::chained(&own, token.groups());
        let has_tenant = token.tenant().is_some();
        Self { token, texts, has_tenant, claims: OnceLock::new(), act: OnceLock::new(), cnf: OnceLock::new() }
    }
}

impl Verified {
    fn text(&self, number: usize) -> Option<Terminated<'_>> {
        if number == TENANT && !self.has_tenant { None } else { self.texts.text(number) }
    }

    fn claims(&self) -> Option<Terminated<'_>> {
        self.claims.get_or_init(|| Texts::of(&[&self.token.claims()])).text(0)
    }

    fn act(&self) -> Option<Terminated<'_>> {
        self.act.get_or_init(|| Some(Texts::of(&[&self.token.act()?]))).as_ref()?.text(0)
    }

    fn cnf(&self) -> Option<Terminated<'_>> {
        self.cnf.get_or_init(|| Some(Texts::of(&[&self.token.cnf()?]))).as_ref()?.text(0)
    }
}

/// Verifies an access token that this server minted, as of now: signature and expiry, and then the policy, directory,
/// clients and revocations of this moment.
///
/// A token that is bound to a key or a certificate needs its proof with each request.
///
/// On IDJAG_OK `*verified` is yours. IDJAG_REFUSED: answer with `http_status` and idjag_challenge. Cheap when the same token
/// comes again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verify(
    exchange: *const Handle,
    presented: *const Presented,
    verified: *mut *mut Verified,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("verified", verified)?;
        let engine = caller.engine(exchange)?;
        let presented = caller.structure(presented)?;
        let token = caller.bytes("token", presented.token, presented.token_length)?;
        let resource = caller.words("resource", presented.resource, presented.resource_length)?;
        let method = caller.optional_words("method", presented.method, presented.method_length)?;
        let url = caller.optional_words("url", presented.url, presented.url_length)?;
        let certificate = (presented.client_certificate, presented.client_certificate_length);
        let request = ResourceRequest {
            token,
            resource: &resource,
            dpop: caller.optional_bytes("dpop", presented.dpop, presented.dpop_length)?,
            method: method.as_deref().unwrap_or_default(),
            url: url.as_deref().unwrap_or_default(),
            client_certificate: caller.optional_bytes("client_certificate", certificate.0, certificate.1)?,
        };
        place.put(Verified::from(engine.verify_request(&request)?));
        Ok(())
    })
}

impl<'c> Caller<'c> {
    fn verified_text(
        self,
        verified: *const Verified,
        length: *mut usize,
        text: impl FnOnce(&'c Verified) -> Option<Terminated<'c>>,
    ) -> *const c_char {
        let text = self.object("verified", verified).ok().and_then(text);
        self.hand_out(text, length)
    }
}

/// `sub`, as the IdP wrote it. Ends in NUL, and may have others within; until the object is freed. `length` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_subject(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(SUBJECT))))
}

/// The issuer identifier of the IdP that vouched for the person. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_idp(verified: *const Verified, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(IDP))))
}

/// The tenant at that IdP; NULL: none. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_tenant(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(TENANT))))
}

/// The client that the token was issued to. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_client_id(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(CLIENT_ID))))
}

/// The scopes that the token carries and the policy still grants: separated by spaces, never empty. As
/// idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_scope(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(SCOPE))))
}

/// The resource. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_resource(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(RESOURCE))))
}

/// The token's `jti`, for IDJAG_REVOKE_TOKEN. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_jti(verified: *const Verified, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(JTI))))
}

/// `DPoP` where the token is bound to a key, otherwise `Bearer`. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_token_type(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, |who| who.text(TOKEN_TYPE))))
}

/// What the token is bound to, JSON (RFC 7800 section 3.1); NULL: nothing. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_cnf(verified: *const Verified, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, Verified::cnf)))
}

/// How many of the person's groups a grant names today.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_group_count(verified: *const Verified) -> usize {
    boundary!(or 0, |caller| caller.object("verified", verified).map(|who| who.texts.len() - GROUPS))
}

/// One of those groups, counted from 0; NULL beyond the last. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_group(
    verified: *const Verified,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        Ok(caller.verified_text(verified, length, |who| who.text(index.checked_add(GROUPS)?)))
    })
}

/// When it was issued, in seconds since 1970. 0 where `verified` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_issued_at(verified: *const Verified) -> i64 {
    boundary!(or 0, |caller| caller.object("verified", verified).map(|who| who.token.issued_at()))
}

/// When it expires, in seconds since 1970. 0 where `verified` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_expires_at(verified: *const Verified) -> i64 {
    boundary!(or 0, |caller| caller.object("verified", verified).map(|who| who.token.expires_at()))
}

/// Who acts for the person, JSON (RFC 8693 section 4.1); NULL: nobody. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_act(verified: *const Verified, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, Verified::act)))
}

/// Every claim of the token, as it was minted, JSON. As idjag_verified_subject.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_claims(
    verified: *const Verified,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.verified_text(verified, length, Verified::claims)))
}

/// Frees it. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_verified_free(verified: *mut Verified) {
    boundary!(or(), |caller| {
        drop(caller.take(verified));
        Ok(())
    });
}
