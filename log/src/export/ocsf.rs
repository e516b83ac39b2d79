//! OCSF 1.8.0: Authorize Session (3003) for what was asked for a verified person, Authentication (3002) where there is none,
//! Entity Management (3004) for what changed.
//!
//! 3003 has `privileges` or `group`, never both; here `privileges`: what was granted, or, where it was refused, asked for.

use serde_json::{Map, Value, json};

use super::{Event, Outcome, Severity, object, take};

const AUTHENTICATION: i64 = 3002;
const AUTHORIZE_SESSION: i64 = 3003;
const ENTITY_MANAGEMENT: i64 = 3004;

/// What has no number of its own is 99, and named.
const OTHER: i64 = 99;

pub(super) fn event(mut event: Event) -> Map<String, Value> {
    let mut made = base(&mut event);
    if !event.is_request() {
        entity_management(&mut event, &mut made);
    } else if event.verified {
        authorize_session(&mut event, &mut made);
    } else {
        authentication(&mut event, &mut made);
    }
    add(&mut made, [("unmapped", event.rest().into())]);
    made
}

/// What every class has.
fn base(event: &mut Event) -> Map<String, Value> {
    let failed = event.outcome() == Outcome::Failure;
    let severity = match event.severity() {
        Severity::Information => 1,
        Severity::Refusal => 2,
        Severity::Warning => 3,
    };
    let product = json!({ "name": "idjag", "vendor_name": "idjag", "version": env!("CARGO_PKG_VERSION") });
    let metadata = object([
        ("version", "1.8.0".into()),
        ("product", product),
        ("log_name", event.origin.clone().into()),
        ("uid", format!("{}#{}", event.origin, event.number).into()),
        ("sequence", event.number.into()),
        ("event_code", event.code.clone().into()),
        ("original_time", event.timestamp.clone().into()),
    ]);
    let mut made = Map::new();
    add(
        &mut made,
        [
            ("category_uid", 3.into()),
            ("time", event.at_ms.into()),
            ("severity_id", severity.into()),
            ("status_id", if failed { 2 } else { 1 }.into()),
            ("message", event.message().into()),
            ("status_code", event.rfc_error.take().into()),
            ("status_detail", event.reason.take().into()),
            ("count", event.count.take().into()),
            ("metadata", metadata),
        ],
    );
    made
}

fn add<const N: usize>(made: &mut Map<String, Value>, members: [(&str, Value); N]) {
    if let Value::Object(more) = object(members) {
        made.extend(more);
    }
}

fn of_class(made: &mut Map<String, Value>, class: i64, activity: i64, name: &str) {
    let members = [
        ("class_uid", class.into()),
        ("activity_id", activity.into()),
        ("activity_name", name.into()),
        ("type_uid", (class * 100 + activity).into()),
    ];
    add(made, members);
}

fn authorize_session(event: &mut Event, made: &mut Map<String, Value>) {
    of_class(made, AUTHORIZE_SESSION, 1, "Assign Privileges");
    // The class says so.
    event.verified = false;
    let asked = [&mut event.scope_granted, &mut event.scope_requested, &mut event.scope_asserted];
    let scope = asked.into_iter().find_map(Option::take).unwrap_or_default();
    let privileges: Vec<_> = scope.split_whitespace().map(str::to_owned).collect();
    // One of the two that the class wants, also where nothing was asked for.
    made.insert("privileges".to_owned(), privileges.into());
    let session = match event.token_jti.take() {
        Some(jti) => object([
            ("uid", jti.into()),
            ("created_time", event.at_ms.into()),
            ("expiration_time", event.token_exp.take().map(|at| at.saturating_mul(1000)).into()),
        ]),
        None => Value::Null,
    };
    let connector =
        object([("svc_name", event.connector.take().into()), ("uid", event.resource.take().into())]);
    add(
        made,
        [
            ("user", user(event)),
            ("actor", actor(event)),
            ("src_endpoint", sender(event)),
            ("dst_endpoint", connector),
            ("session", session),
        ],
    );
}

fn authentication(event: &mut Event, made: &mut Map<String, Value>) {
    of_class(made, AUTHENTICATION, OTHER, &event.name);
    // The class wants a service.
    let connector = event.connector.take().unwrap_or_else(|| "idjag".to_owned());
    let service = object([("name", connector.into()), ("uid", event.resource.take().into())]);
    add(
        made,
        [
            ("auth_protocol_id", 6.into()),
            ("service", service),
            ("user", user(event)),
            ("actor", actor(event)),
            ("src_endpoint", sender(event)),
        ],
    );
}

/// The person, who is issuer, tenant and subject.
fn user(event: &mut Event) -> Value {
    let groups: Vec<_> = event.groups.drain(..).map(|group| json!({ "name": group })).collect();
    object([
        ("uid", event.subject.take().unwrap_or_else(|| "unknown".to_owned()).into()),
        ("type_id", 1.into()),
        ("domain", event.issuer.clone().into()),
        ("groups", groups.into()),
    ])
}

/// The client that asked, who vouched for the person, and by what it was decided.
fn actor(event: &mut Event) -> Value {
    let idp = match event.issuer.take() {
        Some(issuer) => object([
            ("uid", issuer.clone().into()),
            ("issuer", issuer.into()),
            ("tenant_uid", event.tenant.take().into()),
        ]),
        None => Value::Null,
    };
    let authorization = match event.policy.take() {
        Some(digest) => {
            let rule = event.rule.take();
            let applied = rule.as_ref().map(|_| true);
            let policy = object([
                ("uid", rule.unwrap_or_else(|| digest.clone()).into()),
                ("version", digest.into()),
                ("is_applied", applied.into()),
            ]);
            json!([object([("decision", event.decision.take().into()), ("policy", policy)])])
        }
        None => Value::Null,
    };
    // Of what an actor may be, something has to be said.
    let client = event.client_id.take().unwrap_or_else(|| "unknown".to_owned());
    object([("app_uid", client.into()), ("idp", idp), ("authorizations", authorization)])
}

fn sender(event: &mut Event) -> Value {
    match event.take_peer() {
        Some((address, true)) => json!({ "ip": address }),
        Some((name, false)) => json!({ "name": name }),
        None => Value::Null,
    }
}

/// Members of an entity before a change, and after it.
const BEFORE: [(&str, &str); 3] =
    [("state_before", "state"), ("scopes_before", "scopes"), ("grants_before", "grants")];
const AFTER: [(&str, &str); 3] = [("state", "state"), ("scopes", "scopes"), ("grants", "grants")];

fn entity_management(event: &mut Event, made: &mut Map<String, Value>) {
    let (activity, name) = activity(event);
    of_class(made, ENTITY_MANAGEMENT, activity, name.unwrap_or(&event.name));
    let mut state = |names: [(&str, &str); 3]| {
        let known = names.into_iter().filter_map(|(name, as_name)| {
            Some((as_name.to_owned(), take(&mut event.rest, name, |value| Some(value.clone()))?))
        });
        known.collect::<Map<_, _>>()
    };
    let (before, after) = (state(BEFORE), state(AFTER));
    let (kind, type_id, uid) = entity(event);
    let person = if type_id == USER { user(event) } else { Value::Null };
    let of = |state: Map<String, Value>| {
        object([
            ("type", kind.into()),
            ("type_id", type_id.into()),
            ("uid", uid.clone().into()),
            ("user", person.clone()),
            ("data", state.into()),
        ])
    };
    let result = if after.is_empty() { Value::Null } else { of(after) };
    add(made, [("entity", of(before)), ("entity_result", result)]);
}

/// What was done to the entity: its number, and its name, where it has one in this class.
fn activity(event: &Event) -> (i64, Option<&'static str>) {
    let says = |name: &str| event.rest.get(name).and_then(Value::as_str);
    match event.name.as_str() {
        "connector_changed" => match (says("state_before"), says("state")) {
            (None, _) => (1, Some("Create")),
            (_, None) => (4, Some("Delete")),
            (Some(before), Some("suspended")) if before != "suspended" => (12, Some("Suspend")),
            _ => (3, Some("Update")),
        },
        "policy_loaded" if says("policy_before").is_none() => (10, Some("Activate")),
        "policy_loaded" | "directory_loaded" | "keys_changed" | "config_loaded" => (3, Some("Update")),
        "revoked" => (9, Some("Disable")),
        "lifted" => (8, Some("Enable")),
        "log_opened" => (10, Some("Activate")),
        "log_closed" => (11, Some("Deactivate")),
        _ => (OTHER, None),
    }
}

const POLICY: i64 = 5;
const USER: i64 = 2;

/// What it was done to: kind, `type_id`, name.
fn entity(event: &mut Event) -> (&'static str, i64, String) {
    let (kind, type_id, name) = match event.name.as_str() {
        "policy_loaded" => ("Policy", POLICY, event.policy.take()),
        "connector_changed" => ("Connector", OTHER, event.connector.take()),
        "directory_loaded" => ("Directory", OTHER, Some("directory".to_owned())),
        "config_loaded" => ("Configuration", OTHER, Some("configuration".to_owned())),
        "keys_changed" => ("Keys", OTHER, event.issuer.take().or_else(|| event.client_id.take())),
        "revoked" | "lifted" | "stands" if event.token_jti.is_some() => {
            ("Token", OTHER, event.token_jti.take())
        }
        "revoked" | "lifted" | "stands" if event.subject.is_some() => ("User", USER, event.subject.clone()),
        "revoked" | "lifted" | "stands" if event.client_id.is_some() => {
            ("Client", OTHER, event.client_id.take())
        }
        "revoked" | "lifted" | "stands" if event.connector.is_some() => {
            ("Connector", OTHER, event.connector.take())
        }
        "revoked" | "lifted" | "stands" => ("Issuer", OTHER, event.issuer.take()),
        _ => ("Log", OTHER, Some(event.origin.clone())),
    };
    (kind, type_id, name.unwrap_or_else(|| event.name.clone()))
}

#[cfg(test)]
mod tests {
    use crate::export::Format;
    use crate::export::tests::{exported, line};

    use super::*;

    fn ocsf(code: &str, event: &str, members: &Value) -> Value {
        serde_json::from_str(&exported(&line(code, event, members), Format::Ocsf)).unwrap()
    }

    #[test]
    fn what_was_granted_are_privileges_of_a_session() {
        let members = json!({
            "decision": "allow", "verified": true, "iss": "https://acme.idp.example", "tenant": "t", "sub": "00u1",
            "client_id": "c1", "connector": "chat", "resource": "https://mcp.chat.example/", "scope_requested": "a b c",
            "scope_granted": "a b", "groups_matched": ["eng"], "rule": "policy.toml", "rule_line": 12, "policy": "ab",
            "jti_hash": "00", "spent_until": 5, "token_jti": "j", "token_exp": 1_795_648_436,
        });
        let event = ocsf("IJ100I", "exchange", &members);
        assert_eq!((&event["class_uid"], &event["type_uid"]), (&3003.into(), &300_301.into()));
        assert_eq!((&event["status_id"], &event["time"]), (&1.into(), &1_795_644_836_000_i64.into()));
        assert_eq!(event["privileges"], json!(["a", "b"]));
        let user = json!({ "uid": "00u1", "type_id": 1, "domain": "https://acme.idp.example", "groups": [{ "name": "eng" }] });
        assert_eq!(event["user"], user);
        assert_eq!(event["actor"]["authorizations"][0]["policy"]["uid"], "policy.toml:12");
        assert_eq!(event["actor"]["idp"]["tenant_uid"], "t");
        assert_eq!(event["session"]["expiration_time"], 1_795_648_436_000_i64);
        assert_eq!(
            event["unmapped"],
            json!({ "scope_requested": "a b c", "jti_hash": "00", "spent_until": 5 })
        );
        assert_eq!(event["metadata"]["uid"], "auth.chat.example/audit/0#7");
    }

    #[test]
    fn a_refusal_is_of_the_class_that_knows_whom_it_concerned() {
        for (verified, class) in [(true, 3003), (false, 3002)] {
            let members = json!({
                "decision": "deny", "reason": "group_required", "rfc_error": "access_denied", "verified": verified,
                "iss": "i", "sub": "s", "client_id": "c", "scope_requested": "a",
            });
            let event = ocsf("IJ100E", "exchange", &members);
            assert_eq!((&event["class_uid"], &event["status_id"]), (&class.into(), &2.into()));
            assert_eq!(
                (&event["status_code"], &event["status_detail"]),
                (&"access_denied".into(), &"group_required".into())
            );
            assert_eq!(event.get("privileges").is_some(), verified);
            assert_eq!(event["user"]["uid"], "s");
        }
        let counted = ocsf("IJ101E", "refusals", &json!({ "reason": "expired", "count": 9 }));
        assert_eq!((&counted["class_uid"], &counted["count"]), (&3002.into(), &9.into()));
        assert_eq!(
            (&counted["user"]["uid"], &counted["actor"]["app_uid"]),
            (&"unknown".into(), &"unknown".into())
        );
    }

    #[test]
    fn a_change_says_of_what_and_how_it_was_before() {
        let (on, off) = (json!(["eng of i: a"]), json!([]));
        let changed = json!({
            "connector": "chat", "policy": "ab", "state_before": "planned", "grants_before": off, "state": "enabled",
            "grants": on, "people_gained": 3,
        });
        let event = ocsf("IJ311I", "connector_changed", &changed);
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&3004.into(), &3.into()));
        assert_eq!(event["entity"]["data"], json!({ "state": "planned", "grants": [] }));
        assert_eq!(event["entity_result"]["data"], json!({ "state": "enabled", "grants": on }));
        assert_eq!(event["unmapped"], json!({ "policy": "ab", "people_gained": 3 }));
        for (event, members, activity, kind, uid) in [
            ("connector_changed", json!({ "connector": "chat", "state": "enabled" }), 1, "Connector", "chat"),
            (
                "connector_changed",
                json!({ "connector": "chat", "state_before": "enabled" }),
                4,
                "Connector",
                "chat",
            ),
            (
                "connector_changed",
                json!({ "connector": "chat", "state_before": "enabled", "state": "suspended" }),
                12,
                "Connector",
                "chat",
            ),
            ("policy_loaded", json!({ "policy": "ab" }), 10, "Policy", "ab"),
            ("policy_loaded", json!({ "policy": "ab", "policy_before": "cd" }), 3, "Policy", "ab"),
            ("revoked", json!({ "iss": "i", "sub": "s" }), 9, "User", "s"),
            ("revoked", json!({ "token_jti": "j", "token_exp": 7 }), 9, "Token", "j"),
            ("lifted", json!({ "client_id": "c" }), 8, "Client", "c"),
            ("lifted", json!({ "iss": "i" }), 8, "Issuer", "i"),
            ("keys_changed", json!({ "iss": "i", "usable": 2 }), 3, "Keys", "i"),
            ("stands", json!({ "connector": "chat" }), 99, "Connector", "chat"),
            ("config_loaded", json!({ "config": "ab" }), 3, "Configuration", "configuration"),
            ("log_opened", json!({ "process": 1 }), 10, "Log", "auth.chat.example/audit/0"),
            ("of_a_later_version", json!({ "a": 1 }), 99, "Log", "auth.chat.example/audit/0"),
        ] {
            let made = ocsf("IJ000I", event, &members);
            let got = (&made["activity_id"], &made["entity"]["type"], &made["entity"]["uid"]);
            assert_eq!(got, (&activity.into(), &kind.into(), &uid.into()), "{event} {members}");
        }
    }
}
