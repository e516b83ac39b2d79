//! What the pages at the root say about the tree is so: paths, commands, dependencies, versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use idjag::Config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The pages at the root.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "md"))
        .map(|name| (name.clone(), text(&name)))
        .collect();
    pages.push(("fuzz/README.md".to_owned(), text("fuzz/README.md")));
    assert!(pages.len() >= 5, "the pages are gone");
    pages
}

/// What stands between back-ticks, outside fenced blocks.
fn quoted(page: &str) -> Vec<&str> {
    let prose = page.split("\n```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// The crates that a manifest names, whatever for.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut within = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]") && !line.starts_with("[workspace");
        } else if within && let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            names.insert(name.trim().trim_end_matches(".workspace").to_owned());
        }
    }
    names
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let places = [
        "core/", "stores/", "log/", "fetch/", "cli/", "ffi/", "python/", "benches/", "tests/", "fuzz/",
        ".ci/",
    ];
    let files = ["Cargo.toml", "Makefile", "deny.toml"];
    let mut count = 0;
    for (page, text) in pages() {
        for path in quoted(&text) {
            let names_a_path = places.iter().any(|place| path.starts_with(place))
                || files.contains(&path)
                || Path::new(path).extension().is_some_and(|kind| kind == "md");
            if names_a_path && !path.contains(['*', ' ', '<']) && !path.starts_with("fuzz/artifacts") {
                let example = path.contains("TARGET") || path.contains("NAME");
                assert!(example || root().join(path).exists(), "{page} names `{path}`");
                count += 1;
            }
        }
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = link.split('#').next().unwrap();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            let folder = root().join(&page);
            let there = folder.parent().unwrap().join(path).exists();
            assert!(elsewhere || there, "{page} links to `{link}`");
        }
    }
    assert!(count > 40, "{count} paths: the reader of this test is blind");
}

#[test]
fn every_command_that_a_page_names_is_a_target() {
    let makefile = text("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = text.split("\n```").skip(1).step_by(2).flat_map(str::lines);
        for command in quoted(&text).into_iter().chain(blocks) {
            let Some(arguments) = command.trim_start_matches("$ ").strip_prefix("make ") else {
                continue;
            };
            if arguments.starts_with("-C ") {
                continue; // Another Makefile.
            }
            for target in arguments.split_whitespace().take_while(|word| *word != "#") {
                assert!(target.contains('=') || targets.contains(target), "{page} names `make {target}`");
                count += 1;
            }
        }
    }
    assert!(count > 8, "{count} commands: the reader of this test is blind");
}

#[test]
fn the_tree_is_the_tree() {
    let page = text("ARCHITECTURE.md");
    let tree = page.split("```tree\n").nth(1).expect("a block `tree`").split("```").next().unwrap();
    let drawn: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for path in &drawn {
        assert!(root().join(path).exists(), "`{path}` is drawn");
    }
    for member in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap()) {
        if member.path().join("Cargo.toml").exists() {
            let name = format!("{}/", member.file_name().to_string_lossy());
            assert!(drawn.contains(name.as_str()), "`{name}` is not drawn");
        }
    }
}

#[test]
fn every_dependency_has_its_row_and_every_row_its_dependency() {
    let mut used = BTreeSet::new();
    let folders = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.chain([root().join("benches/peers")]) {
        if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) {
            used.extend(dependencies(&manifest));
        }
    }
    used.retain(|name| !name.starts_with("idjag"));
    assert!(
        ["arc-swap", "libfuzzer-sys", "josekit"].iter().all(|name| used.contains(*name)),
        "the reader of this test is blind"
    );

    let page = text("ARCHITECTURE.md");
    let table = page.split("## Dependencies").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: BTreeSet<String> = table
        .lines()
        .filter(|row| !row.contains("| nowhere yet |"))
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = used.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&used).collect();
    assert!(missing.is_empty() && gone.is_empty(), "no row: {missing:?}; no longer used: {gone:?}");
}

#[test]
fn the_changelog_knows_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("CHANGELOG.md").contains(version), "CHANGELOG.md does not mention {version}");
}

#[test]
fn both_licences_are_there() {
    assert!(text("LICENSE-APACHE").contains("Version 2.0, January 2004"));
    assert!(text("LICENSE-MIT").contains("MIT License"));
    assert!(text("Cargo.toml").contains("license = \"Apache-2.0 OR MIT\""));
}

/// The fenced `toml` blocks of a page.
fn configurations(page: &str) -> Vec<&str> {
    page.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_configuration_that_a_page_shows_is_one() {
    // What a block says itself is left out of what stands around it.
    let tables = [
        ("[audit]", "audit = \"off\"\n"),
        ("[tokens]", "[tokens]\nkeys = \"ephemeral\"\n"),
        (
            "[[idps]]",
            "[[idps]]\nissuer = \"https://acme.idp.example\"\njwks_uri = \"https://acme.idp.example/keys\"\n",
        ),
        ("[[clients]]", "[[clients]]\nid = \"someone\"\nauth = \"none\"\nconnectors = [\"*\"]\n"),
        (
            "[[connectors]]",
            "[[connectors]]\nid = \"chat\"\nresource = \"https://mcp.chat.example/\"\nscopes = [\"chat.read\"]\nstate = \"planned\"\n",
        ),
    ];
    let parse = |block: &str| {
        let around: String =
            tables.iter().filter(|(name, _)| !block.contains(name)).map(|(_, text)| *text).collect();
        let text = format!("issuer = \"https://auth.chat.example/\"\n{around}{block}\n");
        let parsed = Config::parse("page.toml", &text, &mut |_| Ok(b"a password".to_vec()));
        parsed.map(|_| ()).map_err(|why| format!("{why}\n{text}"))
    };
    parse("").unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        for block in configurations(&text) {
            parse(block).unwrap_or_else(|why| panic!("{page}: {why}"));
            let (first, rest) = block.split_once('\n').unwrap();
            assert!(parse(&format!("{first}\nunheard_of = 1\n{rest}")).is_err(), "the control: {block}");
            count += 1;
        }
    }
    assert!(count >= 6, "the blocks are gone");
}
