//! `idjag wave`: made here, recorded, run from its record, rehearsed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod command;

use command::{Place, Ran, idjag};
use serde_json::{Value, json};

/// Seven of each kind; of the forged ones, every third has `none` for an algorithm.
fn refused_of_56() -> Value {
    json!({
        "alg_not_allowed": 2,
        "audience_mismatch": 7,
        "client_mismatch": 7,
        "connector_not_enabled": 7,
        "expired": 7,
        "group_required": 7,
        "groups_overage": 7,
        "replayed": 7,
        "signature_invalid": 5,
    })
}

const SMALL: [&str; 5] = ["wave", "--people", "40", "--hostile", "56"];

fn record(place: &Place) -> Ran {
    idjag(&[&SMALL[..], &["--record", place.dir()]].concat())
}

#[test]
fn all_the_entitled_are_granted_and_all_the_hostile_refused() {
    let ran = idjag(&[&SMALL[..], &["--json", "--threads", "2"]].concat());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let figures = ran.json();
    let names: Vec<&String> = figures.as_object().unwrap().keys().collect();
    let expected = [
        "exchange_seconds",
        "exchanges_per_second",
        "granted",
        "max_us",
        "p50_us",
        "p99_us",
        "policy_digest",
        "refused",
        "requests",
        "threads",
    ];
    assert_eq!(names, expected);
    assert_eq!((&figures["requests"], &figures["granted"]), (&json!(336), &json!(280)));
    assert_eq!((&figures["refused"], &figures["threads"]), (&refused_of_56(), &json!(2)));
    let number = |name: &str| figures[name].as_f64().unwrap();
    let rate = number("granted") / number("exchange_seconds");
    assert!((number("exchanges_per_second") - rate).abs() < rate * 1e-9);
    assert!(
        0.0 < number("p50_us")
            && number("p50_us") <= number("p99_us")
            && number("p99_us") <= number("max_us")
    );
    assert_eq!(figures["policy_digest"].as_str().unwrap().len(), 64);
}

#[test]
fn people_read_a_table_and_a_token() {
    let ran = idjag(&SMALL);
    assert_eq!((ran.status, ran.out.contains("elsewhere")), (0, false), "{}{}", ran.out, ran.err);
    for expected in
        ["asana", "atlassian", "canva", "figma", "granola", "linear", "supabase", "slack", "total"]
    {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    let row = |name: &str| {
        let line = ran.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("granted"), ["40", "40", "40", "40", "40", "40", "40", "-", "280"]);
    assert_eq!(row("refused").last().unwrap(), "56");
    assert_eq!(row("connector_not_enabled"), ["-", "-", "-", "-", "-", "-", "-", "7", "7"]);
    for expected in ["exchanges/s", "p99", "sha256", "verified", "\"at+jwt\"", "https://acme.okta.example"] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "colours and bars are for terminals");
}

#[test]
fn a_small_company_and_no_enemies() {
    let figures = idjag(&["wave", "--people", "1", "--hostile", "0", "--json"]).json();
    assert_eq!(
        (&figures["requests"], &figures["granted"], &figures["refused"]),
        (&json!(7), &json!(7), &json!({}))
    );
    let figures = idjag(&["wave", "--people", "1", "--hostile", "30", "--seed", "7", "--json"]).json();
    assert_eq!((&figures["requests"], &figures["granted"]), (&json!(37), &json!(7)));
}

#[test]
fn a_recorded_wave_has_the_verdicts_of_one_that_was_made_here() {
    let place = Place::new("recorded");
    let said = record(&place).fine();
    assert!(said.contains("idjag wave --config"), "{said}");
    assert_eq!((place.mode("requests.jsonl"), place.mode("keys/tokens.jwk")), (0o600, 0o600));
    let (config, requests) = (place.path("idjag.toml"), place.path("requests.jsonl"));

    let run = ["wave", "--config", &config, "--requests", &requests, "--json"];
    let figures = idjag(&run).json();
    assert_eq!((&figures["requests"], &figures["granted"]), (&json!(336), &json!(280)));
    assert_eq!(figures["refused"], refused_of_56());

    let check = idjag(&["check", "--config", &config]);
    assert_eq!(check.status, 0, "{}", check.err);
    assert!(check.out.contains("slack  planned"), "{}", check.out);

    let again = record(&place);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("exists already"), "{}", again.err);
}

#[test]
fn id_jags_have_the_shape_of_oktas() {
    let place = Place::new("shape");
    record(&place).fine();
    let lines: Vec<Value> =
        place.read("requests.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let decode = |line: &Value, part: usize| -> Value {
        let part = line["assertion"].as_str().unwrap().split('.').nth(part).unwrap();
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
    };
    let okta: Vec<Value> = lines
        .iter()
        .map(|line| decode(line, 1))
        .filter(|claims| claims["iss"] == "https://acme.okta.example")
        .collect();
    for claims in &okta {
        assert_eq!(claims["aud"].as_str().map(|aud| aud.ends_with(".example/")), Some(true));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert_eq!(claims["jti"].as_str().unwrap().len(), "IDAAG.".len() + 43);
        assert!(claims["sub"].as_str().unwrap().starts_with("00u"));
        assert!(claims["act"]["act"]["sub"].is_string() && claims["scope"].is_string());
        assert!(claims.get("groups").is_none());
    }
    let without = okta.iter().filter(|claims| claims.get("resource").is_none()).count();
    assert!((1..okta.len() / 4).contains(&without), "{without}");
    let header = decode(&lines[0], 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("oauth-id-jag+jwt"), &json!("RS256")));
}

#[test]
fn tokens_are_written_where_asked_and_only_there() {
    let place = Place::new("tokens");
    record(&place).fine();
    let (config, requests) = (place.path("idjag.toml"), place.path("requests.jsonl"));
    let tokens = place.path("tokens.jsonl");
    let run = ["wave", "--config", &config, "--requests", &requests, "--tokens", &tokens];
    for _ in 0..2 {
        let ran = idjag(&run);
        assert_eq!((ran.status, ran.out.contains("eyJ")), (0, false), "{}{}", ran.out, ran.err);
    }
    let lines: Vec<Value> =
        place.read("tokens.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), place.mode("tokens.jsonl")), (280, 0o600));
    assert_eq!((&lines[0]["request"], &lines[0]["token_type"]), (&json!(1), &json!("Bearer")));
    assert!(lines.iter().all(|line| line["access_token"].as_str().unwrap().starts_with("eyJ")));
}

#[test]
fn another_time_is_a_rehearsal_and_says_so() {
    let place = Place::new("rehearsal");
    record(&place).fine();
    let (config, requests) = (place.path("idjag.toml"), place.path("requests.jsonl"));
    let at = |now: &str| {
        let ran = idjag(&["wave", "--config", &config, "--requests", &requests, "--now", now, "--json"]);
        assert!(ran.status == 0 && ran.err.contains("rehearsal") && ran.err.contains(now), "{}", ran.err);
        ran.json()
    };
    let later = at("4000000000");
    assert_eq!(later["granted"], json!(0));
    // All but those that an earlier check refuses.
    assert_eq!(later["refused"]["expired"], json!(336 - 2 - 7));
    assert!(at("1000000000")["refused"]["issued_in_future"].as_u64().unwrap() > 300);
}

#[test]
fn what_cannot_run_says_what_to_do() {
    let place = Place::new("cannot-run");
    let missing = place.path("nothing.toml");
    for args in [
        vec!["wave", "--people", "0"],
        vec!["wave", "--threads", "0"],
        vec!["wave", "--requests", "x"],
        vec!["wave", "--config", "x"],
        vec!["wave", "--now", "1"],
        vec!["wave", "--record", "x", "--json"],
        vec!["wave", "--config", &missing, "--requests", &missing],
    ] {
        let ran = idjag(&args);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(!ran.err.is_empty());
    }
    record(&place).fine();
    place.write("broken.jsonl", "\n{\"assertion\":\"secret\"}\n");
    let (config, requests) = (place.path("idjag.toml"), place.path("broken.jsonl"));
    let ran = idjag(&["wave", "--config", &config, "--requests", &requests]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("broken.jsonl:2:") && !ran.err.contains("secret"), "{}", ran.err);
}
