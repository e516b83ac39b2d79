//! The cases, as they stand in `vectors/cases/*.json`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base64url::encode;

/// One case: a request, or an access token to verify, and what comes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in the whole table, in kebab-case.
    pub name: String,
    /// The row, attack, RFC section or capture that asks for it.
    pub origin: String,
    /// The library that signed it, or `by hand`. Absent when the case refers to the token of another.
    pub made_by: Option<String>,
    /// The configuration: `worlds/NAME.json`.
    pub world: String,
    /// The time of the request, in seconds since 1970.
    pub now: i64,
    /// When the engine was built. Without it, at the time of the first step.
    pub start: Option<i64>,
    /// The assertion to exchange. Exactly one of this and `verify` is present.
    pub assertion: Option<Assertion>,
    /// The access token to verify.
    pub verify: Option<Verify>,
    /// The client that asks. Only with `assertion`.
    pub client_id: Option<String>,
    /// The request's `resource` parameters.
    #[serde(default)]
    pub resource: Vec<String>,
    /// The request's `scope` parameter.
    pub scope: Option<String>,
    /// What is done on the same engine before.
    #[serde(default)]
    pub before: Vec<Step>,
    /// The accepted case that a refusal stands beside. Present exactly with refusals.
    pub control: Option<String>,
    /// What differs from it, in one phrase.
    pub differs: Option<String>,
    /// What comes of it.
    pub expect: Expect,
}

/// An earlier request or verification on the same engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, if not at the case's `now`.
    pub now: Option<i64>,
    /// As in [`Case`].
    pub assertion: Option<Assertion>,
    /// As in [`Case`].
    pub verify: Option<Verify>,
    /// As in [`Case`].
    pub client_id: Option<String>,
    /// As in [`Case`].
    #[serde(default)]
    pub resource: Vec<String>,
    /// As in [`Case`].
    pub scope: Option<String>,
    /// As in [`Case`].
    pub expect: Expect,
}

/// An access token and the resource at which it is presented.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The token.
    pub token: Assertion,
    /// The resource.
    pub resource: String,
    /// The DPoP proof that comes with it, and the method and the URL of the request.
    pub dpop: Option<String>,
    /// As above.
    pub method: Option<String>,
    /// As above.
    pub url: Option<String>,
    /// The client's certificate, these bytes in the place of DER.
    pub certificate: Option<String>,
}

/// The text of an assertion or a token, or where to find it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Assertion {
    /// As it stands.
    Text(String),
    /// In parts, one behind the other.
    Parts(Vec<Part>),
    /// The assertion of another case.
    Of(AssertionOf),
    /// The access token that another case is granted.
    TokenOf(TokenOf),
}

/// Refers to the assertion of another case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionOf {
    assertion_of: String,
}

/// Refers to the access token that another case is granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenOf {
    token_of: String,
}

/// A part of a long text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// A text, several times.
    Repeat(Repeat),
    /// Parts, encoded in base64url without padding.
    Encoded(Encoded),
}

/// A text, several times.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    repeat: String,
    times: usize,
}

/// Parts, encoded in base64url without padding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoded {
    base64url: Vec<Part>,
}

/// What comes of a case.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A token is issued.
    Granted(Granted),
    /// None is.
    Refused(Refused),
    /// The access token is valid.
    Valid(Valid),
    /// It is not, with this slug.
    Invalid(OneOrMore),
}

impl Case {
    /// When the engine is built.
    pub fn starts_at(&self) -> i64 {
        let first = self.before.first().and_then(|step| step.now);
        self.start.or(first).unwrap_or(self.now)
    }
}

impl Expect {
    /// Whether something is accepted.
    pub const fn accepts(&self) -> bool {
        matches!(self, Self::Granted(_) | Self::Valid(_))
    }
}

/// What is issued.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The scopes, compared as a set.
    pub scope: String,
    /// The resource.
    pub resource: String,
    /// Claims of the token; `null`: absent. `scope` and `groups` are compared as sets.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

/// The refusal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The slug; several only where parsers may differ.
    pub slug: OneOrMore,
    /// The OAuth error code.
    pub error: String,
    /// The HTTP status.
    pub status: u16,
}

/// What is known of the bearer of a valid access token.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Valid {
    /// `sub`.
    pub sub: String,
    /// `client_id`.
    pub client_id: String,
    /// The IdP that vouched.
    pub idp: String,
    /// The tenant there.
    pub tenant: Option<String>,
    /// The resource.
    pub resource: String,
    /// The scopes that remain, compared as a set.
    pub scope: String,
    /// The groups that a grant names today, compared as a set.
    pub groups: Vec<String>,
    /// Who acts.
    pub act: Option<Value>,
    /// What it is bound to.
    pub cnf: Option<Value>,
    /// `Bearer` or `DPoP`; where it is left out, nobody looks.
    pub token_type: Option<String>,
}

/// A slug, or several of which one is met.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// This one.
    One(String),
    /// One of these.
    More(Vec<String>),
}

impl OneOrMore {
    /// Those that are allowed.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// All cases.
#[derive(Debug)]
pub struct Table {
    cases: Vec<Case>,
    by_name: HashMap<String, usize>,
}

impl Table {
    /// Reads every file of `folder`, in the order of their names.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a field that is not known, a name that stands twice.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut paths: Vec<_> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        paths.sort();
        let mut table = Self { cases: Vec::new(), by_name: HashMap::new() };
        for path in paths {
            let text = fs::read_to_string(&path)?;
            let cases: Vec<Case> = serde_json::from_str(&text)
                .map_err(|why| io::Error::other(format!("{}: {why}", path.display())))?;
            for case in cases {
                if table.by_name.insert(case.name.clone(), table.cases.len()).is_some() {
                    return Err(io::Error::other(format!("`{}` stands twice", case.name)));
                }
                table.cases.push(case);
            }
        }
        Ok(table)
    }

    /// The cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The case called `name`.
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.get(*self.by_name.get(name)?)
    }

    /// The text behind `assertion`. `token_of` gives the access token that a case is granted.
    pub fn text(&self, assertion: &Assertion, token_of: &dyn Fn(&Case) -> Option<String>) -> Option<String> {
        match assertion {
            Assertion::Text(text) => Some(text.clone()),
            Assertion::Parts(parts) => Some(expand(parts)),
            Assertion::Of(AssertionOf { assertion_of }) => {
                self.text(self.case(assertion_of)?.assertion.as_ref()?, token_of)
            }
            Assertion::TokenOf(TokenOf { token_of: name }) => token_of(self.case(name)?),
        }
    }

    /// The case whose access token `assertion` is, where it is one.
    pub fn token_of(&self, assertion: &Assertion) -> Option<&Case> {
        match assertion {
            Assertion::TokenOf(TokenOf { token_of }) => self.case(token_of),
            Assertion::Of(AssertionOf { assertion_of }) => {
                self.token_of(self.case(assertion_of)?.assertion.as_ref()?)
            }
            Assertion::Text(_) | Assertion::Parts(_) => None,
        }
    }
}

pub(crate) fn expand(parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Repeat(Repeat { repeat, times }) => repeat.repeat(*times),
            Part::Encoded(Encoded { base64url }) => encode(expand(base64url).as_bytes()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_repeated_and_encoded() {
        let parts: Vec<Part> = serde_json::from_str(
            r#"["x.", {"repeat": "ab", "times": 2}, {"base64url": ["fo", {"repeat": "o", "times": 1}]}]"#,
        )
        .unwrap();
        assert_eq!(expand(&parts), "x.ababZm9v");
    }

    #[test]
    fn a_field_that_is_not_known_is_an_error() {
        for text in [
            r#"{"repeat": "a", "times": 1, "more": 1}"#,
            r#"{"assertion_of": "a", "more": 1}"#,
            r#"{"scope": "a", "resource": "b", "more": 1}"#,
        ] {
            assert!(serde_json::from_str::<Part>(text).is_err(), "{text}");
            assert!(serde_json::from_str::<Assertion>(text).is_err(), "{text}");
            assert!(serde_json::from_str::<Granted>(text).is_err(), "{text}");
        }
    }
}
