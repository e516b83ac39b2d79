//! An ID-JAG on its way in (draft-ietf-oauth-identity-assertion-authz-grant section 4.4.1, RFC 7523 section 3).
//!
//! Three types, each made only from the one before:
//! [`Presented`] was read and nothing in it is believed; [`Plausible`] holds nothing that would refuse it whoever
//! signed it; [`Assertion`] was also signed by the IdP that it names. Everything that is cheap is checked before the
//! signature, because a refusal does not depend on who wrote the token. No acceptance does either: only
//! [`Plausible::verify`] makes an [`Assertion`].

use crate::base64url;
use crate::claims::{Claims, GroupsClaim};
use crate::clients::Clients;
use crate::config::{Limits, Reach, SubjectKind, Trust};
use crate::crypto;
use crate::json::{Document, Memory, Parser, Value};
use crate::jwks::NoKey;
use crate::jws::{Compact, Header};
use crate::key::VerifyingKey;
use crate::keyring::{Keyring, Trusted};
use crate::known_header::KnownHeader;
use crate::mint;
use crate::possession::{Confirmation, Possession};
use crate::reason::Reason;
use crate::record::Event;
use crate::scope::Scope;

/// The header's `typ`, to the byte (draft section 3.1).
pub(crate) const TYP: &str = "oauth-id-jag+jwt";

/// The values of `typ` that a client assertion may have beside none (RFC 7523 says nothing of it).
const CLIENT_TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// What a token is to be, by its header's `typ`. None of them is ever taken for another (RFC 8725 section 3.11).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    IdJag,
    AccessToken,
    ClientAssertion,
}

impl Kind {
    pub(crate) fn admits(self, typ: Option<&str>) -> bool {
        match self {
            Self::IdJag => typ == Some(TYP),
            Self::AccessToken => typ == Some(mint::TYP),
            Self::ClientAssertion => typ.is_none_or(|typ| CLIENT_TYPES.contains(&typ)),
        }
    }
}

/// The memory that one token needs while it is looked at. Reused, and never smaller than what it held before.
#[derive(Default)]
pub(crate) struct Slot {
    header: KnownHeader,
    payload: Vec<u8>,
    signature: Vec<u8>,
    memory: Memory,
}

/// Decodes one part of a token.
fn decode<'o>(part: &[u8], out: &'o mut Vec<u8>) -> Result<&'o [u8], Reason> {
    base64url::decode_into(part, out).map_err(|_| Reason::EncodingInvalid)
}

/// A token that was read. Nothing in it is believed.
pub(crate) struct Presented<'a> {
    compact: Compact<'a>,
    header: Header<'a>,
    signature: &'a [u8],
    payload: Document<'a, 'a>,
}

impl<'a> Presented<'a> {
    /// Reads a token of at most `max_bytes` that says it is of this kind. Linear in its length; no allocation once
    /// `slot` has grown to the size of the tokens that come and knows their header.
    pub(crate) fn read(
        token: &'a [u8],
        kind: Kind,
        max_bytes: usize,
        parser: &mut Parser,
        slot: &'a mut Slot,
    ) -> Result<Self, Reason> {
        if token.len() > max_bytes {
            return Err(Reason::AssertionTooLarge);
        }
        let compact = Compact::split(token)?;
        let Slot { header, payload, signature, memory } = slot;
        let header = header.read(compact.header, kind, parser, memory)?;
        if header.alg.is_symmetric() && kind == Kind::IdJag {
            return Err(Reason::AlgNotAllowed);
        }
        let payload = decode(compact.payload, payload)?;
        let signature = decode(compact.signature, signature)?;
        Ok(Self { compact, header, signature, payload: Document::read(payload, parser, memory)? })
    }

    /// The claims, unverified.
    pub(crate) fn claims(&self) -> Claims<'_, 'a> {
        Claims::find(self.payload.object())
    }

    pub(crate) fn header(&self) -> Header<'a> {
        self.header
    }

    /// Whether `key` signed this.
    pub(crate) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verify(self.header.alg, self.compact.signing_input, self.signature)
    }
}

/// What an assertion is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'s> {
    /// Our issuer identifier.
    pub(crate) issuer: &'s str,
    /// Further values of `aud` that mean us.
    pub(crate) audience_aliases: &'s [String],
    /// Our own tenants.
    pub(crate) tenants: &'s [String],
    pub(crate) limits: &'s Limits,
    pub(crate) keyring: &'s Keyring,
    pub(crate) clients: &'s Clients,
    /// When the single-use memory began, if assertions from before are refused.
    pub(crate) began: Option<i64>,
    pub(crate) now: i64,
}

/// A token that would be accepted if the IdP signed it.
pub(crate) struct Plausible<'p, 's, 'i> {
    presented: &'p Presented<'i>,
    assertion: Assertion<'p, 's, 'i>,
}

/// What the IdP signed, for this server, this client and this time.
pub(crate) struct Assertion<'p, 's, 'i> {
    pub(crate) trusted: Trusted<'s>,
    pub(crate) client_id: &'i str,
    pub(crate) client: Reach<'s>,
    pub(crate) issuer: &'i str,
    pub(crate) tenant: Option<&'i str>,
    pub(crate) subject: &'i str,
    /// The key into the directory: `sub`, `aud_sub` or the SAML name identifier, as the IdP is configured.
    pub(crate) directory_subject: &'i str,
    pub(crate) jti: &'i str,
    pub(crate) expires_at: i64,
    pub(crate) scope: Option<Scope<'i>>,
    pub(crate) email: Option<&'i str>,
    pub(crate) groups: GroupsClaim<'p, 'i>,
    pub(crate) resource: Option<Value<'p, 'i>>,
    /// `sub_id` as it stands, where it is the subject.
    pub(crate) sub_id: Option<Value<'p, 'i>>,
    pub(crate) act: Option<Value<'p, 'i>>,
    pub(crate) authorization_details: Option<Value<'p, 'i>>,
    /// What the token is bound to: what `cnf` asks for, and the key of a proof that came.
    pub(crate) bound_to: Confirmation,
    _witness: Witness,
}

/// Only this file can make one.
struct Witness;

impl<'p, 's, 'i> Plausible<'p, 's, 'i> {
    /// Checks everything but the signature, in the order of [`crate::Check`]. `possession` is what the request proves,
    /// `event` notes what was read.
    pub(crate) fn check<'e>(
        presented: &'p Presented<'i>,
        client_id: &str,
        possession: &Possession<'_>,
        rules: &Rules<'s>,
        event: &mut Event<'e>,
    ) -> Result<Self, Reason>
    where
        'i: 'e,
        's: 'e,
    {
        let claims = presented.claims();
        event.kid = presented.header.kid;
        event.alg = presented.header.alg.name();
        let issuer = claims.issuer()?;
        event.issuer = issuer;
        let trusted = rules.trusted(issuer)?;
        let idp = trusted.idp;
        if !idp.algorithms.contains(&presented.header.alg) {
            return Err(Reason::AlgNotAllowed);
        }
        let audience = claims.audience()?;
        if audience != rules.issuer && !rules.audience_aliases.iter().any(|alias| alias == audience) {
            return Err(Reason::AudienceMismatch);
        }
        let expires_at = rules.check_time(&claims, idp, event)?;

        let subject = claims.subject()?;
        event.subject = subject;
        let jti = claims.jti(rules.limits.max_jti_chars)?;
        let tenant = claims.tenant()?;
        event.tenant = tenant;
        if !idp.has_tenant(tenant) {
            return Err(Reason::TenantMismatch);
        }
        let aud_tenant = claims.aud_tenant()?;
        if !rules.tenants.is_empty()
            && aud_tenant.is_some_and(|ours| !rules.tenants.iter().any(|known| known == ours))
        {
            return Err(Reason::AudTenantUnknown);
        }
        let directory_subject = directory_subject(&claims, idp)?;
        let act = claims.act(rules.limits.max_act_depth)?;
        event.actor = act.and_then(Value::object).and_then(|act| act.member("sub")).and_then(Value::string);
        let bound_to = possession.bind(claims.confirmation()?)?;
        event.bound_to = bound_to.methods();
        let authorization_details = claims.authorization_details()?;
        let scope = claims.scope()?;
        event.scope_asserted = scope.map(Scope::as_str);
        let groups =
            if idp.groups.from_claim() { claims.groups(&idp.groups.claim)? } else { GroupsClaim::Absent };

        let client = rules.clients.reach(client_id)?;
        let claimed = claims.client_id()?;
        if claimed != client_id {
            return Err(Reason::ClientMismatch);
        }
        if !client.idps.admit(issuer) {
            return Err(Reason::ClientIssuerNotAllowed);
        }
        let assertion = Assertion {
            trusted,
            client_id: claimed,
            client,
            issuer,
            tenant,
            subject,
            directory_subject,
            jti,
            expires_at,
            scope,
            email: claims.email(),
            groups,
            resource: claims.resource(),
            sub_id: (idp.subject == SubjectKind::SubId).then(|| claims.sub_id()).flatten(),
            act,
            authorization_details,
            bound_to,
            _witness: Witness,
        };
        Ok(Self { presented, assertion })
    }

    /// The key that must have signed it.
    pub(crate) fn key(&self) -> Result<&'s VerifyingKey, Reason> {
        let keys = self.assertion.trusted.keys.ok_or(Reason::KeysUnavailable)?;
        let header = self.presented.header;
        keys.select(header.kid, header.alg).map_err(|none| match none {
            NoKey::Unknown => Reason::KidUnknown,
            NoKey::Unsuitable => Reason::KeyUnsuitable,
            NoKey::Ambiguous => Reason::KeyAmbiguous,
        })
    }

    /// Checks the signature. This and [`Self::verify_many`] are the only ways to an [`Assertion`].
    pub(crate) fn verify(self) -> Result<Assertion<'p, 's, 'i>, Reason> {
        let key = self.key()?;
        if self.presented.is_signed_by(key) { Ok(self.assertion) } else { Err(Reason::SignatureInvalid) }
    }

    /// Checks many signatures, each refusal staying in its place.
    pub(crate) fn verify_many(
        many: Vec<Result<Self, Reason>>,
    ) -> impl Iterator<Item = Result<Assertion<'p, 's, 'i>, Reason>> {
        let many: Vec<_> = many
            .into_iter()
            .map(|plausible| {
                let plausible = plausible?;
                let alg = plausible.presented.header.alg;
                let key = plausible.key()?.public_key(alg).ok_or(Reason::KeyUnsuitable)?;
                Ok::<_, Reason>((plausible, key))
            })
            .collect();
        let jobs: Vec<_> = many
            .iter()
            .flatten()
            .map(|(plausible, key)| {
                let presented = plausible.presented;
                (*key, presented.compact.signing_input, presented.signature)
            })
            .collect();
        let mut valid = Vec::with_capacity(jobs.len());
        crypto::verify_many(&jobs, &mut valid);
        let mut valid = valid.into_iter();
        many.into_iter().map(move |checked| {
            let (plausible, _) = checked?;
            // As many answers as jobs; a missing one would refuse.
            if valid.next() == Some(true) { Ok(plausible.assertion) } else { Err(Reason::SignatureInvalid) }
        })
    }
}

/// The key into the directory: the claim that the IdP is configured for (draft section 3.2).
pub(crate) fn directory_subject<'i>(claims: &Claims<'_, 'i>, idp: &Trust) -> Result<&'i str, Reason> {
    match idp.subject {
        SubjectKind::Sub => claims.subject(),
        SubjectKind::AudSub => claims.aud_sub(),
        SubjectKind::SubId => {
            let (saml_issuer, nameid) = claims.saml_nameid()?;
            if idp.saml_issuers.iter().any(|known| known == saml_issuer) {
                Ok(nameid)
            } else {
                Err(Reason::SubIdIssuerMismatch)
            }
        }
    }
}

impl<'s> Rules<'s> {
    fn trusted(&self, issuer: &str) -> Result<Trusted<'s>, Reason> {
        if issuer == self.issuer {
            return Err(Reason::IssuerIsSelf);
        }
        let trusted = self.keyring.trusted(issuer).ok_or(Reason::IssuerUntrusted)?;
        if trusted.idp.enabled { Ok(trusted) } else { Err(Reason::IssuerDisabled) }
    }

    /// The times (RFC 7523 section 3, rules 4 to 6), with our leeway. Returns `exp`.
    fn check_time(&self, claims: &Claims<'_, '_>, idp: &Trust, event: &mut Event<'_>) -> Result<i64, Reason> {
        let max_lifetime_s = idp.max_lifetime_s;
        let (expires, issued) = (claims.expires()?, claims.issued()?);
        (event.issued_at, event.expires_at) = (Some(issued.floor()), Some(expires.floor()));
        let not_before = claims.not_before()?;
        let latest = self.now.saturating_add(self.limits.leeway_s);
        let earliest = self.now.saturating_sub(self.limits.leeway_s);
        if expires.floor() <= earliest {
            return Err(Reason::Expired);
        }
        if issued.ceil() > latest {
            return Err(Reason::IssuedInFuture);
        }
        if not_before.is_some_and(|date| date.ceil() > latest) {
            return Err(Reason::NotYetValid);
        }
        let lifetime = expires.ceil().saturating_sub(issued.floor());
        if !(0..=max_lifetime_s).contains(&lifetime) {
            return Err(Reason::LifetimeExceeded);
        }
        if earliest.saturating_sub(issued.floor()) > max_lifetime_s {
            return Err(Reason::TooOld);
        }
        // Where an assertion may be used again, nothing was forgotten.
        let began = self.began.filter(|_| idp.single_use);
        if began.is_some_and(|began| issued.floor() < began.saturating_sub(self.limits.leeway_s)) {
            return Err(Reason::IssuedBeforeStart);
        }
        Ok(expires.floor())
    }
}
