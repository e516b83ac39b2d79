//! One event as one line: a JSON object (RFC 8259) whose members come in a fixed order, without the number that the queue
//! puts before it.
//!
//! Strings come from tokens that nobody verified, too. Whatever a terminal or a reader of lines could take for a command
//! is escaped (controls, line separators, marks that turn the direction of text), and what is long is cut: a line stays
//! below the 65,536 bytes of a tile's entry (C2SP tlog-tiles). Which members were cut stands at the end.

use idjag::{Claim, Event, OAuthError, Purpose, Refusal, SubjectForm};

use crate::crypto::MacKey;
use crate::timestamp::timestamp;

/// Bytes of a text that are kept.
const LONGEST: usize = 512;
/// Bytes of a list of scopes that are kept.
const LONGEST_SCOPE: usize = 1024;
/// Bytes of a list, beyond which no name is added to it.
const LONGEST_LIST: usize = 8 << 10;
/// Bytes of a group's name that are kept.
const LONGEST_GROUP: usize = 256;

/// How people are named.
pub(crate) enum Subjects {
    Plain,
    /// By an HMAC of issuer, tenant and subject: the same person is the same text, and nobody reads who it is.
    Hmac(Box<MacKey>),
    Omit,
}

impl Subjects {
    /// `secret` is used for HMACs only.
    pub(crate) fn new(form: SubjectForm, secret: &[u8]) -> Self {
        match form {
            SubjectForm::Plain => Self::Plain,
            SubjectForm::Hmac => Self::Hmac(Box::new(MacKey::new(secret))),
            _ => Self::Omit,
        }
    }
}

/// A line in the making: what follows `{"seq":N`.
pub(crate) struct Line<'b> {
    out: &'b mut Vec<u8>,
    cut: Cut,
}

/// The members that were cut.
#[derive(Default)]
struct Cut {
    names: [&'static str; 16],
    count: usize,
}

impl<'b> Line<'b> {
    /// Begins a line in `out`, whose content is dropped. `at_ms` is in milliseconds since 1970; `code` is stable once
    /// released.
    pub(crate) fn new(out: &'b mut Vec<u8>, at_ms: i64, code: &'static str, event: &'static str) -> Self {
        out.clear();
        out.extend_from_slice(b",\"timestamp\":\"");
        timestamp(at_ms, out);
        out.push(b'"');
        let mut line = Self { out, cut: Cut::default() };
        line.word("code", code);
        line.word("event", event);
        line
    }

    /// Ends the line.
    pub(crate) fn end(self) {
        let Self { out, cut } = self;
        if let Some(names) = cut.names.get(..cut.count).filter(|names| !names.is_empty()) {
            out.extend_from_slice(b",\"cut\":[");
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.push(b'"');
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &'static str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A member that is a string; an empty one is left out.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        self.text_up_to(name, text, LONGEST);
    }

    /// The same of a word of ours: short, and nothing in it is escaped.
    pub(crate) fn word(&mut self, name: &'static str, word: &'static str) {
        debug_assert!(is_plain(word.as_bytes()) && word.len() <= LONGEST, "{word:?}");
        if !word.is_empty() {
            self.name(name);
            self.out.push(b'"');
            self.out.extend_from_slice(word.as_bytes());
            self.out.push(b'"');
        }
    }

    /// The same, of which so many bytes are kept.
    pub(crate) fn text_up_to(&mut self, name: &'static str, text: &str, longest: usize) {
        if !text.is_empty() {
            self.name(name);
            self.string(name, text, longest);
        }
    }

    fn string(&mut self, name: &'static str, text: &str, longest: usize) {
        let kept = beginning(text, longest);
        self.out.push(b'"');
        let is_whole = escape(kept, 2 * longest, self.out);
        self.out.push(b'"');
        if kept.len() < text.len() || !is_whole {
            self.note_cut(name);
        }
    }

    fn note_cut(&mut self, name: &'static str) {
        if self.cut.names.get(..self.cut.count).is_none_or(|cut| !cut.contains(&name))
            && let Some(free) = self.cut.names.get_mut(self.cut.count)
        {
            *free = name;
            self.cut.count += 1;
        }
    }

    /// A member that is an integer.
    pub(crate) fn number(&mut self, name: &'static str, number: i64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A member that is `true`; left out where it is not.
    pub(crate) fn flag(&mut self, name: &'static str, set: bool) {
        if set {
            self.name(name);
            self.out.extend_from_slice(b"true");
        }
    }

    /// A member that is an array of names, left out where there is none. A list is cut where it is long.
    pub(crate) fn names<'a>(&mut self, name: &'static str, names: impl IntoIterator<Item = &'a str>) {
        let mut names = names.into_iter().peekable();
        if names.peek().is_none() {
            return;
        }
        self.name(name);
        let (mut before, start) = (b'[', self.out.len());
        for each in names {
            if self.out.len() - start > LONGEST_LIST {
                self.note_cut(name);
                break;
            }
            self.out.push(before);
            self.string(name, each, LONGEST_GROUP);
            before = b',';
        }
        self.out.push(b']');
    }

    /// Bytes in hexadecimal; zeros stand for nothing and are left out.
    pub(crate) fn octets(&mut self, name: &'static str, octets: &[u8; 16]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        if *octets == [0; 16] {
            return;
        }
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        let mut text = [b'"'; 34];
        for (digits, octet) in text[1..].chunks_exact_mut(2).zip(octets) {
            digits.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
        }
        self.name(name);
        self.out.extend_from_slice(&text);
    }

    /// The person, as the configuration says.
    pub(crate) fn subject(&mut self, subjects: &Subjects, issuer: &str, tenant: Option<&str>, subject: &str) {
        match subjects {
            Subjects::Plain => self.text("sub", subject),
            Subjects::Hmac(key) if !subject.is_empty() => {
                let length = |text: &str| (text.len() as u64).to_be_bytes();
                let mac = key.sign(&[
                    &[u8::from(tenant.is_some())],
                    &length(issuer),
                    issuer.as_bytes(),
                    &length(tenant.unwrap_or_default()),
                    tenant.unwrap_or_default().as_bytes(),
                    subject.as_bytes(),
                ]);
                self.octets("sub_hmac", &mac);
            }
            Subjects::Hmac(_) | Subjects::Omit => {}
        }
    }
}

/// An exchange.
pub(crate) fn exchange(out: &mut Vec<u8>, event: &Event<'_>, subjects: &Subjects) {
    let refused = event.refusal;
    let (code, decision) = match refused.map(Refusal::oauth_error) {
        None => ("IJ100I", "allow"),
        Some(OAuthError::TemporarilyUnavailable) => ("IJ100W", "error"),
        Some(_) => ("IJ100E", "deny"),
    };
    let mut line = Line::new(out, event.at_ms, code, "exchange");
    line.word("decision", decision);
    if let Some(refusal) = refused {
        line.word("reason", refusal.slug());
        line.word("rfc_error", refusal.oauth_error().as_str());
    }
    line.word("endpoint", event.endpoint);
    line.flag("verified", event.signature_valid);
    line.text("iss", event.issuer);
    line.text("tenant", event.tenant.unwrap_or_default());
    line.subject(subjects, event.issuer, event.tenant, event.subject);
    line.text("act_sub", event.actor.unwrap_or_default());
    line.text("client_id", event.client_id);
    line.text("connector", event.connector);
    line.text("audience", event.audience);
    line.text("resource", event.resource);
    line.text_up_to("scope_asserted", event.scope_asserted.unwrap_or_default(), LONGEST_SCOPE);
    line.text_up_to("scope_requested", event.scope_requested.unwrap_or_default(), LONGEST_SCOPE);
    line.text_up_to("scope_granted", event.scope_granted, LONGEST_SCOPE);
    line.names("groups_matched", event.groups_matched.iter().copied().take(16));
    if let Some((file, number)) = event.rule {
        line.text("rule", file);
        line.number("rule_line", i64::from(number));
    }
    line.text("policy", event.policy_digest);
    line.octets("jti_hash", &event.jti_hash);
    if refused.is_none() && event.spent_until != 0 {
        line.number("spent_until", event.spent_until);
    }
    for (name, at) in [("assertion_iat", event.issued_at), ("assertion_exp", event.expires_at)] {
        if let Some(at) = at {
            line.number(name, at);
        }
    }
    line.word("alg", event.alg);
    line.text("kid", event.kid.unwrap_or_default());
    line.word("bound_to", event.bound_to);
    line.flag("reused", event.reused);
    line.text("token_jti", event.token_jti);
    if event.token_expires_at != 0 {
        line.number("token_exp", event.token_expires_at);
    }
    line.text("peer", event.peer.unwrap_or_default());
    if let Some(began) = event.began {
        line.number("latency_us", i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX));
    }
    line.end();
}

/// A `jti` that was spent and is no ID-JAG's.
pub(crate) fn spent(out: &mut Vec<u8>, at_ms: i64, purpose: Purpose, claim: &Claim, client_id: &str) {
    let mut line = Line::new(out, at_ms, "IJ120I", "spent");
    line.text(
        "purpose",
        match purpose {
            Purpose::Assertion => "assertion",
            Purpose::ClientAssertion => "client_assertion",
            Purpose::Dpop => "dpop",
            _ => "other",
        },
    );
    line.text("client_id", client_id);
    line.octets("jti_hash", claim.key.as_bytes());
    line.number("spent_until", claim.expires_at);
    line.end();
}

/// The whole characters within the first `longest` bytes.
fn beginning(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Writes `text`, up to so many bytes of what it becomes: a control takes six. Whether that was all of it.
fn escape(text: &str, longest: usize, out: &mut Vec<u8>) -> bool {
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    let start = out.len();
    for c in text.chars() {
        if out.len() - start > longest - 6 {
            return false;
        }
        if is_command(c) {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        } else {
            if c == '"' || c == '\\' {
                out.push(b'\\');
            }
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    true
}

/// Whether `text` stands in a line as it is: printable ASCII but quotes and backslashes.
fn is_plain(text: &[u8]) -> bool {
    /// Without a way out, so that it is all of them at once.
    fn strange<const N: usize>(some: &[u8; N]) -> u8 {
        some.iter().fold(0, |found, byte| {
            found
                | u8::from(!(0x20..0x7f).contains(byte))
                | u8::from(*byte == b'"')
                | u8::from(*byte == b'\\')
        })
    }
    // The last ones may have been looked at already.
    let found = if let Some(last) = text.last_chunk::<16>() {
        text.as_chunks::<16>().0.iter().fold(strange(last), |found, some| found | strange(some))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        strange(first) | strange(last)
    } else {
        text.iter().fold(0, |found, byte| found | strange(&[*byte]))
    };
    found == 0
}

/// Whether a terminal or a reader of lines could take this for a command: controls, line separators, marks that turn the
/// direction of text.
pub(crate) fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use idjag::Reason;
    use serde_json::Value;

    use super::*;

    const TEXTS: [&str; 6] = [
        "plain",
        "with \"quotes\" and \\",
        "a\nline\r\tand \u{0}\u{1b}[31m\u{7f}\u{85}",
        "\u{2028}\u{202e}gnp\u{feff}",
        "Stra\u{df}e \u{1f642}",
        "",
    ];

    #[test]
    fn a_byte_that_needs_care_is_seen_wherever_it_stands() {
        for length in 0..=40 {
            let plain = vec![b'~'; length];
            assert!(is_plain(&plain), "{length}");
            for (at, strange) in
                (0..length).flat_map(|at| [0, 0x1f, b'"', b'\\', 0x7f, 0x80, 0xff].map(|byte| (at, byte)))
            {
                let mut text = plain.clone();
                text[at] = strange;
                assert!(!is_plain(&text), "{strange} at {at} of {length}");
            }
        }
    }

    fn written(event: &Event<'_>, subjects: &Subjects) -> (String, Value) {
        let mut out = b"left over".to_vec();
        exchange(&mut out, event, subjects);
        let text = format!("{{\"seq\":7{}", String::from_utf8(out).unwrap());
        let value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert!(text.ends_with("}\n") && text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
        (text, value)
    }

    #[test]
    fn whatever_a_token_says_is_one_line_that_says_it() {
        for text in TEXTS {
            let mut event = Event::default();
            (event.issuer, event.subject, event.client_id, event.kid) = (text, text, text, Some(text));
            let groups = [text, "eng"];
            event.groups_matched = &groups;
            let (_, value) = written(&event, &Subjects::Plain);
            for member in ["iss", "sub", "client_id", "kid"] {
                assert_eq!(value[member].as_str().unwrap_or_default(), text, "{member}");
            }
            assert_eq!(value["groups_matched"], serde_json::json!(groups));
        }
    }

    #[test]
    fn a_line_says_how_it_was_decided() {
        let mut event = Event::default();
        event.at_ms = 1_795_644_836_005;
        event.rule = Some(("policy.toml", 12));
        event.jti_hash = [0xab; 16];
        let (text, value) = written(&event, &Subjects::Plain);
        assert!(
            text.starts_with(
                r#"{"seq":7,"timestamp":"2026-11-25T22:13:56.005Z","code":"IJ100I","event":"exchange","decision":"allow","#
            ),
            "{text}"
        );
        assert_eq!((value["rule"].as_str(), value["rule_line"].as_i64()), (Some("policy.toml"), Some(12)));
        assert_eq!(value["jti_hash"], "ab".repeat(16));
        assert_eq!((value.get("reason"), value.get("verified"), value.get("reused")), (None, None, None));
        for (reason, code, decision) in
            [(Reason::Expired, "IJ100E", "deny"), (Reason::ReplayUnavailable, "IJ100W", "error")]
        {
            event.refusal = Some(reason.into());
            let (_, value) = written(&event, &Subjects::Plain);
            assert_eq!(
                [&value["code"], &value["decision"], &value["reason"]],
                [code, decision, reason.slug()]
            );
        }
    }

    #[test]
    fn a_person_is_named_as_it_was_asked_for() {
        let mut event = Event::default();
        (event.issuer, event.subject) = ("https://idp.example", "ada");
        let mac = |event: &Event<'_>| {
            let value = written(event, &Subjects::new(SubjectForm::Hmac, &[1; 32])).1;
            assert_eq!(value.get("sub"), None);
            value["sub_hmac"].as_str().unwrap().to_owned()
        };
        let ada = mac(&event);
        assert_eq!((ada.len(), &mac(&event)), (32, &ada));
        event.tenant = Some("");
        assert_ne!(mac(&event), ada);
        event.subject = "bob";
        assert_ne!(mac(&event), ada);
        assert!(!written(&event, &Subjects::new(SubjectForm::Omit, &[])).0.contains("bob"));
        event.subject = "";
        assert_eq!(written(&event, &Subjects::new(SubjectForm::Hmac, &[1; 32])).1.get("sub_hmac"), None);
    }

    #[test]
    fn a_line_fits_into_a_tile_whatever_comes() {
        for hostile in ["\u{2028}", "\u{1}", "\"", "x"] {
            let text = hostile.repeat(20_000);
            let text = text.as_str();
            let groups = [text; 40];
            let mut event = Event::default();
            (event.issuer, event.tenant, event.subject, event.actor) = (text, Some(text), text, Some(text));
            (event.client_id, event.connector, event.audience, event.resource) = (text, text, text, text);
            (event.scope_asserted, event.scope_requested, event.scope_granted) =
                (Some(text), Some(text), text);
            (event.rule, event.kid, event.token_jti) = (Some((text, 1)), Some(text), text);
            (event.peer, event.groups_matched) = (Some(text), &groups);
            let (line, value) = written(&event, &Subjects::Plain);
            assert!(line.len() < 60_000, "{}", line.len());
            assert_eq!(value["cut"].as_array().unwrap().len(), 16);
            assert!(value["sub"].as_str().unwrap().chars().count() >= LONGEST / 3);
            assert!(text.starts_with(value["sub"].as_str().unwrap()));
        }
        let mut event = Event::default();
        event.subject = "ada";
        assert_eq!(written(&event, &Subjects::Plain).1.get("cut"), None);
    }
}
