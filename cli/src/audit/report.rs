//! `idjag audit report`: what happened, for whoever answers for access.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::{ControlFlow, Deref};
use std::path::PathBuf;

use idjag::{Clock, SystemClock};
use idjag_log::Checked;
use serde::Deserialize;

use super::policies::{Policies, PolicyLine};
use crate::Answer;
use crate::problem::{Problem, Result};
use crate::text::{BOLD, GREEN, RED, grouped, plural};

/// Report what happened: how much, who was new, what was refused and why, and whether the record is whole
///
/// Counts exchanges and refusals by connector and by reason; lists people who got a token for a connector for the first time
/// in this record; says what changed in the policy and how many people gained or lost by it, which keys changed, and how often
/// a log was opened, recovered or stood still; and verifies the record. Only lines under a checkpoint that holds are counted.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  idjag audit report audit --since 7d

People are counted where the directory lists them, by the groups that it lists: those of an IdP that is configured without it
are not known before they come.

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

/// A text of a line: borrowed from it, where nothing in it is escaped.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(crate) struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What a report needs of a line.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    timestamp: Text<'l>,
    #[serde(borrow)]
    event: Text<'l>,
    #[serde(borrow, default)]
    decision: Text<'l>,
    #[serde(borrow, default)]
    reason: Text<'l>,
    #[serde(borrow, default)]
    connector: Text<'l>,
    #[serde(borrow, default)]
    iss: Text<'l>,
    #[serde(borrow, default)]
    tenant: Text<'l>,
    #[serde(borrow, default)]
    sub: Text<'l>,
    #[serde(borrow, default)]
    sub_hmac: Text<'l>,
    #[serde(borrow, default)]
    client_id: Text<'l>,
    count: Option<u64>,
    usable: Option<u64>,
}

/// IdP, tenant, person, connector.
type Pair = [String; 4];

#[derive(Default)]
struct Report {
    /// Granted and refused, by connector.
    volume: BTreeMap<String, (u64, u64)>,
    /// By reason and connector.
    refused: BTreeMap<(String, String), u64>,
    /// Tokens that were refused at resources, by reason.
    tokens_refused: BTreeMap<String, u64>,
    /// Everyone who got a token for a connector before the time of the report, and those who did so first in it.
    known: BTreeSet<Pair>,
    new: BTreeSet<Pair>,
    policies: Policies,
    /// Whose keys: when they changed last, how often, and how many there were then.
    keys: BTreeMap<String, (String, u64, u64)>,
    events: BTreeMap<String, u64>,
}

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let since = super::since(&args.since, SystemClock.now()).map_err(Problem::new)?;
    let verifier = super::verifier(args.vkey.as_deref(), &args.dir)?;
    let mut report = Report::default();
    let bar = super::bar(&args.dir);
    let checked = idjag_log::verified(&args.dir, &verifier, |line| {
        bar.inc(line.text.len() as u64 + 1);
        if let Ok(read) = serde_json::from_str::<Line<'_>>(line.text) {
            report.add(&line, &read, since);
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let mut out = anstream::stdout().lock();
    report.print(&args.since, since, &mut out)?;
    print_record(&checked, &mut out)?;
    Ok(checked.iter().all(Checked::is_whole).into())
}

impl Report {
    fn add(&mut self, whole: &idjag_log::Line<'_>, line: &Line<'_>, since: i64) {
        let Some(at) = idjag_log::parse_timestamp(&line.timestamp) else { return };
        let policy = |text| serde_json::from_str::<PolicyLine<'_>>(text).ok();
        match &*line.event {
            // What was before counts, too.
            "exchange" if &*line.decision == "allow" => return self.add_granted(line, at >= since),
            "policy_loaded" => {
                if let Some(policy) = policy(whole.text) {
                    self.policies.load(whole.log, at, &line.timestamp, &policy);
                }
            }
            "connector_changed" => {
                if let Some(policy) = policy(whole.text) {
                    self.policies.change(whole.log, &policy);
                }
            }
            _ => {}
        }
        if at < since {
            return;
        }
        match &*line.event {
            "exchange" => self.add_refused(line, 1),
            // So many that have no line of their own.
            "refusals" => self.add_refused(line, line.count.unwrap_or(1)),
            "verify" => *self.tokens_refused.entry(line.reason.to_owned()).or_default() += 1,
            "keys_changed" => {
                let owner = if line.iss.is_empty() { &line.client_id } else { &line.iss };
                let (last, times, usable) = self.keys.entry(owner.to_string()).or_default();
                if **last < *line.timestamp {
                    (*last, *usable) = (line.timestamp.to_string(), line.usable.unwrap_or_default());
                }
                *times += 1;
            }
            _ => {}
        }
        if &*line.event != "exchange" {
            *self.events.entry(line.event.to_owned()).or_default() += 1;
        }
    }

    fn add_granted(&mut self, line: &Line<'_>, within: bool) {
        let person = if line.sub.is_empty() { &line.sub_hmac } else { &line.sub };
        let pair = [&line.iss, &line.tenant, person, &line.connector].map(|text| text.to_string());
        if !within {
            self.known.insert(pair);
            return;
        }
        self.volume.entry(line.connector.to_owned()).or_default().0 += 1;
        self.new.insert(pair);
    }

    fn add_refused(&mut self, line: &Line<'_>, count: u64) {
        self.volume.entry(line.connector.to_owned()).or_default().1 += count;
        *self.refused.entry((line.reason.to_owned(), line.connector.to_owned())).or_default() += count;
    }

    fn print(&mut self, since: &str, from: i64, out: &mut dyn Write) -> Result<()> {
        let granted: u64 = self.volume.values().map(|(granted, _)| granted).sum();
        let refused: u64 = self.volume.values().map(|(_, refused)| refused).sum();
        let (granted, refused) = (grouped(granted), grouped(refused));
        writeln!(out, "{BOLD}since {since}{BOLD:#}: {granted} granted, {refused} refused")?;
        for (connector, (granted, refused)) in &self.volume {
            let (granted, refused) = (grouped(*granted), grouped(*refused));
            writeln!(out, "  {}  {granted} granted, {refused} refused", or_none(connector))?;
        }
        writeln!(out, "\n{BOLD}refused{BOLD:#}")?;
        for ((reason, connector), count) in &self.refused {
            writeln!(out, "  {reason}  {}  {}", or_none(connector), grouped(*count))?;
        }
        for (reason, count) in &self.tokens_refused {
            writeln!(out, "  {reason}  at a resource  {}", grouped(*count))?;
        }
        self.print_new(out)?;
        self.policies.print(from, out)?;
        writeln!(out, "\n{BOLD}keys{BOLD:#}")?;
        for (owner, (last, times, usable)) in &self.keys {
            let (times, usable) = (plural_of(*times, "time"), plural_of(*usable, "key"));
            writeln!(out, "  {}  changed {times}, at last {last} to {usable}", or_none(owner))?;
        }
        if self.keys.is_empty() {
            writeln!(out, "  unchanged")?;
        }
        writeln!(out, "\n{BOLD}events beside exchanges{BOLD:#}")?;
        for (event, count) in &self.events {
            writeln!(out, "  {event}  {}", grouped(*count))?;
        }
        Ok(())
    }

    fn print_new(&self, out: &mut dyn Write) -> Result<()> {
        let new: Vec<_> = self.new.difference(&self.known).collect();
        let pairs = plural(new.len(), "pair");
        writeln!(out, "\n{BOLD}first time{BOLD:#}: {pairs} of person and connector")?;
        for [iss, tenant, person, connector] in new.iter().take(20) {
            let tenant = if tenant.is_empty() { String::new() } else { format!(" ({tenant})") };
            writeln!(out, "  {connector}  {person} of {iss}{tenant}")?;
        }
        if new.len() > 20 {
            writeln!(out, "  and {} more", grouped(new.len() as u64 - 20))?;
        }
        Ok(())
    }
}

fn print_record(checked: &[Checked], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\n{BOLD}the record{BOLD:#}")?;
    for log in checked {
        let lines = grouped(log.verified.saturating_sub(log.first));
        let behind = log.lines.saturating_sub(log.verified);
        let behind = if behind == 0 {
            String::new()
        } else {
            format!("; {} behind the last checkpoint are not counted here", grouped(behind))
        };
        if log.is_whole() {
            writeln!(out, "  {GREEN}whole{GREEN:#}  {}, {lines} lines{behind}", log.origin)?;
        } else {
            let what = format!("{lines} lines are what was written, and nothing else is counted here");
            writeln!(out, "  {RED}CHANGED{RED:#}  {}: {what}; see `idjag audit verify`", log.origin)?;
        }
    }
    Ok(())
}

fn plural_of(number: u64, one: &str) -> String {
    plural(usize::try_from(number).unwrap_or(usize::MAX), one)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
