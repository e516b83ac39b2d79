//! The only file of this crate that names the crypto library: SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104), Ed25519
//! (RFC 8032) and AES-256-GCM (NIST SP 800-38D).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("idjag-log needs a crypto provider: turn on the feature `aws-lc-rs` (default) or `ring`");

use provider::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use provider::rand::{SecureRandom, SystemRandom};
use provider::signature::{self, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use provider::{digest, hmac};
use zeroize::Zeroizing;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// SHA-256 over `parts`, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    // One call for what fits: each update costs as much as hashing a block.
    let mut joined = [0; 1024];
    let length = parts.iter().try_fold(0_usize, |at, part| {
        let end = at.checked_add(part.len())?;
        joined.get_mut(at..end)?.copy_from_slice(part);
        Some(end)
    });
    if let Some(whole) = length.and_then(|length| joined.get(..length)) {
        return sha256_whole(whole);
    }
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    octets(context.finish())
}

/// SHA-256 of what lies in one piece.
pub(crate) fn sha256_whole(whole: &[u8]) -> Hash {
    octets(digest::digest(&digest::SHA256, whole))
}

fn octets(digest: digest::Digest) -> Hash {
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// A key for HMAC-SHA256.
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The MAC of `parts`, cut to 128 bits.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// A key that hides a text from whoever has not the folder's key.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    /// None where the provider refuses the key, which it does not.
    pub(crate) fn new(secret: &Hash) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, secret).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// A nonce that is drawn, and the text with its tag. None where the operating system has no randomness.
    pub(crate) fn seal(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// The text, if this key sealed it.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk()?;
        let mut text = sealed.to_vec();
        let opened =
            self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text).ok()?.len();
        text.truncate(opened);
        Some(text)
    }
}

/// A key that signs, with the seed that it comes from. The seed is erased when it is dropped.
pub(crate) struct PrivateKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl PrivateKey {
    /// A new one; none where the operating system has no randomness.
    pub(crate) fn generate() -> Option<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).ok()?;
        Self::from_seed(seed)
    }

    /// The key of a seed (RFC 8032 section 5.1.5).
    pub(crate) fn from_seed(seed: Zeroizing<[u8; 32]>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).ok()?;
        Some(Self { pair, seed })
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().first_chunk().copied().unwrap_or([0; 64])
    }
}

/// Whether `signature` is by the key `public` over `message`.
pub(crate) fn verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_has_one_hash_however_it_is_divided() {
        let message = [7; 3000];
        let whole = sha256(&[&message]);
        assert_eq!(sha256(&[&message[..1], &message[1..]]), whole);
        assert_eq!(sha256(&[&message[..2000], &[], &message[2000..]]), whole);
        assert_ne!(sha256(&[&message[1..]]), whole);
        assert_eq!(sha256(&[b"a", b"bc"])[..4], [0xba, 0x78, 0x16, 0xbf], "FIPS 180-4, `abc`");
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_whole() {
        let (ours, theirs) = (Sealer::new(&[7; 32]).unwrap(), Sealer::new(&[8; 32]).unwrap());
        for text in [&b""[..], b"ada", &[0; 5000]] {
            let sealed = ours.seal(text).unwrap();
            assert_eq!(ours.open(&sealed).as_deref(), Some(text));
            assert_ne!(ours.seal(text), Some(sealed.clone()), "drawn anew");
            assert_eq!(theirs.open(&sealed), None);
            for at in [0, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(ours.open(&changed), None);
            }
            assert_eq!(ours.open(&sealed[1..]), None);
        }
        assert_eq!(ours.open(b""), None);
    }

    #[test]
    fn what_a_key_signs_verifies_and_nothing_else_does() {
        let key = PrivateKey::generate().unwrap();
        let again = PrivateKey::from_seed(Zeroizing::new(*key.seed())).unwrap();
        assert_eq!(key.public(), again.public());
        let signature = key.sign(b"text");
        assert_eq!(signature, again.sign(b"text"));
        assert!(verify(&key.public(), b"text", &signature));
        assert!(!verify(&key.public(), b"texts", &signature));
        assert!(!verify(&PrivateKey::generate().unwrap().public(), b"text", &signature));
    }
}
