//! Redis, started by these tests on a socket of its own: one token for one assertion, also where the server dies, is started
//! anew, or loses what it had.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of a test")]

mod shared;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use idjag::{Claim, Claimed, Clock, ReplayStore, SystemClock};
use idjag_stores::{RedisReplay, Settings};
use shared::{Place, World, assert_single, claim, key, tally, within};

/// What the tests here run in processes of their own.
#[test]
#[ignore = "run by the other tests, in processes of their own"]
fn presenter() {
    shared::present();
}

/// A server, ended by its id.
struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn start(folder: &Path, settings: &[&str]) -> Self {
        let socket = folder.join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .args(settings)
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| panic!("redis-server cannot be started ({why}): run 'make deps'"));
        let server = Self { child, socket };
        within(Duration::from_secs(20), || server.ping().is_some());
        server
    }

    /// Any answer will do, such as that it wants a password, but that it is not yet there.
    fn ping(&self) -> Option<()> {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).ok()?;
        (&answer != b"-LOAD").then_some(())
    }

    fn ask(&self, command: &str) {
        let client = redis::Client::open(self.url()).unwrap();
        redis::cmd(command).exec(&mut client.get_connection().unwrap()).unwrap();
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// As the kernel ends it: nothing is written or said.
    fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn now() -> i64 {
    SystemClock.now()
}

fn open(server: &Server) -> RedisReplay {
    RedisReplay::open(&Settings::new(server.url(), "test:"), now()).unwrap()
}

/// A claim of a key for a minute.
fn claim_now(store: &RedisReplay, number: u64) -> Claimed {
    claim(store, key(number), now() + 60, now())
}

/// A world whose `[replay]` names a server in its folder.
fn world(name: &str, assertions: usize, age_s: i64) -> World {
    let world = World::new(name, "store = \"redis\"\nurl = \"unix:///SOCKET\"", assertions, age_s);
    let config = world.place.path().join("idjag.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let socket = world.place.path().join("redis.sock");
    std::fs::write(&config, text.replace("/SOCKET", &socket.display().to_string())).unwrap();
    world
}

#[test]
fn eight_processes_of_four_threads_get_one_token_for_each_assertion() {
    const ASSERTIONS: usize = 10_000;
    let world = world("many", ASSERTIONS, 0);
    let _server = Server::start(world.place.path(), &[]);
    let mut presenters: Vec<_> = (0..8).map(|name| world.presenter(&name.to_string(), 4)).collect();
    world.go(&mut presenters);
    presenters.iter_mut().for_each(shared::Presenter::wait);
    let (slugs, granted) = tally(&presenters);
    assert_single(&granted);
    assert_eq!(granted.len(), ASSERTIONS, "{slugs:?}");
    assert_eq!((slugs["granted"], slugs["replayed"]), (ASSERTIONS, 31 * ASSERTIONS), "{slugs:?}");
}

#[test]
fn a_server_that_dies_and_one_that_begins_anew_grant_nothing_twice() {
    const ASSERTIONS: usize = 4_000;
    for anew in [false, true] {
        // Older than the leeway: a memory that begins anew refuses them.
        let world = world("dies", ASSERTIONS, 60);
        let server = Server::start(world.place.path(), &[]);
        // Somebody used the server before they were issued.
        RedisReplay::open(&Settings::new(server.url(), "idjag:https://auth.chat.example/:"), 0).unwrap();
        let mut presenters: Vec<_> = (0..4).map(|name| world.presenter(&name.to_string(), 2)).collect();
        world.go(&mut presenters);
        thread::sleep(Duration::from_millis(80));
        server.kill();
        let server = anew.then(|| Server::start(world.place.path(), &[]));
        let mut late = world.presenter("late", 2);
        presenters.iter_mut().for_each(shared::Presenter::wait);
        late.wait();
        presenters.push(late);
        let (slugs, granted) = tally(&presenters);
        assert_single(&granted);
        assert!((1..ASSERTIONS).contains(&granted.len()), "{slugs:?}");
        let refused = slugs.get("issued_before_start").copied().unwrap_or(0);
        assert_eq!(refused >= 2 * ASSERTIONS, anew, "{slugs:?}");
        drop(server);
    }
}

#[test]
fn what_one_claims_the_other_has_seen_up_to_and_with_the_last_second() {
    let place = Place::new("redis-boundary");
    let server = Server::start(place.path(), &[]);
    let (one, other) = (open(&server), open(&server));
    assert_eq!(one.remembers_since(), other.remembers_since());
    assert_eq!(one.seen(&key(1), now()), Claimed::First);
    assert_eq!(claim_now(&one, 1), Claimed::First);
    assert_eq!(claim_now(&other, 1), Claimed::Seen);
    assert_eq!(other.seen(&key(1), now()), Claimed::Seen);
    let elsewhere = RedisReplay::open(&Settings::new(server.url(), "elsewhere:"), now()).unwrap();
    assert_eq!(claim_now(&elsewhere, 1), Claimed::First, "another prefix is another memory");
    // `exp == now`, and what is past: they hold for the second of the claim, and then no longer.
    for expires_at in [now(), 7] {
        let key = key(expires_at.unsigned_abs());
        assert_eq!(claim(&one, key, expires_at, now()), Claimed::First);
        assert_eq!(claim(&other, key, expires_at, now()), Claimed::Seen);
    }
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(claim(&one, key(7), now(), now()), Claimed::First);
    assert!(one.stats().entries >= 3 && one.stats().bytes > 0);
}

#[test]
fn the_lowest_index_wins_within_a_call_however_long() {
    let place = Place::new("redis-lowest");
    let server = Server::start(place.path(), &[]);
    let store = open(&server);
    let claims: Vec<_> =
        (0..2_000).map(|at| Claim { key: key(at % 1_000), expires_at: now() + 60 }).collect();
    let mut out = vec![Claimed::Unavailable; claims.len()];
    store.claim(&claims, now(), &mut out);
    assert!(out[..1_000].iter().all(|claimed| *claimed == Claimed::First));
    assert!(out[1_000..].iter().all(|claimed| *claimed == Claimed::Seen));
    store.claim(&[], now(), &mut []);
}

#[test]
fn data_that_was_flushed_counts_for_nothing_and_memory_begins_anew() {
    let place = Place::new("redis-flushed");
    let server = Server::start(place.path(), &[]);
    let store = RedisReplay::open(&Settings::new(server.url(), "test:"), 100).unwrap();
    assert_eq!(store.remembers_since(), Some(100));
    assert_eq!(claim(&store, key(1), 1_000, 200), Claimed::First);
    server.ask("FLUSHALL");
    assert_eq!(claim(&store, key(1), 1_000, 300), Claimed::Unavailable, "it may have been claimed");
    assert_eq!(claim(&store, key(2), 1_000, 301), Claimed::First);
    assert_eq!(store.remembers_since(), Some(301), "what is older is refused from now on");
    // Who comes later takes that over.
    let later = RedisReplay::open(&Settings::new(server.url(), "test:"), 400).unwrap();
    assert_eq!(later.remembers_since(), Some(301));
}

#[test]
fn a_server_that_was_started_anew_is_another_memory() {
    let place = Place::new("redis-anew");
    let server = Server::start(place.path(), &[]);
    let store = RedisReplay::open(&Settings::new(server.url(), "test:"), 100).unwrap();
    assert_eq!(claim(&store, key(1), 1_000, 200), Claimed::First);
    server.kill();
    assert_eq!(claim(&store, key(1), 1_000, 300), Claimed::Unavailable);
    let _server = Server::start(place.path(), &[]);
    within(Duration::from_secs(10), || claim(&store, key(2), 1_000, 400) != Claimed::Unavailable);
    assert_eq!(store.remembers_since(), Some(400));
    assert_eq!(claim(&store, key(2), 1_000, 401), Claimed::Seen);
}

#[test]
fn a_mark_that_survived_on_disk_is_that_of_the_run_before() {
    let place = Place::new("redis-disk");
    let settings = ["--appendonly", "yes", "--appendfsync", "always"];
    let server = Server::start(place.path(), &settings);
    let store = RedisReplay::open(&Settings::new(server.url(), "test:"), 100).unwrap();
    assert_eq!(claim(&store, key(1), now() + 60, now()), Claimed::First);
    server.kill();
    let server = Server::start(place.path(), &settings);
    let later = RedisReplay::open(&Settings::new(server.url(), "test:"), 500).unwrap();
    // Nothing says how much of its last second it has: what is older than now is refused.
    assert_eq!(later.remembers_since(), Some(500));
    assert_eq!(claim(&later, key(1), now() + 60, now()), Claimed::Seen);
}

#[test]
fn what_one_engine_revokes_the_other_follows_also_where_the_server_forgets_it() {
    let world = world("revoked", 8, 0);
    let server = Server::start(world.place.path(), &[]);
    shared::revocations_travel(&world, now(), || ());
    server.ask("FLUSHALL");
}

#[test]
fn a_server_that_hangs_is_unavailable_in_time() {
    let place = Place::new("redis-hangs");
    let server = Server::start(place.path(), &[]);
    let mut settings = Settings::new(server.url(), "test:");
    settings.timeout = Duration::from_millis(100);
    let store = RedisReplay::open(&settings, now()).unwrap();
    assert_eq!(claim_now(&store, 1), Claimed::First);
    server.signal("-STOP");
    let began = Instant::now();
    assert_eq!(claim_now(&store, 2), Claimed::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.signal("-CONT");
    within(Duration::from_secs(10), || claim_now(&store, 3) != Claimed::Unavailable);
    // It was claimed by a question whose answer nobody waited for.
    assert_eq!(claim_now(&store, 2), Claimed::Seen);
    assert_eq!(claim_now(&store, 1), Claimed::Seen);
}

#[test]
fn a_server_that_comes_later_is_used_then() {
    let place = Place::new("redis-later");
    let url = format!("unix://{}", place.path().join("redis.sock").display());
    let store = RedisReplay::open(&Settings::new(url, "test:"), 100).unwrap();
    assert_eq!(claim(&store, key(1), 1_000, 200), Claimed::Unavailable);
    assert_eq!(store.seen(&key(1), 200), Claimed::Unavailable);
    assert_eq!(store.stats().entries, 0);
    let server = Server::start(place.path(), &[]);
    within(Duration::from_secs(10), || claim(&store, key(1), 1_000, 300) == Claimed::First);
    assert_eq!(store.remembers_since(), Some(300));
    drop(server);
}

#[test]
fn a_full_server_refuses_and_forgets_nothing() {
    let place = Place::new("redis-full");
    let server = Server::start(place.path(), &["--maxmemory", "3mb"]);
    let store = open(&server);
    let mut firsts = 0;
    while claim_now(&store, firsts) == Claimed::First {
        firsts += 1;
        assert!(firsts < 100_000);
    }
    assert!(firsts > 1_000, "{firsts}");
    for number in 0..50 {
        assert_ne!(claim_now(&store, number), Claimed::First);
    }
}

#[test]
fn a_server_that_would_forget_or_refuse_is_an_error_at_the_start() {
    let place = Place::new("redis-unfit");
    let server = Server::start(place.path(), &["--maxmemory-policy", "allkeys-lru"]);
    let refused = RedisReplay::open(&Settings::new(server.url(), "test:"), 0).unwrap_err();
    assert!(refused.contains("it has to be `noeviction`"), "{refused}");
    drop(server);

    let server = Server::start(place.path(), &["--requirepass", "test-password"]);
    let mut settings = Settings::new(server.url(), "test:");
    let refused = RedisReplay::open(&settings, 0).unwrap_err();
    assert!(!refused.is_empty());
    settings.password = Some("test-password".to_owned());
    let store = RedisReplay::open(&settings, 0).unwrap();
    assert_eq!(claim_now(&store, 1), Claimed::First);
    settings.password = Some("wrong".to_owned());
    assert!(RedisReplay::open(&settings, 0).is_err());
    assert!(!format!("{settings:?} {store:?}").contains("wrong"));
    drop(server);

    let server = Server::start(place.path(), &["--replicaof", "127.0.0.1 1"]);
    let refused = RedisReplay::open(&Settings::new(server.url(), "test:"), 0).unwrap_err();
    assert!(refused.contains("is a replica"), "{refused}");
    assert!(RedisReplay::open(&Settings::new("http://localhost", "test:"), 0).is_err());
}
