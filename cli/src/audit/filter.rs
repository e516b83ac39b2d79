//! Which lines of a record somebody wants.

use serde_json::Value;

use crate::problem::{Problem, Result};

// No documentation comment: it would become that of the command.
#[derive(clap::Args)]
pub(crate) struct Filter {
    /// The person: `sub`, or `sub_hmac`
    #[arg(long, value_name = "SUB")]
    user: Option<String>,
    /// The client: `client_id`
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The connector
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// The IdP: `iss`
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// What happened: `exchange`, `log_opened` and so on
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// `allow`, `deny` or `error`
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// Why it was refused: the slug
    #[arg(long, value_name = "SLUG")]
    reason: Option<String>,
    /// Not before: `90s`, `15m`, `12h`, `7d`, or a time as lines have it
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl Filter {
    /// Not before this, in seconds since 1970.
    pub(crate) fn since(&self, now: i64) -> Result<Option<i64>> {
        self.since.as_deref().map(|text| super::since(text, now)).transpose().map_err(Problem::new)
    }

    /// Whether every line is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.since.is_none() && self.asked().iter().all(|(_, wanted)| wanted.is_none())
    }

    /// Whether a line is wanted. `since` is what [`since`](Self::since) gave.
    pub(crate) fn takes(&self, text: &str, since: Option<i64>) -> bool {
        if self.is_empty() {
            return true;
        }
        let Ok(line) = serde_json::from_str::<Value>(text) else { return false };
        let is = |member: &&str, wanted: &String| line.get(*member).and_then(Value::as_str) == Some(wanted);
        let at = line.get("timestamp").and_then(Value::as_str).and_then(idjag_log::parse_timestamp);
        self.asked().iter().all(|(members, wanted)| {
            wanted.is_none_or(|wanted| members.iter().any(|member| is(member, wanted)))
        }) && since.is_none_or(|since| at.is_some_and(|at| at >= since))
    }

    /// Members, of which one has to be what is wanted.
    fn asked(&self) -> [(&'static [&'static str], Option<&String>); 7] {
        [
            (&["client_id"], self.client.as_ref()),
            (&["connector"], self.connector.as_ref()),
            (&["iss"], self.issuer.as_ref()),
            (&["event"], self.event.as_ref()),
            (&["decision"], self.decision.as_ref()),
            (&["reason"], self.reason.as_ref()),
            (&["sub", "sub_hmac"], self.user.as_ref()),
        ]
    }
}
