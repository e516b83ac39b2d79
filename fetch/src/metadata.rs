//! Discovery: where an issuer says that its keys are (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).

use serde::Deserialize;

use crate::get::Getter;
use crate::problem::Problem;

/// What is read of the metadata.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Asks the metadata of `issuer` where its keys are.
///
/// First where OpenID Connect puts it, which most IdPs serve; where there is none, where RFC 8414 does. A document that is
/// there and says something else is the end of it: its `issuer` equals the configured one byte for byte.
pub(crate) fn discover(getter: &Getter, issuer: &str, local: bool) -> Result<String, Problem> {
    let [openid, oauth] = places(issuer);
    let got = match getter.get(&openid, local, None) {
        Err(Problem::Status(400..=499)) => getter.get(&oauth, local, None)?,
        answer => answer?,
    };
    read(issuer, got.body.as_deref().unwrap_or_default())
}

fn read(issuer: &str, body: &[u8]) -> Result<String, Problem> {
    let metadata: Metadata = serde_json::from_slice(body).map_err(|why| {
        let what = if why.is_data() {
            "`issuer` or `jwks_uri` is missing, no string, or stands twice"
        } else {
            "it is not JSON"
        };
        Problem::Metadata(what.to_owned())
    })?;
    if metadata.issuer != issuer {
        return Err(Problem::Issuer(Problem::quote(&metadata.issuer)));
    }
    Ok(metadata.jwks_uri)
}

/// The two URLs: OpenID Connect appends, RFC 8414 section 3.1 inserts between host and path.
fn places(issuer: &str) -> [String; 2] {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let host =
        issuer.strip_prefix("https://").and_then(|rest| rest.find('/')).map_or(base.len(), |at| at + 8);
    let (origin, path) = base.split_at(host.min(base.len()));
    [
        format!("{base}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_its_two_places() {
        for (issuer, openid, oauth) in [
            ("https://a.example", "", ""),
            ("https://a.example/", "", ""),
            ("https://a.example/t/v2", "/t/v2", "/t/v2"),
            ("https://a.example/t/", "/t", "/t"),
        ] {
            assert_eq!(
                places(issuer),
                [
                    format!("https://a.example{openid}/.well-known/openid-configuration"),
                    format!("https://a.example/.well-known/oauth-authorization-server{oauth}"),
                ]
            );
        }
        let [_, with_port] = places("https://a.example:8443/t");
        assert_eq!(with_port, "https://a.example:8443/.well-known/oauth-authorization-server/t");
    }

    #[test]
    fn the_issuer_is_the_configured_one_to_the_byte() {
        let of = |said: &str| {
            let body = format!(r#"{{"issuer":"{said}","jwks_uri":"https://b.example/keys","x":[1]}}"#);
            read("https://a.example", body.as_bytes())
        };
        assert_eq!(of("https://a.example").unwrap(), "https://b.example/keys");
        for said in
            ["https://a.example/", "https://A.example", "https://a.example:443", "https://evil.example", ""]
        {
            assert_eq!(of(said), Err(Problem::Issuer(said.to_owned())));
        }
        for body in [
            "<html>",
            "",
            "[]",
            "{}",
            r#"{"issuer":"https://a.example"}"#,
            r#"{"issuer":"https://a.example","jwks_uri":1}"#,
        ] {
            assert!(
                matches!(read("https://a.example", body.as_bytes()), Err(Problem::Metadata(_))),
                "{body}"
            );
        }
        let twice = br#"{"issuer":"https://evil.example","issuer":"https://a.example","jwks_uri":"https://b.example"}"#;
        assert!(matches!(read("https://a.example", twice), Err(Problem::Metadata(_))));
    }
}
