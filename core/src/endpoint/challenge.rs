//! `WWW-Authenticate`: what a resource answers where a token is missing, not valid, or not enough (RFC 6750 section 3,
//! RFC 9449 section 7.1, RFC 9728 section 5.1).

use super::metadata::dpop_algorithms;
use crate::exchange::Exchange;
use crate::reason::{OAuthError, Reason, Refusal};

/// Why a resource does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge<'a> {
    /// No token came: 401.
    Missing,
    /// The token that came is not valid: 401.
    Invalid,
    /// The token is bound to a key, and came without a proof or with one by another key: 401.
    NotProven,
    /// The DPoP proof is not acceptable: 401.
    InvalidProof,
    /// The DPoP proof needs a nonce: 401. [`Exchange::dpop_nonce`] gives it, for the header `DPoP-Nonce` of the same answer.
    UseNonce,
    /// The token is valid and lacks these scopes, separated by spaces: 403.
    InsufficientScope(&'a str),
}

impl Challenge<'_> {
    /// What to answer where [`Exchange::verify`] or [`Exchange::verify_request`] refused. `None`: no challenge helps, as
    /// when a store cannot answer; [`Refusal::http_status`] says the status.
    pub const fn of(refusal: Refusal) -> Option<Self> {
        match (refusal.oauth_error(), refusal.reason()) {
            (OAuthError::InvalidToken, Reason::TokenProofRequired | Reason::TokenProofMismatch) => {
                Some(Self::NotProven)
            }
            (OAuthError::InvalidToken, _) => Some(Self::Invalid),
            (OAuthError::InvalidDpopProof, _) => Some(Self::InvalidProof),
            (OAuthError::UseDpopNonce, _) => Some(Self::UseNonce),
            _ => None,
        }
    }

    /// The HTTP status.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InsufficientScope(_) => 403,
            _ => 401,
        }
    }

    /// `error` (RFC 6750 section 3.1, RFC 9449 section 7.1). Without a token, there is none.
    const fn error(self) -> Option<OAuthError> {
        match self {
            Self::Missing | Self::InsufficientScope(_) => None,
            Self::Invalid | Self::NotProven => Some(OAuthError::InvalidToken),
            Self::InvalidProof => Some(OAuthError::InvalidDpopProof),
            Self::UseNonce => Some(OAuthError::UseDpopNonce),
        }
    }
}

impl Exchange {
    /// The value of `WWW-Authenticate` for `resource`. It names the resource's metadata, where a client finds this server.
    /// The scheme is `DPoP`, with the algorithms that a proof may have, where a proof is what is missing or the connector
    /// requires one; otherwise `Bearer`.
    pub fn challenge(&self, resource: &str, challenge: Challenge<'_>) -> String {
        let state = self.load();
        let with_proof =
            matches!(challenge, Challenge::NotProven | Challenge::InvalidProof | Challenge::UseNonce)
                || state.policy.serving(resource).is_some_and(|(connector, _)| connector.require_dpop);
        let mut value = String::from(if with_proof { "DPoP " } else { "Bearer " });
        if let Some(error) = challenge.error() {
            value.extend([
                "error=\"",
                error.as_str(),
                "\", error_description=\"",
                error.description(),
                "\", ",
            ]);
        }
        if let Challenge::InsufficientScope(scope) = challenge {
            value += "error=\"insufficient_scope\", ";
            // A scope has neither quote nor backslash (RFC 6749 section 3.3); what has is no scope.
            value += "scope=\"";
            value.extend(quotable(scope));
            value += "\", ";
        }
        if with_proof {
            value += "algs=\"";
            value += &dpop_algorithms().collect::<Vec<_>>().join(" ");
            value += "\", ";
        }
        value += "resource_metadata=\"";
        // Whoever passes on what a client wrote passes on no header of the client's.
        value.extend(quotable(&metadata_url(resource)));
        value.push('"');
        value
    }
}

/// What of a text may stand within quotes in a header: a scope and a URL have nothing else.
fn quotable(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\'))
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
