//! The trusted IdPs: issuer to its rules and its keys. An immutable value, replaced whole.
//!
//! An issuer that is not here is not trusted, and nothing is ever fetched for it.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::config::{Idp, Keys};
use crate::jwks::{KeySet, KeySetProblem, Put};
use crate::key_source::{KeyOwner, WantedKeys};

/// Every trusted IdP, by `iss`.
#[derive(Clone)]
pub(crate) struct Keyring {
    listed: Arc<Listed>,
    /// The key sets of the IdPs, in their order: so many together, so that a change of some copies their neighbours and not
    /// all of them.
    keys: Vec<Arc<[Option<Arc<KeySet>>]>>,
}

/// Key sets that are copied together.
const TOGETHER: usize = 16;

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
        let hash = |at: u32| idps.get(at as usize).map_or(0, |idp| state.hash_one(&*idp.issuer));
        let mut index = HashTable::with_capacity(idps.len());
        for (at, _) in (0..).zip(&idps) {
            index.insert_unique(hash(at), at, |at| hash(*at));
        }
        let fetches_any = idps.iter().any(|idp| idp.keys.are_fetched());
        Self { idps, index, state, fetches_any }
    }

    /// The IdP whose issuer identifier is exactly `issuer`, and its place.
    fn find(&self, issuer: &str) -> Option<(usize, &Idp)> {
        let is_it = |at: &u32| self.idps.get(*at as usize).is_some_and(|idp| *idp.issuer == *issuer);
        let at = *self.index.find(self.state.hash_one(issuer), is_it)? as usize;
        Some((at, self.idps.get(at)?))
    }
}

/// One trusted IdP.
#[derive(Clone, Copy)]
pub(crate) struct Trusted<'s> {
    pub(crate) idp: &'s Idp,
    /// `None`: its keys are still to come, by a fetch or from the host.
    pub(crate) keys: Option<&'s KeySet>,
}

impl Keyring {
    pub(crate) fn new(idps: Vec<Idp>) -> Self {
        let keys_of = |idp: &Idp| match &idp.keys {
            Keys::Static(keys) => Some(Arc::clone(keys)),
            Keys::Fetched { .. } => None,
        };
        let keys = idps.chunks(TOGETHER).map(|idps| idps.iter().map(keys_of).collect()).collect();
        Self { listed: Arc::new(Listed::new(idps)), keys }
    }

    /// The IdP whose issuer identifier is exactly `issuer`.
    pub(crate) fn trusted(&self, issuer: &str) -> Option<Trusted<'_>> {
        let (at, idp) = self.listed.find(issuer)?;
        Some(Trusted { idp, keys: self.keys_at(at)?.as_deref() })
    }

    fn keys_at(&self, at: usize) -> Option<&Option<Arc<KeySet>>> {
        self.keys.get(at / TOGETHER)?.get(at % TOGETHER)
    }

    /// The same, to be changed. For a clone that nobody sees yet.
    fn place(&mut self, at: usize) -> Option<&mut Option<Arc<KeySet>>> {
        Arc::make_mut(self.keys.get_mut(at / TOGETHER)?).get_mut(at % TOGETHER)
    }

    /// Whether any IdP is trusted at all. If not, the grant is not served here.
    pub(crate) fn is_in_use(&self) -> bool {
        self.listed.idps.iter().any(|idp| idp.enabled)
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
            if let Some((known_at, known)) = before.listed.find(&idp.issuer)
                && matches!(&known.keys, Keys::Fetched { uri: same, .. } if same == uri)
                && known.algorithms == idp.algorithms
                && let Some(put) = before.keys_at(known_at)
                && let Some(place) = self.place(at)
            {
                place.clone_from(put);
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
        let (at, idp) = listed.find(issuer)?;
        let before = self.keys_at(at)?.as_deref();
        if let Some(same) = KeySet::same(before, jwks) {
            return Some(Ok(same));
        }
        let keys = jwks.map(|jwks| KeySet::succeed(before, jwks, &idp.algorithms)).transpose();
        let usable = keys.as_ref().map_or(0, |keys| keys.as_ref().map_or(0, KeySet::len));
        let place = self.place(at)?;
        Some(keys.map(|keys| {
            *place = keys.map(Arc::new);
            Put { usable, is_new: true }
        }))
    }

    /// Whether the keys of any IdP are fetched while the server runs.
    pub(crate) fn fetches_any(&self) -> bool {
        self.listed.fetches_any
    }

    /// Whether the keys of `issuer` are fetched while the server runs.
    pub(crate) fn fetches(&self, issuer: &str) -> bool {
        self.trusted(issuer).is_some_and(|trusted| trusted.idp.keys.are_fetched())
    }

    /// What is to be fetched, of the IdPs that are switched on.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = WantedKeys> {
        self.listed.idps.iter().filter(|idp| idp.enabled).filter_map(|idp| match &idp.keys {
            Keys::Static(_) => None,
            Keys::Fetched { uri, local } => {
                Some(WantedKeys::new(KeyOwner::Idp(idp.issuer.clone()), uri.clone(), *local, &idp.algorithms))
            }
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
}
