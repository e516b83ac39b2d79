//! `authorization_details` (RFC 9396): which of the assertion's a request gets.
//!
//! A request narrows and never widens: what is granted are elements of the assertion's own claim, picked because the
//! request has equal ones. Which types a person may have is for the policy to say, not decided here.

use crate::claims::details_type;
use crate::json::{Document, Memory, PADDING, Parser, Value};
use crate::json_writer::JsonWriter;
use crate::reason::Reason;

/// Bytes of a requested `authorization_details`, at most.
const MAX_REQUEST: usize = 16_384;

/// Elements of it, at most.
const MAX_ELEMENTS: usize = 64;

/// Elements of an assertion's claim, in its order.
pub(crate) enum Details<'t, 'i> {
    /// The claim as it stands, where there is one.
    Whole(Option<Value<'t, 'i>>),
    /// Those that were asked for.
    Picked(Vec<Value<'t, 'i>>),
}

impl<'t, 'i> Details<'t, 'i> {
    /// What of `claim` the request `asked` for; `None` or empty: it did not ask, and gets the claim.
    ///
    /// Costs an allocation only where it asked, and then time linear in the product of both numbers of elements.
    pub(crate) fn choose(claim: Option<Value<'t, 'i>>, asked: Option<&str>) -> Result<Self, Reason> {
        match asked.filter(|asked| !asked.is_empty()) {
            None => Ok(Self::Whole(claim)),
            Some(asked) => pick(claim, asked).map(Self::Picked),
        }
    }

    /// Whether there is nothing to write: neither the assertion nor the request speaks of details.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    /// The type of each element.
    pub(crate) fn types(&self) -> impl Iterator<Item = &'i str> + Clone {
        let (whole, picked) = match self {
            Self::Whole(claim) => (claim.and_then(Value::array), &[][..]),
            Self::Picked(picked) => (None, picked.as_slice()),
        };
        whole.into_iter().flatten().chain(picked.iter().copied()).filter_map(details_type)
    }

    /// Writes them as a JSON array.
    pub(crate) fn write(&self, out: &mut JsonWriter) {
        match self {
            Self::Whole(None) => out.array(|_| {}),
            Self::Whole(Some(claim)) => claim.write(out),
            Self::Picked(picked) => out.array(|out| picked.iter().for_each(|element| element.write(out))),
        }
    }
}

/// The elements of `claim` that equal one of `asked`, where each of `asked` has its equal.
#[cold]
fn pick<'t, 'i>(claim: Option<Value<'t, 'i>>, asked: &str) -> Result<Vec<Value<'t, 'i>>, Reason> {
    const MALFORMED: Reason = Reason::AuthorizationDetailsRequestMalformed;
    if asked.len() > MAX_REQUEST {
        return Err(MALFORMED);
    }
    let mut text = [asked.as_bytes(), &[0; PADDING]].concat();
    let (mut parser, mut memory) = (Parser::default(), Memory::default());
    let document =
        Document::read_any(&mut text, asked.len(), &mut parser, &mut memory).map_err(|_| MALFORMED)?;
    let mut elements = document.value().array().ok_or(MALFORMED)?;
    // An empty array could mean everything or nothing: neither is guessed.
    if !(1..=MAX_ELEMENTS).contains(&elements.clone().count()) {
        return Err(MALFORMED);
    }
    if !elements.clone().all(|element| details_type(element).is_some()) {
        return Err(MALFORMED);
    }
    let claimed: Vec<Value<'t, 'i>> = claim.and_then(Value::array).into_iter().flatten().collect();
    let mut picked = vec![false; claimed.len()];
    let found = elements.all(|element| {
        let place = claimed.iter().zip(&mut picked).find(|(known, _)| known.equals(element));
        place.map(|(_, picked)| *picked = true).is_some()
    });
    if !found {
        return Err(Reason::AuthorizationDetailsNotInAssertion);
    }
    Ok(claimed.into_iter().zip(picked).filter(|(_, picked)| *picked).map(|(element, _)| element).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is granted of `claim`.
    fn chosen(claim: &str, asked: Option<&str>) -> Result<String, Reason> {
        let text = format!(r#"{{"authorization_details":{claim}}}"#);
        let mut buffer = [text.as_bytes(), &[0; PADDING]].concat();
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(&mut buffer, text.len(), &mut parser, &mut memory).unwrap();
        let claim = document.object().member("authorization_details").filter(|value| value.array().is_some());
        let details = Details::choose(claim, asked)?;
        let mut out = JsonWriter::default();
        details.write(&mut out);
        assert_eq!(details.is_absent(), claim.is_none());
        let text = out.into_string();
        assert_eq!(details.types().count(), text.matches("\"type\"").count());
        Ok(text)
    }

    const CLAIM: &str =
        r#"[{"type":"a","n":[1,2.5,{"x":null}],"t":true},{"type":"b"},{"type":"b","at":"c"}]"#;

    #[test]
    fn a_request_gets_those_that_it_names_in_the_order_of_the_claim() {
        assert_eq!(chosen(CLAIM, None).as_deref(), Ok(CLAIM));
        assert_eq!(chosen(CLAIM, Some("")).as_deref(), Ok(CLAIM));
        assert_eq!(chosen(CLAIM, Some(CLAIM)).as_deref(), Ok(CLAIM));
        assert_eq!(chosen("null", None).as_deref(), Ok("[]"));
        for (asked, granted) in [
            (r#" [ { "type" : "b" } ] "#, r#"[{"type":"b"}]"#),
            (r#"[{"type":"b"},{"type":"b"}]"#, r#"[{"type":"b"}]"#),
            (r#"[{"at":"\u0063","type":"b"},{"type":"b"}]"#, r#"[{"type":"b"},{"type":"b","at":"c"}]"#),
            (
                r#"[{"t":true,"n":[1,2.50,{"x":null}],"type":"a"}]"#,
                r#"[{"type":"a","n":[1,2.5,{"x":null}],"t":true}]"#,
            ),
        ] {
            assert_eq!(chosen(CLAIM, Some(asked)).as_deref(), Ok(granted), "{asked}");
        }
    }

    #[test]
    fn what_the_claim_does_not_have_is_refused() {
        for asked in [
            r#"[{"type":"c"}]"#,
            r#"[{"type":"B"}]"#,
            r#"[{"type":"b","at":"d"}]"#,
            r#"[{"type":"b","at":null}]"#,
            r#"[{"type":"b"},{"type":"c"}]"#,
            r#"[{"type":"a"}]"#,
            r#"[{"type":"a","n":[1,2.5,{"x":null}],"t":true,"u":1}]"#,
            r#"[{"type":"a","n":[2.5,1,{"x":null}],"t":true}]"#,
            r#"[{"type":"a","n":[1,2.5,{"x":null}],"t":"true"}]"#,
            r#"[{"type":"a","n":[1.0,2.5,{"x":null}],"t":true}]"#,
            r#"[{"type":"a","n":[1,2.5,{"y":null}],"t":true}]"#,
        ] {
            assert_eq!(
                chosen(CLAIM, Some(asked)),
                Err(Reason::AuthorizationDetailsNotInAssertion),
                "{asked}"
            );
        }
        for claim in ["null", "[]"] {
            let refused = chosen(claim, Some(r#"[{"type":"b"}]"#));
            assert_eq!(refused, Err(Reason::AuthorizationDetailsNotInAssertion), "{claim}");
        }
    }

    #[test]
    fn what_is_no_array_of_objects_with_a_type_is_malformed() {
        let many = format!("[{}]", [r#"{"type":"b"}"#; 65].join(","));
        let long = format!(r#"[{{"type":"b"}}{}]"#, " ".repeat(16_384));
        let deep = format!(r#"[{{"type":"b","x":{}{}}}]"#, "[".repeat(15), "]".repeat(15));
        for asked in [
            "[]",
            "{}",
            r#"{"type":"b"}"#,
            "null",
            "\"b\"",
            "[",
            "[]]",
            r#"[{"type":"b"}],[]"#,
            r#"[{"type":"b"}]x"#,
            "[null]",
            r#"["b"]"#,
            r#"[[{"type":"b"}]]"#,
            "[{}]",
            r#"[{"type":""}]"#,
            r#"[{"type":1}]"#,
            r#"[{"type":"b"},{"at":"c"}]"#,
            r#"[{"type":"b","type":"b"}]"#,
            r#"[{"type":"b","\u0074ype":"c"}]"#,
            r#"[{"type":"\ud800"}]"#,
            r#"[{"type":"b","n":1e400}]"#,
            &many,
            &long,
            &deep,
        ] {
            let refused = chosen(CLAIM, Some(asked));
            assert_eq!(refused, Err(Reason::AuthorizationDetailsRequestMalformed), "{asked:.80}");
        }
        let most = format!("[{}]", [r#"{"type":"b"}"#; 64].join(","));
        assert_eq!(chosen(CLAIM, Some(&most)).as_deref(), Ok(r#"[{"type":"b"}]"#));
    }
}
