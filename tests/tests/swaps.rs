//! Everything changes while it is asked: each answer belongs to one generation, no change is lost, and what was replaced
//! is freed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use allocation_counter::measure;
use idjag::{
    Algorithm, Config, Event, Exchange, IdJag, IdJagMinter, Issued, Reason, Receipt, Record,
    RecordUnavailable, Refusal, Request, Revocation, SigningKey,
};

const NOW: i64 = 1_784_527_300;
const US: &str = "https://auth.chat.example/";
const IDP: &str = "https://acme.idp.example";
const RESOURCE: &str = "https://mcp.chat.example/";
/// What a policy gives, and the group of the directory that it gives it to.
const SIDES: [&str; 2] = ["a", "b"];
/// People in each of the directories.
const PEOPLE: [usize; 2] = [20, 30];
/// Configurations that are read, at least: each a change of everything.
const RELOADS: u64 = 300;
/// Far more than it takes until every answer was met.
const TOO_MANY: u64 = 20 * RELOADS;

/// Two configurations of which nothing fits the other: keys, policy and directory.
struct Side {
    scope: &'static str,
    idp: IdJagMinter,
    config: String,
    policy: String,
    directory: String,
    own: SigningKey,
}

impl Side {
    fn new(scope: &'static str, people: usize) -> Self {
        let (key, own) =
            (SigningKey::generate(Algorithm::EdDSA).unwrap(), SigningKey::generate(Algorithm::EdDSA));
        let config = format!(
            r#"{{
                "issuer": "{US}", "policy": "policy.toml", "directory": "directory.json",
                "audit": "off", "tokens": {{ "keys": ["own.jwk"] }},
                "idps": [{{
                    "issuer": "{IDP}", "jwks": {{ "keys": [{}] }}, "groups": {{ "directory": true }}
                }}],
                "clients": [{{ "id": "agent", "auth": "none", "connectors": ["chat"] }}]
            }}"#,
            key.public_jwk().unwrap()
        );
        let policy = format!(
            r#"
                [[connectors]]
                id = "chat"
                resource = "{RESOURCE}"
                scopes = ["a", "b"]
                state = "enabled"
                owner = "chat@acme.example"
                review_by = 2027-02-01
                [[connectors.grants]]
                groups = ["{scope}"]
                scopes = ["{scope}"]
            "#
        );
        let mut directory = r#"{"version":1,"people":["#.to_owned();
        for person in 0..people {
            let comma = if person == 0 { "" } else { "," };
            write!(directory, r#"{comma}{{"issuer":"{IDP}","subject":"p{person}","groups":["{scope}"]}}"#)
                .unwrap();
        }
        directory.push_str("]}");
        Self {
            scope,
            idp: IdJagMinter::new(IDP, Arc::new(key)),
            config,
            policy,
            directory,
            own: own.unwrap(),
        }
    }

    fn config(&self) -> Config {
        let read = &mut |path: &str| match path {
            "policy.toml" => Ok(self.policy.clone().into_bytes()),
            "directory.json" => Ok(self.directory.clone().into_bytes()),
            _ => Ok(self.own.to_jwk().as_bytes().to_vec()),
        };
        Config::parse("idjag.json", &self.config, read).unwrap()
    }

    fn assertion(&self, subject: &str) -> String {
        let id_jag = IdJag {
            audience: US,
            client_id: "agent",
            subject,
            resource: Some(RESOURCE),
            issued_at: NOW,
            lifetime_s: 300,
            ..IdJag::default()
        };
        self.idp.mint(&id_jag).unwrap()
    }
}

fn request(assertion: &str) -> Request<'_> {
    Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() }
}

/// Holds what each event says against what else it says.
struct Consistent {
    digests: [String; 2],
}

impl Record for Consistent {
    fn queue(&self, event: &Event<'_>) -> Result<Receipt, RecordUnavailable> {
        if event.refusal.is_none() {
            let side = SIDES.iter().position(|scope| *scope == event.scope_granted).unwrap();
            assert_eq!(event.policy_digest, self.digests[side]);
            assert_eq!(event.groups_matched, [SIDES[side]]);
        }
        Ok(Receipt(0))
    }

    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        Ok(())
    }
}

struct House {
    engine: Exchange,
    sides: [Side; 2],
    digests: [String; 2],
    done: AtomicBool,
    /// Answers that were met: granted, of the other side, valid, of the other side.
    met: [AtomicU64; 4],
}

impl House {
    fn new() -> Self {
        let sides = [0, 1].map(|side| Side::new(SIDES[side], PEOPLE[side]));
        let digest = |side: &Side| Exchange::new(side.config()).unwrap().stats().policy_digest;
        let digests = [digest(&sides[0]), digest(&sides[1])];
        let record = Arc::new(Consistent { digests: digests.clone() });
        let engine = Exchange::builder(sides[0].config()).clock(|| NOW).record(record).build().unwrap();
        Self { engine, sides, digests, done: AtomicBool::new(false), met: Default::default() }
    }

    fn note(&self, what: usize) {
        self.met[what].fetch_add(1, Ordering::Relaxed);
    }

    /// Asks everything that can be asked until the changes end.
    fn read(&self) {
        let mut issued: [Option<Issued>; 2] = [None, None];
        let mut newest = 0;
        while !self.done.load(Ordering::Relaxed) {
            for (at, side) in self.sides.iter().enumerate() {
                let assertion = side.assertion("p0");
                let explained = self.engine.explain(&request(&assertion), NOW);
                let side_of_policy = self.side_of(&explained.policy_digest);
                match explained.verdict.as_deref().map_err(|refusal| refusal.reason()) {
                    Ok(scope) => assert_eq!((scope, side_of_policy), (side.scope, at)),
                    Err(reason) => assert_eq!((reason, side_of_policy), (Reason::KidUnknown, 1 - at)),
                }
                match self.engine.exchange(&request(&assertion)) {
                    Ok(token) => {
                        assert_eq!(token.scope(), side.scope);
                        issued[at] = Some(token);
                        self.note(0);
                    }
                    Err(refusal) => {
                        assert_eq!(refusal.reason(), Reason::KidUnknown);
                        self.note(1);
                    }
                }
                if let Some(token) = &issued[at] {
                    match self.engine.verify(token.access_token().as_bytes(), RESOURCE) {
                        Ok(who) => {
                            assert_eq!((who.subject(), who.scope()), ("p0", side.scope));
                            assert!(who.groups().eq([side.scope]));
                            self.note(2);
                        }
                        Err(refusal) => {
                            assert_eq!(refusal.reason(), Reason::TokenSignatureInvalid);
                            self.note(3);
                        }
                    }
                }
                let stats = self.engine.stats();
                assert_eq!(stats.people, PEOPLE[self.side_of(&stats.policy_digest)]);
                assert!(stats.generation >= newest, "older than seen");
                newest = stats.generation;
            }
        }
    }

    fn side_of(&self, digest: &str) -> usize {
        self.digests.iter().position(|known| known == digest).unwrap()
    }

    /// Replaces everything again and again, and gives the number of changes.
    fn reload(&self) -> u64 {
        let mut reloads = 0;
        while reloads < RELOADS || self.met.iter().any(|count| count.load(Ordering::Relaxed) == 0) {
            for side in [1, 0] {
                self.engine.reload(self.sides[side].config()).unwrap();
                reloads += 1;
            }
            assert!(reloads < TOO_MANY, "not every answer was met: {:?}", self.met);
        }
        reloads
    }

    /// Blocks a person and lifts it again and again, and gives the number of changes. Nobody else does, so each holds.
    fn block(&self) -> u64 {
        let bob = Revocation::Person { issuer: IDP, tenant: None, subject: "p1" };
        let assertions = [0, 1].map(|side| self.sides[side].assertion("p1"));
        let answers = |expected: Result<(), Reason>| {
            for assertion in &assertions {
                let verdict = self.engine.explain(&request(assertion), NOW).verdict;
                let answer = verdict.map(|_| ()).map_err(Refusal::reason);
                assert!(answer == expected || answer == Err(Reason::KidUnknown), "{answer:?}");
            }
        };
        let mut changes = 0;
        while !self.done.load(Ordering::Relaxed) {
            self.engine.revoke(&bob).unwrap();
            answers(Err(Reason::Blocked));
            self.engine.lift(&bob).unwrap();
            answers(Ok(()));
            changes += 2;
        }
        changes
    }
}

#[test]
fn each_answer_is_of_one_generation_and_what_was_replaced_is_freed() {
    let house = House::new();
    let (mut reloads, mut kept) = (0, 0);
    let changes = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| house.read());
        }
        let blocks = scope.spawn(|| house.block());
        let reloading = scope.spawn(|| {
            let mut reloads = 0;
            // The writer frees what it replaced, on its own thread.
            let allocated = measure(|| reloads = house.reload());
            house.done.store(true, Ordering::Relaxed);
            (reloads, allocated.bytes_current)
        });
        // A thread that failed ends the others.
        let reloading = reloading.join();
        house.done.store(true, Ordering::Relaxed);
        (reloads, kept) = reloading.unwrap();
        reloads + blocks.join().unwrap()
    });
    assert_eq!(house.engine.stats().generation, 1 + changes, "a change was lost");
    // A generation has some kilobytes, so that some of them would show.
    assert!(kept < 500_000, "{kept} bytes are left of {reloads} configurations");
    println!("{reloads} reloads, {} other changes, {kept} bytes, {:?}", changes - reloads, house.met);
}
