//! Where a configuration comes from: a file, or a text and the folder that its paths are relative to.

use std::fs;
use std::path::{Path, PathBuf};

use idjag::{Audit, Config, Error, IdpConfig, ReplayStore};
use idjag_log::Kept;
use idjag_stores::Alone;

use crate::caller::Caller;
use crate::error::Failure;
use crate::exchange::Configuration;

/// A configuration's text, and where the files lie that it names.
pub(crate) struct Source<'c> {
    name: &'c str,
    text: String,
    folder: Option<PathBuf>,
    /// Whether it is a file; then `name` is its path.
    is_file: bool,
}

impl<'c> Source<'c> {
    /// What the caller's structure names.
    pub(crate) fn of(caller: Caller<'c>, configuration: *const Configuration) -> Result<Self, Failure> {
        let said = caller.structure(configuration)?;
        let file = caller.optional_text("file", said.file, said.file_length)?;
        let text = caller.optional_text("text", said.text, said.text_length)?;
        let name = caller.optional_text("name", said.name, said.name_length)?;
        let folder = caller.optional_text("folder", said.folder, said.folder_length)?;
        match (file, text) {
            (Some(file), None) if name.is_none() && folder.is_none() => Self::file(file),
            (None, Some(text)) => Ok(Self {
                name: name.unwrap_or("configuration"),
                text: text.to_owned(),
                folder: folder.map(PathBuf::from),
                is_file: false,
            }),
            _ => Err(Failure::misuse(
                "config",
                "has neither `file` alone nor `text` with what `name` and `folder` say of it",
            )),
        }
    }

    fn file(path: &'c str) -> Result<Self, Failure> {
        let text =
            fs::read_to_string(path).map_err(|why| Failure::Load(format!("cannot read `{path}`: {why}")))?;
        let folder = Path::new(path).parent().map(Path::to_owned);
        Ok(Self { name: path, text, folder, is_file: true })
    }

    /// The configuration of a server, validated, with everything that it names.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let config = Config::parse(self.name, &self.text, &mut |path| self.read(path));
        config.map_err(|error| self.located(&error))
    }

    /// The configuration of an identity provider, likewise.
    pub(crate) fn idp_config(&self) -> Result<IdpConfig, Failure> {
        let config = IdpConfig::parse(self.name, &self.text, &mut |path| self.read(path));
        config.map_err(|error| self.located(&error))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let folder = self.folder.as_ref().ok_or("no folder was given to look for it in")?;
        fs::read(folder.join(path)).map_err(|why| why.to_string())
    }

    /// Makes sure that no other process runs over the file, where `config`, read from it, does not allow that. There is
    /// nothing to be told of a text.
    pub(crate) fn alone(&self, config: &Config, brings_store: bool) -> Result<Alone, Failure> {
        if !self.is_file {
            return Ok(Alone::default());
        }
        idjag_stores::alone(config, Path::new(self.name), brings_store).map_err(|error| self.located(&error))
    }

    /// Makes sure that what the host keeps is not to be kept elsewhere as well.
    pub(crate) fn leaves_room(&self, config: &Config, store: bool, record: bool) -> Result<(), Failure> {
        config.kept_twice(store, record).map_or(Ok(()), |fault| Err(self.located(&fault)))
    }

    /// The folder that `fetch.cache` is relative to.
    pub(crate) fn cache_folder(&self, config: &Config) -> Result<&Path, Failure> {
        let cache = config.fetch_settings().cache.as_deref();
        match &self.folder {
            Some(folder) => Ok(folder),
            None if cache.is_none_or(Path::is_absolute) => Ok(Path::new("")),
            None => Err(Failure::Load(format!(
                "{}: `fetch.cache`: no folder was given to keep keys in",
                self.name
            ))),
        }
    }

    /// The single-use store that `config` names, opened; `None` for the table in memory.
    pub(crate) fn store(&self, config: &Config, now: i64) -> Result<Option<Box<dyn ReplayStore>>, Failure> {
        let store = idjag_stores::open(config, self.folder.as_deref(), now);
        store.map_err(|error| self.located(&error))
    }

    /// The record that `config` asks for, opened; `None` where it asks for none.
    pub(crate) fn record(&self, config: &Config, now: i64) -> Result<Option<Kept>, Failure> {
        match (&self.folder, config.audit()) {
            (Some(folder), _) => {
                idjag_log::open(config, folder, now).map_err(|error| Failure::Load(error.to_string()))
            }
            (None, Audit::Record { .. }) => Err(Failure::Load(format!(
                "{}: `audit`: no folder was given to keep the record in",
                self.name
            ))),
            (None, _) => Ok(None),
        }
    }

    /// The error with its file as the user finds it: what the configuration names is relative to its folder.
    fn located(&self, error: &Error) -> Failure {
        let folder = self.folder.as_ref().filter(|folder| !folder.as_os_str().is_empty());
        match folder {
            Some(folder) if error.file() != self.name && Path::new(error.file()).is_relative() => {
                Failure::Load(format!("{}/{error}", folder.display()))
            }
            _ => Failure::Load(error.to_string()),
        }
    }
}
