//! The keys that the rest of the library holds: one that verifies, and one that signs.
//!
//! A key is bound to its algorithms when it is made (RFC 8725 section 3.1): a token's header can pick among them and
//! nothing else. Reading and refusing a JWK is the work of [`crate::jwk`].

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyType};
use crate::base64url;
use crate::crypto::{MAX_SIGNATURE, Octets, PrivateKey, PublicKey, Refused, SigningFailed};
use crate::error::Error;
use crate::jwk::{self, Jwk, KeyProblem};

/// A `kid` in UTF-8. It lies in the key itself if it is no longer than a thumbprint (RFC 7638), as it is looked at each time.
type Kid = SmallVec<[u8; 48]>;

/// A key that verifies signatures, bound to the algorithms that it may be used with. A clone is the same key: what was worked
/// out for it is worked out once.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<Kid>,
    parsed: Arc<[(Algorithm, PublicKey)]>,
}

impl VerifyingKey {
    pub(crate) fn new(kid: Option<&str>, parsed: Vec<(Algorithm, PublicKey)>) -> Self {
        Self { kid: kid.map(|kid| Kid::from_slice(kid.as_bytes())), parsed: parsed.into() }
    }

    /// The key's `kid`, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid_octets().map(|kid| str::from_utf8(kid).unwrap_or_default())
    }

    /// The octets of the `kid`, which are in the order of the texts.
    pub(crate) fn kid_octets(&self) -> Option<&[u8]> {
        self.kid.as_deref()
    }

    /// Whether this key may be used with `algorithm`.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.public_key(algorithm).is_some()
    }

    /// The algorithms that this key may be used with.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.parsed.iter().map(|(algorithm, _)| *algorithm)
    }

    /// The key as it was parsed for `algorithm`.
    pub(crate) fn public_key(&self, algorithm: Algorithm) -> Option<&PublicKey> {
        self.parsed.iter().find(|(parsed_for, _)| *parsed_for == algorithm).map(|(_, key)| key)
    }

    /// Whether `signature` is by this key over `message`. False for an algorithm that the key was not parsed for.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.public_key(algorithm).is_some_and(|key| key.verify(message, signature))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<Algorithm> = self.algorithms().collect();
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid())
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

/// A key that signs: `EdDSA` (or `Ed25519`), `ES256`, `RS256` or `HS256`. Its secret octets are erased when it is
/// dropped. It can be shared among threads.
pub struct SigningKey {
    algorithm: Algorithm,
    private: PrivateKey,
    verifying: VerifyingKey,
    kid: Box<str>,
}

impl SigningKey {
    /// Makes a new key for `EdDSA`, `Ed25519`, `ES256`, `RS256` (2048 bits) or `HS256` (32 octets). Its `kid` is its
    /// thumbprint (RFC 7638).
    ///
    /// With the crypto provider ring there is no `RS256` here: give [`SigningKey::from_jwk`] a key that was made
    /// elsewhere.
    ///
    /// # Errors
    ///
    /// Another algorithm, or an operating system without randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        match PrivateKey::generate(algorithm) {
            Ok(halves) => Ok(Self::assemble(algorithm, None, halves)),
            Err(Refused::NotSupported) if algorithm == Algorithm::RS256 => Err(cannot_make(
                "the crypto provider in use cannot make a key for `RS256`; allowed: a key that was made elsewhere".into(),
            )),
            Err(Refused::NotSupported) => Err(cannot_make(format!(
                "cannot make a key for `{algorithm}`; allowed: `EdDSA`, `Ed25519`, `ES256`, `RS256`, `HS256`"
            ))),
            Err(_) => Err(cannot_make("the operating system gave no randomness for a key".into())),
        }
    }

    /// Reads a private JWK (RFC 7517). Without `kid`, the key gets its thumbprint (RFC 7638) as one; without `alg`, it
    /// is for `EdDSA`, `ES256`, `RS256` or `HS256`, according to its type.
    ///
    /// # Errors
    ///
    /// Everything that [`KeyProblem`] lists; among it, a public half that does not belong to the private half, an RSA
    /// modulus above 4096 bits and a secret of less than 32 octets. The text itself stays with the caller, who should
    /// erase it.
    pub fn from_jwk(text: &[u8]) -> Result<Self, KeyProblem> {
        Jwk::parse(text)?.signing_key()
    }

    pub(crate) fn new(
        algorithm: Algorithm,
        kid: Option<&str>,
        public: Vec<Octets>,
        private: Vec<Octets>,
    ) -> Result<Self, KeyProblem> {
        let halves = PrivateKey::new(algorithm, public, private)?;
        Ok(Self::assemble(algorithm, kid, halves))
    }

    fn assemble(algorithm: Algorithm, kid: Option<&str>, (private, public): (PrivateKey, PublicKey)) -> Self {
        let kid = kid.map_or_else(
            || {
                let key_type = algorithm.key_type();
                let named = match key_type {
                    KeyType::Secret => jwk::named(key_type.private_members(), private.private_members()),
                    _ => jwk::named(key_type.public_members(), private.public_members()),
                };
                base64url::encode(&jwk::thumbprint(key_type, named)).into_boxed_str()
            },
            Box::from,
        );
        Self { algorithm, private, verifying: VerifyingKey::new(Some(&kid), vec![(algorithm, public)]), kid }
    }

    /// The key's `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that this key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The whole key as a JWK with `kid`, `alg` and `use`: a secret, which is erased when it is dropped.
    pub fn to_jwk(&self) -> Zeroizing<String> {
        self.write_jwk(self.private.private_members())
    }

    /// The public half as a JWK, to be published; `None` for `HS256`, which has none.
    pub fn public_jwk(&self) -> Option<String> {
        if self.algorithm.is_symmetric() {
            return None;
        }
        Some(std::mem::take(&mut *self.write_jwk(&[])))
    }

    /// The key that verifies what this one signs.
    pub(crate) const fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The key as the batch functions of [`crate::crypto`] take it.
    pub(crate) const fn private_key(&self) -> &PrivateKey {
        &self.private
    }

    /// Signs `message` into `out` and gives the part of `out` that was written.
    pub(crate) fn sign<'o>(
        &self,
        message: &[u8],
        out: &'o mut [u8; MAX_SIGNATURE],
    ) -> Result<&'o [u8], SigningFailed> {
        self.private.sign(message, out)
    }

    fn write_jwk(&self, private: &[Octets]) -> Zeroizing<String> {
        let key_type = self.algorithm.key_type();
        let public = self.private.public_members();
        let members = || {
            jwk::named(key_type.public_members(), public)
                .chain(jwk::named(key_type.private_members(), private))
        };
        // A string that had to grow would leave a copy of the secret behind.
        let octets: usize = members().map(|(_, octets)| base64url::encoded_length(octets.len()) + 16).sum();
        let mut text = Zeroizing::new(String::with_capacity(octets + self.kid.len() * 6 + 128));
        text.push_str("{\"kty\":\"");
        text.push_str(key_type.kty());
        if let Some(crv) = key_type.crv() {
            text.push_str("\",\"crv\":\"");
            text.push_str(crv);
        }
        for (name, octets) in members() {
            text.push_str("\",\"");
            text.push_str(name);
            text.push_str("\":\"");
            base64url::encode_append(octets, &mut text);
        }
        text.push_str("\",\"alg\":\"");
        text.push_str(self.algorithm.name());
        text.push_str("\",\"use\":\"sig\",\"kid\":");
        text.push_str(&serde_json::Value::from(&*self.kid).to_string());
        text.push('}');
        text
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn cannot_make(message: String) -> Error {
    Error::new("", None, "", message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jwk::examples::{ED25519, ES256, ES512, HS256, RS256, edited, public};

    const MINTED: [Algorithm; 5] =
        [Algorithm::EdDSA, Algorithm::Ed25519, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256];

    /// A key of each kind: generated, but for the RSA key with ring.
    fn keys() -> impl Iterator<Item = SigningKey> {
        MINTED.into_iter().map(|algorithm| match SigningKey::generate(algorithm) {
            Ok(key) => key,
            Err(error) => {
                assert!(algorithm == Algorithm::RS256 && !cfg!(feature = "aws-lc-rs"), "{error}");
                SigningKey::from_jwk(RS256.as_bytes()).unwrap()
            }
        })
    }

    fn signed(key: &SigningKey, message: &[u8]) -> Vec<u8> {
        key.sign(message, &mut [0; MAX_SIGNATURE]).unwrap().to_vec()
    }

    /// Signing input and signature of a compact JWS.
    fn split(token: &str) -> (&[u8], Vec<u8>) {
        let (input, signature) = token.rsplit_once('.').unwrap();
        (input.as_bytes(), base64url::decode(signature.as_bytes()).unwrap())
    }

    #[test]
    fn what_a_key_signs_its_other_half_verifies() {
        for key in keys() {
            let signature = signed(&key, b"message");
            let verifying = key.verifying();
            assert_eq!(verifying.kid(), Some(key.kid()));
            assert!(verifying.verify(key.algorithm(), b"message", &signature));
            assert!(!verifying.verify(key.algorithm(), b"massage", &signature));
            assert!(!verifying.verify(key.algorithm(), b"message", &signature[1..]));
            for other in Algorithm::ALL.iter().filter(|other| **other != key.algorithm()) {
                assert!(!verifying.supports(*other));
                assert!(!verifying.verify(*other, b"message", &signature));
            }
        }
    }

    #[test]
    fn a_key_survives_its_jwk() {
        for key in keys() {
            let text = key.to_jwk();
            let copy = SigningKey::from_jwk(text.as_bytes()).unwrap();
            assert_eq!((copy.kid(), copy.algorithm()), (key.kid(), key.algorithm()));
            assert_eq!(copy.to_jwk(), text);
            let signature = signed(&copy, b"message");
            assert!(key.verifying().verify(key.algorithm(), b"message", &signature));

            let without_kid =
                SigningKey::from_jwk(edited(&text, &[("kid", Value::Null)]).as_bytes()).unwrap();
            assert_eq!(without_kid.kid(), key.kid(), "the thumbprint");
            let odd = "a \"b\\\u{0}\u{e9}";
            let renamed = SigningKey::from_jwk(edited(&text, &[("kid", json!(odd))]).as_bytes()).unwrap();
            assert_eq!(renamed.kid(), odd);
            let again = SigningKey::from_jwk(renamed.to_jwk().as_bytes()).unwrap();
            assert_eq!(again.kid(), odd);
        }
    }

    #[test]
    fn what_is_published_has_no_secret() {
        for key in keys() {
            let Some(text) = key.public_jwk() else {
                assert_eq!(key.algorithm(), Algorithm::HS256);
                continue;
            };
            let jwk = Jwk::parse(text.as_bytes()).unwrap();
            let verifying = jwk.verifying_key(Algorithm::ALL).unwrap();
            assert_eq!(verifying.kid(), Some(key.kid()));
            assert_eq!(verifying.algorithms().collect::<Vec<_>>(), [key.algorithm()]);
            assert!(verifying.verify(key.algorithm(), b"message", &signed(&key, b"message")));
            assert_eq!(jwk.thumbprint().map(|digest| base64url::encode(&digest)).as_deref(), Ok(key.kid()));
            assert!(jwk.signing_key().is_err());
        }
    }

    #[test]
    fn debug_shows_no_key() {
        for key in keys() {
            let secret = serde_json::from_str::<Value>(&key.to_jwk()).unwrap();
            let secret = secret[*key.algorithm().key_type().private_members().first().unwrap()].clone();
            let text = format!("{key:?} {:?}", key.verifying());
            assert!(text.contains("..") && !text.contains(secret.as_str().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_five_are_minted_with() {
        for algorithm in Algorithm::ALL.iter().filter(|algorithm| !MINTED.contains(algorithm)) {
            let error = SigningKey::generate(*algorithm).unwrap_err();
            assert!(error.message().contains(algorithm.name()), "{error}");
        }
        let refused = edited(RS256, &[("alg", json!("PS256"))]);
        assert_eq!(SigningKey::from_jwk(refused.as_bytes()).err(), Some(KeyProblem::NotSupported));
        assert_eq!(SigningKey::from_jwk(ES512.as_bytes()).err(), Some(KeyProblem::NotSupported));
        // The control, and the one exception: ring makes no RSA keys.
        let refused: Vec<_> =
            MINTED.into_iter().filter(|algorithm| SigningKey::generate(*algorithm).is_err()).collect();
        let expected: &[Algorithm] = if cfg!(feature = "aws-lc-rs") { &[] } else { &[Algorithm::RS256] };
        assert_eq!(refused, expected);
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let member = |text: &str, name: &str| serde_json::from_str::<Value>(text).unwrap()[name].clone();
        let other_okp = SigningKey::generate(Algorithm::EdDSA).unwrap().to_jwk();
        let other_ec = SigningKey::generate(Algorithm::ES256).unwrap().to_jwk();
        let zeros = |length: usize| json!(base64url::encode(&vec![0; length]));
        let mut bent = base64url::decode(member(RS256, "dp").as_str().unwrap().as_bytes()).unwrap();
        *bent.last_mut().unwrap() ^= 4;
        for (text, edits, expected) in [
            (ED25519, vec![("x", member(&other_okp, "x"))], KeyProblem::Inconsistent),
            (ED25519, vec![("d", member(&other_okp, "d"))], KeyProblem::Inconsistent),
            (ED25519, vec![("d", zeros(31))], KeyProblem::Length),
            (ED25519, vec![("d", zeros(64))], KeyProblem::Length),
            (ED25519, vec![("d", Value::Null)], KeyProblem::Missing("d")),
            (ED25519, vec![("use", json!("enc"))], KeyProblem::Use),
            (ED25519, vec![("key_ops", json!(["verify"]))], KeyProblem::KeyOperations),
            (ES256, vec![("d", member(&other_ec, "d"))], KeyProblem::Inconsistent),
            (ES256, vec![("x", member(&other_ec, "x"))], KeyProblem::Inconsistent),
            (
                ES256,
                vec![("x", member(&other_ec, "x")), ("y", member(&other_ec, "y"))],
                KeyProblem::Inconsistent,
            ),
            (ES256, vec![("d", zeros(32))], KeyProblem::Inconsistent),
            (ES256, vec![("d", zeros(31))], KeyProblem::Length),
            (RS256, vec![("dp", json!(base64url::encode(&bent)))], KeyProblem::Inconsistent),
            (RS256, vec![("p", member(RS256, "q"))], KeyProblem::Inconsistent),
            (RS256, vec![("q", Value::Null)], KeyProblem::Missing("q")),
            (RS256, vec![("d", json!(""))], KeyProblem::LeadingZero),
            (RS256, vec![("oth", json!([]))], KeyProblem::TooManyPrimes),
            (RS256, vec![("e", json!("AQAD"))], KeyProblem::Inconsistent),
            (RS256, vec![("e", json!("Aw"))], KeyProblem::Exponent),
            (HS256, vec![("k", zeros(31))], KeyProblem::SecretTooShort),
            (HS256, vec![("k", json!(""))], KeyProblem::SecretTooShort),
            (HS256, vec![("alg", json!("RS256"))], KeyProblem::AlgorithmMismatch),
        ] {
            assert!(SigningKey::from_jwk(text.as_bytes()).is_ok());
            let edited = edited(text, &edits);
            assert_eq!(SigningKey::from_jwk(edited.as_bytes()).err(), Some(expected), "{edited}");
        }
        assert_eq!(SigningKey::from_jwk(b"{").err(), Some(KeyProblem::NotAnObject));
    }

    #[test]
    fn the_examples_of_the_rfcs_verify_and_are_made_again() {
        const CLAIMS: &str =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        // RFC 7515 appendices A.1, A.2 and A.3, RFC 8037 appendix A.4.
        for (algorithm, jwk, header, claims, signature) in [
            (
                Algorithm::HS256,
                HS256,
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
                CLAIMS,
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ),
            (
                Algorithm::RS256,
                RS256,
                "eyJhbGciOiJSUzI1NiJ9",
                CLAIMS,
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                Algorithm::ES256,
                ES256,
                "eyJhbGciOiJFUzI1NiJ9",
                CLAIMS,
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                Algorithm::EdDSA,
                ED25519,
                "eyJhbGciOiJFZERTQSJ9",
                "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
        ] {
            let token = format!("{header}.{claims}.{signature}");
            let (input, signature) = split(&token);
            let key = SigningKey::from_jwk(jwk.as_bytes()).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert!(key.verifying().verify(algorithm, input, &signature), "{algorithm}");
            if algorithm == Algorithm::ES256 {
                assert!(key.verifying().verify(algorithm, input, &signed(&key, input)), "a nonce is random");
            } else {
                assert_eq!(signed(&key, input), signature, "{algorithm}");
            }
        }
    }

    #[test]
    fn the_es512_example_verifies_where_p521_is_there() {
        // RFC 7515 appendix A.4. ring has no P-521: the exception that `crypto` names.
        let (input, signature) = split(
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        );
        let text = public(ES512);
        let key = Jwk::parse(text.as_bytes()).unwrap().verifying_key(&[Algorithm::ES512]);
        if cfg!(feature = "aws-lc-rs") {
            assert!(key.unwrap().verify(Algorithm::ES512, input, &signature));
        } else {
            assert_eq!(key.err(), Some(KeyProblem::NotSupported));
        }
    }

    /// The provider gets an RSA key at its first signature, for each algorithm by itself; the numbers are let go of then.
    #[test]
    fn an_rsa_key_is_the_same_for_all_who_use_it_first() {
        const CASES: [(Algorithm, &str, bool); 4] = [
            (Algorithm::RS512, "message", false),
            (Algorithm::RS256, "message", true),
            (Algorithm::RS256, "massage", false),
            (Algorithm::RS256, "message", true),
        ];
        let signer = SigningKey::from_jwk(RS256.as_bytes()).unwrap();
        let signature = signed(&signer, b"message");
        let jwk = edited(&public(RS256), &[("alg", Value::Null)]);
        for _ in 0..20 {
            let jwk = Jwk::parse(jwk.as_bytes()).unwrap();
            let key = jwk.verifying_key(&[Algorithm::RS512, Algorithm::RS256]).unwrap();
            let begin = std::sync::Barrier::new(CASES.len());
            std::thread::scope(|scope| {
                for (algorithm, message, is_its) in CASES {
                    let (key, signature, begin) = (&key, &signature, &begin);
                    scope.spawn(move || {
                        begin.wait();
                        assert_eq!(key.verify(algorithm, message.as_bytes(), signature), is_its, "{message}");
                        assert!(key.verify(Algorithm::RS256, b"message", signature));
                    });
                }
            });
        }
    }

    #[test]
    fn keys_are_shared_among_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<SigningKey>();
        shared::<VerifyingKey>();
    }
}
