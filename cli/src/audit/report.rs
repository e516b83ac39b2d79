//! `idjag audit report`: what happened, for whoever answers for access.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use idjag::{Clock, SystemClock};
use idjag_log::Checked;
use serde::Deserialize;

use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::{BOLD, GREEN, RED, grouped, plural};

/// Report what happened: how much, who was new, what was refused and why, and whether the record is whole
///
/// Counts exchanges by connector and refusals by reason; lists people who got a token for a connector for the first time
/// in this record; says how often a log was opened, recovered or stood still; and verifies the record.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  idjag audit report audit --since 7d

Exit status: 0 the record is whole, 1 something in it is gone or changed, 2 could not run.")]
pub(crate) struct Args {
    /// The folder of the record
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Not before: `90s`, `15m`, `12h`, `7d`, or a time as lines have it
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// The key to verify with: the text of `vkey`, as it was when the folder was new
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
}

/// What a report needs of a line.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    timestamp: &'l str,
    event: &'l str,
    decision: Option<&'l str>,
    reason: Option<&'l str>,
    #[serde(default)]
    connector: std::borrow::Cow<'l, str>,
    #[serde(default)]
    iss: std::borrow::Cow<'l, str>,
    #[serde(default)]
    tenant: std::borrow::Cow<'l, str>,
    #[serde(default)]
    sub: std::borrow::Cow<'l, str>,
    #[serde(default)]
    sub_hmac: std::borrow::Cow<'l, str>,
    policy: Option<&'l str>,
}

/// IdP, tenant, person, connector.
type Pair = (String, String, String, String);

#[derive(Default)]
struct Report {
    granted: BTreeMap<String, u64>,
    refused: BTreeMap<(String, String), u64>,
    /// Everyone who got a token for a connector before the time of the report, and those who did so first in it.
    known: BTreeSet<Pair>,
    new: BTreeSet<Pair>,
    policies: Vec<String>,
    logs: BTreeMap<String, u64>,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let since = super::since(&args.since, SystemClock.now()).map_err(Problem::new)?;
    let verifier = super::verifier(args.vkey.as_deref(), &args.dir)?;
    let checked = idjag_log::verify(&args.dir, &verifier)?;
    let mut report = Report::default();
    idjag_log::lines(&args.dir, None, |line| {
        if let Ok(line) = serde_json::from_str::<Line<'_>>(line.text) {
            report.add(&line, since);
        }
        ControlFlow::Continue(())
    })?;
    let mut out = anstream::stdout().lock();
    report.print(&args.since, &mut out)?;
    print_record(&checked, &mut out)?;
    Ok(checked.iter().all(Checked::is_whole).into())
}

impl Report {
    fn add(&mut self, line: &Line<'_>, since: i64) {
        let within = idjag_log::parse_timestamp(line.timestamp).is_some_and(|at| at >= since);
        if line.event != "exchange" {
            if within {
                *self.logs.entry(line.event.to_owned()).or_default() += 1;
            }
            return;
        }
        if line.decision == Some("allow") {
            let person = if line.sub.is_empty() { &line.sub_hmac } else { &line.sub };
            let pair =
                [&line.iss, &line.tenant, person, &line.connector].map(|text| text.clone().into_owned());
            let [iss, tenant, person, connector] = pair;
            let pair = (iss, tenant, person, connector.clone());
            if !within {
                self.known.insert(pair);
                return;
            }
            *self.granted.entry(connector).or_default() += 1;
            if !self.known.contains(&pair) {
                self.new.insert(pair);
            }
        } else if within {
            let reason = line.reason.unwrap_or_default().to_owned();
            *self.refused.entry((reason, line.connector.clone().into_owned())).or_default() += 1;
        }
        if let Some(policy) =
            line.policy.filter(|policy| within && !self.policies.iter().any(|p| p == policy))
        {
            self.policies.push(policy.to_owned());
        }
    }

    fn print(&self, since: &str, out: &mut dyn Write) -> Result<()> {
        let total: u64 = self.granted.values().sum();
        let refused: u64 = self.refused.values().sum();
        writeln!(
            out,
            "{BOLD}since {since}{BOLD:#}: {} granted, {} refused",
            grouped(total),
            grouped(refused)
        )?;
        for (connector, count) in &self.granted {
            writeln!(out, "  {}  {}", or_none(connector), grouped(*count))?;
        }
        writeln!(out, "\n{BOLD}refused{BOLD:#}")?;
        for ((reason, connector), count) in &self.refused {
            writeln!(out, "  {reason}  {}  {}", or_none(connector), grouped(*count))?;
        }
        writeln!(
            out,
            "\n{BOLD}first time{BOLD:#}: {} of person and connector",
            plural(self.new.len(), "pair")
        )?;
        for (iss, tenant, person, connector) in self.new.iter().take(20) {
            let tenant = if tenant.is_empty() { String::new() } else { format!(" ({tenant})") };
            writeln!(out, "  {connector}  {person} of {iss}{tenant}")?;
        }
        if self.new.len() > 20 {
            writeln!(out, "  and {} more", self.new.len() - 20)?;
        }
        writeln!(out, "\n{BOLD}policies{BOLD:#}, by digest")?;
        for policy in &self.policies {
            writeln!(out, "  {policy}")?;
        }
        writeln!(out, "\n{BOLD}events beside exchanges{BOLD:#}")?;
        for (event, count) in &self.logs {
            writeln!(out, "  {event}  {}", grouped(*count))?;
        }
        Ok(())
    }
}

fn print_record(checked: &[Checked], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\n{BOLD}the record{BOLD:#}")?;
    for log in checked {
        if log.is_whole() {
            writeln!(
                out,
                "  {GREEN}whole{GREEN:#}  {}, {} lines",
                log.origin,
                grouped(log.lines - log.first)
            )?;
        } else {
            writeln!(out, "  {RED}CHANGED{RED:#}  {}; see `idjag audit verify`", log.origin)?;
        }
    }
    Ok(())
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
