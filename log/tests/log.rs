//! A log from outside: what is written is there and verifies, whatever happens to the process, and what is changed
//! afterwards is found and named.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "the helpers of a test"
)]

mod shared;

use std::fs;
use std::path::Path;

use idjag::{Durability, Event, Reason, Record};
use idjag_log::{Log, Options, check_proof, own_verifier, prove, verify};
use serde_json::Value;
use shared::{Scratch, check, lines, segments, whole};

fn options() -> Options {
    Options::of("https://auth.chat.example/")
}

fn event(subject: &str) -> Event<'_> {
    let mut event = Event::default();
    (event.at_ms, event.issuer, event.subject) = (1_795_644_836_000, "https://acme.idp.example", subject);
    event
}

/// Writes `count` exchanges, each of which is waited for.
fn write(log: &Log, count: usize) {
    for number in 0..count {
        let subject = format!("person {number}");
        log.wait(log.queue(&event(&subject)).unwrap()).unwrap();
    }
}

/// A copy of the folder as it is now: what is left of a process that was killed.
fn killed(path: &Path) -> Scratch {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let scratch = Scratch::new();
    copy(path, &scratch.0);
    scratch
}

#[test]
fn every_event_is_a_line_and_every_line_is_under_a_checkpoint_at_the_end() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &options()).unwrap();
    assert_eq!(log.opened().lines, 0);
    write(&log, 3);
    let mut refused = event("mallory");
    refused.refusal = Some(Reason::Expired.into());
    log.queue(&refused).unwrap();
    drop(log);
    let lines = lines(&scratch.0);
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["log_opened", "exchange", "exchange", "exchange", "exchange", "log_closed"]);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["seq"], number);
    }
    assert_eq!((&lines[2]["sub"], &lines[4]["reason"]), (&"person 1".into(), &"expired".into()));
    let checked = whole(&scratch.0);
    assert_eq!((checked.first, checked.lines, checked.covered), (0, 6, 6));
    assert_eq!(checked.origin, "auth.chat.example/audit/0");
    assert!(checked.findings.is_empty());
}

#[test]
fn a_log_is_gone_on_with_and_two_at_once_are_two() {
    let scratch = Scratch::new();
    for round in 0..3 {
        let log = Log::open(&scratch.0, &options()).unwrap();
        assert_eq!(log.opened().carried_over, 0);
        assert_eq!(log.opened().lines, round * 4);
        write(&log, 2);
    }
    let (first, second) =
        (Log::open(&scratch.0, &options()).unwrap(), Log::open(&scratch.0, &options()).unwrap());
    assert!(first.dir().ends_with("0") && second.dir().ends_with("1"));
    write(&second, 1);
    drop((first, second));
    let checked = check(&scratch.0);
    assert_eq!(
        checked.iter().map(|log| (log.lines, log.is_whole())).collect::<Vec<_>>(),
        [(14, true), (3, true)]
    );
    assert_eq!(segments(&scratch.0).len(), 4);
}

#[test]
fn a_process_that_was_killed_leaves_what_it_had_promised() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &options()).unwrap();
    for round in 0..4 {
        write(&log, 5);
        let left = killed(&scratch.0);
        let torn = b"{\"seq\":21,\"timest";
        let last = segments(&left.0).pop().unwrap();
        if round % 2 == 1 {
            let text = fs::read(&last).unwrap();
            fs::write(&last, [&text[..], torn].concat()).unwrap();
        }
        assert_eq!(whole(&left.0).lines, 1 + 5 * (round + 1));
        let again = Log::open(&left.0, &options()).unwrap();
        let opened = again.opened().clone();
        assert_eq!(opened.lines, 1 + 5 * (round + 1));
        assert!(opened.carried_over <= opened.lines);
        assert_eq!(opened.set_aside_bytes, if round % 2 == 1 { torn.len() as u64 } else { 0 });
        write(&again, 1);
        drop(again);
        let lines = lines(&left.0);
        let recovered = lines.iter().find(|line| line["event"] == "log_recovered");
        assert_eq!(recovered.is_some(), opened.carried_over + opened.set_aside_bytes > 0);
        assert_eq!(whole(&left.0).lines, lines.len() as u64);
    }
}

/// Every bit of a closed segment, one after the other.
#[test]
fn one_flipped_bit_is_found_and_named() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &Options { max_segment_bytes: 500, ..options() }).unwrap();
    write(&log, 12);
    drop(log);
    assert!(segments(&scratch.0).len() > 3);
    let path = &segments(&scratch.0)[1];
    let text = fs::read(path).unwrap();
    let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    whole(&scratch.0);
    let mut line = first;
    for at in 0..text.len() {
        for bit in [0, 1, 5, 7] {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            fs::write(path, &changed).unwrap();
            let findings = &check(&scratch.0)[0].findings;
            assert_eq!(
                findings.first().and_then(|finding| finding.line),
                Some(line),
                "byte {at}: {findings:?}"
            );
            assert!(findings[0].is_damage);
        }
        line += u64::from(text[at] == b'\n');
    }
    fs::write(path, &text).unwrap();
    whole(&scratch.0);
}

#[test]
fn whatever_is_cut_off_added_or_exchanged_is_found() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &Options { max_segment_bytes: 500, ..options() }).unwrap();
    write(&log, 12);
    drop(log);
    let files = segments(&scratch.0);
    let found = |what: &str| {
        let checked = check(&scratch.0).remove(0);
        assert!(!checked.is_whole(), "{what}");
        checked.findings.into_iter().find(|finding| finding.is_damage).unwrap()
    };
    let restoring = |path: &Path, change: &dyn Fn(&Path)| {
        let kept = fs::read(path).unwrap();
        change(path);
        move |path: &Path| fs::write(path, kept).unwrap()
    };

    // A segment that was full when the log was closed is followed by one that is empty.
    let last = files.iter().rfind(|file| fs::metadata(file).unwrap().len() > 0).unwrap();
    let restore = restoring(last, &|path| fs::write(path, b"").unwrap());
    assert!(found("the last lines").line.is_some());
    assert!(Log::open(&scratch.0, &options()).unwrap_err().is_damage());
    restore(last);
    let middle = &files[2];
    let restore = restoring(middle, &|path| fs::remove_file(path).unwrap());
    assert!(found("a segment").what.contains("gone"));
    restore(middle);
    let restore = restoring(middle, &|path| {
        let text = fs::read(path).unwrap();
        fs::write(path, [&text[..], b"{}\n"].concat()).unwrap();
    });
    assert!(found("more than was written").what.contains("no part of the log"));
    restore(middle);
    let tree = middle.with_extension("tree");
    let restore = restoring(&tree, &|path| {
        let mut hashes = fs::read(path).unwrap();
        *hashes.last_mut().unwrap() ^= 1;
        fs::write(path, hashes).unwrap();
    });
    assert!(found("a hash").what.contains("the line is what was written"));
    restore(&tree);
    let notes = scratch.0.join("0/checkpoints");
    let restore = restoring(&notes, &|path| {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text.replacen("\n1", "\n2", 1)).unwrap();
    });
    assert!(found("a checkpoint").what.contains("not signed"));
    restore(&notes);
    // Another folder's key.
    let other = Scratch::new();
    drop(Log::open(&other.0, &options()).unwrap());
    let stranger = own_verifier(&other.0).unwrap();
    assert!(!verify(&scratch.0, &stranger).unwrap()[0].is_whole());
    whole(&scratch.0);
}

#[test]
fn a_changed_line_under_a_checkpoint_refuses_to_open_and_a_frozen_log_is_left() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &options()).unwrap();
    write(&log, 9);
    drop(log);
    let path = segments(&scratch.0).pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("person 4", "person 5")).unwrap();
    let error = Log::open(&scratch.0, &options()).unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("line 5 "), "{error}");
    fs::write(scratch.0.join("0/frozen"), "for this test\n").unwrap();
    let log = Log::open(&scratch.0, &options()).unwrap();
    assert!(log.dir().ends_with("1"));
}

#[test]
fn what_is_left_of_a_log_that_was_cut_is_held_to_its_checkpoints() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &Options { max_segment_bytes: 500, ..options() }).unwrap();
    write(&log, 12);
    drop(log);
    let files = segments(&scratch.0);
    for file in &files[..2] {
        fs::remove_file(file).unwrap();
        fs::remove_file(file.with_extension("tree")).unwrap();
    }
    let checked = check(&scratch.0).remove(0);
    let first = files[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!((checked.first, checked.lines), (first, 14));
    let [missed] = &checked.findings[..] else { panic!("{:?}", checked.findings) };
    assert!(missed.is_damage && missed.what.contains("no line says that they were removed"), "{missed:?}");
    // The tree that it begins with is held to the checkpoint.
    let tree = files[2].with_extension("tree");
    let mut hashes = fs::read(&tree).unwrap();
    hashes[0] ^= 1;
    fs::write(&tree, hashes).unwrap();
    assert!(check(&scratch.0)[0].findings[0].what.contains("no checkpoint is of the tree"));
}

#[test]
fn each_line_has_a_proof_that_another_log_does_not_have() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &Options { max_segment_bytes: 500, ..options() }).unwrap();
    write(&log, 12);
    drop(log);
    let verifier = own_verifier(&scratch.0).unwrap();
    let other = Scratch::new();
    drop(Log::open(&other.0, &options()).unwrap());
    let stranger = own_verifier(&other.0).unwrap();
    for (number, line) in lines(&scratch.0).iter().enumerate() {
        let proof = prove(&scratch.0, &verifier, 0, number as u64).unwrap();
        let proven = check_proof(&proof, None, &verifier).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&proven.line).unwrap(), *line);
        assert_eq!(check_proof(&proof, Some(&proven.line), &verifier.below("0")).unwrap(), proven);
        assert_eq!(check_proof(&proof, Some(&proven.line.replace("seq", "sep")), &verifier), None);
        assert_eq!(check_proof(&proof, None, &stranger), None);
        let moved = proof.replace(&format!("index {number}\n"), &format!("index {}\n", number + 1));
        assert_eq!(check_proof(&moved, None, &verifier), None);
    }
    assert!(prove(&scratch.0, &verifier, 0, 14).is_err());
}

#[test]
fn weaker_promises_write_the_same_lines() {
    for durability in [Durability::GroupMs(2), Durability::Async] {
        let scratch = Scratch::new();
        let log = Log::open(&scratch.0, &Options { durability, ..options() }).unwrap();
        write(&log, 500);
        drop(log);
        assert_eq!(whole(&scratch.0).lines, 502);
    }
}

#[test]
fn many_threads_share_one_log() {
    let scratch = Scratch::new();
    let log = Log::open(&scratch.0, &Options { max_segment_bytes: 20_000, ..options() }).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| write(&log, 250));
        }
    });
    drop(log);
    assert_eq!((lines(&scratch.0).len(), whole(&scratch.0).lines), (1002, 1002));
}
