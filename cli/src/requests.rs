//! Requests and answers as JSON lines: what `exchange` and `wave` read and write.

use std::fmt;

use idjag::{Issued, Refusal, Request};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One request: `{"assertion","client_id","resource"?,"scope"?,"authorization_details"?}`. Has no `Debug`: an assertion is a bearer token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) assertion: String,
    pub(crate) client_id: String,
    /// A string or a list of strings; empty: not asked.
    #[serde(
        default,
        deserialize_with = "one_or_more",
        serialize_with = "as_one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) resource: Vec<String>,
    /// A string, or a list of scopes.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// JSON, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_details: Option<Box<RawValue>>,
}

impl Line {
    /// The `resource` parameters, as [`Line::request`] borrows them.
    pub(crate) fn resources(&self) -> Vec<&str> {
        self.resource.iter().map(String::as_str).collect()
    }

    /// The request; `resources` are its own.
    pub(crate) fn request<'a>(&'a self, resources: &'a [&'a str]) -> Request<'a> {
        Request {
            assertion: self.assertion.as_bytes(),
            client_id: &self.client_id,
            resource: resources,
            scope: self.scope.as_deref(),
            authorization_details: self.authorization_details.as_deref().map(RawValue::get),
        }
    }
}

/// One answer, as a line of JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum AnswerLine<'a> {
    /// A token (RFC 6749 section 5.1).
    Issued {
        /// The number of the request, counted from 1, where not every request has an answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<usize>,
        access_token: &'a str,
        token_type: &'a str,
        expires_in: i64,
        scope: &'a str,
        resource: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        authorization_details: Option<&'a RawValue>,
    },
    /// A refusal (RFC 6749 section 5.2), with what only the operator may know.
    Refused { error: &'a str, error_description: &'a str, slug: &'a str, status: u16 },
    /// A line that is no request.
    Broken { error: &'a str, error_description: &'a str, line: usize },
}

impl<'a> AnswerLine<'a> {
    pub(crate) fn issued(issued: &'a Issued, request: Option<usize>) -> Self {
        Self::Issued {
            request,
            access_token: issued.access_token(),
            token_type: issued.token_type(),
            expires_in: issued.expires_in_s(),
            scope: issued.scope(),
            resource: issued.resource(),
            authorization_details: issued
                .authorization_details()
                .and_then(|text| serde_json::from_str(text).ok()),
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Refused {
            error: refusal.oauth_error().as_str(),
            error_description: refusal.description(),
            slug: refusal.slug(),
            status: refusal.http_status(),
        }
    }
}

/// What is a string or a list of strings.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(strings: OneOrMore) -> Self {
        match strings {
            OneOrMore::One(string) => vec![string],
            OneOrMore::More(strings) => strings,
        }
    }
}

impl fmt::Display for OneOrMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(string) => f.write_str(string),
            Self::More(strings) => f.write_str(&strings.join(".")),
        }
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<OneOrMore>::deserialize(deserializer)?.map_or_else(Vec::new, Into::into))
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let words = Option::<OneOrMore>::deserialize(deserializer)?.map(Vec::from);
    Ok(words.map(|words| words.join(" ")))
}

fn as_one_or_more<S: Serializer>(strings: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match strings {
        [string] => serializer.serialize_str(string),
        _ => strings.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_and_scope_are_one_or_more() {
        let read = |text: &str| serde_json::from_str::<Line>(text);
        let line = read(r#"{"assertion":"a","client_id":"c","resource":"r","scope":["x","y"]}"#).unwrap();
        assert_eq!((line.resources(), line.scope.as_deref()), (vec!["r"], Some("x y")));
        let line = read(r#"{"assertion":"a","client_id":"c","resource":["r","s"],"scope":null}"#).unwrap();
        assert_eq!((line.resources(), line.scope.as_deref()), (vec!["r", "s"], None));
        for refused in [
            r#"{"assertion":"a"}"#,
            r#"{"assertion":"a","client_id":"c","resource":1}"#,
            r#"{"assertion":"a","client_id":"c","scopes":"x"}"#,
            r#"{"assertion":"a","client_id":"c"} x"#,
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        for text in [
            r#"{"assertion":"a","client_id":"c"}"#,
            r#"{"assertion":"a","client_id":"c","resource":"r","scope":"x y"}"#,
            r#"{"assertion":"a","client_id":"c","resource":["r","s"]}"#,
            r#"{"assertion":"a","client_id":"c","authorization_details":[{"type":"t","n":1.50}]}"#,
        ] {
            let line: Line = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
        }
    }
}
