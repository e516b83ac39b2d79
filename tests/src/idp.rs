//! Requests to the token endpoint of an identity provider, as they stand in `vectors/idp/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use idjag::{Error, IdentityProvider, IdpConfig, Response, TokenRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::request::{Body, Token};
use crate::vectors;
use crate::world::SetClock;

/// One request, and what comes back. The fields are those of [`crate::RequestCase`], but for `expect`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdpCase {
    /// Unique in the table, in kebab-case.
    pub name: String,
    /// The section that asks for it.
    pub origin: String,
    /// The configuration: `idp/worlds/NAME.json`.
    pub world: String,
    /// The time of the request, in seconds since 1970.
    pub now: i64,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
    peer: Option<String>,
    /// The cases whose requests are sent before, to the same identity provider.
    #[serde(default)]
    pub before: Vec<String>,
    /// The case with an ID-JAG that a refusal stands beside. Present exactly with refusals.
    pub control: Option<String>,
    /// What differs from it.
    pub differs: Option<String>,
    /// What comes back.
    pub expect: ExpectedIdJag,
}

/// A response.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedIdJag {
    /// The status code.
    pub status: u16,
    /// Headers, each exactly once.
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Every claim of the ID-JAG but `jti`, where one is handed out.
    pub id_jag: Option<BTreeMap<String, Value>>,
    /// What our own server, in the world `requests`, grants for it.
    pub token: Option<Token>,
    /// The `error` member, where none is.
    pub error: Option<String>,
    /// Why, for the operator.
    pub slug: Option<String>,
}

impl IdpCase {
    /// Every case.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or a field that is not known.
    pub fn read_all() -> io::Result<Vec<Self>> {
        Ok(serde_json::from_slice(&fs::read(vectors().join("idp/token_exchange.json"))?)?)
    }

    /// The same as a step of [`crate::steps`].
    pub(crate) fn step(&self) -> Value {
        let Self {
            name,
            origin: _,
            world: _,
            now,
            method,
            target,
            headers,
            body,
            peer,
            before: _,
            control: _,
            differs: _,
            expect,
        } = self;
        json!({
            "do": "issue", "name": name, "now": now, "method": method, "target": target, "headers": headers,
            "body": body.text(), "peer": peer, "expect": expect,
        })
    }

    /// Changes the body.
    pub fn edit_body(&mut self, mut edit: impl FnMut(&str) -> String) {
        self.body = Body::Text(edit(&self.body.text()));
    }

    /// Hands it over.
    pub fn send(&self, provider: &IdentityProvider) -> Response {
        let body = self.body.text();
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        provider.handle(&TokenRequest {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: body.as_bytes(),
            client_certificate: None,
            peer: self.peer.as_deref(),
        })
    }
}

/// The configuration of an identity provider (`vectors/idp/worlds/*.json`).
#[derive(Debug)]
pub struct IdpWorld {
    path: PathBuf,
    text: String,
}

impl IdpWorld {
    /// Reads `idp/worlds/NAME.json`.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn read(name: &str) -> io::Result<Self> {
        let path = vectors().join("idp/worlds").join(format!("{name}.json"));
        Ok(Self { text: fs::read_to_string(&path)?, path })
    }

    /// The configuration, parsed.
    ///
    /// # Errors
    ///
    /// Those of [`IdpConfig::parse`].
    pub fn config(&self) -> Result<IdpConfig, Error> {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        IdpConfig::parse(&name, &self.text, &mut |file| {
            fs::read(self.path.with_file_name(file)).map_err(|why| why.to_string())
        })
    }

    /// A new identity provider.
    ///
    /// # Errors
    ///
    /// Those of [`IdpConfig::parse`].
    pub fn provider(&self, clock: SetClock) -> Result<IdentityProvider, Error> {
        Ok(IdentityProvider::new(self.config()?).with_clock(clock))
    }
}
