//! The only file that names the crypto library, and the only source of randomness.
//!
//! The provider is aws-lc-rs, or ring where that feature stands alone; where the two differ, `provider_specific` hides
//! it, but for two things that ring does not have: P-521 (ES512), and the generation of RSA keys. Both are refused as
//! [`Refused::NotSupported`]. What the provider keeps of a secret is erased by aws-lc-rs when it is dropped, and not by
//! ring; the octets that this file keeps are always erased.
//!
//! This file knows octets, not JSON: [`crate::jwk`] reads keys.

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("idjag needs a crypto provider: turn on the feature `aws-lc-rs` (default) or `ring`");

use std::sync::Arc;

use curve25519_dalek::edwards::CompressedEdwardsY;
use provider::digest;
use provider::hmac;
use provider::rand::{SecureRandom, SystemRandom};
use provider::rsa::{KeyPairComponents, PublicKeyComponents};
use provider::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaParameters, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyType};

/// The octets of one member of a key. Erased when dropped, be the member secret or not.
pub(crate) type Octets = Zeroizing<Vec<u8>>;

/// The length of the longest signature that is made here: RSA with 4096 bits.
pub(crate) const MAX_SIGNATURE: usize = 512;

/// The fewest octets of an HMAC secret (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Public exponents: from F4, below which signatures have been forged, to the 33 bits that both providers take.
const EXPONENTS: std::ops::RangeInclusive<u64> = 65_537..=0x1_ffff_ffff;

/// Why octets do not make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A number of an RSA key is empty or begins with a zero octet (RFC 7518 section 2, "Base64urlUInt").
    LeadingZero,
    /// An RSA modulus is below 2048 bits.
    ModulusTooSmall,
    /// An RSA modulus is above 8192 bits, or above 4096 for signing.
    ModulusTooLarge,
    /// An RSA modulus is even.
    ModulusEven,
    /// An RSA modulus has the fingerprint of a generator whose keys can be factored (CVE-2017-15361, "ROCA").
    ModulusWeak,
    /// An RSA exponent is even, below 65537 or above 33 bits.
    Exponent,
    /// A coordinate or a secret does not have exactly the length that the curve asks for.
    Length,
    /// The point is not on the curve, or generates a group so small that anybody can sign.
    Point,
    /// An HMAC secret is shorter than 32 octets.
    SecretTooShort,
    /// The public and the private half do not belong together, or the private half is malformed.
    Inconsistent,
    /// The provider cannot do this, or this library does not sign with it.
    NotSupported,
    /// The provider has no randomness.
    NoRandomness,
}

/// The provider could not sign. It is out of memory or of randomness: the key was proven when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SigningFailed;

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RandomFailed;

/// A key for verifying, checked once, for exactly one algorithm.
pub(crate) struct PublicKey(Verifier);

enum Verifier {
    Signature(provider_specific::Parsed),
    // Boxed because it is some hundred octets long, and a set of ten thousand keys has none of it.
    Mac(Box<hmac::Key>),
}

impl PublicKey {
    /// The key for each of `algorithms`, which are for keys of one type, out of its members, in the order of
    /// [`KeyType::public_members`]. The numbers of an RSA key are kept once for all of them.
    pub(crate) fn for_each(
        algorithms: &[Algorithm],
        members: &[Octets],
    ) -> Result<Vec<(Algorithm, Self)>, Refused> {
        let numbers = match (algorithms, members) {
            ([first, ..], [e, n]) if first.key_type() == KeyType::Rsa => Some(RsaNumbers::check(n, e)?),
            _ => None,
        };
        let key = |algorithm: Algorithm| match &numbers {
            Some(numbers) => numbers.clone().key(algorithm),
            None => Self::new(algorithm, members),
        };
        algorithms.iter().map(|algorithm| Ok((*algorithm, key(*algorithm)?))).collect()
    }

    fn new(algorithm: Algorithm, members: &[Octets]) -> Result<Self, Refused> {
        match (algorithm.key_type(), members) {
            (KeyType::Rsa, [e, n]) => Self::rsa(algorithm, n, e),
            (KeyType::P256 | KeyType::P384 | KeyType::P521, [x, y]) => Self::ec(algorithm, x, y),
            (KeyType::Ed25519, [x]) => Self::ed25519(x),
            (KeyType::Secret, [secret]) => Self::hmac(secret),
            _ => Err(Refused::Length),
        }
    }

    /// A modulus of 2048 to 8192 bits and an odd exponent of 65537 to 2^33 - 1, both without leading zero octets.
    pub(crate) fn rsa(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Result<Self, Refused> {
        RsaNumbers::check(n, e)?.key(algorithm)
    }

    /// A point on the curve of `algorithm`; both coordinates in full length (RFC 7518 section 6.2.1.2).
    ///
    /// With ring this costs a key agreement, because ring checks a point only when it uses one.
    pub(crate) fn ec(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, Refused> {
        let curve = algorithm.key_type();
        let point = uncompressed(curve, x, y)?;
        let parameters = provider_specific::ecdsa_parameters(curve).ok_or(Refused::NotSupported)?;
        provider_specific::check_point(curve, &point)?;
        provider_specific::parse_point(algorithm, parameters, &point)
            .map(|key| Self(Verifier::Signature(key)))
            .ok_or(Refused::Point)
    }

    /// A point in the encoding of RFC 8032 section 5.1.2 that is canonical and not of small order.
    ///
    /// Whether an `x` belongs to the encoded `y` shows only when a signature is verified: with a point that is not on
    /// the curve, no signature verifies.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, Refused> {
        let point: &[u8; 32] = x.try_into().map_err(|_| Refused::Length)?;
        check_ed25519_point(point)?;
        provider_specific::parse_point(Algorithm::EdDSA, &signature::ED25519, point)
            .map(|key| Self(Verifier::Signature(key)))
            .ok_or(Refused::Point)
    }

    /// A secret of at least 32 octets, for HS256.
    pub(crate) fn hmac(secret: &[u8]) -> Result<Self, Refused> {
        mac_key(secret).map(|key| Self(Verifier::Mac(key)))
    }

    /// Whether `signature` is by this key over `message`. Takes nothing from Rust's heap with aws-lc-rs; ring takes
    /// room for the numbers of RSA.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Verifier::Signature(key) => provider_specific::verify(key, message, signature),
            Verifier::Mac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// The modulus and the exponent of an RSA key that may be used.
#[derive(Clone)]
struct RsaNumbers {
    n: Arc<[u8]>,
    /// Most significant octet first.
    e: [u8; 8],
}

impl RsaNumbers {
    fn check(n: &[u8], e: &[u8]) -> Result<Self, Refused> {
        let exponent = check_modulus_and_exponent(n, e)?;
        Ok(Self { n: n.into(), e: exponent.to_be_bytes() })
    }

    /// The exponent, with the fewest octets.
    fn e(&self) -> &[u8] {
        let zeros = self.e.iter().take_while(|octet| **octet == 0).count();
        self.e.get(zeros..).unwrap_or_default()
    }

    fn key(self, algorithm: Algorithm) -> Result<PublicKey, Refused> {
        let parameters = rsa_parameters(algorithm).ok_or(Refused::NotSupported)?;
        Ok(PublicKey(Verifier::Signature(provider_specific::rsa(algorithm, parameters, self))))
    }
}

/// A key for signing: EdDSA, ES256, RS256 or HS256.
pub(crate) struct PrivateKey {
    signer: Signer,
    public: Vec<Octets>,
    private: Vec<Octets>,
}

enum Signer {
    Ed25519(Ed25519KeyPair),
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
    Mac(Box<hmac::Key>),
}

impl PrivateKey {
    /// A new key. RSA keys have 2048 bits.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<(Self, PublicKey), Refused> {
        let (public, private) = match algorithm.key_type() {
            KeyType::Ed25519 => generate_ed25519(),
            KeyType::P256 => generate_p256(),
            KeyType::Rsa if algorithm == Algorithm::RS256 => provider_specific::generate_rsa(),
            KeyType::Secret => Ok((Vec::new(), vec![random_octets()?])),
            _ => Err(Refused::NotSupported),
        }?;
        Self::new(algorithm, public, private)
    }

    /// The key out of its members, in the order of [`KeyType::public_members`] and [`KeyType::private_members`], and
    /// the key that verifies what it signs: proven by one signature, so that no half key is ever held.
    pub(crate) fn new(
        algorithm: Algorithm,
        public: Vec<Octets>,
        private: Vec<Octets>,
    ) -> Result<(Self, PublicKey), Refused> {
        let (signer, verifier) = match (algorithm, &*public, &*private) {
            (Algorithm::EdDSA | Algorithm::Ed25519, [x], [d]) => {
                (ed25519_signer(x, d)?, PublicKey::ed25519(x)?)
            }
            (Algorithm::ES256, [x, y], [d]) => (p256_signer(x, y, d)?, PublicKey::ec(algorithm, x, y)?),
            (Algorithm::RS256, [e, n], private) => {
                (rsa_signer(n, e, private)?, PublicKey::rsa(algorithm, n, e)?)
            }
            (Algorithm::HS256, [], [secret]) => (Signer::Mac(mac_key(secret)?), PublicKey::hmac(secret)?),
            _ => return Err(Refused::NotSupported),
        };
        let key = Self { signer, public, private };
        let message = b"the two halves of this key belong together";
        let mut out = [0; MAX_SIGNATURE];
        match key.sign(message, &mut out) {
            Ok(signature) if verifier.verify(message, signature) => Ok((key, verifier)),
            _ => Err(Refused::Inconsistent),
        }
    }

    /// The members that anybody may see, in the order of [`KeyType::public_members`]; none for HS256.
    pub(crate) fn public_members(&self) -> &[Octets] {
        &self.public
    }

    /// The secret members, in the order of [`KeyType::private_members`].
    pub(crate) fn private_members(&self) -> &[Octets] {
        &self.private
    }

    /// Signs `message` into `out` and gives the part of `out` that was written.
    ///
    /// Nothing here allocates, but the provider does: aws-lc-rs once for EdDSA and RS256 and four times for ES256, ring
    /// for RS256 only; neither for HS256.
    pub(crate) fn sign<'o>(
        &self,
        message: &[u8],
        out: &'o mut [u8; MAX_SIGNATURE],
    ) -> Result<&'o [u8], SigningFailed> {
        match &self.signer {
            Signer::Ed25519(pair) => {
                let signature = provider_specific::sign_ed25519(pair, message).ok_or(SigningFailed)?;
                copy(signature.as_ref(), out)
            }
            Signer::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
                copy(signature.as_ref(), out)
            }
            Signer::Rsa(pair) => {
                let length = provider_specific::modulus_length(pair);
                let out = out.get_mut(..length).ok_or(SigningFailed)?;
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, out)
                    .map_err(|_| SigningFailed)?;
                Ok(out)
            }
            Signer::Mac(key) => copy(hmac::sign(key, message).as_ref(), out),
        }
    }
}

/// Verifies many signatures: replaces what `out` holds with one verdict for each job of key, message and signature.
pub(crate) fn verify_many(jobs: &[(&PublicKey, &[u8], &[u8])], out: &mut Vec<bool>) {
    out.clear();
    out.extend(jobs.iter().map(|(key, message, signature)| key.verify(message, signature)));
}

/// Signs many messages: gives `take` the index and the signature of each job, in order.
pub(crate) fn sign_many(
    jobs: &[(&PrivateKey, &[u8])],
    mut take: impl FnMut(usize, Result<&[u8], SigningFailed>),
) {
    let mut out = [0; MAX_SIGNATURE];
    for (index, (key, message)) in jobs.iter().enumerate() {
        take(index, key.sign(message, &mut out));
    }
}

/// Fills `out` with randomness that is fit for keys and identifiers.
pub(crate) fn random(out: &mut [u8]) -> Result<(), RandomFailed> {
    SystemRandom::new().fill(out).map_err(|_| RandomFailed)
}

/// SHA-256 over `parts`, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    // One call for what fits: each update costs as much as hashing a block.
    let mut joined = [0; 512];
    let length = parts.iter().try_fold(0_usize, |at, part| {
        let end = at.checked_add(part.len())?;
        joined.get_mut(at..end)?.copy_from_slice(part);
        Some(end)
    });
    let digest = if let Some(whole) = length.and_then(|length| joined.get(..length)) {
        digest::digest(&digest::SHA256, whole)
    } else {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        context.finish()
    };
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// Stricter than either provider, so that both refuse the same keys, and refuse them when they are read. Gives the exponent.
fn check_modulus_and_exponent(n: &[u8], e: &[u8]) -> Result<u64, Refused> {
    let bits = number_bits(n)?;
    if bits < *MODULUS_BITS.start() {
        return Err(Refused::ModulusTooSmall);
    }
    if bits > *MODULUS_BITS.end() {
        return Err(Refused::ModulusTooLarge);
    }
    if n.last().is_none_or(|octet| octet % 2 == 0) {
        return Err(Refused::ModulusEven);
    }
    if has_roca_fingerprint(n) {
        return Err(Refused::ModulusWeak);
    }
    if number_bits(e)? > 64 {
        return Err(Refused::Exponent);
    }
    let exponent = e.iter().fold(0_u64, |value, octet| (value << 8) | u64::from(*octet));
    if !EXPONENTS.contains(&exponent) || exponent % 2 == 0 {
        return Err(Refused::Exponent);
    }
    Ok(exponent)
}

/// Whether a modulus is a power of 65537 modulo each of the small primes: so are all that one faulty generator made
/// (CVE-2017-15361), and of others one in 2^27 at most.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let residue = n.iter().fold(0, |residue, octet| (residue * 256 + u32::from(*octet)) % prime);
        let mut powers = (0..*prime).scan(1, |power, _| {
            let this = *power;
            *power = this * (65_537 % prime) % prime;
            Some(this)
        });
        powers.any(|power| power == residue)
    })
}

/// The bits of a number that is written with the fewest octets.
fn number_bits(number: &[u8]) -> Result<usize, Refused> {
    match number.first() {
        None | Some(0) => Err(Refused::LeadingZero),
        Some(first) => Ok(number.len() * 8 - first.leading_zeros() as usize),
    }
}

/// The point in the form of SEC 1 section 2.3.3.
fn uncompressed(curve: KeyType, x: &[u8], y: &[u8]) -> Result<Vec<u8>, Refused> {
    let length = match curve {
        KeyType::P256 => 32,
        KeyType::P384 => 48,
        KeyType::P521 => 66,
        KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => return Err(Refused::NotSupported),
    };
    if x.len() != length || y.len() != length {
        return Err(Refused::Length);
    }
    Ok([&[4], x, y].concat())
}

/// RFC 8032 section 5.1.3: refuses what is no point of the curve, and a second spelling of one that is. Refuses the points
/// of order 1, 2, 4 and 8, too, for which anybody can make signatures: an `x` of zeros is one of them. The providers take
/// all of these, and only then verify nothing.
fn check_ed25519_point(octets: &[u8; 32]) -> Result<(), Refused> {
    let encoded = CompressedEdwardsY(*octets);
    match encoded.decompress() {
        Some(point) if point.compress() == encoded && !point.is_small_order() => Ok(()),
        _ => Err(Refused::Point),
    }
}

fn mac_key(secret: &[u8]) -> Result<Box<hmac::Key>, Refused> {
    if secret.len() < MIN_SECRET {
        return Err(Refused::SecretTooShort);
    }
    Ok(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
}

fn ed25519_signer(x: &[u8], d: &[u8]) -> Result<Signer, Refused> {
    if d.len() != 32 {
        return Err(Refused::Length);
    }
    Ed25519KeyPair::from_seed_and_public_key(d, x).map(Signer::Ed25519).map_err(|_| Refused::Inconsistent)
}

fn p256_signer(x: &[u8], y: &[u8], d: &[u8]) -> Result<Signer, Refused> {
    if d.len() != 32 {
        return Err(Refused::Length);
    }
    let point = uncompressed(KeyType::P256, x, y)?;
    provider_specific::p256_pair(d, &point)
        .map(|pair| Signer::Ecdsa(Box::new(pair)))
        .ok_or(Refused::Inconsistent)
}

/// aws-lc-rs checks every number against the others; ring never looks at `d`, which it does not need.
#[expect(clippy::many_single_char_names, reason = "the names of RFC 7518 section 6.3")]
fn rsa_signer(n: &[u8], e: &[u8], private: &[Octets]) -> Result<Signer, Refused> {
    check_modulus_and_exponent(n, e)?;
    if n.len() > MAX_SIGNATURE {
        return Err(Refused::ModulusTooLarge);
    }
    let [d, p, q, dp, dq, qi] = private else {
        return Err(Refused::Inconsistent);
    };
    for number in private {
        number_bits(number)?;
    }
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d: d.as_slice(),
        p: p.as_slice(),
        q: q.as_slice(),
        dP: dp.as_slice(),
        dQ: dq.as_slice(),
        qInv: qi.as_slice(),
    };
    RsaKeyPair::from_components(&components)
        .map(|pair| Signer::Rsa(Box::new(pair)))
        .map_err(|_| Refused::Inconsistent)
}

type Halves = (Vec<Octets>, Vec<Octets>);

fn random_octets() -> Result<Octets, Refused> {
    let mut octets = Zeroizing::new(vec![0; 32]);
    random(&mut octets).map_err(|RandomFailed| Refused::NoRandomness)?;
    Ok(octets)
}

fn generate_ed25519() -> Result<Halves, Refused> {
    let seed = random_octets()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Refused::Inconsistent)?;
    let point = pair.public_key().as_ref().to_vec();
    Ok((vec![Zeroizing::new(point)], vec![seed]))
}

fn generate_p256() -> Result<Halves, Refused> {
    let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let document =
        EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(|_| Refused::NoRandomness)?;
    p256_halves(document.as_ref()).ok_or(Refused::Inconsistent)
}

/// `d`, `x` and `y` out of an `ECPrivateKey` (RFC 5915 section 3) that the provider wrote.
fn p256_halves(document: &[u8]) -> Option<Halves> {
    let (fields, _) = der(0x30, pkcs8_key(document)?)?;
    let (_version, fields) = der(0x02, fields)?;
    let (d, mut fields) = der(0x04, fields)?;
    if let Some((_parameters, rest)) = der(0xa0, fields) {
        fields = rest;
    }
    let (bits, _) = der(0x03, der(0xa1, fields)?.0)?;
    let point = bits.strip_prefix(&[0, 4])?;
    let (x, y) = point.split_at_checked(32)?;
    let octets = |part: &[u8]| Zeroizing::new(part.to_vec());
    Some((vec![octets(x), octets(y)], vec![octets(d)]))
}

/// What the `privateKey` of a `PrivateKeyInfo` (RFC 5208 section 5) holds.
fn pkcs8_key(document: &[u8]) -> Option<&[u8]> {
    let (fields, _) = der(0x30, document)?;
    let (_version, fields) = der(0x02, fields)?;
    let (_algorithm, fields) = der(0x30, fields)?;
    Some(der(0x04, fields)?.0)
}

/// The contents of the DER element at the start of `input`, if it has this tag, and what follows it. Reads only what the
/// provider wrote a moment ago.
fn der(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([found, length], rest) = input.split_first_chunk()?;
    if *found != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    let length = octets
        .iter()
        .try_fold(0_usize, |length, octet| length.checked_mul(256)?.checked_add(usize::from(*octet)))?;
    rest.split_at_checked(length)
}

fn copy<'o>(signature: &[u8], out: &'o mut [u8; MAX_SIGNATURE]) -> Result<&'o [u8], SigningFailed> {
    let out = out.get_mut(..signature.len()).ok_or(SigningFailed)?;
    out.copy_from_slice(signature);
    Ok(out)
}

#[cfg(feature = "aws-lc-rs")]
mod provider_specific {
    use std::sync::OnceLock;

    use parking_lot::Mutex;

    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P521_SHA512_FIXED, ParsedPublicKey, Signature,
    };

    use super::{
        Algorithm, EcdsaKeyPair, Ed25519KeyPair, Halves, KeyType, PublicKeyComponents, Refused, RsaKeyPair,
        RsaNumbers, RsaParameters, VerificationAlgorithm, Zeroizing, der, digest, pkcs8_key,
    };

    /// A key, and the hash that goes before it.
    ///
    /// To hash here and hand over the digest is the same work without the contexts that the provider makes to take a
    /// message: for RS256 some 2 % less.
    pub(super) struct Parsed {
        form: Form,
        /// None: the message itself is signed.
        hash: Option<&'static digest::Algorithm>,
    }

    enum Form {
        Point(ParsedPublicKey),
        Numbers(Late),
    }

    /// An RSA key, of which the provider's form is made for the first signature that is looked at: it takes a kilobyte, and
    /// another one with what the provider works out then, and a set often has keys that sign nothing at present.
    struct Late {
        parameters: &'static RsaParameters,
        /// None once the provider has them.
        numbers: Mutex<Option<RsaNumbers>>,
        parsed: OnceLock<ParsedPublicKey>,
    }

    impl Late {
        /// None only where there is no memory: everything that it could refuse was checked.
        fn parsed(&self) -> Option<&ParsedPublicKey> {
            if self.parsed.get().is_none() {
                let mut waiting = self.numbers.lock();
                if let Some(numbers) = &*waiting {
                    let components = PublicKeyComponents { n: &*numbers.n, e: numbers.e() };
                    let key = components.to_parsed_public_key(self.parameters).ok()?;
                    self.parsed.get_or_init(|| key);
                    *waiting = None;
                }
            }
            self.parsed.get()
        }
    }

    impl Form {
        fn parsed(&self) -> Option<&ParsedPublicKey> {
            match self {
                Self::Point(key) => Some(key),
                Self::Numbers(late) => late.parsed(),
            }
        }
    }

    pub(super) fn rsa(
        algorithm: Algorithm,
        parameters: &'static RsaParameters,
        numbers: RsaNumbers,
    ) -> Parsed {
        let late = Late { parameters, numbers: Mutex::new(Some(numbers)), parsed: OnceLock::new() };
        Parsed { form: Form::Numbers(late), hash: hash(algorithm) }
    }

    fn hash(algorithm: Algorithm) -> Option<&'static digest::Algorithm> {
        match algorithm {
            Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => Some(&digest::SHA256),
            Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Some(&digest::SHA384),
            Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 => Some(&digest::SHA512),
            Algorithm::EdDSA | Algorithm::Ed25519 | Algorithm::HS256 => None,
        }
    }

    pub(super) fn ecdsa_parameters(curve: KeyType) -> Option<&'static dyn VerificationAlgorithm> {
        match curve {
            KeyType::P256 => Some(&ECDSA_P256_SHA256_FIXED),
            KeyType::P384 => Some(&ECDSA_P384_SHA384_FIXED),
            KeyType::P521 => Some(&ECDSA_P521_SHA512_FIXED),
            KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => None,
        }
    }

    /// Nothing to do: `parse_point` checks.
    #[expect(clippy::unnecessary_wraps, reason = "with the other provider it can fail")]
    pub(super) fn check_point(_curve: KeyType, _point: &[u8]) -> Result<(), Refused> {
        Ok(())
    }

    pub(super) fn parse_point(
        algorithm: Algorithm,
        parameters: &'static dyn VerificationAlgorithm,
        point: &[u8],
    ) -> Option<Parsed> {
        let key = ParsedPublicKey::new(parameters, point).ok()?;
        Some(Parsed { form: Form::Point(key), hash: hash(algorithm) })
    }

    pub(super) fn verify(key: &Parsed, message: &[u8], signature: &[u8]) -> bool {
        let verified = key.form.parsed().map(|parsed| match key.hash {
            Some(hash) => parsed.verify_digest_sig(&digest::digest(hash, message), signature),
            None => parsed.verify_sig(message, signature),
        });
        verified.is_some_and(|verified| verified.is_ok())
    }

    pub(super) fn p256_pair(d: &[u8], point: &[u8]) -> Option<EcdsaKeyPair> {
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, d, point).ok()
    }

    pub(super) fn sign_ed25519(pair: &Ed25519KeyPair, message: &[u8]) -> Option<Signature> {
        pair.try_sign(message).ok()
    }

    pub(super) fn modulus_length(pair: &RsaKeyPair) -> usize {
        pair.public_modulus_len()
    }

    pub(super) fn generate_rsa() -> Result<Halves, Refused> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| Refused::NoRandomness)?;
        let document = AsDer::<Pkcs8V1Der<'static>>::as_der(&pair).map_err(|_| Refused::Inconsistent)?;
        rsa_halves(document.as_ref()).ok_or(Refused::Inconsistent)
    }

    /// The numbers of an `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    fn rsa_halves(document: &[u8]) -> Option<Halves> {
        let (fields, _) = der(0x30, pkcs8_key(document)?)?;
        let (_version, mut fields) = der(0x02, fields)?;
        let mut number = || {
            let (octets, rest) = der(0x02, fields)?;
            fields = rest;
            Some(Zeroizing::new(octets.strip_prefix(&[0]).unwrap_or(octets).to_vec()))
        };
        let (n, e) = (number()?, number()?);
        let private = [number()?, number()?, number()?, number()?, number()?, number()?];
        Some((vec![e, n], private.into()))
    }
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
mod provider_specific {

    use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey};
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, Signature,
        UnparsedPublicKey,
    };

    use super::{
        Algorithm, EcdsaKeyPair, Ed25519KeyPair, Halves, KeyType, PublicKeyComponents, Refused, RsaKeyPair,
        RsaNumbers, RsaParameters, VerificationAlgorithm,
    };

    /// ring has no parsed form for the public: it parses at each verification what was checked here once.
    pub(super) enum Parsed {
        Rsa(&'static RsaParameters, RsaNumbers),
        Point(UnparsedPublicKey<Box<[u8]>>),
    }

    pub(super) fn rsa(_: Algorithm, parameters: &'static RsaParameters, numbers: RsaNumbers) -> Parsed {
        Parsed::Rsa(parameters, numbers)
    }

    pub(super) fn ecdsa_parameters(curve: KeyType) -> Option<&'static dyn VerificationAlgorithm> {
        match curve {
            KeyType::P256 => Some(&ECDSA_P256_SHA256_FIXED),
            KeyType::P384 => Some(&ECDSA_P384_SHA384_FIXED),
            KeyType::P521 | KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => None,
        }
    }

    /// A key agreement with a throw-away key: the one public door to ring's check that a point is on the curve.
    pub(super) fn check_point(curve: KeyType, point: &[u8]) -> Result<(), Refused> {
        let exchange = match curve {
            KeyType::P256 => &ECDH_P256,
            KeyType::P384 => &ECDH_P384,
            KeyType::P521 | KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => {
                return Err(Refused::NotSupported);
            }
        };
        let throw_away = EphemeralPrivateKey::generate(exchange, &SystemRandom::new())
            .map_err(|_| Refused::NoRandomness)?;
        let peer = agreement::UnparsedPublicKey::new(exchange, point);
        agreement::agree_ephemeral(throw_away, &peer, |_| ()).map_err(|_| Refused::Point)
    }

    #[expect(clippy::unnecessary_wraps, reason = "with the other provider it can fail")]
    pub(super) fn parse_point(
        _algorithm: Algorithm,
        parameters: &'static dyn VerificationAlgorithm,
        point: &[u8],
    ) -> Option<Parsed> {
        Some(Parsed::Point(UnparsedPublicKey::new(parameters, point.into())))
    }

    pub(super) fn verify(key: &Parsed, message: &[u8], signature: &[u8]) -> bool {
        match key {
            Parsed::Rsa(parameters, numbers) => {
                let components = PublicKeyComponents { n: &*numbers.n, e: numbers.e() };
                components.verify(parameters, message, signature).is_ok()
            }
            Parsed::Point(point) => point.verify(message, signature).is_ok(),
        }
    }

    pub(super) fn p256_pair(d: &[u8], point: &[u8]) -> Option<EcdsaKeyPair> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, d, point, &SystemRandom::new()).ok()
    }

    #[expect(clippy::unnecessary_wraps, reason = "with the other provider it can fail")]
    pub(super) fn sign_ed25519(pair: &Ed25519KeyPair, message: &[u8]) -> Option<Signature> {
        Some(pair.sign(message))
    }

    pub(super) fn modulus_length(pair: &RsaKeyPair) -> usize {
        pair.public().modulus_len()
    }

    pub(super) fn generate_rsa() -> Result<Halves, Refused> {
        Err(Refused::NotSupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the provider in use does not have: a named and counted exception.
    const NOT_SUPPORTED: &[Algorithm] = if cfg!(feature = "aws-lc-rs") { &[] } else { &[Algorithm::ES512] };

    /// The base points: the one point of each curve that everybody knows.
    const BASE_POINTS: [(Algorithm, &str, &str); 3] = [
        (
            Algorithm::ES256,
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        (
            Algorithm::ES384,
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
        (
            Algorithm::ES512,
            "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ff\
             a8de3348b3c1856a429bf97e7e31c2e5bd66",
            "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad\
             0761353c7086a272c24088be94769fd16650",
        ),
    ];

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn refusal<T>(result: Result<T, Refused>) -> Option<Refused> {
        result.err()
    }

    #[test]
    fn a_point_must_be_on_its_curve() {
        let mut not_supported = Vec::new();
        for (algorithm, x, y) in BASE_POINTS {
            let (x, y) = (hex(x), hex(y));
            if let Some(Refused::NotSupported) = refusal(PublicKey::ec(algorithm, &x, &y)) {
                not_supported.push(algorithm);
                continue;
            }
            assert_eq!(refusal(PublicKey::ec(algorithm, &x, &y)), None, "{algorithm}");

            let mut beside = y.clone();
            *beside.last_mut().unwrap() ^= 1;
            let (zeros, ones) = (vec![0; x.len()], vec![0xff; x.len()]);
            for (x, y) in [(&x, &beside), (&y, &x), (&zeros, &zeros), (&ones, &y), (&x, &ones)] {
                assert_eq!(refusal(PublicKey::ec(algorithm, x, y)), Some(Refused::Point), "{algorithm}");
            }
            let long = [&[0], &*x].concat();
            for (x, y) in [(&x[1..], &*y), (&x, &y[1..]), (&long, &y), (&[], &[])] {
                assert_eq!(refusal(PublicKey::ec(algorithm, x, y)), Some(Refused::Length), "{algorithm}");
            }
        }
        assert_eq!(not_supported, NOT_SUPPORTED);
    }

    #[test]
    fn a_signature_of_zeros_is_refused() {
        for (algorithm, x, y) in BASE_POINTS {
            let Ok(key) = PublicKey::ec(algorithm, &hex(x), &hex(y)) else {
                continue;
            };
            let length = x.len();
            let mut one = vec![0; length];
            one[length - 1] = 1;
            assert!(!key.verify(b"message", &vec![0; length]), "{algorithm}: r = 0, s = 0");
            assert!(!key.verify(b"message", &one), "{algorithm}: r = 0, s = 1");
            one.rotate_left(length / 2);
            assert!(!key.verify(b"message", &one), "{algorithm}: r = 1, s = 0");
            assert!(!key.verify(b"message", b""), "{algorithm}: empty");
        }
    }

    #[test]
    fn an_ed25519_point_of_small_order_or_in_a_second_spelling_is_refused() {
        let (_, verifier) = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        assert!(!verifier.verify(b"message", &[0; 64]));
        for refused in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(refusal(PublicKey::ed25519(&hex(refused))), Some(Refused::Point), "{refused}");
        }
        let largest = hex("eaffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        assert_eq!(refusal(PublicKey::ed25519(&largest)), None);
        for length in [0, 31, 33, 44] {
            assert_eq!(refusal(PublicKey::ed25519(&vec![9; length])), Some(Refused::Length));
        }
    }

    #[test]
    fn an_ed25519_point_off_the_curve_is_refused() {
        // No x belongs to y = 2; one belongs to y = 3.
        for (y, problem) in [(2, Some(Refused::Point)), (3, None)] {
            for sign in [0, 0x80] {
                let mut point = [0; 32];
                (point[0], point[31]) = (y, sign);
                assert_eq!(refusal(PublicKey::ed25519(&point)), problem, "y = {y}");
            }
        }
    }

    #[test]
    fn an_rsa_key_has_2048_to_8192_bits_and_a_large_odd_exponent() {
        let f4 = [1, 0, 1];
        let modulus = |length: usize, first: u8, last: u8| {
            let mut n = vec![0xa5; length];
            (n[0], n[length - 1]) = (first, last);
            n
        };
        for algorithm in Algorithm::ALL.iter().filter(|algorithm| algorithm.key_type() == KeyType::Rsa) {
            let parse = |n: &[u8], e: &[u8]| refusal(PublicKey::rsa(*algorithm, n, e));
            assert_eq!(parse(&modulus(256, 0x80, 1), &f4), None);
            assert_eq!(parse(&modulus(256, 0x7f, 1), &f4), Some(Refused::ModulusTooSmall));
            assert_eq!(parse(&modulus(128, 0x80, 1), &f4), Some(Refused::ModulusTooSmall));
            assert_eq!(parse(&modulus(1024, 0xff, 1), &f4), None);
            assert_eq!(parse(&modulus(1025, 0x01, 1), &f4), Some(Refused::ModulusTooLarge));
            assert_eq!(parse(&modulus(256, 0x80, 2), &f4), Some(Refused::ModulusEven));
            assert_eq!(parse(&modulus(257, 0x00, 1), &f4), Some(Refused::LeadingZero));
            assert_eq!(parse(&[], &f4), Some(Refused::LeadingZero));
            let n = modulus(256, 0x80, 1);
            for (e, expected) in [
                (&[1, 0, 3][..], None),
                (&[1, 0xff, 0xff, 0xff, 0xff], None),
                (&[], Some(Refused::LeadingZero)),
                (&[0, 1, 0, 1], Some(Refused::LeadingZero)),
                (&[1], Some(Refused::Exponent)),
                (&[3], Some(Refused::Exponent)),
                (&[0xff, 0xff], Some(Refused::Exponent)),
                (&[1, 0, 0], Some(Refused::Exponent)),
                (&[1, 0, 2], Some(Refused::Exponent)),
                (&[2, 0, 0, 0, 1], Some(Refused::Exponent)),
                (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some(Refused::Exponent)),
            ] {
                assert_eq!(parse(&n, e), expected, "{e:?}");
            }
        }
        let n = modulus(256, 0x80, 1);
        assert_eq!(refusal(PublicKey::rsa(Algorithm::HS256, &n, &f4)), Some(Refused::NotSupported));
    }

    #[test]
    fn a_secret_has_32_octets_and_a_tag_is_compared_whole() {
        assert_eq!(refusal(PublicKey::hmac(&[7; 31])), Some(Refused::SecretTooShort));
        assert_eq!(refusal(PublicKey::hmac(b"")), Some(Refused::SecretTooShort));
        let (key, verifier) = PrivateKey::generate(Algorithm::HS256).unwrap();
        let mut out = [0; MAX_SIGNATURE];
        let tag = key.sign(b"message", &mut out).unwrap();
        assert_eq!(tag.len(), 32);
        assert!(verifier.verify(b"message", tag));
        assert!(!verifier.verify(b"message", &tag[..31]));
        assert!(!verifier.verify(b"message", &tag[..16]));
        assert!(!verifier.verify(b"message", b""));
        assert!(!verifier.verify(b"messag", tag));
    }

    #[test]
    fn many_are_as_one_by_one() {
        let (ed25519, ed25519_verifier) = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        let (p256, p256_verifier) = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut signatures = Vec::new();
        sign_many(&[(&ed25519, b"a"), (&p256, b"b")], |index, signature| {
            assert_eq!(index, signatures.len());
            signatures.push(signature.unwrap().to_vec());
        });
        let mut verdicts = vec![true; 9];
        verify_many(
            &[
                (&ed25519_verifier, b"a", &signatures[0]),
                (&p256_verifier, b"a", &signatures[1]),
                (&p256_verifier, b"b", &signatures[1]),
                (&ed25519_verifier, b"b", &signatures[1]),
            ],
            &mut verdicts,
        );
        assert_eq!(verdicts, [true, false, true, false]);
    }

    #[test]
    fn sha256_does_not_see_the_seams() {
        let expected = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for parts in [&[&b"abc"[..]][..], &[b"a", b"", b"bc"], &[b"ab", b"c"]] {
            assert_eq!(sha256(parts)[..], expected);
        }
        assert_eq!(sha256(&[]), sha256(&[b""]));
    }

    #[test]
    fn no_two_draws_are_the_same() {
        let (mut a, mut b) = ([0; 16], [0; 16]);
        random(&mut a).unwrap();
        random(&mut b).unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn der_that_lies_about_its_length_is_refused() {
        assert_eq!(der(0x02, &[0x02, 1, 7, 8]), Some((&[7][..], &[8][..])));
        assert_eq!(der(0x02, &[0x02, 0x81, 1, 7]), Some((&[7][..], &[][..])));
        for refused in [
            &[][..],
            &[0x02],
            &[0x03, 1, 7],
            &[0x02, 2, 7],
            &[0x02, 0x82, 1],
            &[0x02, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(der(0x02, refused), None, "{refused:?}");
        }
    }
}
