//! The floors of ARCHITECTURE.md hold: in core/, nothing uses what stands above it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One source file of the core: the module that it belongs to at the root of the crate, and its code.
struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of the first block in ARCHITECTURE.md that is fenced as `kind`.
fn block(kind: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let lines = text.lines().skip_while(|line| *line != format!("```{kind}")).skip(1);
    let lines: Vec<_> = lines.take_while(|line| *line != "```").map(str::to_owned).collect();
    assert!(!lines.is_empty(), "ARCHITECTURE.md has no block `{kind}`");
    lines
}

/// Module to floor. A line of the block is the number of the floor, its name, a colon, and its modules.
fn floors() -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in block("floors") {
        let (head, modules) = line.split_once(':').expect("a colon");
        let floor = head.split_whitespace().next().and_then(|number| number.parse().ok());
        for module in modules.split_whitespace() {
            let earlier = floors.insert(module.to_owned(), floor.expect("a number"));
            assert_eq!(earlier, None, "`{module}` stands on two floors");
        }
    }
    floors
}

/// Every file of the core but lib.rs, without comments and tests.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut sources = Vec::new();
    let mut only_tests = BTreeSet::new();
    for path in files {
        let (code, tests) = without_tests(&fs::read_to_string(&path).unwrap());
        let folder = path.parent().unwrap();
        only_tests.extend(tests.iter().map(|module| folder.join(format!("{module}.rs"))));
        let within = path.strip_prefix(root().join("core/src")).unwrap();
        let module = within.iter().next().unwrap().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        sources.push(Source { path, module, code });
    }
    sources.retain(|source| !only_tests.contains(&source.path));
    sources
}

/// The code above the tests, without lines of comment; and the modules in other files that are only for tests.
fn without_tests(text: &str) -> (String, Vec<String>) {
    let (mut code, mut tests, mut pending) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        let trimmed = line.trim();
        if pending {
            pending = false;
            if let Some(module) = trimmed.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                tests.push(module.to_owned());
                continue;
            } else if trimmed.contains("mod tests {") {
                break;
            }
            // Anything else that is only for tests is held to the same rules.
        }
        if trimmed == "#[cfg(test)]" {
            pending = true;
        } else if !trimmed.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    (code, tests)
}

/// The words of the code that stand on their own: `aws_lc_rs`, not `aws_lc_rs_2`.
fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

/// The modules at the root that the code names, also within `use crate::{...}`.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut named = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            named.insert(word(after));
            continue;
        };
        // The parts of the group at its own depth.
        let (mut depth, mut part) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    named.insert(word(&part));
                    part.clear();
                    continue;
                }
                _ => {}
            }
            part.push(c);
        }
        named.insert(word(&part));
    }
    // What lib.rs re-exports is named by its type.
    named.retain(|name| name.starts_with(|c: char| c.is_lowercase()));
    named
}

#[test]
fn nothing_points_up() {
    let floors = floors();
    let mut seen = BTreeSet::new();
    for source in sources().iter().filter(|source| source.module != "lib") {
        let file = source.path.display();
        let floor =
            *floors.get(&source.module).unwrap_or_else(|| panic!("ARCHITECTURE.md gives no floor to {file}"));
        for used in named(&source.code) {
            let theirs = floors.get(&used).unwrap_or_else(|| panic!("{file} names `{used}`"));
            assert!(*theirs <= floor, "{file} on floor {floor} uses `{used}` on floor {theirs}");
        }
        seen.insert(source.module.clone());
    }
    let listed: BTreeSet<_> = floors.into_keys().collect();
    assert_eq!(listed, seen, "ARCHITECTURE.md lists modules that are not there");
}

#[test]
fn the_policy_does_not_know_where_groups_come_from() {
    for source in sources().iter().filter(|source| source.module == "policy") {
        assert!(!words(&source.code).contains("directory"), "policy names `directory`");
    }
}

#[test]
fn each_of_these_is_named_in_one_file_only() {
    let only = [
        ("aws_lc_rs", "crypto"),
        ("ring", "crypto"),
        ("arc_swap", "snapshot"),
        ("loom", "sync"),
        ("SystemTime", "time"),
        ("SystemRandom", "crypto"),
        ("unsafe", "no file"),
    ];
    for (name, home) in only {
        for source in sources() {
            // In lib.rs `ring` is the name of a feature.
            let code = source.code.replace("\"ring\"", "").replace("`ring`", "");
            let allowed = source.module == home;
            assert!(allowed || !words(&code).contains(name), "{} names `{name}`", source.path.display());
        }
    }
}

#[test]
fn the_reader_of_this_test_is_not_blind() {
    let (code, tests) = without_tests(
        "use crate::a;\n// use crate::b;\n#[cfg(test)]\nmod c;\nfn f() { crate::d::g() }\n\
        use crate::{e, f::{G, h}, i};\n#[cfg(test)]\nmod tests {\nuse crate::j;\n}",
    );
    assert_eq!(tests, ["c"]);
    assert_eq!(named(&code).iter().collect::<Vec<_>>(), ["a", "d", "e", "f", "i"]);
    let sources = sources();
    assert!(sources.len() > 30 && sources.iter().any(|source| source.module == "config"));
    assert!(!sources.iter().any(|source| source.path.ends_with("config/tests.rs")));
    let exchange = sources.iter().find(|source| source.module == "exchange").unwrap();
    assert!(named(&exchange.code).len() > 10);
}
