//! Where a configuration comes from: a file, with what it names beside it, or a mapping.
//!
//! The core opens no file; this is where the package does.

use std::fs;
use std::path::{Path, PathBuf};

use idjag::{Config, Error, ReplayStore};
use idjag_log::Kept;
use idjag_stores::Alone;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::errors;
use crate::text::{Octets, Text};

/// What mappings are called in errors.
const MAPPING: &str = "config";

/// A configuration as it was given.
pub(crate) enum Given {
    /// A file; what it names is relative to it.
    File(PathBuf),
    /// A mapping as JSON; what it names is relative to the working directory.
    Mapping(String),
}

/// Reads the text of a configuration; the last argument reads the files that it names.
type Parse<C> = fn(&str, &str, &mut dyn FnMut(&str) -> Result<Vec<u8>, String>) -> Result<C, Error>;

/// Why there is no configuration.
enum Fault {
    /// It cannot be read at all.
    Unread(String),
    /// It says something wrong.
    Wrong(Box<Error>),
}

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.cast::<PyMapping>().is_ok() {
            return json(&object).map(Self::Mapping);
        }
        let path = object.extract::<PathBuf>();
        path.map(Self::File).map_err(|_| PyTypeError::new_err("a path or a mapping"))
    }
}

impl Given {
    /// Reads it, with everything that it names, without holding the interpreter.
    pub(crate) fn load<C: Send>(&self, py: Python<'_>, parse: Parse<C>) -> PyResult<C> {
        py.detach(|| self.read(parse)).map_err(|fault| match fault {
            Fault::Unread(why) => errors::config(py, &why, None),
            Fault::Wrong(error) => self.fault(py, &error),
        })
    }

    /// Makes sure that no other process runs over the file, where `config`, read from it, does not allow that. There is
    /// nothing to be told of a mapping.
    pub(crate) fn alone(&self, py: Python<'_>, config: &Config, brings_store: bool) -> PyResult<Alone> {
        match self {
            Self::Mapping(_) => Ok(Alone::default()),
            Self::File(path) => {
                idjag_stores::alone(config, path, brings_store).map_err(|error| self.fault(py, &error))
            }
        }
    }

    /// Makes sure that what the host keeps is not to be kept elsewhere as well.
    pub(crate) fn leaves_room(
        &self,
        py: Python<'_>,
        config: &Config,
        store: bool,
        record: bool,
    ) -> PyResult<()> {
        config.kept_twice(store, record).map_or(Ok(()), |fault| Err(self.fault(py, &fault)))
    }

    /// The folder that paths in it are relative to.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Mapping(_) => Path::new(""),
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
        }
    }

    /// The exception for a fault in it.
    fn fault(&self, py: Python<'_>, error: &Error) -> PyErr {
        errors::config(py, &self.located(error), Some(error))
    }

    fn read<C>(&self, parse: Parse<C>) -> Result<C, Fault> {
        let (name, text) = match self {
            Self::Mapping(text) => (MAPPING.to_owned(), text.clone()),
            Self::File(path) => {
                let name = path.display().to_string();
                let text = fs::read_to_string(path)
                    .map_err(|why| Fault::Unread(format!("cannot read `{name}`: {why}")))?;
                (name, text)
            }
        };
        let mut read = |path: &str| fs::read(self.folder().join(path)).map_err(|why| why.to_string());
        parse(&name, &text, &mut read).map_err(|error| Fault::Wrong(Box::new(error)))
    }

    /// The single-use store that `config` names, opened at `now`; `None` for the table in memory.
    pub(crate) fn store(
        &self,
        py: Python<'_>,
        config: &Config,
        now: i64,
    ) -> PyResult<Option<Box<dyn ReplayStore>>> {
        let folder = match self {
            Self::Mapping(_) => Path::new(""),
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
        };
        let store = py.detach(|| idjag_stores::open(config, Some(folder), now));
        store.map_err(|error| errors::config(py, &self.located(&error), Some(&error)))
    }

    /// The record that `config` asks for, opened at `now`; `None` where it asks for none.
    pub(crate) fn record(&self, py: Python<'_>, config: &Config, now: i64) -> PyResult<Option<Kept>> {
        let folder = match self {
            Self::Mapping(_) => Path::new(""),
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
        };
        let record = py.detach(|| idjag_log::open(config, folder, now));
        record.map_err(|error| errors::config(py, &error.to_string(), None))
    }

    /// The error with its file as the user finds it.
    fn located(&self, error: &Error) -> String {
        match self {
            // The lines are those of a text that nobody has seen.
            Self::Mapping(_) if error.file() == MAPPING => format!("`{}`: {}", error.key(), error.message()),
            Self::Mapping(_) => error.to_string(),
            Self::File(path) => {
                let beside = Path::new(error.file()).is_relative() && Path::new(error.file()) != path;
                match path.parent().filter(|folder| beside && !folder.as_os_str().is_empty()) {
                    Some(folder) => format!("{}/{error}", folder.display()),
                    None => error.to_string(),
                }
            }
        }
    }
}

/// `object` as JSON. Mappings of any kind, paths and dates are written as what they stand for.
pub(crate) fn json(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = object.py();
    let options = PyDict::new(py);
    options.set_item("default", py.import("idjag._json")?.getattr("plain")?)?;
    options.set_item("allow_nan", false)?;
    let text = py.import("json")?.call_method("dumps", (object,), Some(&options));
    // A NaN, or a circle: content, not a type.
    let text = text.map_err(|error| {
        let is_content = error.is_instance_of::<PyValueError>(py);
        if is_content { errors::config(py, &error.value(py).to_string(), None) } else { error }
    })?;
    text.extract()
}

/// A document that is put: JSON as a mapping, or its text.
pub(crate) struct Document(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Document {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.cast::<PyMapping>().is_ok() {
            return Ok(Self(json(&object)?.into_bytes()));
        }
        let text = object.extract::<Octets<'_>>();
        text.map(|text| Self(text.0.into_owned()))
            .map_err(|_| PyTypeError::new_err("a mapping, a str or bytes"))
    }
}

/// `authorization_details` of a request: JSON as its text, or what it stands for.
pub(crate) struct Details(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Details {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.extract::<Text<'_>>() {
            return Ok(Self(text.into_string()));
        }
        let text = object.py().import("json")?.call_method1("dumps", (object,));
        // What JSON cannot say of it, a circle, is content as any other: no engine accepts an empty text.
        let text = text.or_else(|error| {
            let is_content = error.is_instance_of::<PyValueError>(object.py());
            if is_content { Ok(PyString::new(object.py(), "").into_any()) } else { Err(error) }
        })?;
        text.extract().map(Self)
    }
}
