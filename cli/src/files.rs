//! Files: a configuration with what it names, on disk or in memory, and new files that never replace old ones.
//!
//! The core opens no file; this is where the command does.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use idjag::{Builder, Clock, Config, Error, Exchange, MemoryReplay, SystemClock};

use crate::problem::{Problem, Result};

/// Where a configuration and the files that it names are.
pub(crate) enum Source {
    /// The configuration's file; what it names is relative to it.
    Disk(PathBuf),
    /// A set that is nowhere on disk; its configuration is [`CONFIG`].
    Memory(FileSet),
}

/// What a configuration is called where it is written.
pub(crate) const CONFIG: &str = "idjag.toml";

impl Source {
    /// The name of the configuration in errors.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Disk(path) => path.display().to_string(),
            Self::Memory(_) => CONFIG.to_owned(),
        }
    }

    /// The text of the configuration.
    pub(crate) fn text(&self) -> Result<String> {
        let bytes = match self {
            Self::Disk(path) => read(path)?,
            Self::Memory(files) => files.read(CONFIG).map_err(Problem::new)?,
        };
        String::from_utf8(bytes).map_err(|_| Problem::new(format!("`{}` is not UTF-8", self.name())))
    }

    /// The content of a file that the configuration names.
    pub(crate) fn read(&self, path: &str) -> std::result::Result<Vec<u8>, String> {
        match self {
            Self::Disk(_) => fs::read(self.folder().join(path)).map_err(|error| error.to_string()),
            Self::Memory(files) => files.read(path),
        }
    }

    /// The folder that paths in the configuration are relative to.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Disk(config) => config.parent().unwrap_or(Path::new("")),
            Self::Memory(_) => Path::new(""),
        }
    }

    /// The configuration, validated, with everything that it names.
    pub(crate) fn config(&self) -> Result<Config> {
        let config = Config::parse(&self.name(), &self.text()?, &mut |path| self.read(path));
        config.map_err(|error| self.located(&error))
    }

    /// An engine of `config`, with the single-use store and the record that it names: to be told what else it is made from.
    pub(crate) fn builder(&self, config: Config) -> Result<Builder> {
        let folder = match self {
            Self::Disk(path) => Some(path.parent().unwrap_or(Path::new(""))),
            Self::Memory(_) => None,
        };
        let now = SystemClock.now();
        let store = idjag_stores::open(&config, folder, now).map_err(|error| self.located(&error))?;
        let record = folder.map(|folder| idjag_log::open(&config, folder, now)).transpose()?.flatten();
        let builder = Exchange::builder(config);
        let builder = match store {
            Some(store) => builder.replay(store),
            None => builder,
        };
        Ok(match record {
            Some(record) => record.give(builder),
            None => builder,
        })
    }

    /// The same with a memory of its own, whatever store is named, and no record: what is asked or rehearsed spends nothing.
    pub(crate) fn rehearsal(&self) -> Result<Builder> {
        Ok(Exchange::builder(self.config()?).replay(Box::new(MemoryReplay::new(512 << 20))))
    }

    /// The error with its file as the user finds it: what the configuration names is relative to its folder.
    fn located(&self, error: &Error) -> Problem {
        let folder = match self {
            Self::Disk(config) => config.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Self::Memory(_) => None,
        };
        let elsewhere = error.file() != self.name() && Path::new(error.file()).is_relative();
        match folder {
            Some(folder) if elsewhere => Problem::new(format!("{}/{error}", folder.display())),
            _ => Problem::new(error.to_string()),
        }
    }
}

/// Files that belong together, by their paths below one directory.
#[derive(Default)]
pub(crate) struct FileSet(Vec<NewFile>);

struct NewFile {
    path: String,
    content: Vec<u8>,
    secret: bool,
}

impl FileSet {
    /// Adds a file for everybody to read.
    pub(crate) fn add(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.push(path, content.into(), false);
    }

    /// Adds a file for its owner alone.
    pub(crate) fn add_secret(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.push(path, content.into(), true);
    }

    fn push(&mut self, path: &str, content: Vec<u8>, secret: bool) {
        self.0.push(NewFile { path: path.to_owned(), content, secret });
    }

    /// The paths, in the order in which they were added.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|file| file.path.as_str())
    }

    /// Writes all of them below `dir`, which is made where it is missing. Nothing is written when one of them exists.
    pub(crate) fn write_to(&self, dir: &Path) -> Result<()> {
        if let Some(file) = self.0.iter().find(|file| dir.join(&file.path).exists()) {
            return Err(Problem::new(format!(
                "`{}` exists already and is left as it is; name another directory",
                dir.join(&file.path).display()
            )));
        }
        for file in &self.0 {
            let path = dir.join(&file.path);
            let parent = path.parent().unwrap_or(dir);
            fs::create_dir_all(parent)
                .map_err(|error| Problem::new(format!("cannot make `{}`: {error}", parent.display())))?;
            create(&path, &file.content, file.secret)?;
        }
        Ok(())
    }

    fn read(&self, path: &str) -> std::result::Result<Vec<u8>, String> {
        let file = self.0.iter().find(|file| file.path == path);
        file.map(|file| file.content.clone()).ok_or_else(|| "there is no such file".to_owned())
    }
}

/// The content of a file that the user named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Problem::new(format!("cannot read `{}`: {error}", path.display())))
}

/// Writes a file that must not exist. A secret one is readable and writable by its owner alone.
pub(crate) fn create(path: &Path, content: &[u8], secret: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    write(path, content, secret, &mut options).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AlreadyExists => "; it is left as it is, name another file",
            _ => "",
        };
        Problem::new(format!("cannot write `{}`: {error}{remedy}", path.display()))
    })
}

/// Replaces a file at once: whoever reads it meanwhile finds the old one whole or the new one whole. Who may read it stays
/// as it is.
pub(crate) fn replace_whole(path: &Path, content: &[u8]) -> Result<()> {
    let failed = |error: io::Error| Problem::new(format!("cannot write `{}`: {error}", path.display()));
    let mode = fs::metadata(path).map_err(failed)?.permissions();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    write(&new, content, true, &mut options).map_err(failed)?;
    fs::set_permissions(&new, mode).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

/// Writes a file of secrets over what may be there. A new one is readable and writable by its owner alone.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    write(path, content, true, &mut options)
        .map_err(|error| Problem::new(format!("cannot write `{}`: {error}", path.display())))
}

fn write(path: &Path, content: &[u8], secret: bool, options: &mut OpenOptions) -> io::Result<()> {
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    options.open(path)?.write_all(content)
}
