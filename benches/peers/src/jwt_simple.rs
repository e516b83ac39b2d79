//! jwt-simple as it comes: RSA over BoringSSL, P-256 and Ed25519 in Rust.

use ::jwt_simple::claims::JWTClaims;
use ::jwt_simple::common::{HeaderOptions, VerificationOptions};
use ::jwt_simple::prelude::{
    Claims as JwtClaims, Duration, ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ES256KeyPair,
    ES256PublicKey, Ed25519KeyPair, Ed25519PublicKey, EdDSAKeyPairLike as _, EdDSAPublicKeyLike as _,
    RS256KeyPair, RS256PublicKey, RSAKeyPairLike as _, RSAPublicKeyLike as _, UnixTimeStamp,
};
use idjag::Algorithm;
use idjag_benches::Failure;
use serde::{Deserialize, Serialize};

use crate::claims::{Actor, Claims};
use crate::peer::Library;
use crate::setup::{Own, Trusted};

pub(crate) struct JwtSimple {
    verifies_with: PublicKey,
    expected: VerificationOptions,
    signs_with: KeyPair,
    header: HeaderOptions,
}

enum PublicKey {
    Rs256(RS256PublicKey),
    Es256(ES256PublicKey),
    Ed25519(Ed25519PublicKey),
}

enum KeyPair {
    Rs256(Box<RS256KeyPair>),
    Es256(ES256KeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The claims that the library does not know.
#[derive(Deserialize)]
pub(crate) struct Read {
    client_id: String,
    scope: String,
    resource: Option<String>,
    email: Option<String>,
    sub_profile: Option<String>,
    act: Option<Actor>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Written<'c> {
    client_id: &'c str,
    scope: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_profile: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<&'c str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'c [&'c str],
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'c Actor>,
}

impl Library for JwtSimple {
    const NAME: &'static str = "jwt-simple (RSA: BoringSSL; P-256, Ed25519: Rust)";
    type Act = Actor;
    type Verified = JWTClaims<Read>;

    fn new(trusted: &Trusted, own: &Own) -> Result<Self, Failure> {
        let (public, private) = (&trusted.jwk, &own.jwk);
        Ok(Self {
            verifies_with: match trusted.algorithm {
                Algorithm::RS256 => PublicKey::Rs256(RS256PublicKey::from_jwk(public)?),
                Algorithm::ES256 => PublicKey::Es256(ES256PublicKey::from_jwk(public)?),
                _ => PublicKey::Ed25519(Ed25519PublicKey::from_jwk(public)?),
            },
            expected: VerificationOptions {
                required_signature_type: Some(trusted.typ.to_owned()),
                allowed_issuers: Some([trusted.issuer.clone()].into()),
                allowed_audiences: Some([trusted.audience.clone()].into()),
                ..VerificationOptions::default()
            },
            signs_with: match own.algorithm {
                Algorithm::RS256 => KeyPair::Rs256(Box::new(RS256KeyPair::from_jwk(private)?)),
                Algorithm::ES256 => KeyPair::Es256(ES256KeyPair::from_jwk(private)?),
                _ => KeyPair::Ed25519(Ed25519KeyPair::from_jwk(private)?),
            },
            header: HeaderOptions { content_type: None, signature_type: Some(own.typ.to_owned()) },
        })
    }

    fn verify(&self, token: &str) -> Option<JWTClaims<Read>> {
        let expected = Some(self.expected.clone());
        match &self.verifies_with {
            PublicKey::Rs256(key) => key.verify_token(token, expected),
            PublicKey::Es256(key) => key.verify_token(token, expected),
            PublicKey::Ed25519(key) => key.verify_token(token, expected),
        }
        .ok()
    }

    fn claims(read: &JWTClaims<Read>) -> Option<Claims<'_, Actor>> {
        Some(Claims {
            issuer: read.issuer.as_deref()?,
            subject: read.subject.as_deref()?,
            audience: "", // it was checked, and nobody asks
            id: read.jwt_id.as_deref()?,
            issued_at: read.issued_at?.as_secs(),
            expires_at: read.expires_at?.as_secs(),
            client_id: &read.custom.client_id,
            scope: &read.custom.scope,
            resource: read.custom.resource.as_deref(),
            email: read.custom.email.as_deref(),
            sub_profile: read.custom.sub_profile.as_deref(),
            idp: None,
            groups: &[],
            act: read.custom.act.as_ref(),
        })
    }

    fn mint(&self, claims: &Claims<'_, Actor>) -> Option<String> {
        let written = Written {
            client_id: claims.client_id,
            scope: claims.scope,
            resource: claims.resource,
            email: claims.email,
            sub_profile: claims.sub_profile,
            idp: claims.idp,
            groups: claims.groups,
            act: claims.act,
        };
        let lifetime = Duration::from_secs(claims.expires_at.checked_sub(claims.issued_at)?);
        let mut all = JwtClaims::with_custom_claims(written, lifetime)
            .with_issuer(claims.issuer)
            .with_subject(claims.subject)
            .with_audience(claims.audience)
            .with_jwt_id(claims.id);
        all.issued_at = Some(UnixTimeStamp::from_secs(claims.issued_at));
        all.expires_at = Some(UnixTimeStamp::from_secs(claims.expires_at));
        all.invalid_before = None;
        match &self.signs_with {
            KeyPair::Rs256(key) => key.sign_with_options(all, &self.header),
            KeyPair::Es256(key) => key.sign_with_options(all, &self.header),
            KeyPair::Ed25519(key) => key.sign_with_options(all, &self.header),
        }
        .ok()
    }
}
