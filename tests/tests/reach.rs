//! Whom a policy reaches, as the record says it, against what the engine grants to each person before and after.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use idjag::{
    Algorithm, Config, ConnectorChange, Directory, Event, Exchange, IdJag, IdJagMinter, Note, Reach, Receipt,
    Record, RecordUnavailable, Request, SigningKey,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
/// An IdP whose people nobody lists.
const OTHER: &str = "https://globex.idp.example";
const GROUPS: [&str; 4] = ["eng", "ops", "sales", "board"];
const SCOPES: [&str; 3] = ["read", "write", "admin"];
const PEOPLE: usize = 40;

type Noted = (Option<Reach>, Vec<ConnectorChange>);

/// Keeps what was noted of policies.
#[derive(Default)]
struct Notes(Mutex<Vec<Noted>>);

impl Record for Notes {
    fn queue(&self, _: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        Ok(Receipt(0))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        Ok(())
    }

    fn note(&self, _: i64, note: &Note<'_>) {
        if let Note::Policy { changes, reach, .. } = note {
            self.0.lock().unwrap().push((*reach, changes.to_vec()));
        }
    }
}

/// A connector: its state, and for each grant its groups and scopes, as bits.
type Connector = (bool, Vec<(u8, u8)>);

fn picked<'n>(names: &[&'n str], bits: u8) -> Vec<&'n str> {
    names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| *name).collect()
}

fn uri(number: usize) -> String {
    format!("https://mcp.{number}.example/")
}

fn policy(connectors: &[Connector]) -> Value {
    let connectors: Vec<Value> = connectors
        .iter()
        .enumerate()
        .map(|(number, (enabled, grants))| {
            let grants: Vec<Value> = grants
                .iter()
                .map(|(groups, scopes)| {
                    let scopes = picked(&SCOPES, *scopes);
                    match picked(&GROUPS, *groups).as_slice() {
                        [] => json!({ "everyone": true, "issuer": IDP, "scopes": scopes }),
                        groups => json!({ "groups": groups, "issuer": IDP, "scopes": scopes }),
                    }
                })
                .collect();
            json!({
                "id": format!("c{number}"), "resource": uri(number), "scopes": SCOPES,
                "state": if *enabled { "enabled" } else { "suspended" },
                "owner": "o", "review_by": "2099-01-01", "grants": grants,
            })
        })
        .collect();
    json!({ "connectors": connectors })
}

/// People, with their groups as bits; every ninth is listed and not active.
fn directory(groups: &[u8]) -> Directory {
    let people: Vec<Value> = groups
        .iter()
        .enumerate()
        .map(|(number, groups)| {
            let (groups, active) = (picked(&GROUPS, *groups), number % 9 != 8);
            json!({ "issuer": IDP, "subject": format!("p{number}"), "active": active, "groups": groups })
        })
        // Of whom nothing is asked: their IdP does without the directory.
        .chain([json!({ "issuer": OTHER, "subject": "p0", "groups": GROUPS })])
        .collect();
    Directory::from_json("directory.json", json!({ "version": 1, "people": people }).to_string().as_bytes())
        .unwrap()
}

struct World {
    idp: IdJagMinter,
    engine: Exchange,
    notes: Arc<Notes>,
}

impl World {
    fn new(key: &Arc<SigningKey>, connectors: &[Connector], people: Directory, listed: bool) -> Self {
        let jwks = format!(r#"{{"keys":[{}]}}"#, key.public_jwk().unwrap());
        let jwks: Value = serde_json::from_str(&jwks).unwrap();
        let mut config = json!({
            "issuer": US, "tokens": { "keys": "ephemeral" }, "audit": "off",
            "idps": [
                { "issuer": IDP, "jwks": jwks, "groups": { "directory": listed } },
                { "issuer": OTHER, "jwks": jwks },
            ],
            "clients": [{ "id": "agent", "auth": "none", "connectors": ["*"], "idps": ["*"] }],
        });
        config["connectors"] = policy(connectors)["connectors"].clone();
        let config = Config::parse("idjag.json", &config.to_string(), &mut |_| Err(String::new())).unwrap();
        let notes = Arc::new(Notes::default());
        let engine = Exchange::builder(config)
            .clock(|| NOW)
            .record(Arc::clone(&notes) as Arc<dyn Record>)
            .remembers_since(0)
            .build()
            .unwrap();
        engine.put_directory(people);
        Self { idp: IdJagMinter::new(IDP, Arc::clone(key)), engine, notes }
    }

    /// What each person gets at each connector, by asking for it.
    fn granted(&self, connectors: usize) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for number in 0..PEOPLE {
            let subject = format!("p{number}");
            for connector in 0..connectors {
                let resource = uri(connector);
                let id_jag = IdJag {
                    audience: US,
                    client_id: "agent",
                    subject: &subject,
                    resource: Some(&resource),
                    issued_at: NOW,
                    lifetime_s: 300,
                    ..IdJag::default()
                };
                let assertion = self.idp.mint(&id_jag).unwrap();
                let request =
                    Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
                let scope =
                    self.engine.exchange(&request).map_or(String::new(), |token| token.scope().to_owned());
                all.push(scope.split_whitespace().map(str::to_owned).collect());
            }
        }
        all
    }
}

fn connectors() -> impl Strategy<Value = Vec<Connector>> {
    let grant = (0_u8..16, 1_u8..8);
    prop::collection::vec((prop::bool::weighted(0.8), prop::collection::vec(grant, 0..3)), 1..4)
}

#[test]
fn the_people_who_are_counted_are_those_who_get_more_or_less() {
    let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
    let drawn = (connectors(), connectors(), prop::collection::vec(0_u8..16, PEOPLE));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() });
    runner
        .run(&drawn, |(before, after, groups)| {
            let world = World::new(&key, &before, directory(&groups), true);
            let had = world.granted(before.len().max(after.len()));
            world.engine.put_policy("policy.json", &policy(&after).to_string()).unwrap();
            let has = world.granted(before.len().max(after.len()));
            let noted = world.notes.0.lock().unwrap().clone();
            if before == after {
                return Ok(());
            }
            let (total, changes) = noted.last().unwrap();
            let total = total.unwrap();

            let width = before.len().max(after.len());
            let lacks = |some: &[String], others: &[String]| some.iter().any(|scope| !others.contains(scope));
            let mut each: BTreeMap<String, [usize; 3]> = BTreeMap::new();
            let (mut gained, mut lost) = (0, 0);
            for person in 0..PEOPLE {
                let (mut gains_any, mut loses_any) = (false, false);
                for connector in 0..width {
                    let (had, has) = (&had[person * width + connector], &has[person * width + connector]);
                    let counted = each.entry(format!("c{connector}")).or_default();
                    let (gains, loses) = (lacks(has, had), lacks(had, has));
                    counted[0] += usize::from(!has.is_empty());
                    counted[1] += usize::from(gains);
                    counted[2] += usize::from(loses);
                    gains_any |= gains;
                    loses_any |= loses;
                }
                gained += usize::from(gains_any);
                lost += usize::from(loses_any);
            }
            prop_assert_eq!((total.gained, total.lost), (gained, lost));
            for change in changes {
                let reach = change.reach.unwrap();
                prop_assert_eq!([reach.people, reach.gained, reach.lost], each.remove(&change.id).unwrap());
            }
            // Of connectors that did not change nobody gained or lost.
            prop_assert!(each.values().all(|counted| counted[1..] == [0, 0]));
            Ok(())
        })
        .unwrap();
}

#[test]
fn types_of_details_count_and_people_whom_nobody_lists_do_not() {
    let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
    let before = [(true, vec![(1, 1)])];
    let with_details = |kind: &str| {
        let mut policy = policy(&before);
        policy["connectors"][0]["grants"][0]["authorization_details"] = json!([kind]);
        policy.to_string()
    };
    let people = [1, 1, 2];
    let world = World::new(&key, &before, directory(&people), true);
    world.engine.put_policy("policy.json", &with_details("payment")).unwrap();
    world.engine.put_policy("policy.json", &with_details("refund")).unwrap();
    let noted = world.notes.0.lock().unwrap().clone();
    let counts: Vec<_> =
        noted.iter().map(|(total, _)| total.map(|reach| (reach.gained, reach.lost))).collect();
    // At the first policy the directory was not there yet: nobody.
    assert_eq!(counts, [Some((0, 0)), Some((2, 0)), Some((2, 2))]);

    let world = World::new(&key, &before, directory(&people), false);
    world.engine.put_policy("policy.json", &with_details("payment")).unwrap();
    let noted = world.notes.0.lock().unwrap().clone();
    assert!(
        noted.iter().all(|(total, changes)| total.is_none() && changes.iter().all(|c| c.reach.is_none()))
    );
    assert_eq!(noted.len(), 2);
}
