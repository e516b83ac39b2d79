//! A record on disk that somebody changed, or made up.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use idjag::{Event, Record};
use idjag_log::{Format, Line, Log, Options, Verifier};
use serde_json::Value;

use crate::exchange::apply;

/// A record that the library wrote, as its files, and the lines in it.
struct Good {
    verifier: Verifier,
    files: Vec<(String, Vec<u8>)>,
    lines: Vec<String>,
}

/// A folder for one run, gone after it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("idjag-fuzz-record-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("0")).expect("a folder");
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let scratch = Scratch::new();
    // Small segments, so that there are several, and a checkpoint at the end of each.
    let options = Options { max_segment_bytes: 400, ..Options::of("https://auth.chat.example/") };
    let log = Log::open(&scratch.0, &options).expect("a log");
    for subject in ["ada", "b\u{1f642}b", "c\n\"d\"", "e|f=g\\", "h", "i", "j", "k"] {
        let mut event = Event::default();
        (event.issuer, event.subject) = ("https://acme.idp.example", subject);
        let receipt = log.queue(&event).expect("a place in the queue");
        log.wait(receipt).expect("a line on disk");
    }
    drop(log);
    let mut files = Vec::new();
    for entry in fs::read_dir(scratch.0.join("0")).expect("the log") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        files.push((name, fs::read(&path).expect("a file")));
    }
    files.retain(|(name, _)| name != "lock");
    files.sort();
    let verifier = idjag_log::own_verifier(&scratch.0).expect("a key");
    let mut lines = Vec::new();
    let found = idjag_log::verified(&scratch.0, &verifier, |line| {
        lines.push(line.text.to_owned());
        ControlFlow::Continue(())
    });
    assert!(found.expect("a record").iter().all(idjag_log::Checked::is_whole));
    let segments = files.iter().filter(|(name, _)| name.ends_with(".jsonl")).count();
    assert!(segments >= 3 && lines.len() >= 10, "{segments} segments, {} lines", lines.len());
    Good { verifier, files, lines }
});

/// After `e`, edits of a good record, five bytes each: which file, what, where, and a byte. After `s`, a segment as it is.
/// Otherwise a line, or what is to be one.
///
/// Whatever was changed: the lines that are verified are the first ones that were written, byte for byte; a proof proves one
/// of those; a record that is as it was is whole. What nobody signed is never verified. And each line becomes one line of
/// every format, of which serde_json reads those that are JSON.
pub fn record(data: &[u8]) {
    match data.split_first() {
        Some((b'e', edits)) => edited(edits),
        Some((b's', segment)) => made_up(segment),
        _ => {
            if let Ok(text) = std::str::from_utf8(data) {
                export(&Line { log: 0, number: 0, text });
            }
        }
    }
}

fn edited(edits: &[u8]) {
    let good = &*GOOD;
    let mut files = good.files.clone();
    for edit in edits.chunks_exact(5).take(64) {
        let at = usize::from(edit[0]) % files.len();
        apply(&mut files[at].1, [edit[1], edit[2], edit[3], edit[4]]);
    }
    let scratch = Scratch::new();
    for (name, content) in &files {
        fs::write(scratch.0.join("0").join(name), content).expect("a file");
    }
    let mut lines = Vec::new();
    let found = idjag_log::verified(&scratch.0, &good.verifier, |line| {
        assert_eq!(line.number, lines.len() as u64);
        lines.push(line.text.to_owned());
        ControlFlow::Continue(())
    });
    assert!(good.lines.starts_with(&lines), "a line is verified that nobody wrote");
    match found {
        Ok(found) => {
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].verified, lines.len() as u64);
            if files == good.files {
                assert!(found[0].is_whole() && lines.len() == good.lines.len());
            }
            if found[0].is_whole() {
                assert_eq!(found[0].covered, found[0].verified, "whole, and a checkpoint does not hold");
            }
        }
        Err(error) => assert!(files != good.files && !error.to_string().is_empty()),
    }
    for (number, line) in good.lines.iter().enumerate() {
        if let Ok(proof) = idjag_log::prove(&scratch.0, &good.verifier, 0, number as u64) {
            let proven = idjag_log::check_proof(&proof, None, &good.verifier).expect("what was proven holds");
            assert_eq!((&proven.line, proven.number), (line, number as u64));
        }
    }
}

fn made_up(segment: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.0.join("0").join(format!("{:020}.jsonl", 0));
    fs::write(path, segment).expect("a file");
    let found = idjag_log::verified(&scratch.0, &GOOD.verifier, |line| panic!("nobody signed {line:?}"));
    assert_eq!(found.expect("a log")[0].verified, 0);
    let mut next = 0;
    idjag_log::lines(&scratch.0, None, |line| {
        assert!(line.text.starts_with(&format!("{{\"seq\":{},", line.number)));
        assert!(line.number >= next && !line.text.contains('\n'));
        next = line.number + 1;
        export(&line);
        ControlFlow::Continue(())
    })
    .expect("a file that can be read");
    let _ = idjag_log::remembered(&scratch.0, 0);
}

fn export(line: &Line<'_>) {
    let is_object = serde_json::from_str::<Value>(line.text).is_ok_and(|value| value.is_object());
    for format in [Format::Ocsf, Format::Ecs, Format::Cef] {
        let Some(text) = idjag_log::export(line, "origin", format) else {
            assert!(!is_object, "an object has no event");
            continue;
        };
        assert!(!text.chars().any(char::is_control), "{text:?}");
        if format == Format::Cef {
            assert!(is_cef(&text), "{text}");
        } else {
            serde_json::from_str::<Value>(&text).expect("JSON");
        }
    }
}

/// Seven bars that no backslash speaks for, and behind them no equals sign but after a key.
fn is_cef(text: &str) -> bool {
    let (mut bars, mut escaped, mut key) = (0, false, String::new());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' if bars < 7 => {
                bars += 1;
                key.clear();
            }
            '=' if bars == 7 => {
                if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
                    return false;
                }
                key.clear();
            }
            ' ' => key.clear(),
            _ => key.push(c),
        }
    }
    text.starts_with("CEF:0|") && bars == 7 && !escaped
}
