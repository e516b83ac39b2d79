//! The Elastic Common Schema, 8.17. What it has no field for stands under `idjag`.

use serde_json::{Value, json};

use super::{Event, Outcome, Severity, object};

pub(super) fn event(mut event: Event) -> Value {
    let (failed, message) = (event.outcome() == Outcome::Failure, event.message());
    let kind = if event.severity() == Severity::Warning && !event.is_request() { "alert" } else { "event" };
    let (category, types) = kind_of(&event);
    let about = object([
        ("kind", kind.into()),
        ("category", category.into()),
        ("type", types.into()),
        ("outcome", if failed { "failure" } else { "success" }.into()),
        ("action", event.name.clone().into()),
        ("reason", event.reason.take().into()),
        ("code", event.code.clone().into()),
        ("id", format!("{}#{}", event.origin, event.number).into()),
        ("sequence", event.number.into()),
        ("provider", "idjag".into()),
        ("dataset", "idjag.audit".into()),
        ("module", "idjag".into()),
    ]);
    let person = event.subject.take();
    let related = json!({ "user": person.iter().collect::<Vec<_>>() });
    let user = object([
        ("id", person.clone().into()),
        ("domain", event.issuer.clone().filter(|_| person.is_some()).into()),
    ]);
    let rule = object([
        ("id", event.rule.take().into()),
        ("version", event.policy.clone().into()),
        ("ruleset", event.policy.as_ref().map(|_| "policy").into()),
    ]);
    let (timestamp, origin) = (event.timestamp.clone(), event.origin.clone());
    let source = match event.take_peer() {
        Some((address, true)) => json!({ "address": address, "ip": address }),
        Some((name, false)) => json!({ "address": name }),
        None => Value::Null,
    };
    let tenant = object([("id", event.tenant.take().into())]);
    object([
        ("@timestamp", timestamp.into()),
        ("ecs", json!({ "version": "8.17.0" })),
        ("message", message.into()),
        ("event", about),
        ("user", user),
        ("related", if person.is_some() { related } else { Value::Null }),
        ("source", source),
        ("organization", tenant),
        ("rule", rule),
        ("service", json!({ "type": "idjag", "name": origin })),
        ("idjag", event.rest().into()),
    ])
}

/// `event.category` and `event.type`.
fn kind_of(event: &Event) -> (Vec<&'static str>, Vec<&'static str>) {
    match event.name.as_str() {
        _ if event.is_request() => {
            let verdict = match event.outcome() {
                Outcome::Success => "allowed",
                Outcome::Failure if event.severity() == Severity::Warning => "error",
                Outcome::Failure => "denied",
            };
            (vec!["iam", "authentication"], vec!["access", verdict])
        }
        "policy_loaded" | "connector_changed" | "directory_loaded" | "keys_changed" | "config_loaded" => {
            (vec!["iam", "configuration"], vec!["change"])
        }
        "revoked" | "lifted" | "stands" => (vec!["iam"], vec!["change"]),
        _ => (vec!["configuration"], vec!["info"]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::export::Format;
    use crate::export::tests::{exported, line};

    use super::*;

    fn ecs(code: &str, event: &str, members: &Value) -> Value {
        serde_json::from_str(&exported(&line(code, event, members), Format::Ecs)).unwrap()
    }

    /// The fields that are used, and of which type the schema has them: `k` keyword, `l` long, `d` date, `t` text, `ip`, and a
    /// star where it says that the field is an array.
    const FIELDS: [(&str, &str); 26] = [
        ("@timestamp", "d"),
        ("ecs.version", "k"),
        ("message", "t"),
        ("event.action", "k"),
        ("event.category", "k*"),
        ("event.code", "k"),
        ("event.dataset", "k"),
        ("event.id", "k"),
        ("event.kind", "k"),
        ("event.module", "k"),
        ("event.outcome", "k"),
        ("event.provider", "k"),
        ("event.reason", "k"),
        ("event.sequence", "l"),
        ("event.type", "k*"),
        ("organization.id", "k"),
        ("related.user", "k*"),
        ("rule.id", "k"),
        ("rule.ruleset", "k"),
        ("rule.version", "k"),
        ("service.name", "k"),
        ("service.type", "k"),
        ("source.address", "k"),
        ("source.ip", "ip"),
        ("user.domain", "k"),
        ("user.id", "k"),
    ];

    fn flatten(value: &Value, name: &str, found: &mut Vec<(String, Value)>) {
        match value.as_object() {
            Some(members) => {
                for (member, value) in members {
                    let dot = if name.is_empty() { "" } else { "." };
                    flatten(value, &format!("{name}{dot}{member}"), found);
                }
            }
            None => found.push((name.to_owned(), value.clone())),
        }
    }

    #[test]
    fn every_field_is_of_the_schema_and_of_its_type() {
        let exchange = json!({
            "decision": "allow", "verified": true, "iss": "https://acme.idp.example", "tenant": "t", "sub": "00u1",
            "client_id": "c1", "connector": "chat", "scope_granted": "a b", "groups_matched": ["eng"], "rule": "policy.toml",
            "rule_line": 12, "policy": "ab", "token_exp": 7, "peer": "2001:db8::7",
        });
        let refused = json!({ "decision": "deny", "reason": "expired", "iss": "i", "policy": "ab" });
        let unavailable = json!({ "decision": "error", "reason": "keys_unavailable" });
        let mut used = BTreeSet::new();
        for (code, event, members, category, types) in [
            ("IJ100I", "exchange", &exchange, json!(["iam", "authentication"]), json!(["access", "allowed"])),
            ("IJ100E", "exchange", &refused, json!(["iam", "authentication"]), json!(["access", "denied"])),
            (
                "IJ100W",
                "exchange",
                &unavailable,
                json!(["iam", "authentication"]),
                json!(["access", "error"]),
            ),
            (
                "IJ310I",
                "policy_loaded",
                &json!({ "policy": "ab" }),
                json!(["iam", "configuration"]),
                json!(["change"]),
            ),
            ("IJ900W", "log_recovered", &json!({}), json!(["configuration"]), json!(["info"])),
        ] {
            let made = ecs(code, event, members);
            assert_eq!((&made["event"]["category"], &made["event"]["type"]), (&category, &types));
            let failed = code.ends_with('E') || event == "exchange" && code.ends_with('W');
            assert_eq!(made["event"]["outcome"], if failed { "failure" } else { "success" });
            assert_eq!(made["event"]["kind"], if event == "log_recovered" { "alert" } else { "event" });
            let mut found = Vec::new();
            flatten(&made, "", &mut found);
            for (name, value) in found.iter().filter(|(name, _)| !name.starts_with("idjag.")) {
                let (_, kind) =
                    FIELDS.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("{name}"));
                let fits = match *kind {
                    "l" => value.is_i64(),
                    "ip" => value.as_str().unwrap().parse::<std::net::IpAddr>().is_ok(),
                    "d" => crate::parse_timestamp(value.as_str().unwrap()).is_some(),
                    "k*" => value.as_array().unwrap().iter().all(Value::is_string),
                    _ => value.is_string(),
                };
                assert!(fits, "{name}: {value}");
                used.insert(name.clone());
            }
        }
        assert_eq!(used.len(), FIELDS.len(), "{used:?}");
        let made = ecs("IJ100I", "exchange", &exchange);
        assert_eq!((&made["user"]["id"], &made["organization"]["id"]), (&"00u1".into(), &"t".into()));
        assert_eq!(
            (&made["rule"]["id"], &made["idjag"]["connector"]),
            (&"policy.toml:12".into(), &"chat".into())
        );
        assert_eq!(
            (&made["idjag"]["scope_granted"], &made["idjag"]["token_exp"]),
            (&"a b".into(), &7.into())
        );
    }
}
