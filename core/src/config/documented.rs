//! Clients that nobody wrote down one by one: `[client_documents]` (draft-ietf-oauth-client-id-metadata-document).
//!
//! Such a client's `client_id` is an https URL, and the document there says how it proves itself. Only origins that are
//! written here count; by default there are none. Fetching is not done here.

use super::client::{AllOr, Reach, all_or};
use super::idp::Idp;
use super::reader::Section;
use super::{Inputs, uri};
use crate::error::Error;
use crate::resource::is_absolute_uri;

/// Bytes of a client's URL, at most.
const MAX_URL: usize = 1024;

/// Whose documents count, and what such clients may do.
#[derive(Debug)]
pub(crate) struct Documented {
    /// Each `https://` and an authority, without a path.
    pub(crate) origins: Vec<String>,
    connectors: AllOr,
    idps: AllOr,
    /// The ways of authentication that a document may name.
    pub(crate) methods: Vec<DocumentedMethod>,
    /// Whether documents may be at private and loopback addresses.
    pub(super) local: bool,
}

/// How such a client may prove itself. Nothing that is shared: there is nobody to share it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentedMethod {
    PrivateKeyJwt,
    None,
}

impl DocumentedMethod {
    /// Every one, by its name in the IANA registry.
    pub(crate) const ALL: [(&'static str, Self); 2] =
        [("private_key_jwt", Self::PrivateKeyJwt), ("none", Self::None)];

    /// The one of that name.
    pub(crate) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, method)| method)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

impl Documented {
    /// Reads `client_documents`; none where it is left out.
    pub(super) fn read(
        root: &Section<'_>,
        connectors: &[&str],
        idps: &[Idp],
        inputs: &mut Inputs<'_>,
    ) -> Result<Option<Self>, Error> {
        let Some(field) = root.optional("client_documents") else {
            return Ok(None);
        };
        let section = field.section(&["origins", "connectors", "idps", "auth", "local"])?;
        let origins =
            section.required("origins", "a list of https origins, as in `https://client.example`")?;
        let named_connectors = section.required("connectors", "a list of connector ids, or [\"*\"]")?;
        let documented = Self {
            origins: origins.some_texts().and_then(|_| origins.items()?.iter().map(uri::origin).collect())?,
            connectors: all_or(&named_connectors, "connector", connectors.iter().copied())?,
            idps: match section.optional("idps") {
                Some(field) => all_or(&field, "IdP", idps.iter().map(|idp| idp.issuer.as_str()))?,
                None => AllOr::All,
            },
            methods: match section.optional("auth") {
                Some(field) => field.some_texts().and_then(|_| {
                    field.items()?.iter().map(|item| item.word(&DocumentedMethod::ALL)).collect()
                })?,
                None => vec![DocumentedMethod::PrivateKeyJwt],
            },
            local: super::keys::local(&section, "documents", inputs)?,
        };
        Ok(Some(documented))
    }

    /// Whether `client_id` is the URL of a document at one of the origins.
    pub(crate) fn covers(&self, client_id: &str) -> bool {
        self.origin_of(client_id).is_some()
    }

    /// The origin that `url` is at, where it has the form that a client's URL has (section 3 of the draft): a path that is
    /// not only a slash, no dot segments, no fragment, no user, and no query, which the draft only advises against.
    pub(crate) fn origin_of(&self, url: &str) -> Option<&str> {
        let origin = self.origins.iter().find(|origin| {
            // Behind the whole authority comes the path, so that nothing of a host or a user is left over.
            url.strip_prefix(origin.as_str()).is_some_and(|path| path.starts_with('/') && path.len() > 1)
        })?;
        let path = url.get(origin.len()..)?;
        let dots = |segment: &str| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == "." || segment == ".."
        };
        let good = url.len() <= MAX_URL
            && is_absolute_uri(url)
            && !path.contains('?')
            && !path.split(['/', ';']).any(dots);
        good.then_some(origin)
    }

    /// What such a client may do.
    pub(crate) fn reach(&self) -> Reach<'_> {
        Reach { connectors: &self.connectors, idps: &self.idps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_at_an_origin_that_is_written_down_and_has_a_path() {
        let documented = Documented {
            local: false,
            origins: vec!["https://a.example".to_owned(), "https://b.example:8443".to_owned()],
            connectors: AllOr::All,
            idps: AllOr::All,
            methods: Vec::new(),
        };
        for good in [
            "https://a.example/client.json",
            "https://a.example/x/..y/.z",
            "https://a.example//x",
            "https://b.example:8443/%2Ex",
        ] {
            assert!(documented.covers(good), "{good}");
        }
        let long = format!("https://a.example/{}", "x".repeat(1024));
        for bad in [
            "",
            "https://a.example",
            "https://a.example/",
            "https://a.example?x",
            "https://a.example.attacker.example/x",
            "https://a.example:443/x",
            "https://a.example@attacker.example/x",
            "https://user@a.example/x",
            "https://user:x@a.example/x",
            "https://A.example/x",
            "HTTPS://a.example/x",
            "http://a.example/x",
            "https://b.example/x",
            "https://b.example:8443",
            "https://b.example:84430/x",
            "https://a.example/x?y",
            "https://a.example/x#y",
            "https://a.example/x#",
            "https://a.example/../x",
            "https://a.example/x/..",
            "https://a.example/./x",
            "https://a.example/x/.",
            "https://a.example/%2e%2E/x",
            "https://a.example/.%2e/x",
            "https://a.example/..;x/y",
            "https://a.example/x y",
            "https://a.example/x\\y",
            "https://a.example\\x/y",
            "https://a.example/\u{e9}",
            "https://a.example/\n",
            " https://a.example/x",
            "data:https://a.example/x",
            &long,
        ] {
            assert!(!documented.covers(bad), "{bad}");
        }
    }
}
