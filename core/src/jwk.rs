//! One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037): read it, or say why it is refused.
//!
//! Certificates (`x5c`, `x5t`, `x5u`) are ignored: trust comes from where the key was fetched. Encrypted keys and keys
//! for encryption are refused. So is a key that says less or more than it should: what is doubtful in a key is not
//! guessed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyType};
use crate::base64url;
use crate::crypto::{self, Octets, PublicKey, Refused};
use crate::key::{SigningKey, VerifyingKey};

/// Why a key is refused. Never carries a part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not a JSON object.
    NotAnObject,
    /// A member stands twice.
    DuplicateMember,
    /// This member is missing.
    Missing(&'static str),
    /// This member has the wrong JSON type.
    WrongType(&'static str),
    /// This member is not canonical, unpadded base64url.
    Encoding(&'static str),
    /// `kty` is none of `RSA`, `EC` and `OKP`.
    KeyType,
    /// `crv` is none of `P-256`, `P-384`, `P-521` and `Ed25519`, or does not belong to `kty`.
    Curve,
    /// It is a symmetric key, which never verifies an assertion.
    Symmetric,
    /// It is a private key where a public one belongs.
    Private,
    /// `use` is not `sig`.
    Use,
    /// `key_ops` does not have `verify`, or `sign` for a signing key.
    KeyOperations,
    /// `alg` is not an algorithm of this library.
    AlgorithmUnknown,
    /// `alg` needs a key of another `kty` or `crv`.
    AlgorithmMismatch,
    /// `alg`, or every algorithm that the key fits, is not allowed here.
    AlgorithmNotAllowed,
    /// A number of an RSA key is empty or begins with a zero octet.
    LeadingZero,
    /// The RSA modulus is below 2048 bits.
    ModulusTooSmall,
    /// The RSA modulus is above 8192 bits, or above 4096 for a signing key.
    ModulusTooLarge,
    /// The RSA modulus is even.
    ModulusEven,
    /// The RSA modulus has the fingerprint of a generator whose keys can be factored (CVE-2017-15361, "ROCA").
    ModulusWeak,
    /// The RSA exponent is even, below 65537 or above 33 bits.
    Exponent,
    /// A coordinate or a secret does not have the length that its curve asks for.
    Length,
    /// The point is not on its curve, or is of small order.
    Point,
    /// The secret is shorter than 32 octets.
    SecretTooShort,
    /// The public and the private half do not belong together.
    Inconsistent,
    /// The RSA key has more than two primes.
    TooManyPrimes,
    /// The crypto provider in use does not have this algorithm, or this library does not sign with it.
    NotSupported,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(name) => return write!(f, "`{name}` is missing"),
            Self::WrongType(name) => return write!(f, "`{name}` has the wrong type"),
            Self::Encoding(name) => return write!(f, "`{name}` is not canonical, unpadded base64url"),
            Self::NotAnObject => "the key is not a JSON object",
            Self::DuplicateMember => "a member stands twice",
            Self::KeyType => "`kty` is unknown; allowed: `RSA`, `EC`, `OKP`",
            Self::Curve => {
                "`crv` is unknown or does not belong to `kty`; allowed: `P-256`, `P-384`, `P-521`, `Ed25519`"
            }
            Self::Symmetric => "a symmetric key (`oct`) never verifies an assertion",
            Self::Private => "a private key stands where a public one belongs; it must be taken as stolen",
            Self::Use => "`use` is not `sig`",
            Self::KeyOperations => "`key_ops` does not have what the key is wanted for",
            Self::AlgorithmUnknown => "`alg` is not a signature algorithm that is known here",
            Self::AlgorithmMismatch => "`alg` needs a key of another `kty` or `crv`",
            Self::AlgorithmNotAllowed => "no algorithm of this key is allowed here",
            Self::LeadingZero => "a number of the RSA key is empty or begins with a zero octet",
            Self::ModulusTooSmall => "the RSA modulus is below 2048 bits",
            Self::ModulusTooLarge => "the RSA modulus is above 8192 bits (4096 for signing)",
            Self::ModulusEven => "the RSA modulus is even",
            Self::ModulusWeak => "the RSA modulus comes from a generator whose keys can be factored (ROCA)",
            Self::Exponent => "the RSA exponent is even, below 65537 or above 33 bits",
            Self::Length => "a coordinate or a secret does not have the length that its curve asks for",
            Self::Point => "the point is not on its curve, or is of small order",
            Self::SecretTooShort => "the secret is shorter than 32 octets",
            Self::Inconsistent => "the public and the private half do not belong together",
            Self::TooManyPrimes => "the RSA key has more than two primes",
            Self::NotSupported => {
                "the crypto provider in use does not have this algorithm, or it is not for signing"
            }
        })
    }
}

impl std::error::Error for KeyProblem {}

impl From<Refused> for KeyProblem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::LeadingZero => Self::LeadingZero,
            Refused::ModulusTooSmall => Self::ModulusTooSmall,
            Refused::ModulusTooLarge => Self::ModulusTooLarge,
            Refused::ModulusEven => Self::ModulusEven,
            Refused::ModulusWeak => Self::ModulusWeak,
            Refused::Exponent => Self::Exponent,
            Refused::Length => Self::Length,
            Refused::Point => Self::Point,
            Refused::SecretTooShort => Self::SecretTooShort,
            Refused::Inconsistent => Self::Inconsistent,
            Refused::NotSupported | Refused::NoRandomness => Self::NotSupported,
        }
    }
}

/// A JWK whose members are known by name and not looked at yet.
pub(crate) struct Jwk<'a>(Object<'a>);

impl<'a> Jwk<'a> {
    /// Finds the members of a JSON object; none may stand twice (RFC 7517 section 4).
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, KeyProblem> {
        let object = Object::parse(text).ok_or(KeyProblem::NotAnObject)?;
        if object.duplicate {
            return Err(KeyProblem::DuplicateMember);
        }
        Ok(Self(object))
    }

    pub(crate) fn kid(&self) -> Result<Option<Zeroizing<String>>, KeyProblem> {
        self.string("kid")
    }

    /// The key, for each algorithm of `allowed` that it may be used with: for its `alg`, or without one for all
    /// that fit its `kty` and `crv`.
    pub(crate) fn verifying_key(&self, allowed: &[Algorithm]) -> Result<VerifyingKey, KeyProblem> {
        let key_type = self.public_key_type()?;
        self.check_use("verify")?;
        let algorithm = self.algorithm(key_type)?;
        let members = self.octets(key_type.public_members())?;
        let kid = self.kid()?;

        let mut fitting: Vec<Algorithm> = Vec::new();
        for candidate in allowed {
            let fits =
                algorithm.map_or(candidate.key_type() == key_type, |algorithm| algorithm == *candidate);
            if fits && !fitting.contains(candidate) {
                fitting.push(*candidate);
            }
        }
        if fitting.is_empty() {
            return Err(KeyProblem::AlgorithmNotAllowed);
        }
        let keys = PublicKey::for_each(&fitting, &members)?;
        Ok(VerifyingKey::new(kid.as_ref().map(|kid| kid.as_str()), keys))
    }

    /// The private key, for its `alg`, or without one for the algorithm that its type is minted with here.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, KeyProblem> {
        let key_type = self.key_type()?;
        self.check_use("sign")?;
        if self.0.members.contains_key("oth") {
            return Err(KeyProblem::TooManyPrimes);
        }
        let algorithm = match (self.algorithm(key_type)?, key_type) {
            (Some(algorithm), _) => algorithm,
            (None, KeyType::Ed25519) => Algorithm::EdDSA,
            (None, KeyType::P256) => Algorithm::ES256,
            (None, KeyType::Rsa) => Algorithm::RS256,
            (None, KeyType::Secret) => Algorithm::HS256,
            (None, KeyType::P384 | KeyType::P521) => return Err(KeyProblem::NotSupported),
        };
        let public = self.octets(key_type.public_members())?;
        let private = self.octets(key_type.private_members())?;
        let kid = self.kid()?;
        SigningKey::new(algorithm, kid.as_ref().map(|kid| kid.as_str()), public, private)
    }

    /// The SHA-256 thumbprint of a public key (RFC 7638 section 3). Whatever else the JWK says, one key has one.
    pub(crate) fn thumbprint(&self) -> Result<[u8; 32], KeyProblem> {
        let key_type = self.public_key_type()?;
        let members = self.octets(key_type.public_members())?;
        Ok(thumbprint(key_type, named(key_type.public_members(), &members)))
    }

    fn key_type(&self) -> Result<KeyType, KeyProblem> {
        let kty = self.string("kty")?.ok_or(KeyProblem::Missing("kty"))?;
        match kty.as_str() {
            "RSA" => return Ok(KeyType::Rsa),
            "oct" => return Ok(KeyType::Secret),
            "EC" | "OKP" => {}
            _ => return Err(KeyProblem::KeyType),
        }
        let crv = self.string("crv")?.ok_or(KeyProblem::Missing("crv"))?;
        [KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519]
            .into_iter()
            .find(|curve| curve.kty() == kty.as_str() && curve.crv() == Some(crv.as_str()))
            .ok_or(KeyProblem::Curve)
    }

    fn public_key_type(&self) -> Result<KeyType, KeyProblem> {
        const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        let key_type = self.key_type()?;
        if key_type == KeyType::Secret {
            return Err(KeyProblem::Symmetric);
        }
        if PRIVATE.iter().any(|name| self.0.members.contains_key(*name)) {
            return Err(KeyProblem::Private);
        }
        Ok(key_type)
    }

    /// The algorithm that the key names, which must be one for keys of its type (RFC 8725 section 3.1).
    fn algorithm(&self, key_type: KeyType) -> Result<Option<Algorithm>, KeyProblem> {
        let Some(name) = self.string("alg")? else {
            return Ok(None);
        };
        let algorithm = Algorithm::from_name(&name).ok_or(KeyProblem::AlgorithmUnknown)?;
        if algorithm.key_type() != key_type {
            return Err(KeyProblem::AlgorithmMismatch);
        }
        Ok(Some(algorithm))
    }

    fn check_use(&self, operation: &str) -> Result<(), KeyProblem> {
        if self.string("use")?.is_some_and(|usage| *usage != "sig") {
            return Err(KeyProblem::Use);
        }
        if let Some(value) = self.0.members.get("key_ops") {
            let operations: Vec<String> =
                serde_json::from_str(value.get()).map_err(|_| KeyProblem::WrongType("key_ops"))?;
            if !operations.iter().any(|listed| listed == operation) {
                return Err(KeyProblem::KeyOperations);
            }
        }
        Ok(())
    }

    fn string(&self, name: &'static str) -> Result<Option<Zeroizing<String>>, KeyProblem> {
        match self.0.members.get(name) {
            None => Ok(None),
            Some(value) => serde_json::from_str(value.get())
                .map(|text| Some(Zeroizing::new(text)))
                .map_err(|_| KeyProblem::WrongType(name)),
        }
    }

    fn octets(&self, names: &[&'static str]) -> Result<Vec<Octets>, KeyProblem> {
        names
            .iter()
            .map(|name| {
                let text = self.string(name)?.ok_or(KeyProblem::Missing(name))?;
                base64url::decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| KeyProblem::Encoding(name))
            })
            .collect()
    }
}

/// Names beside octets, which [`KeyType`] and [`crate::crypto`] keep in the same order.
pub(crate) fn named<'k>(
    names: &'static [&'static str],
    members: &'k [Octets],
) -> impl Iterator<Item = (&'static str, &'k [u8])> {
    names.iter().copied().zip(members.iter().map(|octets| octets.as_slice()))
}

/// The SHA-256 thumbprint of a key (RFC 7638 section 3): of its public members, or of a secret's `k`.
pub(crate) fn thumbprint<'k>(
    key_type: KeyType,
    members: impl Iterator<Item = (&'static str, &'k [u8])>,
) -> [u8; 32] {
    let mut required: Vec<(&str, Zeroizing<String>)> =
        members.map(|(name, octets)| (name, Zeroizing::new(base64url::encode(octets)))).collect();
    required.push(("kty", Zeroizing::new(key_type.kty().to_owned())));
    if let Some(crv) = key_type.crv() {
        required.push(("crv", Zeroizing::new(crv.to_owned())));
    }
    required.sort_unstable_by_key(|(name, _)| *name);

    let mut parts: Vec<&[u8]> = Vec::with_capacity(required.len() * 4 + 1);
    for (name, value) in &required {
        parts.push(if parts.is_empty() { b"{\"" } else { b"\",\"" });
        parts.push(name.as_bytes());
        parts.push(b"\":\"");
        parts.push(value.as_bytes());
    }
    parts.push(b"\"}");
    crypto::sha256(&parts)
}

/// A JSON object whose values are still text.
pub(crate) struct Object<'a> {
    pub(crate) members: BTreeMap<String, &'a RawValue>,
    /// Whether a name stands twice; the last one is then in `members`.
    pub(crate) duplicate: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object { members: BTreeMap::new(), duplicate: false };
                while let Some((name, value)) = map.next_entry()? {
                    object.duplicate |= object.members.insert(name, value).is_some();
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
pub(crate) mod examples {
    //! The keys that the RFCs print.

    /// RFC 7515 appendix A.1.1.
    pub(crate) const HS256: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

    /// RFC 7515 appendix A.2.1.
    pub(crate) const RS256: &str = r#"{"kty":"RSA",
        "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e":"AQAB",
        "d":"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
        "p":"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        "q":"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
        "dp":"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
        "dq":"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
        "qi":"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"}"#;

    /// RFC 7515 appendix A.3.1.
    pub(crate) const ES256: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    /// RFC 7515 appendix A.4.1.
    pub(crate) const ES512: &str = r#"{"kty":"EC","crv":"P-521",
        "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
        "d":"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C"}"#;

    /// RFC 8037 appendix A.1.
    pub(crate) const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    /// RFC 7638 section 3.1.
    pub(crate) const RSA_PUBLIC: &str = r#"{"kty":"RSA",
        "n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

    /// RFC 9449 section 4.1.
    pub(crate) const DPOP: &str = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;

    /// `text` with some members changed, or taken out where the new value is `null`.
    pub(crate) fn edited(text: &str, edits: &[(&str, serde_json::Value)]) -> String {
        let mut jwk: serde_json::Value = serde_json::from_str(text).unwrap();
        for (name, value) in edits {
            if value.is_null() {
                jwk.as_object_mut().unwrap().remove(*name);
            } else {
                jwk[*name] = value.clone();
            }
        }
        jwk.to_string()
    }

    /// The public half of one of the private keys above.
    pub(crate) fn public(text: &str) -> String {
        let private = ["d", "p", "q", "dp", "dq", "qi"];
        edited(text, &private.map(|name| (name, serde_json::Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::examples::{DPOP, ED25519, ES256, ES512, HS256, RS256, RSA_PUBLIC, edited, public};
    use super::*;

    fn verifying_key(text: &str, allowed: &[Algorithm]) -> Result<VerifyingKey, KeyProblem> {
        Jwk::parse(text.as_bytes())?.verifying_key(allowed)
    }

    fn problem(text: &str) -> Option<KeyProblem> {
        verifying_key(text, Algorithm::ALL).err()
    }

    fn algorithms(text: &str, allowed: &[Algorithm]) -> Vec<Algorithm> {
        verifying_key(text, allowed).unwrap().algorithms().collect()
    }

    #[test]
    fn what_is_not_asked_for_is_ignored() {
        for good in [&*public(RS256), &public(ES256), &public(ED25519), RSA_PUBLIC] {
            assert_eq!(problem(good), None, "{good}");
            let ignored = [
                ("use", json!("sig")),
                ("key_ops", json!(["encrypt", "verify"])),
                ("kid", json!("")),
                ("x5c", json!(17)),
                ("x5u", json!("https://evil.example")),
                ("ext", json!(true)),
            ];
            assert_eq!(problem(&edited(good, &ignored)), None, "{good}");
        }
    }

    /// Changes one member of each good key and compares the refusal.
    fn refused(cases: &[(&str, &str, Value, KeyProblem)]) {
        for (good, name, value, expected) in cases {
            let text = edited(good, &[(name, value.clone())]);
            assert_eq!(problem(&text), Some(*expected), "{text}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_key_whose_octets_are_not_right_is_refused() {
        let (rsa, ec, okp) = (&public(RS256), &public(ES256), &public(ED25519));
        let n = serde_json::from_str::<Value>(rsa).unwrap()["n"].as_str().unwrap().to_owned();
        let cut = |by: usize| json!(n.get(..n.len() - by));
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aw"; // One less.
        refused(&[
            (rsa, "n", Value::Null, KeyProblem::Missing("n")),
            (rsa, "e", Value::Null, KeyProblem::Missing("e")),
            (ec, "y", Value::Null, KeyProblem::Missing("y")),
            (okp, "x", Value::Null, KeyProblem::Missing("x")),
            (rsa, "e", json!(65537), KeyProblem::WrongType("e")),
            (rsa, "e", json!("AQAB="), KeyProblem::Encoding("e")),
            (rsa, "e", json!("Aw"), KeyProblem::Exponent),
            (rsa, "e", json!("AQAA"), KeyProblem::Exponent),
            (rsa, "e", json!("AAEAAQ"), KeyProblem::LeadingZero),
            (rsa, "e", json!(""), KeyProblem::LeadingZero),
            (rsa, "n", json!(format!("{n}=")), KeyProblem::Encoding("n")),
            (rsa, "n", json!(n.replace('_', "/")), KeyProblem::Encoding("n")),
            (rsa, "n", json!(format!(" {n}")), KeyProblem::Encoding("n")),
            (rsa, "n", cut(1), KeyProblem::Encoding("n")),
            (rsa, "n", cut(2), KeyProblem::ModulusTooSmall),
            (rsa, "n", json!(format!("AAAA{n}")), KeyProblem::LeadingZero),
            (ec, "y", json!(y), KeyProblem::Point),
            (okp, "x", json!("A".repeat(43)), KeyProblem::Point),
            (okp, "x", json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"), KeyProblem::Length),
            (rsa, "d", json!("AQ"), KeyProblem::Private),
            (rsa, "qi", json!(""), KeyProblem::Private),
            (rsa, "oth", json!([]), KeyProblem::Private),
            (ec, "d", json!(0), KeyProblem::Private),
            (okp, "d", json!("AQ"), KeyProblem::Private),
            (okp, "k", json!("AQ"), KeyProblem::Private),
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn a_key_for_something_else_is_refused() {
        let (rsa, ec, okp) = (&public(RS256), &public(ES256), &public(ED25519));
        refused(&[
            (rsa, "kty", Value::Null, KeyProblem::Missing("kty")),
            (rsa, "kty", json!(["RSA"]), KeyProblem::WrongType("kty")),
            (rsa, "kty", json!("rsa"), KeyProblem::KeyType),
            (rsa, "kty", json!("oct"), KeyProblem::Symmetric),
            (rsa, "kty", json!("EC"), KeyProblem::Missing("crv")),
            (ec, "kty", json!("OKP"), KeyProblem::Curve),
            (okp, "kty", json!("EC"), KeyProblem::Curve),
            (ec, "crv", json!("secp256k1"), KeyProblem::Curve),
            (ec, "crv", json!("P-384"), KeyProblem::Length),
            (okp, "crv", json!("Ed448"), KeyProblem::Curve),
            (okp, "crv", json!("X25519"), KeyProblem::Curve),
            (ec, "crv", json!(256), KeyProblem::WrongType("crv")),
            (rsa, "use", json!("enc"), KeyProblem::Use),
            (rsa, "use", json!("SIG"), KeyProblem::Use),
            (rsa, "use", json!(["sig"]), KeyProblem::WrongType("use")),
            (rsa, "key_ops", json!(["sign"]), KeyProblem::KeyOperations),
            (rsa, "key_ops", json!([]), KeyProblem::KeyOperations),
            (rsa, "key_ops", json!("verify"), KeyProblem::WrongType("key_ops")),
            (rsa, "kid", json!(7), KeyProblem::WrongType("kid")),
            (rsa, "alg", json!("RSA-OAEP"), KeyProblem::AlgorithmUnknown),
            (rsa, "alg", json!("none"), KeyProblem::AlgorithmUnknown),
            (rsa, "alg", json!("rs256"), KeyProblem::AlgorithmUnknown),
            (rsa, "alg", json!(true), KeyProblem::WrongType("alg")),
            (rsa, "alg", json!("HS256"), KeyProblem::AlgorithmMismatch),
            (rsa, "alg", json!("ES256"), KeyProblem::AlgorithmMismatch),
            (ec, "alg", json!("ES384"), KeyProblem::AlgorithmMismatch),
            (ec, "alg", json!("HS256"), KeyProblem::AlgorithmMismatch),
            (okp, "alg", json!("ES256"), KeyProblem::AlgorithmMismatch),
        ]);
    }

    #[test]
    fn what_is_no_object_or_says_something_twice_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "\"RSA\"",
            "[[\"kty\",\"RSA\"]]",
            "{",
            "{} {}",
            "{\"kty\":\"\\ud800\"",
            "\u{feff}{}",
        ] {
            assert_eq!(problem(text), Some(KeyProblem::NotAnObject), "{text}");
        }
        assert_eq!(Jwk::parse(b"{\"kty\":\"\xff\"}").err(), Some(KeyProblem::NotAnObject));
        let good = public(ED25519);
        for twice in ["\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",", "\"a\":1,\"\\u0061\":2,", "\"kty\":\"RSA\","] {
            let text = good.replacen('{', &format!("{{{twice}"), 1);
            assert_eq!(problem(&text), Some(KeyProblem::DuplicateMember), "{text}");
        }
        let nested =
            good.replacen('{', &format!("{{\"x5c\":{}{},", "[".repeat(50_000), "]".repeat(50_000)), 1);
        assert_eq!(problem(&nested), None);
    }

    #[test]
    fn a_key_is_bound_to_its_alg_or_to_what_fits_its_type() {
        let (rsa, ec, okp) = (public(RS256), public(ES256), public(ED25519));
        let rsa_algorithms = &Algorithm::ALL[..6];
        assert_eq!(algorithms(&rsa, Algorithm::ALL), rsa_algorithms);
        assert_eq!(algorithms(&ec, Algorithm::ALL), [Algorithm::ES256]);
        assert_eq!(algorithms(&okp, Algorithm::ALL), [Algorithm::EdDSA, Algorithm::Ed25519]);

        let allowed = [Algorithm::PS256, Algorithm::HS256, Algorithm::RS256, Algorithm::PS256];
        assert_eq!(algorithms(&rsa, &allowed), [Algorithm::PS256, Algorithm::RS256]);
        let named = |text: &str, alg: &str| edited(text, &[("alg", json!(alg))]);
        assert_eq!(algorithms(&named(&rsa, "PS512"), Algorithm::ALL), [Algorithm::PS512]);
        assert_eq!(algorithms(&named(&okp, "Ed25519"), Algorithm::ALL), [Algorithm::Ed25519]);
        assert_eq!(algorithms(&named(&okp, "EdDSA"), Algorithm::ALL), [Algorithm::EdDSA]);

        for (text, allowed) in [
            (&rsa, &[Algorithm::ES256, Algorithm::HS256][..]),
            (&rsa, &[]),
            (&named(&rsa, "RS512"), &[Algorithm::RS256]),
            (&named(&okp, "EdDSA"), &[Algorithm::Ed25519]),
        ] {
            let problem = verifying_key(text, allowed).err();
            assert_eq!(problem, Some(KeyProblem::AlgorithmNotAllowed), "{text}");
        }
    }

    #[test]
    fn a_public_key_is_never_a_secret() {
        // CVE-2026-44699, CVE-2026-48526, CVE-2026-22817, CVE-2015-9235: an RSA key without `alg` used for HS256.
        let rsa = public(RS256);
        let key = verifying_key(&rsa, Algorithm::ALL).unwrap();
        let modulus =
            base64url::decode(serde_json::from_str::<Value>(&rsa).unwrap()["n"].as_str().unwrap().as_bytes());
        for secret in [rsa.as_bytes(), &modulus.unwrap(), &[0; 32]] {
            let forger = edited(HS256, &[("k", json!(base64url::encode(secret)))]);
            let forger = SigningKey::from_jwk(forger.as_bytes()).unwrap();
            let mut out = [0; crypto::MAX_SIGNATURE];
            let signature = forger.sign(b"message", &mut out).unwrap();
            assert!(forger.verifying().verify(Algorithm::HS256, b"message", signature));
            for algorithm in Algorithm::ALL {
                assert!(!key.verify(*algorithm, b"message", signature), "{algorithm}");
            }
        }
        assert!(!key.supports(Algorithm::HS256));
        assert_eq!(problem(HS256), Some(KeyProblem::Symmetric));
        assert_eq!(problem(&edited(HS256, &[("k", json!(""))])), Some(KeyProblem::Symmetric));
        assert_eq!(problem(&edited(HS256, &[("alg", json!("RS256"))])), Some(KeyProblem::Symmetric));
    }

    #[test]
    fn p521_is_there_or_is_refused_by_name() {
        let expected = if cfg!(feature = "aws-lc-rs") { None } else { Some(KeyProblem::NotSupported) };
        assert_eq!(problem(&public(ES512)), expected);
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        for (text, expected) in [
            (RSA_PUBLIC, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"), // RFC 7638 section 3.1
            (&public(ED25519), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), // RFC 8037 appendix A.3
            (DPOP, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),       // RFC 9449 section 6.1
        ] {
            let jwk = Jwk::parse(text.as_bytes()).unwrap();
            assert_eq!(jwk.thumbprint().map(|digest| base64url::encode(&digest)).as_deref(), Ok(expected));
        }
        let jwk = Jwk::parse(ES256.as_bytes()).unwrap();
        assert_eq!(jwk.thumbprint(), Err(KeyProblem::Private));
    }

    #[test]
    fn texts_are_lower_case_and_have_no_full_stop() {
        for problem in
            [KeyProblem::Missing("n"), KeyProblem::KeyType, KeyProblem::Inconsistent, KeyProblem::Private]
        {
            let text = problem.to_string();
            assert!(
                text.starts_with(|c: char| c.is_lowercase() || c == '`') && !text.ends_with('.'),
                "{text}"
            );
        }
    }
}
