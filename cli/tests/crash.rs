//! A server that is killed, or whose disk fails, at any moment: no token without its line, no assertion good for two tokens,
//! and a record that verifies each time.
//!
//! `IDJAG_KILLS` says how often it is killed. What needs strace runs with `make test-long`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod command;

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use command::{Place, idjag};
use serde_json::Value;

const PEOPLE: &str = "60";

/// A company whose server keeps a record.
fn company(name: &str) -> Place {
    let place = Place::new(name);
    idjag(&["wave", "--people", PEOPLE, "--hostile", "0", "--record", place.dir()]).fine();
    let config = place.read("idjag.toml");
    let line = config.lines().find(|line| line.starts_with("audit = ")).unwrap();
    place.write("idjag.toml", &config.replace(line, "audit = { path = \"audit\" }"));
    place
}

/// Runs all requests through a server, which `disturb` may end before it is done. The `jti`s of the tokens that came out of
/// it, and how many requests were answered with 503.
fn serve(place: &Place, through: &[&str], disturb: Option<Duration>) -> (Vec<String>, usize) {
    let (config, requests) = (place.path("idjag.toml"), place.path("requests.jsonl"));
    let served = ["exchange", "--config", &config, "--requests", &requests];
    let mut words = through.to_vec();
    words.push(env!("CARGO_BIN_EXE_idjag"));
    words.extend(served);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    if let Some(after) = disturb {
        std::thread::sleep(after);
        child.kill().unwrap();
    }
    child.wait().unwrap();
    let text = reader.join().unwrap();
    // The last line may be half a line: nobody received that token.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let answers: Vec<Value> = whole.map(|line| serde_json::from_str(line).unwrap()).collect();
    let tokens = answers.iter().filter_map(|answer| answer["access_token"].as_str());
    let unavailable = answers.iter().filter(|answer| answer["status"] == 503).count();
    (tokens.map(jti).collect(), unavailable)
}

fn jti(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
}

/// The record verifies; what it says was granted: the tokens, and the assertions.
fn granted(place: &Place) -> (BTreeSet<String>, Vec<String>) {
    let dir = place.path("audit");
    let verified = idjag(&["audit", "verify", &dir]);
    assert_eq!(verified.status, 0, "{}{}", verified.out, verified.err);
    let lines = idjag(&["audit", "query", &dir, "--decision", "allow"]).json_lines();
    let texts =
        |member: &str| lines.iter().map(|line| line[member].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    (texts("token_jti").into_iter().collect(), texts("jti_hash"))
}

/// What holds whatever happened: every token has its line, and every assertion was granted once.
fn nothing_lost_nothing_twice(place: &Place, tokens: &[String], what: &str) {
    let (recorded, mut assertions) = granted(place);
    let missing: Vec<_> = tokens.iter().filter(|token| !recorded.contains(*token)).collect();
    assert!(missing.is_empty(), "{what}: {} of {} tokens have no line", missing.len(), tokens.len());
    let all = assertions.len();
    assert_eq!(recorded.len(), all, "{what}: a token was recorded twice");
    assertions.sort();
    assertions.dedup();
    assert_eq!(assertions.len(), all, "{what}: an assertion was granted twice");
}

#[test]
fn a_server_that_is_killed_under_load_has_lost_nothing_and_grants_nothing_twice() {
    let kills: u32 = std::env::var("IDJAG_KILLS").map_or(20, |kills| kills.parse().unwrap());
    // Moments that are spread, and the same in each run.
    let mut moment = 7_u64;
    let mut done = 0;
    while done < kills {
        let place = company(&format!("killed-{done}"));
        let mut tokens = Vec::new();
        for _ in 0..10.min(kills - done) {
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let after = Duration::from_micros(3_000 + (moment >> 33) % 60_000);
            tokens.extend(serve(&place, &[], Some(after)).0);
            done += 1;
            if std::path::Path::new(&place.path("audit/vkey")).exists() {
                nothing_lost_nothing_twice(&place, &tokens, &format!("kill {done}"));
            }
        }
        // Whoever is left gets a token now; nobody a second one.
        tokens.extend(serve(&place, &[], None).0);
        nothing_lost_nothing_twice(&place, &tokens, "at the end");
        let everybody = place.read("requests.jsonl").lines().count();
        assert_eq!(granted(&place).0.len(), everybody);
    }
}

/// Each system call of the record fails, or is the last one of the process, at one moment after the other.
#[test]
#[ignore = "needs strace: `make test-long`"]
fn a_disk_that_fails_at_any_call_costs_answers_and_nothing_else() {
    let place = company("faults");
    let mut count = 0;
    for (call, moments) in [("pwrite64", 12), ("fdatasync", 12), ("fsync", 8), ("rename", 4), ("openat", 40)]
    {
        for fault in ["error=EIO", "error=ENOSPC", "signal=KILL"] {
            for moment in (1..=moments).step_by(if call == "openat" { 3 } else { 1 }) {
                let _ = std::fs::remove_dir_all(place.path("audit"));
                let what = format!("{call}:{fault}:when={moment}");
                let inject = format!("inject={what}");
                let through = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
                let (tokens, _) = serve(&place, &through, None);
                if std::path::Path::new(&place.path("audit/vkey")).exists() {
                    let again = serve(&place, &[], None).0;
                    let all = [tokens, again].concat();
                    nothing_lost_nothing_twice(&place, &all, &what);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 60, "{count} faults: the injection does nothing");
}
