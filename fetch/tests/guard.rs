//! What an attacker may not make us fetch, and what an answer may not do to us: over TLS, from a server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use base64_simd::URL_SAFE_NO_PAD;
use common::*;
use idjag::Request;
use idjag_fetch::Freshness;

/// The slug of a first exchange, and what is said of the fetch.
fn first(server: &Server, idps: &str, authority: &str) -> (&'static str, String) {
    let key = key();
    let live = live(config(idps, "", authority), QUICK, Path::new(""));
    let answer = slug(exchange(&live, &server.origin, &key));
    // A fetch that outlasts the patience of a request ends, too.
    live.fetcher().settle(Duration::from_secs(12));
    (answer, problem(&live))
}

fn with_keys(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (&'static str, String) {
    let server = Server::start(|_| Answer::Gone);
    server.behave(idp(&server.origin, answer));
    first(&server, &discovered(&server.origin), &server.authority)
}

#[test]
fn loopback_is_for_issuers_that_are_written_down_as_local() {
    let key = key();
    let server = idp_with(&[&key]);
    for idps in [
        format!("[[idps]]\nissuer = \"{}\"\ndiscover = true\n", server.origin),
        format!("[[idps]]\nissuer = \"{0}\"\njwks_uri = \"{0}/keys\"\n", server.origin),
    ] {
        let (answer, problem) = first(&server, &idps, &server.authority);
        assert_eq!(answer, "keys_unavailable");
        assert!(problem.starts_with("127.0.0.1 is not a public address"), "{problem}");
    }
    let by_name = server.origin.replace("127.0.0.1", "localhost");
    let (answer, problem) =
        first(&server, &format!("[[idps]]\nissuer = \"{by_name}\"\ndiscover = true\n"), &server.authority);
    assert_eq!(answer, "issuer_untrusted");
    assert!(problem.contains("is not a public address"), "{problem}");
    assert_eq!(server.hits("/keys"), 0);
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    let key = key();
    let server = idp_with(&[&key]);
    let other = idp_with(&[]);
    let (answer, problem) = first(&server, &discovered(&server.origin), &other.authority);
    assert_eq!(answer, "keys_unavailable");
    // Authorities of one name and two keys.
    assert!(problem.starts_with("TLS: invalid peer certificate: "), "{problem}");
}

#[test]
fn metadata_of_another_issuer_is_refused() {
    let server = Server::start(|_| Answer::Gone);
    let said = format!("{}/", server.origin);
    let lie = metadata(&server.origin)
        .replace(&format!("\"issuer\":\"{}\"", server.origin), &format!("\"issuer\":\"{said}\""));
    server.behave(move |_| Answer::json(lie.clone()));
    let (answer, problem) = first(&server, &discovered(&server.origin), &server.authority);
    assert_eq!(answer, "keys_unavailable");
    assert!(problem.contains(&format!("of the issuer `{said}`")), "{problem}");
    assert_eq!(server.hits("/keys"), 0);
}

#[test]
fn metadata_cannot_send_us_to_other_schemes_and_addresses() {
    for (uri, said) in [
        ("http://127.0.0.1/keys", "is not an https URL"),
        ("file:///etc/passwd", "is not an https URL"),
        ("https://169.254.169.254/latest/meta-data/", "169.254.169.254 is not a public address"),
        ("https://[::ffff:169.254.169.254]/", "169.254.169.254 is not a public address"),
        ("https://user:pw@127.0.0.1/keys", "is not an https URL"),
    ] {
        let server = Server::start(|_| Answer::Gone);
        let metadata = format!(r#"{{"issuer":"{}","jwks_uri":"{uri}"}}"#, server.origin);
        server.behave(move |_| Answer::json(metadata.clone()));
        let (answer, problem) = first(&server, &discovered(&server.origin), &server.authority);
        assert_eq!(answer, "keys_unavailable");
        assert!(problem.contains(said), "{uri}: {problem}");
    }
}

#[test]
fn no_redirect_is_followed() {
    for to in ["/elsewhere", "https://127.0.0.1:1/keys", "file:///etc/passwd"] {
        let (answer, problem) = with_keys(move |_| Answer::redirect(to));
        assert_eq!(answer, "keys_unavailable");
        assert!(problem.contains("is a redirect (302)"), "{problem}");
    }
    // Nor is one of the metadata.
    let server = Server::start(|_| Answer::redirect("/keys"));
    let (answer, problem) = first(&server, &discovered(&server.origin), &server.authority);
    assert_eq!(answer, "keys_unavailable");
    assert!(problem.contains("is a redirect (302)"), "{problem}");
    assert_eq!(server.hits("/keys"), 0);
}

#[test]
fn a_header_that_offers_keys_makes_us_fetch_nothing() {
    let key = key();
    let (idp, attacker) = (idp_with(&[&key]), idp_with(&[&key]));
    let live = live(config(&discovered(&idp.origin), "", &idp.authority), QUICK, Path::new(""));
    let honest = id_jag(&idp.origin, &key);
    let (_, rest) = honest.split_once('.').unwrap();
    let jwk = key.public_jwk().unwrap();
    for (offer, slug) in [
        (format!("\"jku\":\"{}/keys\"", attacker.origin), "header_not_allowed"),
        (format!("\"x5u\":\"{}/keys\"", attacker.origin), "header_not_allowed"),
        (format!("\"jwk\":{jwk}"), "header_not_allowed"),
        // The place as a name of the key: it is one that no key has.
        (format!("\"kid\":\"{}/keys\"", attacker.origin), "kid_unknown"),
    ] {
        let header = format!("{{\"typ\":\"oauth-id-jag+jwt\",\"alg\":\"EdDSA\",{offer}}}");
        let assertion = format!("{}.{rest}", URL_SAFE_NO_PAD.encode_to_string(header));
        let request = Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
        assert_eq!(live.exchange().exchange(&request).unwrap_err().slug(), slug, "{offer}");
    }
    assert_eq!(slug(exchange(&live, &idp.origin, &key)), "granted");
    assert_eq!((attacker.hits("/keys"), attacker.hits("/.well-known/openid-configuration")), (0, 0));
}

#[test]
fn what_is_too_long_ends_early() {
    let (answer, problem) = with_keys(|_| Answer::json(vec![b' '; 10 << 20]));
    assert_eq!((answer, problem.as_str()), ("keys_unavailable", "the answer is longer than 1 MiB"));
    let (answer, problem) = with_keys(|_| Answer::Endless(65_536, Duration::ZERO));
    assert_eq!((answer, problem.as_str()), ("keys_unavailable", "the answer is longer than 1 MiB"));
    let headers = |_: &Asked| Answer::Whole(200, vec![("x", "y".repeat(100_000))], Vec::new());
    let (answer, problem) = with_keys(headers);
    assert_eq!(answer, "keys_unavailable");
    assert!(!problem.is_empty());
}

#[test]
fn what_takes_too_long_ends_after_ten_seconds_and_a_request_waits_for_two() {
    for slow in [Answer::Silence, Answer::Endless(1, Duration::from_millis(100))] {
        let began = Instant::now();
        let server = Server::start(|_| Answer::Gone);
        server.behave(idp(&server.origin, move |_| slow.clone()));
        let live = live(config(&discovered(&server.origin), "", &server.authority), QUICK, Path::new(""));
        let refused = exchange(&live, &server.origin, &key()).unwrap_err();
        assert_eq!((refused.slug(), refused.http_status()), ("keys_unavailable", 503));
        assert!(refused.retry_after_s().is_some());
        assert!((1_900..3_500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        within(15, "the end of it", || !problem(&live).is_empty());
        assert_eq!(problem(&live), "no complete answer in time");
        assert!((9_500..13_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}

#[test]
fn what_is_no_key_set_is_refused() {
    for body in [
        "<!doctype html><title>Sign in</title>",
        "",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
    ] {
        let (answer, problem) = with_keys(move |_| Answer::json(body));
        assert_eq!(answer, "keys_unavailable", "{body}");
        assert!(problem.starts_with("the key set cannot be used: "), "{body}: {problem}");
    }
    // Two empty bytes, said to be compressed: nothing here decompresses.
    let bomb = |_: &Asked| {
        let encoded = vec![("content-encoding", "gzip".to_owned())];
        Answer::Whole(200, encoded, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 99, 96, 0, 0].to_vec())
    };
    let (answer, problem) = with_keys(bomb);
    assert_eq!(answer, "keys_unavailable");
    assert!(problem.starts_with("the key set cannot be used: "), "{problem}");
    for status in [204, 304, 401, 404, 500, 503] {
        let (answer, problem) = with_keys(move |_| Answer::status(status));
        assert_eq!((answer, problem), ("keys_unavailable", format!("the answer has status {status}")));
    }
    let (answer, problem) = with_keys(|_| Answer::Gone);
    assert_eq!(answer, "keys_unavailable");
    assert!(problem.starts_with("the connection failed: "), "{problem}");
}

#[test]
fn ten_thousand_keys_are_a_set_and_a_poisonous_one_spoils_nothing() {
    let key = key();
    let good = key.public_jwk().unwrap();
    let x = good.split("\"x\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let many: Vec<_> =
        (0..9_999).map(|n| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{n}"}}"#)).collect();
    let many = format!("{{\"keys\":[{},{good}]}}", many.join(","));
    assert!(many.len() < 1 << 20);
    let poisoned = format!(
        r#"{{"keys":[17,null,{{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"small"}},{{"kty":"EC","kid":"a","kid":"a"}},{good},{{"kty":"oct","k":"c2VjcmV0"}},{{"kty":"AKP","kid":"new"}}]}}"#
    );
    for set in [many, poisoned] {
        let server = Server::start(|_| Answer::Gone);
        server.behave(idp(&server.origin, move |_| Answer::json(set.clone())));
        let live = live(config(&discovered(&server.origin), "", &server.authority), QUICK, Path::new(""));
        assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
        let sources = live.sources();
        assert_eq!((sources[0].freshness, sources[0].last_error.as_deref()), (Freshness::Fresh, None));
    }
}

#[test]
fn a_token_of_somebody_else_makes_us_fetch_nothing() {
    let key = key();
    let (ours, other) = (idp_with(&[&key]), idp_with(&[&key]));
    let live = live(config(&discovered(&ours.origin), "", &ours.authority), QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &other.origin, &key)), "issuer_untrusted");
    assert_eq!(slug(exchange(&live, &format!("{}/", ours.origin), &key)), "issuer_untrusted");
    assert_eq!(slug(exchange(&live, "file:///etc/passwd", &key)), "issuer_untrusted");
    assert!(live.fetcher().settle(Duration::from_secs(5)));
    assert_eq!(other.hits("/.well-known/openid-configuration"), 0);
    assert_eq!(ours.hits("/keys"), 1, "what is configured is fetched, whoever asks");
}
