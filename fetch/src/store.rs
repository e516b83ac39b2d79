//! The last good keys, kept in files: so that a restart without network starts with them.
//!
//! One file for each owner, replaced whole. Who can write there can add keys that are trusted, so the folder belongs to the
//! server alone. A file that cannot be read is as if it were not there.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use idjag::{KeyOwner, WantedKeys};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The form of the files.
const VERSION: u32 = 1;

/// What is kept of one owner.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept<'a> {
    version: u32,
    kind: &'a str,
    owner: String,
    /// As it was configured; none: by discovery.
    configured_uri: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) fetched: i64,
    pub(crate) fresh_until: i64,
    #[serde(borrow)]
    jwks: &'a RawValue,
}

impl Kept<'_> {
    /// The JWK Set as it was fetched.
    pub(crate) fn jwks(&self) -> &[u8] {
        self.jwks.get().as_bytes()
    }
}

/// A folder of such files.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps what was fetched.
    pub(crate) fn keep(
        &self,
        of: &WantedKeys,
        fetched: i64,
        fresh_until: i64,
        jwks: &[u8],
    ) -> io::Result<()> {
        let kept = Kept {
            version: VERSION,
            kind: kind(&of.owner),
            owner: of.owner.name().to_owned(),
            configured_uri: of.uri.clone(),
            fetched,
            fresh_until,
            jwks: serde_json::from_slice(jwks)?,
        };
        fs::create_dir_all(&self.folder)?;
        let path = self.path(&of.owner);
        // Of each process its own: those that share a configuration share the folder.
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// Keeps that what is kept was confirmed.
    pub(crate) fn confirm(&self, of: &WantedKeys, fetched: i64, fresh_until: i64) -> io::Result<()> {
        self.recall(of, |kept| Some(self.keep(of, fetched, fresh_until, kept.jwks()))).unwrap_or(Ok(()))
    }

    /// Gives what was kept of `wanted` to `take`, if it was fetched from where it would be fetched now.
    pub(crate) fn recall<T>(
        &self,
        wanted: &WantedKeys,
        take: impl FnOnce(&Kept<'_>) -> Option<T>,
    ) -> Option<T> {
        let text = fs::read(self.path(&wanted.owner)).ok()?;
        let kept: Kept<'_> = serde_json::from_slice(&text).ok()?;
        let is_of = kept.version == VERSION
            && kept.kind == kind(&wanted.owner)
            && kept.owner == wanted.owner.name()
            && kept.configured_uri == wanted.uri;
        if is_of { take(&kept) } else { None }
    }

    /// The file of an owner. Two with the same name would take turns: the file says whose it is.
    fn path(&self, owner: &KeyOwner) -> PathBuf {
        // FNV-1a: the same on every machine and in every version.
        let bytes = kind(owner).bytes().chain([0]).chain(owner.name().bytes());
        let name = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Path::join(&self.folder, format!("{name:016x}.json"))
    }
}

fn kind(owner: &KeyOwner) -> &'static str {
    match owner {
        KeyOwner::Idp(_) => "idp",
        _ => "client",
    }
}
