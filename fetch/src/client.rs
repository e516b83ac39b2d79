//! One guarded GET: https only, to an address that was looked at, bounded in size and time, no redirect, no proxy, no
//! compression, and nothing sent but the request.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::header::{AGE, CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::address::is_allowed;
use crate::problem::Problem;

/// Bytes of a body, at most.
pub(crate) const MAX_BODY: u64 = 1 << 20;
/// Bytes of a status line and headers, at most.
const MAX_HEADERS: usize = 32 << 10;
/// Bytes of an `ETag` that is kept.
const MAX_ETAG: usize = 128;

/// How long a fetch may take: names, connection, handshake, the last byte of the body.
const WHOLE: Duration = Duration::from_secs(10);
/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// What came.
pub(crate) struct Got {
    /// `None`: what was fetched before is still so (304).
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) etag: Option<String>,
    /// For how many seconds it is fresh (RFC 9111 section 4.2), where the answer says so.
    pub(crate) fresh_s: Option<i64>,
}

/// The client. Opens no connection before it is asked to, and keeps none.
pub(crate) struct Client {
    /// Certificates of authorities beside those of the system, as PEM.
    authorities: Option<Vec<u8>>,
    agents: OnceLock<Result<Agents, Problem>>,
}

struct Agents {
    public: Agent,
    local: Agent,
}

impl Client {
    pub(crate) fn new(authorities: Option<Vec<u8>>) -> Self {
        Self { authorities, agents: OnceLock::new() }
    }

    /// Fetches `url`. `local`: private and loopback addresses are allowed. `etag`: of what was fetched before.
    pub(crate) fn get(&self, url: &str, local: bool, etag: Option<&str>) -> Result<Got, Problem> {
        let uri = checked(url).ok_or_else(|| Problem::Url(Problem::quote(url)))?;
        // The authorities of the system are read once, and not before something is fetched.
        let agents = self.agents.get_or_init(|| Agents::new(self.authorities.as_deref()));
        let Agents { public, local: inside } = agents.as_ref().map_err(Clone::clone)?;
        let agent = if local { inside } else { public };
        let mut request = agent.get(uri).header("accept", "application/json, */*;q=0.1");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut answer = request.call().map_err(problem)?;
        let (status, headers) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
        understood(status, &headers, || {
            answer.body_mut().with_config().limit(MAX_BODY).read_to_vec().map_err(problem)
        })
    }
}

/// What an answer means.
pub(crate) fn understood(
    status: u16,
    headers: &HeaderMap,
    body: impl FnOnce() -> Result<Vec<u8>, Problem>,
) -> Result<Got, Problem> {
    let (etag, fresh_s) = (kept_etag(headers), fresh_s(headers));
    match status {
        200 => Ok(Got { body: Some(body()?), etag, fresh_s }),
        304 => Ok(Got { body: None, etag, fresh_s }),
        301..=303 | 305..=308 => Err(Problem::Redirect(status)),
        _ => Err(Problem::Status(status)),
    }
}

impl Agents {
    fn new(authorities: Option<&[u8]>) -> Result<Self, Problem> {
        let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        for item in authorities.into_iter().flat_map(parse_pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                Ok(_) => {}
                Err(why) => return Err(Problem::Tls(format!("`fetch.ca_file`: {why}"))),
            }
        }
        if roots.is_empty() {
            let none = "the system has no certificates of authorities (install `ca-certificates`)";
            return Err(Problem::Tls(none.to_owned()));
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(provider()))
            .build();
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy would choose the address.
            .proxy(None)
            .tls_config(tls)
            .user_agent(concat!("idjag/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADERS)
            // Nothing is kept, so that no connection outlives the look at its address.
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .build();
        let agent = |local| {
            let guard = Guard { names: DefaultResolver::default(), local };
            Agent::with_parts(config.clone(), DefaultConnector::default(), guard)
        };
        Ok(Self { public: agent(false), local: agent(true) })
    }
}

/// The crypto library that the engine uses, so that no second one is linked.
fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    return rustls::crypto::ring::default_provider();
}

/// Names to addresses, none of which may be one that is not allowed. The connection goes to these, so that a name which
/// leads elsewhere a moment later leads nowhere.
#[derive(Debug)]
struct Guard<R> {
    names: R,
    local: bool,
}

impl<R: Resolver> Resolver for Guard<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        // One that is not allowed refuses them all: an answer that mixes them is an attack or a fault.
        match found.iter().find(|address| !is_allowed(address.ip(), self.local)) {
            Some(refused) => Err(Error::Io(io::Error::other(Refused(refused.ip())))),
            None => Ok(found),
        }
    }
}

/// Carries the address through the client's own error.
#[derive(Debug)]
struct Refused(IpAddr);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not allowed", self.0)
    }
}

impl std::error::Error for Refused {}

/// `url`, where it is one that may be fetched: https, a host, no user, no fragment.
pub(crate) fn checked(url: &str) -> Option<Uri> {
    if url.contains(['#', '@', '\\']) {
        return None;
    }
    let uri: Uri = url.parse().ok()?;
    let is_https = uri.scheme_str() == Some("https");
    (is_https && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Io(error) => {
            if let Some(Refused(address)) = error.get_ref().and_then(|error| error.downcast_ref()) {
                return Problem::Address(*address);
            }
            if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
                return Problem::Tls(error.to_string());
            }
            match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Problem::Timeout,
                _ => Problem::Connection(error.to_string()),
            }
        }
        Error::Timeout(_) => Problem::Timeout,
        Error::HostNotFound => Problem::Name("it has no address".to_owned()),
        Error::BodyExceedsLimit(_) => Problem::TooLarge,
        Error::Rustls(error) => Problem::Tls(error.to_string()),
        Error::Tls(error) => Problem::Tls(error.to_owned()),
        Error::BadUri(url) => Problem::Url(Problem::quote(&url)),
        error => Problem::Connection(Problem::quote(&error.to_string())),
    }
}

fn kept_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.len() <= MAX_ETAG).then(|| etag.to_owned())
}

/// Seconds that are left of `max-age` (RFC 9111 section 4.2.1); 0 where nothing may be stored or used again.
fn fresh_s(headers: &HeaderMap) -> Option<i64> {
    let values = || headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = || values().flat_map(|value| value.split(',')).map(str::trim);
    let is_one_of =
        |directive: &str, names: &[&str]| names.iter().any(|name| directive.eq_ignore_ascii_case(name));
    if directives().any(|directive| is_one_of(directive, &["no-store", "no-cache"])) {
        return Some(0);
    }
    let max_age = directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("max-age")
            .then(|| value.trim().trim_matches('"').parse::<u32>().ok())?
    })?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u32>().ok()).unwrap_or(0);
    Some(i64::from(max_age.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ureq::http::HeaderValue;

    use super::*;

    /// A zone that answers with the next addresses each time.
    #[derive(Clone, Debug)]
    struct Zone {
        answers: Vec<Vec<SocketAddr>>,
        asked: Arc<AtomicUsize>,
    }

    impl Resolver for Zone {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            let mut found = self.empty();
            for address in &self.answers[self.asked.fetch_add(1, Ordering::Relaxed)] {
                found.push(*address);
            }
            Ok(found)
        }
    }

    fn zone(answers: &[&[&str]]) -> Zone {
        let parse = |text: &&str| text.parse().unwrap();
        let answers = answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        Zone { answers, asked: Arc::default() }
    }

    fn get(zone: &Zone, local: bool) -> Problem {
        let config = Agent::config_builder().https_only(true).proxy(None).build();
        let guard = Guard { names: zone.clone(), local };
        let agent = Agent::with_parts(config, DefaultConnector::default(), guard);
        problem(agent.get("https://idp.example/keys").call().unwrap_err())
    }

    #[test]
    fn one_address_that_is_not_allowed_refuses_them_all() {
        for (answer, refused) in [
            (&["127.0.0.1:443"][..], "127.0.0.1"),
            (&["1.1.1.1:443", "10.0.0.1:443"], "10.0.0.1"),
            (&["[::ffff:169.254.169.254]:443", "1.1.1.1:443"], "::ffff:169.254.169.254"),
        ] {
            assert_eq!(get(&zone(&[answer]), false), Problem::Address(refused.parse().unwrap()));
        }
        let metadata = zone(&[&["169.254.169.254:80"]]);
        assert_eq!(get(&metadata, true), Problem::Address("169.254.169.254".parse().unwrap()));
    }

    #[test]
    fn a_name_is_resolved_once_so_that_it_cannot_change_its_mind() {
        // Nobody listens there; what counts is that nobody asks the zone again.
        let rebinding = zone(&[&["127.0.0.1:1"], &["169.254.169.254:80"]]);
        assert!(matches!(get(&rebinding, true), Problem::Connection(_)));
        assert_eq!(rebinding.asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn nothing_but_https_to_a_host_is_fetched() {
        let client = Client::new(None);
        for url in [
            "http://idp.example/keys",
            "file:///etc/passwd",
            "ftp://idp.example/keys",
            "gopher://idp.example/",
            "data:application/json,{}",
            "unix:/run/secret",
            "https:///keys",
            "https://user@idp.example/keys",
            "https://user:password@idp.example/keys",
            "https://idp.example\\@127.0.0.1/keys",
            "https://idp.example/keys#x",
            "//idp.example/keys",
            "/keys",
            "idp.example",
            "",
        ] {
            assert!(matches!(client.get(url, true, None), Err(Problem::Url(_))), "{url}");
        }
        assert!(checked("https://idp.example:8443/keys?a=b").is_some());
    }

    #[test]
    fn freshness_is_what_is_left_of_max_age() {
        let of = |cache: &[&str], age: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in cache {
                headers.append(CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
            }
            if let Some(age) = age {
                headers.insert(AGE, HeaderValue::from_str(age).unwrap());
            }
            fresh_s(&headers)
        };
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&["public, max-age=600"], None), Some(600));
        assert_eq!(of(&["public", "Max-Age = \"600\""], Some("100")), Some(500));
        assert_eq!(of(&["max-age=600"], Some("700")), Some(0));
        assert_eq!(of(&["max-age=600, no-store"], None), Some(0));
        assert_eq!(of(&["No-Cache"], None), Some(0));
        assert_eq!(of(&["max-age=-1"], None), None);
        assert_eq!(of(&["s-maxage=5"], None), None);
    }
}
