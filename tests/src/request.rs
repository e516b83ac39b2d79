//! Requests to the token endpoint, as they stand in `vectors/requests/`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use idjag::{ClientDocuments, Exchange, Fetched, Response, TokenRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    /// Which endpoint it is for.
    #[serde(default)]
    pub endpoint: Endpoint,
    /// The case among those of `before` whose token goes to the end of the body.
    pub token_of: Option<String>,
    certificate: Option<String>,
    certificate_der: Option<String>,
    peer: Option<String>,
    /// What is to be had at which URL: a text, or nothing. Whatever is not listed cannot be asked.
    pub documents: Option<BTreeMap<String, Option<String>>>,
    /// The cases whose requests are sent before, on the same engine, each at its own time.
    #[serde(default)]
    pub before: Vec<String>,
    /// The case with a token that a refusal stands beside. Present exactly with refusals.
    pub control: Option<String>,
    /// What differs from it.
    pub differs: Option<String>,
    /// What comes back.
    pub expect: Expected,
}

/// The endpoints that take requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The token endpoint.
    #[default]
    Token,
    /// The revocation endpoint (RFC 7009).
    Revoke,
    /// The introspection endpoint (RFC 7662).
    Introspect,
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The status code.
    pub status: u16,
    /// Headers, each exactly once.
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Headers that must be there, whatever they say.
    #[serde(default)]
    pub present: Vec<String>,
    /// The token, where one is handed out.
    pub token: Option<Token>,
    /// What is told of a token, but for its `jti`; of one that was revoked, nothing.
    pub answer: Option<Value>,
    /// The `error` member, where none is.
    pub error: Option<String>,
    /// The URLs that were asked for, in order.
    #[serde(default)]
    pub fetched: Vec<String>,
    /// Why, for the operator.
    pub slug: Option<String>,
}

/// What is granted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The scopes, compared as a set.
    pub scope: String,
    /// The resource.
    pub resource: String,
    /// `token_type`.
    #[serde(default = "bearer")]
    pub token_type: String,
    /// The token's `cnf`; `None`: it has none.
    pub cnf: Option<Value>,
    /// What of the assertion's `authorization_details`, in the answer and in the token.
    pub authorization_details: Option<Value>,
}

fn bearer() -> String {
    "Bearer".to_owned()
}

/// The documents of a case, and what was asked for. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    at: Arc<BTreeMap<String, Option<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Documents {
    /// Those of `case`.
    pub fn of(case: &RequestCase) -> Self {
        Self { at: Arc::new(case.documents.clone().unwrap_or_default()), asked: Arc::default() }
    }

    /// The URLs that were asked for since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fetch(&self, url: &str) -> Fetched {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(url.to_owned());
        match self.at.get(url) {
            Some(Some(text)) => Fetched::Found(text.as_bytes().into()),
            Some(None) => Fetched::Absent,
            None => Fetched::Unavailable,
        }
    }
}

impl ClientDocuments for Documents {
    fn document(&self, url: &str) -> Fetched {
        self.fetch(url)
    }

    fn keys(&self, url: &str) -> Fetched {
        self.fetch(url)
    }
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

    /// The `assertion` parameter, as it stands in the body.
    pub fn assertion(&self) -> Option<String> {
        let body = self.body();
        let value = body.split('&').find_map(|pair| pair.strip_prefix("assertion="))?;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The client's certificate; what is no base64url is none.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        match &self.certificate_der {
            Some(der) => base64_simd::URL_SAFE_NO_PAD.decode_to_vec(der).ok(),
            None => self.certificate.as_ref().map(|text| text.clone().into_bytes()),
        }
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
            body: _,
            endpoint,
            token_of,
            certificate: _,
            certificate_der: _,
            documents: _,
            peer,
            before: _,
            control: _,
            differs: _,
            expect,
        } = self;
        let hex = |bytes: Vec<u8>| bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        json!({
            "do": "send", "name": name, "now": now, "method": method, "target": target, "headers": headers,
            "body": self.body(), "certificate": self.certificate().map(hex), "peer": peer, "expect": expect,
            "endpoint": endpoint, "token_of": token_of,
        })
    }

    /// Hands it over.
    pub fn send(&self, engine: &Exchange) -> Response {
        self.send_about(engine, None)
    }

    /// The same with a token at the end of its body.
    pub fn send_about(&self, engine: &Exchange, token: Option<&str>) -> Response {
        self.hand_over(engine, None, self.certificate().as_deref(), token)
    }

    /// The same with another certificate.
    pub fn send_with(&self, engine: &Exchange, certificate: Option<&[u8]>) -> Response {
        self.hand_over(engine, None, certificate, None)
    }

    /// The same with this in its header `DPoP`.
    pub fn send_with_proof(&self, engine: &Exchange, proof: &str) -> Response {
        self.hand_over(engine, Some(proof), self.certificate().as_deref(), None)
    }

    fn hand_over(
        &self,
        engine: &Exchange,
        proof: Option<&str>,
        certificate: Option<&[u8]>,
        token: Option<&str>,
    ) -> Response {
        let body = self.body() + token.unwrap_or_default();
        let others =
            self.headers.iter().filter(|(name, _)| proof.is_none() || !name.eq_ignore_ascii_case("dpop"));
        let mut headers: Vec<(&str, &[u8])> =
            others.map(|(name, value)| (&**name, value.as_bytes())).collect();
        headers.extend(proof.map(|proof| ("DPoP", proof.as_bytes())));
        let handle = match self.endpoint {
            Endpoint::Token => Exchange::handle,
            Endpoint::Revoke => Exchange::handle_revocation,
            Endpoint::Introspect => Exchange::handle_introspection,
        };
        let request = TokenRequest {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: body.as_bytes(),
            client_certificate: certificate,
            peer: self.peer.as_deref(),
        };
        handle(engine, &request)
    }
}
