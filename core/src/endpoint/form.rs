//! The body of a request: `application/x-www-form-urlencoded` (RFC 6749 section 3.2 and appendix B).

use std::borrow::Cow;

use crate::reason::Reason;

/// Parameters of one request, at most.
const MAX_PARAMETERS: usize = 64;

/// The parameters, each once but `resource`. One without a value counts as left out.
pub(super) struct Form<'b>(Vec<(Cow<'b, str>, Cow<'b, str>)>);

/// Whether a `Content-Type` says that the body is a form; parameters, which this type does not have, are not looked at.
pub(super) fn is_media_type(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

impl<'b> Form<'b> {
    /// Reads a body. Linear in its length, but for the number of parameters, which is limited.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Reason> {
        // What is not ASCII is escaped in a form.
        if !body.is_ascii() {
            return Err(Reason::FormMalformed);
        }
        let mut parameters: Vec<(Cow<'b, str>, Cow<'b, str>)> = Vec::with_capacity(8);
        for (name, value) in form_urlencoded::parse(body) {
            // What stands for bytes that are no UTF-8.
            if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Reason::FormMalformed);
            }
            // RFC 6749 section 3.2, whatever the parameter; RFC 8707 section 2 allows the one exception.
            if name != "resource" && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Reason::ParameterRepeated);
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(Reason::FormMalformed);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(&**value).filter(|value| !value.is_empty())
    }

    pub(super) fn grant_type(&self) -> Option<&str> {
        self.parameter("grant_type")
    }

    pub(super) fn assertion(&self) -> Option<&str> {
        self.parameter("assertion")
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.parameter("token")
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.parameter("client_id")
    }

    pub(super) fn client_secret(&self) -> Option<&str> {
        self.parameter("client_secret")
    }

    pub(super) fn client_assertion(&self) -> Option<&str> {
        self.parameter("client_assertion")
    }

    pub(super) fn client_assertion_type(&self) -> Option<&str> {
        self.parameter("client_assertion_type")
    }

    pub(super) fn scope(&self) -> Option<&str> {
        self.parameter("scope")
    }

    pub(super) fn authorization_details(&self) -> Option<&str> {
        self.parameter("authorization_details")
    }

    /// Every `resource`, in order.
    pub(super) fn resources(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(name, value)| name == "resource" && !value.is_empty())
            .map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_each_parameter_once_but_resource() {
        let form = Form::read(b"scope=a+b%20c&resource=r1&client_id=&resource=r2&resource=&made=up").unwrap();
        assert_eq!(form.scope(), Some("a b c"));
        assert_eq!(form.client_id(), None);
        assert_eq!(form.resources().collect::<Vec<_>>(), ["r1", "r2"]);
        for (body, reason) in [
            (&b"scope=a&scope=a"[..], Reason::ParameterRepeated),
            (b"scope=a&sc%6fpe=b", Reason::ParameterRepeated),
            (b"made=up&made=up", Reason::ParameterRepeated),
            (b"client_id=&client_id=", Reason::ParameterRepeated),
            (b"scope=%ff", Reason::FormMalformed),
            ("scope=é".as_bytes(), Reason::FormMalformed),
        ] {
            assert_eq!(Form::read(body).err(), Some(reason), "{}", String::from_utf8_lossy(body));
        }
        assert!(Form::read(b"").is_ok_and(|form| form.grant_type().is_none()));
    }

    #[test]
    fn many_parameters_are_refused() {
        let body = |count: usize| (0..count).map(|at| format!("p{at}=x")).collect::<Vec<_>>().join("&");
        assert!(Form::read(body(64).as_bytes()).is_ok());
        assert_eq!(Form::read(body(65).as_bytes()).err(), Some(Reason::FormMalformed));
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
