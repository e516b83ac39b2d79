//! The trusted IdPs: issuer to its rules and its keys. An immutable value, replaced whole.
//!
//! An issuer that is not here is not trusted, and nothing is ever fetched for it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::config::{Idp, Keys};
use crate::jwks::{KeySet, KeySetProblem};
use crate::key_source::{KeyOwner, WantedKeys};

/// Every trusted IdP, by `iss`.
#[derive(Clone)]
pub(crate) struct Keyring {
    idps: Arc<Vec<Idp>>,
    by_issuer: Arc<HashMap<String, usize>>,
    /// As many as there are IdPs, in the same order.
    keys: Vec<Option<Arc<KeySet>>>,
    fetches_any: bool,
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
        let keys = idps
            .iter()
            .map(|idp| match &idp.keys {
                Keys::Static(keys) => Some(Arc::clone(keys)),
                Keys::Fetched { .. } => None,
            })
            .collect();
        let by_issuer = idps.iter().enumerate().map(|(at, idp)| (idp.issuer.clone(), at)).collect();
        let fetches_any = idps.iter().any(|idp| idp.keys.are_fetched());
        Self { idps: Arc::new(idps), by_issuer: Arc::new(by_issuer), keys, fetches_any }
    }

    /// The IdP whose issuer identifier is exactly `issuer`.
    pub(crate) fn trusted(&self, issuer: &str) -> Option<Trusted<'_>> {
        let at = *self.by_issuer.get(issuer)?;
        Some(Trusted { idp: self.idps.get(at)?, keys: self.keys.get(at)?.as_deref() })
    }

    /// Whether any IdP is trusted at all. If not, the grant is not served here.
    pub(crate) fn is_in_use(&self) -> bool {
        self.idps.iter().any(|idp| idp.enabled)
    }

    /// Every IdP, in the order of the configuration.
    pub(crate) fn idps(&self) -> impl Iterator<Item = &Idp> {
        self.idps.iter()
    }

    /// The same, with the keys that `before` had for those whose keys are still to come from the same place.
    pub(crate) fn with_keys_of(mut self, before: &Self) -> Self {
        for (idp, keys) in self.idps.iter().zip(&mut self.keys) {
            let Keys::Fetched { uri, .. } = &idp.keys else {
                continue;
            };
            let earlier = before
                .by_issuer
                .get(&idp.issuer)
                .and_then(|at| before.idps.get(*at).zip(before.keys.get(*at)));
            if let Some((known, put)) = earlier
                && matches!(&known.keys, Keys::Fetched { uri: same, .. } if same == uri)
                && known.algorithms == idp.algorithms
            {
                keys.clone_from(put);
            }
        }
        self
    }

    /// Other keys for `issuer`, or none any more, and how many there are now; `None` when that issuer is not trusted. For a clone
    /// that nobody sees yet.
    pub(crate) fn set_keys(
        &mut self,
        issuer: &str,
        jwks: Option<&[u8]>,
    ) -> Option<Result<usize, KeySetProblem>> {
        let at = *self.by_issuer.get(issuer)?;
        let (idp, place) = (self.idps.get(at)?, self.keys.get_mut(at)?);
        let keys = jwks.map(|jwks| KeySet::parse_usable(jwks, &idp.algorithms)).transpose();
        Some(keys.map(|keys| {
            *place = keys.map(Arc::new);
            place.as_ref().map_or(0, |keys| keys.len())
        }))
    }

    /// Whether the keys of any IdP are fetched while the server runs.
    pub(crate) fn fetches_any(&self) -> bool {
        self.fetches_any
    }

    /// Whether the keys of `issuer` are fetched while the server runs.
    pub(crate) fn fetches(&self, issuer: &str) -> bool {
        self.trusted(issuer).is_some_and(|trusted| trusted.idp.keys.are_fetched())
    }

    /// What is to be fetched, of the IdPs that are switched on.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = WantedKeys> {
        self.idps.iter().filter(|idp| idp.enabled).filter_map(|idp| match &idp.keys {
            Keys::Static(_) => None,
            Keys::Fetched { uri, local } => {
                Some(WantedKeys { owner: KeyOwner::Idp(idp.issuer.clone()), uri: uri.clone(), local: *local })
            }
        })
    }
}
