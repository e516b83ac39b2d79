//! The closed list of signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 9864), and the type of key that each
//! needs.
//!
//! `none` is not on it, and never will be; neither is any algorithm for encryption. What a name stands for is decided
//! here alone: the header of a token only ever picks among the algorithms that its key was parsed for.

use std::fmt;

/// A signature algorithm, by its name in the IANA registry "JSON Web Signature and Encryption Algorithms".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets.
    PS256,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 octets.
    PS384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 octets.
    PS512,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// ECDSA with P-384 and SHA-384.
    ES384,
    /// ECDSA with P-521 and SHA-512.
    ES512,
    /// EdDSA (RFC 8037); the curve is always Ed25519 here.
    EdDSA,
    /// EdDSA with Ed25519 under its fully specified name (RFC 9864): a name of its own, the same signature.
    Ed25519,
    /// HMAC with SHA-256. Never for an assertion: only for tokens that this server alone mints and verifies.
    HS256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
        Self::HS256,
    ];

    /// The name as it stands in `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::HS256 => "HS256",
        }
    }

    /// The algorithm of this name. Names are compared byte for byte: `rs256` is no algorithm.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Whether the key that verifies also signs.
    pub const fn is_symmetric(self) -> bool {
        matches!(self.key_type(), KeyType::Secret)
    }

    pub(crate) const fn key_type(self) -> KeyType {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => KeyType::Rsa,
            Self::ES256 => KeyType::P256,
            Self::ES384 => KeyType::P384,
            Self::ES512 => KeyType::P521,
            Self::EdDSA | Self::Ed25519 => KeyType::Ed25519,
            Self::HS256 => KeyType::Secret,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A type of key: `kty`, and `crv` where the type has curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

impl KeyType {
    pub(crate) const fn kty(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 | Self::P384 | Self::P521 => "EC",
            Self::Ed25519 => "OKP",
            Self::Secret => "oct",
        }
    }

    pub(crate) const fn crv(self) -> Option<&'static str> {
        match self {
            Self::Rsa | Self::Secret => None,
            Self::P256 => Some("P-256"),
            Self::P384 => Some("P-384"),
            Self::P521 => Some("P-521"),
            Self::Ed25519 => Some("Ed25519"),
        }
    }

    /// The JWK members that hold the public key, in alphabetical order (RFC 7518 section 6, RFC 8037 section 2).
    pub(crate) const fn public_members(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["e", "n"],
            Self::P256 | Self::P384 | Self::P521 => &["x", "y"],
            Self::Ed25519 => &["x"],
            Self::Secret => &[],
        }
    }

    /// The JWK members that hold the secret.
    pub(crate) const fn private_members(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["d", "p", "q", "dp", "dq", "qi"],
            Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 => &["d"],
            Self::Secret => &["k"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_its_own_and_is_found_in_its_exact_case_only() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(*algorithm));
            assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), None);
            assert_eq!(Algorithm::from_name(&format!("{algorithm} ")), None);
        }
        for refused in ["none", "None", "", "RS1", "HS384", "HS512", "ES256K", "Ed448", "RSA-OAEP", "dir"] {
            assert_eq!(Algorithm::from_name(refused), None, "{refused}");
        }
    }

    #[test]
    fn one_algorithm_is_symmetric() {
        let symmetric: Vec<_> = Algorithm::ALL.iter().filter(|algorithm| algorithm.is_symmetric()).collect();
        assert_eq!(symmetric, [&Algorithm::HS256]);
    }
}
