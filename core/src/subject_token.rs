//! An ID token on its way in, as the subject token of a token exchange (OIDC Core sections 2 and 3.1.3.7, RFC 8693
//! section 2.1, draft-ietf-oauth-identity-assertion-authz-grant section 4.3.3).
//!
//! It must have been issued to the client that asks, to that one alone, by an issuer that is written down. Nonces and
//! `at_hash` are the client's to check. It is not spent: until it expires it may be presented again.

use crate::alg::Algorithm;
use crate::base64url;
use crate::claims::{Claims, GroupsClaim};
use crate::config::{Limits, Trust};
use crate::json::{Document, Memory, Object, Parser, Value};
use crate::jws::{Compact, Header};
use crate::keyring::Keyring;
use crate::reason::Reason;
use crate::record::Event;

/// The one `typ` that an ID token may have beside none. An ID-JAG or an access token is never one.
pub(crate) const TYP: &str = "JWT";

/// The memory that one ID token needs while it is looked at.
#[derive(Default)]
pub(crate) struct Slot {
    parser: Parser,
    header_memory: Memory,
    memory: Memory,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A token that was read. Nothing in it is believed.
pub(crate) struct Presented<'a> {
    signing_input: &'a [u8],
    alg: Algorithm,
    kid: Option<&'a str>,
    signature: &'a [u8],
    payload: Document<'a, 'a>,
}

/// What an ID token is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'s> {
    pub(crate) keyring: &'s Keyring,
    pub(crate) limits: &'s Limits,
    /// The authenticated client.
    pub(crate) client_id: &'s str,
    pub(crate) now: i64,
}

/// Whom an issuer vouches for, to this client and at this time. [`Presented::verify`] alone makes one.
pub(crate) struct SignedIn<'p, 's, 'i> {
    pub(crate) issuer: &'i str,
    pub(crate) idp: &'s Trust,
    pub(crate) subject: &'i str,
    /// Part of who it is: the same `sub` in another tenant is somebody else.
    pub(crate) tenant: Option<&'s str>,
    pub(crate) groups: GroupsClaim<'p, 'i>,
    claims: Claims<'p, 'i>,
    all: Object<'p, 'i>,
}

impl<'a> Presented<'a> {
    /// Reads a token of at most `max_bytes`. Linear in its length.
    pub(crate) fn read(token: &'a str, max_bytes: usize, slot: &'a mut Slot) -> Result<Self, Reason> {
        let malformed = |_| Reason::SubjectTokenMalformed;
        if token.len() > max_bytes {
            return Err(Reason::SubjectTokenMalformed);
        }
        let compact = Compact::split(token.as_bytes()).map_err(malformed)?;
        let Slot { parser, header_memory, memory, header, payload, signature } = slot;
        let unreadable = |_| Reason::SubjectTokenMalformed;
        let header = base64url::decode_into(compact.header, header).map_err(unreadable)?;
        let payload = base64url::decode_into(compact.payload, payload).map_err(unreadable)?;
        let signature = base64url::decode_into(compact.signature, signature).map_err(unreadable)?;
        let Header { alg, kid } = {
            let header =
                Document::read(header, parser, header_memory).map_err(|_| Reason::SubjectTokenMalformed)?;
            Header::read(&header, |typ| typ.is_none_or(|typ| typ == TYP)).map_err(|reason| match reason {
                Reason::TypInvalid => Reason::SubjectTokenNotIdToken,
                Reason::AlgNotAllowed => Reason::SubjectTokenAlgNotAllowed,
                _ => Reason::SubjectTokenMalformed,
            })?
        };
        let payload = Document::read(payload, parser, memory).map_err(|_| Reason::SubjectTokenMalformed)?;
        Ok(Self { signing_input: compact.signing_input, alg, kid, signature, payload })
    }

    /// Checks everything, the signature last. `event` notes what was read.
    pub(crate) fn verify<'p, 's, 'e>(
        &'p self,
        rules: &Rules<'s>,
        event: &mut Event<'e>,
    ) -> Result<SignedIn<'p, 's, 'a>, Reason>
    where
        'a: 'e,
        's: 'e,
    {
        let malformed = |_| Reason::SubjectTokenMalformed;
        let all = self.payload.object();
        let claims = Claims::find(all);
        event.kid = self.kid;
        event.alg = self.alg.name();
        let issuer = claims.issuer().map_err(malformed)?;
        event.issuer = issuer;
        let trusted = rules.keyring.trusted(issuer).filter(|trusted| trusted.idp.enabled);
        let trusted = trusted.ok_or(Reason::SubjectTokenIssuerUntrusted)?;
        let idp = trusted.idp;
        if !idp.algorithms.contains(&self.alg) {
            return Err(Reason::SubjectTokenAlgNotAllowed);
        }
        if !is_for(rules.client_id, &claims, all) {
            return Err(Reason::SubjectTokenAudience);
        }
        rules.check_time(&claims, idp, event)?;
        let subject = claims.subject().map_err(malformed)?;
        event.subject = subject;
        let tenant = idp.tenants.first().map(String::as_str);
        event.tenant = tenant;
        if claims.tenant().map_err(malformed)?.is_some_and(|said| tenant != Some(said)) {
            return Err(Reason::SubjectTokenTenant);
        }
        let groups = if idp.groups.from_claim() {
            claims.groups(&idp.groups.claim).map_err(malformed)?
        } else {
            GroupsClaim::Absent
        };
        let key = trusted.keys.and_then(|keys| keys.select(self.kid, self.alg).ok());
        if !key.is_some_and(|key| key.verify(self.alg, self.signing_input, self.signature)) {
            return Err(Reason::SubjectTokenSignature);
        }
        event.signature_valid = true;
        Ok(SignedIn { issuer, idp, subject, tenant, groups, claims, all })
    }
}

/// Whether the token was issued to this client and no other: one `aud`, and no other `azp`. A token of several
/// audiences is refused whatever its `azp` says, since others hold it as well.
fn is_for(client_id: &str, claims: &Claims<'_, '_>, all: Object<'_, '_>) -> bool {
    claims.audience().is_ok_and(|audience| audience == client_id)
        && all.member("azp").is_none_or(|azp| azp.string() == Some(client_id))
}

impl Rules<'_> {
    /// The times (OIDC Core section 3.1.3.7, rules 9 and 10), with our leeway.
    fn check_time(&self, claims: &Claims<'_, '_>, idp: &Trust, event: &mut Event<'_>) -> Result<(), Reason> {
        let malformed = |_| Reason::SubjectTokenMalformed;
        let expires = claims.expires().map_err(malformed)?;
        let issued = claims.issued().map_err(malformed)?;
        (event.issued_at, event.expires_at) = (Some(issued.floor()), Some(expires.floor()));
        let not_before = claims.not_before().map_err(malformed)?;
        let latest = self.now.saturating_add(self.limits.leeway_s);
        let earliest = self.now.saturating_sub(self.limits.leeway_s);
        if expires.floor() <= earliest
            || issued.ceil() > latest
            || not_before.is_some_and(|date| date.ceil() > latest)
            || earliest.saturating_sub(issued.floor()) > idp.max_lifetime_s
        {
            return Err(Reason::SubjectTokenTime);
        }
        Ok(())
    }
}

impl<'p, 'i> SignedIn<'p, '_, 'i> {
    /// `email`, unless the issuer says that nobody has verified it.
    pub(crate) fn email(&self) -> Option<&'i str> {
        let unverified = self.all.member("email_verified").is_some_and(|said| said.boolean() != Some(true));
        self.claims.email().filter(|_| !unverified)
    }

    /// A claim about how the person signed in, as it stands.
    pub(crate) fn sign_in(&self, name: &str) -> Option<Value<'p, 'i>> {
        self.all.member(name)
    }
}
