//! What a host does to keep the record that its configuration asks for: open it, and give it to the engine's builder.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use idjag::{Audit, Builder, Config, Durability, RecordUnavailable};

use crate::error::Error;
use crate::log::{Log, Options};
use crate::rebuild::{Remembered, remembered};

/// A record that was opened, with what every log in its folder knows of before.
pub struct Kept {
    log: Arc<Log>,
    remembered: Remembered,
    since: Option<i64>,
}

/// Opens the record that `config` asks for, in its folder, which is relative to `folder`; none with
/// `audit = "off"`. `now`, in seconds since 1970, is that of the engine's clock.
///
/// Costs the reading of the last hours of the record. Starts a thread.
///
/// # Errors
///
/// As [`Log::open`]: then nothing should be served.
pub fn open(config: &Config, folder: &Path, now: i64) -> Result<Option<Kept>, Error> {
    let Audit::Record { path, durability, subject, keep_days, .. } = config.audit() else {
        return Ok(None);
    };
    let (durability, subject, keep_days) = (*durability, *subject, *keep_days);
    let options = Options { durability, subject, keep_days, ..Options::of(config.issuer()) };
    let path = folder.join(path);
    let log = Arc::new(Log::open(&path, &options)?);
    let remembered = remembered(&path, now)?;
    log.stand(remembered.stands.clone(), now)
        .map_err(|RecordUnavailable| Error::unusable(&path, "cannot be written"))?;
    let since = remembered.since.filter(|_| durability == Durability::Sync);
    Ok(Some(Kept { log, remembered, since }))
}

impl Kept {
    /// The engine's builder with this record, and with what was spent and revoked before.
    ///
    /// With durability `sync`, what the record does not have was not spent, so that a restart refuses no ID-JAG for its age.
    /// Weaker records may have lost the last of them: there `replay.cold_start` holds.
    #[must_use]
    pub fn give(self, builder: Builder) -> Builder {
        let revoked = self.remembered.revocations();
        builder.record(self.log).spent(self.remembered.claims, self.since).revoked(revoked)
    }

    /// The log that this process writes.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("log", &self.log).finish_non_exhaustive()
    }
}
