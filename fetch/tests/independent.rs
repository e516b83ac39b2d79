//! Keys of an identity provider that is not of our make: `oidc-provider` under Node, both from npm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use idjag::{Algorithm, SigningKey};
use idjag_fetch::{Freshness, Pace};

#[test]
#[ignore = "needs packages of npm: make test-net"]
fn an_idp_of_other_make_is_discovered_and_its_keys_are_used() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let node = packages.join("node_modules/.bin/node");
    assert!(node.exists(), "the packages of fetch/tests/node are missing: run 'make deps'");
    let keys: Vec<_> = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        .into_iter()
        .map(|algorithm| Arc::new(SigningKey::generate(algorithm).unwrap()))
        .collect();
    let Identity { certificate, key, authority } = identity();
    let private: Vec<_> = keys.iter().map(|key| key.to_jwk().to_string()).collect();
    let quoted = |text: &str| format!("\"{}\"", text.replace("\r\n", "\n").replace('\n', "\\n"));
    let told = format!(
        "{{\"certificate\":{},\"key\":{},\"jwks\":{{\"keys\":[{}]}}}}\n",
        quoted(&certificate),
        quoted(&key),
        private.join(",")
    );
    let mut child = Command::new(node)
        .arg("idp.js")
        .current_dir(&packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(told.as_bytes()).unwrap();
    let mut issuer = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
    let issuer = issuer.trim_end();
    assert!(issuer.starts_with("https://127.0.0.1:"), "it did not start: {issuer}");

    let engine = live(config(&discovered(issuer), "", &authority), Pace::default(), Path::new(""));
    for key in &keys {
        assert_eq!(slug(exchange(&engine, issuer, key)), "granted", "{}", key.algorithm());
    }
    let unknown = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
    assert_eq!(slug(exchange(&engine, issuer, &unknown)), "kid_unknown");
    let [source] = &*engine.sources() else { panic!("one source") };
    assert_eq!((source.freshness, source.fetches), (Freshness::Fresh, 1));
    assert_eq!(source.uri, Some(format!("{issuer}/jwks")));
    // Its standard input ends, and so does it.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
