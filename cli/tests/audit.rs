//! `idjag audit` on the record of a small wave: whole, proven, read, changed, frozen.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod command;

use command::{Place, idjag};
use serde_json::Value;

/// A wave that leaves a record in `audit` of its place.
fn wave(name: &str) -> Place {
    let place = Place::new(name);
    idjag(&["wave", "--people", "10", "--hostile", "56", "--json", "--audit", &place.path("audit")]).fine();
    place
}

fn vkey(place: &Place) -> String {
    place.read("audit/vkey").trim().to_owned()
}

#[test]
fn a_wave_leaves_a_record_that_verifies_and_says_who_got_what() {
    let place = wave("audit-read");
    let (dir, vkey) = (place.path("audit"), vkey(&place));
    let checked = idjag(&["audit", "verify", &dir, "--vkey", &vkey, "--json"]);
    let log = checked.json();
    assert_eq!((checked.status, &log["whole"], &log["findings"]), (0, &true.into(), &Value::Array(vec![])));
    // 70 granted, 56 refused; opened, configuration, policy, eight connectors and directory loaded, closed.
    assert_eq!((&log["lines"], &log["covered"]), (&139.into(), &139.into()));

    let granted = idjag(&["audit", "query", &dir, "--decision", "allow", "--since", "1h"]);
    let lines = granted.json_lines();
    assert_eq!((granted.status, lines.len()), (0, 70));
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        assert!(
            text("sub").starts_with("00u")
                && !text("connector").is_empty()
                && !text("scope_granted").is_empty()
        );
        assert_eq!((text("jti_hash").len(), text("policy").len(), text("decision")), (32, 64, "allow"));
        assert!(line["spent_until"].as_i64().unwrap() > line["token_exp"].as_i64().unwrap() - 3600);
    }
    let text = place.read("audit/0/00000000000000000000.jsonl");
    assert!(!text.contains("eyJ"), "an assertion or a token");
    let user = lines[3]["sub"].as_str().unwrap();
    let connector = lines[3]["connector"].as_str().unwrap();
    let one =
        idjag(&["audit", "query", &dir, "--user", user, "--connector", connector, "--decision", "allow"]);
    assert_eq!(one.json_lines(), [lines[3].clone()]);
    assert_eq!(idjag(&["audit", "query", &dir, "--user", "nobody"]).status, 1);
    let tail = idjag(&["audit", "tail", &dir, "-n", "1"]).fine();
    assert!(tail.contains("log_closed") && tail.lines().count() == 1);

    let report = idjag(&["audit", "report", &dir, "--vkey", &vkey]).fine();
    for part in [
        "connector_changed  8",
        "70 granted, 56 refused",
        "replayed",
        "first time: 70 pairs of person and connector",
        "log_opened",
        "whole",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn one_line_is_proven_without_the_log() {
    let place = wave("audit-prove");
    let (dir, vkey) = (place.path("audit"), vkey(&place));
    let proof = idjag(&["audit", "prove", &dir, "--seq", "17"]).fine();
    place.write("17.tlog-proof", &proof);
    let file = place.path("17.tlog-proof");
    let proven = idjag(&["audit", "check-proof", &file, "--vkey", &vkey]);
    assert_eq!((proven.status, &proven.json()["seq"]), (0, &17.into()));
    place.write("other.json", &proven.out.replace("\"seq\":17", "\"seq\":18"));
    let other = idjag(&["audit", "check-proof", &file, "--vkey", &vkey, "--line", &place.path("other.json")]);
    assert_eq!((other.status, other.out.as_str()), (1, ""));
    assert_eq!(idjag(&["audit", "prove", &dir, "--seq", "139"]).status, 2);
}

#[test]
fn a_changed_line_is_named_and_its_log_is_frozen_before_another_begins() {
    let place = wave("audit-changed");
    let (dir, vkey) = (place.path("audit"), vkey(&place));
    let file = "audit/0/00000000000000000000.jsonl";
    let text = place.read(file);
    place.write(file, &text.replacen("\"decision\":\"deny\"", "\"decision\":\"none\"", 1));
    let changed = text.lines().position(|line| line.contains("\"deny\"")).unwrap();
    let found = idjag(&["audit", "verify", &dir, "--vkey", &vkey]);
    assert_eq!(found.status, 1);
    assert!(found.out.contains(&format!("line {changed} is not what was written")), "{}", found.out);
    let again = ["wave", "--people", "1", "--hostile", "0", "--json", "--audit", &dir];
    let refused = idjag(&again);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("idjag audit freeze"), "{}", refused.err);
    idjag(&["audit", "freeze", &dir, "--log", "0", "--because", "a test"]).fine();
    idjag(&again).fine();
    let frozen = idjag(&["audit", "query", &dir, "--event", "log_frozen"]).json();
    assert_eq!((&frozen["log"], &frozen["because"]), (&0.into(), &"a test".into()));
    let both = idjag(&["audit", "verify", &dir, "--vkey", &vkey, "--json"]);
    let whole: Vec<_> = both.json_lines().iter().map(|log| log["whole"].as_bool().unwrap()).collect();
    assert_eq!((both.status, whole), (1, vec![false, true]));
}

#[test]
fn events_and_tiles_are_made_of_what_verifies_and_nothing_else() {
    let place = wave("audit-export");
    let (dir, vkey) = (place.path("audit"), vkey(&place));
    let export = |more: &[&str]| idjag(&[&["audit", "export", &dir, "--vkey", &vkey][..], more].concat());
    let events = export(&["--format", "ocsf"]);
    let all = events.json_lines();
    assert_eq!((events.status, events.err.as_str()), (0, ""));
    let written = place.read("audit/0/00000000000000000000.jsonl");
    assert_eq!(all.len(), written.lines().count());
    let last = all.last().unwrap();
    assert_eq!(last["metadata"]["sequence"], all.len() - 1);
    assert_eq!(last["metadata"]["event_code"], "IJ900I");
    let granted = export(&["--format", "ecs", "--decision", "allow", "--since", "1h"]).json_lines();
    assert_eq!(granted.len(), 70);
    assert!(granted.iter().all(|event| event["event"]["outcome"] == "success"));
    let refused = export(&["--format", "cef", "--event", "exchange", "--decision", "deny"]).fine();
    assert_eq!(refused.lines().filter(|line| line.starts_with("CEF:0|idjag|")).count(), 56);

    let out = place.path("public");
    assert_eq!(export(&["--tlog", &out]).fine(), "");
    let notes = place.read("audit/0/checkpoints");
    assert!(notes.ends_with(&place.read("public/0/checkpoint")));
    let bundle = format!("public/0/tile/entries/000.p/{}", all.len());
    assert!(std::fs::read(place.path(&bundle)).unwrap().len() > written.len());
    for wrong in [&["--tlog", &out][..], &["--tlog", "elsewhere", "--user", "ada"], &[]] {
        assert_eq!(export(wrong).status, 2, "{wrong:?}");
    }

    place.write("audit/0/00000000000000000000.jsonl", &written.replacen("\"deny\"", "\"none\"", 1));
    let changed = export(&["--format", "ocsf"]);
    assert_eq!(
        (changed.status, changed.out.as_str()),
        (1, ""),
        "no checkpoint before the line that was changed"
    );
    assert!(changed.err.contains("is not whole: 0 lines"), "{}", changed.err);
    let report = idjag(&["audit", "report", &dir, "--vkey", &vkey]);
    assert!(report.status == 1 && report.out.contains("0 granted") && report.out.contains("CHANGED"));
}
