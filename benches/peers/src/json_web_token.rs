//! jsonwebtoken, over aws-lc-rs.

use idjag::Algorithm;
use idjag_benches::Failure;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::Deserialize;

use crate::claims::{Actor, Claims};
use crate::peer::Library;
use crate::setup::{Own, Trusted};

pub(crate) struct JsonWebToken {
    typ: &'static str,
    verifies_with: DecodingKey,
    validation: Validation,
    header: Header,
    signs_with: EncodingKey,
}

#[derive(Deserialize)]
pub(crate) struct Read {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    iat: u64,
    exp: u64,
    client_id: String,
    scope: String,
    resource: Option<String>,
    email: Option<String>,
    sub_profile: Option<String>,
    act: Option<Actor>,
}

fn algorithm(algorithm: Algorithm) -> Result<jsonwebtoken::Algorithm, Failure> {
    Ok(algorithm.name().parse()?)
}

impl Library for JsonWebToken {
    const NAME: &'static str = "jsonwebtoken (aws-lc-rs)";
    type Act = Actor;
    type Verified = Read;

    fn new(trusted: &Trusted, own: &Own) -> Result<Self, Failure> {
        let mut validation = Validation::new(algorithm(trusted.algorithm)?);
        validation.set_issuer(&[&trusted.issuer]);
        validation.set_audience(&[&trusted.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let mut header = Header::new(algorithm(own.algorithm)?);
        header.typ = Some(own.typ.to_owned());
        header.kid = Some(own.kid.clone());
        let pem = own.pem.as_bytes();
        Ok(Self {
            typ: trusted.typ,
            verifies_with: DecodingKey::from_jwk(&serde_json::from_str(&trusted.jwk)?)?,
            validation,
            header,
            signs_with: match own.algorithm {
                Algorithm::RS256 => EncodingKey::from_rsa_pem(pem)?,
                Algorithm::ES256 => EncodingKey::from_ec_pem(pem)?,
                _ => EncodingKey::from_ed_pem(pem)?,
            },
        })
    }

    fn verify(&self, token: &str) -> Option<Read> {
        let read = decode::<Read>(token, &self.verifies_with, &self.validation).ok()?;
        (read.header.typ.as_deref() == Some(self.typ)).then_some(read.claims)
    }

    fn claims(read: &Read) -> Option<Claims<'_, Actor>> {
        Some(Claims {
            issuer: &read.iss,
            subject: &read.sub,
            audience: &read.aud,
            id: &read.jti,
            issued_at: read.iat,
            expires_at: read.exp,
            client_id: &read.client_id,
            scope: &read.scope,
            resource: read.resource.as_deref(),
            email: read.email.as_deref(),
            sub_profile: read.sub_profile.as_deref(),
            idp: None,
            groups: &[],
            act: read.act.as_ref(),
        })
    }

    fn mint(&self, claims: &Claims<'_, Actor>) -> Option<String> {
        encode(&self.header, claims, &self.signs_with).ok()
    }
}
