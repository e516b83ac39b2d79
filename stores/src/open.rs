//! Opens the store that a configuration names.

use std::path::Path;

use idjag::{Config, Error, ReplayStore, Store};

/// Opens the store that `config` names (`[replay]`); `None` for the table in memory, which the engine makes itself.
///
/// `folder` is what paths in the configuration are relative to. `now` is Unix seconds, by the engine's clock.
///
/// # Errors
///
/// The store cannot be used, or is no part of this build; with file, line and key of the configuration. Redis that is out of
/// reach is no error: its claims are unavailable until it is there.
pub fn open(config: &Config, folder: Option<&Path>, now: i64) -> Result<Option<Box<dyn ReplayStore>>, Error> {
    match config.store() {
        Store::Memory { .. } => Ok(None),
        #[cfg(all(feature = "file", target_os = "linux"))]
        Store::File { path, max_bytes } => {
            let folder = folder
                .map(|folder| folder.join(path))
                .or_else(|| Path::new(path).is_absolute().then(|| path.into()))
                .ok_or_else(|| {
                    config.store_error("is relative, and no folder was given that it is relative to")
                })?;
            let store = crate::FileReplay::open(&folder, *max_bytes, now);
            Ok(Some(Box::new(store.map_err(|why| config.store_error(why.to_string()))?)))
        }
        #[cfg(feature = "redis")]
        Store::Redis { url, password, prefix, timeout_ms, .. } => {
            let mut settings = crate::Settings::new(url, prefix);
            settings.password = password.as_ref().map(|password| password.to_string());
            settings.timeout = std::time::Duration::from_millis(u64::from(*timeout_ms));
            let store = crate::RedisReplay::open(&settings, now);
            Ok(Some(Box::new(store.map_err(|why| config.store_error(why))?)))
        }
        other => {
            let _ = (folder, now);
            let which = match other {
                Store::File { .. } => "a file as the store needs Linux, and the feature `file`",
                _ => "Redis as the store needs the feature `redis`",
            };
            Err(config.store_error(format!("is not available in this build: {which}")))
        }
    }
}
