//! Resources (RFC 8707 section 2): the grammar, and which one a token is for.
//!
//! One token, one resource. What the assertion names comes first, the configuration second; the request can only pick.

use std::sync::Arc;

use crate::json::Value;
use crate::policy::{Connector, Policy};
use crate::reason::Reason;

/// Chooses the resource, and the connector that serves it.
///
/// `claim` is the assertion's `resource`, `default` the IdP's `default_resource`, `requested` the request's parameters.
pub(crate) fn choose<'p>(
    policy: &'p Policy,
    claim: Option<Value<'_, '_>>,
    default: Option<&str>,
    requested: &[&str],
) -> Result<(&'p Connector, &'p Arc<str>), Reason> {
    let refused = |name: &str| {
        if is_absolute_uri(name) { Reason::ResourceNotInAssertion } else { Reason::ResourceRequestMalformed }
    };
    let Some(claim) = claim else {
        let implied = default.or(policy.sole_resource().map(AsRef::as_ref)).ok_or(Reason::ResourceMissing)?;
        return match requested.iter().find(|name| **name != implied) {
            Some(other) => Err(refused(other)),
            None => policy.serving(implied).ok_or(Reason::ResourceMissing),
        };
    };
    let names = Names::read(claim).ok_or(Reason::ResourceMalformed)?;
    let wanted = requested.first();
    let (mut chosen, mut stranger) = (None, None);
    for name in names.clone() {
        let served = policy.serving(name);
        if served.is_none() {
            // What is served is well formed: only a name that is not needs a closer look.
            let well_formed = stranger.unwrap_or(true) && is_absolute_uri(name);
            stranger = Some(well_formed);
        }
        if chosen.is_none() && wanted.is_none_or(|wanted| *wanted == name) {
            chosen = served;
        }
    }
    match stranger {
        Some(false) => return Err(Reason::ResourceMalformed),
        Some(true) => return Err(Reason::ResourceUnknown),
        None => {}
    }
    if let Some(other) = requested.iter().find(|name| !names.clone().any(|claimed| claimed == **name)) {
        return Err(refused(other));
    }
    chosen.ok_or(Reason::ResourceMalformed)
}

/// Whether `text` is an absolute URI without fragment, in printable ASCII (RFC 3986 section 4.3).
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b))
}

/// The elements of the claim: one string, or an array of at least one and nothing but strings.
#[derive(Clone)]
enum Names<'t, 'i> {
    One(Option<&'i str>),
    Many(crate::json::Elements<'t, 'i>),
}

impl<'t, 'i> Names<'t, 'i> {
    fn read(claim: Value<'t, 'i>) -> Option<Self> {
        if let Some(one) = claim.string() {
            return Some(Self::One(Some(one)));
        }
        let elements = claim.array()?;
        let only_strings = elements.clone().all(|element| element.string().is_some());
        (only_strings && elements.clone().next().is_some()).then_some(Self::Many(elements))
    }
}

impl<'i> Iterator for Names<'_, 'i> {
    type Item = &'i str;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(one) => one.take(),
            Self::Many(elements) => elements.next()?.string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_an_absolute_uri_without_fragment() {
        for good in
            ["https://mcp.chat.example/", "https://mcp.chat.example/a?b=c%20d", "urn:a:b", "http://[::1]:80/"]
        {
            assert!(is_absolute_uri(good), "{good}");
        }
        for bad in [
            "",
            "mcp.chat.example",
            "/mcp",
            "https:",
            ":x",
            "1s://x",
            "https://x/#f",
            "https://x/ y",
            "https://x/\n",
            "https://x/é",
            "https://x/\0",
            "https://x/<",
        ] {
            assert!(!is_absolute_uri(bad), "{bad:?}");
        }
    }
}
