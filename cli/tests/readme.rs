//! What the README tells a newcomer to type is typed here.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The fenced `sh` blocks of the README that call `idjag`.
fn blocks() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(readme).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.contains("idjag ")).collect()
}

#[test]
fn the_commands_of_the_readme_run() {
    let folder = env::temp_dir().join(format!("idjag-readme-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_idjag")).parent().unwrap();
    let path =
        env::join_paths([binary.to_owned()].into_iter().chain(env::split_paths(&env::var("PATH").unwrap())));
    let blocks = blocks();
    assert_eq!(blocks.len(), 1, "the README's block is gone");
    for block in blocks {
        let ran = Command::new("sh")
            .args(["-e", "-u", "-c", &block])
            .current_dir(&folder)
            .env("PATH", path.as_ref().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert!(said.contains("granted: "), "explain did not grant: {said}");
    }
    let answers = fs::read_to_string(folder.join("company/answers.jsonl")).unwrap();
    assert_eq!(answers.lines().filter(|line| line.contains("access_token")).count(), 140);
    fs::remove_dir_all(&folder).unwrap();
}
