//! The public API of the core is what `core/public-api.txt` says, and can be shared among threads.
//!
//! `make public-api` writes the file anew; the diff is then part of the review. The list is read off the source, which
//! is possible because `unreachable_pub` leaves `pub` only on what the crate root re-exports, and because rustfmt gives
//! every item its place; so it depends on no version of a tool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use idjag::Reason;

/// A public type or trait, and what belongs to it, a line each.
#[derive(Default)]
struct Item {
    head: String,
    members: BTreeSet<String>,
}

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core")
}

/// Name at home to name outside, as lib.rs re-exports them.
fn exported(lib: &str) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for uses in lib.split("\npub use ").skip(1) {
        let path = uses.split(';').next().unwrap();
        let names = path.rsplit("::").next().unwrap().trim_matches(['{', '}', '\n', ' ']);
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let (home, outside) = name.split_once(" as ").unwrap_or((name, name));
            exported.insert(home.to_owned(), outside.to_owned());
        }
    }
    exported
}

/// Every file of source, but for what is only for tests.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The items of one file, each in one line: a declaration up to its body, with the depth that it is indented to.
fn declarations(text: &str) -> Vec<(usize, String)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut lines =
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let depth = line.len() - line.trim_start().len();
        let mut declaration = line.trim().to_owned();
        let opens =
            ["pub ", "impl", "fn ", "const ", "type ", "enum ", "struct ", "trait ", "#[derive", "#[non_ex"];
        if opens.iter().any(|word| declaration.starts_with(word)) {
            while !declaration.ends_with(['{', '}', ';', ',', ']']) {
                let Some(line) = lines.next() else { break };
                if !declaration.ends_with(['(', '<']) && !line.trim().starts_with([')', '>']) {
                    declaration.push(' ');
                }
                declaration.push_str(line.trim());
                // The parameters of a function, a line each, end in commas; its list ends with the parenthesis.
                while declaration.ends_with(',') && unclosed(&declaration) {
                    let Some(line) = lines.next() else { break };
                    if line.trim().starts_with(')') {
                        declaration.pop();
                    } else {
                        declaration.push(' ');
                    }
                    declaration.push_str(line.trim());
                }
            }
        }
        found.push((depth, declaration));
    }
    found
}

fn unclosed(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}

/// Reads one file into `items`.
fn read(text: &str, exported: &BTreeMap<String, String>, items: &mut BTreeMap<String, Item>) {
    let declarations = declarations(text);
    // A private type may have the name of another file's public one.
    let private: BTreeSet<_> = declarations
        .iter()
        .filter_map(|(_, line)| {
            let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) ")).unwrap_or(line);
            ["struct ", "enum ", "trait "].iter().find_map(|kind| line.strip_prefix(kind))
        })
        .map(name_of)
        .collect();
    let public = |name: &str| exported.get(name).filter(|_| !private.contains(name));

    let mut attributes = Vec::new();
    let mut within: Option<(usize, String, &str)> = None;
    let mut variant = String::new();
    for (depth, line) in &declarations {
        if within.as_ref().is_some_and(|(outer, ..)| depth <= outer) {
            within = None;
        }
        if line.starts_with("#[") {
            if ["#[derive", "#[non_exhaustive", "#[must_use"].iter().any(|kind| line.starts_with(kind)) {
                attributes.push(line.as_str());
            }
            continue;
        }
        let head = line.trim_end_matches("{}").trim_end_matches(['{', ' ', ';']);
        let declared =
            ["pub struct ", "pub enum ", "pub trait "].iter().find_map(|kind| head.strip_prefix(kind));
        if let Some(outside) = declared.map(name_of).and_then(public) {
            let item = items.entry(outside.clone()).or_default();
            // Of a tuple, only what is public.
            let open = head.split_once('(').filter(|(_, fields)| !fields.contains("pub "));
            item.head = [attributes.as_slice(), &[open.map_or(head, |(head, _)| head)]].concat().join(" ");
            let kind = if head.starts_with("pub trait") {
                "trait"
            } else if head.starts_with("pub enum") {
                "enum"
            } else {
                "struct"
            };
            within = Some((*depth, outside.clone(), kind));
        } else if let Some(implemented) = head.strip_prefix("impl") {
            let (of, to) =
                implemented.rsplit_once(" for ").map_or((None, implemented), |(of, to)| (Some(of), to));
            let name = name_of(skip_generics(to));
            if let Some(outside) = public(name) {
                // A conversion from a private type cannot be called from outside.
                let from = of.and_then(|of| of.trim().strip_prefix("From<")).map(name_of);
                match of {
                    Some(_)
                        if from
                            .is_some_and(|from| private.contains(from) || !exported.contains_key(from)) => {}
                    Some(_) => _ = items.entry(outside.clone()).or_default().members.insert(head.to_owned()),
                    None => within = Some((*depth, outside.clone(), "impl")),
                }
            } else if of.is_some() && to.trim() == "F" {
                // A blanket implementation belongs to its trait.
                let of = of.map(skip_generics).map(name_of).and_then(public).expect("a trait of ours");
                items.entry(of.clone()).or_default().members.insert(head.to_owned());
            }
        } else if let Some((outer, name, kind)) = &within
            && *depth == outer + 4
            && (line.starts_with("pub ")
                || (*kind == "trait" && (line.starts_with("fn ") || line.starts_with("type ")))
                || (*kind == "enum" && line.starts_with(|c: char| c.is_ascii_uppercase())))
        {
            // The value of a constant is not part of it; the `=` in a function's signature is.
            let value = if line.contains("fn ") { None } else { head.split_once(" = ") };
            let member = value.map_or(head, |(member, _)| member).trim_end_matches(',');
            member.clone_into(&mut variant);
            items.entry(name.clone()).or_default().members.insert(member.to_owned());
        } else if let Some((outer, name, "enum")) = &within
            && *depth == outer + 8
        {
            let member = format!("{variant}.{}", head.trim_end_matches(','));
            items.entry(name.clone()).or_default().members.insert(member);
        }
        attributes.clear();
    }
}

/// The name at the start: `Request<'a>` is `Request`.
fn name_of(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
}

/// What follows the generic parameters of an `impl`.
fn skip_generics(text: &str) -> &str {
    let (mut depth, mut before) = (0, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            // Not the end of an arrow.
            '>' if before != '-' => depth -= 1,
            _ if depth == 0 && !c.is_whitespace() => return text.split_at(at).1,
            _ => {}
        }
        before = c;
    }
    text
}

/// The whole list.
fn listing() -> String {
    let lib = fs::read_to_string(core().join("src/lib.rs")).unwrap();
    let exported = exported(&lib);
    let (mut items, mut paths) = (BTreeMap::new(), Vec::new());
    files(&core().join("src"), &mut paths);
    paths.sort();
    for path in paths {
        read(&fs::read_to_string(path).unwrap(), &exported, &mut items);
    }
    let listed: BTreeSet<_> =
        items.iter().filter(|(_, item)| !item.head.is_empty()).map(|(name, _)| name).collect();
    let expected: BTreeSet<_> = exported.values().collect();
    assert_eq!(listed, expected, "an item that is re-exported was not found, or the other way round");

    let mut text =
        String::from("The public API of the crate idjag. Written by `make public-api`; a test compares.\n");
    for (name, item) in items {
        let home = name_of(item.head.split(' ').skip_while(|word| *word != "pub").nth(2).unwrap()).to_owned();
        let renamed = if home == name { String::new() } else { format!(" as {name}") };
        _ = writeln!(text, "\n{}{renamed}", item.head);
        for member in item.members {
            _ = writeln!(text, "    {member}");
        }
    }
    text.push_str("\nThe refusals: slug, check, OAuth code\n");
    for reason in Reason::ALL {
        _ = writeln!(text, "    {reason}, {}, {}", reason.check().as_str(), reason.oauth_error());
    }
    text
}

#[test]
fn the_public_api_is_the_one_that_is_written_down() {
    let path = core().join("public-api.txt");
    let listing = listing();
    if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(path, listing).unwrap();
        return;
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<String> = listing
        .lines()
        .filter(|line| !written.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}"))
        .chain(
            written
                .lines()
                .filter(|line| !listing.lines().any(|other| other == *line))
                .map(|line| format!("- {line}")),
        )
        .collect();
    assert!(
        listing == written,
        "the public API changed; if it should: `make public-api`, and a line in CHANGELOG.md\n{}",
        changed.join("\n")
    );
}

/// Every public type, to be compared with the list.
macro_rules! shared {
    ($($type:ty,)*) => {{
        fn shared<T: Send + Sync + ?Sized>() {}
        $(shared::<$type>();)*
        [$(stringify!($type)),*]
    }};
}

#[test]
fn the_public_types_go_from_thread_to_thread() {
    let asserted = shared![
        idjag::Algorithm,
        idjag::Audit,
        dyn idjag::Board,
        idjag::BoardUnavailable,
        idjag::Builder,
        idjag::Challenge<'_>,
        idjag::Check,
        idjag::Checked,
        idjag::Claim,
        idjag::Claimed,
        dyn idjag::ClientDocuments,
        dyn idjag::Clock,
        idjag::Config,
        idjag::ConnectorChange,
        idjag::ConnectorState,
        idjag::ConnectorSummary,
        idjag::Date,
        idjag::Directory,
        idjag::Durability,
        idjag::Error,
        idjag::Event<'_>,
        idjag::Exchange,
        idjag::Explanation,
        idjag::Fact<'_>,
        idjag::FetchSettings,
        idjag::Fetched,
        idjag::Groups<'_>,
        idjag::IdJag<'_>,
        idjag::IdJagMinter,
        idjag::IdToken<'_>,
        idjag::IdentityProvider,
        idjag::IdpConfig,
        idjag::Issued,
        idjag::KeyOwner,
        idjag::KeyProblem,
        idjag::KeySet,
        idjag::KeySetProblem,
        dyn idjag::KeySource,
        idjag::MemoryReplay,
        idjag::NoRecord,
        idjag::Note<'_>,
        idjag::Notice,
        idjag::OAuthError,
        idjag::Outcome,
        idjag::Pending,
        idjag::PendingResponse,
        idjag::Person<'_>,
        idjag::Purpose,
        idjag::Reach,
        idjag::Reason,
        idjag::Receipt,
        dyn idjag::Record,
        idjag::RecordUnavailable,
        idjag::Refusal,
        idjag::ReplayKey,
        idjag::ReplayStats,
        dyn idjag::ReplayStore,
        idjag::Request<'_>,
        idjag::ResourceRequest<'_>,
        idjag::Response,
        idjag::Revocation<'_>,
        idjag::Rule,
        idjag::Scopes,
        idjag::SigningKey,
        idjag::Sought,
        idjag::Standing,
        idjag::Stats,
        idjag::Store,
        idjag::SubjectForm,
        idjag::SystemClock,
        idjag::TokenRequest<'_>,
        idjag::VerifiedToken,
        idjag::VerifyingKey,
        idjag::WantedKeys,
    ];
    let asserted: BTreeSet<&str> = asserted
        .iter()
        .map(|name| name_of(name.trim_start_matches("dyn ").trim_start_matches("idjag::")))
        .collect();
    let lib = fs::read_to_string(core().join("src/lib.rs")).unwrap();
    let exported = exported(&lib);
    assert_eq!(asserted, exported.values().map(String::as_str).collect(), "a public type is not asserted");
}

#[test]
fn what_holds_secrets_or_tokens_does_not_print_them() {
    let key = idjag::SigningKey::generate(idjag::Algorithm::EdDSA).unwrap();
    let jwk: serde_json::Value = serde_json::from_str(&key.to_jwk()).unwrap();
    assert!(!format!("{key:?}").contains(jwk["d"].as_str().unwrap()));
    let request = idjag::Request { assertion: b"eyJ0eXAi", ..idjag::Request::default() };
    assert!(!format!("{request:?}").contains("eyJ0eXAi"));
    let request = idjag::ResourceRequest {
        token: b"eyJ0eXAi",
        dpop: Some(b"eyJ0eXAi"),
        ..idjag::ResourceRequest::default()
    };
    assert!(!format!("{request:?}").contains("eyJ0eXAi"));
}
