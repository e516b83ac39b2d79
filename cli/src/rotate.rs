//! `idjag keys rotate`: the next step of a rotation of the keys that sign our tokens, when its time has come.
//!
//! A key is published before it signs, so that whoever has fetched our set knows it by then; and it is published until the last
//! token that it signed has expired. What was done when is written in the keys' own files, as members `iat`, `nbf` and `exp`
//! of the JWK, in seconds since 1970; the engine passes over them.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use idjag::{Algorithm, Clock, SigningKey, SystemClock};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::Answer;
use crate::calendar::date_after;
use crate::files::{self, Source};
use crate::outline::Outline;
use crate::problem::{Problem, Result};

/// Do the next step of a rotation of the keys in `tokens.keys`, when its time has come
///
/// Three steps, each of which changes `tokens.keys` in the configuration: a new key is made and published at the end of the list;
/// after `--ahead` it goes to the front and signs; once every token of the key before has expired (`--late`, `tokens.ttl_s` and
/// `limits.leeway_s` later) that one leaves the list, and its file can go. Run it every hour, and have each server read its
/// configuration again, within `--late`, when this says that something changed: no token is refused on the way.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag keys rotate --config /etc/idjag/idjag.toml
  idjag keys rotate --older-than-days 0      begin now

Exit status: 0 something changed, 1 nothing is due, 2 could not run.")]
pub(crate) struct Args {
    /// The configuration, in TOML
    #[arg(long, value_name = "FILE", default_value = files::CONFIG)]
    config: PathBuf,
    /// How long a key is published before it signs, in seconds: as long as others may hold our key set
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(i64).range(0..=31_536_000))]
    ahead: i64,
    /// How long a server may sign with the key before, in seconds, until it has read the configuration again
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(i64).range(0..=31_536_000))]
    late: i64,
    /// Begin once the key that signs is older than this
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(i64).range(0..=3_650))]
    older_than_days: i64,
    /// Do as if it were this time, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
}

/// A key of the list, as its file says.
struct Key {
    /// The path as it stands in the configuration.
    file: String,
    jwk: serde_json::Map<String, Value>,
}

/// What is due.
enum Step {
    Publish,
    /// The one at this place signs.
    Sign(usize),
    /// The one at this place goes.
    Retire(usize),
    /// Nothing before this time; and what will be due then.
    Wait(i64, &'static str),
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let source = Source::Disk(args.config.clone());
    source.config()?;
    let outline = Outline::of(&source)?;
    let text = source.text()?;
    let (list, span) = list_of(&text)?;
    let mut keys = list.into_iter().map(|file| Key::read(&source, file)).collect::<Result<Vec<_>>>()?;
    let now = args.now.unwrap_or_else(|| SystemClock.now());
    let lasts = outline.tokens.ttl_s.saturating_add(outline.limits.leeway_s).saturating_add(args.late);
    let out = &mut std::io::stdout().lock();
    match next(&keys, now, args.older_than_days.saturating_mul(86_400)) {
        Step::Wait(time, what) => {
            writeln!(out, "nothing is due: {what} at {time}, in {} s", time.saturating_sub(now))?;
            return Ok(Answer::No);
        }
        Step::Publish => {
            let algorithm = Algorithm::from_name(&outline.tokens.algorithm)
                .ok_or_else(|| Problem::new("`tokens.algorithm` is unknown"))?;
            let key = Key::make(algorithm, now, now.saturating_add(args.ahead))?;
            files::create(&source.folder().join(&key.file), key.text()?.as_bytes(), true)?;
            writeln!(out, "{} is published, and signs in {} s: run this again then", key.file, args.ahead)?;
            keys.push(key);
        }
        Step::Sign(at) => {
            let key = keys.remove(at);
            if let Some(before) = keys.first_mut() {
                before.jwk.insert("exp".to_owned(), now.saturating_add(lasts).into());
                files::replace_whole(&source.folder().join(&before.file), before.text()?.as_bytes())?;
                writeln!(
                    out,
                    "{} signs; {} stays published for {lasts} s: run this again then",
                    key.file, before.file
                )?;
            }
            keys.insert(0, key);
        }
        Step::Retire(at) => {
            let key = keys.remove(at);
            writeln!(out, "{} is no longer in use; its file can be deleted", key.file)?;
        }
    }
    let names: Vec<_> = keys.iter().map(|key| Value::from(key.file.as_str()).to_string()).collect();
    let (before, after) = (text.get(..span.start), text.get(span.end..));
    let (Some(before), Some(after)) = (before, after) else {
        return Err(Problem::new("`tokens.keys` is not where it was"));
    };
    files::replace_whole(&args.config, format!("{before}[{}]{after}", names.join(", ")).as_bytes())?;
    // What was written is what a server will read.
    source.config()?;
    writeln!(out, "{} has changed: have the server read it again", args.config.display())?;
    Ok(Answer::Yes)
}

/// What is due at `now`: first what ends, so that there are never more than two keys for long.
fn next(keys: &[Key], now: i64, period: i64) -> Step {
    if let Some((at, expires)) =
        keys.iter().enumerate().skip(1).find_map(|(at, key)| Some((at, key.time("exp")?)))
    {
        return if expires <= now { Step::Retire(at) } else { Step::Wait(expires, "the key before retires") };
    }
    if let Some((at, begins)) =
        keys.iter().enumerate().skip(1).find_map(|(at, key)| Some((at, key.time("nbf")?)))
    {
        return if begins <= now { Step::Sign(at) } else { Step::Wait(begins, "the new key signs") };
    }
    // A key that does not say when it was made is old.
    let due = keys.first().and_then(|key| key.time("iat")).map_or(now, |made| made.saturating_add(period));
    if due <= now { Step::Publish } else { Step::Wait(due, "a new key is made") }
}

impl Key {
    fn read(source: &Source, file: String) -> Result<Self> {
        let unread = |why: String| Problem::new(format!("`{file}`: {why}"));
        let text = source.read(&file).map_err(unread)?;
        let jwk = serde_json::from_slice(&text).map_err(|why| unread(why.to_string()))?;
        Ok(Self { file, jwk })
    }

    fn make(algorithm: Algorithm, made: i64, begins: i64) -> Result<Self> {
        let key = SigningKey::generate(algorithm)?;
        let mut jwk: serde_json::Map<String, Value> = serde_json::from_str(&key.to_jwk())?;
        jwk.insert("iat".to_owned(), made.into());
        jwk.insert("nbf".to_owned(), begins.into());
        let name: String = key.kid().chars().take(8).collect();
        Ok(Self { file: format!("keys/{}-{name}.jwk", date_after(made, 0)), jwk })
    }

    fn time(&self, member: &str) -> Option<i64> {
        self.jwk.get(member).and_then(Value::as_i64)
    }

    fn text(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string(&self.jwk)?))
    }
}

/// The files in `tokens.keys`, and where the list stands in the text.
fn list_of(text: &str) -> Result<(Vec<String>, Range<usize>)> {
    #[derive(Deserialize)]
    struct Document {
        tokens: Tokens,
    }
    #[derive(Deserialize)]
    struct Tokens {
        keys: Spanned<toml::Value>,
    }
    let document: Document = toml::from_str(text).map_err(|why| Problem::new(why.to_string()))?;
    let (span, keys) = (document.tokens.keys.span(), document.tokens.keys.into_inner());
    let ephemeral =
        || Problem::new("`tokens.keys` is \"ephemeral\": a new key is made at each start, and none rotates");
    let files: Option<Vec<String>> =
        keys.as_array().ok_or_else(ephemeral)?.iter().map(|file| file.as_str().map(str::to_owned)).collect();
    files.map(|files| (files, span)).ok_or_else(|| Problem::new("`tokens.keys` is not a list of files"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(members: &Value) -> Key {
        Key { file: String::new(), jwk: members.as_object().unwrap().clone() }
    }

    #[test]
    fn a_key_is_published_signs_and_retires_in_its_time() {
        let at = |keys: &[Value], now| match next(&keys.iter().map(key).collect::<Vec<_>>(), now, 100) {
            Step::Publish => "publish".to_owned(),
            Step::Sign(at) => format!("sign {at}"),
            Step::Retire(at) => format!("retire {at}"),
            Step::Wait(time, _) => format!("wait {time}"),
        };
        assert_eq!(at(&[json!({})], 0), "publish", "nobody knows how old it is");
        let old = json!({ "iat": 0, "nbf": 0 });
        assert_eq!(at(std::slice::from_ref(&old), 99), "wait 100");
        assert_eq!(at(std::slice::from_ref(&old), 100), "publish");
        let new = json!({ "iat": 100, "nbf": 110 });
        assert_eq!(at(&[old.clone(), new.clone()], 109), "wait 110");
        assert_eq!(at(&[old, new.clone()], 110), "sign 1");
        let leaving = json!({ "iat": 0, "nbf": 0, "exp": 150 });
        assert_eq!(at(&[new.clone(), leaving.clone()], 149), "wait 150");
        assert_eq!(at(&[new.clone(), leaving], 150), "retire 1");
        assert_eq!(at(&[new], 199), "wait 200");
    }

    #[test]
    fn the_list_is_found_wherever_it_stands() {
        for (text, list) in [
            ("tokens.keys = ['a', \"b\"] # c", "['a', \"b\"]"),
            (
                "issuer = 'x'\n[tokens]\nttl_s = 1\nkeys = [\n  'a',\n  'b', # d\n]\n[limits]",
                "[\n  'a',\n  'b', # d\n]",
            ),
        ] {
            let (files, span) = list_of(text).unwrap();
            assert_eq!((files, text.get(span)), (vec!["a".to_owned(), "b".to_owned()], Some(list)));
        }
        assert!(list_of("tokens.keys = 'ephemeral'").is_err() && list_of("tokens.keys = [1]").is_err());
    }
}
