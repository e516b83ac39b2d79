//! Heap allocations of one exchange and one verification, by Rust's allocator, once everything is warm.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::sync::Arc;

use allocation_counter::measure;
use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey};
use idjag_tests::{base64url, claims, vectors};

const NOW: i64 = 1_784_527_300;
const RESOURCE: &str = "https://mcp.chat.example/";

fn assertions(minter: &IdJagMinter, count: usize) -> Vec<String> {
    let mint = |person: usize| {
        let subject = format!("00u{person:017}");
        let id_jag = IdJag {
            audience: "https://auth.chat.example/",
            client_id: "f53f191f9311af35",
            subject: &subject,
            resource: Some(RESOURCE),
            scope: Some("chat.read"),
            groups: &["all", "eng", "berlin"],
            issued_at: NOW,
            lifetime_s: 300,
            further: r#""act":{"sub":"wlp1","act":{"sub":"0oa1"}}"#,
            ..IdJag::default()
        };
        minter.mint(&id_jag).unwrap()
    };
    (0..count).map(mint).collect()
}

fn engine(jwk: &str) -> Exchange {
    let config = format!(
        r#"{{
            "issuer": "https://auth.chat.example/",
            "audit": "off",
            "tokens": {{ "keys": "ephemeral" }},
            "idps": [{{ "issuer": "https://acme.idp.example", "jwks": {{ "keys": [{jwk}] }} }}],
            "clients": [{{ "id": "f53f191f9311af35", "auth": "none", "connectors": ["*"] }}],
            "connectors": [{{
                "id": "chat", "resource": "{RESOURCE}", "scopes": ["chat.read", "chat.write"],
                "state": "enabled", "owner": "chat@acme.example", "review_by": "2027-02-01",
                "grants": [{{ "groups": ["eng"], "scopes": ["chat.read"] }}]
            }}]
        }}"#
    );
    let config = Config::parse("test.json", &config, &mut |_| Err("no files".to_owned())).unwrap();
    Exchange::builder(config).clock(|| NOW).build().unwrap()
}

fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: "f53f191f9311af35", ..Request::default() }
}

/// The token with its scope and resource, and what the provider takes for a signature.
#[test]
fn an_exchange_allocates_twice_and_a_known_token_never() {
    count(&Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
    // The assertion's key as IdPs have it; ring takes memory from Rust for each verification by RSA.
    if cfg!(feature = "aws-lc-rs") {
        let jwk = std::fs::read(vectors().join("keys/acme-rs256.jwk")).unwrap();
        count(&Arc::new(SigningKey::from_jwk(&jwk).unwrap()));
    }
}

fn count(key: &Arc<SigningKey>) {
    // Between two doublings of the single-use table, which allocate now and then.
    const WARM: usize = 2_700;
    const COUNTED: usize = 64;
    let engine = engine(&key.public_jwk().unwrap());
    let minter = IdJagMinter::new("https://acme.idp.example", Arc::clone(key));
    let assertions = assertions(&minter, WARM + COUNTED + 1);
    let exchange = |assertion: &String| engine.exchange(&request(assertion)).unwrap();
    let (last, rest) = assertions.split_last().unwrap();
    let (warm, counted) = rest.split_at(WARM);
    for assertion in warm {
        exchange(assertion);
    }
    // A table that grows allocates once in a while; what an exchange costs is what most of them cost.
    let mut totals: Vec<u64> =
        counted.iter().map(|assertion| measure(|| drop(exchange(assertion))).count_total).collect();
    totals.sort_unstable();
    assert!((1..=2).contains(&totals[COUNTED / 2]), "{totals:?}");
    assert!(totals[COUNTED * 9 / 10] <= 2, "{totals:?}");

    let (used, token) = (&assertions[0], exchange(last));
    assert!(engine.exchange(&request(used)).is_err(), "the control: it was used before");
    let refused = measure(|| drop(engine.exchange(&request(used)))).count_total;
    assert_eq!(refused, 0, "a refusal");

    let verify = || drop(engine.verify(token.access_token().as_bytes(), RESOURCE).unwrap());
    verify();
    assert_eq!(measure(verify).count_total, 0, "a token that was seen before");

    // Of a long token that is not ours nothing is kept or weighed: what that costs is for lists of our own making.
    let mut parts = token.access_token().split('.');
    let (header, claims) = (parts.next().unwrap(), claims(token.access_token()));
    let mut claims = claims.as_object().unwrap().clone();
    claims["groups"] = (0..10_000).map(|at| format!("g{at}")).collect();
    let claims = base64url::encode(serde_json::to_string(&claims).unwrap().as_bytes());
    let forged = format!("{header}.{claims}.{}", parts.next_back().unwrap());
    let refuse = || {
        let refusal = engine.verify(forged.as_bytes(), RESOURCE).unwrap_err();
        assert_eq!(refusal.slug(), "token_signature_invalid");
    };
    refuse();
    assert_eq!(measure(refuse).count_total, 0, "a long token of a stranger");
}
