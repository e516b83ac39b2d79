//! Policies, keys and connectors change while exchanges run: every line carries the digest of the policy that decided it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use idjag::{Algorithm, Clock, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey, SystemClock};
use idjag_log::{own_verifier, verify};
use serde_json::Value;

const THREADS: usize = 3;
const EXCHANGES: usize = 3_000;
const CHANGES: usize = 300;
const ISSUER: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
const RESOURCE: &str = "https://mcp.chat.example/";

/// What each policy makes of the same request: the scope that it grants, or why it refuses.
const POLICIES: [(&str, &str, Result<&str, &str>); 3] = [
    ("enabled", "'read'", Ok("read")),
    ("enabled", "'write'", Ok("write")),
    ("suspended", "'read'", Err("connector_not_enabled")),
];

fn policy(state: &str, scopes: &str) -> String {
    format!(
        "[[connectors]]\nid = 'chat'\nresource = '{RESOURCE}'\nscopes = ['read', 'write']\nstate = '{state}'\n\
        owner = 'o'\nreview_by = 2099-01-01\ngrants = [{{ everyone = true, scopes = [{scopes}] }}]\n"
    )
}

fn lines(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("0")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "jsonl"));
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_carries_the_digest_that_decided_it() {
    let keys = [(); 2].map(|()| Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap()));
    let public = keys.each_ref().map(|key| key.public_jwk().unwrap());
    // The second key comes and goes.
    let sets =
        [format!("{{\"keys\":[{},{}]}}", public[0], public[1]), format!("{{\"keys\":[{}]}}", public[0])];
    let policies = POLICIES.map(|(state, scopes, _)| policy(state, scopes));
    let config = format!(
        "issuer = '{ISSUER}'\ntokens.keys = 'ephemeral'\npolicy = 'policy.toml'\naudit = {{ path = 'audit' }}\n\
        replay.cold_start = 'accept'\n[[idps]]\nissuer = '{IDP}'\njwks_file = 'jwks'\n\
        [[clients]]\nid = 'agent'\nauth = 'none'\nconnectors = ['chat']\n"
    );
    let read =
        &mut |path: &str| Ok(if path == "jwks" { &sets[0] } else { &policies[0] }.clone().into_bytes());
    let config = Config::parse("idjag.toml", &config, read).unwrap();
    let place = std::env::temp_dir().join(format!("idjag-log-changes-{}", std::process::id()));
    let _ = fs::remove_dir_all(&place);
    let now = SystemClock.now();
    let record = idjag_log::open(&config, &place, now).unwrap().unwrap();
    let engine = record.give(Exchange::builder(config)).build().unwrap();
    let minters = keys.map(|key| IdJagMinter::new(IDP, key));
    let assertions: Vec<String> = (0..EXCHANGES)
        .map(|number| {
            let id_jag = IdJag {
                audience: ISSUER,
                client_id: "agent",
                subject: "ada",
                resource: Some(RESOURCE),
                issued_at: now,
                lifetime_s: 300,
                ..IdJag::default()
            };
            minters[number % 2].mint(&id_jag).unwrap()
        })
        .collect();

    let (next, working) = (AtomicUsize::new(0), AtomicBool::new(true));
    let (engine_of_threads, engine_of_changes) = (&engine, &engine);
    let tokens: BTreeMap<String, String> = thread::scope(|scope| {
        let work = || {
            let mut issued = Vec::new();
            while let Some(assertion) = assertions.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request =
                    Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
                if let Ok(token) = engine_of_threads.exchange(&request) {
                    issued.push((jti(token.access_token()), token.scope().to_owned()));
                }
            }
            issued
        };
        let threads = [(); THREADS].map(|()| scope.spawn(work));
        let changing = scope.spawn(|| {
            let mut changes = 0;
            while working.load(Ordering::Relaxed) || changes < CHANGES {
                engine_of_changes.put_policy("policy.toml", &policies[changes % policies.len()]).unwrap();
                engine_of_changes.put_jwks(IDP, sets[changes / 2 % 2].as_bytes()).unwrap();
                changes += 1;
            }
        });
        let issued = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        working.store(false, Ordering::Relaxed);
        changing.join().unwrap();
        issued
    });
    drop(engine);

    let folder = place.join("audit");
    let lines = lines(&folder);
    // What each digest stands for is told by the text that was put, whose lines are in the order of the changes.
    let expected: BTreeMap<&str, Result<&str, &str>> = lines
        .iter()
        .filter(|line| line["event"] == "connector_changed")
        .map(|line| {
            let of = |(state, scopes, _): &&(&str, &str, Result<&str, &str>)| {
                let grants = line["grants"][0].as_str().unwrap();
                line["state"] == *state && grants.ends_with(scopes.trim_matches('\''))
            };
            (line["policy"].as_str().unwrap(), POLICIES.iter().find(of).unwrap().2)
        })
        .collect();
    assert_eq!(expected.len(), POLICIES.len());
    let (mut by_digest, mut reasons, mut granted) = (BTreeMap::<&str, usize>::new(), BTreeSet::new(), 0);
    for line in lines.iter().filter(|line| line["event"] == "exchange") {
        let digest = line["policy"].as_str().unwrap();
        *by_digest.entry(digest).or_default() += 1;
        if line["decision"] == "allow" {
            let scope = line["scope_granted"].as_str().unwrap();
            assert_eq!(Ok(scope), expected[digest], "{line}");
            assert_eq!(tokens.get(line["token_jti"].as_str().unwrap()).map(String::as_str), Some(scope));
            granted += 1;
        } else {
            let reason = line["reason"].as_str().unwrap();
            assert!(Err(reason) == expected[digest] || reason == "kid_unknown", "{line}");
            reasons.insert(reason);
        }
    }
    assert_eq!(granted, tokens.len(), "every token has its line");
    assert_eq!(by_digest.values().sum::<usize>(), EXCHANGES);
    assert!(
        by_digest.len() == POLICIES.len() && by_digest.values().all(|count| *count > 20),
        "{by_digest:?}"
    );
    assert!(reasons.contains("kid_unknown") && reasons.contains("connector_not_enabled"), "{reasons:?}");
    assert!(verify(&folder, &own_verifier(&folder).unwrap()).unwrap()[0].is_whole());
    let _ = fs::remove_dir_all(&place);
}

/// The `jti` of an access token.
fn jti(token: &str) -> String {
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["jti"].as_str().unwrap().to_owned()
}
