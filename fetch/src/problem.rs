//! Why a fetch came to nothing, in words for the operator. Nothing of it ever reaches a client.

use std::fmt;
use std::net::IpAddr;

/// Characters of what the other side said, at most.
const MAX_QUOTED: usize = 200;

/// Why a fetch came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It is not an https URL with a host, and without a user.
    Url(String),
    /// The name leads to an address that may not be connected to.
    Address(IpAddr),
    /// There is no such name, or the resolver does not answer.
    Name(String),
    /// It took too long.
    Timeout,
    /// TLS: the certificate is not one that is trusted, or the handshake failed.
    Tls(String),
    /// The connection failed.
    Connection(String),
    /// Another status than 200.
    Status(u16),
    /// A redirect; none is followed.
    Redirect(u16),
    /// The host, which fetches for itself, could not ask.
    Host,
    /// The body is longer than 1 MiB.
    TooLarge,
    /// The metadata is not what RFC 8414 asks for.
    Metadata(String),
    /// The metadata is of another issuer.
    Issuer(String),
    /// The key set cannot be used, and the one of before stays.
    Keys(String),
}

impl Problem {
    /// What the other side said, cut and escaped.
    pub(crate) fn quote(text: &str) -> String {
        text.chars().take(MAX_QUOTED).collect::<String>().escape_debug().to_string()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => {
                write!(f, "`{url}` is not an https URL with a host; nothing is fetched over another scheme")
            }
            Self::Address(address) => write!(
                f,
                "{address} is not a public address; `local = true` allows private and loopback addresses, and nothing \
                 allows link-local or metadata addresses"
            ),
            Self::Name(why) => write!(f, "the name cannot be resolved: {why}"),
            Self::Timeout => f.write_str("no complete answer in time"),
            Self::Tls(why) => {
                write!(f, "TLS: {why}; authorities of your own go into the PEM file `fetch.ca_file`")
            }
            Self::Connection(why) => write!(f, "the connection failed: {why}"),
            Self::Status(status) => write!(f, "the answer has status {status}"),
            Self::Redirect(status) => {
                write!(
                    f,
                    "the answer is a redirect ({status}), and none is followed; write the final URL down"
                )
            }
            Self::Host => f.write_str("the host that fetches could not ask"),
            Self::TooLarge => f.write_str("the answer is longer than 1 MiB"),
            Self::Metadata(why) => write!(f, "the metadata cannot be used: {why}"),
            Self::Issuer(said) => write!(
                f,
                "the metadata is of the issuer `{said}`, and has to be of the configured one, byte for byte"
            ),
            Self::Keys(why) => write!(f, "the key set cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Problem {}
