//! Claims in a second, by processes that share a store: `cargo bench -p idjag-stores --bench claims`.
//!
//! Each process claims new keys for six minutes, one after the other or 64 at a time, for three seconds. The file lies under
//! `target/`; Redis is started on a socket there, where there is a `redis-server`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use idjag::{Claim, Claimed, Clock, ReplayKey, ReplayStore, SystemClock};

const SECONDS: u64 = 3;
const BATCH: usize = 64;
const MAX_BYTES: u64 = 512 << 20;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [what, place, batch, number, start_ms] = arguments.as_slice() {
        let claims = work(what, Path::new(place), batch.parse().unwrap(), number.parse().unwrap(), start_ms);
        println!("{claims}");
        return;
    }
    println!("claims a second, all processes together\n");
    println!("{:24}{:>12}{:>14}", "", "one by one", "64 at a time");
    for what in ["file", "redis"] {
        for processes in [1, 2] {
            let rates: Vec<String> = [1, BATCH]
                .into_iter()
                .map(|batch| {
                    run(what, processes, batch).map_or_else(|| "-".to_owned(), |rate| rate.to_string())
                })
                .collect();
            let whose = format!("{what}, {processes} process{}", if processes == 1 { "" } else { "es" });
            println!("{whose:24}{:>12}{:>14}", rates.first().unwrap(), rates.last().unwrap());
        }
    }
}

/// The rate of so many processes over a store of their own.
fn run(what: &str, processes: u64, batch: usize) -> Option<u64> {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("claims-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let server = if what == "redis" { Some(Server::start(&place)?) } else { None };
    let start = SystemTime::UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(1);
    let workers: Vec<Child> = (0..processes)
        .map(|number| {
            Command::new(env::current_exe().unwrap())
                .arg(what)
                .arg(&place)
                .args([batch.to_string(), number.to_string(), start.as_millis().to_string()])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let claims: u64 = workers
        .into_iter()
        .map(|worker| {
            let said = worker.wait_with_output().unwrap();
            String::from_utf8(said.stdout).unwrap().trim().parse::<u64>().unwrap()
        })
        .sum();
    drop(server);
    fs::remove_dir_all(&place).unwrap();
    Some(claims / SECONDS)
}

/// What one process does: as many claims as it can.
fn work(what: &str, place: &Path, batch: usize, number: u64, start_ms: &str) -> u64 {
    let now = SystemClock.now();
    let store: Box<dyn ReplayStore> = if what == "file" {
        Box::new(idjag_stores::FileReplay::open(&place.join("file"), MAX_BYTES, now).unwrap())
    } else {
        let settings =
            idjag_stores::Settings::new(format!("unix://{}", place.join("redis.sock").display()), "bench:");
        Box::new(idjag_stores::RedisReplay::open(&settings, now).unwrap())
    };
    let start = Duration::from_millis(start_ms.parse().unwrap());
    thread::sleep(start.saturating_sub(SystemTime::UNIX_EPOCH.elapsed().unwrap()));
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let (mut claimed, mut next) = (0, number << 48);
    let mut out = vec![Claimed::Unavailable; batch];
    while Instant::now() < end {
        let now = SystemClock.now();
        let claims: Vec<Claim> = (0..batch)
            .map(|_| {
                next += 1;
                Claim { key: key(next), expires_at: now + 360 }
            })
            .collect();
        store.claim(&claims, now, &mut out);
        assert!(out.iter().all(|answer| *answer == Claimed::First), "a new key is first: {out:?}");
        claimed += batch as u64;
    }
    claimed
}

/// Spread over the whole space without an order, as hashes are.
fn key(number: u64) -> ReplayKey {
    let mut mixed =
        u128::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    mixed = (mixed ^ (mixed >> 61)).wrapping_mul(0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 59;
    ReplayKey::from_bytes(mixed.to_be_bytes())
}

/// Ended by its id.
struct Server(Child);

impl Server {
    fn start(place: &Path) -> Option<Self> {
        let socket = place.join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(place)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self(server);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
