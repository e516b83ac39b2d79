//! The body of a request: `application/x-www-form-urlencoded` (RFC 6749 section 3.2 and appendix B).
//!
//! Values are decoded when they are asked for, so that one that nobody asks for costs nothing.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::reason::Reason;

/// Parameters of one request, at most; what stands between two ampersands counts, though it be nothing.
const MAX_PARAMETERS: usize = 64;

/// The parameters: the name, and the value as it stands. Each once but `resource`.
pub(super) struct Form<'b>(Vec<(Cow<'b, str>, &'b [u8])>);

/// Whether a `Content-Type` says that the body is a form; parameters, which this type does not have, are not looked at.
pub(super) fn is_media_type(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

impl<'b> Form<'b> {
    /// Reads a body. Linear in its length, but for the number of parameters, which is limited.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Reason> {
        let mut parameters: Vec<(Cow<'b, str>, &'b [u8])> = Vec::with_capacity(8);
        let mut rest = Some(body);
        let mut pieces = 0;
        while let Some(behind) = rest {
            if pieces == MAX_PARAMETERS {
                return Err(Reason::FormMalformed);
            }
            pieces += 1;
            let (pair, others) = split(behind, b'&');
            rest = others;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = split(pair, b'=');
            let name = decode(name).ok_or(Reason::FormMalformed)?;
            // RFC 6749 section 3.2, whatever the parameter; RFC 8707 section 2 allows the one exception.
            if name != "resource" && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Reason::ParameterRepeated);
            }
            parameters.push((name, value.unwrap_or_default()));
        }
        Ok(Self(parameters))
    }

    /// Whether a parameter is there. One without a value counts as left out.
    pub(super) fn has(&self, name: &str) -> bool {
        self.encoded(name).next().is_some()
    }

    /// The value of a parameter that comes once.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<Cow<'b, str>>, Reason> {
        self.encoded(name).next().map(|value| decode(value).ok_or(Reason::FormMalformed)).transpose()
    }

    /// Every `resource`, in order.
    pub(super) fn resources(&self) -> Result<Vec<Cow<'b, str>>, Reason> {
        self.encoded("resource").map(|value| decode(value).ok_or(Reason::FormMalformed)).collect()
    }

    fn encoded(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| *value)
    }
}

/// What stands before the first `separator`, and what behind it.
fn split(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text).and_then(|at| text.split_at_checked(at)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (text, None),
    }
}

/// What an encoded text stands for; `None`: it is not ASCII, or stands for bytes that are no UTF-8.
pub(super) fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.is_ascii() {
        return None;
    }
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut text = Cow::Borrowed(text);
    if memchr::memchr(b'+', &text).is_some() {
        text.to_mut().iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend(percent_decode(&text));
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_each_parameter_once_but_resource() {
        let form = Form::read(b"scope=a+b%20c&resource=r1&client_id=&resource=r2&resource=&made=up").unwrap();
        assert_eq!(form.parameter("scope").unwrap().as_deref(), Some("a b c"));
        assert_eq!(form.parameter("client_id"), Ok(None));
        assert!(form.has("made") && !form.has("client_id") && !form.has("other"));
        assert_eq!(form.resources().unwrap(), ["r1", "r2"]);
        for (body, reason) in [
            (&b"scope=a&scope=a"[..], Reason::ParameterRepeated),
            (b"scope=a&sc%6fpe=b", Reason::ParameterRepeated),
            (b"made=up&made=up", Reason::ParameterRepeated),
            (b"client_id=&client_id=", Reason::ParameterRepeated),
            (b"sc%ff=a", Reason::FormMalformed),
            ("é=a".as_bytes(), Reason::FormMalformed),
        ] {
            assert_eq!(Form::read(body).err(), Some(reason), "{}", String::from_utf8_lossy(body));
        }
        assert!(Form::read(b"").is_ok_and(|form| !form.has("grant_type")));
        assert!(Form::read(b"&&a&").is_ok_and(|form| !form.has("a")));
        for body in [&b"scope=%ff"[..], "scope=é".as_bytes(), b"scope=%ed%a0%80"] {
            assert_eq!(Form::read(body).unwrap().parameter("scope"), Err(Reason::FormMalformed));
        }
        for (text, plain) in [("a%2bb", "a+b"), ("%zz%4", "%zz%4"), ("%C3%a9+", "é ")] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(plain));
        }
    }

    #[test]
    fn many_parameters_are_refused() {
        let body = |count: usize| (0..count).map(|at| format!("p{at}=x")).collect::<Vec<_>>().join("&");
        assert!(Form::read(body(64).as_bytes()).is_ok());
        assert_eq!(Form::read(body(65).as_bytes()).err(), Some(Reason::FormMalformed));
        assert!(Form::read("&".repeat(63).as_bytes()).is_ok());
        assert_eq!(Form::read("&".repeat(64).as_bytes()).err(), Some(Reason::FormMalformed));
        let resources = "resource=r&".repeat(65);
        assert_eq!(Form::read(resources.as_bytes()).err(), Some(Reason::FormMalformed));
    }

    #[test]
    fn one_media_type_is_a_form() {
        for good in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-UrlEncoded ; charset=UTF-8"]
        {
            assert!(is_media_type(good.as_bytes()), "{good}");
        }
        for bad in
            ["", "application/json", "application/x-www-form-urlencoded2", "multipart/form-data; boundary=x"]
        {
            assert!(!is_media_type(bad.as_bytes()), "{bad}");
        }
    }
}
