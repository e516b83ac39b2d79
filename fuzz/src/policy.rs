//! A policy and a person, drawn from bytes: the compiled policy decides as a naive interpreter does.

use std::sync::LazyLock;

use idjag::{Exchange, Request};
use serde_json::json;

use crate::world::{CLIENT, Forgetful, HEADER, IDP, NOW, RESOURCE, SERVER, engine, sign};

const GROUPS: [&str; 4] = ["eng", "design", "sales", "ops"];
const SCOPES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
const STATES: [&str; 8] =
    ["enabled", "enabled", "enabled", "enabled", "enabled", "planned", "suspended", "retired"];

static ENGINE: LazyLock<Exchange> =
    LazyLock::new(|| engine().replay(Box::new(Forgetful)).build().expect("an engine"));

/// One rule, as sets of bits.
struct Rule {
    groups: u8,
    everyone: bool,
    scopes: u8,
    whose: u8,
}

/// What the bytes say: a policy, and a request under it.
struct Case {
    state: &'static str,
    rules: Vec<Rule>,
    person: u8,
    /// `None`: the claim or parameter is absent. The seventh bit is a scope that nobody has.
    claimed: Option<u8>,
    requested: Option<u8>,
}

const EVERY_SCOPE: u8 = 0b11_1111;
const UNKNOWN: u8 = 0b100_0000;

impl Case {
    fn read(data: &[u8]) -> Self {
        let mut bytes = data.iter().copied();
        let mut byte = || bytes.next().unwrap_or_default();
        let some = |byte: u8| Some(byte & (EVERY_SCOPE | UNKNOWN)).filter(|set| byte >= 128 && *set != 0);
        let (state, person) = (STATES[usize::from(byte()) % STATES.len()], byte() & 0b1111);
        let (claimed, requested) = (some(byte()), some(byte()));
        let rules = (0..byte() % 6)
            .map(|_| {
                let (whom, scopes) = (byte(), byte());
                Rule {
                    groups: (whom & 0b1111).max(1),
                    everyone: whom & 0b1_0000 != 0,
                    scopes: (scopes & EVERY_SCOPE).max(1),
                    whose: whom >> 6,
                }
            })
            .collect();
        Self { state, rules, person, claimed, requested }
    }

    fn policy(&self) -> String {
        let grants: Vec<_> = self
            .rules
            .iter()
            .map(|rule| {
                let mut grant = json!({ "scopes": names(rule.scopes, &SCOPES) });
                if rule.everyone {
                    grant["everyone"] = true.into();
                } else {
                    grant["groups"] = names(rule.groups, &GROUPS).into();
                }
                match rule.whose {
                    0 => grant["any_issuer"] = true.into(),
                    1 => grant["issuer"] = IDP.into(),
                    _ => {}
                }
                grant
            })
            .collect();
        json!({ "connectors": [
            {
                "id": "chat", "resource": RESOURCE, "scopes": SCOPES, "state": self.state,
                "owner": "chat-platform@acme.example", "review_by": "2099-01-01", "grants": grants
            },
            { "id": "wiki", "resource": "https://mcp.wiki.example/", "scopes": ["w"], "state": "planned" }
        ]})
        .to_string()
    }

    fn assertion(&self) -> String {
        let mut claims = json!({
            "iss": IDP, "aud": SERVER, "sub": "ada", "client_id": CLIENT, "jti": "1",
            "iat": NOW, "exp": NOW + 300, "resource": RESOURCE, "groups": names(self.person, &GROUPS)
        });
        if let Some(claimed) = self.claimed {
            claims["scope"] = scope(claimed).into();
        }
        sign(HEADER.as_bytes(), claims.to_string().as_bytes())
    }

    /// The five steps of the rules for scopes, each as it is written down.
    fn naive(&self) -> Result<u8, &'static str> {
        if self.state != "enabled" {
            return Err("connector_not_enabled");
        }
        let claimed = self.claimed.unwrap_or(EVERY_SCOPE) & EVERY_SCOPE;
        if claimed == 0 {
            return Err("scope_outside_connector");
        }
        let matching = self.rules.iter().filter(|rule| rule.everyone || rule.groups & self.person != 0);
        let Some(granted) = matching.map(|rule| rule.scopes).reduce(|all, scopes| all | scopes) else {
            return Err("group_required");
        };
        if claimed & granted == 0 {
            return Err("scope_not_granted");
        }
        match claimed & granted & self.requested.unwrap_or(EVERY_SCOPE) {
            0 => Err("scope_not_available"),
            left => Ok(left),
        }
    }
}

/// A policy and a request under it, by bits: the answer is that of the naive interpreter, and the token that comes back
/// has what was granted.
pub fn policy(data: &[u8]) {
    let case = Case::read(data);
    ENGINE.put_policy("policy.json", &case.policy()).expect("a good policy");
    let (assertion, requested) = (case.assertion(), case.requested.map(scope));
    let request = Request {
        assertion: assertion.as_bytes(),
        client_id: CLIENT,
        scope: requested.as_deref(),
        ..Request::default()
    };
    let explained = ENGINE.explain(&request, NOW);
    let answer = ENGINE.exchange(&request);
    assert_eq!(answer.as_ref().map(idjag::Issued::scope), explained.verdict.as_deref());
    match (&answer, case.naive()) {
        (Ok(issued), Ok(scopes)) => {
            assert_eq!(issued.scope(), scope(scopes));
            let who =
                ENGINE.verify(issued.access_token().as_bytes(), RESOURCE).expect("what was issued is valid");
            assert_eq!(who.scope(), issued.scope());
        }
        (Err(refusal), Err(slug)) => assert_eq!(refusal.slug(), slug),
        (answer, naive) => panic!("{answer:?} where the rules say {naive:?}"),
    }
}

fn names(set: u8, all: &[&'static str]) -> Vec<&'static str> {
    all.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, name)| *name).collect()
}

fn scope(set: u8) -> String {
    let mut names = names(set, &SCOPES);
    if set & UNKNOWN != 0 {
        names.push("unknown");
    }
    names.join(" ")
}
