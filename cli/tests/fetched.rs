//! `idjag check`, `exchange` and `explain` where keys are fetched, from an IdP over HTTPS.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "the helpers of a test")]

mod command;
#[path = "../../fetch/tests/common/mod.rs"]
mod common;

use command::{Place, idjag, idjag_reading};
use common::{Answer, Server, idp_with, key};
use serde_json::json;

/// A configuration that trusts `server`, on disk.
fn written(name: &str, server: &Server) -> Place {
    let place = Place::new(name);
    std::fs::create_dir_all(place.dir()).unwrap();
    place.write("ca.pem", &server.authority);
    place.write(
        "idjag.toml",
        &format!(
            r#"
issuer = "{}"
audit = "off"
tokens.keys = "ephemeral"
replay.cold_start = "accept"
[[idps]]
issuer = "{}"
discover = true
local = true
[[clients]]
id = "agent"
auth = "none"
connectors = ["chat"]
[[connectors]]
id = "chat"
resource = "https://mcp.chat.example/"
scopes = ["chat.read"]
state = "enabled"
owner = "chat-platform@acme.example"
review_by = 2099-01-01
[[connectors.grants]]
everyone = true
any_issuer = true
scopes = ["chat.read"]
[fetch]
ca_file = "ca.pem"
cache = "keys"
"#,
            common::OURS,
            server.origin
        ),
    );
    place
}

/// The line of output that says how the keys are.
fn keys(said: &str) -> &str {
    said.lines().find(|line| line.trim_start().starts_with("keys: ")).unwrap()
}

#[test]
fn check_says_whether_each_idp_can_be_reached_now() {
    let key = key();
    let server = idp_with(&[&key]);
    let place = written("check-fetches", &server);
    let config = place.path("idjag.toml");
    let uri = format!("{}/keys", server.origin);

    let offline = idjag(&["check", "--offline", "--config", &config]);
    assert!(keys(&offline.out).contains("not asked (--offline)"), "{}", offline.out);
    assert_eq!(server.hits("/keys"), 0);

    let there = idjag(&["check", "--config", &config]);
    assert_eq!(there.status, 0, "{}{}", there.out, there.err);
    assert!(keys(&there.out).contains(&format!("{uri}, fresh, 0 s old, fetched again in ")), "{}", there.out);
    assert_eq!(server.hits("/keys"), 1);
    assert!(
        !std::path::Path::new(&place.path("keys")).exists(),
        "what a server keeps is for a server to write"
    );

    // A server keeps its keys; whether the IdP can be reached now they do not say.
    let assertion = common::id_jag(&server.origin, &key);
    let request = json!({"assertion": assertion, "client_id": "agent"}).to_string();
    let ran = idjag_reading(&["exchange", "--config", &config], &request);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.json()["access_token"].is_string());
    server.behave(|_| Answer::status(503));
    let began = std::time::Instant::now();
    let gone = idjag(&["check", "--config", &config]);
    assert_eq!(gone.status, 1, "{}{}", gone.out, gone.err);
    assert!(keys(&gone.out).contains("not to be had") && keys(&gone.out).contains("503"), "{}", gone.out);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn explain_names_a_key_that_is_not_to_be_had() {
    let (good, other) = (key(), key());
    let server = idp_with(&[&good]);
    let place = written("explain-fetches", &server);
    let explain = |key| {
        let assertion = common::id_jag(&server.origin, key);
        let args =
            ["explain", "--config", &place.path("idjag.toml"), "--client-id", "agent", "--assertion", "-"];
        idjag_reading(&args, &assertion)
    };
    let granted = explain(&good);
    assert_eq!(granted.status, 0, "{}{}", granted.out, granted.err);
    let refused = explain(&other);
    assert_eq!(refused.status, 1, "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("kid_unknown"), "{}", refused.out);
}
