//! A world of one IdP and one client, assertions of it on disk, and processes that present them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "the helpers of tests, of which each uses some"
)]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idjag::{
    Algorithm, Claim, Claimed, Clock, Config, Exchange, IdJag, IdJagMinter, Reason, ReplayKey, ReplayStore,
    Request, Revocation, SigningKey, SystemClock,
};

const ISSUER: &str = "https://acme.idp.example";
const CLIENT: &str = "agent";
/// Where a presenter finds its world, and how many threads it has.
const WORLD: &str = "IDJAG_TEST_WORLD";
const NAME: &str = "IDJAG_TEST_NAME";
const THREADS: &str = "IDJAG_TEST_THREADS";

/// A folder that is removed in the end.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("idjag-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A key that is no hash of anything.
pub fn key(number: u64) -> ReplayKey {
    // Spread over the whole space without an order, as hashes are.
    let mut mixed =
        u128::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    mixed = (mixed ^ mixed >> 61).wrapping_mul(0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 59;
    ReplayKey::from_bytes(mixed.to_be_bytes())
}

pub fn claim(store: &dyn ReplayStore, key: ReplayKey, expires_at: i64, now: i64) -> Claimed {
    let mut out = [Claimed::Unavailable];
    store.claim(&[Claim { key, expires_at }], now, &mut out);
    out[0]
}

/// An IdP, a server's configuration, and assertions that are all good, in a folder.
pub struct World {
    pub place: Place,
}

impl World {
    /// `replay` is the section of that name. The assertions were issued `age_s` ago.
    pub fn new(name: &str, replay: &str, assertions: usize, age_s: i64) -> Self {
        let place = Place::new(name);
        let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
        let jwk = key.public_jwk().unwrap();
        let config = format!(
            r#"
                issuer = "https://auth.chat.example/"
                audit = "off"
                tokens.keys = "ephemeral"
                [replay]
                {replay}
                [[idps]]
                issuer = "{ISSUER}"
                jwks_file = "jwks.json"
                [[clients]]
                id = "{CLIENT}"
                auth = "none"
                connectors = ["chat"]
                [[connectors]]
                id = "chat"
                resource = "https://mcp.chat.example/"
                scopes = ["chat.read"]
                state = "enabled"
                owner = "chat@acme.example"
                review_by = 2099-01-01
                [[connectors.grants]]
                everyone = true
                scopes = ["chat.read"]
            "#
        );
        fs::write(place.path().join("idjag.toml"), config).unwrap();
        fs::write(place.path().join("jwks.json"), format!(r#"{{"keys": [{jwk}]}}"#)).unwrap();
        let idp = IdJagMinter::new(ISSUER, key);
        let now = SystemClock.now();
        let mut lines = String::new();
        for number in 0..assertions {
            let id_jag = IdJag {
                audience: "https://auth.chat.example/",
                client_id: CLIENT,
                subject: &format!("person-{number}"),
                issued_at: now - age_s,
                lifetime_s: 300,
                ..IdJag::default()
            };
            lines.push_str(&idp.mint(&id_jag).unwrap());
            lines.push('\n');
        }
        fs::write(place.path().join("assertions"), lines).unwrap();
        Self { place }
    }

    /// Starts a process that presents all assertions from each of its threads once [`go`](Self::go) was said.
    ///
    /// Its test binary has the test `presenter`, which calls [`present`].
    pub fn presenter(&self, name: &str, threads: usize) -> Presenter {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "presenter", "--ignored", "--nocapture", "--test-threads=1"])
            .env(WORLD, self.place.path())
            .env(NAME, name)
            .env(THREADS, threads.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Presenter { child, answers: self.place.path().join(format!("answers-{name}")) }
    }

    /// Waits until those that were started are ready, and lets all begin.
    pub fn go(&self, presenters: &mut [Presenter]) {
        for presenter in presenters {
            let ready = presenter.answers.with_extension("ready");
            within(Duration::from_secs(60), || {
                assert!(presenter.child.try_wait().unwrap().is_none(), "a presenter ended early");
                ready.exists()
            });
        }
        File::create(self.place.path().join("go")).unwrap();
    }
}

/// Waits for `condition`.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "waited for {limit:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A process that presents assertions.
pub struct Presenter {
    pub child: Child,
    answers: PathBuf,
}

impl Presenter {
    /// Ends it as the kernel would: nothing of it is asked.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has presented everything.
    pub fn wait(&mut self) {
        assert!(self.child.wait().unwrap().success(), "a presenter failed");
    }

    /// The slug of each answer that it wrote down, and the number of the assertion. `granted` is one.
    pub fn answers(&self) -> Vec<(String, usize)> {
        let mut text = String::new();
        File::open(&self.answers).unwrap().read_to_string(&mut text).unwrap();
        // One that was killed may have left half a line.
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines
            .map(|line| {
                let (slug, number) = line.trim_end().split_once(' ').unwrap();
                (slug.to_owned(), number.parse().unwrap())
            })
            .collect()
    }
}

/// What came of all presenters: how often each slug, and how often each assertion was granted.
pub fn tally(presenters: &[Presenter]) -> (BTreeMap<String, usize>, BTreeMap<usize, usize>) {
    let (mut slugs, mut granted) = (BTreeMap::new(), BTreeMap::new());
    for (slug, number) in presenters.iter().flat_map(Presenter::answers) {
        if slug == "granted" {
            *granted.entry(number).or_default() += 1;
        }
        *slugs.entry(slug).or_default() += 1;
    }
    (slugs, granted)
}

/// No assertion was granted twice.
pub fn assert_single(granted: &BTreeMap<usize, usize>) {
    let twice: Vec<_> = granted.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "granted more than once: {twice:?}");
}

/// What the process of [`World::presenter`] does. Each answer is written down before the next assertion is presented.
pub fn present() {
    let folder = PathBuf::from(std::env::var_os(WORLD).unwrap());
    let name = std::env::var(NAME).unwrap();
    let threads: usize = std::env::var(THREADS).unwrap().parse().unwrap();
    let answers = folder.join(format!("answers-{name}"));
    let text = fs::read_to_string(folder.join("idjag.toml")).unwrap();
    let mut read = |path: &str| fs::read(folder.join(path)).map_err(|why| why.to_string());
    let config = Config::parse("idjag.toml", &text, &mut read).unwrap();
    let store = idjag_stores::open(&config, Some(&folder), SystemClock.now()).unwrap();
    let engine = Exchange::builder(config).replay(store.unwrap()).build().unwrap();
    let assertions = fs::read_to_string(folder.join("assertions")).unwrap();
    let assertions: Vec<&str> = assertions.lines().collect();

    File::create(&answers).unwrap();
    File::create(answers.with_extension("ready")).unwrap();
    within(Duration::from_secs(60), || folder.join("go").exists());
    thread::scope(|scope| {
        for thread in 0..threads {
            let (engine, assertions, answers) = (&engine, &assertions, &answers);
            scope.spawn(move || {
                let mut out = OpenOptions::new().append(true).open(answers).unwrap();
                // Half of the threads begin elsewhere, so that all meet on the way.
                let from = thread % 2 * assertions.len() / 2;
                for at in 0..assertions.len() {
                    let number = (from + at) % assertions.len();
                    let request = Request {
                        assertion: assertions[number].as_bytes(),
                        client_id: CLIENT,
                        ..Request::default()
                    };
                    let slug = match engine.exchange(&request) {
                        Ok(_) => "granted",
                        Err(refusal) => refusal.slug(),
                    };
                    out.write_all(format!("{slug} {number}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Two engines over `config` of `world`, each with a clock of its own.
pub fn engines(world: &World, now: i64) -> [(Exchange, Arc<AtomicI64>); 2] {
    [(); 2].map(|()| {
        let folder = world.place.path();
        let text = fs::read_to_string(folder.join("idjag.toml")).unwrap();
        let mut read = |path: &str| fs::read(folder.join(path)).map_err(|why| why.to_string());
        let config = Config::parse("idjag.toml", &text, &mut read).unwrap();
        let store = idjag_stores::open(&config, Some(folder), now).unwrap().unwrap();
        let time = Arc::new(AtomicI64::new(now));
        let clock = Arc::clone(&time);
        let builder = Exchange::builder(config).replay(store).clock(move || clock.load(Ordering::SeqCst));
        (builder.build().unwrap(), time)
    })
}

/// What one engine revokes, the other one follows within a second of its clock; and what it lifts.
pub fn revocations_travel(world: &World, now: i64, also: impl FnOnce()) {
    const RESOURCE: &str = "https://mcp.chat.example/";
    let [(here, _), (there, time)] = engines(world, now);
    let assertions = fs::read_to_string(world.place.path().join("assertions")).unwrap();
    let mut assertions = assertions.lines();
    let mut exchange = || {
        let assertion = assertions.next().unwrap().as_bytes();
        there.exchange(&Request { assertion, client_id: CLIENT, ..Request::default() })
    };
    let (one, other) = (exchange().unwrap(), exchange().unwrap());
    let verify = |token: &idjag::Issued| there.verify(token.access_token().as_bytes(), RESOURCE);
    let reason = |token: &idjag::Issued| verify(token).unwrap_err().reason();
    let jti = verify(&one).unwrap().jti().to_owned();

    here.revoke(&Revocation::Token { jti: &jti, expires_at: now + 5_000 }).unwrap();
    assert!(verify(&one).is_ok(), "it listens once in a second");
    time.fetch_add(1, Ordering::SeqCst);
    assert_eq!(reason(&one), Reason::TokenRevoked);
    assert!(verify(&other).is_ok() && exchange().is_ok());

    here.revoke(&Revocation::Client(CLIENT)).unwrap();
    time.fetch_add(1, Ordering::SeqCst);
    assert_eq!(exchange().unwrap_err().reason(), Reason::Blocked);
    assert_eq!(reason(&other), Reason::TokenRevoked);
    // An engine that begins later knows before its first answer.
    let [(late, _), _] = engines(world, now);
    assert!(late.verify(other.access_token().as_bytes(), RESOURCE).is_err());

    also();
    here.lift(&Revocation::Client(CLIENT)).unwrap();
    time.fetch_add(1, Ordering::SeqCst);
    assert!(exchange().is_ok());
    assert_eq!(reason(&other), Reason::TokenRevoked, "what was revoked stays so");
}
