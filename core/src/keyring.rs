//! The trusted IdPs: issuer to its rules and its keys. An immutable value, replaced whole.
//!
//! An issuer that is not here is not trusted, and nothing is ever fetched for it.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::config::{Idp, Keys, Trust};
use crate::jwks::{KeySet, KeySetProblem, Put};
use crate::key_source::{KeyOwner, WantedKeys};

/// Every trusted IdP, by `iss`.
#[derive(Clone)]
pub(crate) struct Keyring {
    listed: Arc<Listed>,
    /// The IdPs in their order: so many together, so that a change of some copies their neighbours and not all of them.
    places: Vec<Arc<[Place]>>,
}

/// IdPs that are copied together.
const TOGETHER: usize = 16;

/// What is looked for, and what is found: close together, because where a server trusts thousands, each further read of memory
/// that is far shows in the time of an exchange.
#[derive(Clone)]
struct Place {
    /// Its issuer identifier, in UTF-8. Few are longer.
    issuer: SmallVec<[u8; 80]>,
    trust: Arc<Trust>,
    keys: Option<KeySet>,
}

/// What the configuration says of the IdPs.
struct Listed {
    idps: Vec<Idp>,
    /// Places in `idps`, by the hash of the issuer.
    index: HashTable<u32>,
    state: RandomState,
    fetches_any: bool,
}

impl Listed {
    fn new(idps: Vec<Idp>) -> Self {
        let state = RandomState::default();
        let hash = |at: u32| idps.get(at as usize).map_or(0, |idp| hash(&state, &idp.issuer));
        let mut index = HashTable::with_capacity(idps.len());
        for (at, _) in (0..).zip(&idps) {
            index.insert_unique(hash(at), at, |at| hash(*at));
        }
        let fetches_any = idps.iter().any(|idp| idp.keys.are_fetched());
        Self { idps, index, state, fetches_any }
    }
}

fn hash(state: &RandomState, issuer: &str) -> u64 {
    state.hash_one(issuer.as_bytes())
}

/// One trusted IdP.
#[derive(Clone, Copy)]
pub(crate) struct Trusted<'s> {
    pub(crate) idp: &'s Trust,
    /// `None`: its keys are still to come, by a fetch or from the host.
    pub(crate) keys: Option<&'s KeySet>,
}

impl Keyring {
    pub(crate) fn new(idps: Vec<Idp>) -> Self {
        let place = |idp: &Idp| Place {
            issuer: SmallVec::from_slice(idp.issuer.as_bytes()),
            trust: Arc::clone(&idp.trust),
            keys: match &idp.keys {
                Keys::Static(keys) => Some(KeySet::clone(keys)),
                Keys::Fetched { .. } => None,
            },
        };
        let places = idps.chunks(TOGETHER).map(|idps| idps.iter().map(place).collect()).collect();
        Self { listed: Arc::new(Listed::new(idps)), places }
    }

    /// The IdP whose issuer identifier is exactly `issuer`.
    pub(crate) fn trusted(&self, issuer: &str) -> Option<Trusted<'_>> {
        let place = self.place(self.find(issuer)?)?;
        Some(Trusted { idp: &place.trust, keys: place.keys.as_ref() })
    }

    fn find(&self, issuer: &str) -> Option<usize> {
        let Listed { index, state, .. } = &*self.listed;
        let is_it =
            |at: &u32| self.place(*at as usize).is_some_and(|place| *place.issuer == *issuer.as_bytes());
        Some(*index.find(hash(state, issuer), is_it)? as usize)
    }

    fn place(&self, at: usize) -> Option<&Place> {
        self.places.get(at / TOGETHER)?.get(at % TOGETHER)
    }

    /// The same, to be changed. For a clone that nobody sees yet.
    fn place_mut(&mut self, at: usize) -> Option<&mut Place> {
        Arc::make_mut(self.places.get_mut(at / TOGETHER)?).get_mut(at % TOGETHER)
    }

    /// Whether any IdP is trusted at all. If not, the grant is not served here.
    pub(crate) fn is_in_use(&self) -> bool {
        self.listed.idps.iter().any(|idp| idp.trust.enabled)
    }

    /// Every IdP, in the order of the configuration.
    pub(crate) fn idps(&self) -> impl Iterator<Item = &Idp> {
        self.listed.idps.iter()
    }

    /// The same, with the keys that `before` had for those whose keys are still to come from the same place.
    pub(crate) fn with_keys_of(mut self, before: &Self) -> Self {
        let listed = Arc::clone(&self.listed);
        for (at, idp) in listed.idps.iter().enumerate() {
            let Keys::Fetched { uri, .. } = &idp.keys else {
                continue;
            };
            if let Some(known_at) = before.find(&idp.issuer)
                && let Some(known) = before.listed.idps.get(known_at)
                && matches!(&known.keys, Keys::Fetched { uri: same, .. } if same == uri)
                && known.trust.algorithms == idp.trust.algorithms
                && let Some(put) = before.place(known_at)
                && let Some(place) = self.place_mut(at)
            {
                place.keys.clone_from(&put.keys);
            }
        }
        self
    }

    /// Other keys for `issuer`, or none any more; `None` when that issuer is not trusted. For a clone that nobody sees yet.
    pub(crate) fn set_keys(
        &mut self,
        issuer: &str,
        jwks: Option<&[u8]>,
    ) -> Option<Result<Put, KeySetProblem>> {
        let listed = Arc::clone(&self.listed);
        let at = self.find(issuer)?;
        let idp = listed.idps.get(at)?;
        let before = self.place(at)?.keys.as_ref();
        if let Some(same) = KeySet::same(before, jwks) {
            return Some(Ok(same));
        }
        let keys = jwks.map(|jwks| KeySet::succeed(before, jwks, &idp.trust.algorithms)).transpose();
        let usable = keys.as_ref().map_or(0, |keys| keys.as_ref().map_or(0, KeySet::len));
        let place = self.place_mut(at)?;
        Some(keys.map(|keys| {
            place.keys = keys;
            Put { usable, is_new: true }
        }))
    }

    /// Whether the keys of any IdP are fetched while the server runs.
    pub(crate) fn fetches_any(&self) -> bool {
        self.listed.fetches_any
    }

    /// Whether the keys of `issuer` are fetched while the server runs.
    pub(crate) fn fetches(&self, issuer: &str) -> bool {
        let idp = self.find(issuer).and_then(|at| self.listed.idps.get(at));
        idp.is_some_and(|idp| idp.keys.are_fetched())
    }

    /// What is to be fetched, of the IdPs that are switched on.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = WantedKeys> {
        self.listed.idps.iter().filter(|idp| idp.trust.enabled).filter_map(|idp| match &idp.keys {
            Keys::Static(_) => None,
            Keys::Fetched { uri, local } => Some(WantedKeys::new(
                KeyOwner::Idp(idp.issuer.clone()),
                uri.clone(),
                *local,
                &idp.trust.algorithms,
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::jwk::examples::{ES256, public};

    #[test]
    fn a_document_that_is_put_again_changes_nothing() {
        const IDP: &str = "https://acme.idp.example";
        let text = format!(
            r#"{{ "issuer": "https://auth.chat.example/", "audit": "off", "tokens": {{ "keys": "ephemeral" }},
                "idps": [{{ "issuer": "{IDP}", "jwks_uri": "https://acme.idp.example/keys" }}] }}"#
        );
        let config = Config::parse("a.json", &text, &mut |_| Err("no files".to_owned())).unwrap();
        let mut keyring = Keyring::new(config.idps);
        let mut put = |jwks: Option<&str>| {
            let put = keyring.set_keys(IDP, jwks.map(str::as_bytes)).unwrap();
            let kept = keyring.trusted(IDP).unwrap().keys.map(std::ptr::from_ref);
            (put.map(|put| (put.usable, put.is_new)), kept)
        };
        assert_eq!(put(None), (Ok((0, false)), None));
        let set = format!("{{\"keys\":[{}]}}", public(ES256));
        let (first, kept) = put(Some(&set));
        assert_eq!(first, Ok((1, true)));
        assert_eq!(put(Some(&set)), (Ok((1, false)), kept));
        assert_eq!(put(Some("{\"keys\":[]}")), (Err(KeySetProblem::NoUsableKey), kept));
        let (other, kept) = put(Some(&format!("{set} ")));
        assert_eq!(other, Ok((1, true)));
        assert_eq!(put(Some(&format!("{set} "))), (Ok((1, false)), kept));
        assert_eq!(put(None), (Ok((0, true)), None));
        assert_eq!(put(Some(&set)).0, Ok((1, true)));
    }

    /// As many IdPs as are copied together, and some; names of which some lie elsewhere, and each is the start of the next.
    #[test]
    fn each_idp_is_found_and_changed_alone() {
        let names: Vec<String> =
            (0..TOGETHER * 2 + 3).map(|at| format!("https://idp.example/{}", "a".repeat(at * 4))).collect();
        let idps: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let enabled = at % 3 > 0;
                format!(
                    r#"{{ "issuer": "{name}", "jwks_uri": "https://idp.example/keys", "enabled": {enabled} }}"#
                )
            })
            .collect();
        let text = format!(
            r#"{{ "issuer": "https://auth.chat.example/", "audit": "off", "tokens": {{ "keys": "ephemeral" }}, "idps": [{}] }}"#,
            idps.join(",")
        );
        let config = Config::parse("a.json", &text, &mut |_| Err("no files".to_owned())).unwrap();
        let empty = Keyring::new(config.idps);
        let set = format!("{{\"keys\":[{}]}}", public(ES256));
        for (at, name) in names.iter().enumerate() {
            let mut changed = empty.clone();
            assert!(changed.set_keys(name, Some(set.as_bytes())).unwrap().unwrap().is_new);
            for (other, name) in names.iter().enumerate() {
                let (before, after) = (empty.trusted(name).unwrap(), changed.trusted(name).unwrap());
                assert!(before.keys.is_none());
                assert_eq!((after.keys.is_some(), after.idp.enabled), (other == at, other % 3 > 0), "{name}");
            }
            assert!(changed.trusted(&format!("{name}b")).is_none());
        }
        // What is said alike of several is kept once.
        let trust = |at: usize| std::ptr::from_ref(empty.trusted(names.get(at).unwrap()).unwrap().idp);
        assert_eq!((trust(0), trust(1)), (trust(3), trust(2)));
        assert_ne!(trust(0), trust(1));
    }
}
