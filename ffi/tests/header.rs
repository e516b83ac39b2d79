//! `include/idjag.h` is what the sources say: written by cbindgen, committed, compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    let mut config = Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let line = config
        .after_includes
        .take()
        .unwrap()
        .replace("VERSION\"", &format!("{}\"", env!("CARGO_PKG_VERSION")));
    config.after_includes = Some(line);
    // It follows the modules, in the order of `lib.rs`.
    let builder = Builder::new().with_config(config).with_src(folder().join("src/lib.rs"));
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

fn names(text: &str, before: &str) -> BTreeSet<String> {
    let rests = text.split(before).skip(1);
    let names =
        rests.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
    names.filter(|name| name.starts_with("idjag_")).collect()
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = folder().join("include/idjag.h");
    let header = header();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == header,
        "run `UPDATE_HEADER=1 cargo test -p idjag-ffi --test header` and look at the difference"
    );
}

#[test]
fn every_function_of_the_sources_is_in_the_header_and_on_the_list() {
    let header = fs::read_to_string(folder().join("include/idjag.h")).unwrap();
    let mut written = BTreeSet::new();
    for entry in fs::read_dir(folder().join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem() != Some("panicking".as_ref()) {
            written.extend(names(&fs::read_to_string(path).unwrap(), "extern \"C\" fn "));
        }
    }
    assert!(written.len() > 40, "the reader of this test is blind");
    for name in &written {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    let listed = fs::read_to_string(folder().join("exported.txt")).unwrap();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    assert_eq!(listed, written, "exported.txt");
}

#[test]
fn every_type_says_who_frees_it_and_which_threads_may_use_it() {
    let header = fs::read_to_string(folder().join("include/idjag.h")).unwrap();
    let mut count = 0;
    let mut comment = String::new();
    for line in header.lines() {
        if let Some(words) = line.strip_prefix("//") {
            comment.push_str(words);
            continue;
        }
        let comment = std::mem::take(&mut comment);
        if line.starts_with("typedef struct") {
            let filled = comment.contains("The caller's own");
            let threads = comment.contains("Threads:");
            let given = comment.contains("yours to free with") && threads;
            let lent = comment.contains("Lent to") && comment.contains("never yours to free") && threads;
            assert_eq!([filled, given, lent].iter().filter(|said| **said).count(), 1, "{line}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} types: the reader of this test is blind");
}

#[test]
fn the_version_is_the_version() {
    let header = fs::read_to_string(folder().join("include/idjag.h")).unwrap();
    assert!(header.contains(&format!("#define IDJAG_VERSION \"{}\"", env!("CARGO_PKG_VERSION"))));
    assert!(Path::new(&folder()).join("exported.txt").exists());
}
