//! A token that is remembered, and a configuration that is read again: each change counts for it as it would for an
//! engine that never saw the token.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use idjag::{Exchange, Refusal};
use idjag_tests::{RequestCase, SetClock, World};
use serde_json::{Value, json};

const CHAT: &str = "https://mcp.chat.example/";
const SECOND: &str = "https://second.idp.example";

/// What becomes of a token of `f53f191f9311af35` for the group `eng`: the scope that is left, or why nothing is.
type Left = Result<&'static str, &'static str>;

const ALL: Left = Ok("chat.read chat.history");
const NOTHING: Left = Err("token_no_longer_granted");

/// What is done to the world `requests`.
type Edit = fn(&mut Value);

/// The same, with its name and what is left.
type Change = (&'static str, Edit, Left);

/// Changes of the policy alone: its connectors.
const OF_THE_POLICY: [Change; 13] = [
    ("planned", |world| world["connectors"][0]["state"] = "planned".into(), NOTHING),
    ("suspended", |world| world["connectors"][0]["state"] = "suspended".into(), NOTHING),
    ("retired", |world| world["connectors"][0]["state"] = "retired".into(), NOTHING),
    ("proof", |world| world["connectors"][0]["require"] = json!(["dpop"]), NOTHING),
    (
        "another resource",
        |world| world["connectors"][0]["resource"] = "https://mcp.chat.example".into(),
        NOTHING,
    ),
    (
        "one more resource",
        |world| world["connectors"][0]["resource"] = json!(["https://new.example/", CHAT]),
        ALL,
    ),
    ("another group", |world| world["connectors"][0]["grants"][0]["groups"] = json!(["ENG"]), NOTHING),
    ("no grants", |world| world["connectors"][0]["grants"] = json!([]), NOTHING),
    ("less", |world| world["connectors"][0]["grants"][0]["scopes"] = json!(["chat.read"]), Ok("chat.read")),
    ("nothing of it", |world| world["connectors"][0]["grants"][0]["scopes"] = json!(["chat.write"]), NOTHING),
    ("more", |world| world["connectors"][0]["grants"][0]["scopes"] = json!(["*"]), ALL),
    (
        "another order",
        |world| world["connectors"][0]["scopes"] = json!(["new", "chat.write", "chat.history", "chat.read"]),
        Ok("chat.history chat.read"),
    ),
    (
        "everyone instead",
        |world| {
            world["connectors"][0]["grants"] =
                json!([{ "everyone": true, "any_issuer": true, "scopes": ["chat.history"] }]);
        },
        Ok("chat.history"),
    ),
];

/// Changes of the rest.
const OF_THE_REST: [Change; 17] = [
    ("nothing", |_| {}, ALL),
    ("IdP off", |world| world["idps"][0]["enabled"] = false.into(), NOTHING),
    ("IdP of tenants", |world| tenants(world), NOTHING),
    ("IdP of another name", |world| rename(world), NOTHING),
    ("keys of the IdP", |world| world["idps"][0]["jwks"] = world["clients"][7]["jwks"].clone(), ALL),
    ("client off", |world| world["clients"][0]["enabled"] = false.into(), NOTHING),
    ("client gone", |world| world["clients"][0]["id"] = "another".into(), NOTHING),
    ("another secret", |world| world["clients"][0]["secret_sha256"] = "0".repeat(64).into(), ALL),
    ("client of notes", |world| world["clients"][0]["connectors"] = json!(["notes"]), NOTHING),
    ("client of another IdP", |world| second(world)["clients"][0]["idps"] = json!([SECOND]), NOTHING),
    ("not in the directory", |world| in_the_directory(world, "accounts"), NOTHING),
    ("switched off there", |world| in_the_directory(world, "people-later"), NOTHING),
    ("in the directory", |world| in_the_directory(world, "people"), ALL),
    ("another subject", |world| world["idps"][0]["subject"] = "aud_sub".into(), Err("token_malformed")),
    (
        "we are another",
        |world| world["issuer"] = "https://auth.chat.example".into(),
        Err("token_issuer_mismatch"),
    ),
    ("another key", |world| keys(world, &["token-ed25519-next"]), Err("token_signature_invalid")),
    ("the next key first", |world| keys(world, &["token-ed25519-next", "token-ed25519"]), ALL),
];

/// A second IdP, with the keys of the first.
fn second(world: &mut Value) -> &mut Value {
    let mut idp = world["idps"][0].clone();
    idp["issuer"] = SECOND.into();
    world["idps"].as_array_mut().unwrap().push(idp);
    world
}

/// Both connectors stay what they are, for people of an IdP of that name.
fn rename(world: &mut Value) {
    *world = serde_json::from_str(&world.to_string().replace("https://acme.idp.example", SECOND)).unwrap();
}

/// Groups of tenants have to say whose they are.
fn tenants(world: &mut Value) {
    world["idps"][0]["tenants"] = json!(["t"]);
    for connector in world["connectors"].as_array_mut().unwrap() {
        for grant in connector["grants"].as_array_mut().unwrap() {
            grant["tenant"] = "t".into();
        }
    }
}

fn in_the_directory(world: &mut Value, name: &str) {
    world["directory"] = format!("../directories/{name}.json").into();
    world["idps"][0]["groups"] = json!({ "directory": true });
}

fn keys(world: &mut Value, names: &[&str]) {
    let file = |name: &&str| format!("../keys/{name}.jwk");
    world["tokens"]["keys"] = names.iter().map(file).collect();
}

/// The world, and a request whose token says both scopes.
fn begin() -> (RequestCase, impl Fn(Edit) -> World) {
    let cases = RequestCase::read_all().unwrap();
    let case = cases.into_iter().find(|case| case.name == "scope-not-asked").unwrap();
    let name = case.world.clone();
    (case, move |edit| World::read(&name).unwrap().edited(edit))
}

fn issue(case: &RequestCase, engine: &Exchange) -> String {
    let body: Value = serde_json::from_slice(case.send(engine).body()).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

fn left(engine: &Exchange, token: &str) -> Result<String, &'static str> {
    let verified = engine.verify(token.as_bytes(), CHAT);
    verified.map(|who| who.scope().to_owned()).map_err(Refusal::slug)
}

#[test]
fn a_token_that_is_remembered_is_worth_what_it_is_to_an_engine_that_never_saw_it() {
    let (case, world) = begin();
    let engine = || world(|_| {}).engine(SetClock::new(case.now)).unwrap();
    let remembering = engine();
    let token = issue(&case, &remembering);
    for (what, edit, expected) in OF_THE_POLICY.iter().chain(&OF_THE_REST) {
        let expected = expected.map(str::to_owned);
        assert_eq!(left(&remembering, &token), ALL.map(str::to_owned), "before {what}");
        remembering.reload(world(*edit).config().unwrap()).unwrap();
        assert_eq!(left(&remembering, &token), expected, "{what}");
        assert_eq!(left(&remembering, &token), expected, "{what}, remembered");
        let anew = world(*edit).engine(SetClock::new(case.now)).unwrap();
        assert_eq!(left(&anew, &token), expected, "{what}, to another engine");
        remembering.reload(world(|_| {}).config().unwrap()).unwrap();
    }
}

#[test]
fn a_policy_that_is_put_counts_as_one_that_is_read_again() {
    let (case, world) = begin();
    let engine = world(|_| {}).engine(SetClock::new(case.now)).unwrap();
    let token = issue(&case, &engine);
    let put = |edit: fn(&mut Value)| {
        let policy = json!({ "connectors": world(edit).json()["connectors"] });
        engine.put_policy("policy.json", &policy.to_string()).unwrap();
    };
    for (what, edit, expected) in OF_THE_POLICY {
        assert_eq!(left(&engine, &token), ALL.map(str::to_owned), "before {what}");
        put(edit);
        assert_eq!(left(&engine, &token), expected.map(str::to_owned), "{what}");
        put(|_| {});
    }
}
