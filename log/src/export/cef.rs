//! The Common Event Format, version 0: a header of seven fields between bars, then `key=value` pairs.
//!
//! In the header a bar and a backslash have a backslash before them, in a value an equals sign, a backslash and a line
//! break. Members that the format's dictionary does not have are called `idjag` and their name.

use std::fmt::Write;

use serde_json::Value;

use super::{Event, Outcome, Severity};
use crate::line::is_command;

pub(super) fn event(mut event: Event) -> String {
    let severity = match event.severity() {
        Severity::Information => "1",
        Severity::Refusal => "5",
        Severity::Warning => "7",
    };
    let outcome = if event.outcome() == Outcome::Failure { "failure" } else { "success" };
    let mut out = String::from("CEF:0");
    for field in ["idjag", "idjag", env!("CARGO_PKG_VERSION"), &event.code, &event.message(), severity] {
        out.push('|');
        escape(field, '|', &mut out);
    }
    out.push('|');
    let mut pairs = Pairs { out, first: true };
    pairs.add("rt", &event.at_ms.to_string());
    pairs.add("deviceExternalId", &event.origin);
    pairs.add("externalId", &event.number.to_string());
    pairs.add("cat", &event.name);
    pairs.add("outcome", outcome);
    pairs.take("act", &mut event.decision);
    pairs.take("reason", &mut event.reason);
    pairs.take("suid", &mut event.subject);
    pairs.take("destinationServiceName", &mut event.connector);
    pairs.take("request", &mut event.resource);
    if let Some((peer, is_address)) = event.take_peer() {
        // The dictionary's `src` is of IPv4.
        let key = if !is_address {
            "shost"
        } else if peer.contains(':') {
            "c6a2"
        } else {
            "src"
        };
        if key == "c6a2" {
            pairs.add("c6a2Label", "peer");
        }
        pairs.add(key, &peer);
    }
    if let Some(count) = event.count.take() {
        pairs.add("cnt", &count.to_string());
    }
    if let Some(at) = event.token_exp.take() {
        pairs.labelled("deviceCustomDate1", "token_exp", &at.saturating_mul(1000).to_string());
    }
    for (key, label, text) in [
        ("cs1", "client_id", event.client_id.take()),
        ("cs2", "iss", event.issuer.take()),
        ("cs3", "scope_granted", event.scope_granted.take()),
        ("cs4", "scope_requested", event.scope_requested.take()),
        ("cs5", "rule", event.rule.take()),
        ("cs6", "policy", event.policy.take()),
    ] {
        if let Some(text) = text {
            pairs.labelled(key, label, &text);
        }
    }
    for (name, value) in event.rest() {
        let text = if let Value::String(text) = value { text } else { value.to_string() };
        pairs.add(&own_key(&name), &text);
    }
    pairs.out
}

struct Pairs {
    out: String,
    first: bool,
}

impl Pairs {
    fn add(&mut self, key: &str, value: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        self.out.push_str(key);
        self.out.push('=');
        escape(value, '=', &mut self.out);
    }

    fn take(&mut self, key: &str, text: &mut Option<String>) {
        if let Some(text) = text.take() {
            self.add(key, &text);
        }
    }

    fn labelled(&mut self, key: &str, label: &str, value: &str) {
        self.add(&format!("{key}Label"), label);
        self.add(key, value);
    }
}

/// `jti_hash` as `idjagJtiHash`.
fn own_key(name: &str) -> String {
    let mut key = String::from("idjag");
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut letters = word.chars();
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.push_str(letters.as_str());
    }
    key
}

/// Writes a text with a backslash before each backslash and each `special`. A line break is `\n` or `\r` in a value, where it
/// may be; in the header it may not, and everything else that could be taken for a command may nowhere: such is spelled out.
fn escape(text: &str, special: char, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' if special == '=' => out.push_str("\\n"),
            '\r' if special == '=' => out.push_str("\\r"),
            // Writing to a text does not fail.
            _ if is_command(c) => _ = write!(out, "\\\\u{:04x}", u32::from(c)),
            _ => {
                if c == special || c == '\\' {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::export::Format;
    use crate::export::tests::{exported, line};

    /// Reads an event by the rules of the format alone.
    #[expect(clippy::string_slice, reason = "what does not fit shall end the test")]
    fn read(text: &str) -> (Vec<String>, BTreeMap<String, String>) {
        let mut rest = text.strip_prefix("CEF:").unwrap();
        let mut header = Vec::new();
        while header.len() < 7 {
            let (mut field, mut escaped, mut end) = (String::new(), false, None);
            for (at, c) in rest.char_indices() {
                match c {
                    '\\' if !escaped => escaped = true,
                    '|' if !escaped => {
                        end = Some(at);
                        break;
                    }
                    _ => {
                        assert!(!escaped || "|\\".contains(c), "{text}");
                        field.push(c);
                        escaped = false;
                    }
                }
            }
            header.push(field);
            rest = &rest[end.unwrap() + 1..];
        }
        // A value ends where, after a space, the next key begins: letters and digits before an equals sign that is not
        // escaped.
        let equals: Vec<usize> = rest
            .char_indices()
            .filter(|(at, c)| {
                *c == '=' && rest[..*at].chars().rev().take_while(|c| *c == '\\').count() % 2 == 0
            })
            .map(|(at, _)| at)
            .collect();
        let key_before = |at: usize| rest[..at].rfind(' ').map_or(0, |space| space + 1);
        let mut pairs = BTreeMap::new();
        for (number, at) in equals.iter().enumerate() {
            let end = equals.get(number + 1).map_or(rest.len(), |next| key_before(*next) - 1);
            let key = &rest[key_before(*at)..*at];
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric()) && !key.is_empty(), "{key:?} in {text}");
            let (mut value, mut escaped) = (String::new(), false);
            for c in rest[at + 1..end].chars() {
                match c {
                    '\\' if !escaped => escaped = true,
                    'n' if escaped => (value.push('\n'), escaped = false).0,
                    'r' if escaped => (value.push('\r'), escaped = false).0,
                    _ => {
                        assert!(!escaped || "=\\".contains(c), "{text}");
                        value.push(c);
                        escaped = false;
                    }
                }
            }
            assert!(pairs.insert(key.to_owned(), value).is_none(), "{key} stands twice in {text}");
        }
        (header, pairs)
    }

    #[test]
    fn hostile_names_are_values_and_nothing_else() {
        for hostile in [
            "plain",
            "a|b|c",
            "a\\|b\\",
            "x act=allow suid=root",
            "a=b\\=c",
            "line\nCEF:0|evil|evil|1|1|1|9|act=allow",
            "\r\n\\n\\\\",
            "\u{2028}\u{1b}[2J\u{202e}",
            "Stra\u{df}e \u{1f642}",
            " leading and trailing ",
        ] {
            let members = json!({
                "decision": "deny", "reason": "client_mismatch", "sub": hostile, "client_id": hostile, "iss": hostile,
                "tenant": hostile, "kid": hostile,
            });
            let text = exported(&line("IJ100E", "exchange", &members), Format::Cef);
            assert!(!text.contains(['\n', '\r']), "{text}");
            let (header, pairs) = read(&text);
            let shown: String = hostile
                .chars()
                .map(|c| match c {
                    '\n' | '\r' => c.to_string(),
                    c if is_command(c) => format!("\\u{:04x}", u32::from(c)),
                    c => c.to_string(),
                })
                .collect();
            for key in ["suid", "cs1", "cs2", "idjagTenant", "idjagKid"] {
                assert_eq!(pairs[key], shown, "{key} of {text}");
            }
            assert_eq!((pairs["act"].as_str(), pairs["cs1Label"].as_str()), ("deny", "client_id"));
            assert_eq!(header[..3], ["0", "idjag", "idjag"]);
            assert_eq!(header[4..], ["IJ100E", "exchange deny: client_mismatch", "5"]);
        }
    }

    #[test]
    fn a_bar_in_the_header_does_not_end_its_field() {
        let text = exported(&line("IJ|0\\0\nW", "a|b", &json!({})), Format::Cef);
        let (header, pairs) = read(&text);
        assert_eq!(header[4..], ["IJ|0\\0\\u000aW", "a|b", "7"]);
        assert_eq!(pairs["cat"], "a|b");
    }

    #[test]
    fn everything_that_was_said_is_there() {
        let members = json!({
            "decision": "allow", "verified": true, "sub": "00u1", "connector": "chat", "resource": "https://mcp.chat.example/?a=b",
            "scope_granted": "a b", "groups_matched": ["eng"], "rule": "policy.toml", "rule_line": 12, "policy": "ab",
            "token_exp": 7, "later": {"x": [1]}, "count": 3,
        });
        let (_, pairs) = read(&exported(&line("IJ100I", "exchange", &members), Format::Cef));
        for (key, value) in [
            ("rt", "1795644836000"),
            ("externalId", "7"),
            ("deviceExternalId", "auth.chat.example/audit/0"),
            ("outcome", "success"),
            ("request", "https://mcp.chat.example/?a=b"),
            ("cs3", "a b"),
            ("cs5", "policy.toml:12"),
            ("deviceCustomDate1", "7000"),
            ("cnt", "3"),
            ("idjagGroupsMatched", r#"["eng"]"#),
            ("idjagLater", r#"{"x":[1]}"#),
        ] {
            assert_eq!(pairs[key], value, "{key}");
        }
    }
}
