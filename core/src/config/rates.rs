//! How often is too often: the keys of `limits` that count by the minute.

use super::Inputs;
use super::document::Value;
use super::reader::Section;
use crate::error::Error;
use crate::limiter::Rate;

const ALLOWED: &str = "1 to 100000, or \"off\"";

/// `None` is `"off"`, said aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Failures of one peer to prove one client.
    pub(crate) failures: Option<Rate>,
    /// Failures of one peer to prove whichever client.
    pub(crate) failures_per_peer: Option<Rate>,
    /// Refusals of one client that proved itself.
    pub(crate) refusals: Option<Rate>,
}

impl Rates {
    /// Reads them out of `limits`.
    pub(super) fn read(section: &Section<'_>, inputs: &mut Inputs<'_>) -> Result<Self, Error> {
        let mut rate = |key: &str, default: i64, off: &str| {
            let Some(field) = section.optional(key) else {
                return Ok(Some(Rate::per_minute(default)));
            };
            match &field.node().value {
                Value::Integer(number) if Rate::RANGE.contains(number) => Ok(Some(Rate::per_minute(*number))),
                Value::String(word) if word == "off" => {
                    inputs.warn(&field.error(off));
                    Ok(None)
                }
                Value::Integer(number) => {
                    Err(field.error(format!("`{number}` is out of range; allowed: {ALLOWED}")))
                }
                Value::String(word) => {
                    Err(field.error(format!("unknown value `{word}`; allowed: {ALLOWED}")))
                }
                _ => Err(field.type_error(&format!("a whole number, {ALLOWED}"))),
            }
        };
        Ok(Self {
            failures: rate(
                "auth_failures_per_minute",
                10,
                "a peer may try the secret of one client as often as it may fail at all",
            )?,
            failures_per_peer: rate(
                "auth_failures_per_minute_per_peer",
                60,
                "a peer may try the secrets of any number of clients",
            )?,
            refusals: rate(
                "refusals_per_minute",
                600,
                "a client may try assertions as often as it likes, and is told each time what is wrong",
            )?,
        })
    }
}
