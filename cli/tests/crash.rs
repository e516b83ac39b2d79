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

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use command::{Place, idjag};
use idjag::{Clock, Config, Exchange, Request, SystemClock};
use serde_json::{Value, json};

/// Where a server that is killed finds its configuration.
const SERVED: &str = "IDJAG_SERVED";
/// Requests that it has on its hands at once.
const THREADS: usize = 4;

/// A company of so many people whose server keeps a record.
fn company(name: &str, people: &str) -> Place {
    let place = Place::new(name);
    idjag(&["wave", "--people", people, "--hostile", "0", "--record", place.dir()]).fine();
    let config = place.read("idjag.toml");
    let line = config.lines().find(|line| line.starts_with("audit = ")).unwrap();
    place.write("idjag.toml", &config.replace(line, "audit = { path = \"audit\" }"));
    place
}

/// The server that is killed: this very program, started again by [`under_load`].
#[test]
#[ignore = "other tests start it"]
fn served() {
    let Some(folder) = std::env::var_os(SERVED) else { return };
    let folder = Path::new(&folder);
    let read = &mut |name: &str| std::fs::read(folder.join(name)).map_err(|error| error.to_string());
    let text = String::from_utf8(read("idjag.toml").unwrap()).unwrap();
    let config = Config::parse("idjag.toml", &text, read).unwrap();
    let record = idjag_log::open(&config, folder, SystemClock.now()).unwrap().unwrap();
    let exchange = record.give(Exchange::builder(config)).build().unwrap();
    let requests = String::from_utf8(read("requests.jsonl").unwrap()).unwrap();
    let requests: Vec<Value> = requests.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let next = AtomicUsize::new(0);
    // What the test harness began to say ends here.
    std::io::stdout().write_all(b"\n").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(line) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let assertion = line["assertion"].as_str().unwrap().as_bytes();
                    let client_id = line["client_id"].as_str().unwrap();
                    let answer =
                        match exchange.exchange(&Request { assertion, client_id, ..Request::default() }) {
                            Ok(issued) => json!({"access_token": issued.access_token()}),
                            Err(refusal) => json!({"slug": refusal.slug()}),
                        };
                    let mut out = std::io::stdout().lock();
                    out.write_all(format!("{answer}\n").as_bytes()).unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

/// When a server is killed: so many tokens have come out of it, and so much time has passed since.
#[derive(Clone, Copy)]
struct Moment {
    tokens: u64,
    wait: Duration,
}

/// Runs all requests through the server that answers several at once, and kills it at a moment, if it is to be killed.
/// The `jti`s of the tokens that came out of it.
fn under_load(place: &Place, killed: Option<Moment>) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "served", "--include-ignored", "--nocapture"]).env(SERVED, place.dir());
    tokens(command, killed)
}

/// Runs all requests through `idjag exchange`, one after the other, itself run by `through`.
fn one_by_one(place: &Place, through: &[&str]) -> Vec<String> {
    let (config, requests) = (place.path("idjag.toml"), place.path("requests.jsonl"));
    let words = [through, &[env!("CARGO_BIN_EXE_idjag"), "exchange"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--config", &config, "--requests", &requests]);
    tokens(command, None)
}

/// Runs a server, and kills it at a moment, if it is to be killed. The `jti`s of the tokens that came out of it.
fn tokens(mut command: Command, killed: Option<Moment>) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (came, comes) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut text, mut start) = (String::new(), 0);
        while out.read_line(&mut text).unwrap() > 0 {
            if text.get(start..).unwrap().contains("access_token") {
                // Nobody listens any more once the server was killed.
                let _ = came.send(());
            }
            start = text.len();
        }
        text
    });
    if let Some(Moment { tokens, wait }) = killed {
        // Fewer come where it ends before.
        for _ in 0..tokens {
            if comes.recv().is_err() {
                break;
            }
        }
        std::thread::sleep(wait);
        child.kill().unwrap();
    }
    child.wait().unwrap();
    let text = reader.join().unwrap();
    // The last line may be half a line: nobody received that token.
    let whole = text.split_inclusive('\n').filter(|line| line.starts_with('{') && line.ends_with('\n'));
    let answers = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
    answers.filter_map(|answer| answer["access_token"].as_str().map(jti)).collect()
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
    /// Servers that are killed before everybody has a token and the next company comes.
    const EACH: u32 = 10;
    let kills: u32 = std::env::var("IDJAG_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let began = Instant::now();
    // Moments that are spread, and the same in each run.
    let mut moment = 7_u64;
    let (mut done, mut midway, mut issued) = (0, 0, 0);
    while done < kills {
        let place = company(&format!("killed-{done}"), "150");
        let everybody = place.read("requests.jsonl").lines().count();
        let mut all = Vec::new();
        for _ in 0..EACH.min(kills - done) {
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // One in four while it starts, the others among the tokens of this server's share.
            let drawn = moment >> 33;
            let share = everybody as u64 / u64::from(EACH);
            let (tokens, most) =
                if drawn.is_multiple_of(4) { (0, 50_000) } else { (drawn % share + 1, 3_000) };
            let wait = Duration::from_micros((drawn >> 8) % most);
            let before = all.len();
            all.extend(under_load(&place, Some(Moment { tokens, wait })));
            done += 1;
            midway += u32::from(all.len() > before && all.len() < everybody);
            if Path::new(&place.path("audit/vkey")).exists() {
                nothing_lost_nothing_twice(&place, &all, &format!("kill {done}"));
            }
        }
        // Whoever is left gets a token now; nobody a second one.
        all.extend(under_load(&place, None));
        nothing_lost_nothing_twice(&place, &all, "at the end");
        assert_eq!(granted(&place).0.len(), everybody);
        issued += all.len();
    }
    println!(
        "{kills} kills, {midway} of them while tokens were handed out; {issued} tokens, each with its line; {} s",
        began.elapsed().as_secs()
    );
    assert!(midway > kills / 4, "{midway} of {kills}: they come too early or too late");
}

/// The system calls of a record that can fail, or be the last one.
const CALLS: [&str; 8] =
    ["openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate", "unlink"];

/// How often each of [`CALLS`] is made by one thread of a server, at most.
fn counted(place: &Place) -> BTreeMap<&'static str, usize> {
    let log = place.path("calls");
    let calls = format!("trace={}", CALLS.join(","));
    one_by_one(place, &["strace", "-f", "-qq", "-o", &log, "-e", &calls]);
    let mut counts = BTreeMap::<(&str, &'static str), usize>::new();
    let text = place.read("calls");
    for (thread, call) in text.lines().filter_map(|line| line.split_once(' ')) {
        let called = call.trim_start().split('(').next().unwrap();
        if let Some(call) = CALLS.iter().find(|call| **call == called) {
            *counts.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in counts {
        let entry = most.entry(call).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

/// Each system call of a record fails, or is the last one of the process: of a record that begins, and of one that goes on
/// where another process was killed.
#[test]
#[ignore = "needs strace: `make test-long`"]
fn a_disk_that_fails_at_any_call_costs_answers_and_nothing_else() {
    let began = Instant::now();
    let place = company("faults", "2");
    // As processes leave it that are killed: lines behind the last checkpoint in two segments, and half a line.
    let requests = place.read("requests.jsonl");
    for count in [4, 8] {
        let first: String = requests.split_inclusive('\n').take(count).collect();
        place.write("requests.jsonl", &first);
        under_load(&place, None);
    }
    place.write("requests.jsonl", &requests);
    let torn = std::fs::read_dir(place.path("audit/0")).unwrap().map(|entry| entry.unwrap().path());
    let torn = torn.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).max().unwrap();
    std::fs::OpenOptions::new().append(true).open(torn).unwrap().write_all(b"{\"seq\":").unwrap();
    std::fs::write(place.path("audit/0/checkpoints"), "").unwrap();
    std::fs::rename(place.path("audit"), place.path("left")).unwrap();
    let mut faults = BTreeMap::<&str, usize>::new();
    for goes_on in [false, true] {
        let lay_out = || {
            let _ = std::fs::remove_dir_all(place.path("audit"));
            if goes_on {
                copy(Path::new(&place.path("left")), Path::new(&place.path("audit")));
            }
        };
        lay_out();
        let calls = counted(&place);
        println!("{}: {calls:?}", if goes_on { "goes on" } else { "begins" });
        for (call, moments) in calls {
            for fault in ["error=EIO", "error=ENOSPC", "signal=KILL"] {
                for moment in 1..=moments {
                    lay_out();
                    let what = format!("{call}:{fault}:when={moment}");
                    let inject = format!("inject={what}");
                    let through = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
                    let mut all = one_by_one(&place, &through);
                    if Path::new(&place.path("audit/vkey")).exists() {
                        all.extend(one_by_one(&place, &[]));
                        nothing_lost_nothing_twice(&place, &all, &what);
                        *faults.entry(call).or_default() += 1;
                    }
                }
            }
        }
    }
    println!("faults by call: {faults:?}; {} s", began.elapsed().as_secs());
    for call in CALLS {
        assert!(faults.get(call).is_some_and(|count| *count > 5), "{call}: {faults:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
