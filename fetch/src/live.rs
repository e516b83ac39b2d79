//! An engine whose keys are fetched: both together, for whoever needs nothing else.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use idjag::{Builder, Config, Error, Exchange};

use crate::fetcher::Fetcher;
use crate::schedule::Pace;
use crate::source::SourceState;

/// An [`Exchange`] and the [`Fetcher`] of its keys. Both end with it.
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

    /// The same with a fetcher of the caller's making.
    pub fn with(builder: Builder, fetcher: Arc<Fetcher>) -> Result<Self, Error> {
        let source = Arc::clone(&fetcher);
        let exchange = Arc::new(builder.key_source(source).client_documents(fetcher.documents()).build()?);
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

impl Deref for Live {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}
