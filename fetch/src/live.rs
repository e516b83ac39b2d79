//! An engine whose keys are fetched: both together, for whoever needs nothing else.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use idjag::{Builder, Config, Error, Exchange};

use crate::fetcher::Fetcher;
use crate::schedule::Pace;
use crate::source::SourceState;

/// An [`Exchange`] and the [`Fetcher`] of its keys. Both end with it: once it is dropped, no thread of the fetcher has to do with
/// the engine ([`Fetcher::stop`]).
///
/// Where nothing is to be fetched it is the exchange alone: no thread, no socket. So it is with `fetch.enabled = false`: then the
/// host puts keys ([`Exchange::put_jwks`]).
#[derive(Debug)]
pub struct Live {
    exchange: Arc<Exchange>,
    fetcher: Arc<Fetcher>,
}

impl Live {
    /// Builds the engine and begins to fetch. `folder` is what `fetch.cache` is relative to: that of the configuration.
    ///
    /// Waits for no fetch: until its keys came, a request of an IdP waits for them, for at most two seconds.
    pub fn start(builder: Builder, folder: &Path) -> Result<Self, Error> {
        let fetcher = Fetcher::new(builder.fetch_settings(), folder, Pace::default());
        Self::with(builder, fetcher)
    }

    /// The same with a fetcher of the caller's making. It fetches clients' documents as well, unless the builder has something
    /// that does.
    pub fn with(builder: Builder, fetcher: Arc<Fetcher>) -> Result<Self, Error> {
        let source = Arc::clone(&fetcher);
        let builder = builder.key_source(source);
        let builder = if builder.has_client_documents() {
            builder
        } else {
            builder.client_documents(fetcher.documents())
        };
        let exchange = Arc::new(builder.build()?);
        fetcher.attach(&exchange);
        Ok(Self { exchange, fetcher })
    }

    /// [`Exchange::reload`], and from then on what the new configuration wants is fetched, as its `[fetch]` says
    /// ([`Fetcher::renew`]).
    pub fn reload(&self, config: Config) -> Result<(), Error> {
        let settings = config.fetch_settings().clone();
        self.exchange.reload(config)?;
        self.fetcher.renew(&settings);
        Ok(())
    }

    /// [`Exchange::put_jwks`], of a set that the host got otherwise: see [`Fetcher::put_jwks`].
    pub fn put_jwks(&self, issuer: &str, jwks: &[u8]) -> Result<(), Error> {
        self.fetcher.put_jwks(&self.exchange, issuer, jwks)
    }

    /// The engine, to be shared.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// The fetcher.
    pub fn fetcher(&self) -> &Arc<Fetcher> {
        &self.fetcher
    }

    /// The keys that are fetched, how old they are, and what went wrong.
    pub fn sources(&self) -> Vec<SourceState> {
        self.fetcher.sources()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.fetcher.stop();
    }
}

impl Deref for Live {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}
