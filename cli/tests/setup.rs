//! `idjag init`, `check` and `keys`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod command;

use command::{Place, idjag};
use serde_json::Value;

#[test]
fn the_starter_set_passes_the_check_and_is_never_overwritten() {
    let place = Place::new("starter");
    let said = idjag(&["init", place.dir()]).fine();
    assert!(said.contains("Next:") && said.contains("idjag check"), "{said}");
    let config = place.path("idjag.toml");

    let check = idjag(&["check", "--config", &config]).fine();
    for expected in [
        "https://auth.chat.example/",
        "chat  enabled, owner chat-platform@acme.example, review by",
        "wiki  planned",
        "eng: chat.read chat.history chat.write  policy.toml:12 (https://acme.idp.example)",
        "keys: 1 in idp.jwks.json; algorithms: ES256",
        "512 MiB carry 23,301 exchanges/s",
        "sha256 ",
    ] {
        assert!(check.contains(expected), "{expected}\n{check}");
    }
    assert!(!check.contains("warning"), "{check}");

    let before = place.read("policy.toml");
    let again = idjag(&["init", place.dir()]);
    assert_eq!((again.status, again.out.as_str()), (2, ""));
    assert!(again.err.contains("exists already"), "{}", again.err);
    assert_eq!(place.read("policy.toml"), before);
}

#[test]
fn secrets_of_the_starter_set_are_for_their_owner_alone() {
    let place = Place::new("secrets");
    let said = idjag(&["init", place.dir()]).fine();
    let secrets: Vec<&str> =
        said.lines().filter_map(|line| line.split_once("/keys/").map(|(_, name)| name)).collect();
    assert_eq!(secrets.len(), 3, "{said}");
    for name in secrets {
        assert_eq!(place.mode(&format!("keys/{name}")), 0o600, "{name}");
    }
    let jwks: Value = serde_json::from_str(&place.read("idp.jwks.json")).unwrap();
    assert!(jwks["keys"][0]["x"].is_string() && jwks["keys"][0].get("d").is_none());
    let secret = place.read("keys/agent.secret");
    assert!(!place.read("idjag.toml").contains(secret.trim()));
}

#[test]
fn a_connector_that_is_overdue_is_a_no() {
    let place = Place::new("overdue");
    idjag(&["init", place.dir()]).fine();
    let policy = place.read("policy.toml");
    let (before, after) = policy.split_once("review_by = ").unwrap();
    let (_, after) = after.split_once(' ').unwrap();
    place.write("policy.toml", &format!("{before}review_by = 2020-01-01 {after}"));
    let ran = idjag(&["check", "--config", &place.path("idjag.toml")]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.err.contains("overdue for review: chat") && ran.out.contains("(overdue)"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_configuration_with_a_fault_names_the_place() {
    let place = Place::new("fault");
    idjag(&["init", place.dir()]).fine();
    let config = place.read("idjag.toml").replace("leeway_s", "leeway");
    place.write("idjag.toml", &config);
    let ran = idjag(&["check", "--config", &place.path("idjag.toml")]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    let line = config.lines().position(|line| line.starts_with("leeway")).unwrap() + 1;
    assert!(ran.err.contains(&format!("idjag.toml:{line}: ")) && ran.err.contains("leeway_s"), "{}", ran.err);
    assert_eq!(idjag(&["check", "--config", &place.path("none.toml")]).status, 2);

    place.write("idjag.toml", &config.replace("leeway", "leeway_s"));
    place.write("policy.toml", &place.read("policy.toml").replacen("state", "stat", 1));
    let ran = idjag(&["check", "--config", &place.path("idjag.toml")]);
    assert!(ran.err.contains(&format!("{}:", place.path("policy.toml"))), "{}", ran.err);
    assert!(ran.err.contains("did you mean `state`?"), "{}", ran.err);
}

#[test]
fn keys_are_made_kept_private_and_published() {
    let place = Place::new("keys");
    place.write("here", "");
    let mut files = Vec::new();
    for alg in ["EdDSA", "ES256", "RS256"] {
        if alg == "RS256" && cfg!(not(feature = "aws-lc-rs")) {
            continue;
        }
        let file = format!("{alg}.jwk");
        let made = idjag(&["keys", "new", "--alg", alg, "--out", &place.path(&file)]);
        assert_eq!((made.status, made.out.as_str(), place.mode(&file)), (0, "", 0o600), "{}", made.err);
        let again = idjag(&["keys", "new", "--alg", alg, "--out", &place.path(&file)]);
        assert_eq!(again.status, 2);
        files.push(place.path(&file));
    }
    let mut args = vec!["keys", "jwks"];
    args.extend(files.iter().map(String::as_str));
    let jwks: Value = serde_json::from_str(&idjag(&args).fine()).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), files.len());
    assert!(keys.iter().all(|key| key.get("d").is_none() && key["kid"].is_string()));

    let oct = idjag(&["keys", "new", "--alg", "HS256"]).fine();
    place.write("oct.jwk", &oct);
    let refused = idjag(&["keys", "jwks", &place.path("oct.jwk")]);
    assert_eq!((refused.status, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("never published"), "{}", refused.err);
}

#[test]
fn a_secret_comes_with_the_line_that_the_configuration_takes() {
    let place = Place::new("secret");
    idjag(&["init", place.dir()]).fine();
    let said = idjag(&["keys", "secret"]).fine();
    let [secret, line] = said.lines().collect::<Vec<_>>()[..] else {
        unreachable!("two lines: {said}");
    };
    assert_eq!(secret.len(), 43);
    let config = place.read("idjag.toml");
    let old = config.lines().find(|line| line.starts_with("secret_sha256")).unwrap();
    place.write("idjag.toml", &config.replace(old, line));
    idjag(&["check", "--config", &place.path("idjag.toml")]).fine();
}

#[test]
fn every_command_has_help_with_examples() {
    for command in ["init", "check", "wave", "exchange", "explain"] {
        let help = idjag(&[command, "--help"]).fine();
        assert!(help.contains("Examples:\n  idjag") || help.contains("| idjag"), "{help}");
    }
    assert!(idjag(&["--help"]).fine().contains("Exit status"));
    assert_eq!(idjag(&["nonsense"]).status, 2);
}
