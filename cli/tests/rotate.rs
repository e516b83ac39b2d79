//! `idjag keys rotate` while requests run: no exchange and no token is refused on the way.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "the helpers of a test")]

mod command;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;

use command::{Place, idjag};
use idjag::{Config, Exchange, IdJag, IdJagMinter, Request, SigningKey};

const START: i64 = 1_784_527_300;
const RESOURCE: &str = "https://mcp.chat.example/";

fn load(place: &Place) -> Config {
    let read =
        &mut |path: &str| std::fs::read(Path::new(place.dir()).join(path)).map_err(|why| why.to_string());
    Config::parse("idjag.toml", &place.read("idjag.toml"), read).unwrap()
}

fn rotate(place: &Place, now: i64) -> (i32, String) {
    let (config, now) = (place.path("idjag.toml"), now.to_string());
    let ran =
        idjag(&["keys", "rotate", "--config", &config, "--now", &now, "--ahead", "600", "--late", "900"]);
    assert_eq!(ran.err, "", "{}", ran.out);
    (ran.status, ran.out)
}

/// The encoded header, which names the key.
fn kid_of(token: &str) -> &str {
    token.split('.').next().unwrap()
}

#[test]
fn nobody_is_refused_while_our_keys_rotate() {
    let place = Place::new("rotate");
    idjag(&["init", place.dir()]).fine();
    let idp_key = std::fs::read_dir(place.path("keys"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().contains("idp"))
        .unwrap();
    let idp_key = Arc::new(SigningKey::from_jwk(&std::fs::read(idp_key).unwrap()).unwrap());
    let now = Arc::new(AtomicI64::new(START));
    let clock = Arc::clone(&now);
    let engine = Exchange::builder(load(&place))
        .clock(move || clock.load(Ordering::Relaxed))
        .remembers_since(0)
        .build()
        .unwrap();
    let (done, exchanged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let tokens: Mutex<Vec<(i64, String)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let idp = IdJagMinter::new("https://acme.idp.example", Arc::clone(&idp_key));
                while !done.load(Ordering::Relaxed) {
                    let issued_at = now.load(Ordering::Relaxed);
                    let id_jag = IdJag {
                        audience: "https://auth.chat.example/",
                        client_id: "agent",
                        subject: "ada",
                        resource: Some(RESOURCE),
                        groups: &["eng"],
                        issued_at,
                        lifetime_s: 300,
                        ..IdJag::default()
                    };
                    let assertion = idp.mint(&id_jag).unwrap();
                    let request =
                        Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
                    match engine.exchange(&request) {
                        Ok(issued) => {
                            exchanged.fetch_add(1, Ordering::Relaxed);
                            tokens
                                .lock()
                                .unwrap()
                                .push((issued_at + 3_600, issued.access_token().to_owned()));
                        }
                        // The clock is set forward by more than an assertion lives.
                        Err(refusal) => assert_eq!(refusal.slug(), "expired"),
                    }
                    let one = {
                        let tokens = tokens.lock().unwrap();
                        tokens.get(exchanged.load(Ordering::Relaxed) / 2).cloned()
                    };
                    if let Some((expires, token)) = one {
                        let verified = engine.verify(token.as_bytes(), RESOURCE);
                        assert!(verified.is_ok() || expires <= now.load(Ordering::Relaxed), "{verified:?}");
                    }
                }
            });
        }
        let some_more = || {
            let before = exchanged.load(Ordering::Relaxed);
            while exchanged.load(Ordering::Relaxed) < before + 200 {
                thread::yield_now();
            }
        };
        // `late`: so many seconds pass before the server reads the configuration again.
        let late_step = |at: i64, late: i64, status: i32, keys: usize, said: &str| {
            now.store(START + at, Ordering::Relaxed);
            let (found, out) = rotate(&place, START + at);
            assert_eq!(found, status, "{at}: {out}");
            assert!(out.contains(said), "{at}: {out}");
            if late > 0 {
                now.store(START + at + late, Ordering::Relaxed);
                some_more();
            }
            engine.reload(load(&place)).unwrap();
            assert_eq!(engine.jwks().matches("\"kid\"").count(), keys, "{at}");
            some_more();
        };
        let step = |at, status, keys, said: &str| late_step(at, 0, status, keys, said);
        step(0, 0, 2, "is published, and signs in 600 s");
        step(599, 1, 2, "nothing is due: the new key signs");
        late_step(600, 899, 0, 2, "stays published for 4530 s");
        // Signed by the key before, 899 s after the new one was to sign: it counts to its end.
        let (expires, last) = {
            let tokens = tokens.lock().unwrap();
            let last = tokens.iter().rfind(|(expires, token)| {
                *expires == START + 600 + 899 + 3_600 && kid_of(token) == kid_of(&tokens[0].1)
            });
            last.unwrap().clone()
        };
        step(expires - START - 9, 1, 2, "nothing is due: the key before retires");
        engine.verify(last.as_bytes(), RESOURCE).unwrap();
        step(5_129, 1, 2, "nothing is due: the key before retires");
        step(5_130, 0, 1, "is no longer in use");
        step(5_131, 1, 1, "nothing is due: a new key is made");
        done.store(true, Ordering::Relaxed);
    });
    assert!(exchanged.into_inner() > 1_000);
}
