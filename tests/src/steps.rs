//! The vector table as one list of steps: long texts are written out and references are followed, so that a runner in
//! another language needs nothing but JSON.
//!
//! | `do` | what |
//! |---|---|
//! | `engine` | a new engine in `world`, built at `now`; with `case`, what its tokens look like: `issuer`, `alg`, `kid`, `ttl_s`, and the `documents` of clients |
//! | `exchange` | `now`, `assertion`, `client_id`, `resource`, `scope`, `expect`; `keep`: a name for the token |
//! | `verify` | `now`, `token`, `resource`, `expect`; `dpop`, `method`, `url`, `certificate`: what comes with it |
//! | `send` | a request to the token endpoint, as in `vectors/requests/`, its `body` a text, its `certificate` in hexadecimal |
//! | `idp` | a new identity provider in `world`, built at `now`; with `case` |
//! | `issue` | a request to its token endpoint, as in `vectors/idp/`, its `body` a text |
//!
//! An assertion or token is a text, or `{"kept": name}`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Value, json};

use crate::case::{Assertion, Case, Expect, Step, Table, Verify};
use crate::idp::IdpCase;
use crate::request::RequestCase;
use crate::vectors;
use crate::world::World;

/// Every step of the table, in order.
///
/// # Errors
///
/// A file that cannot be read, or a reference to nothing.
pub fn all() -> io::Result<Vec<Value>> {
    let table = Table::read(&vectors().join("cases"))?;
    let mut list = List { table: &table, steps: Vec::new(), kept: BTreeSet::new() };
    for case in table.cases() {
        list.case(case)?;
    }
    let requests = RequestCase::read_all()?;
    let named: BTreeMap<&str, &RequestCase> =
        requests.iter().map(|request| (&*request.name, request)).collect();
    for request in &requests {
        let before = earlier(&request.before, &named)?;
        let now = before.first().unwrap_or(&request).now;
        list.engine(&request.name, &request.world, now, request.documents.as_ref())?;
        list.steps.extend(before.into_iter().map(RequestCase::step));
        list.steps.push(request.step());
    }
    let requests = IdpCase::read_all()?;
    let named: BTreeMap<&str, &IdpCase> = requests.iter().map(|request| (&*request.name, request)).collect();
    for request in &requests {
        let before = earlier(&request.before, &named)?;
        let now = before.first().unwrap_or(&request).now;
        list.steps.push(json!({ "do": "idp", "case": request.name, "world": request.world, "now": now }));
        list.steps.extend(before.into_iter().map(IdpCase::step));
        list.steps.push(request.step());
    }
    Ok(list.steps)
}

/// The cases of these names, out of all.
fn earlier<'c, C>(names: &[String], all: &BTreeMap<&str, &'c C>) -> io::Result<Vec<&'c C>> {
    names.iter().map(|name| all.get(&**name).copied().ok_or_else(|| missing(name))).collect()
}

fn missing(name: &str) -> io::Error {
    io::Error::other(format!("there is no `{name}`"))
}

struct List<'t> {
    table: &'t Table,
    steps: Vec<Value>,
    kept: BTreeSet<&'t str>,
}

impl<'t> List<'t> {
    fn case(&mut self, case: &'t Case) -> io::Result<()> {
        let before = case.before.iter().map(|step| (&step.assertion, &step.verify));
        for (assertion, verify) in before.chain([(&case.assertion, &case.verify)]) {
            let text = assertion.as_ref().or(verify.as_ref().map(|verify| &verify.token));
            if let Some(earlier) = text.and_then(|text| self.table.token_of(text)) {
                self.keep(earlier)?;
            }
        }
        self.engine(&case.name, &case.world, case.starts_at(), None)?;
        for step in &case.before {
            let step = self.step(step, case.now)?;
            self.steps.push(step);
        }
        let last = self.last(case)?;
        self.steps.push(last);
        Ok(())
    }

    /// Runs a case on an engine of its own, to keep its token.
    fn keep(&mut self, case: &'t Case) -> io::Result<()> {
        if self.kept.insert(&case.name) {
            self.engine(&case.name, &case.world, case.starts_at(), None)?;
            let mut last = self.last(case)?;
            if let Some(last) = last.as_object_mut() {
                last.insert("keep".to_owned(), json!(case.name));
            }
            self.steps.push(last);
        }
        Ok(())
    }

    fn engine(
        &mut self,
        case: &str,
        world: &str,
        now: i64,
        documents: Option<&BTreeMap<String, Option<String>>>,
    ) -> io::Result<()> {
        let configured = World::read(world)?;
        let (key, json) = (configured.token_key().unwrap_or_default(), configured.json());
        let ttl_s = json.pointer("/tokens/ttl_s").and_then(Value::as_i64).unwrap_or(3600);
        let (issuer, alg, kid) = (json.get("issuer"), key.get("alg"), key.get("kid"));
        self.steps.push(json!({
            "do": "engine", "case": case, "world": world, "now": now,
            "issuer": issuer, "alg": alg, "kid": kid, "ttl_s": ttl_s, "documents": documents,
        }));
        Ok(())
    }

    fn last(&self, case: &Case) -> io::Result<Value> {
        let Case { assertion, verify, client_id, resource, scope, expect, .. } = case.clone();
        self.step(&Step { now: None, assertion, verify, client_id, resource, scope, expect }, case.now)
    }

    fn step(&self, step: &Step, now: i64) -> io::Result<Value> {
        let Step { now: own, assertion, verify, client_id, resource, scope, expect } = step;
        let now = own.unwrap_or(now);
        let expect: &Expect = expect;
        match (assertion, verify) {
            (Some(assertion), None) => Ok(json!({
                "do": "exchange", "now": now, "assertion": self.text(assertion)?, "client_id": client_id,
                "resource": resource, "scope": scope, "expect": expect,
            })),
            (None, Some(Verify { token, resource, dpop, method, url, certificate })) => Ok(json!({
                "do": "verify", "now": now, "token": self.text(token)?, "resource": resource, "expect": expect,
                "dpop": dpop, "method": method, "url": url, "certificate": certificate,
            })),
            _ => Err(io::Error::other("exactly one of `assertion` and `verify`")),
        }
    }

    fn text(&self, assertion: &Assertion) -> io::Result<Value> {
        if let Some(case) = self.table.token_of(assertion) {
            return Ok(json!({ "kept": case.name }));
        }
        let text = self.table.text(assertion, &|_| None);
        Ok(json!(text.ok_or_else(|| missing("the case that is referred to"))?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
    use super::*;

    #[test]
    fn each_case_and_each_request_has_its_engine_and_its_steps() {
        let steps = all().unwrap();
        let count = |what: &str| steps.iter().filter(|step| step["do"] == what).count();
        let table = Table::read(&vectors().join("cases")).unwrap();
        let requests = RequestCase::read_all().unwrap();
        let issued = IdpCase::read_all().unwrap();
        assert!(requests.len() > 550 && issued.len() > 150);
        let kept = steps.iter().filter(|step| step.get("keep").is_some()).count();
        assert_eq!(count("engine"), table.cases().len() + requests.len() + kept);
        let earlier: usize = table.cases().iter().map(|case| case.before.len()).sum();
        assert_eq!(count("exchange") + count("verify"), table.cases().len() + earlier + kept);
        assert!(count("send") >= requests.len() && kept > 10);
        assert_eq!(count("idp"), issued.len());
        assert!(count("issue") >= issued.len());
    }
}
