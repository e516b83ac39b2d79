//! The signature alone, by the crypto library that idjag and jsonwebtoken both use: what neither can do without.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64_simd::URL_SAFE_NO_PAD;
use idjag_benches::Failure;

use crate::setup::{Trusted, member};

/// A public key, parsed once.
pub(crate) struct Bare(ParsedPublicKey);

impl Bare {
    /// The key of those who are trusted.
    pub(crate) fn new(trusted: &Trusted) -> Result<Self, Failure> {
        let jwk: serde_json::Value = serde_json::from_str(&trusted.jwk)?;
        let member = |name: &str| member(&jwk, name);
        Ok(Self(match jwk.get("kty").and_then(serde_json::Value::as_str) {
            Some("RSA") => {
                let public = PublicKeyComponents { n: member("n")?, e: member("e")? };
                public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?
            }
            Some("EC") => {
                let point = [vec![4], member("x")?, member("y")?].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?
            }
            _ => ParsedPublicKey::new(&ED25519, member("x")?)?,
        }))
    }

    /// Decodes the signature and verifies it. Nothing is read.
    pub(crate) fn verifies(&self, token: &str) -> bool {
        let Some((message, signature)) = token.rsplit_once('.') else { return false };
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature);
        signature.is_ok_and(|signature| self.0.verify_sig(message.as_bytes(), &signature).is_ok())
    }
}
