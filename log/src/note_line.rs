//! What happened beside exchanges, as lines.

use idjag::{ConnectorChange, ConnectorSummary, Note, Reach, Revocation};

use crate::line::{Line, Subjects};

/// Writes the lines of `note` one after the other: `begin` begins a line with a code and the name of the event, and `done`
/// takes each.
pub(crate) fn lines(note: &Note<'_>, at_ms: i64, mut done: impl FnMut(&[u8])) {
    let mut out = Vec::new();
    let mut write = |code, event, members: &dyn Fn(&mut Line<'_>)| {
        let mut line = Line::new(&mut out, at_ms, code, event);
        members(&mut line);
        line.end();
        done(&out);
    };
    match note {
        Note::Config { file, before, digest, kid, idps, clients } => {
            write("IJ330I", "config_loaded", &|line| {
                line.text("file", file);
                line.text("config_before", before.unwrap_or_default());
                line.text("config", digest);
                line.text("signs_with", kid);
                line.number("idps", count(*idps));
                line.number("clients", count(*clients));
            });
        }
        Note::Policy { file, before, digest, changes, reach } => {
            write("IJ310I", "policy_loaded", &|line| {
                line.text("file", file);
                line.text("policy_before", before.unwrap_or_default());
                line.text("policy", digest);
                line.number("connectors_changed", count(changes.len()));
                people(line, *reach, before.is_some());
            });
            // A line each: a policy may have a thousand of them.
            for change in *changes {
                write("IJ311I", "connector_changed", &|line| {
                    connector(line, change, before.unwrap_or_default(), digest);
                    people(line, change.reach, before.is_some());
                });
            }
        }
        Note::Directory { before, people, digest_before, digest } => {
            write("IJ320I", "directory_loaded", &|line| {
                line.text("directory_before", digest_before.unwrap_or_default());
                line.text("directory", digest);
                if let Some(before) = before {
                    line.number("people_before", count(*before));
                }
                line.number("people", count(*people));
            });
        }
        Note::Keys { issuer, usable } => write("IJ300I", "keys_changed", &|line| {
            line.text("iss", issuer);
            line.number("usable", count(*usable));
        }),
        Note::VerifyRefused { reason, resource } => write("IJ110E", "verify", &|line| {
            line.text("decision", "deny");
            line.text("reason", reason.slug());
            line.text("resource", resource);
        }),
        _ => {}
    }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// Whom a change reaches: who get something, and, where there was a policy before, who gained and who lost.
fn people(line: &mut Line<'_>, reach: Option<Reach>, is_change: bool) {
    let Some(Reach { people, gained, lost, .. }) = reach else { return };
    line.number("people", count(people));
    if is_change {
        line.number("people_gained", count(gained));
        line.number("people_lost", count(lost));
    }
}

fn connector(line: &mut Line<'_>, change: &ConnectorChange, before: &str, digest: &str) {
    line.text("connector", &change.id);
    line.text("policy_before", before);
    line.text("policy", digest);
    if let Some(ConnectorSummary { state, scopes, grants, .. }) = &change.before {
        line.text("state_before", state.as_str());
        line.names("scopes_before", scopes.iter().map(String::as_str));
        line.names("grants_before", grants.iter().map(String::as_str));
    }
    if let Some(ConnectorSummary { state, scopes, grants, .. }) = &change.after {
        line.text("state", state.as_str());
        line.names("scopes", scopes.iter().map(String::as_str));
        line.names("grants", grants.iter().map(String::as_str));
    }
}

/// What was revoked or lifted, as a line: for who keeps no more of it.
pub(crate) fn revoked(out: &mut Vec<u8>, at_ms: i64, of: &Revocation<'_>, lifted: bool) {
    let (code, event) = if lifted { ("IJ201I", "lifted") } else { ("IJ200I", "revoked") };
    let mut line = Line::new(out, at_ms, code, event);
    revocation(&mut line, of, &Subjects::Plain);
    line.end();
}

/// What was revoked, in words.
pub(crate) fn revocation(line: &mut Line<'_>, of: &Revocation<'_>, subjects: &Subjects) {
    match of {
        Revocation::Token { jti, expires_at } => {
            line.text("token_jti", jti);
            line.number("token_exp", *expires_at);
        }
        Revocation::Person { issuer, tenant, subject } => {
            line.text("iss", issuer);
            line.text("tenant", tenant.unwrap_or_default());
            line.subject(subjects, issuer, *tenant, subject);
        }
        Revocation::Client(client_id) => line.text("client_id", client_id),
        Revocation::Connector(connector) => line.text("connector", connector),
        Revocation::Issuer(issuer) => line.text("iss", issuer),
        _ => {}
    }
}
