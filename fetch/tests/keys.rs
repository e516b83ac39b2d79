//! Keys that live: they come, rotate, go stale, go away and come back, and nobody is refused who should not be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use idjag::{Request, SigningKey};
use idjag_fetch::{Freshness, Pace};

/// Intervals at which nothing is fetched anew unless a request asks for it.
const CALM: Pace = Pace {
    least_fresh_ms: 600_000,
    most_fresh_ms: 600_000,
    usual_fresh_ms: 600_000,
    max_stale_ms: 0,
    interval_ms: 1_000,
    max_back_off_ms: 1_000,
    patience_ms: 2_000,
};

/// An IdP whose set can be changed.
fn changeable(keys: &[&Arc<SigningKey>]) -> (Server, Arc<Mutex<String>>) {
    let server = Server::start(|_| Answer::Gone);
    let set = Arc::new(Mutex::new(jwks(keys.iter().copied())));
    let shown = Arc::clone(&set);
    server.behave(idp(&server.origin, move |_| Answer::json(shown.lock().unwrap().clone())));
    (server, set)
}

fn started(server: &Server, pace: Pace) -> idjag_fetch::Live {
    live(config(&discovered(&server.origin), "", &server.authority), pace, Path::new(""))
}

#[test]
fn the_first_request_waits_for_its_keys() {
    let key = key();
    let server = idp_with(&[&key]);
    let live = started(&server, CALM);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    let [source] = &*live.sources() else { panic!("one source") };
    assert_eq!(source.owner.name(), server.origin);
    assert_eq!(source.uri, Some(format!("{}/keys", server.origin)));
    assert_eq!((source.freshness, source.age_s, source.fetches), (Freshness::Fresh, Some(0), 1));
    assert!((530..=600).contains(&source.next_s), "{source:?}");
    assert_eq!(server.hits("/keys"), 1);
    for _ in 0..100 {
        assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    }
    assert_eq!(server.hits("/keys"), 1, "a known key asks nobody");
}

#[test]
fn metadata_is_found_where_rfc_8414_puts_it() {
    let key = key();
    let server = Server::start(|_| Answer::Gone);
    let issuer = format!("{}/tenant/a", server.origin);
    let metadata = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{}/keys"}}"#, server.origin);
    let set = jwks([&key]);
    server.behave(move |asked| match asked.path.as_str() {
        "/.well-known/oauth-authorization-server/tenant/a" => Answer::json(metadata.clone()),
        "/keys" => Answer::json(set.clone()),
        _ => Answer::status(404),
    });
    let live = live(config(&discovered(&issuer), "", &server.authority), CALM, Path::new(""));
    assert_eq!(slug(exchange(&live, &issuer, &key)), "granted");
    assert_eq!(server.hits("/tenant/a/.well-known/openid-configuration"), 1);
}

#[test]
fn a_flood_of_unknown_kids_is_one_fetch_and_known_keys_keep_working() {
    let (good, unknown) = (key(), key());
    let server = idp_with(&[&good]);
    let live = started(&server, CALM);
    assert_eq!(slug(exchange(&live, &server.origin, &good)), "granted");
    thread::sleep(Duration::from_millis(1_050));
    let began = Instant::now();
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(slug(exchange(&live, &server.origin, &unknown)), "kid_unknown");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..500 {
            assert_eq!(slug(exchange(&live, &server.origin, &good)), "granted");
        }
    });
    assert_eq!(refused.into_inner(), 2_000);
    let intervals = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!(
        (2..=1 + intervals).contains(&server.hits("/keys")),
        "{} in {:?}",
        server.hits("/keys"),
        began.elapsed()
    );
}

#[test]
fn a_key_that_appears_is_found_and_one_that_was_taken_out_stops() {
    let (old, new) = (key(), key());
    let (server, set) = changeable(&[&old]);
    let live = started(&server, CALM);
    assert_eq!(slug(exchange(&live, &server.origin, &old)), "granted");
    assert_eq!(slug(exchange(&live, &server.origin, &new)), "kid_unknown", "the set was fetched just now");
    *set.lock().unwrap() = jwks([&new]);
    thread::sleep(Duration::from_millis(1_050));
    assert_eq!(slug(exchange(&live, &server.origin, &new)), "granted");
    assert_eq!(slug(exchange(&live, &server.origin, &old)), "kid_unknown");
}

#[test]
fn what_is_due_is_fetched_without_being_asked_for() {
    let (old, new) = (key(), key());
    let (server, set) = changeable(&[&old]);
    let live = started(&server, QUICK);
    assert_eq!(slug(exchange(&live, &server.origin, &old)), "granted");
    *set.lock().unwrap() = jwks([&old, &new]);
    let before = server.hits("/keys");
    server.wait_for_hits("/keys", before + 1);
    within(2, "the old key and the new one", || slug(exchange(&live, &server.origin, &new)) == "granted");
    *set.lock().unwrap() = jwks([&new]);
    within(2, "the end of the old key", || slug(exchange(&live, &server.origin, &old)) == "kid_unknown");
}

#[test]
fn what_has_not_changed_is_not_put_again() {
    let key = key();
    let server = Server::start(|_| Answer::Gone);
    let set = jwks([&key]);
    server.behave(idp(&server.origin, move |asked| {
        let etag = vec![("etag", "\"v1\"".to_owned())];
        match asked.headers.get("if-none-match").map(String::as_str) {
            Some("\"v1\"") => Answer::Whole(304, etag, Vec::new()),
            _ => Answer::Whole(200, etag, set.clone().into_bytes()),
        }
    }));
    let folder = Folder::new("confirmed");
    let text = config(&discovered(&server.origin), "cache = \"kept\"", &server.authority);
    let live = live(text, QUICK, &folder.0);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    let fetched = || {
        let mut files =
            std::fs::read_dir(folder.0.join("kept")).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let file = files.find(|path| path.extension().is_some_and(|kind| kind == "json"))?;
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        kept["fetched"].as_i64()
    };
    within(2, "the file", || fetched().is_some());
    let (first, generation) = (fetched(), live.stats().generation);
    server.wait_for_hits("/keys", 4);
    assert_eq!(live.stats().generation, generation);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    assert_eq!(live.sources()[0].last_error, None);
    // A restart goes by when they were confirmed, not by when they came.
    within(2, "word of it in the file", || fetched() > first);
}

#[test]
fn a_bad_document_never_replaces_a_good_one() {
    let (good, unknown) = (key(), key());
    let (server, set) = changeable(&[&good]);
    let text = config(&discovered(&server.origin), "max_stale_s = 60", &server.authority);
    let live = live(text, QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &good)), "granted");
    for bad in ["<html>", "{\"keys\":[]}", "{\"keys\":[{}]}", ""] {
        *set.lock().unwrap() = bad.to_owned();
        let before = server.hits("/keys");
        server.wait_for_hits("/keys", before + 2);
        assert_eq!(slug(exchange(&live, &server.origin, &good)), "granted", "{bad}");
        within(2, "word of it", || problem(&live).starts_with("the key set cannot be used"));
    }
    // Whether a key exists cannot be known now: that is no reason to say that it does not.
    assert_eq!(slug(exchange(&live, &server.origin, &unknown)), "keys_unavailable");
}

#[test]
fn an_idp_that_goes_away_is_served_stale_then_503_and_comes_back() {
    let key = key();
    let (server, _) = changeable(&[&key]);
    let text = config(&discovered(&server.origin), "max_stale_s = 1", &server.authority);
    let live = live(text, QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    server.behave(|_| Answer::Gone);
    let gone = Instant::now();
    within(3, "staleness", || live.sources()[0].freshness == Freshness::Stale);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted", "stale keys count");
    within(5, "an end", || slug(exchange(&live, &server.origin, &key)) != "granted");
    assert!((1_000..3_000).contains(&gone.elapsed().as_millis()), "{:?}", gone.elapsed());
    let refused = exchange(&live, &server.origin, &key).unwrap_err();
    assert_eq!(
        (refused.slug(), refused.http_status(), refused.retry_after_s()),
        ("keys_unavailable", 503, Some(1))
    );
    assert_eq!(live.sources()[0].freshness, Freshness::Absent);
    let set = jwks([&key]);
    server.behave(idp(&server.origin, move |_| Answer::json(set.clone())));
    within(5, "its return", || slug(exchange(&live, &server.origin, &key)) == "granted");
    assert_eq!(live.sources()[0].last_error, None);
}

#[test]
fn an_idp_that_answers_too_late_is_waited_for_no_longer_than_its_keys_count() {
    let key = key();
    let (server, _) = changeable(&[&key]);
    let text = config(&discovered(&server.origin), "max_stale_s = 1", &server.authority);
    let live = live(text, QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    // Whoever goes there now hangs for longer than keys count.
    server.behave(|_| Answer::Silence);
    let hangs = Instant::now();
    within(6, "an end", || slug(exchange(&live, &server.origin, &key)) != "granted");
    assert!(hangs.elapsed() < Duration::from_millis(4_500), "{:?}", hangs.elapsed());
    assert_eq!(live.sources()[0].freshness, Freshness::Absent);
    let set = jwks([&key]);
    server.behave(idp(&server.origin, move |_| Answer::json(set.clone())));
    within(30, "its return", || slug(exchange(&live, &server.origin, &key)) == "granted");
}

#[test]
fn keys_that_end_while_they_are_fetched_come_back_with_the_answer() {
    let key = key();
    let server = Server::start(|_| Answer::Gone);
    let set = jwks([&key]);
    let pause = Arc::new(Mutex::new(Duration::ZERO));
    let shown = Arc::clone(&pause);
    server.behave(idp(&server.origin, move |asked| {
        let etag = vec![("etag", "\"v1\"".to_owned())];
        let answer = match asked.headers.get("if-none-match").map(String::as_str) {
            Some("\"v1\"") => Answer::Whole(304, etag, Vec::new()),
            _ => Answer::Whole(200, etag, set.clone().into_bytes()),
        };
        Answer::Late(*shown.lock().unwrap(), Box::new(answer))
    }));
    let text = config(&discovered(&server.origin), "max_stale_s = 1", &server.authority);
    let live = live(text, QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    *pause.lock().unwrap() = Duration::from_secs(4);
    within(6, "an end", || slug(exchange(&live, &server.origin, &key)) != "granted");
    within(6, "its return", || slug(exchange(&live, &server.origin, &key)) == "granted");
    assert_eq!(server.hits("/keys"), 2, "a 304 would have confirmed what is no longer there");
}

#[test]
fn a_reload_that_changes_what_may_be_used_of_a_set_fetches_it_anew() {
    let key = key();
    let server = idp_with(&[&key]);
    let with = |algorithms: &str| {
        config(
            &discovered(&server.origin)
                .replace("discover", &format!("algorithms = [{algorithms}]\ndiscover")),
            "",
            &server.authority,
        )
    };
    let live = live(with("\"EdDSA\", \"ES256\""), CALM, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    live.reload(with("\"EdDSA\"")).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted", "the same key, of the same set");
    assert_eq!(server.hits("/keys"), 2);
    live.reload(with("\"RS256\"")).unwrap();
    assert_ne!(slug(exchange(&live, &server.origin, &key)), "granted");
    live.reload(with("\"RS256\", \"EdDSA\"")).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
}

#[test]
fn a_restart_without_network_starts_with_the_last_good_keys() {
    let key = key();
    let folder = Folder::new("restart");
    let server = idp_with(&[&key]);
    let text = || config(&discovered(&server.origin), "cache = \"kept\"", &server.authority);
    {
        let live = live(text(), CALM, &folder.0);
        assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
        within(2, "the file", || {
            folder.0.join("kept").is_dir()
                && std::fs::read_dir(folder.0.join("kept"))
                    .unwrap()
                    .any(|file| file.unwrap().path().extension().is_some_and(|kind| kind == "json"))
        });
    }
    server.behave(|_| Answer::Gone);
    let live = live(text(), CALM, &folder.0);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    let [source] = &*live.sources() else { panic!("one source") };
    assert!(source.is_kept && source.freshness == Freshness::Fresh, "{source:?}");
    drop(live);
    // Of another place, or damaged: as if it were not there.
    let elsewhere =
        format!("[[idps]]\nissuer = \"{0}\"\njwks_uri = \"{0}/keys\"\nlocal = true\n", server.origin);
    let other = common::live(config(&elsewhere, "cache = \"kept\"", &server.authority), CALM, &folder.0);
    assert_eq!(slug(exchange(&other, &server.origin, &key)), "keys_unavailable");
    for file in std::fs::read_dir(folder.0.join("kept")).unwrap() {
        std::fs::write(file.unwrap().path(), "{\"version\":1").unwrap();
    }
    let damaged = common::live(text(), CALM, &folder.0);
    assert_eq!(slug(exchange(&damaged, &server.origin, &key)), "keys_unavailable");
}

#[test]
fn a_slow_idp_keeps_nobody_else_waiting() {
    let (fast_key, slow_key) = (key(), key());
    let slow: Vec<Server> = (0..8).map(|_| Server::start(|_| Answer::Silence)).collect();
    let fast = idp_with(&[&fast_key]);
    let idps: String = slow.iter().chain([&fast]).map(|server| discovered(&server.origin)).collect();
    let authorities: String = slow.iter().chain([&fast]).map(|server| server.authority.as_str()).collect();
    let live = live(config(&idps, "", &authorities), CALM, Path::new(""));
    thread::scope(|scope| {
        for server in &slow {
            let (live, slow_key) = (&live, &slow_key);
            scope.spawn(move || {
                let began = Instant::now();
                assert_eq!(slug(exchange(live, &server.origin, slow_key)), "keys_unavailable");
                assert!((1_900..3_500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
            });
        }
        let began = Instant::now();
        assert_eq!(slug(exchange(&live, &fast.origin, &fast_key)), "granted");
        while began.elapsed() < Duration::from_millis(1_800) {
            let one = Instant::now();
            assert_eq!(slug(exchange(&live, &fast.origin, &fast_key)), "granted");
            assert!(one.elapsed() < Duration::from_millis(500), "{:?} beside slow IdPs", one.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn a_crowd_before_a_slow_idp_leaves_others_room_to_wait() {
    const CROWD: usize = 300;
    let (fast_key, slow_key) = (key(), key());
    let slow = Server::start(|_| Answer::Silence);
    let fast = idp_with(&[]);
    let set = jwks([&fast_key]);
    // Cold, and not the fastest: its first request has to wait.
    fast.behave(idp(&fast.origin, move |_| {
        Answer::Late(Duration::from_millis(700), Box::new(Answer::json(set.clone())))
    }));
    let idps = format!("{}{}", discovered(&slow.origin), discovered(&fast.origin));
    let authorities = format!("{}{}", slow.authority, fast.authority);
    let live = live(config(&idps, "", &authorities), CALM, Path::new(""));
    let at_once = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let began = Instant::now();
                assert_eq!(slug(exchange(&live, &slow.origin, &slow_key)), "keys_unavailable");
                at_once.fetch_add(
                    usize::from(began.elapsed() < Duration::from_millis(1_500)),
                    Ordering::Relaxed,
                );
            });
        }
        thread::sleep(Duration::from_millis(300));
        assert_eq!(slug(exchange(&live, &fast.origin, &fast_key)), "granted");
    });
    assert!((CROWD - 64..CROWD).contains(&at_once.into_inner()), "64 wait for one owner");
}

#[test]
fn a_reload_fetches_what_is_new_and_forgets_what_is_gone() {
    let key = key();
    let (a, b) = (idp_with(&[&key]), idp_with(&[&key]));
    let authorities = format!("{}{}", a.authority, b.authority);
    let live = live(config(&discovered(&a.origin), "", &authorities), CALM, Path::new(""));
    assert_eq!(slug(exchange(&live, &a.origin, &key)), "granted");
    assert_eq!(slug(exchange(&live, &b.origin, &key)), "issuer_untrusted");
    live.reload(config(&format!("{}{}", discovered(&a.origin), discovered(&b.origin)), "", &authorities))
        .unwrap();
    assert_eq!(slug(exchange(&live, &b.origin, &key)), "granted");
    assert_eq!(slug(exchange(&live, &a.origin, &key)), "granted");
    assert_eq!(a.hits("/keys"), 1, "what stayed is not fetched again");
    live.reload(config(&discovered(&b.origin), "", &authorities)).unwrap();
    assert_eq!(slug(exchange(&live, &a.origin, &key)), "issuer_untrusted");
    assert_eq!(live.sources().len(), 1);
}

#[test]
fn a_reload_changes_how_things_are_fetched() {
    let key = key();
    let (server, other) = (idp_with(&[&key]), idp_with(&[]));
    let with = |fetch: &str, authority: &str| config(&discovered(&server.origin), fetch, authority);
    let live = live(with("", &other.authority), CALM, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "keys_unavailable");
    assert!(problem(&live).starts_with("TLS: "), "{}", problem(&live));
    // What failed is tried with the new authority, long before its time.
    live.reload(with("max_stale_s = 60", &server.authority)).unwrap();
    within(1, "the keys", || live.sources()[0].freshness == Freshness::Fresh);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");

    live.reload(with("enabled = false", &server.authority)).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "keys_unavailable", "nobody keeps them fresh");
    assert_eq!((live.sources().len(), server.hits("/keys")), (0, 1));
    live.put_jwks(&server.origin, jwks([&key]).as_bytes()).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted", "the host does");

    live.reload(with("", &server.authority)).unwrap();
    server.wait_for_hits("/keys", 2);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
}

#[test]
fn an_idp_that_is_no_longer_local_keeps_none_of_the_keys_from_there() {
    let key = key();
    let server = idp_with(&[&key]);
    let live = started(&server, CALM);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    let public = discovered(&server.origin).replace("local = true", "");
    live.reload(config(&public, "", &server.authority)).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "keys_unavailable");
    assert!(problem(&live).starts_with("127.0.0.1 is not a public address"), "{}", problem(&live));
}

#[test]
fn a_request_that_waits_holds_up_no_change() {
    const CHANGES: u32 = 20;
    let key = key();
    let server = Server::start(|_| Answer::Gone);
    let (is_asked, may_answer) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (asked, may, set) = (Arc::clone(&is_asked), Arc::clone(&may_answer), jwks([&key]));
    server.behave(idp(&server.origin, move |_| {
        asked.store(true, Ordering::Relaxed);
        within(2, "leave to answer", || may.load(Ordering::Relaxed));
        Answer::json(set.clone())
    }));
    let live = started(&server, CALM);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| slug(exchange(&live, &server.origin, &key)));
        within(2, "a request that waits", || is_asked.load(Ordering::Relaxed));
        let began = Instant::now();
        for _ in 0..CHANGES {
            live.put_directory(idjag::Directory::empty());
        }
        // Each would have waited for 50 ms.
        assert!(began.elapsed() < Duration::from_millis(25) * CHANGES, "{:?}", began.elapsed());
        may_answer.store(true, Ordering::Relaxed);
        assert_eq!(waiting.join().unwrap(), "granted");
    });
}

#[test]
fn a_batch_waits_for_keys_as_one_request_does() {
    let key = key();
    let server = idp_with(&[&key]);
    let live = started(&server, CALM);
    let assertions: Vec<_> = (0..200).map(|_| id_jag(&server.origin, &key)).collect();
    let requests: Vec<_> = assertions
        .iter()
        .map(|assertion| Request {
            assertion: assertion.as_bytes(),
            client_id: "agent",
            ..Request::default()
        })
        .collect();
    let answers = live.exchange_many(&requests);
    assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|answer| answer.is_err()));
    assert_eq!(server.hits("/keys"), 1);
}

#[test]
fn nothing_is_fetched_where_that_is_switched_off() {
    let key = key();
    let server = idp_with(&[&key]);
    let live =
        live(config(&discovered(&server.origin), "enabled = false", &server.authority), QUICK, Path::new(""));
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "keys_unavailable");
    live.put_jwks(&server.origin, jwks([&key]).as_bytes()).unwrap();
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    assert_eq!((live.sources().len(), server.hits("/.well-known/openid-configuration")), (0, 0));
}

#[test]
fn threads_end_with_the_engine() {
    let key = key();
    let server = idp_with(&[&key]);
    let live = started(&server, QUICK);
    assert_eq!(slug(exchange(&live, &server.origin, &key)), "granted");
    drop(live);
    thread::sleep(Duration::from_millis(100));
    let after = server.hits("/keys");
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(server.hits("/keys"), after);
}

/// A key of each second of the minute, published a minute ahead, and one that is taken out a minute later.
#[test]
#[ignore = "takes more than a minute: make test-net"]
fn rotating_every_second_for_a_minute_refuses_nobody() {
    const SECONDS: usize = 65;
    let keys: Vec<_> = (0..SECONDS + 61).map(|_| key()).collect();
    let server = Server::start(|_| Answer::Gone);
    let began = Instant::now();
    let second = move || usize::try_from(began.elapsed().as_secs()).unwrap();
    let shown = keys.clone();
    server.behave(idp(&server.origin, move |_| {
        let now = second();
        Answer::json(jwks(&shown[now.saturating_sub(5)..(now + 60).min(shown.len())]))
    }));
    let live = started(&server, Pace::default());
    let (done, granted) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = exchange(&live, &server.origin, &keys[second()]);
                    assert_eq!(slug(answer), "granted", "in second {}", second());
                    granted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            let unknown = key();
            while !done.load(Ordering::Relaxed) {
                assert_ne!(slug(exchange(&live, &server.origin, &unknown)), "granted");
                thread::sleep(Duration::from_millis(10));
            }
        });
        thread::sleep(Duration::from_secs(SECONDS as u64));
        done.store(true, Ordering::Relaxed);
    });
    let granted = granted.into_inner();
    assert!(granted > 10_000, "{granted}");
    assert!(server.hits("/keys") <= 1 + SECONDS / 30 + 1, "{} fetches", server.hits("/keys"));
}
