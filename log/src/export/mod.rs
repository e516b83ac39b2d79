//! Lines of the record as collectors of security events want them, each again one line: OCSF, ECS, CEF.
//!
//! What is proven is the line itself, so each event names its log and its number there. A member that a format has no place
//! for goes along under its own name: nothing is left out, also not what a later version writes.

mod cef;
mod ecs;
mod ocsf;

use std::fmt::Write;
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::line::is_command;
use crate::parse_timestamp;
use crate::read::Line;

/// What an event is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The Open Cybersecurity Schema Framework, 1.8.0: a JSON object of the class Authorize Session (3003), Authentication
    /// (3002) where no person was verified, or Entity Management (3004).
    Ocsf,
    /// The Elastic Common Schema, 8.17: a JSON object.
    Ecs,
    /// The Common Event Format of ArcSight, version 0: a line of text.
    Cef,
}

/// A line of the log `origin` in another format, without a newline; none where it is no object of JSON.
pub fn export(line: &Line<'_>, origin: &str, format: Format) -> Option<String> {
    let event = Event::read(line.text, origin)?;
    Some(match format {
        Format::Ocsf => json(&ocsf::event(event).into()),
        Format::Ecs => json(&ecs::event(event)),
        Format::Cef => cef::event(event),
    })
}

/// A line, taken apart.
#[derive(Default)]
struct Event {
    /// The log that it stands in, and its number there.
    origin: String,
    number: u64,
    /// In milliseconds since 1970.
    at_ms: i64,
    timestamp: String,
    code: String,
    name: String,
    decision: Option<String>,
    reason: Option<String>,
    rfc_error: Option<String>,
    /// Whether what follows is what an IdP signed.
    verified: bool,
    issuer: Option<String>,
    tenant: Option<String>,
    subject: Option<String>,
    client_id: Option<String>,
    connector: Option<String>,
    resource: Option<String>,
    scope_asserted: Option<String>,
    scope_requested: Option<String>,
    scope_granted: Option<String>,
    groups: Vec<String>,
    /// File and line of the grant: `policy.toml:82`.
    rule: Option<String>,
    policy: Option<String>,
    token_jti: Option<String>,
    token_exp: Option<i64>,
    /// Who sent the request, as the host says: an address, or whatever it calls its peers.
    peer: Option<String>,
    count: Option<i64>,
    /// Every other member.
    rest: Map<String, Value>,
}

/// How it went, as every format asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

/// How much it matters: the last letter of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    Information,
    Refusal,
    Warning,
}

impl Event {
    fn read(text: &str, origin: &str) -> Option<Self> {
        let mut members: Map<String, Value> = serde_json::from_str(text).ok()?;
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                // Not of ours: it goes along as it is.
                members.insert(name.to_owned(), other);
                None
            }
            None => None,
        };
        let timestamp = text("timestamp").unwrap_or_default();
        let mut event = Self {
            origin: origin.to_owned(),
            at_ms: milliseconds(&timestamp).unwrap_or_default(),
            timestamp,
            code: text("code").unwrap_or_default(),
            name: text("event").unwrap_or_default(),
            decision: text("decision"),
            reason: text("reason"),
            rfc_error: text("rfc_error"),
            issuer: text("iss"),
            tenant: text("tenant"),
            subject: text("sub").or_else(|| text("sub_hmac")),
            client_id: text("client_id"),
            connector: text("connector"),
            resource: text("resource"),
            scope_asserted: text("scope_asserted"),
            scope_requested: text("scope_requested"),
            scope_granted: text("scope_granted"),
            rule: text("rule"),
            policy: text("policy"),
            token_jti: text("token_jti"),
            peer: text("peer"),
            ..Self::default()
        };
        if let Some((rule, line)) = event.rule.as_mut().zip(take(&mut members, "rule_line", Value::as_i64)) {
            // Writing to a text does not fail.
            let _ = write!(rule, ":{line}");
        }
        event.number = take(&mut members, "seq", Value::as_u64).unwrap_or_default();
        event.verified = take(&mut members, "verified", Value::as_bool).unwrap_or_default();
        event.token_exp = take(&mut members, "token_exp", Value::as_i64);
        event.count = take(&mut members, "count", Value::as_i64);
        event.groups = take(&mut members, "groups_matched", strings).unwrap_or_default();
        event.rest = members;
        Some(event)
    }

    /// What no format took, under its own name.
    fn rest(self) -> Map<String, Value> {
        let mut rest = self.rest;
        let texts = [
            ("decision", self.decision),
            ("reason", self.reason),
            ("rfc_error", self.rfc_error),
            ("iss", self.issuer),
            ("tenant", self.tenant),
            ("sub", self.subject),
            ("client_id", self.client_id),
            ("connector", self.connector),
            ("resource", self.resource),
            ("scope_asserted", self.scope_asserted),
            ("scope_requested", self.scope_requested),
            ("scope_granted", self.scope_granted),
            ("rule", self.rule),
            ("policy", self.policy),
            ("token_jti", self.token_jti),
            ("peer", self.peer),
        ];
        rest.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        let numbers = [("token_exp", self.token_exp), ("count", self.count)];
        rest.extend(numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), number?.into()))));
        if self.verified {
            rest.insert("verified".to_owned(), true.into());
        }
        if !self.groups.is_empty() {
            rest.insert("groups_matched".to_owned(), self.groups.into());
        }
        rest
    }

    fn outcome(&self) -> Outcome {
        match self.decision.as_deref() {
            Some("allow") => Outcome::Success,
            Some(_) => Outcome::Failure,
            None if self.severity() == Severity::Refusal => Outcome::Failure,
            None => Outcome::Success,
        }
    }

    fn severity(&self) -> Severity {
        match self.code.as_bytes().last() {
            Some(b'W') => Severity::Warning,
            Some(b'E') => Severity::Refusal,
            _ => Severity::Information,
        }
    }

    /// What happened, in words: `exchange deny: replayed`.
    fn message(&self) -> String {
        let decision = self.decision.as_ref().map_or(String::new(), |decision| format!(" {decision}"));
        let reason = self.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        format!("{}{decision}{reason}", self.name)
    }

    /// The sender of the request, and whether that is an address.
    fn take_peer(&mut self) -> Option<(String, bool)> {
        let peer = self.peer.take()?;
        let is_address = peer.parse::<IpAddr>().is_ok();
        Some((peer, is_address))
    }

    /// Whether it was an exchange, or a part of one: somebody asked for access, or proved who asks.
    fn is_request(&self) -> bool {
        matches!(self.name.as_str(), "exchange" | "verify" | "refusals" | "spent")
    }
}

/// Milliseconds since 1970 of a time as lines have it.
fn milliseconds(timestamp: &str) -> Option<i64> {
    let seconds = parse_timestamp(&format!("{}Z", timestamp.get(..19)?))?;
    let fraction = timestamp.get(20..23).and_then(|digits| digits.parse::<u16>().ok());
    Some(seconds * 1000 + i64::from(fraction.unwrap_or(0)))
}

/// Takes a member of this type; one of another type stays.
fn take<T>(members: &mut Map<String, Value>, name: &str, of: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let taken = members.get(name).and_then(of)?;
    members.remove(name);
    Some(taken)
}

/// An array of strings.
fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// An object of those members that say something.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let says_something = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    members
        .into_iter()
        .filter(|(_, value)| says_something(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}

/// JSON on one line, in which nothing is left that a terminal or a reader of lines could take for a command.
fn json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(is_command) {
        return text;
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut safe, c| {
        if is_command(c) {
            // Writing to a text does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ORIGIN: &str = "auth.chat.example/audit/0";

    /// A line with these members after those that every line has.
    pub(super) fn line(code: &str, event: &str, members: &Value) -> String {
        let head =
            serde_json::json!({"seq": 7, "timestamp": "2026-11-25T22:13:56Z", "code": code, "event": event});
        let mut all = head.as_object().unwrap().clone();
        all.extend(members.as_object().unwrap().clone());
        Value::Object(all).to_string()
    }

    pub(super) fn exported(text: &str, format: Format) -> String {
        export(&Line { log: 0, number: 7, text }, ORIGIN, format).unwrap()
    }

    #[test]
    fn whatever_a_line_holds_is_one_line_and_nothing_of_it_is_lost() {
        let hostile = "a\u{2028}b\u{1b}[31m\u{202e}c\u{85}\nd|e=f\\g\"h\r";
        let members = serde_json::json!({
            "decision": "deny", "sub": hostile, "client_id": hostile, "kid": hostile, "later": {"a": [1, hostile]},
            "groups_matched": [hostile, 7], "rule_line": "none", "tenant": 5, "count": -1,
        });
        for format in [Format::Ocsf, Format::Ecs, Format::Cef] {
            let text = exported(&line("IJ100E", "exchange", &members), format);
            assert!(!text.contains(is_command), "{text}");
            let kept = if format == Format::Cef { "idjagLater" } else { "\"later\"" };
            assert!(text.contains(kept) && text.contains("none"), "{text}");
        }
        for wrong in ["", "[]", "7", "{\"seq\":"] {
            let line = Line { log: 0, number: 0, text: wrong };
            assert_eq!(export(&line, ORIGIN, Format::Cef), None, "{wrong}");
        }
        let empty = Line { log: 0, number: 0, text: "{}" };
        assert!(export(&empty, ORIGIN, Format::Ocsf).is_some());
    }
}
