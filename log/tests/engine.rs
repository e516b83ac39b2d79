//! The engine with a record on disk: what it decides and what it decides by.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod shared;

use idjag::{Request, Revocation, TokenRequest};
use idjag_log::parse_timestamp;
use serde_json::json;
use shared::{House, IDP, NOW, POLICY, RESOURCE, lines, whole};

#[test]
fn an_exchange_says_what_was_asked_by_whom_when_and_how_long_it_took() {
    let house = House::new();
    let engine = house.engine(NOW, "");
    let (first, second) = (
        house.assertion("ada", ",\"scope\":\"read other\",\"act\":{\"sub\":\"agent-7\"}"),
        house.assertion("ada", ""),
    );
    let request = |assertion: &'_ str| {
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&client_id=agent&scope=read&assertion={assertion}"
        );
        engine.handle(&TokenRequest {
            method: "POST",
            target: "/token",
            headers: &[("content-type", b"application/x-www-form-urlencoded")],
            body: body.as_bytes(),
            peer: Some("192.0.2.7"),
            ..TokenRequest::default()
        })
    };
    assert_eq!(request(&first).status(), 200);
    assert_eq!(request("nonsense").status(), 400);
    let asked = Request { assertion: second.as_bytes(), client_id: "agent", ..Request::default() };
    assert!(engine.exchange_many(&[asked, asked])[1].is_err());
    drop(engine);
    let all = lines(&house.scratch.0.join("audit"));
    let exchanges: Vec<_> = all.iter().filter(|line| line["event"] == "exchange").collect();
    let [good, bad, plain, replayed] = exchanges[..] else { panic!("{exchanges:?}") };
    let expected = json!({
        "timestamp": "2026-07-20T06:01:40.250Z", "decision": "allow", "sub": "ada", "act_sub": "agent-7",
        "client_id": "agent", "connector": "chat", "scope_asserted": "read other", "scope_requested": "read",
        "scope_granted": "read", "assertion_iat": NOW, "assertion_exp": NOW + 300, "alg": "EdDSA",
        "peer": "192.0.2.7",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&good[name], value, "{name}");
    }
    assert_eq!((&bad["decision"], &bad["peer"]), (&"deny".into(), &"192.0.2.7".into()));
    for name in ["scope_asserted", "scope_requested", "act_sub", "peer", "bound_to"] {
        assert_eq!(plain.get(name), None, "{name}");
    }
    assert_eq!((&replayed["reason"], &replayed["assertion_iat"]), (&"replayed".into(), &NOW.into()));
    for line in exchanges {
        // Less than a minute, which no exchange takes, and by a clock that stands still.
        assert!((0..60_000_000).contains(&line["latency_us"].as_i64().unwrap()), "{line}");
    }
    let opened = &all[0];
    assert_eq!((&opened["event"], &opened["format"]), (&"log_opened".into(), &1.into()));
    assert!(parse_timestamp(opened["timestamp"].as_str().unwrap()).is_some());
}

/// The engine itself: what changes is a line, before what it decides.
#[test]
fn what_decides_is_on_record_when_it_changes() {
    let house = House::new();
    let engine = house.engine(NOW, "");
    assert!(engine.warnings().iter().all(|warning| !warning.contains("record")));
    let changed = POLICY
        .replace("scopes = ['read'] }", "scopes = ['read', 'write'] }")
        .replace("'enabled'", "'suspended'");
    engine.put_policy("policy.toml", POLICY).unwrap();
    engine.put_policy("policy.toml", &changed).unwrap();
    // What is there already is no change; the same keys in another document are one.
    engine.put_jwks(IDP, house.jwks.as_bytes()).unwrap();
    engine.put_jwks(IDP, format!("{} ", house.jwks).as_bytes()).unwrap();
    let ann = Revocation::Person { issuer: IDP, tenant: None, subject: "ann" };
    engine.revoke(&ann).unwrap();
    engine.lift(&ann).unwrap();
    assert!(engine.verify(b"no token", RESOURCE).is_err());
    drop(engine);
    let folder = house.scratch.0.join("audit");
    let lines = lines(&folder);
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "log_opened",
            "standing",
            "config_loaded",
            "policy_loaded",
            "connector_changed",
            "directory_loaded",
            "policy_loaded",
            "connector_changed",
            "keys_changed",
            "revoked",
            "lifted",
            "verify",
            "log_closed"
        ]
    );
    let (first, second) = (&lines[4], &lines[7]);
    assert_eq!((first.get("state_before"), &first["state"]), (None, &"enabled".into()));
    assert_eq!([&second["state_before"], &second["state"]], ["enabled", "suspended"]);
    assert_eq!(second["grants_before"], serde_json::json!(["eng of https://acme.idp.example: read"]));
    assert_eq!(second["grants"], serde_json::json!(["eng of https://acme.idp.example: read write"]));
    assert_eq!((&lines[6]["policy_before"], &second["policy"]), (&lines[3]["policy"], &lines[6]["policy"]));
    assert_eq!((&lines[9]["sub"], &lines[11]["decision"]), (&"ann".into(), &"deny".into()));
    let loaded = &lines[2];
    assert_eq!((&loaded["code"], &loaded["file"]), (&"IJ330I".into(), &"idjag.toml".into()));
    assert_eq!((&loaded["idps"], &loaded["clients"]), (&1.into(), &1.into()));
    assert_eq!((loaded["config"].as_str().unwrap().len(), loaded.get("config_before")), (64, None));
    assert_eq!(whole(&folder).lines, 13);
}
