//! A local HTTPS server that is whatever a test wants it to be, and an engine that fetches from it.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, Issued, Refusal, Request, SigningKey};
use idjag_fetch::{Fetcher, Live, Pace};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Our issuer identifier.
pub const OURS: &str = "https://auth.chat.example/";

/// What is answered to a request.
#[derive(Clone)]
pub enum Answer {
    /// Status, further headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same after a pause.
    Late(Duration, Box<Answer>),
    /// Chunks of this size, one after each pause, without an end.
    Endless(usize, Duration),
    /// Nothing, and the connection stays open.
    Silence,
    /// The connection is closed.
    Gone,
}

impl Answer {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(200, vec![("content-type", "application/json".to_owned())], body.into())
    }

    pub fn status(status: u16) -> Self {
        Self::Whole(status, Vec::new(), Vec::new())
    }

    pub fn redirect(to: &str) -> Self {
        Self::Whole(302, vec![("location", to.to_owned())], Vec::new())
    }
}

/// A request as it came.
pub struct Asked {
    pub path: String,
    pub headers: HashMap<String, String>,
}

type Behaviour = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server, with a certificate of an authority that only this test knows.
pub struct Server {
    pub origin: String,
    /// The authority, as PEM.
    pub authority: String,
    behaviour: Arc<Mutex<Behaviour>>,
    hits: Arc<Mutex<HashMap<String, usize>>>,
    open: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Server {
    pub fn start(behaviour: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let (config, authority) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            origin: format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port()),
            authority,
            behaviour: Arc::new(Mutex::new(Arc::new(behaviour))),
            hits: Arc::default(),
            open: Arc::default(),
            ends: Arc::default(),
        };
        let (behaviour, hits) = (Arc::clone(&server.behaviour), Arc::clone(&server.hits));
        let (open, ends) = (Arc::clone(&server.open), Arc::clone(&server.ends));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let (config, behaviour) = (Arc::clone(&config), Arc::clone(&behaviour));
                let (hits, open, ends) = (Arc::clone(&hits), Arc::clone(&open), Arc::clone(&ends));
                open.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let _ = serve(stream.unwrap(), config, &behaviour, &hits, &ends);
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        server
    }

    pub fn behave(&self, behaviour: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// How often `path` was asked for.
    pub fn hits(&self, path: &str) -> usize {
        self.hits.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// Waits until `path` was asked for `times` times.
    pub fn wait_for_hits(&self, path: &str, times: usize) {
        within(10, &format!("{times} requests of {path}"), || self.hits(path) >= times);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.origin.trim_start_matches("https://"));
    }
}

/// Waits until `done`, for at most so many seconds.
pub fn within(seconds: u64, what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..seconds * 200 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("not within {seconds} s: {what}");
}

/// A certificate for loopback with its key, and the authority that signed it, as PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub authority: String,
}

pub fn identity() -> Identity {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap().pem();
    Identity { certificate, key: key.serialize_pem(), authority }
}

fn tls() -> (Arc<ServerConfig>, String) {
    let Identity { certificate, key, authority } = identity();
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    (Arc::new(config), authority)
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    behaviour: &Mutex<Behaviour>,
    hits: &Mutex<HashMap<String, usize>>,
    ends: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let asked = Asked { path, headers };
    *hits.lock().unwrap().entry(asked.path.clone()).or_default() += 1;
    let behave = Arc::clone(&*behaviour.lock().unwrap());
    let mut stream = reader.into_inner();
    answer(behave(&asked), &mut stream, ends)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn answer(answer: Answer, stream: &mut (impl Read + Write), ends: &AtomicBool) -> std::io::Result<()> {
    match answer {
        Answer::Late(pause, then) => {
            thread::sleep(pause);
            self::answer(*then, stream, ends)
        }
        Answer::Whole(status, headers, body) => {
            write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len())?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            stream.write_all(b"\r\n")?;
            stream.write_all(&body)?;
            stream.flush()
        }
        Answer::Endless(size, pause) => {
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            while !ends.load(Ordering::Relaxed) {
                write!(stream, "{size:x}\r\n{}\r\n", " ".repeat(size))?;
                stream.flush()?;
                thread::sleep(pause);
            }
            Ok(())
        }
        Answer::Silence => {
            while !ends.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Answer::Gone => Err(std::io::Error::other("gone")),
    }
}

/// A key of an IdP.
pub fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap())
}

/// The JWK Set of the public halves of some keys.
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k Arc<SigningKey>>) -> String {
    let keys: Vec<_> = keys.into_iter().map(|key| key.public_jwk().unwrap()).collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

/// The metadata of an IdP at `origin`, whose keys are at `/keys`.
pub fn metadata(origin: &str) -> String {
    format!(r#"{{"issuer":"{origin}","jwks_uri":"{origin}/keys","response_types_supported":["code"]}}"#)
}

/// Serves metadata as OpenID Connect does, and `keys`.
pub fn idp(
    origin: &str,
    keys: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> Box<dyn Fn(&Asked) -> Answer + Send + Sync> {
    let metadata = metadata(origin);
    Box::new(move |asked| match asked.path.as_str() {
        "/.well-known/openid-configuration" => Answer::json(metadata.clone()),
        "/keys" => keys(asked),
        _ => Answer::status(404),
    })
}

/// A server that is an IdP with `keys`.
pub fn idp_with(keys: &[&Arc<SigningKey>]) -> Server {
    let server = Server::start(|_| Answer::Gone);
    let set = jwks(keys.iter().copied());
    server.behave(idp(&server.origin, move |_| Answer::json(set.clone())));
    server
}

/// Intervals for tests: what takes minutes takes tens of milliseconds.
pub const QUICK: Pace = Pace {
    least_fresh_ms: 300,
    most_fresh_ms: 1_000,
    usual_fresh_ms: 400,
    max_stale_ms: 0,
    interval_ms: 100,
    max_back_off_ms: 400,
    patience_ms: 2_000,
};

/// `[[idps]]` of one at `origin`.
pub fn discovered(origin: &str) -> String {
    format!("[[idps]]\nissuer = \"{origin}\"\ndiscover = true\nlocal = true\n")
}

/// The configuration of an engine, with `idps` and `[fetch]`.
pub fn config(idps: &str, fetch: &str, authority: &str) -> Config {
    let text = format!(
        r#"
        issuer = "{OURS}"
        audit = "off"
        tokens.keys = "ephemeral"
        replay.cold_start = "accept"
        {idps}
        [[clients]]
        id = "agent"
        auth = "none"
        connectors = ["chat"]
        [[connectors]]
        id = "chat"
        resource = "https://mcp.chat.example/"
        scopes = ["chat.read"]
        state = "enabled"
        owner = "chat-platform@acme.example"
        review_by = 2099-01-01
        [[connectors.grants]]
        everyone = true
        any_issuer = true
        scopes = ["chat.read"]
        [fetch]
        ca_file = "ca.pem"
        {fetch}
        "#
    );
    let authority = authority.as_bytes().to_vec();
    Config::parse("idjag.toml", &text, &mut |path| {
        if path == "ca.pem" { Ok(authority.clone()) } else { Err("no such file".to_owned()) }
    })
    .unwrap()
}

/// An engine whose keys are fetched.
pub fn live(config: Config, pace: Pace, folder: &Path) -> Live {
    let builder = Exchange::builder(config);
    let fetcher = Fetcher::new(builder.fetch_settings(), folder, pace);
    Live::with(builder, fetcher).unwrap()
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// An ID-JAG of `issuer`, signed with `key`.
pub fn id_jag(issuer: &str, key: &Arc<SigningKey>) -> String {
    IdJagMinter::new(issuer, Arc::clone(key))
        .mint(&IdJag {
            audience: OURS,
            client_id: "agent",
            subject: "ada",
            resource: Some("https://mcp.chat.example/"),
            issued_at: now(),
            lifetime_s: 300,
            ..IdJag::default()
        })
        .unwrap()
}

/// Exchanges one ID-JAG of `issuer`, signed with `key`.
pub fn exchange(engine: &Exchange, issuer: &str, key: &Arc<SigningKey>) -> Result<Issued, Refusal> {
    let assertion = id_jag(issuer, key);
    engine.exchange(&Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() })
}

/// The slug, or `granted`.
pub fn slug(answer: Result<Issued, Refusal>) -> &'static str {
    answer.map_or_else(Refusal::slug, |_| "granted")
}

/// What is said of the last fetch of the only source.
pub fn problem(live: &Live) -> String {
    live.sources().first().and_then(|source| source.last_error.clone()).unwrap_or_default()
}

/// A folder of its own below the system's for temporary files.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("idjag-fetch-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
