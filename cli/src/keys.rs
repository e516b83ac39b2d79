//! `idjag keys`: makes signing keys, key sets and client secrets.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use idjag::{Algorithm, SigningKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Answer;
use crate::files;
use crate::problem::{Problem, Result};
use crate::rotate;
use crate::text;

/// Make signing keys, publish their public halves, make client secrets
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(New),
    Jwks(Jwks),
    Rotate(rotate::Args),
    Secret(Secret),
}

/// Make a signing key and write it as a private JWK
///
/// Its `kid` is its thumbprint (RFC 7638). A file is readable by its owner alone and never replaces another one. `idjag
/// keys rotate` makes the keys of tokens anew, step by step.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag keys new --alg EdDSA --out keys/2026-11.jwk
  idjag keys new --alg RS256 | your-vault-client store idjag-signing-key")]
struct New {
    /// What it signs with
    #[arg(long, value_enum, ignore_case = true)]
    alg: Alg,
    /// Where to write it; standard output otherwise
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Print the JWK Set of the public halves of some keys
///
/// For whoever verifies what these keys sign. `oct` keys (HS256) have no public half and are refused.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag keys jwks keys/2026-11.jwk keys/2026-10.jwk > jwks.json")]
struct Jwks {
    /// Private JWKs, one in each file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Make a client secret of 256 random bits, and the digest that the configuration has of it
///
/// The first line is the secret, for the client; the second is for its entry in `[[clients]]`. While you rotate,
/// `secret_sha256` may be a list of two.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag keys secret")]
struct Secret {}

#[derive(Clone, Copy, ValueEnum)]
enum Alg {
    #[value(name = "EdDSA")]
    EdDsa,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "HS256")]
    Hs256,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::EdDsa => Self::EdDSA,
            Alg::Es256 => Self::ES256,
            Alg::Rs256 => Self::RS256,
            Alg::Hs256 => Self::HS256,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    match &args.command {
        Command::New(new) => make(new),
        Command::Jwks(jwks) => publish(&jwks.files),
        Command::Rotate(args) => rotate::run(args),
        Command::Secret(Secret {}) => secret(),
    }
}

fn make(new: &New) -> Result<Answer> {
    let key = SigningKey::generate(new.alg.into())?;
    let mut jwk = key.to_jwk();
    jwk.push('\n');
    match &new.out {
        Some(path) => {
            files::create(path, jwk.as_bytes(), true)?;
            text::note(&format!("wrote the {} key `{}` to {}", key.algorithm(), key.kid(), path.display()));
        }
        None => std::io::stdout().lock().write_all(jwk.as_bytes())?,
    }
    Ok(Answer::Yes)
}

fn publish(files: &[PathBuf]) -> Result<Answer> {
    let public = files
        .iter()
        .map(|path| {
            let wrong = |what: String| Problem::new(format!("`{}`: {what}", path.display()));
            let key =
                SigningKey::from_jwk(&files::read(path)?).map_err(|problem| wrong(problem.to_string()))?;
            key.public_jwk().ok_or_else(|| {
                wrong("a key for HS256 is one secret and is never published; leave it out".to_owned())
            })
        })
        .collect::<Result<Vec<String>>>()?;
    writeln!(std::io::stdout().lock(), "{{\"keys\":[{}]}}", public.join(","))?;
    Ok(Answer::Yes)
}

fn secret() -> Result<Answer> {
    let secret = new_secret()?;
    writeln!(std::io::stdout().lock(), "{secret}\nsecret_sha256 = \"{}\"", sha256(&secret))?;
    Ok(Answer::Yes)
}

/// A client secret: 256 random bits in base64url. They are those of a key, because only the core draws randomness.
pub(crate) fn new_secret() -> Result<String> {
    let jwk: Value = serde_json::from_str(&SigningKey::generate(Algorithm::HS256)?.to_jwk())?;
    let secret = jwk.get("k").and_then(Value::as_str);
    secret.map(str::to_owned).ok_or_else(|| Problem::new("a new secret has no octets"))
}

/// What `secret_sha256` has: the digest of the secret as it is written.
pub(crate) fn sha256(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_its_digest_is_the_known_one() {
        let secret = new_secret().unwrap();
        assert_eq!(secret.len(), 43);
        assert_ne!(secret, new_secret().unwrap());
        // FIPS 180-4, the example of one block.
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
