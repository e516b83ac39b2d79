//! What a wave has to say: one JSON object for programs; a table, the figures and one token for people.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::time::Duration;

use idjag::Issued;
use serde::Deserialize;
use serde::Serialize;

use super::run::{Run, Tally};
use crate::outline::Outline;
use crate::problem::{Problem, Result};
use crate::requests::{Line, OneOrMore};
use crate::text::{BOLD, DIM, GREEN, YELLOW, count, grouped};

/// The figures, as `--json` prints them.
#[derive(Serialize)]
struct Figures {
    requests: usize,
    granted: usize,
    refused: BTreeMap<&'static str, usize>,
    exchange_seconds: f64,
    exchanges_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    threads: usize,
    policy_digest: String,
}

/// Prints one JSON object.
pub(crate) fn json(run: &Run, out: &mut dyn Write) -> Result<()> {
    let tally = run.tally();
    let figures = Figures {
        requests: run.answers.len(),
        granted: tally.granted,
        refused: tally.refused,
        exchange_seconds: run.took.as_secs_f64(),
        exchanges_per_second: run.exchanges_per_second(),
        p50_us: micros(run.latency.p50),
        p99_us: micros(run.latency.p99),
        max_us: micros(run.latency.max),
        threads: run.threads.get(),
        policy_digest: run.exchange.stats().policy_digest,
    };
    serde_json::to_writer(&mut *out, &figures)?;
    Ok(writeln!(out)?)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Prints everything for people. `minting` is how long the embedded IdPs took to sign.
pub(crate) fn print(
    run: &Run,
    lines: &[Line],
    outline: &Outline,
    minting: Option<Duration>,
    out: &mut dyn Write,
) -> Result<()> {
    table(&columns(run, lines, outline), out)?;
    figures(run, minting, out)?;
    match run.answers.iter().flatten().next() {
        Some(issued) => sample(run, issued, out),
        None => Ok(writeln!(out, "\nNo token was issued.")?),
    }
}

/// One connector of the table.
#[derive(Default)]
struct Column {
    name: String,
    /// Who asked: issuer and subject.
    people: HashSet<(String, String)>,
    tally: Tally,
}

/// A column for each connector of the policy, one for resources that it does not have, where needed, and the total.
fn columns(run: &Run, lines: &[Line], outline: &Outline) -> Vec<Column> {
    let named = |name: &str| Column { name: name.to_owned(), ..Column::default() };
    let mut columns: Vec<Column> = outline.connectors.iter().map(|connector| named(&connector.id)).collect();
    let (mut elsewhere, mut total) = (named("elsewhere"), named("total"));
    for (line, answer) in lines.iter().zip(&run.answers) {
        let claims = Claims::of(&line.assertion).unwrap_or_default();
        let resource = match answer {
            Ok(issued) => issued.resource(),
            Err(_) => claims.asked_for(line, outline),
        };
        let column =
            outline.connector_of(resource).and_then(|at| columns.get_mut(at)).unwrap_or(&mut elsewhere);
        for column in [column, &mut total] {
            column.people.insert((claims.iss.clone(), claims.sub.clone()));
            column.tally.add(answer);
        }
    }
    if !elsewhere.people.is_empty() {
        columns.push(elsewhere);
    }
    columns.push(total);
    columns
}

/// What the table needs to know of an assertion. Nobody has vouched for it: it is for counting only.
#[derive(Default, Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    resource: Option<OneOrMore>,
}

impl Claims {
    fn of(assertion: &str) -> Option<Self> {
        serde_json::from_slice(&decoded(assertion, 1)?).ok()
    }

    /// The resource of a request that was refused: the assertion's, the request's, or the IdP's default.
    fn asked_for<'a>(&'a self, line: &'a Line, outline: &'a Outline) -> &'a str {
        let of_idp = || outline.idps.iter().find(|idp| idp.issuer == self.iss)?.default_resource.as_deref();
        let first = match &self.resource {
            Some(OneOrMore::One(resource)) => Some(resource),
            Some(OneOrMore::More(resources)) => resources.first(),
            None => None,
        };
        first.or(line.resource.first()).map(String::as_str).or_else(of_idp).unwrap_or_default()
    }
}

/// A part of a compact JWS.
fn decoded(compact: &str, part: usize) -> Option<Vec<u8>> {
    let part = compact.split('.').nth(part)?;
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part.as_bytes()).ok()
}

fn table(columns: &[Column], out: &mut dyn Write) -> Result<()> {
    let slugs: BTreeSet<&str> =
        columns.iter().flat_map(|column| column.tally.refused.keys().copied()).collect();
    let first = slugs.iter().map(|slug| slug.len()).max().unwrap_or(0).max("granted".len()) + 2;
    let width = |column: &Column| column.name.len().max(6) + 2;

    write!(out, "{:first$}", "")?;
    for column in columns {
        write!(out, "{BOLD}{:>1$}{BOLD:#}", column.name, width(column))?;
    }
    writeln!(out)?;
    let mut row = |name: &str, style: anstyle::Style, number: &dyn Fn(&Column) -> usize| -> Result<()> {
        write!(out, "{style}{name:first$}{style:#}")?;
        for column in columns {
            let number = number(column);
            let text = if number == 0 { "-".to_owned() } else { count(number) };
            write!(out, "{text:>0$}", width(column))?;
        }
        Ok(writeln!(out)?)
    };
    row("people", BOLD, &|column| column.people.len())?;
    row("granted", GREEN, &|column| column.tally.granted)?;
    row("refused", YELLOW, &|column| column.tally.refusals())?;
    for slug in slugs {
        let style = anstyle::Style::new();
        row(&format!("  {slug}"), style, &|column| column.tally.refused.get(slug).copied().unwrap_or(0))?;
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative and far below 2^64"
)]
fn figures(run: &Run, minting: Option<Duration>, out: &mut dyn Write) -> Result<()> {
    let threads = run.threads.get();
    writeln!(
        out,
        "\n{BOLD}throughput{BOLD:#}  {} exchanges/s: {} granted in {:.3} s on {}",
        grouped(run.exchanges_per_second().round() as u64),
        count(run.tally().granted),
        run.took.as_secs_f64(),
        crate::text::plural(threads, "thread"),
    )?;
    if let Some(minting) = minting {
        writeln!(
            out,
            "            {DIM}the IdPs took {:.1} s before that to sign the ID-JAGs{DIM:#}",
            minting.as_secs_f64()
        )?;
    }
    let latency = run.latency;
    writeln!(
        out,
        "{BOLD}latency{BOLD:#}     p50 {:.0} us, p99 {:.0} us, max {:.0} us: one by one on each thread",
        micros(latency.p50),
        micros(latency.p99),
        micros(latency.max)
    )?;
    let digest = run.exchange.stats().policy_digest;
    Ok(writeln!(out, "{BOLD}policy{BOLD:#}      sha256 {digest}")?)
}

/// Verifies a token as the resource would, and prints what is in it.
fn sample(run: &Run, issued: &Issued, out: &mut dyn Write) -> Result<()> {
    let token = issued.access_token();
    let verified = run.exchange.verify(token.as_bytes(), issued.resource()).map_err(|refusal| {
        Problem::new(format!("a token that was just issued does not verify: {refusal}"))
    })?;
    writeln!(
        out,
        "\n{BOLD}a token{BOLD:#}, {GREEN}verified{GREEN:#} for {}, {} bytes:",
        verified.resource(),
        count(token.len())
    )?;
    let header = decoded(token, 0).and_then(|header| String::from_utf8(header).ok()).unwrap_or_default();
    writeln!(out, "{}", Members::of(&header)?)?;
    Ok(writeln!(out, "{}", Members::of(&verified.claims())?)?)
}

/// The members of a JSON object, each on a line, in their order.
struct Members(Vec<(String, Box<serde_json::value::RawValue>)>);

impl Members {
    fn of(json: &str) -> Result<Self> {
        Ok(serde_json::from_str(json)?)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl std::fmt::Display for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let (open, close) =
                (if at == 0 { "{ " } else { "  " }, if at + 1 == self.0.len() { " }" } else { "," });
            write!(f, "  {open}{name:?}: {value}{close}")?;
            if at + 1 < self.0.len() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_printed_in_their_order() {
        let members = Members::of(r#"{"z":1,"a":{"b":"c"}}"#).unwrap();
        assert_eq!(members.to_string(), "  { \"z\": 1,\n    \"a\": {\"b\":\"c\"} }");
    }

    #[test]
    fn an_assertion_that_is_none_still_counts() {
        assert!(Claims::of("x").is_none());
        assert!(Claims::of("a.e30.c").is_some());
    }
}
