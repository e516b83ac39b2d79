//! Whom a library trusts, and what it signs with. Keys are handed over as JWK (RFC 7517) or PEM and parsed once.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use idjag::{Algorithm, SigningKey};
use idjag_benches::Failure;

/// `typ` of an ID-JAG.
pub(crate) const ID_JAG: &str = "oauth-id-jag+jwt";
/// `typ` of an access token (RFC 9068).
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

/// Whose tokens are accepted, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    pub(crate) algorithm: Algorithm,
    /// The public key, as a JWK.
    pub(crate) jwk: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) typ: &'static str,
}

/// What tokens are signed with.
pub(crate) struct Own {
    pub(crate) algorithm: Algorithm,
    /// The private key, as a JWK.
    pub(crate) jwk: String,
    /// The same in PKCS#8, as PEM.
    pub(crate) pem: String,
    pub(crate) kid: String,
    pub(crate) typ: &'static str,
}

impl Own {
    /// The key that `key` is.
    pub(crate) fn of(key: &SigningKey, typ: &'static str) -> Result<Self, Failure> {
        let jwk = key.to_jwk().to_string();
        Ok(Self { algorithm: key.algorithm(), pem: pem(&jwk)?, jwk, kid: key.kid().to_owned(), typ })
    }

    /// A new one for `algorithm`.
    pub(crate) fn new(algorithm: Algorithm, typ: &'static str) -> Result<Self, Failure> {
        Self::of(&SigningKey::generate(algorithm)?, typ)
    }

    /// The public key, as a JWK.
    pub(crate) fn public_jwk(&self) -> Result<String, Failure> {
        Ok(SigningKey::from_jwk(self.jwk.as_bytes())?.public_jwk().ok_or("the key has no public half")?)
    }
}

fn pem(jwk: &str) -> Result<String, Failure> {
    let jwk: serde_json::Value = serde_json::from_str(jwk)?;
    let member = |name: &str| member(&jwk, name);
    let document = match jwk.get("kty").and_then(serde_json::Value::as_str) {
        Some("RSA") => {
            let components = rsa::KeyPairComponents {
                public_key: PublicKeyComponents { n: member("n")?, e: member("e")? },
                d: member("d")?,
                p: member("p")?,
                q: member("q")?,
                dP: member("dp")?,
                dQ: member("dq")?,
                qInv: member("qi")?,
            };
            let pair = rsa::KeyPair::from_components(&components)?;
            let document: Pkcs8V1Der<'_> = pair.as_der()?;
            document.as_ref().to_vec()
        }
        Some("EC") => {
            let point = [vec![4], member("x")?, member("y")?].concat();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &member("d")?, &point)?;
            pair.to_pkcs8v1()?.as_ref().to_vec()
        }
        _ => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&member("d")?, &member("x")?)?;
            pair.to_pkcs8v1()?.as_ref().to_vec()
        }
    };
    let text = STANDARD.encode_to_string(document);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line)?);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

/// The octets of a member of a JWK.
pub(crate) fn member(jwk: &serde_json::Value, name: &str) -> Result<Vec<u8>, Failure> {
    let text = jwk.get(name).and_then(serde_json::Value::as_str).ok_or("the JWK lacks a member")?;
    Ok(URL_SAFE_NO_PAD.decode_to_vec(text)?)
}
