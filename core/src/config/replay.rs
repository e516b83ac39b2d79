//! `[replay]`: where it is remembered which assertions were used, and what holds after a start.

use std::fmt;

use zeroize::Zeroizing;

use super::Inputs;
use super::document::Value;
use super::reader::{Field, Section};
use crate::error::Error;

/// The single-use memory.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) store: Store,
    /// Where an error of the store belongs: the line, and the key.
    line: u32,
    key: &'static str,
    pub(crate) cold_start: ColdStart,
    /// Whether several processes may have a memory each.
    pub(crate) allow_per_process: bool,
    section: Begins,
}

/// Where the section begins.
#[derive(Debug)]
struct Begins {
    line: u32,
}

/// The single-use store that a configuration names (`[replay]`). The core opens no file and no socket: whoever embeds it
/// opens the store, and gives it to the [`Builder`](crate::Builder).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// The table in this process, [`MemoryReplay`](crate::MemoryReplay): nothing is to be opened.
    Memory {
        /// Bytes that it may take.
        max_bytes: u64,
    },
    /// A file that the processes of one host share.
    File {
        /// The folder for it, relative to the configuration's file.
        path: String,
        /// Bytes that it may take.
        max_bytes: u64,
    },
    /// Redis or Valkey, which several hosts share.
    Redis {
        /// `redis://[user@]host[:port][/database]` or `unix:///path`; no password in it.
        url: String,
        /// The password, out of `password_file`.
        password: Option<Zeroizing<String>>,
        /// What every key in there begins with: who gives the same shares the memory.
        prefix: String,
        /// How long an answer is waited for, in milliseconds.
        timeout_ms: u32,
    },
}

/// What happens to assertions that were issued before the memory began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColdStart {
    /// They are refused for one lifetime: they may have been used before.
    RefuseOlder,
    /// They are accepted, once more if they were used before.
    Accept,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    File,
    Redis,
}

impl Replay {
    /// Reads `replay`.
    pub(super) fn read(root: &Section<'_>, issuer: &str, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let keys = &[
            "store",
            "path",
            "url",
            "password_file",
            "prefix",
            "timeout_ms",
            "max_bytes",
            "cold_start",
            "allow_per_process",
        ];
        let section = root.section("replay", keys)?;
        let kinds = [("memory", Kind::Memory), ("file", Kind::File), ("redis", Kind::Redis)];
        let kind = section.word("store", &kinds, Kind::Memory)?;
        if kind != Kind::File {
            section.refuse(&["path"], "has a meaning only with `store = \"file\"`")?;
        }
        if kind != Kind::Redis {
            let why = "has a meaning only with `store = \"redis\"`";
            section.refuse(&["url", "password_file", "prefix", "timeout_ms"], why)?;
        }
        if kind == Kind::Redis {
            section.refuse(
                &["max_bytes"],
                "has no meaning with `store = \"redis\"`, whose own `maxmemory` is the bound",
            )?;
        }
        let max_bytes = section.optional("max_bytes").map_or(Ok(512 << 20), |field| size(&field))?;
        if let Some(field) =
            section.optional("max_bytes").filter(|_| kind == Kind::File && max_bytes < 1 << 20)
        {
            return Err(field.error("a file needs 1 MiB at least"));
        }
        let (store, key) = match kind {
            Kind::Memory => (Store::Memory { max_bytes }, "store"),
            Kind::File => {
                let path = section.text("path")?.unwrap_or("replay").to_owned();
                (Store::File { path, max_bytes }, "path")
            }
            Kind::Redis => (redis(&section, issuer, inputs)?, "url"),
        };
        let place = section.optional(key).or_else(|| section.optional("store"));
        Ok(Self {
            store,
            line: place.map_or(section.line(), |field| field.line()),
            key,
            cold_start: cold_start(&section, inputs)?,
            allow_per_process: allow_per_process(&section, inputs)?,
            section: Begins { line: section.line() },
        })
    }

    /// A fault of the section as a whole, in `file`.
    pub(super) fn section_error(&self, file: &str, why: impl Into<String>) -> Error {
        Error::new(file, Some(self.section.line), "replay", why)
    }

    /// Why the store in `file` cannot be used.
    pub(super) fn error(&self, file: &str, why: impl Into<String>) -> Error {
        Error::new(file, Some(self.line), format!("replay.{}", self.key), why)
    }
}

fn redis(section: &Section<'_>, issuer: &str, inputs: &mut Inputs<'_>) -> Result<Store, Error> {
    const FORMS: &str = "`redis://[user@]host[:port][/database]` or `unix:///path/of/socket`";
    let field = section.required("url", FORMS)?;
    let url = field.text()?;
    if url.starts_with("rediss:") {
        return Err(field.error(format!("TLS is not spoken here: use a tunnel, and one of {FORMS}")));
    }
    let (host, is_local) = match (url.strip_prefix("redis://"), url.strip_prefix("unix:///")) {
        (Some(rest), _) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            if user.contains(':') {
                // The value is not repeated: it has the password.
                return Err(
                    field.error("has a password in it; put that into a file, and name it as `password_file`")
                );
            }
            (
                host,
                host == "localhost"
                    || host.starts_with("localhost:")
                    || host.starts_with("127.")
                    || host.starts_with("[::1]"),
            )
        }
        (None, Some(path)) => (path, true),
        (None, None) => return Err(field.error(format!("is not a URL of a store; allowed: {FORMS}"))),
    };
    if host.is_empty() || url.contains(['?', '#']) || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(field.error(format!("is not a URL of a store; allowed: {FORMS}")));
    }
    let password = match section.optional("password_file") {
        None => None,
        Some(field) => {
            let bytes = Zeroizing::new(inputs.file(&field)?);
            let text = str::from_utf8(&bytes).map_err(|_| field.error("is not UTF-8"))?;
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                return Err(
                    field.error("the file is empty; it holds the password, and at most one line break")
                );
            }
            Some(Zeroizing::new(text.to_owned()))
        }
    };
    if !is_local {
        inputs.warn(
            &field.error("what goes to this host is not encrypted: keep it within a network that you trust"),
        );
    }
    let prefix = match section.optional("prefix") {
        // Two servers that share a Redis by chance must not refuse each other's assertions.
        None => format!("idjag:{issuer}:"),
        Some(field) => field.text()?.to_owned(),
    };
    let timeout_ms = section.integer("timeout_ms", 10..=10_000, 500)?;
    Ok(Store::Redis {
        url: url.to_owned(),
        password,
        prefix,
        timeout_ms: u32::try_from(timeout_ms).unwrap_or(500),
    })
}

fn cold_start(section: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<ColdStart, Error> {
    let Some(field) = section.optional("cold_start") else {
        return Ok(ColdStart::RefuseOlder);
    };
    let cold_start =
        field.word(&[("refuse_older", ColdStart::RefuseOlder), ("accept", ColdStart::Accept)])?;
    if cold_start == ColdStart::Accept {
        inputs.warn(&field.error("after a restart an assertion that was used before is accepted again"));
    }
    Ok(cold_start)
}

fn allow_per_process(section: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<bool, Error> {
    let allow = section.boolean("allow_per_process", false)?;
    if let Some(field) = section.optional("allow_per_process").filter(|_| allow) {
        inputs.warn(&field.error("every process accepts an assertion once, and revokes for itself alone"));
    }
    Ok(allow)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { max_bytes } => f.debug_struct("Memory").field("max_bytes", max_bytes).finish(),
            Self::File { path, max_bytes } => {
                f.debug_struct("File").field("path", path).field("max_bytes", max_bytes).finish()
            }
            Self::Redis { url, prefix, timeout_ms, .. } => f
                .debug_struct("Redis")
                .field("url", url)
                .field("password", &format_args!(".."))
                .field("prefix", prefix)
                .field("timeout_ms", timeout_ms)
                .finish(),
        }
    }
}

/// A size: bytes as a number, or text as in `512 MiB`. 4 KiB to 1 TiB.
fn size(field: &Field<'_>) -> Result<u64, Error> {
    const ALLOWED: &str = "allowed: 4 KiB to 1 TiB, as bytes or as in `512 MiB` (B, KiB, MiB, GiB)";
    let (written, bytes) = match &field.node().value {
        Value::Integer(number) => (number.to_string(), u64::try_from(*number).ok()),
        Value::String(text) => (text.clone(), parse_size(text)),
        _ => return Err(field.type_error("a size")),
    };
    bytes
        .filter(|bytes| (4 << 10..=1 << 40).contains(bytes))
        .ok_or_else(|| field.error(format!("`{written}` is not such a size; {ALLOWED}")))
}

fn parse_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit: u64 = match unit.strip_prefix(' ').unwrap_or(unit) {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("512 MiB", Some(512 << 20)),
            ("4KiB", Some(4096)),
            ("7 B", Some(7)),
            ("2 GiB", Some(2 << 30)),
            ("512", None),
            ("512 MB", None),
            ("512  MiB", None),
            ("-1 B", None),
            ("MiB", None),
            ("", None),
            ("99999999999999999 GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }
}
