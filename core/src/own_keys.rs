//! Our own keys: the first signs, all of them verify, their public halves are published (RFC 7517 section 5).

use std::sync::Arc;

use crate::alg::Algorithm;
use crate::key::SigningKey;

/// The keys that `tokens.keys` names. Never empty.
#[derive(Clone)]
pub(crate) struct OwnKeys {
    first: Arc<SigningKey>,
    further: Vec<Arc<SigningKey>>,
}

impl OwnKeys {
    /// `None` when there is no key.
    pub(crate) fn new(keys: Vec<SigningKey>) -> Option<Self> {
        let mut keys = keys.into_iter().map(Arc::new);
        Some(Self { first: keys.next()?, further: keys.collect() })
    }

    /// The key that signs.
    pub(crate) fn signer(&self) -> &Arc<SigningKey> {
        &self.first
    }

    /// The key that must have signed a token with this header.
    pub(crate) fn find(&self, kid: Option<&str>, alg: Algorithm) -> Option<&Arc<SigningKey>> {
        let kid = kid?;
        self.all().find(|key| key.kid() == kid && key.algorithm() == alg)
    }

    /// The JWK set of the public halves. A symmetric key has none.
    pub(crate) fn public_jwks(&self) -> String {
        let keys: Vec<String> = self.all().filter_map(|key| key.public_jwk()).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        std::iter::once(&self.first).chain(&self.further)
    }
}
