//! `idjag check`: loads a configuration as a server would, and prints what is on.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use idjag::{
    Algorithm, Audit, Clock, Durability, Exchange, KeyOwner, KeySet, MemoryReplay, NoRecord, Store,
    SubjectForm, SystemClock,
};
use idjag_fetch::{Fetcher, Freshness, Live, Pace, SourceState};

use crate::Answer;
use crate::files::{self, Source};
use crate::outline::{Client, Connector, Idp, Outline};
use crate::problem::Result;
use crate::text::{self, BOLD, DIM, GREEN, YELLOW, complain, grouped, plural};

/// Check a configuration and print what is on: who gets what, and where that is written
///
/// Loads the configuration and everything that it names exactly as a server would. Prints the IdPs with their keys, the
/// clients, each connector with its state, its owner, its date of review and its grants with file and line, the rate of
/// exchanges that the single-use memory carries, what deserves a look, and the digest of the policy. Keys that are fetched
/// are fetched now: it says of each IdP and client whether that can be reached, and how old its keys are.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  idjag check
  idjag check --config /etc/idjag/idjag.toml --offline

Exit status: 0 fine, 1 an enabled connector is overdue for review or keys cannot be fetched, 2 the configuration cannot be loaded.")]
pub(crate) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = files::CONFIG)]
    config: PathBuf,
    /// Fetch nothing: leave out whether IdPs can be reached
    #[arg(long)]
    offline: bool,
}

/// How long is waited for keys: longer than any fetch takes.
const FETCH: Duration = Duration::from_secs(25);

pub(crate) fn run(args: &Args) -> Result<Answer> {
    let source = Source::Disk(args.config.clone());
    let config = source.config()?;
    let overdue = config.overdue(SystemClock.now());
    let store = config.store().clone();
    let audit = config.audit().clone();
    // Neither store nor record is opened: whether they can be is for the server to see.
    let builder = Exchange::builder(config).record(Arc::new(NoRecord)).replay(Box::new(MemoryReplay::new(0)));
    let (exchange, sources) = if args.offline {
        (Arc::new(builder.build()?), None)
    } else {
        // What was kept from an earlier run says nothing of whether it can be fetched now, and stays as it is.
        let mut settings = builder.fetch_settings().clone();
        settings.cache = None;
        let live = Live::with(builder, Fetcher::new(&settings, source.folder(), Pace::default()))?;
        live.fetcher().settle(FETCH);
        (Arc::clone(live.exchange()), Some(live.sources()))
    };
    let outline = Outline::of(&source)?;
    let stats = exchange.stats();

    let mut out = anstream::stdout().lock();
    print_server(&outline, stats.people, &mut out)?;
    writeln!(out, "\n{BOLD}IdPs{BOLD:#}")?;
    for idp in &outline.idps {
        print_idp(idp, &source, sources.as_deref(), &mut out)?;
    }
    writeln!(out, "\n{BOLD}clients{BOLD:#}")?;
    for client in &outline.clients {
        print_client(client, sources.as_deref(), &mut out)?;
    }
    writeln!(out, "\n{BOLD}connectors{BOLD:#}")?;
    for connector in &outline.connectors {
        print_connector(connector, &overdue, &mut out)?;
    }
    print_single_use(&store, &outline, &mut out)?;
    writeln!(out, "{BOLD}record{BOLD:#}      {}", record(&audit))?;
    writeln!(out, "{BOLD}policy{BOLD:#}      sha256 {}", stats.policy_digest)?;

    let warnings = exchange.warnings();
    if !warnings.is_empty() {
        writeln!(out, "\n{BOLD}{}{BOLD:#}", plural(warnings.len(), "warning"))?;
    }
    for warning in warnings {
        writeln!(out, "  {YELLOW}{warning}{YELLOW:#}")?;
    }
    if !overdue.is_empty() {
        complain(&format!(
            "overdue for review: {}; look at who has access, then set a later `review_by`",
            overdue.join(", ")
        ));
    }
    let missing: Vec<&str> = sources
        .iter()
        .flatten()
        .filter(|state| state.freshness == Freshness::Absent)
        .map(|state| state.owner.name())
        .collect();
    if !missing.is_empty() {
        complain(&format!("keys are not to be had: {}; see above why", missing.join(", ")));
    }
    Ok((overdue.is_empty() && missing.is_empty()).into())
}

/// Where the record is kept, and how.
fn record(audit: &Audit) -> String {
    match audit {
        Audit::Record { path, durability, subject, keep_days, .. } => {
            let durability = match durability {
                Durability::Sync => "on disk before each answer".to_owned(),
                Durability::GroupMs(most) => format!("on disk {most} ms after each answer at most"),
                _ => format!("{YELLOW}on disk about a second after each answer{YELLOW:#}"),
            };
            let subject = match subject {
                SubjectForm::Plain => "people by `sub`",
                SubjectForm::Hmac => "people by an HMAC",
                _ => "people left out",
            };
            let kept = keep_days.map_or_else(
                || "kept for good".to_owned(),
                |days| format!("kept for {}", plural(usize::try_from(days).unwrap_or(usize::MAX), "day")),
            );
            format!("{path}: {durability}, {subject}, {kept}")
        }
        _ => format!(
            "{YELLOW}off: nothing of what is granted is kept, and a restart forgets what was used{YELLOW:#}"
        ),
    }
}

fn print_server(outline: &Outline, people: usize, out: &mut dyn Write) -> Result<()> {
    let tokens = &outline.tokens;
    let keys = match tokens.files().as_slice() {
        [] => "a key that is made at start".to_owned(),
        files => files.join(", "),
    };
    writeln!(out, "{BOLD}issuer{BOLD:#}      {}", outline.issuer)?;
    writeln!(
        out,
        "{BOLD}tokens{BOLD:#}      {}, {} s, {keys}",
        tokens.algorithm,
        grouped(tokens.ttl_s.unsigned_abs())
    )?;
    Ok(writeln!(out, "{BOLD}directory{BOLD:#}   {}", text::people(people))?)
}

fn print_idp(idp: &Idp, source: &Source, fetched: Option<&[SourceState]>, out: &mut dyn Write) -> Result<()> {
    let algorithms: Vec<&str> = match &idp.algorithms {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => vec!["RS256", "PS256", "ES256", "EdDSA"],
    };
    let groups = match (idp.groups.directory, idp.groups.combine.as_deref()) {
        (true, Some("union")) => format!("the directory and {}", claim(idp)),
        (true, _) => "the directory".to_owned(),
        (false, _) => claim(idp),
    };
    writeln!(out, "  {}{}", idp.issuer, off(idp.enabled))?;
    writeln!(
        out,
        "    keys: {}; algorithms: {}",
        keys(idp, &algorithms, source, fetched),
        algorithms.join(", ")
    )?;
    writeln!(out, "    groups from {groups}")?;
    if !idp.tenants.is_empty() {
        writeln!(out, "    tenants: {}", idp.tenants.join(", "))?;
    }
    if let Some(resource) = &idp.default_resource {
        writeln!(out, "    without `resource`: {resource}")?;
    }
    Ok(())
}

fn claim(idp: &Idp) -> String {
    match &idp.groups.claim {
        Some(claim) => format!("the claim `{claim}`"),
        None => "the claim `groups`".to_owned(),
    }
}

fn keys(idp: &Idp, algorithms: &[&str], source: &Source, fetched: Option<&[SourceState]>) -> String {
    let (set, place) = match (&idp.jwks, &idp.jwks_file) {
        (Some(set), _) => (Some(set.to_string().into_bytes()), "in the configuration"),
        (_, Some(file)) => (source.read(file).ok(), file.as_str()),
        _ if !idp.enabled => return "fetched once it is switched on".to_owned(),
        _ => {
            let place = idp.jwks_uri.as_deref().unwrap_or("where the metadata of the issuer says");
            return fetched_keys(&KeyOwner::Idp(idp.issuer.clone()), place, fetched);
        }
    };
    let allowed: Vec<Algorithm> = algorithms.iter().copied().filter_map(Algorithm::from_name).collect();
    let usable = set.and_then(|set| KeySet::parse(&set, &allowed).ok()).map_or(0, |set| set.len());
    format!("{usable} in {}", place.strip_prefix("in ").unwrap_or(place))
}

/// Whether keys could be fetched, and how old they are.
fn fetched_keys(owner: &KeyOwner, place: &str, fetched: Option<&[SourceState]>) -> String {
    let Some(fetched) = fetched else {
        return format!("{place}, not asked (--offline)");
    };
    let Some(state) = fetched.iter().find(|state| state.owner == *owner) else {
        return format!("{place}, not asked");
    };
    let place = state.uri.as_deref().unwrap_or(place);
    let error = state.last_error.as_ref().map_or_else(String::new, |error| format!("; {error}"));
    match state.age_s {
        None => format!("{place}, {YELLOW}not to be had{YELLOW:#}{error}"),
        Some(age) => {
            let (age, next) = (grouped(age.unsigned_abs()), grouped(state.next_s.max(0).unsigned_abs()));
            format!("{place}, {}, {age} s old, fetched again in {next} s{error}", state.freshness.as_str())
        }
    }
}

fn print_client(client: &Client, fetched: Option<&[SourceState]>, out: &mut dyn Write) -> Result<()> {
    let connectors = client.connectors.join(", ");
    let connectors = if connectors == "*" { "all" } else { &connectors };
    writeln!(out, "  {}{}\n    {}; connectors: {connectors}", client.id, off(client.enabled), client.auth)?;
    if let (true, Some(uri)) = (client.enabled, &client.jwks_uri) {
        writeln!(out, "    keys: {}", fetched_keys(&KeyOwner::Client(client.id.clone()), uri, fetched))?;
    }
    Ok(())
}

fn off(enabled: bool) -> &'static str {
    if enabled { "" } else { " (switched off)" }
}

fn print_connector(connector: &Connector, overdue: &[String], out: &mut dyn Write) -> Result<()> {
    let style = if connector.state == "enabled" { GREEN } else { YELLOW };
    write!(out, "  {}  {style}{}{style:#}", connector.id, connector.state)?;
    if let Some(owner) = &connector.owner {
        write!(out, ", owner {owner}")?;
    }
    if let Some(date) = &connector.review_by {
        write!(out, ", review by {date}")?;
    }
    if overdue.contains(&connector.id) {
        write!(out, " {YELLOW}(overdue){YELLOW:#}")?;
    }
    writeln!(out, "\n    {}", connector.resources.join(", "))?;
    for grant in &connector.grants {
        writeln!(
            out,
            "    {}: {}  {DIM}{} ({}){DIM:#}",
            grant.whom,
            grant.scopes.join(" "),
            grant.place,
            grant.of
        )?;
    }
    if connector.grants.is_empty() {
        writeln!(out, "    nobody: it has no grants")?;
    }
    Ok(())
}

/// The rate at which entries expire as fast as they come.
fn print_single_use(store: &Store, outline: &Outline, out: &mut dyn Write) -> Result<()> {
    let limits = &outline.limits;
    let lifetimes = outline.idps.iter().map(|idp| idp.max_lifetime_s.unwrap_or(limits.max_lifetime_s));
    let longest = lifetimes.max().unwrap_or(limits.max_lifetime_s);
    let kept_s = longest.saturating_add(limits.leeway_s.saturating_mul(2)).unsigned_abs();
    let (whose, max_bytes, entry_bytes) = match store {
        Store::Memory { max_bytes } => (String::new(), *max_bytes, 64),
        Store::File { path, max_bytes } => (format!("{path}: "), *max_bytes, idjag_stores::FILE_ENTRY_BYTES),
        other => {
            let url = if let Store::Redis { url, .. } = other { url } else { "elsewhere" };
            return Ok(writeln!(out, "\n{BOLD}single use{BOLD:#}  {url}; each key is kept {kept_s} s")?);
        }
    };
    let rate = (max_bytes / entry_bytes).checked_div(kept_s).unwrap_or(0);
    Ok(writeln!(
        out,
        "\n{BOLD}single use{BOLD:#}  {whose}{} MiB carry {} exchanges/s, sustained: {entry_bytes} bytes at most for each, kept {kept_s} s",
        grouped(max_bytes >> 20),
        grouped(rate),
    )?)
}
