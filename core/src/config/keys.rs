//! Where another party's public keys come from: written in the configuration, in a file, or fetched later.

use std::sync::Arc;

use super::Inputs;
use super::document::Value;
use super::reader::{Field, Section};
use super::uri;
use crate::alg::Algorithm;
use crate::error::Error;
use crate::jwks::KeySet;

/// The keys of an IdP or a client.
#[derive(Debug)]
pub(crate) enum Keys {
    /// They are here; at least one can be used.
    Static(Arc<KeySet>),
    /// They are to be fetched, and unavailable until a key set is put.
    Fetched {
        /// Where they are; none: where the metadata of the issuer says.
        uri: Option<String>,
        /// Whether they may be at a private or loopback address.
        local: bool,
    },
}

impl Keys {
    /// Whether they come from elsewhere while the server runs.
    pub(crate) fn are_fetched(&self) -> bool {
        matches!(self, Self::Fetched { .. })
    }

    /// Reads the one key source of `section` out of `sources`. Keys that cannot be used become warnings; a set without
    /// any that can is an error.
    pub(super) fn read(
        section: &Section<'_>,
        sources: &'static [&'static str],
        algorithms: &[Algorithm],
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        let (source, field) = section.exactly_one(sources)?;
        if sources.contains(&"jwks_uri") && source.starts_with("jwks") && source != "jwks_uri" {
            section.refuse(&["local"], "is for keys that are fetched")?;
        }
        match source {
            "jwks" => {
                // Only the type is of interest here; the members of a JWK Set are those of RFC 7517.
                if !matches!(field.node().value, Value::Table(_)) {
                    return Err(field.type_error("a table with `keys`"));
                }
                let text = field.node().to_json().to_string();
                Ok(Self::Static(key_set(&field, text.as_bytes(), algorithms, inputs)?))
            }
            "jwks_file" => {
                let text = inputs.file(&field)?;
                Ok(Self::Static(key_set(&field, &text, algorithms, inputs)?))
            }
            "jwks_uri" => {
                let uri = uri::endpoint(&field)?;
                if !uri.starts_with("https://") {
                    return Err(
                        field.error(format!("`{uri}` is not https; keys are fetched over nothing else"))
                    );
                }
                Ok(Self::Fetched { uri: Some(uri), local: local(section, "keys", inputs)? })
            }
            _ => {
                if !field.boolean()? {
                    return Err(field.error("must be true or left out"));
                }
                Ok(Self::Fetched { uri: None, local: local(section, "keys", inputs)? })
            }
        }
    }
}

/// Whether `what` may come from private and loopback addresses.
pub(super) fn local(section: &Section<'_>, what: &str, inputs: &mut Inputs<'_>) -> Result<bool, Error> {
    let local = section.boolean("local", false)?;
    if let Some(field) = section.optional("local")
        && local
    {
        inputs.warn(&field.error(format!("{what} may come from private and loopback addresses")));
    }
    Ok(local)
}

fn key_set(
    field: &Field<'_>,
    text: &[u8],
    algorithms: &[Algorithm],
    inputs: &mut Inputs<'_>,
) -> Result<Arc<KeySet>, Error> {
    let set = KeySet::parse(text, algorithms).map_err(|error| field.error(error.to_string()))?;
    let problems = set.problems().iter().map(|(kid, why)| match kid {
        Some(kid) => format!("the key `{kid}` is not used: {why}"),
        None => format!("a key without `kid` is not used: {why}"),
    });
    if set.is_empty() {
        let problems: Vec<String> = problems.collect();
        let why = if problems.is_empty() { "it is empty".to_owned() } else { problems.join("; ") };
        return Err(field.error(format!("the JWK Set has no usable key: {why}")));
    }
    for problem in problems {
        inputs.warn(&field.error(problem));
    }
    Ok(Arc::new(set))
}
