//! The worlds (`vectors/worlds/*.json`): configurations, and the engine that each of them makes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use idjag::{Clock, Config, Error, Exchange};
use serde_json::Value;

use crate::vectors;

/// A clock that shows what it was set to.
#[derive(Clone, Debug)]
pub struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// A clock that shows `now`, in seconds since 1970.
    pub fn new(now: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    /// Sets it.
    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// One configuration.
#[derive(Debug)]
pub struct World {
    path: PathBuf,
    text: String,
}

impl World {
    /// Reads `worlds/NAME.json`.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn read(name: &str) -> std::io::Result<Self> {
        let path = vectors().join("worlds").join(format!("{name}.json"));
        let text = fs::read_to_string(&path)?;
        Ok(Self { path, text })
    }

    /// The same with other members.
    #[must_use]
    pub fn edited(self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut json = self.json();
        edit(&mut json);
        Self { text: json.to_string(), ..self }
    }

    /// The configuration as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A new engine, built at the time that `clock` shows.
    ///
    /// # Errors
    ///
    /// Those of [`Config::parse`].
    pub fn engine(&self, clock: SetClock) -> Result<Exchange, Error> {
        Exchange::builder(self.config()?).clock(clock).build()
    }

    /// The configuration, parsed.
    ///
    /// # Errors
    ///
    /// Those of [`Config::parse`].
    pub fn config(&self) -> Result<Config, Error> {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        Config::parse(&name, &self.text, &mut |file| {
            fs::read(self.path.with_file_name(file)).map_err(|why| why.to_string())
        })
    }

    /// The configuration as JSON, for what a test looks up in it.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The JWK that signs access tokens, with its private members.
    pub fn token_key(&self) -> Option<Value> {
        let json = self.json();
        let file = json.pointer("/tokens/keys/0")?.as_str()?;
        serde_json::from_slice(&fs::read(self.path.with_file_name(file)).ok()?).ok()
    }
}
