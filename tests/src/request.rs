//! Requests to the token endpoint, as they stand in `vectors/requests/`.

use std::collections::BTreeMap;
use std::{fs, io};

use idjag::{Exchange, Response, TokenRequest};
use serde::Deserialize;

use crate::case::{Part, expand};
use crate::vectors;

/// One request, and what comes back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCase {
    /// Unique in the table, in kebab-case.
    pub name: String,
    /// The row, attack or RFC section that asks for it.
    pub origin: String,
    /// The configuration: `worlds/NAME.json`.
    pub world: String,
    /// The time of the request, in seconds since 1970.
    pub now: i64,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
    certificate: Option<String>,
    /// The cases whose requests are sent before, on the same engine.
    #[serde(default)]
    pub before: Vec<String>,
    /// The case with a token that a refusal stands beside. Present exactly with refusals.
    pub control: Option<String>,
    /// What differs from it.
    pub differs: Option<String>,
    /// What comes back.
    pub expect: Expected,
}

/// A body as it stands, or in parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Text(String),
    Parts(Vec<Part>),
}

impl Body {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => expand(parts),
        }
    }
}

/// A response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The status code.
    pub status: u16,
    /// Headers, each exactly once.
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// The token, where one is handed out.
    pub token: Option<Token>,
    /// The `error` member, where none is.
    pub error: Option<String>,
    /// Why, for the operator.
    pub slug: Option<String>,
}

/// What is granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The scopes, compared as a set.
    pub scope: String,
    /// The resource.
    pub resource: String,
}

impl RequestCase {
    /// Every case of `requests/NOUN.json`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or a field that is not known.
    pub fn read(noun: &str) -> io::Result<Vec<Self>> {
        let text = fs::read(vectors().join(format!("requests/{noun}.json")))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Every case of the table.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be read, or a field that is not known.
    pub fn read_all() -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(vectors().join("requests"))? {
            let path = entry?.path();
            all.extend(Self::read(&path.file_stem().unwrap_or_default().to_string_lossy())?);
        }
        Ok(all)
    }

    fn body(&self) -> String {
        self.body.text()
    }

    /// The same as it goes over a connection, which is closed afterwards (RFC 9112).
    pub fn http(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: auth.chat.example\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        let body = self.body();
        let length = body.len().to_string();
        text.extend(["content-length: ", &length, "\r\nconnection: close\r\n\r\n", &body]);
        text.into_bytes()
    }

    /// Hands it over.
    pub fn send(&self, engine: &Exchange) -> Response {
        let body = self.body();
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        engine.handle(&TokenRequest {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: body.as_bytes(),
            client_certificate: self.certificate.as_deref().map(str::as_bytes),
        })
    }
}
