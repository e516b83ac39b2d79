//! People in more groups than a token carries: what the policy gives them is granted, and what is granted holds when the
//! token comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::sync::Arc;

use idjag::{Algorithm, Config, Exchange, IdJag, IdJagMinter, Issued, Refusal, Request, SigningKey};

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
const RESOURCE: &str = "https://mcp.chat.example/";
const GROUPS: usize = 20;

/// Where the groups come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Claim,
    Directory,
    /// The directory lists the first half, the claim all of them.
    Union,
}

struct House {
    engine: Exchange,
    idp: IdJagMinter,
    groups: Vec<String>,
}

impl House {
    /// A person in `groups`; `grants` is a JSON array over the scopes `s0` to `s19`.
    fn new(from: From, groups: &[String], grants: &str) -> Self {
        let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
        let jwk = key.public_jwk().unwrap();
        let scopes: Vec<String> = (0..GROUPS).map(|at| format!("s{at}")).collect();
        let source = match from {
            From::Claim => "",
            From::Directory => r#", "groups": { "directory": true }"#,
            From::Union => r#", "groups": { "directory": true, "combine": "union" }"#,
        };
        let directory = if from == From::Claim { "" } else { r#""directory": "directory.json","# };
        let text = format!(
            r#"{{
                "issuer": "{US}", "audit": "off", "tokens": {{ "keys": "ephemeral" }}, {directory}
                "idps": [{{ "issuer": "{IDP}", "jwks": {{ "keys": [{jwk}] }} {source} }}],
                "clients": [{{ "id": "agent", "auth": "none", "connectors": ["chat"] }}],
                "connectors": [{{
                    "id": "chat", "resource": "{RESOURCE}", "scopes": {scopes:?}, "state": "enabled",
                    "owner": "chat@acme.example", "review_by": "2027-02-01", "grants": {grants}
                }}]
            }}"#
        );
        let listed = if from == From::Union { &groups[..groups.len() / 2] } else { groups };
        let people =
            format!(r#"{{"version":1,"people":[{{"issuer":"{IDP}","subject":"ada","groups":{listed:?}}}]}}"#);
        let config = Config::parse("idjag.json", &text, &mut |_| Ok(people.clone().into_bytes())).unwrap();
        let engine = Exchange::builder(config).clock(|| NOW).build().unwrap();
        Self { engine, idp: IdJagMinter::new(IDP, key), groups: groups.to_vec() }
    }

    /// The scope that is granted, after checking that the token which comes back has no other.
    fn granted(&self, scope: Option<&str>, asked: Option<&str>, further: &str) -> Result<String, Refusal> {
        let issued = self.token(scope, asked, further)?;
        let who = self.engine.verify(issued.access_token().as_bytes(), RESOURCE).unwrap();
        assert_eq!(who.scope(), issued.scope(), "what was issued is granted when the token comes back");
        assert!(who.groups().len() <= 16);
        Ok(issued.scope().to_owned())
    }

    fn token(&self, scope: Option<&str>, asked: Option<&str>, further: &str) -> Result<Issued, Refusal> {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let assertion = self
            .idp
            .mint(&IdJag {
                audience: US,
                client_id: "agent",
                subject: "ada",
                resource: Some(RESOURCE),
                scope,
                issued_at: NOW,
                lifetime_s: 300,
                groups: &groups,
                further,
                ..IdJag::default()
            })
            .unwrap();
        let request = Request {
            assertion: assertion.as_bytes(),
            client_id: "agent",
            scope: asked,
            ..Request::default()
        };
        let rehearsed = self.engine.explain(&request, NOW);
        let issued = self.engine.exchange(&request)?;
        assert_eq!(rehearsed.verdict.unwrap(), issued.scope());
        Ok(issued)
    }
}

fn names(letter: char, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{letter}{at}")).collect()
}

#[test]
fn no_scope_is_lost_to_the_number_of_groups() {
    // A group for each scope.
    let grants: Vec<String> =
        (0..GROUPS).map(|at| format!(r#"{{ "groups": ["g{at}"], "scopes": ["s{at}"] }}"#)).collect();
    let grants = format!("[{}]", grants.join(","));
    for from in [From::Claim, From::Directory, From::Union] {
        let house = House::new(from, &names('g', GROUPS), &grants);
        for at in 0..GROUPS {
            let one = format!("s{at}");
            assert_eq!(house.granted(Some(&one), None, "").as_deref(), Ok(&*one), "{from:?}");
            assert_eq!(house.granted(None, Some(&one), "").as_deref(), Ok(&*one), "{from:?}");
        }
        let half = "s1 s3 s5 s7 s9 s11 s13 s15 s17 s19";
        assert_eq!(house.granted(Some(half), None, "").as_deref(), Ok(half), "{from:?}");
        // What only the token can tell `verify` is bounded by what it carries; what the directory tells is not.
        let all = house.granted(None, None, "").unwrap().split(' ').count();
        assert_eq!(all, if from == From::Claim { 16 } else { GROUPS }, "{from:?}");
    }
}

#[test]
fn a_long_token_counts_as_a_short_one_does() {
    // Beyond 2,048 bytes the signature is checked before anything is weighed.
    for (letters, is_long) in [(4, false), (150, true)] {
        let groups: Vec<String> =
            (b'a'..=b'p').map(|letter| char::from(letter).to_string().repeat(letters)).collect();
        let house =
            House::new(From::Claim, &groups, &format!(r#"[{{ "groups": {groups:?}, "scopes": ["s0"] }}]"#));
        let token = house.token(None, None, "").unwrap();
        assert_eq!(token.access_token().len() > 2_048, is_long);
        assert_eq!(house.granted(None, None, "").as_deref(), Ok("s0"));
        let (message, signature) = token.access_token().rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{message}.{other}{}", signature.split_at(1).1);
        let refused = house.engine.verify(forged.as_bytes(), RESOURCE).unwrap_err();
        assert_eq!(refused.slug(), "token_signature_invalid");
    }
}

#[test]
fn a_group_that_allows_a_type_of_details_is_carried_with_the_token() {
    let mut groups = names('r', 16);
    groups.push("pay".to_owned());
    let grants = format!(
        r#"[{{ "groups": {:?}, "scopes": ["s0"] }},
            {{ "groups": ["pay"], "scopes": ["s0"], "authorization_details": ["payment"] }}]"#,
        names('r', 16)
    );
    let details = |kind: &str| format!(r#""authorization_details":[{{"type":"{kind}"}}]"#);
    for from in [From::Claim, From::Directory, From::Union] {
        let house = House::new(from, &groups, &grants);
        assert_eq!(house.granted(None, None, &details("payment")).as_deref(), Ok("s0"), "{from:?}");
        let refused = house.granted(None, None, &details("transfer")).unwrap_err();
        assert_eq!(refused.slug(), "authorization_details_not_allowed", "{from:?}");
    }
}

#[test]
fn of_the_groups_that_fit_those_are_chosen_that_give_the_most() {
    // g16 gives what g0 gives, and more that only it gives.
    let mut grants: Vec<String> =
        (0..16).map(|at| format!(r#"{{ "groups": ["g{at}"], "scopes": ["s{at}"] }}"#)).collect();
    grants.push(
        r#"{ "groups": ["g16"], "scopes": ["s0", "s16"], "authorization_details": ["payment"] }"#.to_owned(),
    );
    let grants = format!("[{}]", grants.join(","));
    let all = (0..17).map(|at| format!("s{at}")).collect::<Vec<_>>().join(" ");
    let details = r#""authorization_details":[{"type":"payment"}]"#;
    for from in [From::Claim, From::Directory, From::Union] {
        let house = House::new(from, &names('g', 17), &grants);
        for further in ["", details] {
            assert_eq!(house.granted(None, None, further).as_deref(), Ok(&*all), "{from:?}");
        }
    }
}

#[test]
fn what_everyone_gets_takes_no_place() {
    let mut grants: Vec<String> =
        (1..17).map(|at| format!(r#"{{ "groups": ["g{at}"], "scopes": ["s{at}"] }}"#)).collect();
    grants.push(r#"{ "groups": ["g0"], "scopes": ["s0"] }"#.to_owned());
    grants.push(r#"{ "everyone": true, "scopes": ["s0"] }"#.to_owned());
    let grants = format!("[{}]", grants.join(","));
    let all = (0..17).map(|at| format!("s{at}")).collect::<Vec<_>>().join(" ");
    let house = House::new(From::Claim, &names('g', 17), &grants);
    assert_eq!(house.granted(None, None, "").as_deref(), Ok(&*all));
}
