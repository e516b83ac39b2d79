//! What keys that are fetched cost: `cargo run --release -p idjag-benches --bin keys`.
//!
//! Times are medians of blocks that take turns in one run, and what one takes more than another is the median over pairs of
//! blocks that followed each other, so that a machine that is slow for a second is slow for both. Nothing leaves the machine:
//! the places of the keys are at loopback, where the guard refuses to go, and the sets are put as a fetcher puts them. All IdPs
//! have the same two RSA keys, each under names of its own, and the engine does not know that they are the same. A key is used
//! once before anything is timed, but where its first use is what is timed.

use std::path::Path;
use std::process::Command;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, KeyOwner, SigningKey};
use idjag_benches::{CLIENT, Failure, NOW, issuer, median, mix, request};
use idjag_fetch::{Fetcher, Pace};

const OURS: &str = "https://auth.chat.example/";
const MANY: usize = 10_000;
const BLOCK: usize = 50;
const BLOCKS: usize = 160;
const TOTAL: usize = BLOCK * BLOCKS;
const FLOOD: usize = 100_000;
/// Sets that are put as one change: about what comes in while the change before is made.
const TOGETHER: usize = 64;
/// What is said to a process that only tells how much memory it takes.
const RESIDENT: &str = "resident";
/// What is said to a process that is watched by a profiler.
const PROFILED: &str = "profiled";

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    if let Some(what) = arguments.next() {
        let mut number = || arguments.next().unwrap_or_default().parse::<usize>();
        let (issuers, count) = (number()?, number()?);
        match &*what {
            RESIDENT => println!("{}", resident(issuers, count)?),
            PROFILED => println!("{}", us(profiled(issuers, count)?)),
            other => return Err(format!("no `{other}`").into()),
        }
        return Ok(());
    }
    let keys = Keys::new()?;
    println!("{} cores, medians of {BLOCKS} blocks of {BLOCK} operations that take turns\n", cores());
    println!("{:<62}{:>12}{:>14}", "figure", "measured", "target");
    memory()?;

    let (one, many) = (engine(1)?, engine(MANY)?);
    let (first, sets) = (keys.sets(1, "b"), keys.sets(MANY, "b"));
    put(&one, &first);
    let put_first = timed(|| put(&many, &sets));
    line(&format!("all {MANY} sets put for the first time, {TOGETHER} at a time"), &ms(put_first), "");
    line("  the same sets again", &ms(timed(|| put(&many, &sets))), "");
    // One of the two keys stays, the other becomes a new one.
    let turned = keys.sets(MANY, "c");
    line("  sets of which one key is another", &ms(timed(|| put(&many, &turned))), "");

    use_keys(&one, 1, &["a", "b"])?;
    use_keys(&many, MANY, &["a"])?;
    let (few, drawn) = (keys.minted(1, 0, TOTAL)?, keys.minted(MANY, 0, TOTAL)?);
    let (parsed, bare) = (keys.parsed()?, Bare::of(&drawn)?);
    let (mut verified, mut exchanged) = (Pairs::default(), Pairs::default());
    for bare in bare.chunks(BLOCK) {
        let alone = bare_block(&parsed, bare, |_| 0)?;
        verified.add(alone, bare_block(&parsed, bare, |bare| bare.issuer)?);
    }
    // Not in turn with the above: each of the two fills what a processor keeps near.
    for (few, drawn) in few.chunks(BLOCK).zip(drawn.chunks(BLOCK)) {
        exchanged.add(block(&one, few)?, block(&many, drawn)?);
    }
    line("bare verification, one parsed key", &us(verified.first()), "");
    verified.tell(&format!("bare verification, any of {MANY} parsed keys"), "");
    line("one exchange, one live issuer", &us(exchanged.first()), "");
    exchanged.tell(&format!("one exchange, any of {MANY} live issuers"), "<= +10 %");

    // What a second busy core costs, whatever it does.
    let busy = || _ = bare.first().map(|bare| bare_block(&parsed, slice::from_ref(bare), |_| 0));
    let [quiet, noisy] = [keys.minted(1, 1, TOTAL)?, keys.minted(1, 2, TOTAL)?];
    let control = beside(busy, (&one, &quiet), (&one, &noisy))?;
    control.tell("one exchange, one live issuer, beside a thread that verifies bare", "");
    // In turn, as one that is put once more changes nothing.
    let spaced: Vec<_> = sets.iter().map(|(issuer, set)| (issuer.clone(), format!("{set} "))).collect();
    for (what, draw, other) in [
        ("any of them, while all are put again and again", 3, &spaced),
        ("  and one key of each is another each time", 5, &turned),
    ] {
        let turns: Vec<_> = sets.chunks(TOGETHER).chain(other.chunks(TOGETHER)).collect();
        let (at, puts) = (AtomicUsize::new(0), turns.len());
        let refresh =
            || put(&many, turns.get(at.fetch_add(1, Ordering::Relaxed) % puts).copied().unwrap_or_default());
        let [quiet, noisy] = [keys.minted(1, draw, TOTAL)?, keys.minted(MANY, draw + 1, TOTAL)?];
        beside(refresh, (&one, &quiet), (&many, &noisy))?.tell(what, "<= +10 %");
        line("    so many sets were put meanwhile", &(at.into_inner() * TOGETHER).to_string(), "");
    }
    first_use(&keys, &one)?;
    flood(&keys)
}

/// The first exchange with a key, and the second.
fn first_use(keys: &Keys, one: &Exchange) -> Result<(), Failure> {
    let engine = engine(TOTAL)?;
    put(&engine, &keys.sets(TOTAL, "b"));
    for (what, draw) in [("the first exchange with a key, each of another issuer", 7), ("  the second", 8)] {
        let few = keys.minted(1, draw, TOTAL)?;
        let each = (0..TOTAL).map(|at| keys.mint(at)).collect::<Result<Vec<_>, _>>()?;
        let mut pairs = Pairs::default();
        for (few, each) in few.chunks(BLOCK).zip(each.chunks(BLOCK)) {
            pairs.add(block(one, few)?, block(&engine, each)?);
        }
        pairs.tell(what, "");
    }
    Ok(())
}

/// Good requests beside a flood of ones with unknown kids, each another. It begins when the last fetch is as long ago as a
/// request has to wait for the next one.
fn flood(keys: &Keys) -> Result<(), Failure> {
    let hostile: Vec<String> = (0..FLOOD).map(|at| forged(0, &format!("unknown-{at}-"))).collect();
    let [quiet, noisy] = [keys.minted(1, 9, TOTAL)?, keys.minted(1, 10, TOTAL)?];
    let pace = Pace::default();
    let interval = Duration::from_millis(u64::try_from(pace.interval_ms)?);
    let builder = Exchange::builder(config(1)?).clock(|| NOW);
    let fetcher = Fetcher::new(builder.fetch_settings(), Path::new(""), pace);
    let engine = Arc::new(builder.key_source(Arc::<Fetcher>::clone(&fetcher)).build()?);
    fetcher.attach(&engine);
    fetcher.settle(Duration::from_secs(10));
    let settled = Instant::now();
    put(&engine, &keys.sets(1, "b"));
    use_keys(&engine, 1, &["a"])?;
    thread::sleep(interval.saturating_sub(settled.elapsed()));
    let how_often = || fetcher.sources().first().map_or(0, |source| source.fetches);
    let (before, began) = (how_often(), Instant::now());
    let (sent, astray) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // As soon as a fetch was tried, nobody knows whether such a key exists: this IdP cannot be reached.
    let flooding = || {
        let one = hostile.get(sent.fetch_add(1, Ordering::Relaxed) % FLOOD).map_or("", String::as_str);
        let is_refused =
            matches!(engine.exchange(&request(one)), Err(refused) if refused.slug() == "keys_unavailable");
        astray.fetch_add(usize::from(!is_refused), Ordering::Relaxed);
    };
    let pairs = beside(flooding, (&engine, &quiet), (&engine, &noisy))?;
    while sent.load(Ordering::Relaxed) < FLOOD {
        flooding();
    }
    let astray = astray.into_inner();
    if astray > 0 {
        return Err(format!("{astray} of the flood were not refused as of an unknown key").into());
    }
    pairs.tell("one exchange beside a flood of unknown kids", "<= +10 %");
    let (took, caused) = (began.elapsed(), how_often() - before);
    let intervals = took.as_secs() / interval.as_secs() + 1;
    line(
        &format!("  {} of them in {:.1} s", sent.into_inner(), took.as_secs_f64()),
        &format!("{caused} fetches"),
        &format!("<= {intervals}"),
    );
    Ok(())
}

/// Bytes that each further issuer takes: of two processes of their own, one of which has five times as many.
fn memory() -> Result<(), Failure> {
    const SIZES: [usize; 2] = [2_000, MANY];
    let states = ["neither was used yet", "one of them was used", "both were"];
    let what = "memory for an issuer with two RSA keys, and its fetcher";
    for (used, state) in states.iter().enumerate() {
        let mut bytes = [0_usize; 2];
        for (issuers, bytes) in SIZES.iter().zip(&mut bytes) {
            let arguments = [RESIDENT.to_owned(), issuers.to_string(), used.to_string()];
            let told = Command::new(std::env::current_exe()?).args(arguments).output()?;
            *bytes = String::from_utf8(told.stdout)?.trim().parse()?;
        }
        let [few, many] = bytes;
        let each = many.saturating_sub(few) / (MANY - SIZES[0]);
        let name = if used == 0 { format!("{what}; {state}") } else { format!("  {state}") };
        line(&name, &format!("{each} bytes"), if used == 1 { "<= 4096" } else { "" });
    }
    Ok(())
}

/// Bytes that an engine, the keys of its issuers and its fetcher take; `used`: how many keys of each have been used.
fn resident(issuers: usize, used: usize) -> Result<usize, Failure> {
    let keys = Keys::new()?;
    let before = pages()?;
    let builder = Exchange::builder(config(issuers)?).clock(|| NOW);
    let fetcher = Fetcher::new(builder.fetch_settings(), Path::new(""), Pace::default());
    let engine = Arc::new(builder.build()?);
    let kids = ["a", "b"];
    for some in (0..issuers).collect::<Vec<_>>().chunks(TOGETHER) {
        let sets: Vec<_> = some.iter().map(|at| (issuer(*at), keys.set(*at, "b"))).collect();
        put(&engine, &sets);
    }
    use_keys(&engine, issuers, kids.get(..used).unwrap_or(&kids))?;
    fetcher.attach(&engine);
    fetcher.settle(Duration::from_secs(30));
    Ok((pages()?).saturating_sub(before) * 4096)
}

/// Exchanges alone, in a thread that a profiler finds by its name.
fn profiled(issuers: usize, exchanges: usize) -> Result<f64, Failure> {
    let keys = Keys::new()?;
    let engine = engine(issuers)?;
    put(&engine, &keys.sets(issuers, "b"));
    use_keys(&engine, issuers, &["a"])?;
    let assertions = keys.minted(issuers, 0, exchanges)?;
    let took = thread::scope(|scope| {
        let named = thread::Builder::new().name("exchanges".to_owned());
        let took = named.spawn_scoped(scope, || block(&engine, &assertions).ok());
        took.map(|took| took.join().ok().flatten())
    })?;
    Ok(took.ok_or("an exchange was refused")?)
}

/// Pages of this process that are in memory.
fn pages() -> Result<usize, Failure> {
    Ok(std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).ok_or("no statm")?.parse()?)
}

/// The two keys that every IdP has: the first signs.
struct Keys {
    private: String,
    public: [String; 2],
}

impl Keys {
    fn new() -> Result<Self, Failure> {
        let [one, other] = [SigningKey::generate(Algorithm::RS256)?, SigningKey::generate(Algorithm::RS256)?];
        let named = |text: &str, kid: &str| text.replacen(kid, "@kid@", 1);
        let public = |key: &SigningKey| key.public_jwk().map(|jwk| named(&jwk, key.kid()));
        Ok(Self {
            private: named(&one.to_jwk(), one.kid()),
            public: [public(&one).ok_or("no public half")?, public(&other).ok_or("no public half")?],
        })
    }

    /// The set of an IdP; `second` names its other key.
    fn set(&self, at: usize, second: &str) -> String {
        let [one, other] = &self.public;
        let (one, other) =
            (one.replacen("@kid@", &kid(at, "a"), 1), other.replacen("@kid@", &kid(at, second), 1));
        format!("{{\"keys\":[{one},{other}]}}")
    }

    fn sets(&self, issuers: usize, second: &str) -> Vec<(String, String)> {
        (0..issuers).map(|at| (issuer(at), self.set(at, second))).collect()
    }

    /// An assertion of one IdP.
    fn mint(&self, at: usize) -> Result<String, Failure> {
        let key =
            Arc::new(SigningKey::from_jwk(self.private.replacen("@kid@", &kid(at, "a"), 1).as_bytes())?);
        let id_jag = IdJag {
            audience: OURS,
            client_id: CLIENT,
            subject: "ada",
            resource: Some("https://mcp.chat.example/"),
            issued_at: NOW,
            lifetime_s: 300,
            ..IdJag::default()
        };
        Ok(IdJagMinter::new(issuer(at), key).mint(&id_jag)?)
    }

    /// `count` assertions, each of a drawn IdP; others for another `draw`.
    fn minted(&self, issuers: usize, draw: u64, count: usize) -> Result<Vec<String>, Failure> {
        (0..count).map(|at| self.mint(drawn(at, draw)? % issuers)).collect()
    }

    /// The first key, once for each IdP, as the crypto library has it, and used.
    fn parsed(&self) -> Result<Vec<ParsedPublicKey>, Failure> {
        let [one, _] = &self.public;
        let member = |name: &str| {
            let text = one.split(&format!("\"{name}\":\"")).nth(1).and_then(|rest| rest.split('"').next());
            text.map(|text| BASE64.decode_to_vec(text)).ok_or("no such member")
        };
        let components = RsaPublicKeyComponents { n: member("n")??, e: member("e")?? };
        (0..MANY)
            .map(|_| {
                let key = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?;
                let _ = key.verify_sig(b"", &[1; 256]);
                Ok(key)
            })
            .collect()
    }
}

fn drawn(at: usize, draw: u64) -> Result<usize, Failure> {
    Ok(usize::try_from(mix(at as u64 ^ draw << 32) >> 16)?)
}

/// As long as a thumbprint.
fn kid(at: usize, which: &str) -> String {
    format!("{which}{at:0>42}")
}

/// An assertion with everything in order but the signature.
fn forged(at: usize, which: &str) -> String {
    let header = format!(r#"{{"typ":"oauth-id-jag+jwt","alg":"RS256","kid":"{}"}}"#, kid(at, which));
    let claims = format!(
        r#"{{"jti":"x","iss":"{}","aud":"{OURS}","iat":{NOW},"exp":{},"sub":"ada","client_id":"{CLIENT}"}}"#,
        issuer(at),
        NOW + 300
    );
    [header.as_bytes(), claims.as_bytes(), &[1; 256]].map(|part| BASE64.encode_to_string(part)).join(".")
}

/// Has each of these keys look at a signature once.
fn use_keys(engine: &Exchange, issuers: usize, which: &[&str]) -> Result<(), Failure> {
    for at in 0..issuers {
        for which in which {
            let refused =
                engine.exchange(&request(&forged(at, which))).err().ok_or("a forgery was granted")?;
            if refused.slug() != "signature_invalid" {
                return Err(format!("{} instead of a look at the signature", refused.slug()).into());
            }
        }
    }
    Ok(())
}

/// What a bare verification needs of an assertion.
struct Bare {
    issuer: usize,
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    fn of(assertions: &[String]) -> Result<Vec<Self>, Failure> {
        let one = |(at, assertion): (usize, &String)| {
            let (input, signature) = assertion.rsplit_once('.').ok_or("no signature")?;
            let signature = BASE64.decode_to_vec(signature)?;
            Ok(Self { issuer: drawn(at, 0)? % MANY, input: input.as_bytes().to_vec(), signature })
        };
        assertions.iter().enumerate().map(one).collect()
    }
}

fn bare_block(
    keys: &[ParsedPublicKey],
    block: &[Bare],
    which: impl Fn(&Bare) -> usize,
) -> Result<f64, Failure> {
    let began = Instant::now();
    for bare in block {
        keys.get(which(bare)).ok_or("no such key")?.verify_sig(&bare.input, &bare.signature)?;
    }
    each(began.elapsed(), block.len())
}

fn config(issuers: usize) -> Result<Config, Failure> {
    let idps: Vec<String> = (0..issuers)
        .map(|at| format!(r#"{{ "issuer": "{}", "jwks_uri": "https://127.0.0.1:9/{at}/keys" }}"#, issuer(at)))
        .collect();
    let text = format!(
        r#"{{ "issuer": "{OURS}", "audit": "off", "tokens": {{ "keys": "ephemeral" }}, "idps": [{}],
            "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["chat"] }}],
            "connectors": [{{ "id": "chat", "resource": "https://mcp.chat.example/", "scopes": ["chat.read"], "state": "enabled",
                "owner": "chat@acme.example", "review_by": "2999-01-01",
                "grants": [{{ "everyone": true, "any_issuer": true, "scopes": ["chat.read"] }}] }}] }}"#,
        idps.join(",")
    );
    Ok(Config::parse("bench.json", &text, &mut |_| Err("no files".to_owned()))?)
}

fn engine(issuers: usize) -> Result<Exchange, Failure> {
    Ok(Exchange::builder(config(issuers)?).clock(|| NOW).build()?)
}

fn put(engine: &Exchange, sets: &[(String, String)]) {
    for together in sets.chunks(TOGETHER) {
        let sets: Vec<_> = together
            .iter()
            .map(|(issuer, set)| (KeyOwner::Idp(issuer.clone()), Some(set.as_bytes())))
            .collect();
        engine.put_fetched(&sets);
    }
}

/// Microseconds for each of a block, all of which must be granted.
fn block(engine: &Exchange, assertions: &[String]) -> Result<f64, Failure> {
    let began = Instant::now();
    let granted = assertions.iter().filter(|assertion| engine.exchange(&request(assertion)).is_ok()).count();
    let took = began.elapsed();
    if granted != assertions.len() {
        return Err(format!("{granted} of {} were granted", assertions.len()).into());
    }
    each(took, assertions.len())
}

fn each(took: Duration, count: usize) -> Result<f64, Failure> {
    Ok(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count)?))
}

/// Times of two things that took turns.
#[derive(Default)]
struct Pairs {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Pairs {
    fn add(&mut self, first: f64, second: f64) {
        self.first.push(first);
        self.second.push(second);
    }

    fn first(&self) -> f64 {
        median(self.first.clone())
    }

    /// The time of the second, and what it takes more than the first.
    fn tell(&self, figure: &str, target: &str) {
        let more = self.first.iter().zip(&self.second).map(|(first, second)| second / first).collect();
        line(figure, &us(median(self.second.clone())), "");
        line("    beside the one alone", &format!("{:+.1} %", (median(more) - 1.0) * 100.0), target);
    }
}

/// Blocks of the first without `noise`, and in turn with them blocks of the second while another thread makes `noise` over and
/// over.
fn beside(
    noise: impl Fn() + Sync,
    quiet: (&Exchange, &[String]),
    loud: (&Exchange, &[String]),
) -> Result<Pairs, Failure> {
    const SILENT: u8 = 0;
    const LOUD: u8 = 1;
    const DONE: u8 = 2;
    let (wanted, is) = (AtomicU8::new(SILENT), AtomicU8::new(SILENT));
    let want = |state: u8| {
        wanted.store(state, Ordering::SeqCst);
        while is.load(Ordering::SeqCst) != state {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let state = wanted.load(Ordering::SeqCst);
                is.store(state, Ordering::SeqCst);
                match state {
                    LOUD => noise(),
                    SILENT => thread::sleep(Duration::from_micros(20)),
                    _ => return,
                }
            }
        });
        let measure = || {
            let mut pairs = Pairs::default();
            for (some, others) in quiet.1.chunks(BLOCK).zip(loud.1.chunks(BLOCK)) {
                want(SILENT);
                let first = block(quiet.0, some)?;
                want(LOUD);
                pairs.add(first, block(loud.0, others)?);
            }
            Ok(pairs)
        };
        let pairs = measure();
        want(DONE);
        pairs
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn us(time: f64) -> String {
    format!("{time:.2} us")
}

fn line(figure: &str, measured: &str, target: &str) {
    println!("{figure:<74}{measured:>12}{target:>12}");
}
