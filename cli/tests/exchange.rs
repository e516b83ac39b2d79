//! `idjag exchange` and `explain`, on requests that a wave recorded.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod command;

use command::{Place, idjag, idjag_reading};
use serde_json::json;

/// A recorded wave: 21 entitled requests, no hostile ones.
fn recorded(name: &str) -> (Place, Vec<String>) {
    let place = Place::new(name);
    idjag(&["wave", "--people", "3", "--hostile", "0", "--record", place.dir()]).fine();
    let lines = place.read("requests.jsonl").lines().map(str::to_owned).collect();
    (place, lines)
}

#[test]
fn a_line_in_is_a_line_out() {
    let (place, lines) = recorded("lines");
    let config = place.path("idjag.toml");
    let ran = idjag(&["exchange", "--config", &config, "--requests", &place.path("requests.jsonl")]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let answers = ran.json_lines();
    assert_eq!(answers.len(), lines.len());
    for answer in &answers {
        let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(members, ["access_token", "expires_in", "resource", "scope", "token_type"]);
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    }
}

#[test]
fn a_refusal_is_a_no_and_tells_the_operator_why() {
    let (place, lines) = recorded("refusal");
    let twice = format!("{0}\n\n{0}\n", lines[0]);
    let ran = idjag_reading(&["exchange", "--config", &place.path("idjag.toml")], &twice);
    assert_eq!((ran.status, ran.err.as_str()), (1, ""));
    let answers = ran.json_lines();
    assert!(answers[0]["access_token"].is_string());
    let refused = json!({
        "error": "invalid_grant",
        "error_description": "the assertion is not acceptable",
        "slug": "replayed",
        "status": 400,
    });
    assert_eq!(answers[1..], [refused]);
}

#[test]
fn a_line_that_is_no_request_has_an_error_in_its_place() {
    let (place, lines) = recorded("broken");
    let input = format!("{}\n{{\"assertion\":\"hush\"}}\nhush\n{}", lines[0], lines[1]);
    let ran = idjag_reading(&["exchange", "--config", &place.path("idjag.toml")], &input);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("2 lines"), "{}", ran.err);
    let answers = ran.json_lines();
    assert!(answers[0]["access_token"].is_string() && answers[3]["access_token"].is_string());
    for (at, answer) in [(2, &answers[1]), (3, &answers[2])] {
        assert_eq!((&answer["error"], &answer["line"]), (&json!("invalid_request"), &json!(at)));
    }
    assert!(!ran.out.contains("hush") && !ran.err.contains("hush"), "a broken line may hold an assertion");
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let (place, _) = recorded("unreadable");
    let config = place.path("idjag.toml");
    let missing = place.path("missing");
    for args in [
        ["exchange", "--config", &missing, "--requests", &missing],
        ["exchange", "--config", &config, "--requests", &missing],
        ["explain", "--config", &config, "--assertion", &missing],
    ] {
        let ran = idjag(&args);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains("missing"), "{}", ran.err);
    }
}

#[test]
fn an_explanation_spends_nothing_and_names_the_rule() {
    let (place, lines) = recorded("explained");
    let config = place.path("idjag.toml");
    let explain = ["explain", "--config", &config, "--assertion", "-"];
    for _ in 0..2 {
        let said = idjag_reading(&explain, &lines[0]).fine();
        assert!(said.contains("granted") && said.contains("policy.toml:") && said.contains("pass"), "{said}");
    }
    let request: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let assertion = request["assertion"].as_str().unwrap();
    place.write("id-jag.txt", &format!("{assertion}\n"));
    let file = place.path("id-jag.txt");

    let unnamed = idjag(&["explain", "--config", &config, "--assertion", &file]);
    assert!(unnamed.status == 2 && unnamed.err.contains("--client-id"), "{}", unnamed.err);
    let by = |client: &str| {
        idjag(&["explain", "--config", &config, "--assertion", &file, "--client-id", client, "--json"])
    };
    assert_eq!(by("f53f191f9311af35").status, 0);
    let other = by("0c7e3b8a54d2916f");
    assert_eq!(other.status, 1);
    assert!(other.json().to_string().contains("client_mismatch"), "{}", other.out);
    let later = idjag_reading(&[&explain[..], &["--now", "4000000000"]].concat(), &lines[0]);
    assert!(later.status == 1 && later.out.contains("expired"), "{}", later.out);
}

#[cfg(all(feature = "file", target_os = "linux"))]
#[test]
fn two_processes_that_share_a_file_grant_once() {
    let (place, lines) = recorded("shared");
    let config = place.path("idjag.toml");
    let text = place.read("idjag.toml").replace("[replay]", "[replay]\nstore = \"file\"");
    let text = text.replace("\nstore = \"memory\"", "");
    std::fs::write(&config, text).unwrap();
    let once = idjag_reading(&["exchange", "--config", &config], &lines[0]);
    assert_eq!((once.status, once.err.as_str()), (0, ""));
    let again = idjag_reading(&["exchange", "--config", &config], &lines[0]);
    assert_eq!((again.status, &again.json_lines()[0]["slug"]), (1, &json!("replayed")));
    // What is rehearsed spends nothing, and does not see what others spent.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let rehearsed = idjag_reading(&["exchange", "--config", &config, "--now", &now], &lines[0]);
    assert_eq!(rehearsed.status, 0);
    let checked = idjag(&["check", "--config", &config]).fine();
    assert!(
        checked.contains("replay: 512 MiB carry 13,315 exchanges/s, sustained: 112 bytes"),
        "{}",
        checked
    );

    let text =
        place.read("idjag.toml").replace("store = \"file\"", "store = \"file\"\npath = \"requests.jsonl\"");
    std::fs::write(&config, text).unwrap();
    let refused = idjag_reading(&["exchange", "--config", &config], &lines[0]);
    assert_eq!(refused.status, 2);
    assert!(
        refused.err.contains("`replay.path`: `") && refused.err.contains("requests.jsonl`: "),
        "{}",
        refused.err
    );
}
