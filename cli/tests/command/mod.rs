//! Runs `idjag` as a user would.
#![allow(dead_code, reason = "each file of tests uses its part")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a command left behind.
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs `idjag` with `args` and an empty standard input.
pub fn idjag(args: &[&str]) -> Ran {
    idjag_reading(args, "")
}

/// Runs `idjag` with `args` and `input` on standard input.
pub fn idjag_reading(args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_idjag"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it: that is no fault.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr)
            .unwrap()
            .split_inclusive('\n')
            // A build without RSA keys of its own always says so.
            .filter(|line| cfg!(feature = "aws-lc-rs") || !line.contains("public test keys"))
            .collect(),
    }
}

impl Ran {
    /// Standard output, with status 0 and nothing said on standard error.
    pub fn fine(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Standard output as one JSON value on one line.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.matches('\n').count(), 1, "{}\n{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Standard output as a JSON value on each line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A directory for one test, empty and not yet there.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    /// The directory itself.
    pub fn dir(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The path of a file in it.
    pub fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap()
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::create_dir_all(&self.0).unwrap();
        std::fs::write(self.0.join(file), text).unwrap();
    }

    /// Permissions as `600`; the same everywhere but on Unix.
    pub fn mode(&self, file: &str) -> u32 {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::metadata(self.0.join(file)).unwrap().permissions().mode() & 0o777
        }
        #[cfg(not(unix))]
        {
            let _ = file;
            0o600
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
