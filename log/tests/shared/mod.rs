//! A folder for a record, and what stands in it.
#![allow(dead_code, reason = "each file of tests uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idjag::{Algorithm, Clock, Config, Exchange, IdJag, IdJagMinter, SigningKey};
use idjag_log::{Checked, open, own_verifier, verify};
use serde_json::Value;

/// A folder that is gone when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("idjag-log-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn check(path: &Path) -> Vec<Checked> {
    verify(path, &own_verifier(path).unwrap()).unwrap()
}

pub fn whole(path: &Path) -> Checked {
    let checked = check(path).remove(0);
    assert!(checked.is_whole(), "{:?}", checked.findings);
    checked
}

pub fn segments(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(path.join("0")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "jsonl"));
    files.sort();
    files
}

pub fn lines(path: &Path) -> Vec<Value> {
    let texts = segments(path).into_iter().map(|file| fs::read_to_string(file).unwrap());
    texts.collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub const NOW: i64 = 1_784_527_300;
pub const US: &str = "https://auth.chat.example/";
pub const IDP: &str = "https://acme.idp.example";
pub const RESOURCE: &str = "https://mcp.chat.example/";
pub const POLICY: &str = "[[connectors]]\nid = 'chat'\nresource = 'https://mcp.chat.example/'\nscopes = ['read', 'write']\n\
    state = 'enabled'\nowner = 'o'\nreview_by = 2099-01-01\n\
    grants = [{ groups = ['eng'], scopes = ['read'] }]\n";

/// A configuration, its IdP, and a folder for the record.
pub struct House {
    idp: IdJagMinter,
    pub jwks: String,
    pub scratch: Scratch,
}

/// A clock that stands still in the middle of a second.
#[derive(Clone, Copy)]
struct Still(i64);

impl Clock for Still {
    fn now(&self) -> i64 {
        self.0
    }

    fn now_ms(&self) -> i64 {
        self.0 * 1000 + 250
    }
}

impl House {
    pub fn new() -> Self {
        let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
        let jwks = format!("{{\"keys\":[{}]}}", key.public_jwk().unwrap());
        Self { idp: IdJagMinter::new(IDP, key), jwks, scratch: Scratch::new() }
    }

    fn config(&self, audit: &str) -> Config {
        let text = format!(
            "issuer = '{US}'\ntokens.keys = 'ephemeral'\npolicy = 'policy.toml'\naudit = {{ path = 'audit' {audit} }}\n\
             [[idps]]\nissuer = '{IDP}'\njwks_file = 'jwks'\n[[clients]]\nid = 'agent'\nauth = 'none'\nconnectors = ['chat']\n"
        );
        let read = &mut |path: &str| {
            Ok(if path == "jwks" { self.jwks.clone() } else { POLICY.to_owned() }.into_bytes())
        };
        Config::parse("idjag.toml", &text, read).unwrap()
    }

    /// An engine over the record, of which `audit` says more.
    pub fn engine(&self, now: i64, audit: &str) -> Exchange {
        let config = self.config(audit);
        let record = open(&config, &self.scratch.0, now).unwrap().unwrap();
        record.give(Exchange::builder(config)).clock(Still(now)).build().unwrap()
    }

    /// An ID-JAG for `subject`, with these members beside.
    pub fn assertion(&self, subject: &str, further: &str) -> String {
        let further = format!("\"groups\":[\"eng\"]{further}");
        let id_jag = IdJag {
            audience: US,
            client_id: "agent",
            subject,
            resource: Some(RESOURCE),
            issued_at: NOW,
            lifetime_s: 300,
            further: &further,
            ..IdJag::default()
        };
        self.idp.mint(&id_jag).unwrap()
    }
}
