//! The embedded IdPs: RS256 ID-JAGs shaped like Okta's, signed on several threads, and tampered with where a draft
//! says so.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use idjag::{Algorithm, IdJag, IdJagMinter, SigningKey};
use indicatif::ProgressBar;
use serde_json::Value;

use super::company::{ACME, GLOBEX, Person};
use super::random::{Alphabet, Random};
use crate::problem::{Problem, Result};
use crate::text;

/// An ID-JAG lives five minutes, as Okta's do.
pub(crate) const LIFETIME_S: i64 = 300;

/// An assertion that is to be minted.
pub(crate) struct Draft<'c> {
    pub(crate) signer: Signer,
    pub(crate) person: &'c Person,
    pub(crate) audience: &'static str,
    pub(crate) client_id: &'static str,
    pub(crate) resource: Option<&'static str>,
    pub(crate) scope: &'static str,
    pub(crate) issued_at: i64,
    /// The `groups` claim.
    pub(crate) groups: &'c [&'static str],
    /// Further members, as JSON text.
    pub(crate) further: &'static str,
    pub(crate) tampering: Tampering,
}

/// Whose key signs.
#[derive(Clone, Copy)]
pub(crate) enum Signer {
    Acme,
    Globex,
    /// Acme's name and `kid`, Globex's key.
    Stranger,
}

/// What becomes of a draft after it was signed. Places are those of other drafts.
#[derive(Clone, Copy)]
pub(crate) enum Tampering {
    /// It is what it is.
    None,
    /// It is another one once more.
    CopyOf(usize),
    /// It has the signature of another one.
    SignatureOf(usize),
    /// Its header says `none`, and it has no signature.
    Unsigned,
}

/// The IdPs, with keys made for this wave.
pub(crate) struct Idps {
    acme: IdJagMinter,
    globex: IdJagMinter,
    stranger: IdJagMinter,
    /// The JWK Sets of Acme and Globex.
    pub(crate) acme_jwks: String,
    pub(crate) globex_jwks: String,
}

/// For builds that cannot make RSA keys. They are public, and their `kid`s say so.
const TEST_KEYS: [&str; 2] =
    [include_str!("../../testkeys/acme-rs256.jwk"), include_str!("../../testkeys/globex-rs256.jwk")];

impl Idps {
    pub(crate) fn new() -> Result<Self> {
        let [acme, globex] = rsa_keys()?;
        let stranger = with_kid(&globex, acme.kid())?;
        Ok(Self {
            acme_jwks: jwks(&acme),
            globex_jwks: jwks(&globex),
            acme: IdJagMinter::new(ACME, Arc::new(acme)),
            globex: IdJagMinter::new(GLOBEX, Arc::new(globex)),
            stranger: IdJagMinter::new(ACME, Arc::new(stranger)),
        })
    }

    /// Mints all of `drafts`, on `threads` threads. Costs one RSA signature each, about 0.3 ms.
    pub(crate) fn mint_all(
        &self,
        drafts: &[Draft<'_>],
        threads: NonZero<usize>,
        bar: &ProgressBar,
    ) -> Result<Vec<String>> {
        let jtis = Jtis::new()?;
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, String)>> {
            let mut minted = Vec::with_capacity(drafts.len() / threads);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(draft) = drafts.get(at) else {
                    return Ok(minted);
                };
                minted.push((at, self.mint(draft, &jtis.jti(at))?));
                bar.inc(1);
            }
        };
        let mut minted = vec![String::new(); drafts.len()];
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                let theirs = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                for (at, assertion) in theirs {
                    if let Some(place) = minted.get_mut(at) {
                        *place = assertion;
                    }
                }
            }
            Ok::<_, Problem>(())
        })?;
        for (at, draft) in drafts.iter().enumerate() {
            tamper(&mut minted, at, draft.tampering);
        }
        Ok(minted)
    }

    fn mint(&self, draft: &Draft<'_>, jti: &str) -> Result<String> {
        if matches!(draft.tampering, Tampering::CopyOf(_)) {
            return Ok(String::new());
        }
        let minter = match draft.signer {
            Signer::Acme => &self.acme,
            Signer::Globex => &self.globex,
            Signer::Stranger => &self.stranger,
        };
        Ok(minter.mint(&IdJag {
            audience: draft.audience,
            client_id: draft.client_id,
            subject: &draft.person.subject,
            resource: draft.resource,
            scope: Some(draft.scope),
            issued_at: draft.issued_at,
            lifetime_s: LIFETIME_S,
            jti: Some(jti),
            email: Some(&draft.person.email),
            groups: draft.groups,
            further: draft.further,
            ..IdJag::default()
        })?)
    }
}

fn tamper(minted: &mut [String], at: usize, tampering: Tampering) {
    let part = |place: usize| minted.get(place).map_or("", String::as_str);
    let tampered = match tampering {
        Tampering::None => return,
        Tampering::CopyOf(other) => part(other).to_owned(),
        Tampering::SignatureOf(other) => {
            let (input, _) = part(at).rsplit_once('.').unwrap_or_default();
            let (_, signature) = part(other).rsplit_once('.').unwrap_or_default();
            format!("{input}.{signature}")
        }
        Tampering::Unsigned => {
            let header =
                base64_simd::URL_SAFE_NO_PAD.encode_to_string(br#"{"typ":"oauth-id-jag+jwt","alg":"none"}"#);
            let payload = part(at).split('.').nth(1).unwrap_or_default();
            format!("{header}.{payload}.")
        }
    };
    if let Some(place) = minted.get_mut(at) {
        *place = tampered;
    }
}

/// A `jti` for each assertion, shaped like Okta's, never the same in two waves.
struct Jtis {
    wave: u64,
}

impl Jtis {
    fn new() -> Result<Self> {
        // A fresh secret is where this program gets randomness from; a `jti` must be unique, not secret.
        let fresh = SigningKey::generate(Algorithm::HS256)?;
        let wave = fresh.kid().bytes().fold(0_u64, |mixed, byte| {
            mixed.rotate_left(7).wrapping_mul(0x0000_0100_0000_01B3) ^ u64::from(byte)
        });
        Ok(Self { wave })
    }

    fn jti(&self, at: usize) -> String {
        let mut random = Random::new(self.wave ^ (at as u64).wrapping_mul(0xA076_1D64_78BD_642F));
        format!("IDAAG.{}", random.characters(43, Alphabet::Base64Url))
    }
}

fn rsa_keys() -> Result<[SigningKey; 2]> {
    if let (Ok(acme), Ok(globex)) =
        (SigningKey::generate(Algorithm::RS256), SigningKey::generate(Algorithm::RS256))
    {
        return Ok([acme, globex]);
    }
    text::note("this build cannot make RSA keys; the IdPs of the wave sign with public test keys");
    let [acme, globex] = TEST_KEYS.map(|jwk| SigningKey::from_jwk(jwk.as_bytes()));
    let unusable = |problem: idjag::KeyProblem| Problem::new(format!("a test key cannot be used: {problem}"));
    Ok([acme.map_err(unusable)?, globex.map_err(unusable)?])
}

/// The same key under another name.
fn with_kid(key: &SigningKey, kid: &str) -> Result<SigningKey> {
    let mut jwk: Value = serde_json::from_str(&key.to_jwk())?;
    if let Some(members) = jwk.as_object_mut() {
        members.insert("kid".to_owned(), kid.into());
    }
    SigningKey::from_jwk(jwk.to_string().as_bytes())
        .map_err(|problem| Problem::new(format!("a key of the wave cannot be used: {problem}")))
}

fn jwks(key: &SigningKey) -> String {
    format!("{{\"keys\":[{}]}}\n", key.public_jwk().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jtis_have_the_shape_of_oktas_and_never_repeat() {
        let (first, second) = (Jtis::new().unwrap(), Jtis::new().unwrap());
        let mut seen = std::collections::HashSet::new();
        for at in 0..2000 {
            assert_eq!(first.jti(at).len(), "IDAAG.".len() + 43);
            assert!(seen.insert(first.jti(at)) && seen.insert(second.jti(at)));
        }
    }

    #[test]
    fn the_test_keys_can_be_used_and_say_what_they_are() {
        for jwk in TEST_KEYS {
            let key = SigningKey::from_jwk(jwk.as_bytes()).unwrap();
            assert_eq!(key.algorithm(), Algorithm::RS256);
            assert!(key.kid().starts_with("test-"));
        }
    }
}
