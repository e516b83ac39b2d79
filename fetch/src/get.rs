//! One GET, by whoever makes it: the client of this crate, or the host.

use std::sync::Arc;

use ureq::http::header::{AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderValue};

use crate::client::{Client, Got, MAX_BODY, checked, understood};
use crate::problem::Problem;

/// Header lines of one answer that are looked at, at most.
const MAX_LINES: usize = 16;

/// What a host is to get: one GET (RFC 9110 section 9.3.1), over https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// Where: what the configuration names, or the metadata of an IdP that it names.
    pub url: &'a str,
    /// Whether that may be at a private or loopback address (`local = true`).
    pub local: bool,
    /// The `ETag` of what is there already, for `If-None-Match`.
    pub etag: Option<&'a str>,
}

/// What a host got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status: 200, or 304 for what has not changed. Redirects are not followed.
    pub status: u16,
    /// Names and values, as many as there are: `Cache-Control`, `Age` and `ETag` are looked at.
    pub headers: Vec<(String, String)>,
    /// The body. More than 1 MiB is not taken.
    pub body: Vec<u8>,
}

/// Makes the GETs in place of this crate: for hosts with a way out of their own. When what is fetched, and what becomes of it, is
/// decided here all the same.
///
/// Called on threads of the [`Fetcher`](crate::Fetcher), by several at once. An implementation has to do what is done here
/// otherwise: it checks certificates, connects to no address that `local` does not allow (nor to one that clouds keep secrets at),
/// and to the one that it looked at; it follows no redirect, and bounds size and time.
pub trait Get: Send + Sync {
    /// What is there; `None` where it could not be asked.
    fn get(&self, wanted: &Wanted<'_>) -> Option<Answer>;
}

/// Who makes them.
pub(crate) enum Getter {
    Client(Box<Client>),
    Host(Arc<dyn Get>),
}

impl Getter {
    /// The host, or a client that trusts these authorities as well.
    pub(crate) fn of(host: Option<Arc<dyn Get>>, authorities: Option<Vec<u8>>) -> Self {
        host.map_or_else(|| Self::Client(Box::new(Client::new(authorities))), Self::Host)
    }

    pub(crate) fn get(&self, url: &str, local: bool, etag: Option<&str>) -> Result<Got, Problem> {
        let host = match self {
            Self::Client(client) => return client.get(url, local, etag),
            Self::Host(host) => host,
        };
        checked(url).ok_or_else(|| Problem::Url(Problem::quote(url)))?;
        let answer = host.get(&Wanted { url, local, etag }).ok_or(Problem::Host)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            let known = [CACHE_CONTROL, AGE, ETAG]
                .into_iter()
                .find(|known| name.eq_ignore_ascii_case(known.as_str()));
            if let (Some(name), Ok(value)) = (known, HeaderValue::from_str(value))
                && headers.len() < MAX_LINES
            {
                headers.append(name, value);
            }
        }
        understood(answer.status, &headers, || {
            let fits = u64::try_from(answer.body.len()).is_ok_and(|length| length <= MAX_BODY);
            if fits { Ok(answer.body) } else { Err(Problem::TooLarge) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<Answer>);

    impl Get for Fixed {
        fn get(&self, wanted: &Wanted<'_>) -> Option<Answer> {
            assert_eq!(*wanted, Wanted { url: "https://idp.example/keys", local: true, etag: Some("\"a\"") });
            self.0.clone()
        }
    }

    fn got(answer: Option<Answer>) -> Result<Got, Problem> {
        Getter::Host(Arc::new(Fixed(answer))).get("https://idp.example/keys", true, Some("\"a\""))
    }

    #[test]
    fn a_host_is_held_to_the_same() {
        let headers = [("Cache-Control", "max-age=600"), ("AGE", "100"), ("etag", "\"b\""), ("x", "\n")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let answer = |status, length| Answer { status, headers: headers.clone(), body: vec![0; length] };
        let found = got(Some(answer(200, 1 << 20))).unwrap();
        assert_eq!((found.body.map(|body| body.len()), found.fresh_s), (Some(1 << 20), Some(500)));
        assert_eq!(found.etag.as_deref(), Some("\"b\""));
        assert!(got(Some(answer(304, 5))).unwrap().body.is_none());
        for (answer, problem) in [
            (None, Problem::Host),
            (Some(Answer::default()), Problem::Status(0)),
            (Some(answer(200, (1 << 20) + 1)), Problem::TooLarge),
            (Some(answer(302, 0)), Problem::Redirect(302)),
            (Some(answer(404, 9)), Problem::Status(404)),
        ] {
            assert_eq!(got(answer).err(), Some(problem));
        }
        let host = Getter::Host(Arc::new(Fixed(None)));
        assert!(matches!(host.get("http://idp.example/keys", true, None), Err(Problem::Url(_))));
    }
}
