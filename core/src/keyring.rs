//! The trusted IdPs: issuer to its rules and its keys. An immutable value, replaced whole.
//!
//! An issuer that is not here is not trusted, and nothing is ever fetched for it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::config::{Idp, Keys};
use crate::jwks::KeySet;

/// Every trusted IdP, by `iss`.
#[derive(Clone)]
pub(crate) struct Keyring {
    idps: Arc<Vec<Idp>>,
    by_issuer: Arc<HashMap<String, usize>>,
    /// As many as there are IdPs, in the same order.
    keys: Vec<Option<Arc<KeySet>>>,
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
        Self { idps: Arc::new(idps), by_issuer: Arc::new(by_issuer), keys }
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
            let Keys::Fetched { uri } = &idp.keys else {
                continue;
            };
            let earlier = before
                .by_issuer
                .get(&idp.issuer)
                .and_then(|at| before.idps.get(*at).zip(before.keys.get(*at)));
            if let Some((known, put)) = earlier
                && matches!(&known.keys, Keys::Fetched { uri: same } if same == uri)
                && known.algorithms == idp.algorithms
            {
                keys.clone_from(put);
            }
        }
        self
    }

    /// The same with other keys for `issuer`; `None` when that issuer is not trusted.
    pub(crate) fn with_keys(&self, issuer: &str, keys: KeySet) -> Option<Self> {
        let mut changed = self.clone();
        *changed.keys.get_mut(*self.by_issuer.get(issuer)?)? = Some(Arc::new(keys));
        Some(changed)
    }
}
