//! A host that makes the GETs, or puts keys that it got otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{
    Answer as Served, QUICK, config, discovered, exchange, idp_with, jwks, key, metadata, slug, within,
};
use idjag::Exchange;
use idjag_fetch::{Answer, Fetcher, Freshness, Get, Live, Pace, Wanted};

const IDP: &str = "https://idp.example";

/// Serves metadata and keys of `IDP`, with an `ETag`.
#[derive(Default)]
struct Host {
    keys: Mutex<String>,
    asked: AtomicUsize,
    unchanged: AtomicUsize,
    /// It takes its time, and is in the middle of it.
    is_slow: AtomicBool,
    inside: AtomicBool,
    fails: AtomicBool,
}

impl Get for Host {
    fn get(&self, wanted: &Wanted<'_>) -> Option<Answer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!wanted.local);
        if self.is_slow.load(Ordering::SeqCst) {
            self.inside.store(true, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(200));
            self.inside.store(false, Ordering::SeqCst);
        }
        if self.fails.load(Ordering::SeqCst) {
            return None;
        }
        let body = match wanted.url.strip_prefix(IDP)? {
            "/.well-known/openid-configuration" => metadata(IDP),
            "/keys" => self.keys.lock().unwrap().clone(),
            other => panic!("{other}"),
        };
        let etag = format!("\"{}\"", body.len());
        if wanted.etag == Some(&*etag) {
            self.unchanged.fetch_add(1, Ordering::SeqCst);
            return Some(Answer { status: 304, ..Answer::default() });
        }
        Some(Answer { status: 200, headers: vec![("ETag".to_owned(), etag)], body: body.into_bytes() })
    }
}

fn live(host: &Arc<Host>, pace: Pace) -> Live {
    let idps = format!("[[idps]]\nissuer = \"{IDP}\"\ndiscover = true\n");
    let builder = Exchange::builder(config(&idps, "", ""));
    let fetcher = Fetcher::by_host(Arc::<Host>::clone(host), builder.fetch_settings(), Path::new(""), pace);
    Live::with(builder, fetcher).unwrap()
}

#[test]
fn a_host_makes_the_gets_and_the_rest_is_as_ever() {
    let (first, second) = (key(), key());
    let host = Arc::new(Host::default());
    *host.keys.lock().unwrap() = jwks([&first]);
    let live = live(&host, QUICK);
    assert_eq!(slug(exchange(&live, IDP, &first)), "granted");
    let [source] = &live.sources()[..] else { panic!("one source") };
    assert_eq!(
        (source.freshness, source.uri.as_deref()),
        (Freshness::Fresh, Some("https://idp.example/keys"))
    );
    within(5, "what has not changed", || host.unchanged.load(Ordering::SeqCst) > 1);
    *host.keys.lock().unwrap() = jwks([&first, &second]);
    within(5, "the new key", || exchange(&live, IDP, &second).is_ok());
}

#[test]
fn what_the_host_puts_counts_as_fetched_and_what_is_fetched_later_takes_its_place() {
    let (first, put) = (key(), key());
    let host = Arc::new(Host::default());
    host.fails.store(true, Ordering::SeqCst);
    *host.keys.lock().unwrap() = jwks([&first]);
    let live = live(&host, Pace { interval_ms: 60_000, ..Pace::default() });
    assert_eq!(slug(exchange(&live, IDP, &put)), "keys_unavailable");
    live.put_jwks(IDP, jwks([&put]).as_bytes()).unwrap();
    assert_eq!(slug(exchange(&live, IDP, &put)), "granted");
    let [source] = &live.sources()[..] else { panic!("one source") };
    assert_eq!((source.freshness, source.failures, &source.last_error), (Freshness::Fresh, 0, &None));
    assert!(live.put_jwks(IDP, b"{}").is_err() && live.put_jwks("https://other.example", b"{}").is_err());
    drop(live);

    // What was fetched before is put again, although it is the same as before.
    host.fails.store(false, Ordering::SeqCst);
    let live = self::live(&host, QUICK);
    assert_eq!(slug(exchange(&live, IDP, &first)), "granted");
    live.put_jwks(IDP, jwks([&put]).as_bytes()).unwrap();
    within(5, "the keys of the IdP", || exchange(&live, IDP, &first).is_ok());
    assert_eq!(slug(exchange(&live, IDP, &put)), "kid_unknown");
}

#[test]
fn when_it_has_ended_no_host_is_asked_and_the_engine_is_gone() {
    let host = Arc::new(Host::default());
    host.is_slow.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let live = live(&host, QUICK);
        within(5, "a host that is asked", || host.inside.load(Ordering::SeqCst));
        let engine = Arc::downgrade(live.exchange());
        drop(live);
        assert!(!host.inside.load(Ordering::SeqCst) && engine.upgrade().is_none());
        let asked = host.asked.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(host.asked.load(Ordering::SeqCst), asked);
    }
    // A fetch of our own is not waited for, and finds nobody.
    let served = idp_with(&[&key()]);
    served.behave(|_| Served::Late(Duration::from_millis(300), Box::new(Served::status(200))));
    let live = common::live(config(&discovered(&served.origin), "", &served.authority), QUICK, Path::new(""));
    served.wait_for_hits("/.well-known/openid-configuration", 1);
    let engine = Arc::downgrade(live.exchange());
    drop(live);
    assert!(engine.upgrade().is_none());
}
