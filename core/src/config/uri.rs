//! The URIs that a configuration may name: absolute and ASCII. They are compared byte for byte, so nothing is
//! normalised.

use super::reader::Field;
use crate::error::Error;
use crate::resource::is_absolute_uri;

/// An absolute URI without fragment (RFC 3986 section 4.3), as a resource is (RFC 8707 section 2).
pub(super) fn absolute(field: &Field<'_>) -> Result<String, Error> {
    let text = field.text()?;
    if is_absolute_uri(text) {
        return Ok(text.to_owned());
    }
    Err(field.error(format!(
        "`{text}` is not an absolute URI in ASCII without white space and fragment, as in `https://mcp.example/`"
    )))
}

/// An `https` or `http` URL without fragment, as an endpoint is (RFC 6749 section 3.2).
pub(super) fn endpoint(field: &Field<'_>) -> Result<String, Error> {
    let text = field.text()?;
    if is_absolute_uri(text) && has_host(text) {
        return Ok(text.to_owned());
    }
    Err(field.error(format!(
        "`{text}` is not an absolute https or http URL without fragment, as in `https://auth.example/token`"
    )))
}

/// The same without a query: for an endpoint that refuses requests with one, because it would be logged on the way.
pub(super) fn endpoint_without_query(field: &Field<'_>) -> Result<String, Error> {
    let url = endpoint(field)?;
    if url.contains('?') {
        return Err(field.error(format!(
            "`{url}` has a query, and requests with a query are refused; allowed: a URL without one"
        )));
    }
    Ok(url)
}

/// An `https` or `http` URL without query and fragment, as an issuer identifier is (RFC 8414 section 2).
pub(super) fn issuer(field: &Field<'_>) -> Result<String, Error> {
    let text = field.text()?;
    if is_absolute_uri(text) && has_host(text) && !text.contains('?') {
        return Ok(text.to_owned());
    }
    Err(field.error(format!(
        "`{text}` is not an absolute https or http URL without query and fragment, as in `https://auth.example/`"
    )))
}

/// An https origin: scheme, host, and port where it is not the usual one, in small letters.
pub(super) fn origin(field: &Field<'_>) -> Result<String, Error> {
    let text = field.text()?;
    let authority = text.strip_prefix("https://").unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "1"),
    };
    let is_host = if let Some(literal) = host.strip_prefix('[') {
        literal.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
        !host.is_empty() && host.bytes().all(allowed)
    };
    let is_port =
        port != "443" && !port.starts_with('0') && port.parse::<u16>().is_ok() && !port.starts_with('+');
    if is_host && is_port {
        return Ok(text.to_owned());
    }
    Err(field.error(format!(
        "`{text}` is not an https origin in small letters, without path and without the usual port, as in \
         `https://client.example`"
    )))
}

fn has_host(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host() {
        assert!(has_host("https://a") && has_host("http://[::1]:80/"));
        for bad in ["https://", "https:///a", "https://?a", "https://:80", "ftp://a", "HTTPS://a", "urn:a"] {
            assert!(!has_host(bad), "{bad}");
        }
    }
}
