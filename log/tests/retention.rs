//! Old segments go where that is written down, and what is needed stays.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use idjag::{Exchange, Refusal, Request, Revocation};
use shared::{House, IDP, NOW, check, lines, segments, whole};

const BOB: Revocation<'_> = Revocation::Person { issuer: IDP, tenant: None, subject: "bob" };

fn asks(engine: &Exchange, assertion: &str) -> Option<&'static str> {
    let request = Request { assertion: assertion.as_bytes(), client_id: "agent", ..Request::default() };
    engine.exchange(&request).map_err(Refusal::slug).err()
}

/// Lets the files of a segment have been written days ago.
fn age(segment: &Path, days: u64) {
    let written = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    fs::File::options().append(true).open(segment).unwrap().set_modified(written).unwrap();
}

/// Three lives: one that revokes, two that follow; all but the last are of three days ago.
fn house() -> (House, PathBuf) {
    let house = House::new();
    let folder = house.scratch.0.join("audit");
    let first = house.engine(NOW, "");
    assert_eq!(asks(&first, &house.assertion("ada", "")), None);
    first.revoke(&BOB).unwrap();
    drop(first);
    drop(house.engine(NOW + 1, ""));
    for segment in segments(&folder) {
        age(&segment, 3);
    }
    drop(house.engine(NOW + 2, ""));
    (house, folder)
}

fn within(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The files of a log, by their names.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("0")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn old_segments_go_and_what_they_said_of_revocations_stays() {
    let (house, folder) = house();
    let before = segments(&folder);
    assert_eq!(before.len(), 3, "everything is kept unless it is said otherwise");
    let checkpoints = whole(&folder).checkpoints;
    let old: Vec<_> = before[..2].iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let trees: Vec<_> = before[..2]
        .iter()
        .map(|path| path.with_extension("tree"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();

    // Four days are kept: nothing is that old.
    drop(house.engine(NOW + 3, ", keep_days = 4"));
    assert_eq!(segments(&folder).len(), 4);
    let engine = house.engine(NOW + 3, ", keep_days = 2");
    within(|| segments(&folder).len() == 3);
    assert_eq!(asks(&engine, &house.assertion("bob", "")), Some("blocked"));
    drop(engine);

    let removed = lines(&folder).into_iter().find(|line| line["event"] == "segments_removed").unwrap();
    let first: u64 = before[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!([&removed["first"], &removed["next"], &removed["segments"]], [0, first, 2]);
    let checked = whole(&folder);
    assert_eq!(checked.first, first);
    let said = format!(
        "lines 0 to {} were removed, as line {} says; checkpoints cover them",
        first - 1,
        removed["seq"]
    );
    assert_eq!(checked.findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(), [said]);
    assert!(checked.checkpoints > checkpoints, "checkpoints stay");
    assert!(!files(&folder).iter().any(|name| name.starts_with("00000000000000000000.")));

    // Killed at each step in between: what is left verifies, opens, and goes at last.
    let steps: Vec<_> = old.iter().chain(&trees).collect();
    for gone in 0..steps.len() {
        for (path, content) in &steps[gone..] {
            fs::write(path, content).unwrap();
        }
        for (path, _) in &old[gone.min(2)..] {
            age(path, 3);
        }
        whole(&folder);
        let engine = house.engine(NOW + 4, ", keep_days = 2");
        assert_eq!(asks(&engine, &house.assertion("bob", "")), Some("blocked"));
        if gone < old.len() {
            within(|| files(&folder).iter().all(|name| !name.starts_with("00000000000000000000.")));
            assert_eq!(check(&folder)[0].first, first, "{gone}");
        }
        drop(engine);
        assert_eq!(whole(&folder).first, first, "{gone}");
    }
}

#[test]
fn what_goes_by_another_hand_is_missed() {
    let (_house, folder) = house();
    let oldest = &segments(&folder)[0];
    fs::remove_file(oldest).unwrap();
    let findings = &check(&folder)[0].findings;
    assert!(
        findings[0].is_damage && findings[0].what.ends_with("and no line says that they were removed"),
        "{findings:?}"
    );
}

/// A start needs the lines since the last that say everything that stands: without them, older ones are read.
#[test]
fn what_stands_is_found_however_far_back() {
    let (house, folder) = house();
    // As if the last two had been killed before they could say it.
    for segment in &segments(&folder)[1..] {
        let text = fs::read_to_string(segment).unwrap();
        assert!(text.contains("\"event\":\"stands\"") && text.contains("\"event\":\"standing\""));
    }
    let remembered = idjag_log::remembered(&folder, NOW).unwrap();
    assert_eq!(
        (remembered.revocations().len(), remembered.claims.len()),
        (1, 0),
        "the claim is of three days ago"
    );
    for segment in &segments(&folder)[1..] {
        fs::write(segment, "").unwrap();
        age(segment, 3);
    }
    let remembered = idjag_log::remembered(&folder, NOW).unwrap();
    assert_eq!(
        (remembered.revocations().len(), remembered.claims.len()),
        (1, 1),
        "the first segment was read"
    );
    drop(house);
}
