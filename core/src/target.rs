//! Which target a token exchange is for, and whether it may be had (RFC 8693 section 2.1,
//! draft-ietf-oauth-identity-assertion-authz-grant section 4.3.3).
//!
//! The request chooses among what is written down; it adds nothing. Why a pair is not to be had looks the same from
//! outside, so that the table cannot be read by asking.

use crate::config::Target;
use crate::reason::Reason;
use crate::scope::{Scope, ScopeSet};

/// What of a target is asked for.
pub(crate) struct Chosen<'s> {
    pub(crate) target: &'s Target,
    /// The resources that the ID-JAG names, in the order of the configuration.
    pub(crate) resources: Vec<&'s str>,
    /// The client as that server knows it.
    pub(crate) client_id: &'s str,
}

impl<'s> Chosen<'s> {
    /// The target that has `audience` and every one of `resources`, for `client_id`. Without `resources`: the only one
    /// that the audience guards.
    pub(crate) fn find(
        targets: &'s [Target],
        audience: &str,
        resources: &[&str],
        client_id: &str,
    ) -> Result<Self, Reason> {
        let mut of_audience = targets.iter().filter(|target| target.audience == audience);
        let target = if resources.is_empty() {
            let only = of_audience.next().ok_or(Reason::TargetUnknown)?;
            if of_audience.next().is_some() || only.resources.len() > 1 {
                return Err(Reason::TargetResourceMissing);
            }
            only
        } else {
            let has_all = |target: &&Target| {
                resources.iter().all(|asked| target.resources.iter().any(|known| known == asked))
            };
            of_audience.find(has_all).ok_or(Reason::TargetUnknown)?
        };
        let named = |known: &&str| resources.is_empty() || resources.contains(known);
        let mapped = target.clients.iter().find(|(here, _)| here == client_id);
        let (_, client_id) = mapped.ok_or(Reason::TargetClientNotMapped)?;
        Ok(Self {
            target,
            resources: target.resources.iter().map(String::as_str).filter(named).collect(),
            client_id,
        })
    }
}

impl Target {
    /// Those of a person's `groups` that the target is for; a person of another issuer has none.
    pub(crate) fn matching<'g>(
        &self,
        issuer: &str,
        groups: impl Iterator<Item = &'g str>,
    ) -> Result<Vec<&'g str>, Reason> {
        if self.issuer != issuer {
            return Err(Reason::TargetGroupRequired);
        }
        let Some(wanted) = &self.groups else {
            return Ok(Vec::new());
        };
        let mut matching: Vec<&str> =
            groups.filter(|group| wanted.iter().any(|name| name == group)).collect();
        matching.sort_unstable();
        matching.dedup();
        if matching.is_empty() { Err(Reason::TargetGroupRequired) } else { Ok(matching) }
    }

    /// The scopes that are asked for and may be had, separated by spaces: all of the target's where none is asked for.
    pub(crate) fn narrow(&self, asked: Option<&str>) -> Result<String, Reason> {
        let all = ScopeSet::all(self.scopes.len());
        let granted = match asked {
            None => all,
            Some(asked) => {
                let asked = Scope::read(asked).ok_or(Reason::ScopeRequestMalformed)?;
                ScopeSet::of(asked, &self.scopes)
            }
        };
        if granted.is_empty() {
            return Err(Reason::ScopeNotAvailable);
        }
        Ok(granted.print(&self.scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(audience: &str, resources: &[&str]) -> Target {
        Target {
            audience: audience.into(),
            resources: resources.iter().map(|&name| name.into()).collect(),
            scopes: vec!["a".into(), "b".into()],
            issuer: "i".into(),
            groups: Some(vec!["g".into(), "h".into()]),
            clients: vec![("here".into(), "there".into())],
            claims: Vec::new(),
            line: 1,
        }
    }

    #[test]
    fn a_pair_is_found_or_refused() {
        let targets = [
            target("one", &["r"]),
            target("none", &[]),
            target("two", &["r", "s"]),
            target("apart", &["r"]),
            target("apart", &["s"]),
        ];
        let find = |audience, resources: &[&str], client| {
            Chosen::find(&targets, audience, resources, client).map(|chosen| chosen.resources)
        };
        assert_eq!(find("one", &[], "here"), Ok(vec!["r"]));
        assert_eq!(find("one", &["r", "r"], "here"), Ok(vec!["r"]));
        assert_eq!(find("none", &[], "here"), Ok(vec![]));
        assert_eq!(find("two", &["s", "r"], "here"), Ok(vec!["r", "s"]));
        assert_eq!(find("two", &["s"], "here"), Ok(vec!["s"]));
        assert_eq!(find("apart", &["s"], "here"), Ok(vec!["s"]));
        for (audience, resources, client, reason) in [
            ("other", &[][..], "here", Reason::TargetUnknown),
            ("one", &["s"], "here", Reason::TargetUnknown),
            ("one", &["r", "s"], "here", Reason::TargetUnknown),
            ("none", &["r"], "here", Reason::TargetUnknown),
            ("apart", &["r", "s"], "here", Reason::TargetUnknown),
            ("two", &[], "here", Reason::TargetResourceMissing),
            ("apart", &[], "here", Reason::TargetResourceMissing),
            ("one", &["r"], "there", Reason::TargetClientNotMapped),
        ] {
            assert_eq!(find(audience, resources, client), Err(reason), "{audience} {resources:?} {client}");
        }
    }

    #[test]
    fn groups_and_scopes_are_narrowed() {
        let mut target = target("one", &["r"]);
        let matching = |target: &Target, issuer, groups: &[&'static str]| {
            target.matching(issuer, groups.iter().copied())
        };
        assert_eq!(matching(&target, "i", &["x", "h", "g", "h"]), Ok(vec!["g", "h"]));
        assert_eq!(matching(&target, "i", &["G", "x"]), Err(Reason::TargetGroupRequired));
        assert_eq!(matching(&target, "j", &["g"]), Err(Reason::TargetGroupRequired));
        target.groups = None;
        assert_eq!(matching(&target, "i", &[]), Ok(vec![]));
        assert_eq!(matching(&target, "j", &[]), Err(Reason::TargetGroupRequired));
        for (asked, granted) in [
            (None, Ok("a b")),
            (Some("b a"), Ok("a b")),
            (Some("b x"), Ok("b")),
            (Some("x"), Err(Reason::ScopeNotAvailable)),
            (Some("a  b"), Err(Reason::ScopeRequestMalformed)),
        ] {
            assert_eq!(target.narrow(asked), granted.map(str::to_owned), "{asked:?}");
        }
    }
}
