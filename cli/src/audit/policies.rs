//! What became of the policy, as the lines of a record tell it.
//!
//! Each process says with which policy it began, and what another one changed. Those that follow the first say the same again,
//! and are passed over. A policy that came with a start has nothing before it to be compared with: how many people have
//! something by it is known, and who gained and who lost is not.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Deserialize;

use super::report::Text;
use crate::problem::Result;
use crate::text::{BOLD, DIM, grouped, people, plural};

/// What a line says of a policy or of one of its connectors.
#[derive(Deserialize)]
pub(crate) struct PolicyLine<'l> {
    #[serde(borrow, default)]
    policy_before: Text<'l>,
    #[serde(borrow, default)]
    policy: Text<'l>,
    #[serde(borrow, default)]
    connector: Text<'l>,
    #[serde(borrow, default)]
    state_before: Text<'l>,
    #[serde(borrow, default)]
    state: Text<'l>,
    people: Option<u64>,
    people_gained: Option<u64>,
    people_lost: Option<u64>,
}

/// Every policy of a record.
#[derive(Default)]
pub(crate) struct Policies {
    loaded: Vec<Loaded>,
}

/// A policy that a process took.
struct Loaded {
    at: i64,
    timestamp: String,
    log: u32,
    before: String,
    digest: String,
    reached: Reached,
    connectors: Vec<Connector>,
}

struct Connector {
    id: String,
    before: String,
    state: String,
    reached: Reached,
}

/// How many people something reaches, where it was counted.
#[derive(Clone, Copy)]
struct Reached {
    people: Option<u64>,
    gained_and_lost: Option<(u64, u64)>,
}

impl Policies {
    /// Takes a line `policy_loaded`.
    pub(crate) fn load(&mut self, log: u32, at: i64, timestamp: &str, line: &PolicyLine<'_>) {
        self.loaded.push(Loaded {
            at,
            timestamp: timestamp.to_owned(),
            log,
            before: line.policy_before.to_string(),
            digest: line.policy.to_string(),
            reached: Reached::of(line),
            connectors: Vec::new(),
        });
    }

    /// Takes a line `connector_changed`, which stands behind the policy that changed it.
    pub(crate) fn change(&mut self, log: u32, line: &PolicyLine<'_>) {
        let of = |loaded: &&mut Loaded| loaded.log == log && loaded.digest == *line.policy;
        if let Some(loaded) = self.loaded.iter_mut().rfind(of) {
            loaded.connectors.push(Connector {
                id: line.connector.to_string(),
                before: line.state_before.to_string(),
                state: line.state.to_string(),
                reached: Reached::of(line),
            });
        }
    }

    /// Says what changed since `since`, in seconds since 1970.
    pub(crate) fn print(&mut self, since: i64, out: &mut dyn Write) -> Result<()> {
        // Logs are read one after the other, and their lines are in order.
        self.loaded.sort_by_key(|loaded| loaded.at);
        let mut current: Option<&str> = None;
        let mut known: BTreeMap<&str, u64> = BTreeMap::new();
        let mut changes = 0;
        writeln!(out, "\n{BOLD}policy{BOLD:#}")?;
        for loaded in &self.loaded {
            if current != Some(loaded.digest.as_str()) {
                if loaded.at >= since {
                    changes += 1;
                    loaded.print(current, &known, out)?;
                }
                current = Some(&loaded.digest);
            }
            known.extend(loaded.connectors.iter().filter_map(|c| Some((c.id.as_str(), c.reached.people?))));
        }
        if changes == 0 {
            writeln!(out, "  unchanged: {}", current.map_or("-", short))?;
        }
        Ok(())
    }
}

impl Loaded {
    fn print(&self, current: Option<&str>, known: &BTreeMap<&str, u64>, out: &mut dyn Write) -> Result<()> {
        let connectors = plural(self.connectors.len(), "connector");
        let what = match (self.before.is_empty(), self.reached) {
            (false, Reached { gained_and_lost: Some((gained, lost)), .. }) => {
                format!("{connectors} changed; {} gained, {} lost", number_of_people(gained), grouped(lost))
            }
            (false, _) => format!("{connectors} changed; who gained and lost was not counted"),
            (true, Reached { people: Some(people), .. }) if current.is_none() => {
                format!("the first: {connectors}, {} have something", number_of_people(people))
            }
            (true, _) if current.is_none() => format!("the first: {connectors}"),
            (true, _) => format!("another at a start: {connectors}; who gained and lost is not known"),
        };
        let from = current.map_or(String::new(), |before| format!("{} to ", short(before)));
        writeln!(out, "  {}  {from}{}  {what}", self.timestamp, short(&self.digest))?;
        for connector in &self.connectors {
            let Connector { id, before, state, reached } = connector;
            let state = match (before.as_str(), state.as_str()) {
                (before, "") => format!("gone, was {before}"),
                ("", state) => state.to_owned(),
                (before, state) if before == state => state.to_owned(),
                (before, state) => format!("{before} to {state}"),
            };
            write!(out, "    {id}  {DIM}{state}{DIM:#}")?;
            if let Some((gained, lost)) = reached.gained_and_lost {
                write!(out, "; {} gained, {} lost", number_of_people(gained), grouped(lost))?;
            }
            if let Some(people) = reached.people {
                write!(out, "; {} have something", number_of_people(people))?;
                if let Some(earlier) =
                    known.get(id.as_str()).filter(|known| **known != people && self.before.is_empty())
                {
                    write!(out, ", {} before", grouped(*earlier))?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl Reached {
    fn of(line: &PolicyLine<'_>) -> Self {
        Self { people: line.people, gained_and_lost: line.people_gained.zip(line.people_lost) }
    }
}

fn number_of_people(number: u64) -> String {
    people(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Enough of a digest to tell one from another.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
