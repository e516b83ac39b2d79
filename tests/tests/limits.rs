//! What comes too often, where no table can say it: many threads, many requests, and what counts for nothing.
#![allow(clippy::unwrap_used, reason = "the helpers of a test")]

use std::sync::Arc;
use std::thread;

use idjag::{Exchange, IdJag, IdJagMinter, Response, SigningKey, TokenRequest};
use idjag_tests::{Down, RequestCase, SetClock, World, vectors};

const NOW: i64 = 1_784_527_300;
const PEER: Option<&str> = Some("192.0.2.1");
const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");
/// `f53f191f9311af35`, with its secret and with another.
const RIGHT: (&str, &[u8]) =
    ("authorization", b"Basic ZjUzZjE5MWY5MzExYWYzNTp0ZXN0LXNlY3JldC1mNTNmMTkxZjkzMTFhZjM1");
const WRONG: (&str, &[u8]) = ("authorization", b"Basic ZjUzZjE5MWY5MzExYWYzNTp3cm9uZw==");

fn engine(world: &str, clock: &SetClock) -> Exchange {
    World::read(world).unwrap().engine(clock.clone()).unwrap()
}

fn request<'a>(headers: &'a [(&'a str, &'a [u8])], body: &'a str) -> TokenRequest<'a> {
    TokenRequest {
        method: "POST",
        target: "/",
        headers,
        body: body.as_bytes(),
        peer: PEER,
        ..TokenRequest::default()
    }
}

fn answer(response: &Response) -> (u16, Option<&'static str>) {
    (response.status(), response.slug())
}

/// The body of a good request with a `jti` of its own.
fn body(idp: &IdJagMinter, jti: &str) -> String {
    let assertion = idp
        .mint(&IdJag {
            audience: "https://auth.chat.example/",
            client_id: "f53f191f9311af35",
            subject: "ada",
            jti: Some(jti),
            resource: Some("https://mcp.chat.example/"),
            groups: &["eng"],
            issued_at: NOW,
            lifetime_s: 300,
            ..IdJag::default()
        })
        .unwrap();
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
}

fn idp() -> IdJagMinter {
    let key = std::fs::read(vectors().join("keys/acme-ed25519.jwk")).unwrap();
    IdJagMinter::new("https://acme.idp.example", Arc::new(SigningKey::from_jwk(&key).unwrap()))
}

#[test]
fn what_is_granted_is_never_limited() {
    let (engine, idp) = (engine("requests", &SetClock::new(NOW)), idp());
    let headers = [FORM, RIGHT];
    for number in 0..14_000 {
        let body = body(&idp, &format!("morning-{number}"));
        assert_eq!(answer(&engine.handle(&request(&headers, &body))), (200, None), "{number}");
    }
    // Nor after as many refusals as one likes, and in between.
    let used = body(&idp, "morning-0");
    for number in 0..2_000 {
        let slug = if number < 600 { (400, "replayed") } else { (429, "too_many_refusals") };
        let (status, slug) = (slug.0, Some(slug.1));
        assert_eq!(answer(&engine.handle(&request(&headers, &used))), (status, slug), "{number}");
        if number % 10 == 0 {
            let body = body(&idp, &format!("in-between-{number}"));
            assert_eq!(answer(&engine.handle(&request(&headers, &body))), (200, None), "{number}");
        }
    }
    let stats = engine.stats();
    assert_eq!((stats.granted, stats.refused, stats.limited), (14_200, 2_000, 1_400));
}

#[test]
fn many_threads_get_no_more_tries_than_one() {
    let engine = engine("requests", &SetClock::new(NOW));
    let tried = || {
        let slugs =
            (0..200).map(|_| engine.handle(&request(&[FORM, WRONG], &body(&idp(), "x"))).slug().unwrap());
        slugs.filter(|slug| *slug == "client_secret_wrong").count()
    };
    let told: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(tried)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(told, 10);
    assert_eq!(engine.stats().limited, 8 * 200 - 10);
}

#[test]
fn all_endpoints_count_together() {
    let clock = SetClock::new(NOW);
    let engine = engine("requests", &clock);
    let (good, token) = (body(&idp(), "x"), "token=a.b.c");
    for _ in 0..4 {
        assert_eq!(engine.handle(&request(&[FORM, WRONG], &good)).status(), 401);
        assert_eq!(engine.handle_revocation(&request(&[FORM, WRONG], token)).status(), 401);
    }
    assert_eq!(engine.handle_introspection(&request(&[FORM, WRONG], token)).status(), 401);
    assert_eq!(engine.handle_introspection(&request(&[FORM, RIGHT], token)).status(), 200, "nine");
    assert_eq!(engine.handle_introspection(&request(&[FORM, WRONG], token)).status(), 401);
    let limited = (429, Some("too_many_failures"));
    let answers = [Exchange::handle, Exchange::handle_revocation, Exchange::handle_introspection];
    let all = format!("{good}&{token}");
    for handle in answers {
        let response = handle(&engine, &request(&[FORM, RIGHT], &all));
        assert_eq!(answer(&response), limited);
        assert_eq!(
            (response.header("retry-after"), response.header("cache-control")),
            (Some("6"), Some("no-store"))
        );
    }
    assert_eq!(engine.stats().limited, 3);
    clock.set(NOW + 6);
    for handle in answers {
        assert_eq!(handle(&engine, &request(&[FORM, RIGHT], &all)).status(), 200);
    }
}

#[test]
fn a_client_is_refused_the_tokens_of_others_only_so_often() {
    let (clock, idp) = (SetClock::new(NOW), idp());
    let engine = engine("requests-limited", &clock);
    let response = engine.handle(&request(&[FORM, RIGHT], &body(&idp, "x")));
    let issued: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let theirs = format!("token={}&client_id=client-public", issued["access_token"].as_str().unwrap());
    let revoke = || answer(&engine.handle_revocation(&request(&[FORM], &theirs)));
    assert_eq!([revoke(), revoke()], [(400, Some("token_of_another_client")); 2]);
    assert_eq!(revoke(), (429, Some("too_many_refusals")));
    clock.set(NOW + 30);
    assert_eq!(revoke(), (400, Some("token_of_another_client")));
}

#[test]
fn what_cannot_be_answered_counts_against_nobody() {
    let cases = RequestCase::read("limits").unwrap();
    let send = |name: &str, engine: &Exchange| {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        answer(&case.send(engine))
    };
    let config = World::read("requests-limited").unwrap().config().unwrap();
    let down = Exchange::builder(config).clock(|| NOW).replay(Box::new(Down)).build().unwrap();
    for _ in 0..20 {
        assert_eq!(send("limits-jwt", &down), (503, Some("client_replay_unavailable")));
        assert_eq!(send("limits-right", &down), (503, Some("replay_unavailable")));
    }
    assert_eq!(send("limits-refused", &down), (400, Some("group_required")));
    assert_eq!(down.stats().limited, 0);
}

#[test]
fn what_was_counted_outlives_a_reload() {
    let engine = engine("requests-limited", &SetClock::new(NOW));
    let body = body(&idp(), "x");
    let send = |header| engine.handle(&request(&[FORM, header], &body)).status();
    assert_eq!([send(WRONG), send(WRONG), send(WRONG), send(RIGHT)], [401, 401, 401, 429]);
    engine.reload(World::read("requests-limited").unwrap().config().unwrap()).unwrap();
    assert_eq!(send(RIGHT), 429);
    engine.reload(World::read("requests-without-limits").unwrap().config().unwrap()).unwrap();
    assert_eq!(send(RIGHT), 200);
}
