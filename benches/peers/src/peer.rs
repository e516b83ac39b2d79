//! Another library, used as its users use it: keys are parsed once, and what it expects of a token is set up once.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64_simd::URL_SAFE_NO_PAD;
use idjag_benches::{CLIENT, Failure, ISSUER, RESOURCE};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::claims::{ACT, Claims, SCOPE, SUB_PROFILE};
use crate::forge::forged;
use crate::setup::{Own, Trusted};

/// The groups of each person.
pub(crate) type People = HashMap<String, Vec<String>>;
/// Every `jti` that was used.
pub(crate) type Spent = HashSet<String>;

/// Groups that may, in [`idjag_benches::World`].
const GRANTED: [&str; 2] = ["eng", "design"];

/// What differs from library to library.
pub(crate) trait Library: Sized {
    /// Its name, and what signs and verifies for it.
    const NAME: &'static str;
    /// How it holds `act`.
    type Act: Serialize + DeserializeOwned;
    /// What it makes of a token that it accepts.
    type Verified;

    /// It, with these keys.
    fn new(trusted: &Trusted, own: &Own) -> Result<Self, Failure>;

    /// Reads a token, verifies the signature, and checks `typ`, `alg`, `exp`, `iss` and `aud`.
    fn verify(&self, token: &str) -> Option<Self::Verified>;

    /// What the token says.
    fn claims(verified: &Self::Verified) -> Option<Claims<'_, Self::Act>>;

    /// Signs a token that says so.
    fn mint(&self, claims: &Claims<'_, Self::Act>) -> Option<String>;
}

/// An assertion that the IdP is about to sign. The same for idjag and everybody.
pub(crate) struct Wanted {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) jti: String,
    pub(crate) issued_at: u64,
    pub(crate) lifetime_s: u64,
}

/// A library that takes turns with idjag.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    /// Whether it accepts the token.
    fn accepts(&self, token: &str) -> bool;
    /// Signs an ID-JAG.
    fn id_jag(&self, issuer: &str, wanted: &Wanted) -> Option<String>;
    /// Takes an ID-JAG, looks up the person's groups, spends the `jti` and mints an access token.
    fn exchange(&self, assertion: &str, people: &People, spent: &mut Spent) -> Option<String>;
}

/// All that are built in.
pub(crate) fn all(trusted: &Trusted, own: &Own) -> Result<Vec<Box<dyn Peer>>, Failure> {
    Ok(vec![
        contender::<crate::json_web_token::JsonWebToken>(trusted, own)?,
        #[cfg(feature = "jwt-simple")]
        contender::<crate::jwt_simple::JwtSimple>(trusted, own)?,
        #[cfg(feature = "josekit")]
        contender::<crate::josekit::Josekit>(trusted, own)?,
    ])
}

/// Sees that each accepts the good token, and none a forged one, one by another issuer or one for somebody else.
pub(crate) fn examine(trusted: &Trusted, own: &Own, good: &str) -> Result<(), Failure> {
    let verdict = |peer: &dyn Peer, what: &str, token: &str, expected: bool| -> Result<(), Failure> {
        if peer.accepts(token) == expected {
            return Ok(());
        }
        let did = if expected { "refuses" } else { "accepts" };
        Err(format!("{} {did} {what} ({})", peer.name(), trusted.algorithm).into())
    };
    for peer in all(trusted, own)? {
        verdict(&*peer, "the good token", good, true)?;
        verdict(&*peer, "a forged token", &forged(good), false)?;
    }
    let another = "https://another.example/".to_owned();
    for peer in all(&Trusted { issuer: another.clone(), ..trusted.clone() }, own)? {
        verdict(&*peer, "the token of another issuer", good, false)?;
    }
    for peer in all(&Trusted { audience: another, ..trusted.clone() }, own)? {
        verdict(&*peer, "a token for somebody else", good, false)?;
    }
    Ok(())
}

struct Contending<L: Library> {
    library: L,
    act: L::Act,
}

fn contender<L: Library + 'static>(trusted: &Trusted, own: &Own) -> Result<Box<dyn Peer>, Failure> {
    Ok(Box::new(Contending { library: L::new(trusted, own)?, act: serde_json::from_str(ACT)? }))
}

impl<L: Library> Peer for Contending<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn accepts(&self, token: &str) -> bool {
        self.library.verify(token).is_some()
    }

    fn id_jag(&self, issuer: &str, wanted: &Wanted) -> Option<String> {
        self.library.mint(&Claims {
            issuer,
            subject: &wanted.subject,
            audience: ISSUER,
            id: &wanted.jti,
            issued_at: wanted.issued_at,
            expires_at: wanted.issued_at + wanted.lifetime_s,
            client_id: CLIENT,
            scope: SCOPE,
            resource: Some(RESOURCE),
            email: Some(&wanted.email),
            sub_profile: Some(SUB_PROFILE),
            idp: None,
            groups: &[],
            act: Some(&self.act),
        })
    }

    fn exchange(&self, assertion: &str, people: &People, spent: &mut Spent) -> Option<String> {
        let verified = self.library.verify(assertion)?;
        let assertion = L::claims(&verified)?;
        if assertion.client_id != CLIENT || assertion.resource != Some(RESOURCE) {
            return None;
        }
        let groups = people.get(assertion.subject)?.iter().map(String::as_str);
        let groups: Vec<&str> = groups.filter(|group| GRANTED.contains(group)).collect();
        if groups.is_empty() || !spent.insert(assertion.id.to_owned()) {
            return None;
        }
        let mut id = [0; 16];
        rand::fill(&mut id).ok()?;
        let issued_at = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        self.library.mint(&Claims {
            issuer: ISSUER,
            subject: assertion.subject,
            audience: RESOURCE,
            id: &URL_SAFE_NO_PAD.encode_to_string(id),
            issued_at,
            expires_at: issued_at + 3600,
            client_id: assertion.client_id,
            scope: assertion.scope,
            resource: None,
            email: None,
            sub_profile: None,
            idp: Some(assertion.issuer),
            groups: &groups,
            act: assertion.act,
        })
    }
}
