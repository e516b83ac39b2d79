//! `WWW-Authenticate`: what a resource answers where a token is missing, not valid, or not enough (RFC 6750 section 3,
//! RFC 9728 section 5.1).

use crate::exchange::Exchange;

/// Why a resource does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge<'a> {
    /// No token came: 401.
    Missing,
    /// The token that came is not valid: 401.
    Invalid,
    /// The token is valid and lacks these scopes, separated by spaces: 403.
    InsufficientScope(&'a str),
}

impl Challenge<'_> {
    /// The HTTP status.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Missing | Self::Invalid => 401,
            Self::InsufficientScope(_) => 403,
        }
    }
}

impl Exchange {
    /// The value of `WWW-Authenticate` for `resource`. It names the resource's metadata, where a client finds this server.
    pub fn challenge(&self, resource: &str, challenge: Challenge<'_>) -> String {
        let mut value = String::from("Bearer ");
        match challenge {
            // RFC 6750 section 3.1: without a token, no error code.
            Challenge::Missing => {}
            Challenge::Invalid => {
                value += "error=\"invalid_token\", error_description=\"the access token is not valid\", ";
            }
            Challenge::InsufficientScope(scope) => {
                value += "error=\"insufficient_scope\", ";
                // A scope has neither quote nor backslash (RFC 6749 section 3.3); what has is no scope.
                value += "scope=\"";
                value.extend(scope.chars().filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\')));
                value += "\", ";
            }
        }
        value += "resource_metadata=\"";
        value += &metadata_url(resource);
        value.push('"');
        value
    }
}

/// Where the metadata of a resource is (RFC 9728 section 3.1): the well-known path between host and path.
fn metadata_url(resource: &str) -> String {
    let host = resource.find("://").map_or(0, |at| at + 3);
    let end =
        resource.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(resource.len(), |at| host + at);
    let (origin, path) = resource.split_at(end);
    let path = if path == "/" { "" } else { path };
    format!("{origin}/.well-known/oauth-protected-resource{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_stands_between_host_and_path() {
        for (resource, url) in [
            ("https://mcp.example/", "https://mcp.example/.well-known/oauth-protected-resource"),
            ("https://mcp.example", "https://mcp.example/.well-known/oauth-protected-resource"),
            ("https://mcp.example/a/b", "https://mcp.example/.well-known/oauth-protected-resource/a/b"),
            ("https://mcp.example/a/", "https://mcp.example/.well-known/oauth-protected-resource/a/"),
            ("https://mcp.example?x=1", "https://mcp.example/.well-known/oauth-protected-resource?x=1"),
        ] {
            assert_eq!(metadata_url(resource), url);
        }
    }
}
