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
    },
}

impl Keys {
    /// Reads the one key source of `section` out of `sources`. Keys that cannot be used become warnings; a set without
    /// any that can is an error.
    pub(super) fn read(
        section: &Section<'_>,
        sources: &'static [&'static str],
        algorithms: &[Algorithm],
        inputs: &mut Inputs<'_>,
    ) -> Result<Self, Error> {
        let (source, field) = section.exactly_one(sources)?;
        let not_yet = "keys are not fetched yet; they are unavailable until a key set is put";
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
                inputs.warn(&field.error(not_yet));
                Ok(Self::Fetched { uri: Some(uri) })
            }
            _ => {
                if !field.boolean()? {
                    return Err(field.error("must be true or left out"));
                }
                inputs.warn(&field.error(not_yet));
                Ok(Self::Fetched { uri: None })
            }
        }
    }
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
