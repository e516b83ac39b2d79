//! josekit, over OpenSSL.

use std::time::{Duration, UNIX_EPOCH};

use ::josekit::Value;
use ::josekit::jwk::Jwk;
use ::josekit::jws::{ES256, EdDSA, JwsHeader, JwsSigner, JwsVerifier, RS256};
use ::josekit::jwt::{self, JwtPayload, JwtPayloadValidator};
use idjag::Algorithm;
use idjag_benches::Failure;

use crate::claims::Claims;
use crate::peer::Library;
use crate::setup::{Own, Trusted};

pub(crate) struct Josekit {
    typ: &'static str,
    verifies_with: Box<dyn JwsVerifier>,
    expected: JwtPayloadValidator,
    header: JwsHeader,
    signs_with: Box<dyn JwsSigner>,
}

impl Library for Josekit {
    const NAME: &'static str = "josekit (OpenSSL)";
    type Act = Value;
    type Verified = JwtPayload;

    fn new(trusted: &Trusted, own: &Own) -> Result<Self, Failure> {
        let (public, private) = (Jwk::from_bytes(&trusted.jwk)?, Jwk::from_bytes(&own.jwk)?);
        let mut expected = JwtPayloadValidator::new();
        expected.set_issuer(&trusted.issuer);
        expected.set_audience(&trusted.audience);
        let mut header = JwsHeader::new();
        header.set_token_type(own.typ);
        header.set_key_id(&own.kid);
        Ok(Self {
            typ: trusted.typ,
            verifies_with: match trusted.algorithm {
                Algorithm::RS256 => Box::new(RS256.verifier_from_jwk(&public)?),
                Algorithm::ES256 => Box::new(ES256.verifier_from_jwk(&public)?),
                _ => Box::new(EdDSA.verifier_from_jwk(&public)?),
            },
            expected,
            header,
            signs_with: match own.algorithm {
                Algorithm::RS256 => Box::new(RS256.signer_from_jwk(&private)?),
                Algorithm::ES256 => Box::new(ES256.signer_from_jwk(&private)?),
                _ => Box::new(EdDSA.signer_from_jwk(&private)?),
            },
        })
    }

    fn verify(&self, token: &str) -> Option<JwtPayload> {
        let (payload, header) = jwt::decode_with_verifier(token, &*self.verifies_with).ok()?;
        self.expected.validate(&payload).ok()?;
        (header.token_type() == Some(self.typ) && payload.expires_at().is_some()).then_some(payload)
    }

    fn claims(payload: &JwtPayload) -> Option<Claims<'_, Value>> {
        let text = |name| payload.claim(name).and_then(Value::as_str);
        let number = |name| payload.claim(name).and_then(Value::as_u64);
        Some(Claims {
            issuer: payload.issuer()?,
            subject: payload.subject()?,
            audience: text("aud")?,
            id: payload.jwt_id()?,
            issued_at: number("iat")?,
            expires_at: number("exp")?,
            client_id: text("client_id")?,
            scope: text("scope")?,
            resource: text("resource"),
            email: text("email"),
            sub_profile: text("sub_profile"),
            idp: None,
            groups: &[],
            act: payload.claim("act"),
        })
    }

    fn mint(&self, claims: &Claims<'_, Value>) -> Option<String> {
        let mut payload = JwtPayload::new();
        payload.set_issuer(claims.issuer);
        payload.set_subject(claims.subject);
        payload.set_audience(vec![claims.audience]);
        payload.set_jwt_id(claims.id);
        // `set_issued_at` writes a number with a fraction, which not everybody reads.
        payload.set_claim("iat", Some(claims.issued_at.into())).ok()?;
        payload.set_expires_at(&(UNIX_EPOCH + Duration::from_secs(claims.expires_at)));
        payload.set_claim("client_id", Some(claims.client_id.into())).ok()?;
        payload.set_claim("scope", Some(claims.scope.into())).ok()?;
        payload.set_claim("resource", claims.resource.map(Value::from)).ok()?;
        payload.set_claim("email", claims.email.map(Value::from)).ok()?;
        payload.set_claim("sub_profile", claims.sub_profile.map(Value::from)).ok()?;
        payload.set_claim("idp", claims.idp.map(Value::from)).ok()?;
        if !claims.groups.is_empty() {
            payload.set_claim("groups", Some(claims.groups.into())).ok()?;
        }
        payload.set_claim("act", claims.act.cloned()).ok()?;
        jwt::encode_with_signer(&payload, &self.header, &*self.signs_with).ok()
    }
}
